//! WebSockets (RFC 6455) for servers that hold very many connections which mostly sleep.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod decode;
mod input;
mod limits;
mod outbox;
mod role;
pub mod utf8;
mod websocket;
pub mod wire;

pub use input::Input;
pub use limits::Limits;
pub use outbox::{Outbox, Prepared, SendError, Slices};
pub use role::{Client, Role, Server};
pub use websocket::{AbnormalClosure, Event, Violation, WebSocket};
pub use wire::close::{CloseCode, CloseError, CloseFrame};
