//! A message that is being put together, on the heap only while it is in pieces.
//!
//! Everything here grows with bytes that have arrived, from 16 on; no declared length is ever reserved.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::event::{Compressed, Event, MessageKind, Violation};
use crate::decode::{Middle, Piece};
use crate::limits::larger_capacity;
use crate::utf8::{InvalidUtf8, Validator};

/// How many empty fragments one message may have before its last one.
const MAX_EMPTY_FRAGMENTS: u8 = 128;

/// The pieces so far of a message, and of a control frame that may come between its fragments.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    message: Option<Message>,
    control: Vec<u8>,
    empty_fragments: u8,
}

#[derive(Debug)]
enum Message {
    Text(String, Validator),
    Binary(Vec<u8>),
    Compressed(MessageKind, Vec<u8>),
}

impl Assembly {
    /// Whether nothing is in pieces any more, so that the heap can be given back.
    pub(super) fn is_empty(&self) -> bool {
        self.message.is_none() && self.control.is_empty()
    }

    /// Adds a piece of a control frame and returns the payload once it is whole.
    pub(super) fn control(&mut self, piece: &Piece<'_>) -> Option<Vec<u8>> {
        self.control.extend_from_slice(piece.payload);
        (piece.remaining == 0).then(|| core::mem::take(&mut self.control))
    }

    /// Adds a piece of a message of at most `limit` bytes, and returns the event once it is whole.
    pub(super) fn data(
        &mut self,
        piece: Piece<'_>,
        limit: u32,
    ) -> Result<Option<Event<'static>>, Violation> {
        let message = self.message.get_or_insert_with(|| Message::new(&piece));
        let most = message.check_len(piece.payload, piece.remaining, piece.fin, limit)?;
        if piece.starts_frame && !piece.fin && piece.payload.is_empty() && piece.remaining == 0 {
            if self.empty_fragments == MAX_EMPTY_FRAGMENTS {
                return Err(Violation::TooManyEmptyFragments);
            }
            self.empty_fragments = self.empty_fragments.saturating_add(1);
        }
        message.push(piece.payload, most)?;
        if !piece.fin || piece.remaining > 0 {
            return Ok(None);
        }
        self.message.take().map(|message| message.finish(limit)).transpose()
    }

    /// Adds one byte in the middle of a frame and says so, if there is room and nothing to check: the length
    /// of the frame was checked when it began, and a lower limit since then has taken the room back.
    #[inline]
    pub(super) fn push_byte(&mut self, byte: u8) -> bool {
        match &mut self.message {
            Some(Message::Text(text, validator))
                if byte.is_ascii() && validator.is_complete() && text.capacity() > text.len() =>
            {
                text.push(char::from(byte));
                true
            }
            Some(Message::Binary(buffer) | Message::Compressed(_, buffer))
                if buffer.capacity() > buffer.len() =>
            {
                buffer.push(byte);
                true
            }
            _ => false,
        }
    }

    /// Gives back the room behind what has arrived, so that the next byte is checked again.
    pub(super) fn forget_room(&mut self) {
        match &mut self.message {
            Some(Message::Text(text, _)) => text.shrink_to_fit(),
            Some(Message::Binary(buffer) | Message::Compressed(_, buffer)) => {
                buffer.shrink_to_fit();
            }
            None => {}
        }
    }

    /// Adds what is neither the first of a frame nor the last.
    #[inline]
    pub(super) fn middle(&mut self, middle: Middle<'_>, limit: u32) -> Result<(), Violation> {
        let Some(message) = &mut self.message else { return Ok(()) };
        let most = message.check_len(middle.payload, middle.remaining, middle.fin, limit)?;
        Ok(message.push(middle.payload, most)?)
    }
}

impl Message {
    fn new(piece: &Piece<'_>) -> Self {
        match (MessageKind::of(piece.kind), piece.rsv.is_none()) {
            (kind, false) => Self::Compressed(kind, Vec::new()),
            (MessageKind::Text, true) => Self::Text(String::new(), Validator::new()),
            (MessageKind::Binary, true) => Self::Binary(Vec::new()),
        }
    }

    /// Checks the message against its limit when bytes arrive, and returns how many it may have in the
    /// end.
    #[inline]
    fn check_len(
        &self,
        payload: &[u8],
        remaining: u64,
        fin: bool,
        limit: u32,
    ) -> Result<usize, Violation> {
        // The limit is for the message, and is checked when a frame declares its length: before any
        // byte of that frame is kept.
        let total =
            (self.len() as u64).saturating_add(payload.len() as u64).saturating_add(remaining);
        let limit = self.limit_on_wire(limit);
        if total > limit {
            return Err(Violation::MessageTooBig);
        }
        // What is still to come of this message is known only in its last frame.
        Ok(usize::try_from(if fin { total } else { limit }).unwrap_or(usize::MAX))
    }

    /// How many bytes may arrive.
    fn limit_on_wire(&self, limit: u32) -> u64 {
        match self {
            Self::Text(..) | Self::Binary(_) => u64::from(limit),
            Self::Compressed(..) => Compressed::limit_on_wire(limit),
        }
    }

    /// How many bytes have arrived, with those of a code point that has only begun.
    fn len(&self) -> usize {
        match self {
            Self::Text(text, validator) => text.len().saturating_add(validator.begun_len()),
            Self::Binary(bytes) | Self::Compressed(_, bytes) => bytes.len(),
        }
    }

    /// Adds bytes. The buffer doubles when it is full, but not beyond `most`.
    #[inline]
    fn push(&mut self, bytes: &[u8], most: usize) -> Result<(), InvalidUtf8> {
        let total = self.len().saturating_add(bytes.len());
        let most = most.min(isize::MAX as usize);
        let more = |capacity: usize, len: usize| {
            larger_capacity(capacity, total, most).saturating_sub(len)
        };
        match self {
            Self::Text(text, validator) => {
                let (joined, complete) = validator.push(bytes)?;
                let needed = joined.map_or(0, char::len_utf8).saturating_add(complete.len());
                if text.capacity().saturating_sub(text.len()) < needed {
                    text.reserve_exact(more(text.capacity(), text.len()));
                }
                text.extend(joined);
                text.push_str(complete);
            }
            Self::Binary(buffer) | Self::Compressed(_, buffer) => {
                if buffer.capacity().saturating_sub(buffer.len()) < bytes.len() {
                    buffer.reserve_exact(more(buffer.capacity(), buffer.len()));
                }
                buffer.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn finish(self, limit: u32) -> Result<Event<'static>, Violation> {
        match self {
            // §8.1: a text that ends inside a code point is as invalid as any other.
            Self::Text(_, validator) if !validator.is_complete() => Err(InvalidUtf8.into()),
            Self::Text(text, _) => Ok(Event::Text(Cow::Owned(text))),
            Self::Binary(bytes) => Ok(Event::Binary(Cow::Owned(bytes))),
            Self::Compressed(kind, bytes) => {
                Ok(Event::Compressed(Compressed { kind, payload: Cow::Owned(bytes), limit }))
            }
        }
    }
}
