//! A frame that goes to the socket without waiting, and without a copy of what the socket takes.

use std::io::{self, IoSlice};

use super::{Outbox, SendError};
use crate::wire::{FrameHeader, MAX_HEADER_LEN};

/// A frame up to this length goes out as one slice: the copy costs less than a second slice does.
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
    pub(crate) fn write_frame(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        sink: &mut impl io::Write,
    ) -> Result<usize, WriteError> {
        let before = self.write_to(sink)?;
        let len = header.encoded_len().saturating_add(payload.len());
        if len > self.limit as usize {
            return Err(SendError::TooBig.into());
        }
        if header.mask.is_some() || !self.is_empty() {
            let is_first = self.is_empty();
            self.push_frame(header, payload)?;
            let behind = if is_first { self.write_to(sink)? } else { 0 };
            return Ok(before.saturating_add(behind));
        }
        let mut bytes = [0; MAX_HEADER_LEN];
        let header = header.encode(&mut bytes);
        let mut short = [0; SHORT];
        let parts =
            match short.get_mut(..len).and_then(|short| short.split_at_mut_checked(header.len())) {
                Some((front, rest)) => {
                    front.copy_from_slice(header);
                    rest.copy_from_slice(payload);
                    [short.get(..len).unwrap_or_default(), &[]]
                }
                None => [header, payload],
            };
        let written = write_parts(parts, sink)?;
        if written < len {
            self.push_all(&rest_of(parts, written))?;
        }
        Ok(before.saturating_add(written))
    }
}

/// Writes both parts until all is taken or `sink` would block.
fn write_parts(parts: [&[u8]; 2], sink: &mut impl io::Write) -> io::Result<usize> {
    let mut total = 0;
    loop {
        let result = match rest_of(parts, total) {
            [&[], &[]] => return Ok(total),
            [front, &[]] => sink.write(front),
            [&[], rest] => sink.write(rest),
            [front, rest] => sink.write_vectored(&[IoSlice::new(front), IoSlice::new(rest)]),
        };
        match result {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => total = total.saturating_add(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(total),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What is left of both when so many bytes are written.
fn rest_of([front, rest]: [&[u8]; 2], written: usize) -> [&[u8]; 2] {
    let of_rest = written.saturating_sub(front.len());
    [front.get(written..).unwrap_or_default(), rest.get(of_rest..).unwrap_or_default()]
}
