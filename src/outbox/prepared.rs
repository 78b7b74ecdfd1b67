//! A frame that is encoded once and sent to many connections.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::wire::{FrameHeader, Opcode, Rsv};

/// A whole message as one frame, encoded once and shared between connections and threads.
///
/// Cloning copies a handle, never the bytes. An outbox in which it waits holds that handle and how
/// far it has been written, so a broadcast of one message to 100,000 connections is one encoding and
/// no copies; only frames below 128 bytes are copied, because a handle costs as much. Only servers can
/// send one: what a client sends is masked anew for every frame (RFC 6455 §5.3).
///
/// ```
/// use dormouse::{Limits, Outbox, Prepared, WebSocket};
///
/// let limits = Limits::default();
/// let hello = Prepared::text("hello");
/// assert_eq!(hello.as_bytes(), b"\x81\x05hello");
/// for _ in 0..3 {
///     let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
///     ws.send(&hello, &mut out)?;
/// }
/// # Ok::<(), dormouse::SendError>(())
/// ```
#[derive(Clone)]
pub struct Prepared {
    frame: Arc<[u8]>,
    /// How many bytes of the frame are gone: 0 but in an outbox that has written a part.
    written: usize,
}

impl Prepared {
    /// A text message (§5.6).
    pub fn text(text: &str) -> Self {
        Self::encode(Opcode::Text, Rsv::NONE, text.as_bytes())
    }

    /// A binary message (§5.6).
    pub fn binary(payload: &[u8]) -> Self {
        Self::encode(Opcode::Binary, Rsv::NONE, payload)
    }

    /// A message that is compressed already: with RSV1, for connections that have negotiated
    /// permessage-deflate (RFC 7692 §6.1).
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(opcode: Opcode, payload: &[u8]) -> Self {
        Self::encode(opcode, Rsv::RSV1, payload)
    }

    /// The frame as it goes on the wire, header first.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.frame.get(self.written..).unwrap_or_default()
    }

    /// Whether the frame has RSV1 (§5.2).
    #[inline]
    pub(crate) fn is_compressed(&self) -> bool {
        self.frame.first().is_some_and(|first| first & 0x40 != 0)
    }

    fn encode(opcode: Opcode, rsv: Rsv, payload: &[u8]) -> Self {
        let header =
            FrameHeader { fin: true, rsv, opcode, mask: None, payload_len: payload.len() as u64 };
        let mut frame = Vec::with_capacity(header.encoded_len().saturating_add(payload.len()));
        header.append_to(&mut frame);
        frame.extend_from_slice(payload);
        Self::copy_of(&frame)
    }

    /// Forgets the first `written` bytes.
    pub(super) fn advance(&mut self, written: usize) {
        self.written = self.written.saturating_add(written).min(self.frame.len());
    }

    /// Bytes that go out once, in a place of their own.
    pub(super) fn copy_of(bytes: &[u8]) -> Self {
        Self { frame: Arc::from(bytes), written: 0 }
    }
}

/// The frame as it goes on the wire.
impl AsRef<[u8]> for Prepared {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Shows only the length: payloads do not belong in logs.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("len", &self.as_bytes().len()).finish()
    }
}
