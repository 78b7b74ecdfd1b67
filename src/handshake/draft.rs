//! A head while it is written: counted first, so that it is queued whole or not at all.
//!
//! Layer 4, for both roles. Whatever a caller adds to a head passes [`check_fields`], so that no
//! value can end its line and begin another one (RFC 9112 §11.1).

use alloc::vec::Vec;
use core::fmt;

use crate::http::{FieldError, grammar};
use crate::outbox::{Outbox, SendError};

/// A head that can be written.
pub(super) trait Head {
    /// Pushes every part to `draft`, the same ones each time.
    fn push_to(&self, draft: &mut impl Draft);
}

/// Where the parts of a head go: into a buffer, or nowhere while they are counted.
pub(super) trait Draft {
    fn push(&mut self, bytes: &[u8]);

    /// One field line. The caller has checked both sides.
    #[inline]
    fn field(&mut self, name: &str, value: &str) {
        for part in [name, ": ", value, "\r\n"] {
            self.push(part.as_bytes());
        }
    }
}

impl Draft for Vec<u8> {
    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

struct Count(usize);

impl Draft for Count {
    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

/// Queues all of `head` in `out`, or nothing.
#[inline]
pub(super) fn write(head: &impl Head, out: &mut Outbox) -> Result<(), SendError> {
    let mut count = Count(0);
    head.push_to(&mut count);
    let room = out.own_with_room(count.0)?;
    let end = room.len().saturating_add(count.0);
    head.push_to(room);
    debug_assert_eq!(room.len(), end, "both times the same");
    Ok(())
}

/// Fields that say where a message ends and what the connection becomes: never the caller's.
/// Neither is anything that begins with `Sec-WebSocket-`.
const RESERVED: [&str; 4] = ["Connection", "Upgrade", "Content-Length", "Transfer-Encoding"];

/// Checks the caller's own `fields` before any is written; `reserved` are further names that the
/// message sets itself.
pub(super) fn check_fields(fields: &[(&str, &str)], reserved: &[&str]) -> Result<(), FieldError> {
    check_names(fields, reserved.iter().copied())?;
    check_values(fields.iter().copied())
}

/// The names alone.
pub(super) fn check_names<'r>(
    fields: &[(&str, &str)],
    reserved: impl Iterator<Item = &'r str> + Clone,
) -> Result<(), FieldError> {
    for (name, _) in fields {
        let is_name = |other: &str| name.eq_ignore_ascii_case(other);
        let prefix = name.get(..14).unwrap_or_default();
        if !grammar::is_token(name.as_bytes()) {
            return Err(FieldError::Name);
        }
        if RESERVED.into_iter().chain(reserved.clone()).any(is_name)
            || prefix.eq_ignore_ascii_case("Sec-WebSocket-")
        {
            return Err(FieldError::Reserved);
        }
    }
    Ok(())
}

/// The values alone.
pub(super) fn check_values<'f>(
    mut fields: impl Iterator<Item = (&'f str, &'f str)>,
) -> Result<(), FieldError> {
    if fields.all(|(_, value)| grammar::is_field_value(value.as_bytes())) {
        Ok(())
    } else {
        Err(FieldError::Value)
    }
}

/// The names of a caller's fields: what `Debug` may show, because values are cookies and passwords.
pub(super) struct Names<'a>(pub(super) &'a [(&'a str, &'a str)]);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A number in decimal, without the heap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    pub(super) fn new(mut number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit |= (number % 10) as u8;
            number /= 10;
            start = at;
            if number == 0 {
                break;
            }
        }
        Self { digits, start }
    }

    pub(super) fn as_str(&self) -> &str {
        let digits = self.digits.get(self.start..).unwrap_or_default();
        core::str::from_utf8(digits).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn decimals() {
        for number in [0, 9, 10, 101, 65535, u64::MAX] {
            assert_eq!(Decimal::new(number).as_str(), number.to_string());
        }
    }

    #[test]
    fn rfc9112_11_1_injection() {
        let check = |name, value| check_fields(&[("A", "b"), (name, value)], &["Host"]);
        assert_eq!(check("Set-Cookie", "a=b; Path=/"), Ok(()));
        for value in ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "\r\n"] {
            assert_eq!(check("X", value), Err(FieldError::Value), "{value:?}");
        }
        for name in ["", "X:", "X Y", "X\r\nY", "X\n", "\u{e9}"] {
            assert_eq!(check(name, "a"), Err(FieldError::Name), "{name:?}");
        }
        for name in ["connection", "UPGRADE", "Content-length", "sec-websocket-accept", "host"] {
            assert_eq!(check(name, "a"), Err(FieldError::Reserved), "{name}");
        }
    }
}
