//! A head as a borrowed view: the start line and the fields.
//!
//! RFC 9112 §3 and §4. Layer 2: the one place that calls `httparse`; it says what a head holds and
//! leaves what it ought to hold to `server` and `client`.

use core::fmt;
use core::mem::MaybeUninit;

use super::grammar::without_query;
use super::{Fields, HeadError, Header};

/// The version of HTTP in a start line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Version {
    /// HTTP/1.0, which knows no upgrade.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        })
    }
}

/// The head of a request.
///
/// Two ways lead here: [`parse`](Self::parse) from bytes, and [`from_parts`](Self::from_parts)
/// for an embedder whose HTTP server has parsed already. Everything after is the same.
///
/// `'b` is the head, `'h` the array of fields; the view is a few words and freely copied.
#[derive(Clone, Copy)]
pub struct Request<'h, 'b> {
    method: &'b str,
    target: &'b str,
    version: Version,
    fields: Fields<'h, 'b>,
}

impl<'h, 'b> Request<'h, 'b> {
    /// Reads `head`, which is one whole head as [`HeadReader`](super::HeadReader) gives it, with
    /// `headers` as the room for its fields: 64 places suit browsers well. What that reader has refused,
    /// such as a line that ends with LF alone, is not looked for again.
    ///
    /// # Errors
    ///
    /// [`HeadError`]: `head` is not the head of an HTTP/1.1 request, or not all of one, or has
    /// more fields than `headers` has places.
    pub fn parse(head: &'b [u8], headers: &'h mut [Header<'b>]) -> Result<Self, HeadError> {
        let mut parsed = httparse::Request::new(headers);
        let status = parsed.parse(head);
        Self::from_parsed(head, status, parsed)
    }

    /// The same as [`parse`](Self::parse), without the cost of filling the array first.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    ///
    /// use dormouse::http::Request;
    ///
    /// let mut headers = [const { MaybeUninit::uninit() }; 64];
    /// let request = Request::parse_uninit(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut headers)?;
    /// assert_eq!(request.header("Host"), Some(&b"a"[..]));
    /// # Ok::<(), dormouse::http::HeadError>(())
    /// ```
    #[inline]
    pub fn parse_uninit(
        head: &'b [u8],
        headers: &'h mut [MaybeUninit<Header<'b>>],
    ) -> Result<Self, HeadError> {
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed.parse_with_uninit_headers(head, headers);
        Self::from_parsed(head, status, parsed)
    }

    #[inline]
    fn from_parsed(
        head: &[u8],
        status: httparse::Result<usize>,
        parsed: httparse::Request<'h, 'b>,
    ) -> Result<Self, HeadError> {
        match status {
            Ok(status) => check_end(status, head)?,
            Err(error) => {
                return Err(name_error(error, request_version(head), HeadError::RequestLine));
            }
        }
        let httparse::Request { method: Some(method), path: Some(target), version, headers } =
            parsed
        else {
            return Err(HeadError::Incomplete);
        };
        let (version, fields) = (name_version(version)?, Fields::new(headers));
        Ok(Self { method, target, version, fields })
    }

    /// The same view of a request that another HTTP server has parsed. Values have to be without white
    /// space around them, as HTTP servers give them.
    pub fn from_parts(
        method: &'b str,
        target: &'b str,
        version: Version,
        headers: &'h [Header<'b>],
    ) -> Self {
        Self { method, target, version, fields: Fields::new(headers) }
    }

    /// The method, such as `GET`. Methods are case-sensitive.
    pub fn method(&self) -> &'b str {
        self.method
    }

    /// The request target as it stands in the request line.
    pub fn target(&self) -> &'b str {
        self.target
    }

    /// The path: what comes before the question mark, and after the authority if the target is an
    /// absolute URI. `/` if an absolute URI has none; empty for `CONNECT host:port`.
    ///
    /// ```
    /// use dormouse::http::{Request, Version};
    ///
    /// let path = |target| Request::from_parts("GET", target, Version::Http11, &[]).path();
    /// assert_eq!(path("/a/b?c"), "/a/b");
    /// assert_eq!(path("http://example.com/a?c"), "/a");
    /// assert_eq!(path("http://example.com"), "/");
    /// ```
    pub fn path(&self) -> &'b str {
        match split_target(self.target) {
            (Some(_), "") => "/",
            (_, path) => path,
        }
    }

    /// What follows the first question mark of the target, if there is one.
    pub fn query(&self) -> Option<&'b str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The version in the request line.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The host and port that the request is for: the authority of an absolute target, else the
    /// first Host field.
    ///
    /// RFC 9112 §3.2.2: "the origin server MUST ignore the received Host header field (if any) and
    /// instead use the host information of the request-target"
    pub fn host(&self) -> Option<&'b [u8]> {
        match split_target(self.target) {
            (Some(authority), _) => Some(authority.as_bytes()),
            (None, _) => self.header("Host"),
        }
    }

    /// All the fields.
    pub fn fields(&self) -> Fields<'h, 'b> {
        self.fields
    }

    /// The value of the first field called `name`, in any case. See [`Fields`] for why it is bytes.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.fields.get(name)
    }

    /// The values of every field called `name`.
    pub fn headers<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        self.fields.all(name)
    }

    /// The elements of the comma list `name`, over all its lines. See [`Fields::elements`].
    pub fn elements<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        self.fields.elements(name)
    }

    /// Whether the client asks to speak WebSocket: the `Upgrade` list has `websocket`.
    ///
    /// The cheap question for a port that serves other HTTP too. Requests that answer yes go to
    /// `server::Upgrade::read`, which applies all the rules and may still refuse.
    pub fn is_upgrade(&self) -> bool {
        // RFC 9110 §7.8: a server ignores an Upgrade field in an HTTP/1.0 request.
        self.version >= Version::Http11 && self.fields.has_token("Upgrade", "websocket")
    }
}

/// The head of a response.
#[derive(Clone, Copy, Debug)]
pub struct Response<'h, 'b> {
    version: Version,
    status: u16,
    reason: &'b str,
    fields: Fields<'h, 'b>,
}

impl<'h, 'b> Response<'h, 'b> {
    /// Reads `head`, which is one whole head as [`HeadReader`](super::HeadReader) gives it, with
    /// `headers` as the room for its fields.
    ///
    /// # Errors
    ///
    /// [`HeadError`]: `head` is not the head of an HTTP/1.1 response, or not all of one, or has
    /// more fields than `headers` has places.
    ///
    /// ```
    /// use dormouse::http::{EMPTY_HEADER, Response};
    ///
    /// let mut headers = [EMPTY_HEADER; 8];
    /// let head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n";
    /// let response = Response::parse(head, &mut headers)?;
    /// assert_eq!((response.status(), response.content_length()), (404, Ok(Some(5))));
    /// # Ok::<(), dormouse::http::HeadError>(())
    /// ```
    pub fn parse(head: &'b [u8], headers: &'h mut [Header<'b>]) -> Result<Self, HeadError> {
        let mut parsed = httparse::Response::new(headers);
        match parsed.parse(head) {
            Ok(status) => check_end(status, head)?,
            Err(error) => {
                return Err(name_error(error, response_version(head), HeadError::StatusLine));
            }
        }
        let httparse::Response { version, code: Some(status), reason, headers } = parsed else {
            return Err(HeadError::Incomplete);
        };
        let (version, fields) = (name_version(version)?, Fields::new(headers));
        Ok(Self { version, status, reason: reason.unwrap_or_default(), fields })
    }

    /// The same view of a response that another HTTP client has parsed.
    pub fn from_parts(version: Version, status: u16, headers: &'h [Header<'b>]) -> Self {
        Self { version, status, reason: "", fields: Fields::new(headers) }
    }

    /// The version in the status line.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The status code, three digits.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, which may be empty.
    pub fn reason(&self) -> &'b str {
        self.reason
    }

    /// All the fields.
    pub fn fields(&self) -> Fields<'h, 'b> {
        self.fields
    }

    /// The value of the first field called `name`, in any case. See [`Fields`] for why it is bytes.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.fields.get(name)
    }

    /// The values of every field called `name`.
    pub fn headers<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        self.fields.all(name)
    }

    /// The elements of the comma list `name`, over all its lines. See [`Fields::elements`].
    pub fn elements<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        self.fields.elements(name)
    }

    /// The length of the body that follows the head; `None` if it lasts until the connection ends.
    /// That is 0 for a status that has no body, whatever the fields say (RFC 9112 §6.3).
    ///
    /// # Errors
    ///
    /// As [`Fields::content_length`].
    pub fn content_length(&self) -> Result<Option<u64>, HeadError> {
        match self.status {
            100..=199 | 204 | 304 => Ok(Some(0)),
            _ => self.fields.content_length(),
        }
    }
}

/// Leaves out the query, which may hold a token.
impl fmt::Debug for Request<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("version", &self.version)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// The authority if the target is an absolute URI, and the path.
fn split_target(target: &str) -> (Option<&str>, &str) {
    let before_query = without_query(target);
    if before_query.starts_with('/') || before_query == "*" {
        return (None, before_query);
    }
    match before_query.split_once("://") {
        Some((_, after)) => {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            (Some(authority), path)
        }
        None => (None, ""),
    }
}

#[inline]
fn check_end(status: httparse::Status<usize>, head: &[u8]) -> Result<(), HeadError> {
    match status {
        httparse::Status::Partial => Err(HeadError::Incomplete),
        httparse::Status::Complete(len) if len < head.len() => Err(HeadError::Trailing),
        httparse::Status::Complete(_) => Ok(()),
    }
}

#[inline]
fn name_version(minor: Option<u8>) -> Result<Version, HeadError> {
    match minor {
        Some(0) => Ok(Version::Http10),
        Some(1) => Ok(Version::Http11),
        _ => Err(HeadError::Version),
    }
}

/// `version` is the word where the version should be: `httparse` does not tell another version
/// from something that is none. `start_line` is the error of the start line as a whole.
fn name_error(error: httparse::Error, version: &[u8], start_line: HeadError) -> HeadError {
    let has_version =
        matches!(version, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']);
    match error {
        httparse::Error::TooManyHeaders => HeadError::TooManyHeaders,
        httparse::Error::NewLine => HeadError::LineEnd,
        httparse::Error::HeaderName => HeadError::FieldName,
        httparse::Error::HeaderValue => HeadError::FieldValue,
        httparse::Error::Status => HeadError::StatusLine,
        httparse::Error::Version if has_version => HeadError::Version,
        httparse::Error::Version | httparse::Error::Token => start_line,
    }
}

fn request_version(head: &[u8]) -> &[u8] {
    let line = head.split(|&byte| byte == b'\r').find(|line| !line.is_empty() && *line != b"\n");
    line.and_then(|line| line.splitn(3, |&byte| byte == b' ').nth(2)).unwrap_or_default()
}

fn response_version(head: &[u8]) -> &[u8] {
    head.split(|&byte| byte == b' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::EMPTY_HEADER;
    use super::*;

    #[track_caller]
    fn refused(head: &str, error: HeadError) {
        let mut headers = [EMPTY_HEADER; 2];
        let result = Request::parse(head.as_bytes(), &mut headers);
        assert_eq!(result.map(|request| request.method()), Err(error), "{head:?}");
    }

    #[test]
    fn rfc9112_3_request_lines() {
        refused("GET / HTTP/2.0\r\n\r\n", HeadError::Version);
        refused("GET / HTTP/1.2\r\n\r\n", HeadError::Version);
        refused("GET / HTTQ/1.1\r\n\r\n", HeadError::RequestLine);
        refused("GET / http/1.1\r\n\r\n", HeadError::RequestLine);
        refused("GET / HTTP/1.10\r\n\r\n", HeadError::LineEnd);
        refused("GET /\r\n\r\n", HeadError::RequestLine);
        refused("GET  / HTTP/1.1\r\n\r\n", HeadError::RequestLine);
        refused("GET / a HTTP/1.1\r\n\r\n", HeadError::RequestLine);
        refused("G\"T / HTTP/1.1\r\n\r\n", HeadError::RequestLine);
        refused("GET / HTTP/1.1\r\n", HeadError::Incomplete);
        refused("GET / HTTP/1.1\r\n\r\n\x01", HeadError::Trailing);
    }

    #[test]
    fn rfc9112_5_field_lines() {
        refused("GET / HTTP/1.1\r\nHost : a\r\n\r\n", HeadError::FieldName);
        refused("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", HeadError::FieldName);
        refused("GET / HTTP/1.1\r\n: a\r\n\r\n", HeadError::FieldName);
        refused("GET / HTTP/1.1\r\nHost\r\n\r\n", HeadError::FieldName);
        refused("GET / HTTP/1.1\r\nA: b\0\r\n\r\n", HeadError::FieldValue);
        refused("GET / HTTP/1.1\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", HeadError::TooManyHeaders);
    }

    #[test]
    fn rfc9112_3_2_target_forms() {
        let split = |target| {
            let request = Request::from_parts("GET", target, Version::Http11, &[]);
            (request.host(), request.path(), request.query())
        };
        let host = Some(&b"h:1"[..]);
        assert_eq!(split("/a?b?c"), (None, "/a", Some("b?c")));
        assert_eq!(split("/a?u=http://x/y"), (None, "/a", Some("u=http://x/y")));
        assert_eq!(split("http://h:1/a?b"), (host, "/a", Some("b")));
        assert_eq!(split("WS://h:1?b"), (host, "/", Some("b")));
        assert_eq!(split("*"), (None, "*", None));
        assert_eq!(split("h:1"), (None, "", None));
    }

    #[test]
    fn rfc9112_6_3_a_status_without_a_body() {
        let lines = [Header { name: "Content-Length", value: b"5" }];
        for (status, len) in [(101, 0), (199, 0), (204, 0), (304, 0), (200, 5), (205, 5), (404, 5)]
        {
            let response = Response::from_parts(Version::Http11, status, &lines);
            assert_eq!(response.content_length(), Ok(Some(len)), "{status}");
        }
        let response = Response::from_parts(Version::Http11, 204, &[]);
        assert_eq!(response.content_length(), Ok(Some(0)));
    }

    #[test]
    fn what_another_parser_read_is_seen_alike() {
        let lines = [
            Header { name: "Via", value: b"a, b" },
            Header { name: "Set-Cookie", value: b"c" },
            Header { name: "via", value: b"d" },
        ];
        let request = Request::from_parts("GET", "/", Version::Http11, &lines);
        assert!(request.headers("VIA").eq([&b"a, b"[..], b"d"]));
        assert!(request.elements("Via").eq([b"a", b"b", b"d"]));
        let response = Response::from_parts(Version::Http10, 200, &lines);
        assert_eq!(
            (response.version(), response.status(), response.reason()),
            (Version::Http10, 200, "")
        );
        assert!(response.headers("via").eq([&b"a, b"[..], b"d"]));
        assert!(response.elements("via").eq([b"a", b"b", b"d"]));
        assert_eq!(response.header("set-cookie"), Some(&b"c"[..]));
    }
}
