//! Deflates messages.
//!
//! RFC 7692 §7.2.1. Layer 5.

use alloc::vec::Vec;
use core::fmt;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::{MAX_BITS, MIN_BITS, TAIL};
use crate::outbox::{Outbox, Prepared, SendError};
use crate::role::Role;
use crate::websocket::{MessageKind, WebSocket};

/// What a message may grow by: some bytes for the stream, and five for each stored block.
const MIN_ROOM: usize = 64;

/// Compresses the messages that a side sends.
///
/// Without context takeover, which is what [`Policy`](super::Policy) asks for unless it is told
/// otherwise, every message stands for itself: one `Deflater` serves all connections of a thread. With
/// it, a connection needs one of its own, of about 370 KiB, for as long as it lives.
///
/// What does not become smaller is sent as it is. So is what is shorter than the
/// [threshold](Self::threshold), and all that goes to a connection that has not
/// [negotiated](WebSocket::allow_compressed) the extension.
///
/// ```
/// use dormouse::deflate::Deflater;
/// use dormouse::{Limits, Outbox, WebSocket};
///
/// let limits = Limits::default();
/// let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
/// ws.allow_compressed();
/// let (mut deflater, mut room) = (Deflater::new(false, 15), Vec::new()); // for all connections
///
/// deflater.text(&mut ws, &"mail ".repeat(100), &mut room, &mut out)?;
/// assert!(out.len() < 30);
/// # Ok::<(), dormouse::SendError>(())
/// ```
pub struct Deflater {
    /// None if the peer asks for a window that the codec does not have: then all goes out plain.
    deflate: Option<Deflate>,
    takeover: bool,
    threshold: usize,
}

impl Deflater {
    /// A deflater that keeps its context between messages, or one that does not, with a window of
    /// `2^window_bits` bytes, from 9 to 15. See [`Agreed::deflater`](super::Agreed::deflater).
    ///
    /// With any other window, which a peer may ask for and the codec does not have, every message goes
    /// out as it is.
    pub fn new(takeover: bool, window_bits: u8) -> Self {
        Self::with_level(takeover, window_bits, 1)
    }

    /// The same with a level of compression, from 1, which is the default and the fastest, to 9.
    pub fn with_level(takeover: bool, window_bits: u8, level: u8) -> Self {
        let config = DeflateConfig {
            level: i32::from(level.clamp(1, 9)),
            window_bits: i32::from(window_bits).saturating_neg(),
            ..DeflateConfig::default()
        };
        let is_known = (MIN_BITS..=MAX_BITS).contains(&window_bits);
        let deflate = is_known.then(|| Deflate::new_with_config(config));
        Self { deflate, takeover, threshold: 64 }
    }

    /// Messages below so many bytes go out as they are: compressing would cost more than it saves.
    /// Default: 64.
    pub fn threshold(self, threshold: usize) -> Self {
        Self { threshold, ..self }
    }

    /// Sends a text message, compressed if that makes it smaller.
    ///
    /// `room` is where it is compressed; it grows to what that takes, and can be one for all
    /// connections of a thread.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::text`].
    pub fn text<R: Role>(
        &mut self,
        ws: &mut WebSocket<R>,
        text: &str,
        room: &mut Vec<u8>,
        out: &mut Outbox,
    ) -> Result<(), SendError> {
        let sent = self.send(MessageKind::Text, ws, text.as_bytes(), room, out);
        sent.unwrap_or_else(|| ws.text(text, out))
    }

    /// Sends a binary message, compressed if that makes it smaller. As [`text`](Self::text).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::binary`].
    pub fn binary<R: Role>(
        &mut self,
        ws: &mut WebSocket<R>,
        bytes: &[u8],
        room: &mut Vec<u8>,
        out: &mut Outbox,
    ) -> Result<(), SendError> {
        let sent = self.send(MessageKind::Binary, ws, bytes, room, out);
        sent.unwrap_or_else(|| ws.binary(bytes, out))
    }

    /// A text message that is compressed once, for all connections that have negotiated
    /// permessage-deflate with a window as large as this one. Those whose own `Deflater` keeps its
    /// context cannot have it, because it would not know what they have been sent: they take
    /// [`Prepared::text`].
    ///
    /// A deflater that keeps its context prepares messages plain, for that reason.
    pub fn prepare_text(&mut self, text: &str, room: &mut Vec<u8>) -> Prepared {
        let prepared = self.prepare(MessageKind::Text, text.as_bytes(), room);
        prepared.unwrap_or_else(|| Prepared::text(text))
    }

    /// The same for a binary message.
    pub fn prepare_binary(&mut self, bytes: &[u8], room: &mut Vec<u8>) -> Prepared {
        let prepared = self.prepare(MessageKind::Binary, bytes, room);
        prepared.unwrap_or_else(|| Prepared::binary(bytes))
    }

    /// Sends a message compressed, if it is not to go out as it is.
    fn send<R: Role>(
        &mut self,
        kind: MessageKind,
        ws: &mut WebSocket<R>,
        bytes: &[u8],
        room: &mut Vec<u8>,
        out: &mut Outbox,
    ) -> Option<Result<(), SendError>> {
        if !ws.allows_compressed() {
            return None;
        }
        let sent = ws.send_compressed(kind, self.deflate(bytes, room)?, out);
        // A message that was compressed but not sent is in the context of this side only: begin anew.
        if let (Err(_), Some(deflate)) = (&sent, &mut self.deflate) {
            deflate.reset();
        }
        Some(sent)
    }

    /// The same for a message that is sent later, to many.
    fn prepare(&mut self, kind: MessageKind, bytes: &[u8], room: &mut Vec<u8>) -> Option<Prepared> {
        if self.takeover {
            return None;
        }
        Some(Prepared::compressed(kind.opcode(), self.deflate(bytes, room)?))
    }

    /// Compresses `bytes` into `room`, if that is worth it.
    fn deflate<'r>(&mut self, bytes: &[u8], room: &'r mut Vec<u8>) -> Option<&'r [u8]> {
        if bytes.len() < self.threshold.max(1) {
            return None;
        }
        let deflate = self.deflate.as_mut()?;
        let len = compress(deflate, bytes, room)?;
        if !self.takeover {
            deflate.reset();
        }
        // §7.2.1: "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end."
        let payload = room.get(..len)?.strip_suffix(&TAIL)?;
        // With a context nothing can be taken back: the message is sent as it has become.
        (self.takeover || payload.len() < bytes.len()).then_some(payload)
    }
}

/// Compresses and flushes all of `bytes`, also if they become longer: the codec may be reset only when it
/// has nothing more to say.
fn compress(deflate: &mut Deflate, mut bytes: &[u8], room: &mut Vec<u8>) -> Option<usize> {
    let mut len = 0;
    loop {
        if len == room.len() {
            let larger = room.len().saturating_mul(2).max(bytes.len().saturating_add(MIN_ROOM));
            room.resize(larger, 0);
        }
        let (read, written) = (deflate.total_in(), deflate.total_out());
        let place = room.get_mut(len..).unwrap_or_default();
        deflate.compress(bytes, place, DeflateFlush::SyncFlush).ok()?;
        bytes = bytes.get(deflate.total_in().wrapping_sub(read) as usize..).unwrap_or_default();
        len = len.saturating_add(deflate.total_out().wrapping_sub(written) as usize);
        // A flush is complete when it has left room.
        if bytes.is_empty() && len < room.len() {
            return Some(len);
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("takeover", &self.takeover)
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}
