//! Inflates messages, bounded while it inflates.
//!
//! RFC 7692 §7.2.2. Layer 5.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{MAX_BITS, TAIL};
use crate::utf8::{self, InvalidUtf8};
use crate::websocket::{Compressed, Event, MessageKind};
use crate::wire::close::CloseCode;

/// The first room for a message. It doubles as it fills.
const FIRST_ROOM: usize = 4096;

/// Inflates the messages that a peer has compressed.
///
/// Without context takeover, which is what [`Policy`](super::Policy) asks for unless it is told
/// otherwise, every message stands for itself: one `Inflater` serves all connections of a thread. With
/// it, a connection needs one of its own, of about 46 KiB, for as long as it lives.
///
/// ```
/// use dormouse::deflate::Inflater;
/// use dormouse::{Event, Input, Limits, Outbox, WebSocket};
///
/// let limits = Limits::default();
/// let (mut ws, mut out) = (WebSocket::client(&limits, || [0; 4]), Outbox::new(&limits));
/// ws.allow_compressed();
/// let (mut inflater, mut room) = (Inflater::new(false), Vec::new()); // for all connections
///
/// let mut scratch = *b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"; // RFC 7692 §7.2.3.1
/// let mut input = Input::new(&mut scratch);
/// while let Some(event) = ws.next(&mut input, &mut out)? {
///     match inflater.inflate(event, &mut room) {
///         Ok(Event::Text(text)) => assert_eq!(text, "Hello"),
///         Ok(_) => {}
///         Err(error) => ws.fail(error.close_code(), &mut out),
///     }
/// }
/// # Ok::<(), dormouse::Violation>(())
/// ```
pub struct Inflater {
    inflate: Inflate,
    takeover: bool,
}

/// Why a message cannot be inflated. The connection is to be [failed](crate::WebSocket::fail) with
/// [`close_code`](Self::close_code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InflateError {
    /// RFC 7692 §7.2.2: the bytes are not DEFLATE, or end inside a block.
    #[error("compressed message is not DEFLATE")]
    Data,
    /// RFC 6455 §8.1: a text message that is not UTF-8 when it is inflated.
    #[error(transparent)]
    Text(#[from] InvalidUtf8),
    /// RFC 6455 §10.4: a message that inflates to more than [`Limits::message`](crate::Limits::message).
    #[error("message inflates to more than the limit")]
    TooBig,
}

impl InflateError {
    /// The code of the Close frame that answers it (RFC 6455 §7.4.1).
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Data | Self::Text(_) => CloseCode::INVALID_DATA,
            Self::TooBig => CloseCode::MESSAGE_TOO_BIG,
        }
    }
}

impl Inflater {
    /// An inflater for peers that keep their context between messages, or for those that do not. See
    /// [`Agreed::inflater`](super::Agreed::inflater).
    pub fn new(takeover: bool) -> Self {
        Self { inflate: Inflate::new(false, MAX_BITS), takeover }
    }

    /// Inflates `event` into `room` if it is a compressed message; any other event is returned as it is.
    ///
    /// `room` grows to what a message takes, at most to the connection's limit on messages, and keeps
    /// that: it can be one for all connections of a thread, and be shrunk at any time. What was in it
    /// is overwritten.
    ///
    /// # Errors
    ///
    /// [`InflateError`]: what is wrong with the message. It costs no more than the limit to find out.
    pub fn inflate<'a>(
        &mut self,
        event: Event<'a>,
        room: &'a mut Vec<u8>,
    ) -> Result<Event<'a>, InflateError> {
        let Event::Compressed(message) = event else { return Ok(event) };
        let inflated = self.message(&message, room);
        if !self.takeover || inflated.is_err() {
            self.inflate.reset(false);
        }
        let bytes = room.get(..inflated?).unwrap_or_default();
        Ok(match message.kind {
            MessageKind::Text => Event::Text(Cow::Borrowed(utf8::validate(bytes)?)),
            MessageKind::Binary => Event::Binary(Cow::Borrowed(bytes)),
        })
    }

    /// Inflates all of `message` to the front of `room`, and returns how long it is.
    fn message(
        &mut self,
        message: &Compressed<'_>,
        room: &mut Vec<u8>,
    ) -> Result<usize, InflateError> {
        let limit = message.limit as usize;
        let mut bytes = &message.payload[..];
        let mut len = 0;
        // §7.2.3.6 has a byte for an empty message; none at all can mean nothing else.
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            if len == room.len() {
                grow(room, limit);
            }
            // When the limit is reached, one more byte shows whether that was all.
            let mut beyond = [0];
            let end = room.len().min(limit);
            let place = room.get_mut(len..end).filter(|place| !place.is_empty());
            let is_full = place.is_none();
            let step = self.step(bytes, place.unwrap_or(&mut beyond), InflateFlush::SyncFlush);
            // The codec may have looked beyond that byte, at something worse.
            if is_full && step.written > 0 {
                return Err(InflateError::TooBig);
            }
            len = len.saturating_add(step.written);
            bytes = bytes.get(step.read..).unwrap_or_default();
            if step.is_final? {
                // §7.2.1: blocks may follow one with BFINAL. They begin anew (RFC 1951 §3.2.3: it ends
                // the data set), as with every peer that is built on zlib.
                self.inflate.reset(false);
                if bytes.is_empty() {
                    return Ok(len);
                }
            } else if step.has_room {
                self.end()?;
                return Ok(len);
            }
        }
    }

    /// The end of a message that is not its own: what was removed from it completes its last block, and
    /// nothing else. A message that is cut inside a block must not pass for a shorter one, nor be
    /// continued by the next.
    fn end(&mut self) -> Result<(), InflateError> {
        // §7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message."
        // The codec stops behind the block, and otherwise takes whatever it is given: one byte more.
        let [a, b, c, d] = TAIL;
        let step = self.step(&[a, b, c, d, 0x00], &mut [0], InflateFlush::Block);
        let has_ended = step.read == TAIL.len() && step.written == 0;
        if step.is_final.is_ok() && has_ended { Ok(()) } else { Err(InflateError::Data) }
    }

    /// Inflates as much of `bytes` as there is room for.
    fn step(&mut self, bytes: &[u8], place: &mut [u8], flush: InflateFlush) -> Step {
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(bytes, place, flush);
        let read = self.inflate.total_in().wrapping_sub(read) as usize;
        let written = self.inflate.total_out().wrapping_sub(written) as usize;
        let is_final = status.map(|status| status == Status::StreamEnd);
        let has_room = written < place.len();
        Step { read, written, is_final: is_final.map_err(|_| InflateError::Data), has_room }
    }
}

/// What one call of the codec did.
struct Step {
    read: usize,
    written: usize,
    /// Whether the block was the last one of its stream, or what came after the bytes that are written
    /// is not DEFLATE.
    is_final: Result<bool, InflateError>,
    /// All that the bytes so far inflate to is written.
    has_room: bool,
}

/// Doubles the room, up to the limit.
fn grow(room: &mut Vec<u8>, limit: usize) {
    let len = room.len().saturating_mul(2).max(FIRST_ROOM).min(limit);
    if len > room.len() {
        room.reserve_exact(len.saturating_sub(room.len()));
        room.resize(len, 0);
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("takeover", &self.takeover).finish_non_exhaustive()
    }
}
