//! HTTP/1.1 heads: finding their end in any split of the input, and reading their fields.
//!
//! RFC 9110 and RFC 9112 as far as an opening handshake needs them (RFC 6455 §4), and as far as a
//! port that also serves a page or two needs them.
//!
//! Layer 2: knows heads, fields and lists. It may not know what a WebSocket handshake demands of
//! them (that is `server` and `client`), and it writes nothing, though what may be written is
//! decided by the same `grammar`.
//!
//! | file | what lives there |
//! |---|---|
//! | `reader` | [`HeadReader`]: bytes in, one whole head out |
//! | `message` | [`Request`] and [`Response`]: a head as a borrowed view |
//! | `fields` | [`Fields`]: look-ups by name, comma lists, `Content-Length` |
//! | `extension` | [`Extension`]: one element of `Sec-WebSocket-Extensions` |
//! | `grammar` | which characters a token, a host, a target or a field value may hold |
//!
//! ```
//! use dormouse::http::{EMPTY_HEADER, HeadReader, Request};
//! use dormouse::{Input, Limits};
//!
//! let mut scratch = *b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\n\r\nthe rest";
//! let mut input = Input::new(&mut scratch);
//!
//! let mut reader = HeadReader::new(&Limits::default());
//! let head = reader.next(&mut input)?.expect("the head is complete");
//! let mut headers = [EMPTY_HEADER; 16];
//! let request = Request::parse(&head, &mut headers)?;
//!
//! assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
//! assert_eq!(request.header("host"), Some(&b"example.com"[..]));
//! assert_eq!(input.peek(), b"the rest");
//! # Ok::<(), dormouse::http::HeadError>(())
//! ```

mod extension;
mod fields;
pub(crate) mod grammar;
mod message;
mod reader;

use core::fmt;

pub use extension::{Extension, ExtensionError};
pub use fields::Fields;
pub use httparse::{EMPTY_HEADER, Header};
pub use message::{Request, Response, Version};
pub use reader::HeadReader;

/// Why bytes are not the head of an HTTP/1.1 message.
///
/// `server::Refusal` has a `From<HeadError>` that picks the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// RFC 6585 §5: the head does not end within [`Limits::head`](crate::Limits::head) bytes.
    TooLarge,
    /// RFC 9112 §3: not even the first line ends within [`Limits::head`](crate::Limits::head) bytes.
    LineTooLong,
    /// RFC 6585 §5: the head has more fields than the caller's array has places.
    TooManyHeaders,
    /// RFC 9112 §2.2: a line ends with LF alone.
    BareLf,
    /// RFC 9112 §2.2: a CR is not followed by LF, or something follows the version.
    LineEnd,
    /// RFC 9112 §2: the first byte cannot begin an HTTP message; often a TLS client.
    NotHttp,
    /// RFC 9112 §2: the head has no empty line at its end.
    Incomplete,
    /// RFC 9112 §2: bytes follow the empty line; they belong to the next reader.
    Trailing,
    /// RFC 9112 §3: the request line is not `method SP target SP version`.
    RequestLine,
    /// RFC 9112 §2.3: a version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// RFC 9112 §4: the status line is not `version SP three digits SP reason`.
    StatusLine,
    /// RFC 9112 §5.1, §5.2: a field name is not a token; also white space before the colon, and
    /// a folded line. A client may unfold the lines of a response: this one does not, because a value
    /// over two lines is a danger to whoever passes it on.
    FieldName,
    /// RFC 9110 §5.5: a field value has a control character.
    FieldValue,
    /// RFC 9112 §6.3: the head does not tell the length of the body.
    BodyLength,
}

impl HeadError {
    /// The reason in one line, without a line end.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "the head is larger than the limit",
            Self::LineTooLong => "the first line is longer than the limit",
            Self::TooManyHeaders => "the head has too many fields",
            Self::BareLf => "a line ends with LF alone",
            Self::LineEnd => "a line does not end with CR LF",
            Self::NotHttp => "the first byte cannot begin an HTTP message",
            Self::Incomplete => "the head has no end",
            Self::Trailing => "bytes follow the head",
            Self::RequestLine => "the request line is malformed",
            Self::Version => "the HTTP version is neither 1.0 nor 1.1",
            Self::StatusLine => "the status line is malformed",
            Self::FieldName => "a field name is malformed",
            Self::FieldValue => "a field value has a control character",
            Self::BodyLength => "the head does not tell the length of the body",
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for HeadError {}

/// Why a field may not be written into a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// RFC 9110 §5.1: the name is not a token.
    #[error("a field name is not a token")]
    Name,
    /// RFC 9110 §5.5: the value has CR, LF, NUL or another control character.
    #[error("a field value has a control character")]
    Value,
    /// The field is one that the message sets itself.
    #[error("a field name is one that the message sets itself")]
    Reserved,
}
