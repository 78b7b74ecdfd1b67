//! Sending past the outbox: straight to a socket (RFC 6455 §6.1). Needs `std`.

use std::io;

use super::WebSocket;
use crate::outbox::{Outbox, WriteError};
use crate::role::Role;
use crate::wire::Opcode;

impl<R: Role> WebSocket<R> {
    /// Sends a text message straight to `sink`: what the sink takes is not copied, but for a payload of up
    /// to 125 bytes, which goes with its header in one piece.
    ///
    /// What waits in `out`, which is the connection's own, goes first; what the sink does not take of
    /// the message is copied there. For a large message, or one by itself: several small ones go out
    /// faster in one write, from an outbox. A client has to mask what it sends, so its messages go by
    /// way of `out` all the same. Returns the bytes written.
    ///
    /// ```
    /// use dormouse::{Limits, Outbox, WebSocket};
    ///
    /// let limits = Limits::default();
    /// let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    /// let mut socket = Vec::new();
    /// assert_eq!(ws.write_text("Hello", &mut out, &mut socket)?, 7);
    /// assert_eq!(socket, b"\x81\x05Hello");
    /// assert!(out.is_empty()); // otherwise: wait until the socket is writable, and `out.write_to` it
    /// # Ok::<(), dormouse::WriteError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError::Send`] as [`text`](Self::text), and nothing of the message is sent: it has to fit
    /// into `out` also if the sink would take all of it. [`WriteError::Io`] as [`Outbox::write_to`]: the
    /// connection is of no more use.
    #[inline]
    pub fn write_text(
        &mut self,
        text: &str,
        out: &mut Outbox,
        sink: &mut (impl io::Write + ?Sized),
    ) -> Result<usize, WriteError> {
        self.write_message(Opcode::Text, text.as_bytes(), out, sink)
    }

    /// Sends a binary message straight to `sink`. As [`write_text`](Self::write_text).
    ///
    /// # Errors
    ///
    /// As [`write_text`](Self::write_text).
    #[inline]
    pub fn write_binary(
        &mut self,
        payload: &[u8],
        out: &mut Outbox,
        sink: &mut (impl io::Write + ?Sized),
    ) -> Result<usize, WriteError> {
        self.write_message(Opcode::Binary, payload, out, sink)
    }

    #[inline]
    fn write_message(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut Outbox,
        sink: &mut (impl io::Write + ?Sized),
    ) -> Result<usize, WriteError> {
        self.check_idle()?;
        // §5.1: a server does not mask. Inline is what most of its messages take.
        if R::PEER_MASKS {
            let header = self.header(opcode, true, payload);
            if let Some(written) = out.write_tiny(header, payload, sink) {
                return written;
            }
        }
        self.write_frame(opcode, payload, out, sink)
    }

    /// Any other message. The header is made once more, because the usual message would have to store
    /// one that is handed on from there.
    #[inline(never)]
    fn write_frame(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut Outbox,
        sink: &mut (impl io::Write + ?Sized),
    ) -> Result<usize, WriteError> {
        out.write_frame(self.header(opcode, true, payload), payload, sink)
    }
}
