//! tokio-websockets. Its buffers have no setting.
//!
//! ```text
//! echo_tokio_websockets [--batched] [--room] [ADDR]
//! ```

#![forbid(unsafe_code)]

mod support;

use std::process::ExitCode;

use support::{Flag, Habit, Message};
use tokio::net::TcpStream;
use tokio_websockets::ServerBuilder;

fn main() -> ExitCode {
    support::run(&[Flag::Batched, Flag::Room], |flags| {
        let habit = Habit::of(&flags);
        move |socket: TcpStream| {
            let habit = habit.clone();
            async move {
                if let Ok((_, ws)) = ServerBuilder::new().accept(socket).await {
                    habit.talk(ws).await;
                }
            }
        }
    })
}

impl Message for tokio_websockets::Message {
    fn is_data(&self) -> bool {
        self.is_text() || self.is_binary()
    }
}
