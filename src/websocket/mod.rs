//! One WebSocket connection, without its socket (RFC 6455 §5, §6, §7, §8).
//!
//! | file | what it holds |
//! |---|---|
//! | `mod` | `WebSocket`: the life of a connection, and sending |
//! | `receive` | from pieces of frames to events; pong, Close, failing |
//! | `ending` | the closing handshake, failing, and how far the end has come |
//! | `write` | sending past the outbox |
//! | `assembly` | messages in pieces |
//! | `event` | `Event`, `Violation` |
//!
//! Layer 4: everything an endpoint must do once the handshake is over; knows nothing of HTTP.

mod assembly;
mod ending;
mod event;
mod receive;
#[cfg(feature = "std")]
mod write;

use alloc::boxed::Box;
use core::fmt;

use assembly::Assembly;
pub use event::{AbnormalClosure, Compressed, Event, MessageKind, Violation};

use crate::decode::Decoder;
use crate::limits::Limits;
use crate::outbox::{Outbox, Prepared, SendError};
use crate::role::{Client, Role, Server};
use crate::wire::{FrameHeader, MAX_CONTROL_PAYLOAD, Opcode, Rsv};

/// The protocol state of one connection: 32 bytes for a [`Server`], 40 for a [`Client`], and nothing
/// on the heap unless a message is in pieces.
///
/// | kind | methods |
/// |---|---|
/// | input | [`next`](Self::next) for bytes that were read, [`end_of_stream`](Self::end_of_stream) |
/// | output | the [`Outbox`] that is passed in: replies and everything sent |
/// | sending | [`text`](Self::text), [`binary`](Self::binary), [`send`](WebSocket::send), fragments: [`text_fragment`](Self::text_fragment), [`binary_fragment`](Self::binary_fragment), [`finish_message`](Self::finish_message) |
/// | control | [`ping`](Self::ping), [`pong`](Self::pong), [`close`](Self::close) |
/// | what next | [`wants_read`](Self::wants_read), [`is_closing`](Self::is_closing), [`is_closed`](Self::is_closed), `!out.is_empty()` |
///
/// ```
/// use dormouse::{Event, Input, Limits, Outbox, WebSocket};
///
/// let limits = Limits::default();
/// let mut ws = WebSocket::server(&limits);
/// let mut out = Outbox::new(&limits);
///
/// let mut scratch = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // what a read brought
/// let mut input = Input::new(&mut scratch);
/// while let Some(event) = ws.next(&mut input, &mut out)? {
///     if let Event::Text(text) = event {
///         assert_eq!(text, "Hello");
///         ws.text(&text, &mut out)?;
///     }
/// }
/// assert_eq!(out.slices().collect::<Vec<_>>(), [b"\x81\x05Hello"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WebSocket<R> {
    decoder: Decoder<R>,
    phase: Phase,
    sending: Sending,
    /// The reserved bits that the first frame of a message may have.
    allowed: Rsv,
    /// [`Limits::message`].
    limit: u32,
    assembly: Option<Box<Assembly>>,
    role: R,
}

const _: () = assert!(size_of::<WebSocket<Server>>() <= 32);
const _: () = assert!(size_of::<WebSocket<Client>>() <= 40);

/// How far the closing handshake is (§7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// This side has sent a Close, the peer has not.
    CloseSent,
    /// Both sides have sent a Close, or the connection has failed: what comes in is ignored.
    Closed,
}

/// What may be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// Any message.
    Idle,
    /// Further fragments of a text message.
    Text,
    /// Further fragments of a binary message.
    Binary,
    /// No data any more: a Close has been sent.
    Closed,
}

impl WebSocket<Server> {
    /// The server's side of a connection, in front of the first byte after the handshake.
    pub const fn server(limits: &Limits) -> Self {
        Self::new(limits, Server)
    }

    /// Sends a message that was encoded before (see [`Prepared`]).
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text), and [`SendError::NotNegotiated`] for a compressed one where compression
    /// was not [negotiated](Self::allow_compressed).
    #[inline]
    pub fn send(&mut self, message: &Prepared, out: &mut Outbox) -> Result<(), SendError> {
        self.check_idle()?;
        if message.is_compressed() {
            self.check_negotiated()?;
        }
        out.push_prepared(message)
    }
}

impl WebSocket<Client> {
    /// The client's side of a connection. `new_key` makes the masking key of each frame.
    ///
    /// §5.3: "the masking key MUST be derived from a strong source of entropy".
    pub const fn client(limits: &Limits, new_key: fn() -> [u8; 4]) -> Self {
        Self::new(limits, Client::new(new_key))
    }
}

impl<R: Role> WebSocket<R> {
    const fn new(limits: &Limits, role: R) -> Self {
        Self {
            decoder: Decoder::new(),
            phase: Phase::Open,
            sending: Sending::Idle,
            allowed: Rsv::NONE,
            limit: limits.message,
            assembly: None,
            role,
        }
    }

    /// Sends a text message in one frame (§5.6).
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full) and [`TooBig`](SendError::TooBig) from the outbox;
    /// [`Closed`](SendError::Closed) after a Close;
    /// [`MessageInProgress`](SendError::MessageInProgress) between fragments. Nothing is queued then.
    #[inline]
    pub fn text(&mut self, text: &str, out: &mut Outbox) -> Result<(), SendError> {
        self.check_idle()?;
        self.frame(Opcode::Text, true, text.as_bytes(), out)
    }

    /// Sends a binary message in one frame (§5.6).
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    #[inline]
    pub fn binary(&mut self, bytes: &[u8], out: &mut Outbox) -> Result<(), SendError> {
        self.check_idle()?;
        self.frame(Opcode::Binary, true, bytes, out)
    }

    /// Sends a fragment of a text message: the first one, or a further one (§5.4).
    ///
    /// For a message whose end is not known yet. Pings, pongs and a Close may come between
    /// fragments, other messages may not. An empty fragment that is not the first one says nothing,
    /// and is not sent.
    ///
    /// ```
    /// # use dormouse::{Limits, Outbox, WebSocket};
    /// # let (mut ws, mut out) = (WebSocket::server(&Limits::default()), Outbox::new(&Limits::default()));
    /// ws.text_fragment("Hel", &mut out)?;
    /// ws.text_fragment("lo", &mut out)?;
    /// ws.finish_message(&mut out)?;
    /// assert_eq!(out.slices().collect::<Vec<_>>(), [b"\x01\x03Hel\x00\x02lo\x80\x00"]);
    /// # Ok::<(), dormouse::SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text); [`MessageInProgress`](SendError::MessageInProgress) between the
    /// fragments of a binary message.
    pub fn text_fragment(&mut self, text: &str, out: &mut Outbox) -> Result<(), SendError> {
        self.fragment(Opcode::Text, Sending::Text, text.as_bytes(), out)
    }

    /// Sends a fragment of a binary message: the first one, or a further one (§5.4).
    ///
    /// Otherwise as [`text_fragment`](Self::text_fragment).
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text); [`MessageInProgress`](SendError::MessageInProgress) between the
    /// fragments of a text message.
    pub fn binary_fragment(&mut self, bytes: &[u8], out: &mut Outbox) -> Result<(), SendError> {
        self.fragment(Opcode::Binary, Sending::Binary, bytes, out)
    }

    /// Ends a message that was sent in fragments, with an empty last one (§5.4).
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text); [`NoMessageInProgress`](SendError::NoMessageInProgress) if there is
    /// nothing to end.
    pub fn finish_message(&mut self, out: &mut Outbox) -> Result<(), SendError> {
        match self.sending {
            Sending::Text | Sending::Binary => {
                self.frame(Opcode::Continuation, true, &[], out)?;
                self.sending = Sending::Idle;
                Ok(())
            }
            Sending::Idle => Err(SendError::NoMessageInProgress),
            Sending::Closed => Err(SendError::Closed),
        }
    }

    /// Sends a ping with up to 125 bytes, also between fragments (§5.5.2).
    ///
    /// # Errors
    ///
    /// [`ControlTooLong`](SendError::ControlTooLong), [`Full`](SendError::Full) from the outbox,
    /// [`Closed`](SendError::Closed) after a Close.
    pub fn ping(&mut self, payload: &[u8], out: &mut Outbox) -> Result<(), SendError> {
        self.control(Opcode::Ping, payload, out)
    }

    /// Sends a pong that nobody asked for, as a sign of life (§5.5.3). Pings are answered by
    /// [`next`](Self::next); that needs no call.
    ///
    /// # Errors
    ///
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8], out: &mut Outbox) -> Result<(), SendError> {
        self.control(Opcode::Pong, payload, out)
    }

    /// Lets the peer send compressed messages, because permessage-deflate was negotiated (RFC 7692):
    /// they come out as [`Event::Compressed`].
    ///
    /// Without it a message with RSV1 fails the connection (§5.2). It costs nothing: the connection
    /// is as small as before, and messages that are not compressed take the same way.
    pub fn allow_compressed(&mut self) {
        self.allowed = Rsv::RSV1;
    }

    /// Whether the connection [allows](Self::allow_compressed) compressed messages, and so whether it may
    /// be sent some.
    pub fn allows_compressed(&self) -> bool {
        !self.allowed.is_none()
    }

    /// Sends a message that is compressed already, in one frame with RSV1 (RFC 7692 §6.1). Both sides
    /// have to have negotiated permessage-deflate.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text), and [`SendError::NotNegotiated`].
    pub fn send_compressed(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        out: &mut Outbox,
    ) -> Result<(), SendError> {
        self.check_idle()?;
        self.check_negotiated()?;
        let header = FrameHeader { rsv: Rsv::RSV1, ..self.header(kind.opcode(), true, payload) };
        out.push_frame(header, payload)
    }

    /// Sets the largest message to receive from here on, in bytes: a small one before a login, say.
    ///
    /// A message that has begun counts against the new limit too.
    pub fn set_message_limit(&mut self, limit: u32) {
        if limit < self.limit {
            if let Some(assembly) = &mut self.assembly {
                assembly.forget_room();
            }
        }
        self.limit = limit;
    }

    #[inline]
    fn check_negotiated(&self) -> Result<(), SendError> {
        if self.allows_compressed() { Ok(()) } else { Err(SendError::NotNegotiated) }
    }

    #[inline]
    fn check_idle(&self) -> Result<(), SendError> {
        match self.sending {
            Sending::Idle => Ok(()),
            Sending::Text | Sending::Binary => Err(SendError::MessageInProgress),
            Sending::Closed => Err(SendError::Closed),
        }
    }

    fn fragment(
        &mut self,
        opcode: Opcode,
        kind: Sending,
        payload: &[u8],
        out: &mut Outbox,
    ) -> Result<(), SendError> {
        let opcode = if self.sending != kind {
            self.check_idle()?;
            opcode
        } else if payload.is_empty() {
            // A peer that bounds empty fragments, as this crate does, would fail the connection.
            return Ok(());
        } else {
            Opcode::Continuation
        };
        self.frame(opcode, false, payload, out)?;
        self.sending = kind;
        Ok(())
    }

    fn control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut Outbox,
    ) -> Result<(), SendError> {
        if self.sending == Sending::Closed {
            return Err(SendError::Closed);
        }
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlTooLong);
        }
        self.frame(opcode, true, payload, out)
    }

    #[inline]
    fn frame(
        &self,
        opcode: Opcode,
        fin: bool,
        payload: &[u8],
        out: &mut Outbox,
    ) -> Result<(), SendError> {
        out.push_frame(self.header(opcode, fin, payload), payload)
    }

    #[inline]
    fn header(&self, opcode: Opcode, fin: bool, payload: &[u8]) -> FrameHeader {
        FrameHeader {
            fin,
            rsv: Rsv::NONE,
            opcode,
            mask: self.role.mask_key(),
            payload_len: payload.len() as u64,
        }
    }
}

impl<R> fmt::Debug for WebSocket<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("phase", &self.phase)
            .field("sending", &self.sending)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
