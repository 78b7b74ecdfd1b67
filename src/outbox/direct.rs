//! A frame that goes to the socket without waiting. The heap has no copy of what the socket takes, and
//! a short frame is put together on the stack.

use std::io::{self, IoSlice};

use super::{Outbox, SendError, taken};
use crate::wire::{FrameHeader, MAX_CONTROL_PAYLOAD, MAX_HEADER_LEN};

/// A frame with a header of two bytes goes out as one slice: the copy costs less than a second slice
/// does. That is the longest one.
const SHORT: usize = 2 + MAX_CONTROL_PAYLOAD;
/// And this is one that is worth a path of its own.
const TINY: usize = 32;

/// Why a message was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Nothing of the message was sent: the caller's fault, or back-pressure.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The socket has failed, perhaps inside the message: the connection is of no more use.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Outbox {
    /// Writes a frame of a few bytes without a key, if nothing waits. For any other there is no answer.
    #[inline]
    pub(crate) fn write_tiny(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        sink: &mut (impl io::Write + ?Sized),
    ) -> Option<Result<usize, WriteError>> {
        let start = header.encode_short()?;
        let len = start.len().saturating_add(payload.len());
        if len > TINY || !self.lets_pass(len) {
            return None;
        }
        Some(self.write_parts([join(start, payload, &mut [0; TINY]), &[]], sink))
    }

    /// Writes what waits, then one frame, and queues what `sink` does not take.
    pub(crate) fn write_frame(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        sink: &mut (impl io::Write + ?Sized),
    ) -> Result<usize, WriteError> {
        let len = header.encoded_len().saturating_add(payload.len());
        if header.mask.is_some() || !self.lets_pass(len) {
            return self.write_in_order(header, payload, sink);
        }
        match header.encode_short() {
            Some(start) => self.write_parts([join(start, payload, &mut [0; SHORT]), &[]], sink),
            None => self.write_parts([header.encode(&mut [0; MAX_HEADER_LEN]), payload], sink),
        }
    }

    /// Whether so many bytes may go past the queue: nothing waits, and what is left of them has room.
    #[inline]
    fn lets_pass(&self, len: usize) -> bool {
        self.is_empty() && len <= self.limit as usize
    }

    /// The same by way of the queue: for a frame that is masked, or comes behind others.
    #[inline(never)]
    fn write_in_order(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        sink: &mut (impl io::Write + ?Sized),
    ) -> Result<usize, WriteError> {
        let before = self.write_to(sink)?;
        let is_next = self.is_empty();
        self.push_frame(header, payload)?;
        let behind = if is_next { self.write_to(sink)? } else { 0 };
        Ok(before.saturating_add(behind))
    }

    /// Writes both parts until all is taken or `sink` would block, and queues the rest.
    #[inline]
    fn write_parts(
        &mut self,
        parts: [&[u8]; 2],
        sink: &mut (impl io::Write + ?Sized),
    ) -> Result<usize, WriteError> {
        let len = parts.iter().map(|part| part.len()).sum();
        // Inline is what nearly every write is: all of it is taken.
        match write_both(parts, sink) {
            Ok(written) if written == len => Ok(len),
            result => self.write_rest(result, parts, sink),
        }
    }

    /// Goes on after a first write.
    #[inline(never)]
    fn write_rest(
        &mut self,
        first: io::Result<usize>,
        parts: [&[u8]; 2],
        sink: &mut (impl io::Write + ?Sized),
    ) -> Result<usize, WriteError> {
        let (mut result, mut total) = (first, 0usize);
        while let Some(written) = taken(result)? {
            total = total.saturating_add(written);
            match rest_of(parts, total) {
                [[], []] => return Ok(total),
                rest => result = write_both(rest, sink),
            }
        }
        self.push_all(&rest_of(parts, total))?;
        Ok(total)
    }
}

/// One write of both parts.
#[inline]
fn write_both(parts: [&[u8]; 2], sink: &mut (impl io::Write + ?Sized)) -> io::Result<usize> {
    match parts {
        [front, []] => sink.write(front),
        [[], back] => sink.write(back),
        [front, back] => sink.write_vectored(&[IoSlice::new(front), IoSlice::new(back)]),
    }
}

/// A short frame in one piece, made in `room`, which is large enough.
#[inline]
fn join<'r>(start: [u8; 2], payload: &[u8], room: &'r mut [u8]) -> &'r [u8] {
    let len = start.len().saturating_add(payload.len());
    if let Some((front, back)) = room.get_mut(..len).and_then(|room| room.split_first_chunk_mut()) {
        *front = start;
        copy(payload, back);
    }
    room.get(..len).unwrap_or_default()
}

/// Copies as many bytes as there are, which are few: two moves cost less than a call.
#[inline]
fn copy(from: &[u8], to: &mut [u8]) {
    match from.len() {
        8..=15 => copy_ends::<8>(from, to),
        16..=31 => copy_ends::<16>(from, to),
        _ => to.copy_from_slice(from),
    }
}

/// Copies `N` to `2 * N` bytes: the first `N` and the last `N`, which may overlap.
#[inline]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut()) {
        *to = *from;
    }
    if let (Some(from), Some(to)) = (from.last_chunk::<N>(), to.last_chunk_mut()) {
        *to = *from;
    }
}

/// What is left of both when so many bytes are written.
#[inline]
fn rest_of([front, back]: [&[u8]; 2], written: usize) -> [&[u8]; 2] {
    let of_back = written.saturating_sub(front.len());
    [front.get(written..).unwrap_or_default(), back.get(of_back..).unwrap_or_default()]
}
