//! Finds the end of a head in bytes that come in any split.
//!
//! RFC 9112 §2.1 and §2.2. Layer 2: looks for line ends and nothing else; what the lines say is
//! for `message`.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::{fmt, mem};

use super::HeadError;
use super::grammar::is_tchar;
use crate::input::Input;
use crate::limits::{Limits, larger_capacity};

const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// How many bytes are looked at in one step: two vector registers.
const WINDOW: usize = 32;

/// Collects one head, request or response, out of as many reads as it takes.
///
/// Call [`next`](Self::next) after each read. Every byte is looked at once, however the head is
/// cut. The reader is 40 bytes; it holds heap memory only while a head is cut between two reads, at most
/// twice the bytes that have arrived (16 at least) and never more than [`Limits::head`].
///
/// After a head the reader is ready for another one: for the next request on a connection that is
/// kept alive, once the body of this one is read ([`Fields::content_length`](super::Fields)), or for
/// the response after an interim one.
///
/// ```
/// use std::borrow::Cow;
///
/// use dormouse::http::HeadReader;
/// use dormouse::{Input, Limits};
///
/// let mut reader = HeadReader::new(&Limits::default());
/// let (mut first, mut second) = (*b"GET / HTTP/1.1\r\n", *b"\r\nframes");
/// assert_eq!(reader.next(&mut Input::new(&mut first)), Ok(None));
///
/// let mut input = Input::new(&mut second);
/// assert_eq!(reader.next(&mut input), Ok(Some(Cow::Borrowed(&b"GET / HTTP/1.1\r\n\r\n"[..]))));
/// assert_eq!(input.peek(), b"frames");
/// ```
pub struct HeadReader {
    /// What has arrived of a head that was cut; empty otherwise.
    gathered: Vec<u8>,
    limit: u32,
    /// Bytes of empty lines that came before the head. They count towards the limit; an odd count
    /// means that a CR waits for its LF.
    skipped: u32,
    failed: Option<HeadError>,
}

const _: () = assert!(mem::size_of::<HeadReader>() <= 40);

impl HeadReader {
    /// A reader that has seen nothing, for heads of at most [`Limits::head`] bytes, counted from
    /// the first byte to the empty line at the end.
    pub fn new(limits: &Limits) -> Self {
        Self { gathered: Vec::new(), limit: limits.head, skipped: 0, failed: None }
    }

    /// Takes bytes off `input` and gives the head when its last byte has come; `None` asks for
    /// the next read.
    ///
    /// A head that arrived whole is borrowed from the buffer behind `input`; one that was cut is
    /// owned. What follows the head stays in `input`. Empty lines before the head are dropped.
    ///
    /// # Errors
    ///
    /// [`HeadError::TooLarge`] when as many bytes as the limit allows have come without an end,
    /// [`HeadError::LineTooLong`] when these are all of one line,
    /// [`HeadError::BareLf`] at the first LF without CR, [`HeadError::NotHttp`] or
    /// [`HeadError::LineEnd`] when the first bytes cannot begin a head. Which of them, and after
    /// which byte, does not depend on how the input was cut. An error is final: the memory is
    /// given back and every later call gives the same error.
    pub fn next<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Cow<'b, [u8]>>, HeadError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let stepped = self.step(input);
        if let Err(error) = stepped {
            self.gathered = Vec::new();
            self.failed = Some(error);
        }
        stepped
    }

    fn step<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Cow<'b, [u8]>>, HeadError> {
        if self.gathered.is_empty() {
            self.skip_empty_lines(input)?;
        }
        let before = match self.gathered.as_slice() {
            [.., older, old] => [*older, *old],
            [old] => [0, *old],
            [] => [0, 0],
        };
        let seen = (self.skipped as usize).saturating_add(self.gathered.len());
        let room = (self.limit as usize).saturating_sub(seen);
        let visible = input.peek();
        let visible = visible.get(..room).unwrap_or(visible);

        match find_end(before, visible)? {
            Some(len) => {
                self.skipped = 0;
                let last = &*input.take(len);
                if self.gathered.is_empty() {
                    return Ok(Some(Cow::Borrowed(last)));
                }
                self.gather(last);
                Ok(Some(Cow::Owned(mem::take(&mut self.gathered))))
            }
            // RFC 9112 §3 has a status of its own for a request target that is too long.
            None if visible.len() == room => {
                Err(if self.gathered.iter().chain(visible).any(|byte| *byte == LF) {
                    HeadError::TooLarge
                } else {
                    HeadError::LineTooLong
                })
            }
            None => {
                let rest = input.take_rest();
                self.gather(rest);
                Ok(None)
            }
        }
    }

    // For servers, and harmless for clients. RFC 9112 §2.2: "a server that is expecting to receive and
    // parse a request-line SHOULD ignore at least one empty line (CRLF) received prior to the
    // request-line"
    fn skip_empty_lines(&mut self, input: &mut Input<'_>) -> Result<(), HeadError> {
        while self.skipped < self.limit {
            let cr_waits = self.skipped % 2 == 1;
            match input.peek().first() {
                None => return Ok(()),
                Some(&CR) if !cr_waits => {}
                Some(&LF) if cr_waits => {}
                Some(_) if cr_waits => return Err(HeadError::LineEnd),
                Some(&LF) => return Err(HeadError::BareLf),
                Some(&byte) if is_tchar(byte) => return Ok(()),
                Some(_) => return Err(HeadError::NotHttp),
            }
            input.take(1);
            self.skipped = self.skipped.saturating_add(1);
        }
        Err(HeadError::TooLarge)
    }

    /// Appends `bytes`, which keep to the limit.
    fn gather(&mut self, bytes: &[u8]) {
        let needed = self.gathered.len().saturating_add(bytes.len());
        if needed > self.gathered.capacity() {
            let capacity = self.gathered.capacity();
            let larger = larger_capacity(capacity, needed, self.limit as usize);
            self.gathered.reserve_exact(larger.saturating_sub(self.gathered.len()));
        }
        self.gathered.extend_from_slice(bytes);
    }
}

/// Shows only how much has arrived: heads hold cookies and passwords.
impl fmt::Debug for HeadReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadReader")
            .field("len", &self.gathered.len())
            .field("limit", &self.limit)
            .field("failed", &self.failed)
            .finish()
    }
}

/// How many of `bytes` belong to the head, if its end is among them; `before` are the two bytes
/// that came earlier.
fn find_end(before: [u8; 2], bytes: &[u8]) -> Result<Option<usize>, HeadError> {
    let Some(first) = bytes.first_chunk::<2>() else {
        return walk(before, bytes);
    };
    if let Some(len) = walk(before, first)? {
        return Ok(Some(len));
    }
    let passed = pass_windows(bytes);
    if ends_with_only_mark(bytes, passed) {
        return Ok(Some(bytes.len()));
    }
    match bytes.get(passed..).and_then(|rest| rest.split_first_chunk::<2>()) {
        Some((&before, rest)) => {
            let looked_at = passed.saturating_add(before.len());
            walk(before, rest).map(|len| len.map(|len| looked_at.saturating_add(len)))
        }
        None => Ok(None),
    }
}

/// How many bytes can be passed in windows until one has a mark or is not whole. A byte counts with
/// the two before it, so the first two of `bytes` are only looked back at.
fn pass_windows(bytes: &[u8]) -> usize {
    let windows = |offset| bytes.get(offset..).unwrap_or_default().chunks_exact(WINDOW);
    let clean = windows(0).zip(windows(1)).zip(windows(2)).take_while(|((older, old), window)| {
        match (older.first_chunk(), old.first_chunk(), window.first_chunk()) {
            (Some(older), Some(old), Some(window)) => !has_mark(older, old, window),
            _ => false,
        }
    });
    clean.count().saturating_mul(WINDOW)
}

/// Whether the last of `bytes` ends a head and none before it is a mark, when so many windows are passed.
///
/// So it is with nearly every head: nothing comes behind it, and the last window needs not be whole.
fn ends_with_only_mark(bytes: &[u8], passed: usize) -> bool {
    let Some((before, last)) = bytes.split_last_chunk::<{ WINDOW + 3 }>() else { return false };
    let window = |offset| last.get(offset..).and_then(|rest| rest.first_chunk());
    match (window(0), window(1), window(2)) {
        (Some(older), Some(old), Some(window)) => {
            before.len() <= passed && last.ends_with(b"\r\n\r\n") && !has_mark(older, old, window)
        }
        _ => false,
    }
}

/// Whether `window` has the LF of an empty line or one without CR; `old` and `older` are the same
/// window one and two bytes earlier.
///
/// Without early exit and with constant bounds, so that it compiles to vector instructions.
#[inline]
fn has_mark(older: &[u8; WINDOW], old: &[u8; WINDOW], window: &[u8; WINDOW]) -> bool {
    let mut mark = 0;
    for ((older, old), byte) in older.iter().zip(old).zip(window) {
        let is_end = u8::from(*older == LF);
        let is_bare = u8::from(*old != CR);
        mark |= u8::from(*byte == LF) & (is_end | is_bare);
    }
    mark != 0
}

/// The same as [`has_mark`], byte by byte, and exact about the place and the kind.
fn walk([mut older, mut old]: [u8; 2], bytes: &[u8]) -> Result<Option<usize>, HeadError> {
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == LF {
            // RFC 9112 §2.2: "a recipient MAY recognize a single LF as a line terminator". This
            // one does not: two readers that disagree on where a head ends are a known attack.
            if old != CR {
                return Err(HeadError::BareLf);
            }
            if older == LF {
                return Ok(Some(at.saturating_add(1)));
            }
        }
        (older, old) = (old, byte);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end as the definition has it: the first CR LF CR LF, unless a bare LF comes first.
    fn naive_end(bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        for at in 0..bytes.len() {
            if bytes[at] == LF && (at == 0 || bytes[at - 1] != CR) {
                return Err(HeadError::BareLf);
            }
            if bytes[..=at].ends_with(b"\r\n\r\n") {
                return Ok(Some(at + 1));
            }
        }
        Ok(None)
    }

    #[test]
    fn rfc9112_2_2_every_mark_at_every_place() {
        for mark in
            [&b"\r\n\r\n"[..], b"\n", b"\n\n", b"\r\r\n\r\n", b"\r\n", b"\r\n\n", b"\r\n\r\r\n"]
        {
            for at in 0..110 {
                let mut bytes = [b'a'; 120];
                bytes[at..at + mark.len()].copy_from_slice(mark);
                assert_eq!(find_end([0, 0], &bytes), naive_end(&bytes), "{mark:?} at {at}");
                for len in at + mark.len() + 4..=bytes.len() {
                    let mut head = bytes[..len].to_vec();
                    head[len - 4..].copy_from_slice(b"\r\n\r\n");
                    assert_eq!(find_end([0, 0], &head), naive_end(&head), "{mark:?} at {at}/{len}");
                }
            }
        }
    }

    #[test]
    fn memory_follows_the_bytes_and_stays_under_the_limit() {
        let mut reader = HeadReader::new(&Limits { head: 100, ..Limits::default() });
        for seen in 1..100 {
            assert_eq!(reader.next(&mut Input::new(&mut [b'a'])), Ok(None));
            let capacity = reader.gathered.capacity();
            let most = 100.min(16.max(2 * seen));
            assert!((seen..=most).contains(&capacity), "{capacity} for {seen}");
        }
        assert_eq!(reader.next(&mut Input::new(&mut [b'a'])), Err(HeadError::LineTooLong));
        assert_eq!(reader.gathered.capacity(), 0);
    }
}
