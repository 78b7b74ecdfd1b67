//! soketto, as its own example has it: with a buffer for reading and one for writing.
//!
//! ```text
//! echo_soketto [--small] [ADDR]      --small: without these two
//! ```

#![forbid(unsafe_code)]

mod support;

use std::process::ExitCode;

use futures::io::{AsyncRead, AsyncWrite, BufReader, BufWriter};
use soketto::Data;
use soketto::connection::Error;
use soketto::handshake::Server;
use soketto::handshake::server::Response;
use support::Flag;
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncReadCompatExt;

fn main() -> ExitCode {
    support::run(&[Flag::Small], |flags| {
        let is_small = flags.has(Flag::Small);
        move |socket: TcpStream| async move {
            let socket = socket.compat();
            // How a connection ends is of no interest here.
            let _ = if is_small {
                echo(socket).await
            } else {
                echo(BufReader::new(BufWriter::new(socket))).await
            };
        }
    })
}

async fn echo(socket: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Error> {
    let mut server = Server::new(socket);
    let Ok(request) = server.receive_request().await else { return Err(Error::Closed) };
    let accept = Response::Accept { key: request.key(), protocol: None };
    if server.send_response(&accept).await.is_err() {
        return Err(Error::Closed);
    }
    let (mut sender, mut receiver) = server.into_builder().finish();
    let mut message = Vec::new();
    loop {
        message.clear();
        match receiver.receive_data(&mut message).await? {
            Data::Binary(_) => sender.send_binary_mut(&mut message).await?,
            Data::Text(_) => match str::from_utf8(&message) {
                Ok(text) => sender.send_text(text).await?,
                Err(_) => return Ok(()),
            },
        }
        sender.flush().await?;
    }
}
