//! WebSockets (RFC 6455) for servers that hold very many connections which mostly sleep.
//!
//! `dormouse` owns no socket, no poller, no thread, no clock and no randomness. You read when your
//! poller says so, lend the buffer, and get messages back; what is to be written waits in an
//! [`Outbox`] until you write it. A connection that is idle costs one small struct and nothing on
//! the heap.
//!
//! # Who owns what
//!
//! | you own | dormouse owns |
//! |---|---|
//! | socket, TLS, poller, timers, threads | the protocol state of a connection: [`WebSocket`] |
//! | one scratch read buffer per thread | bytes waiting to be written: [`Outbox`] |
//! | randomness: mask keys and nonces are passed in | every MUST of RFC 6455 §4, §5, §7 and §8, and of RFC 7692, about bytes |
//! | the decision: origin, login, subprotocol | the exact bytes of the decision on the wire |
//!
//! # The three calls
//!
//! 1. **Handshake**: [`http::HeadReader`] collects the head, [`server::Upgrade::read`] applies the
//!    rules, `accept` or a [`server::Refusal`] writes the answer. Clients: [`client::Uri`]
//!    and [`client::Connect`].
//! 2. **Read**: [`WebSocket::next`] until it returns `None`, with the bytes of one read as [`Input`].
//! 3. **Write**: `Outbox::write_to`, or [`Outbox::slices`] and [`Outbox::advance`] by hand; what the
//!    socket does not take stays.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use dormouse::http::{EMPTY_HEADER, HeadReader, Request};
//! use dormouse::server::{Refusal, Upgrade};
//! use dormouse::{Event, Input, Limits, Outbox, WebSocket};
//! use std::io::{Read, Write};
//!
//! /// Echoes on one connection until it is closed. `stream` may be a socket or a TLS stream. For
//! /// browsers, compare `upgrade.origin()` before accepting; before a socket is closed, shut down its
//! /// writing half and read to the end, or a reset may overtake the last bytes (see the examples).
//! fn serve(mut stream: impl Read + Write) -> Result<(), Box<dyn std::error::Error>> {
//!     let limits = Limits::default();
//!     let mut scratch = [0; 4096];
//!     let mut out = Outbox::new(&limits);
//!     let mut head = HeadReader::new(&limits);
//!     let mut open = None;
//!     loop {
//!         let n = stream.read(&mut scratch)?;
//!         if n == 0 {
//!             return Ok(());
//!         }
//!         let mut input = Input::new(&mut scratch[..n]);
//!         if open.is_none() {
//!             let mut headers = [EMPTY_HEADER; 64];
//!             let head = match head.next(&mut input) {
//!                 Ok(Some(head)) => head,
//!                 Ok(None) => continue,
//!                 Err(error) => return refuse(error.into(), stream),
//!             };
//!             let request = Request::parse(&head, &mut headers).map_err(Refusal::from);
//!             match request.and_then(|request| Upgrade::read(&request)) {
//!                 Ok(upgrade) => upgrade.accept().write(&mut out)?,
//!                 Err(refusal) => return refuse(refusal, stream),
//!             }
//!         }
//!         // What follows the head in the same read belongs to the WebSocket.
//!         let ws = open.get_or_insert_with(|| WebSocket::server(&limits));
//!         while let Some(event) = ws.next(&mut input, &mut out).unwrap_or_else(|violation| {
//!             eprintln!("{violation}"); // its Close is in `out`, and `ws` is closed
//!             None
//!         }) {
//!             if let Event::Text(text) = event {
//!                 ws.text(&text, &mut out)?;
//!             }
//!         }
//!         out.write_to(&mut stream)?;
//!         if ws.is_closed() {
//!             return Ok(());
//!         }
//!     }
//! }
//!
//! fn refuse(refusal: Refusal, mut stream: impl Write) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut out = Outbox::new(&Limits::default());
//!     refusal.write(&mut out)?;
//!     out.write_to(&mut stream)?;
//!     Ok(())
//! }
//! # struct Stream(std::io::Cursor<Vec<u8>>, Vec<u8>);
//! # impl Read for &mut Stream {
//! #     fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> { self.0.read(bytes) }
//! # }
//! # impl Write for &mut Stream {
//! #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { self.1.write(bytes) }
//! #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
//! # }
//! # let mut bytes = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//! #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec();
//! # bytes.extend(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
//! # let mut stream = Stream(std::io::Cursor::new(bytes), Vec::new());
//! # serve(&mut stream).unwrap();
//! # assert!(stream.1.ends_with(b"\r\n\r\n\x81\x05Hello"));
//! ```
//!
//! # Slow readers
//!
//! An outbox that is not empty after a write belongs to a peer that does not read as fast as you send.
//! Until it is empty again:
//!
//! - wait for the socket to become writable, and write;
//! - do not read from this peer, or the answers pile up. With an edge-triggered poller, remember that
//!   the socket was readable. To stop in the middle of a read, keep what [`Input::take_rest`] gives, and
//!   begin with that;
//! - of a broadcast, leave it out and send it the latest state afterwards, or let it queue: at
//!   [`Limits::outbox`] sending answers [`SendError::Full`], and changes nothing;
//! - have a deadline. [`WebSocket::close`] works with a full outbox as well.
//!
//! # Ending a connection
//!
//! When [`WebSocket::is_closed`] says so - after both sides have sent a Close, or after a violation -
//! nothing that comes matters any more, but the last bytes still have to arrive:
//!
//! 1. write until the outbox is empty;
//! 2. shut down the writing half of the socket;
//! 3. read and throw away, a bounded amount per wake-up, until the peer closes or a deadline of a
//!    few seconds is over; then close. A socket that is closed with unread bytes is reset, and the
//!    reset can overtake the Close frame.
//!
//! To end one yourself, call [`WebSocket::close`], which works also when the outbox is full, set a
//! deadline, and go on reading: the peer's Close is the last event.
//!
//! # What a connection costs
//!
//! | | bytes |
//! |---|---:|
//! | [`WebSocket<Server>`] | 32 |
//! | [`WebSocket<Client>`] | 40 |
//! | [`Outbox`] | 16 |
//! | on the heap, while idle | 0 |
//!
//! One scratch buffer and one `Outbox` per thread serve all connections of that thread, each [in its
//! turn](Outbox::sharing). The heap of a connection grows only while a message is cut into several
//! reads or fragments, or while its socket does not take what was sent, and is given back afterwards.
//!
//! # What a hostile peer can cost
//!
//! | it sends | it costs |
//! |---|---|
//! | a declared length, however large | nothing: memory grows by bytes received |
//! | a message in pieces | at most [`Limits::message`], then the connection fails; compressed, an eighth and 64 bytes more |
//! | empty fragments without end | 128 of them, then the connection fails |
//! | pings, and never reads | 17 pongs of at most 131 bytes each |
//! | anything to which you reply, and never reads | at most twice [`Limits::outbox`] |
//! | an HTTP head without end, or byte by byte | at most [`Limits::head`], every byte scanned once |
//! | anything at all | no panic: the crate has no `unsafe`, and answers with the close code or HTTP status that the RFC names |
//!
//! While a buffer grows, the old one is there beside the new one.
//!
//! Deadlines are yours, because clocks are: for the handshake, for a Close that is not answered, and
//! for peers that do not read.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `std` | yes | `Outbox::write_to`, `WebSocket::write_text` and `write_binary`, and SIMD chosen at run time |
//! | `simdutf8` | yes | UTF-8 validation with SIMD |
//! | `deflate` | no | compressed messages (permessage-deflate, RFC 7692), in Rust |
//!
//! Without `std` the crate needs only `alloc`, and a processor with atomic pointers.
//!
//! # Layers
//!
//! A module uses only modules of lower layers, never a sibling; a test of the crate checks that.
//!
//! | layer | modules |
//! |---|---|
//! | 6 | this page |
//! | 5 | `deflate`: compressed messages, what both sides agree on and the codec (feature `deflate`) |
//! | 4 | [`WebSocket`]: messages, replies, closing; [`server`] and [`client`]: the opening handshake |
//! | 3 | [`decode`]: frames piece by piece; [`Outbox`] |
//! | 2 | [`utf8`]; [`http`]: heads and their fields |
//! | 1 | [`wire`]: headers, masking, close codes; [`Role`] |
//! | 0 | [`Limits`], [`Input`] |
#![forbid(unsafe_code)]
// Nothing that a peer sends panics. What could, and what clippy knows of, is refused or argued in place.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]
#![warn(missing_docs)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod decode;
#[cfg(feature = "deflate")]
pub mod deflate;
mod handshake;
pub mod http;
mod input;
mod limits;
mod outbox;
mod role;
pub mod utf8;
mod websocket;
pub mod wire;

pub use handshake::{client, server};
pub use input::Input;
pub use limits::Limits;
#[cfg(feature = "std")]
pub use outbox::WriteError;
pub use outbox::{Outbox, Prepared, SendError, Sharing, Slices};
pub use role::{Client, Role, Server};
pub use websocket::{AbnormalClosure, Compressed, Event, MessageKind, Violation, WebSocket};
pub use wire::close::{CloseCode, CloseError, CloseFrame};

/// The samples of the README compile.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
