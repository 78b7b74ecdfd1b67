//! tungstenite on tokio (tokio-tungstenite).
//!
//! ```text
//! echo_tungstenite [--small] [--batched] [--room] [ADDR]
//! ```

#![forbid(unsafe_code)]

mod support;

use std::process::ExitCode;

use support::{Flag, Habit, Message};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite;
use tungstenite::protocol::WebSocketConfig;

/// A control frame fits, and what is larger makes room for itself.
const SMALL_BUFFER: usize = 128;

fn main() -> ExitCode {
    support::run(&[Flag::Small, Flag::Batched, Flag::Room], |flags| {
        let usual = WebSocketConfig::default();
        let small = usual.read_buffer_size(SMALL_BUFFER).write_buffer_size(0);
        let config = if flags.has(Flag::Small) { small } else { usual };
        let habit = Habit::of(&flags);
        move |socket: TcpStream| {
            let habit = habit.clone();
            async move {
                if let Ok(ws) = accept_async_with_config(socket, Some(config)).await {
                    habit.talk(ws).await;
                }
            }
        }
    })
}

impl Message for tungstenite::Message {
    fn is_data(&self) -> bool {
        self.is_text() || self.is_binary()
    }
}
