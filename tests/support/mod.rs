//! What the integration tests share: frames put together by hand, a naive oracle, a driver that
//! cuts a stream into portions, and sockets that misbehave on cue.
//!
//! The oracle, the streams and the models do not use the library's own encoder or parser: what a
//! test compares with must not share the mistakes of what it tests.

#![allow(dead_code, reason = "each test crate uses its own part of the support")]

pub mod cases;
pub mod connection;
pub mod driver;
pub mod embedder;
pub mod handshakes;
pub mod heap;
pub mod hostile;
pub mod inflate;
pub mod laws;
pub mod model;
pub mod oracle;
#[cfg(feature = "std")]
pub mod outboxes;
pub mod requests;
pub mod sink;
pub mod story;
pub mod streams;

use dormouse::{Client, Event, Input, Limits, Outbox, Server, WebSocket};

/// The key of every frame that a client under test sends: what it sends is legible.
pub const ZERO_KEY: [u8; 4] = [0; 4];

/// A key that changes every byte, for what a server under test receives.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// First bytes of frames: FIN, and the opcode.
pub const FIN: u8 = 0x80;
/// RFC 7692 §6: the bit of a compressed message.
pub const RSV1: u8 = 0x40;
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8A;

/// One frame by the book (§5.2): `first` is its whole first byte, a `key` masks it.
pub fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, key, payload.len() as u64);
    let key = key.unwrap_or([0; 4]);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
    bytes
}

/// Only the header of a frame that declares `len` bytes.
pub fn header(first: u8, key: Option<[u8; 4]>, len: u64) -> Vec<u8> {
    let form = match len {
        0..=125 => Form::Short,
        126..=65535 => Form::Medium,
        _ => Form::Long,
    };
    header_in_form(first, key, len, form)
}

/// The three ways to write a length (§5.2).
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Short,
    Medium,
    Long,
}

/// A header with its length in any form, also a wrong one.
pub fn header_in_form(first: u8, key: Option<[u8; 4]>, len: u64, form: Form) -> Vec<u8> {
    let mask_bit = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match form {
        Form::Short => bytes.push(mask_bit | len as u8 & 0x7f),
        Form::Medium => {
            bytes.push(mask_bit | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        Form::Long => {
            bytes.push(mask_bit | 127);
            bytes.extend(len.to_be_bytes());
        }
    }
    bytes.extend(key.into_iter().flatten());
    bytes
}

/// The body of a Close frame.
pub fn close_body(code: u16, reason: &str) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend(reason.as_bytes());
    body
}

/// A server and a client under test, with the default limits.
pub fn server() -> (WebSocket<Server>, Outbox) {
    (WebSocket::server(&Limits::default()), Outbox::new(&Limits::default()))
}

pub fn client() -> (WebSocket<Client>, Outbox) {
    (WebSocket::client(&Limits::default(), || ZERO_KEY), Outbox::new(&Limits::default()))
}

/// Gives `bytes` in one read, and forgets the events.
pub fn feed(ws: &mut WebSocket<Server>, bytes: &[u8], out: &mut Outbox) {
    let mut bytes = bytes.to_vec();
    let mut input = Input::new(&mut bytes);
    while ws.next(&mut input, out).unwrap().is_some() {}
}

/// Everything that waits in `out`, in order.
pub fn waiting(out: &Outbox) -> Vec<u8> {
    out.slices().flatten().copied().collect()
}

/// Short names for the events to expect.
pub fn text(text: &str) -> Event<'static> {
    Event::Text(text.to_owned().into())
}

pub fn binary(bytes: &[u8]) -> Event<'static> {
    Event::Binary(bytes.to_owned().into())
}
