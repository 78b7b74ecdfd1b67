//! Any HTTP response: the refusals, and the pages of a port that serves other HTTP too.
//!
//! RFC 9110 §15, RFC 9112 §4 and §6. Layer 4: writes a whole response or nothing; it knows nothing
//! of the request.

use core::fmt;

use crate::handshake::draft::{self, Decimal, Draft, Head, Names, check_names, check_values};
use crate::http::FieldError;
use crate::outbox::{Outbox, SendError};

/// A complete HTTP/1.1 response: status, fields and a body that is all there.
///
/// The connection stays open for the next request unless [`close`](Self::close) says otherwise.
///
/// ```
/// use dormouse::server::Answer;
/// use dormouse::{Limits, Outbox};
///
/// let mut out = Outbox::new(&Limits::default());
/// Answer::new(200)
///     .content_type("application/json")
///     .headers(&[("Cache-Control", "no-store")])
///     .body(b"{\"online\":3}")
///     .write(&mut out)?;
///
/// let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
///     Cache-Control: no-store\r\nContent-Length: 12\r\n\r\n{\"online\":3}";
/// assert_eq!(out.slices().collect::<Vec<_>>().concat(), answer.as_bytes());
/// # Ok::<(), dormouse::server::AnswerError>(())
/// ```
#[derive(Clone, Copy)]
#[must_use = "an answer does nothing until it is written"]
pub struct Answer<'a> {
    status: u16,
    connection: Option<&'static str>,
    /// Fields that belong to the status and that the caller may not set.
    own: [Option<(&'static str, &'static str)>; 2],
    retry_after: Option<Decimal>,
    content_type: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    sends_body: bool,
}

/// Why an answer was not written: it would not have been valid. Nothing has been queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// RFC 9110 §15: the status is not from 200 to 599. 101 is written by
    /// [`Accept`](super::Accept).
    #[error("status is not from 200 to 599")]
    Status,
    /// RFC 9110 §15.3.5, §15.4.5: a 204 or 304 response has no body.
    #[error("status allows no body")]
    Body,
    /// A field of the caller's cannot be written.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The outbox took nothing.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl<'a> Answer<'a> {
    /// An answer with an empty body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            connection: None,
            own: [None; 2],
            retry_after: None,
            content_type: "text/plain; charset=utf-8",
            headers: &[],
            body: &[],
            sends_body: true,
        }
    }

    /// The body, whose length becomes `Content-Length`.
    pub fn body(self, body: &'a [u8]) -> Self {
        Self { body, ..self }
    }

    /// What the body is; `text/plain; charset=utf-8` unless it is set. Written if there is a body.
    pub fn content_type(self, content_type: &'a str) -> Self {
        Self { content_type, ..self }
    }

    /// Further fields, as names and values.
    pub fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }

    /// Says when to come back, in seconds (RFC 9110 §10.2.3).
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(Decimal::new(seconds.into())), ..self }
    }

    /// Says that the connection ends after this answer. The embedder closes it.
    pub fn close(self) -> Self {
        Self { connection: Some("close"), ..self }
    }

    /// Announces the body without sending it: the answer to a HEAD request (RFC 9110 §9.3.2).
    pub fn head_only(self) -> Self {
        Self { sends_body: false, ..self }
    }

    // RFC 9110 §7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option in the
    // Connection header field"
    pub(super) fn offer_upgrade(self) -> Self {
        Self { connection: Some("Upgrade, close"), ..self.own("Upgrade", "websocket") }
    }

    pub(super) fn own(mut self, name: &'static str, value: &'static str) -> Self {
        if let Some(free) = self.own.iter_mut().find(|field| field.is_none()) {
            *free = Some((name, value));
        }
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The fields of the answer, for an HTTP server that writes the response itself: all but
    /// `Connection` and `Content-Length`, which are that server's.
    ///
    /// # Errors
    ///
    /// [`AnswerError::Field`]: a name or a value cannot be written.
    pub fn fields(&self) -> Result<impl Iterator<Item = (&str, &str)> + Clone, AnswerError> {
        self.check()?;
        Ok(self.all_fields())
    }

    /// Every field but `Connection` and `Content-Length`, in the order of the head.
    fn all_fields(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let content_type = (!self.body.is_empty()).then_some(("Content-Type", self.content_type));
        self.set_fields().chain(content_type).chain(self.headers.iter().copied())
    }

    /// What belongs to the status.
    fn set_fields(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let retry_after = self.retry_after.as_ref().map(|after| ("Retry-After", after.as_str()));
        self.own.iter().copied().flatten().chain(retry_after)
    }

    fn check(&self) -> Result<(), AnswerError> {
        if !(200..600).contains(&self.status) {
            return Err(AnswerError::Status);
        }
        if matches!(self.status, 204 | 205 | 304) && !self.body.is_empty() {
            return Err(AnswerError::Body);
        }
        let set = self.set_fields().map(|(name, _)| name);
        check_names(self.headers, set.chain(["Content-Type"]))?;
        Ok(check_values(self.all_fields())?)
    }

    /// Queues the whole response in `out`.
    ///
    /// Needs no heap beyond that of `out`.
    ///
    /// # Errors
    ///
    /// [`AnswerError`]: what was set is not valid, or `out` has no room. Nothing is queued then.
    pub fn write(&self, out: &mut Outbox) -> Result<(), AnswerError> {
        self.check()?;
        Ok(draft::write(self, out)?)
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &Names(self.headers))
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Head for Answer<'_> {
    fn push_to(&self, draft: &mut impl Draft) {
        draft.push(b"HTTP/1.1 ");
        draft.push(Decimal::new(self.status.into()).as_str().as_bytes());
        // RFC 9112 §4: "A server MUST send the space that separates the status-code from the
        // reason-phrase even when the reason-phrase is absent"
        draft.push(b" ");
        draft.push(phrase(self.status).as_bytes());
        draft.push(b"\r\n");
        if let Some(connection) = self.connection {
            draft.field("Connection", connection);
        }
        for (name, value) in self.all_fields() {
            draft.field(name, value);
        }
        // RFC 9110 §8.6: "A server MUST NOT send a Content-Length header field in any response
        // with a status code of 1xx (Informational) or 204 (No Content)."
        if !matches!(self.status, 204 | 304) {
            draft.field("Content-Length", Decimal::new(self.body.len() as u64).as_str());
        }
        draft.push(b"\r\n");
        draft.push(if self.sends_body { self.body } else { &[] });
    }
}

/// The usual phrase for a status, or nothing: it is for people (RFC 9110 §15.1).
pub(super) fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
