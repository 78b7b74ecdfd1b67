//! The answer to an upgrade request that is not accepted.
//!
//! RFC 6455 §4.2.1 and §4.2.2, RFC 9110 §15.5 and §15.6. Layer 4: which status, which fields and
//! which sentence belong to a reason; `answer` writes them.

use core::fmt;

use super::answer::{Answer, AnswerError, phrase};
use crate::http::HeadError;
use crate::outbox::Outbox;

/// Why an upgrade request is refused: by the rules, or by the embedder.
///
/// [`write`](Self::write) makes a complete HTTP response of it. The connection is closed after it.
///
/// ```
/// use dormouse::server::Refusal;
/// use dormouse::{Limits, Outbox};
///
/// let mut out = Outbox::new(&Limits::default());
/// let refusal = Refusal::Unavailable { retry_after: 30 };
/// refusal.answer().headers(&[("Server", "mail")]).write(&mut out)?;
///
/// assert_eq!(refusal.to_string(), "503 Service Unavailable: the server is busy");
/// let answer = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 30\r\n\
///     Content-Type: text/plain; charset=utf-8\r\nServer: mail\r\nContent-Length: 18\r\n\r\n\
///     the server is busy";
/// assert_eq!(out.slices().collect::<Vec<_>>().concat(), answer.as_bytes());
/// # Ok::<(), dormouse::server::AnswerError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: the request breaks a rule of the handshake or of HTTP.
    BadRequest(BadRequest),
    /// 401: the client has to authenticate.
    Unauthorized {
        /// The value of `WWW-Authenticate`, such as `Basic realm="mail"`. One that is made for the
        /// request goes into [`Answer::headers`] of an [`Answer`] with status 401.
        challenge: &'static str,
    },
    /// 403: this origin or this user may not connect (§4.2.2, §10.2).
    Forbidden,
    /// 404: there is nothing at this path (§4.2.2).
    NotFound,
    /// 405: the method is not GET (§4.1).
    MethodNotAllowed,
    /// 414: the request line does not end within the limit for heads (RFC 9112 §3).
    TargetTooLong,
    /// 426: a request that does not ask for WebSocket came to a place where nothing else is.
    NotAnUpgrade,
    /// 426: the client speaks another version of the protocol; the answer names 13 (§4.2.2, §4.4).
    WebSocketVersion,
    /// 429: this client connects too often.
    TooManyRequests {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// 431: the head is too large or has too many fields (RFC 6585 §5).
    HeadTooLarge,
    /// 503: the server has no room now (§7.2.3 asks clients to come back at different times).
    Unavailable {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// 505: the HTTP version is not 1.1 (§4.1).
    HttpVersion,
}

impl Refusal {
    /// The status code of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Unauthorized { .. } => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TargetTooLong => 414,
            Self::NotAnUpgrade | Self::WebSocketVersion => 426,
            Self::TooManyRequests { .. } => 429,
            Self::HeadTooLarge => 431,
            Self::Unavailable { .. } => 503,
            Self::HttpVersion => 505,
        }
    }

    /// The reason in one line, without a line end: the body of the answer.
    pub fn reason(self) -> &'static str {
        match self {
            Self::BadRequest(what) => what.reason(),
            Self::Unauthorized { .. } => "authentication is required",
            Self::Forbidden => "this origin or user may not connect",
            Self::NotFound => "there is nothing at this path",
            Self::MethodNotAllowed => "the method of a WebSocket handshake is GET",
            Self::TargetTooLong => "the request target is too long",
            Self::NotAnUpgrade => "this resource speaks WebSocket only",
            Self::WebSocketVersion => "the WebSocket version is not 13",
            Self::TooManyRequests { .. } => "too many requests",
            Self::HeadTooLarge => "the request head is too large",
            Self::Unavailable { .. } => "the server is busy",
            Self::HttpVersion => "the HTTP version is not 1.1",
        }
    }

    /// The whole answer, to be completed with fields of the embedder's and with a body of its own.
    pub fn answer<'a>(self) -> Answer<'a> {
        let answer = Answer::new(self.status()).body(self.reason().as_bytes()).close();
        match self {
            // RFC 9110 §15.5.2: "The server generating a 401 response MUST send a WWW-Authenticate
            // header field"
            Self::Unauthorized { challenge } => answer.own("WWW-Authenticate", challenge),
            // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405
            // response"
            // It has no body, because RFC 9110 §9.3.2 allows none in the answer to HEAD.
            Self::MethodNotAllowed => answer.own("Allow", "GET").body(b""),
            // RFC 9110 §15.5.22: "The server MUST send an Upgrade header field in a 426 response"
            Self::NotAnUpgrade => answer.offer_upgrade(),
            // §4.2.2: "send an appropriate HTTP error code (such as 426 Upgrade Required) and a
            // |Sec-WebSocket-Version| header field"
            Self::WebSocketVersion => answer.offer_upgrade().own("Sec-WebSocket-Version", "13"),
            Self::TooManyRequests { retry_after } | Self::Unavailable { retry_after } => {
                answer.retry_after(retry_after)
            }
            // §4.4 names the version in a 400 too.
            Self::BadRequest(BadRequest::MissingVersion | BadRequest::DuplicateVersion) => {
                answer.own("Sec-WebSocket-Version", "13")
            }
            Self::BadRequest(_)
            | Self::Forbidden
            | Self::NotFound
            | Self::TargetTooLong
            | Self::HeadTooLarge
            | Self::HttpVersion => answer,
        }
    }

    /// Queues the complete response in `out`. Flush it, then close the connection.
    ///
    /// # Errors
    ///
    /// [`AnswerError::Send`] if `out` has no room, [`AnswerError::Field`] if the challenge of an
    /// [`Unauthorized`](Self::Unauthorized) cannot be written. Nothing is queued then.
    pub fn write(self, out: &mut Outbox) -> Result<(), AnswerError> {
        self.answer().write(out)
    }
}

/// For logs: the status line and the reason.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status();
        write!(f, "{status} {}: {}", phrase(status), self.reason())
    }
}

impl core::error::Error for Refusal {}

impl From<BadRequest> for Refusal {
    fn from(what: BadRequest) -> Self {
        Self::BadRequest(what)
    }
}

/// 414 and 431 for a head that is too large, 505 for another version of HTTP, 400 for the rest.
impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::TooLarge | HeadError::TooManyHeaders => Self::HeadTooLarge,
            HeadError::LineTooLong => Self::TargetTooLong,
            HeadError::Version => Self::HttpVersion,
            error => Self::BadRequest(BadRequest::Head(error)),
        }
    }
}

/// What is wrong with a request that is answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadRequest {
    /// RFC 9112 §2: the bytes are not an HTTP head.
    Head(HeadError),
    /// §4.2.1: the target is neither a path nor an absolute URI, or has a fragment.
    Target,
    /// §4.2.1: there is no Host field.
    MissingHost,
    /// RFC 9112 §3.2: there are several Host fields.
    DuplicateHost,
    /// RFC 9112 §3.2: the Host field does not hold a host.
    Host,
    /// §4.2.1: `Upgrade` is not one of the options in the Connection field.
    Connection,
    /// §4.2.1: there is no Sec-WebSocket-Version field.
    MissingVersion,
    /// §11.3.5: there are several Sec-WebSocket-Version fields.
    DuplicateVersion,
    /// §4.2.1: there is no Sec-WebSocket-Key field.
    MissingKey,
    /// §11.3.1: there are several Sec-WebSocket-Key fields.
    DuplicateKey,
    /// §4.2.1: the key is not the base64 of 16 bytes.
    Key,
    /// RFC 9112 §6.3: the request announces a body.
    Body,
    /// RFC 6454 §7.3: there are several Origin fields.
    DuplicateOrigin,
    /// RFC 6454 §7.1: the origin is not one origin in ASCII.
    Origin,
    /// §4.1: the subprotocols are not a list of tokens.
    Protocol,
    /// §4.1: a subprotocol is offered twice.
    DuplicateProtocol,
    /// More than 64 subprotocols are offered.
    TooManyProtocols,
    /// §9.1: the extensions do not follow the grammar.
    Extensions,
}

impl BadRequest {
    /// The reason in one line, without a line end.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Head(error) => error.reason(),
            Self::Target => "the request target is not a resource name",
            Self::MissingHost => "the Host field is missing",
            Self::DuplicateHost => "the Host field is repeated",
            Self::Host => "the Host field is malformed",
            Self::Connection => "the Connection field lacks the Upgrade option",
            Self::MissingVersion => "the Sec-WebSocket-Version field is missing",
            Self::DuplicateVersion => "the Sec-WebSocket-Version field is repeated",
            Self::MissingKey => "the Sec-WebSocket-Key field is missing",
            Self::DuplicateKey => "the Sec-WebSocket-Key field is repeated",
            Self::Key => "the Sec-WebSocket-Key is not the base64 of 16 bytes",
            Self::Body => "the request announces a body",
            Self::DuplicateOrigin => "the Origin field is repeated",
            Self::Origin => "the Origin field is malformed",
            Self::Protocol => "the Sec-WebSocket-Protocol list is malformed",
            Self::DuplicateProtocol => "a subprotocol is offered twice",
            Self::TooManyProtocols => "too many subprotocols are offered",
            Self::Extensions => "the Sec-WebSocket-Extensions list is malformed",
        }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for BadRequest {}
