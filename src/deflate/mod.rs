//! Compressed messages: permessage-deflate, RFC 7692 (feature `deflate`).
//!
//! | file | what lives there |
//! |---|---|
//! | `negotiation` | what both sides agree on in the handshake: [`Policy`], [`Agreed`] |
//! | `inflater` | [`Inflater`]: an [`Event::Compressed`](crate::Event::Compressed) becomes a message |
//! | `deflater` | [`Deflater`]: a message becomes a frame, or a [`Prepared`](crate::Prepared) |
//!
//! Layer 5: nothing below knows of it, and a connection that has negotiated it is as small as any other.
//! What compression costs is in an [`Inflater`] and a [`Deflater`], which are the embedder's: one of each
//! per thread, unless a connection keeps its context between messages.
//!
//! The codec is `zlib-rs`, which is Rust and what `flate2` would call; it needs no `std`.

mod deflater;
mod inflater;
mod negotiation;

pub use deflater::Deflater;
pub use inflater::{InflateError, Inflater};
pub use negotiation::{Agreed, BadAnswer, Policy};

/// The windows that the codec has, in bits: of 2^bits bytes (RFC 7692 §7.1.2 has one of 8 bits too).
const MIN_BITS: u8 = 9;
/// The window of RFC 1951, of 32 KiB: what holds when nothing is said.
const MAX_BITS: u8 = 15;

/// §7.2.1: what every flush ends with, and a message on the wire is without.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
