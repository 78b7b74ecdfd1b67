//! What a connection hands out: events, and the violation that ends it.

use alloc::borrow::Cow;

use crate::decode::FrameError;
use crate::utf8::InvalidUtf8;
use crate::wire::Opcode;
use crate::wire::close::{CloseCode, CloseError, CloseFrame};

/// Whether a message is text or binary (§5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Text, in UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl MessageKind {
    /// The kind of a message that begins with this opcode.
    pub(super) fn of(opcode: Opcode) -> Self {
        if opcode == Opcode::Text { Self::Text } else { Self::Binary }
    }

    pub(crate) fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// A whole message as permessage-deflate has it on the wire (RFC 7692 §6): compressed, and without the
/// four bytes that end every flush.
///
/// The feature `deflate` has an `Inflater` for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compressed<'b> {
    /// What it is once it is inflated. That a text is UTF-8 is not checked yet.
    pub kind: MessageKind,
    /// The compressed bytes of all fragments.
    pub payload: Cow<'b, [u8]>,
    /// How many bytes it may inflate to: the connection's [`Limits::message`](crate::Limits::message).
    pub limit: u32,
}

impl Compressed<'_> {
    /// How many bytes a message that inflates to `limit` may take. What does not shrink grows: by an
    /// eighth with the fixed codes of DEFLATE, by five bytes for each stored block.
    pub(super) fn limit_on_wire(limit: u32) -> u64 {
        u64::from(limit).saturating_add(u64::from(limit / 8)).saturating_add(64)
    }
}

/// Something the peer sent.
///
/// What arrived whole in one read borrows the read buffer; what was cut is owned. Either way, the
/// event is independent of the `WebSocket` it came from. The enum is exhaustive on purpose: whoever
/// matches it has thought of everything that a peer can send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// A whole text message (§5.6), of valid UTF-8 (§8.1).
    Text(Cow<'b, str>),
    /// A whole binary message (§5.6).
    Binary(Cow<'b, [u8]>),
    /// A whole message that is compressed. Never unless the connection
    /// [allows it](crate::WebSocket::allow_compressed).
    Compressed(Compressed<'b>),
    /// A ping, with at most 125 bytes (§5.5.2). The pong is already in the outbox. If more than 16
    /// pings come before anything is written, only the last of the others is answered (§5.5.3).
    Ping(Cow<'b, [u8]>),
    /// A pong, with at most 125 bytes (§5.5.3): the answer to a ping, or an unasked one.
    Pong(Cow<'b, [u8]>),
    /// The peer's Close (§5.5.1); `None` if it gives no code. The answer is already in the outbox,
    /// unless this is the answer. It is the last event.
    Close(Option<CloseFrame<'b>>),
}

impl Event<'_> {
    /// The same event with its bytes on the heap, to keep it longer than the read buffer.
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Text(text) => Event::Text(Cow::Owned(text.into_owned())),
            Self::Binary(bytes) => Event::Binary(Cow::Owned(bytes.into_owned())),
            Self::Compressed(Compressed { kind, payload, limit }) => {
                let payload = Cow::Owned(payload.into_owned());
                Event::Compressed(Compressed { kind, payload, limit })
            }
            Self::Ping(bytes) => Event::Ping(Cow::Owned(bytes.into_owned())),
            Self::Pong(bytes) => Event::Pong(Cow::Owned(bytes.into_owned())),
            Self::Close(frame) => Event::Close(frame.map(CloseFrame::into_owned)),
        }
    }
}

/// What the peer did to make this side _Fail the WebSocket Connection_ (§7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// §5.1, §5.2, §5.4: a frame that cannot come here, or is none.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// §5.5.1, §7.4: a Close frame with an invalid body.
    #[error(transparent)]
    Close(#[from] CloseError),
    /// §8.1: a text message that is not UTF-8.
    #[error(transparent)]
    Text(#[from] InvalidUtf8),
    /// §10.4: a message above [`Limits::message`](crate::Limits::message), over all its fragments.
    #[error("message is larger than the limit (`Limits::message`)")]
    MessageTooBig,
    /// §10.4: a message with more than 128 empty fragments. They cost the sender almost nothing and
    /// no limit on size would ever end them.
    #[error("too many empty fragments")]
    TooManyEmptyFragments,
}

impl Violation {
    /// The code of the Close frame that answers the violation (§7.4.1).
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Frame(_) => CloseCode::PROTOCOL_ERROR,
            // §5.5.1 asks for UTF-8 in a reason; §8.1 has the same answer for all text.
            Self::Close(CloseError::InvalidReason) | Self::Text(_) => CloseCode::INVALID_DATA,
            Self::Close(CloseError::OneByteBody | CloseError::InvalidCode(_)) => {
                CloseCode::PROTOCOL_ERROR
            }
            Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyEmptyFragments => CloseCode::POLICY_VIOLATION,
        }
    }
}

/// §7.1.5: the stream ended without a closing handshake: close code 1006, which is never sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("connection ended without a Close frame")]
pub struct AbnormalClosure;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::HeaderError;

    #[test]
    fn s7_4_1_every_violation_has_its_code() {
        for (violation, code) in [
            (Violation::Frame(FrameError::Unmasked), 1002),
            (FrameError::from(HeaderError::ControlTooLong).into(), 1002),
            (CloseError::OneByteBody.into(), 1002),
            (CloseError::InvalidCode(999).into(), 1002),
            (CloseError::InvalidReason.into(), 1007),
            (InvalidUtf8.into(), 1007),
            (Violation::MessageTooBig, 1009),
            (Violation::TooManyEmptyFragments, 1008),
        ] {
            assert_eq!(violation.close_code().get(), code, "{violation}");
        }
    }
}
