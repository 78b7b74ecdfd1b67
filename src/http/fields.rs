//! The fields of a head: look-ups by name, comma lists over several lines, `Content-Length`.
//!
//! RFC 9110 §5. Layer 2: values are bytes here; what they mean is for the caller.

use core::fmt;

use super::extension::{Extension, ExtensionError};
use super::grammar::Elements;
use super::{HeadError, Header};

/// The fields of one head, borrowed.
///
/// Names are compared without regard to ASCII case. Values are bytes, not text, because RFC 9110
/// §5.5 lets them hold any byte from 0x80: a look-up that gave text would have to hide such a
/// field or to change it, and a check that cannot see a field is worse than none.
///
/// ```
/// use dormouse::http::{Fields, Header};
///
/// let lines = [
///     Header { name: "Accept", value: b"text/html, , text/plain" },
///     Header { name: "accept", value: b"*/*" },
/// ];
/// let fields = Fields::new(&lines);
/// assert_eq!(fields.get("ACCEPT"), Some(&b"text/html, , text/plain"[..]));
/// assert_eq!(fields.elements("accept").count(), 3);
/// ```
#[derive(Clone, Copy)]
pub struct Fields<'h, 'b> {
    lines: &'h [Header<'b>],
}

impl<'h, 'b> Fields<'h, 'b> {
    /// A view of `lines`, in the order of the head.
    pub fn new(lines: &'h [Header<'b>]) -> Self {
        Self { lines }
    }

    /// Every field line, in the order of the head.
    pub fn lines(&self) -> &'h [Header<'b>] {
        self.lines
    }

    /// The same fields from the `first` line on, up to and with the `last`.
    pub(crate) fn between(&self, first: usize, last: usize) -> Self {
        Self { lines: self.lines.get(first..=last).unwrap_or_default() }
    }

    /// The value of the first line called `name`, without white space around it.
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        self.all(name).next()
    }

    /// The values of every line called `name`, in the order of the head.
    pub fn all<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        // RFC 9110 §5.1: "Field names are case-insensitive". Most are written alike all the same.
        let is_same = move |other: &str| other == name || other.eq_ignore_ascii_case(name);
        self.lines.iter().filter(move |line| is_same(line.name)).map(|line| line.value)
    }

    /// The elements of the comma list that the lines called `name` make up together, without
    /// white space around them and without the empty ones (RFC 9110 §5.6.1). Not for fields whose
    /// elements may hold a quoted comma.
    pub fn elements<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        List { line: Elements::of(&[]), lines: self.all(name) }
    }

    /// Whether the comma list `name` has `token`, without regard to ASCII case.
    ///
    /// An element counts as a whole: `not-upgrade` is not `upgrade`.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.elements(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The elements of `Sec-WebSocket-Extensions`, over all its lines, in the sender's order of
    /// preference (RFC 6455 §9.1).
    ///
    /// # Errors
    ///
    /// An element that does not follow the grammar is an [`ExtensionError`]; the iterator goes on
    /// with the next one.
    pub fn extensions(
        &self,
    ) -> impl Iterator<Item = Result<Extension<'b>, ExtensionError>> + Clone + use<'h, 'b> {
        self.elements("Sec-WebSocket-Extensions").map(Extension::parse)
    }

    /// How many bytes of body the head announces with `Content-Length`; `None` if it does not.
    ///
    /// # Errors
    ///
    /// [`HeadError::BodyLength`]: the field is malformed or says two things, or the body has a
    /// transfer coding. The length of the body is not in the head then, and who guesses takes the
    /// body for the next head (RFC 9112 §6.3, §11.2).
    pub fn content_length(&self) -> Result<Option<u64>, HeadError> {
        if self.get("Transfer-Encoding").is_some() {
            return Err(HeadError::BodyLength);
        }
        let mut length = None;
        for value in self.all("Content-Length") {
            let mut values = Elements::of(value).peekable();
            if values.peek().is_none() {
                return Err(HeadError::BodyLength);
            }
            for value in values {
                let value = parse_decimal(value).ok_or(HeadError::BodyLength)?;
                if length.is_some_and(|length| length != value) {
                    return Err(HeadError::BodyLength);
                }
                length = Some(value);
            }
        }
        Ok(length)
    }
}

/// Shows the names alone: values are cookies and passwords.
impl fmt::Debug for Fields<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines.iter().map(|line| line.name)).finish()
    }
}

/// The elements of a list that is spread over `lines`.
#[derive(Clone)]
struct List<'b, I> {
    line: Elements<'b>,
    lines: I,
}

impl<'b, I: Iterator<Item = &'b [u8]>> Iterator for List<'b, I> {
    type Item = &'b [u8];

    #[inline]
    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            if let Some(element) = self.line.next() {
                return Some(element);
            }
            self.line = Elements::of(self.lines.next()?);
        }
    }
}

/// `1*DIGIT` that fits; an element of a list is never empty.
fn parse_decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_length(lines: &[(&'static str, &'static str)]) -> Result<Option<u64>, HeadError> {
        let mut headers = [super::super::EMPTY_HEADER; 4];
        for (header, (name, value)) in headers.iter_mut().zip(lines) {
            *header = Header { name, value: value.as_bytes() };
        }
        Fields::new(&headers).content_length()
    }

    #[test]
    fn rfc9112_6_3_content_length() {
        let error = Err(HeadError::BodyLength);
        assert_eq!(content_length(&[]), Ok(None));
        assert_eq!(content_length(&[("content-length", "0")]), Ok(Some(0)));
        let twice = [("Content-Length", "42"), ("Content-Length", "42")];
        assert_eq!(content_length(&twice), Ok(Some(42)));
        assert_eq!(content_length(&[("Content-Length", "42, 42")]), Ok(Some(42)));
        assert_eq!(content_length(&[("Content-Length", "42"), ("Content-Length", "43")]), error);
        let most = [("Content-Length", "18446744073709551615")];
        assert_eq!(content_length(&most), Ok(Some(u64::MAX)));
        for bad in ["18446744073709551616", "-1", "+1", "1a", "0x1", "", ",", "1 1"] {
            assert_eq!(content_length(&[("Content-Length", bad)]), error, "{bad}");
        }
        let chunked = [("Content-Length", "42"), ("Transfer-Encoding", "chunked")];
        assert_eq!(content_length(&chunked), error);
    }

    #[test]
    fn a_list_may_span_lines() {
        let lines = [
            Header { name: "Connection", value: b"keep-alive" },
            Header { name: "Other", value: b"Upgrade" },
            Header { name: "CONNECTION", value: b" , not-upgrade,UPGRADE" },
        ];
        assert!(Fields::new(&lines).has_token("connection", "upgrade"));
        assert!(!Fields::new(&lines[..2]).has_token("connection", "upgrade"));
        assert!(!Fields::new(&lines).has_token("connection", "keep"));
    }
}
