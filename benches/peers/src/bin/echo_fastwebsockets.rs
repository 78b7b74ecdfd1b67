//! fastwebsockets, whose handshake is hyper's. Its buffers have no setting.
//!
//! ```text
//! echo_fastwebsockets [ADDR]
//! ```

#![forbid(unsafe_code)]

mod support;

use std::process::ExitCode;

use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::unconstrained;

fn main() -> ExitCode {
    support::run(&[], |_| serve)
}

async fn serve(socket: TcpStream) {
    let answer = service_fn(async |mut request| {
        let (response, upgraded) = upgrade(&mut request)?;
        tokio::spawn(unconstrained(async {
            // How a connection ends is of no interest here.
            let _ = echo(upgraded).await;
        }));
        Ok::<_, WebSocketError>(response)
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
    let _ = connection.with_upgrades().await;
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut ws = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
        }
    }
}
