//! yawc, whose handshake is hyper's.
//!
//! ```text
//! echo_yawc [--small] [--batched] [--room] [ADDR]
//! ```
//!
//! Batched, it has the buffers with which its own comparison is made.

#![forbid(unsafe_code)]

mod support;

use std::process::ExitCode;

use futures::StreamExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use support::{Flag, Habit, Message};
use tokio::net::TcpStream;
use tokio::task::unconstrained;
use yawc::{Frame, OpCode, Options, WebSocket};

/// A control frame fits, and what is larger makes room for itself.
const SMALL_BUFFER: usize = 128;
/// Those of its own comparison.
const LARGE_BUFFER: usize = 128 * 1024;
const BOUNDARY: usize = 64 * 1024;

fn main() -> ExitCode {
    support::run(&[Flag::Small, Flag::Batched, Flag::Room], |flags| {
        let usual = Options::default().with_utf8();
        let options = if flags.has(Flag::Small) {
            usual.with_read_buffer_capacity(SMALL_BUFFER).with_write_buffer_capacity(SMALL_BUFFER)
        } else if flags.has(Flag::Batched) {
            usual.with_read_buffer_capacity(LARGE_BUFFER).with_backpressure_boundary(BOUNDARY)
        } else {
            usual
        };
        let habit = Habit::of(&flags);
        move |socket| serve(socket, options.clone(), habit.clone())
    })
}

async fn serve(socket: TcpStream, options: Options, habit: Habit<Frame>) {
    let upgrade = service_fn(move |mut request| {
        let (options, habit) = (options.clone(), habit.clone());
        async move {
            let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
            tokio::spawn(unconstrained(async move {
                if let Ok(ws) = upgraded.await {
                    habit.talk(ws.map(Ok)).await;
                }
            }));
            Ok::<_, yawc::WebSocketError>(response)
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), upgrade);
    // How a connection ends is of no interest here.
    let _ = connection.with_upgrades().await;
}

impl Message for Frame {
    fn is_data(&self) -> bool {
        matches!(self.opcode(), OpCode::Text | OpCode::Binary)
    }
}
