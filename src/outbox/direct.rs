//! A frame that goes to the socket without waiting, and without a copy of what the socket takes.

use std::io::{self, IoSlice};

use super::{Outbox, SendError, taken};
use crate::wire::{FrameHeader, MAX_HEADER_LEN};

/// Frames up to these lengths go out as one slice: the copy costs less than a second slice does.
const TINY: usize = 32;
const SHORT: usize = 128;

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
    /// Writes what waits, then one frame, and queues what `sink` does not take.
    #[inline]
    pub(crate) fn write_frame(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        sink: &mut impl io::Write,
    ) -> Result<usize, WriteError> {
        let len = header.encoded_len().saturating_add(payload.len());
        if !self.is_empty() || header.mask.is_some() || len > self.limit as usize {
            return self.write_in_order(header, payload, sink);
        }
        match header.encode_short() {
            Some(start) if len <= TINY => {
                self.write_parts([join(start, payload, &mut [0; TINY]), &[]], sink)
            }
            Some(start) if len <= SHORT => {
                self.write_parts([join(start, payload, &mut [0; SHORT]), &[]], sink)
            }
            _ => self.write_parts([header.encode(&mut [0; MAX_HEADER_LEN]), payload], sink),
        }
    }

    /// The same by way of the queue: for a frame that is masked, or comes behind others.
    #[inline(never)]
    fn write_in_order(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        sink: &mut impl io::Write,
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
        sink: &mut impl io::Write,
    ) -> Result<usize, WriteError> {
        let mut rest = parts;
        let mut total = 0usize;
        loop {
            let result = match rest {
                [front, []] => sink.write(front),
                [[], back] => sink.write(back),
                [front, back] => sink.write_vectored(&[IoSlice::new(front), IoSlice::new(back)]),
            };
            let Some(written) = taken(result)? else { break };
            total = total.saturating_add(written);
            rest = rest_of(parts, total);
            if let [[], []] = rest {
                return Ok(total);
            }
        }
        self.push_all(&rest)?;
        Ok(total)
    }
}

/// A short frame in one piece, made in `room`, which is large enough.
#[inline]
fn join<'r>(start: [u8; 2], payload: &[u8], room: &'r mut [u8]) -> &'r [u8] {
    let len = start.len().saturating_add(payload.len());
    if let Some((front, back)) = room.get_mut(..len).and_then(|room| room.split_first_chunk_mut()) {
        *front = start;
        back.copy_from_slice(payload);
    }
    room.get(..len).unwrap_or_default()
}

/// What is left of both when so many bytes are written.
#[inline]
fn rest_of([front, back]: [&[u8]; 2], written: usize) -> [&[u8]; 2] {
    let of_back = written.saturating_sub(front.len());
    [front.get(written..).unwrap_or_default(), back.get(of_back..).unwrap_or_default()]
}
