//! Close codes and the body of a Close frame (RFC 6455 §5.5.1, §7.4).
//!
//! Layer 1. A body is empty, or two bytes of code and up to 123 bytes of UTF-8.

use alloc::borrow::Cow;
use core::fmt;

use super::header::MAX_CONTROL_PAYLOAD;

/// §5.5.1: the longest reason in bytes: what 125 bytes leave beside the code.
const MAX_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// A status code that may stand in a Close frame (§7.4).
///
/// These are 1000 to 1003, 1007 to 1014 and 3000 to 4999. Codes that exist only to tell an
/// application what happened (1005 "no code", 1006 "no Close at all", 1015 "TLS failed") have no
/// value here, so they cannot be sent.
///
/// ```
/// use dormouse::CloseCode;
///
/// assert_eq!(CloseCode::new(4242).map(CloseCode::get), Some(4242));
/// assert_eq!(CloseCode::new(1006), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that the endpoint does not take.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: data that does not fit its type, such as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a message against the endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: a client misses an extension that the server should have negotiated.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: a server met a condition that it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts; a client may reconnect (registered by IANA).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; a client should wait longer (registered by IANA).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway had a bad answer from the server behind it (registered by IANA).
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code with this number, or `None` if the number must not stand in a Close frame.
    pub const fn new(code: u16) -> Option<Self> {
        // §7.4.1: 1004 is reserved; 1005, 1006 and 1015 "MUST NOT be set as a status code in a
        // Close control frame by an endpoint". §7.4.2: 0-999 are not used, 1016-2999 are reserved
        // for later versions of the protocol, and nothing is defined from 5000 up.
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// [`CloseError::InvalidCode`] if the number must not stand in a Close frame.
impl TryFrom<u16> for CloseCode {
    type Error = CloseError;

    fn try_from(code: u16) -> Result<Self, CloseError> {
        Self::new(code).ok_or(CloseError::InvalidCode(code))
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The code and the reason of a Close frame (§5.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame<'b> {
    /// Why the connection is closed, for programs.
    pub code: CloseCode,
    /// Why, for people who debug: at most 123 bytes, often empty, "not necessarily human
    /// readable". Clients do not show it to their users (§5.5.1).
    pub reason: Cow<'b, str>,
}

/// The code, and the reason behind it if there is one.
impl fmt::Display for CloseFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.reason {
            "" => self.code.fmt(f),
            reason => write!(f, "{}: {reason}", self.code),
        }
    }
}

/// Why the body of a Close frame is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// §5.5.1: a body of one byte, where a code takes two.
    #[error("Close body of one byte")]
    OneByteBody,
    /// §7.4: a code that must not stand in a Close frame.
    #[error("close code {0} must not be sent")]
    InvalidCode(u16),
    /// §5.5.1: a reason that is not UTF-8.
    #[error("close reason is not UTF-8")]
    InvalidReason,
}

impl<'b> CloseFrame<'b> {
    /// Reads the body of a Close frame; `Ok(None)` is the empty body, a Close without a code.
    ///
    /// # Errors
    ///
    /// A body of one byte, a code that must not be sent, or a reason that is not UTF-8.
    pub fn parse(body: &'b [u8]) -> Result<Option<Self>, CloseError> {
        match body {
            [] => Ok(None),
            // §5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned
            // integer"
            [_] => Err(CloseError::OneByteBody),
            &[high, low, ref reason @ ..] => {
                let code = u16::from_be_bytes([high, low]);
                let code = CloseCode::try_from(code)?;
                let reason = core::str::from_utf8(reason).map_err(|_| CloseError::InvalidReason)?;
                Ok(Some(Self { code, reason: Cow::Borrowed(reason) }))
            }
        }
    }

    /// The same frame with its reason on the heap, to keep it longer than the read buffer.
    pub fn into_owned(self) -> CloseFrame<'static> {
        CloseFrame { code: self.code, reason: Cow::Owned(self.reason.into_owned()) }
    }
}

/// Writes the body of a Close frame to the front of `buffer` and returns it.
///
/// A reason above 123 bytes is cut in front of the code point that does not fit.
pub(crate) fn encode_body<'b>(
    code: CloseCode,
    reason: &str,
    buffer: &'b mut [u8; MAX_CONTROL_PAYLOAD],
) -> &'b [u8] {
    let mut ends = (0..=reason.len().min(MAX_REASON)).rev();
    let end = ends.find(|&end| reason.is_char_boundary(end)).unwrap_or_default();
    let reason = reason.bytes().take(end);
    let body = code.get().to_be_bytes().into_iter().chain(reason);
    for (place, byte) in buffer.iter_mut().zip(body) {
        *place = byte;
    }
    buffer.get(..end.saturating_add(2)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s7_4_which_codes_may_be_sent() {
        for code in 0..=u16::MAX {
            let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            assert_eq!(CloseCode::new(code).is_some(), valid, "{code}");
        }
    }

    #[test]
    fn s5_5_1_bodies() {
        let frame = |code, reason: &'static str| {
            Ok(Some(CloseFrame { code: CloseCode(code), reason: Cow::Borrowed(reason) }))
        };
        assert_eq!(CloseFrame::parse(b""), Ok(None));
        assert_eq!(CloseFrame::parse(b"\x03"), Err(CloseError::OneByteBody));
        assert_eq!(CloseFrame::parse(b"\x03\xE8"), frame(1000, ""));
        assert_eq!(CloseFrame::parse("\u{3}\0bye".as_bytes()), Err(CloseError::InvalidCode(768)));
        assert_eq!(CloseFrame::parse(b"\x03\xEE"), Err(CloseError::InvalidCode(1006)));
        assert_eq!(CloseFrame::parse(b"\x0F\xA0bye"), frame(4000, "bye"));
        assert_eq!(CloseFrame::parse(b"\x03\xE8\xC3"), Err(CloseError::InvalidReason));
    }

    #[test]
    fn s5_5_1_a_reason_is_cut_at_a_code_point() {
        let mut buffer = [0; MAX_CONTROL_PAYLOAD];
        for (reason, kept) in [
            ("x".repeat(122), 122),
            ("x".repeat(123), 123),
            ("x".repeat(124), 123),
            ("é".repeat(70), 122),
            ("€".repeat(41), 123),
            ("€".repeat(42), 123),
            ("🐭".repeat(31), 120),
        ] {
            let body = encode_body(CloseCode::NORMAL, &reason, &mut buffer);
            let frame = CloseFrame::parse(body).unwrap().unwrap();
            assert_eq!(frame.reason, reason[..kept]);
        }
    }
}
