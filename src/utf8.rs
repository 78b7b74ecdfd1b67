//! UTF-8 that arrives in pieces (RFC 6455 §8.1).
//!
//! A message may be cut anywhere, also inside a code point. [`Validator`] takes the pieces one after
//! the other, hands out what is complete as `&str`, and keeps the at most three bytes of a code point
//! that has only begun: four bytes of state in all. What is invalid is told at the byte that makes it
//! so, not at the end of the message, and no byte is looked at twice.
//!
//! Layer 2: knows nothing of frames. The feature `simdutf8` validates whole runs with SIMD.
//!
//! ```
//! use dormouse::utf8::Validator;
//!
//! let mut validator = Validator::new();
//! let (joined, rest) = validator.push(b"caf\xC3")?;
//! assert_eq!((joined, rest), (None, "caf"));
//! let (joined, rest) = validator.push(b"\xA9!")?;
//! assert_eq!((joined, rest), (Some('é'), "!"));
//! assert!(validator.is_complete());
//! # Ok::<(), dormouse::utf8::InvalidUtf8>(())
//! ```

/// §8.1: bytes that are not UTF-8, or a message that ends inside a code point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("text is not UTF-8")]
pub struct InvalidUtf8;

/// A vector register of the widest kind: what `simdutf8` takes at a time.
#[cfg(feature = "simdutf8")]
const MIN_SIMD: usize = 64;

/// Reads `bytes` as one whole text.
///
/// # Errors
///
/// Any byte sequence that RFC 3629 does not allow: overlong forms, surrogates, values above U+10FFFF,
/// lone or missing continuation bytes.
#[inline]
pub fn validate(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    // Below that, `simdutf8` would do the same after a detour.
    #[cfg(feature = "simdutf8")]
    if bytes.len() >= MIN_SIMD {
        return simdutf8::basic::from_utf8(bytes).map_err(|_| InvalidUtf8);
    }
    core::str::from_utf8(bytes).map_err(|_| InvalidUtf8)
}

/// The state between two pieces of a text: the begin of a code point, or nothing. Four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validator {
    begun: [u8; 3],
    len: u8,
}

impl Validator {
    /// A validator in front of the first byte of a text.
    pub const fn new() -> Self {
        Self { begun: [0; 3], len: 0 }
    }

    /// Whether the text may end here: not inside a code point.
    pub const fn is_complete(&self) -> bool {
        self.len == 0
    }

    /// How many bytes of a code point that has only begun are kept: 0 to 3.
    pub const fn begun_len(&self) -> usize {
        self.len as usize
    }

    /// Takes the next piece of the text.
    ///
    /// Hands out the code point that an earlier piece began and this one completes, if any, and then
    /// what is complete of this piece. A code point that begins at the end of it is kept.
    ///
    /// # Errors
    ///
    /// When no further bytes can make the text valid. The validator is then of no more use.
    pub fn push<'b>(&mut self, bytes: &'b [u8]) -> Result<(Option<char>, &'b str), InvalidUtf8> {
        let (joined, bytes) = if self.is_complete() { (None, bytes) } else { self.join(bytes)? };
        let (complete, begun) = split_begun(bytes);
        if !begun.is_empty() {
            self.begin(begun)?;
        }
        Ok((joined, validate(complete)?))
    }

    /// Completes the code point that has begun, and returns the bytes behind it.
    fn join<'b>(&mut self, bytes: &'b [u8]) -> Result<(Option<char>, &'b [u8]), InvalidUtf8> {
        let mut rest = bytes;
        while let [byte, tail @ ..] = rest {
            rest = tail;
            let [a, b, c] = self.begun;
            let mut candidate = [a, b, c, 0];
            let len = usize::from(self.len);
            let Some(candidate) = candidate.get_mut(..=len) else { return Err(InvalidUtf8) };
            if let Some(place) = candidate.last_mut() {
                *place = *byte;
            }
            if let Ok(text) = core::str::from_utf8(candidate) {
                self.len = 0;
                return Ok((text.chars().next(), rest));
            }
            self.begin(candidate)?;
        }
        Ok((None, rest))
    }

    /// Keeps `bytes`, which must be the begin of a code point.
    fn begin(&mut self, bytes: &[u8]) -> Result<(), InvalidUtf8> {
        match core::str::from_utf8(bytes) {
            Err(error) if error.valid_up_to() == 0 && error.error_len().is_none() => {}
            _ => return Err(InvalidUtf8),
        }
        let mut begun = [0; 3];
        for (place, byte) in begun.iter_mut().zip(bytes) {
            *place = *byte;
        }
        *self = Self { begun, len: bytes.len() as u8 };
        Ok(())
    }
}

/// Splits off a code point that `bytes` begin but do not complete: at most three bytes at the end.
fn split_begun(bytes: &[u8]) -> (&[u8], &[u8]) {
    for (behind, byte) in (1..).zip(bytes.iter().rev().take(3)) {
        let len = match byte {
            0x80..=0xBF => continue,
            0x00..=0x7F => 1,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xFF => 4,
        };
        if len > behind {
            return bytes.split_at(bytes.len().saturating_sub(behind));
        }
        break;
    }
    (bytes, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text that RFC 3629 has something to say about, with whether it is valid.
    const SEEDS: &[(&[u8], bool)] = &[
        (b"", true),
        (b"plain", true),
        ("κόσμε".as_bytes(), true),
        ("\u{80}\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}".as_bytes(), true),
        ("\u{D7FF}\u{E000}\0".as_bytes(), true),
        (b"\xED\x9F\xBF\xEE\x80\x80", true),
        (b"\x80", false),
        (b"a\xBFb", false),
        (b"\xC3", false),
        (b"\xC3(", false),
        (b"\xC0\xAF", false),
        (b"\xC1\xBF", false),
        (b"\xE0\x80\xAF", false),
        (b"\xE0\x9F\xBF", false),
        (b"\xF0\x80\x80\xAF", false),
        (b"\xF0\x8F\xBF\xBF", false),
        (b"\xED\xA0\x80", false),
        (b"\xED\xBF\xBF", false),
        (b"\xF4\x90\x80\x80", false),
        (b"\xF5\x80\x80\x80", false),
        (b"\xFE\xFF", false),
        (b"\xE2\x82", false),
        (b"\xF0\x9F\x90", false),
        (b"\xF0\x9F\x90\xF0\x9F\x90\xAD", false),
    ];

    fn validate_in_pieces<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<String, InvalidUtf8> {
        let mut validator = Validator::new();
        let mut text = String::new();
        for piece in pieces {
            let (joined, rest) = validator.push(piece)?;
            text.extend(joined);
            text.push_str(rest);
        }
        if validator.is_complete() { Ok(text) } else { Err(InvalidUtf8) }
    }

    #[test]
    fn s8_1_seeds_whole_and_in_any_three_pieces() {
        for &(bytes, valid) in SEEDS {
            assert_eq!(validate(bytes).is_ok(), valid, "{bytes:x?}");
            for one in 0..=bytes.len() {
                for two in one..=bytes.len() {
                    let pieces = [&bytes[..one], &bytes[one..two], &bytes[two..]];
                    let text = validate_in_pieces(pieces);
                    assert_eq!(text.is_ok(), valid, "{bytes:x?} cut at {one} and {two}");
                    assert!(text.is_err() || text.unwrap().as_bytes() == bytes);
                }
            }
        }
    }

    #[test]
    fn s8_1_an_error_is_told_at_its_byte() {
        for &(bytes, _) in SEEDS {
            let mut validator = Validator::new();
            for end in 1..=bytes.len() {
                let hopeless = match core::str::from_utf8(&bytes[..end]) {
                    Ok(_) => false,
                    Err(error) => error.error_len().is_some(),
                };
                let pushed = validator.push(&bytes[end - 1..end]);
                assert_eq!(pushed.is_err(), hopeless, "{bytes:x?} at {end}");
                if hopeless {
                    break;
                }
            }
        }
    }

    #[test]
    fn s8_1_every_code_point_in_every_cut() {
        for code_point in '\0'..=char::MAX {
            let mut buffer = [0; 4];
            let bytes = code_point.encode_utf8(&mut buffer).as_bytes();
            for cut in 1..bytes.len() {
                let mut validator = Validator::new();
                assert_eq!(validator.push(&bytes[..cut]), Ok((None, "")));
                assert!(!validator.is_complete());
                assert_eq!(validator.push(&bytes[cut..]), Ok((Some(code_point), "")));
                assert!(validator.is_complete());
            }
        }
    }
}
