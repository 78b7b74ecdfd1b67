//! The bytes of one read, lent by the embedder.
//!
//! Layer 0: knows nothing of frames or heads; everything that parses takes its bytes from here.

use core::fmt;

/// Bytes that have just been read, on their way through the parsers.
///
/// `Input` wraps the embedder's own scratch buffer for the length of one read. Parsers take bytes
/// off its front: what they hand out borrows the scratch buffer (`'b`), not the `Input`, so several
/// results can be held at once and the parser stays free for the next call. Every byte is consumed
/// in the end; what a parser cannot use yet it keeps itself. So call it until it gives nothing more:
/// bytes that are left when an `Input` is dropped are lost to the parser, unless
/// [`take_rest`](Self::take_rest) has saved them for a later one.
///
/// Payloads are unmasked in place, so the buffer holds other bytes afterwards.
///
/// ```
/// use dormouse::Input;
///
/// let mut scratch = *b"\x82\x02hi";
/// let input = Input::new(&mut scratch);
/// assert_eq!(input.len(), 4);
/// ```
pub struct Input<'b> {
    bytes: &'b mut [u8],
}

impl<'b> Input<'b> {
    /// Lends `bytes`, all of which count as received.
    #[inline]
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes }
    }

    /// How many bytes no parser has taken yet.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether every byte has been taken.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes that are left, for a look ahead.
    #[inline]
    pub fn peek(&self) -> &[u8] {
        self.bytes
    }

    /// Takes all that is left, for the embedder's own use: the body that follows an HTTP head, or
    /// another protocol after an upgrade.
    #[inline]
    pub fn take_rest(&mut self) -> &'b mut [u8] {
        core::mem::take(&mut self.bytes)
    }

    /// Takes the first `len` bytes, or all if there are fewer.
    #[inline]
    pub fn take(&mut self, len: usize) -> &'b mut [u8] {
        let bytes = self.take_rest();
        let (front, rest) = bytes.split_at_mut(len.min(bytes.len()));
        self.bytes = rest;
        front
    }
}

/// Shows only the count: payloads do not belong in logs.
impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_outlive_the_input_and_each_other() {
        let mut scratch = *b"abcdef";
        let mut input = Input::new(&mut scratch);
        let first = input.take(2);
        let second = input.take(10);
        assert!(input.is_empty());
        assert_eq!((&*first, &*second), (&b"ab"[..], &b"cdef"[..]));
    }

    #[test]
    fn the_rest_can_be_looked_at_and_taken() {
        let mut scratch = *b"abc";
        let mut input = Input::new(&mut scratch);
        input.take(1);
        assert_eq!(input.peek(), b"bc");
        assert_eq!(input.take_rest(), b"bc");
        assert!(input.is_empty());
    }
}
