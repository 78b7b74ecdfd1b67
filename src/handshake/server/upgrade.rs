//! The upgrade request: every rule that it has to meet, and what it asks for.
//!
//! RFC 6455 §4.1, §4.2.1, §9.1 and §11.3. Layer 4: reads a parsed request and decides nothing that
//! is the embedder's to decide.

use core::fmt;

use super::protocols::Protocols;
use super::{Accept, BadRequest, Refusal};
use crate::handshake::{Hash, Key};
use crate::http::grammar::{self, is_same};
use crate::http::{Extension, Fields, Request, Version};

/// A request that meets every rule of the opening handshake, and what it asks for.
///
/// The embedder looks at [`origin`](Self::origin), [`path`](Self::path), cookies and whatever else
/// it decides by, and then calls [`accept`](Self::accept) or writes a [`Refusal`].
#[derive(Clone, Copy)]
pub struct Upgrade<'h, 'b> {
    request: Request<'h, 'b>,
    hash: Hash,
    origin: Option<&'b [u8]>,
    protocols: Protocols<'h, 'b>,
    /// The lines from the first to the last that offer extensions.
    extensions: Fields<'h, 'b>,
}

impl<'h, 'b> Upgrade<'h, 'b> {
    /// Applies the rules to `request`, each in one line of the code.
    ///
    /// A request without a version is refused with 400, since §4.2.1 asks for the field; one with
    /// another version gets 426 with the right one (§4.2.2).
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to write: 405 unless the method is GET, 505 below HTTP/1.1, 426 if the
    /// request does not ask for WebSocket or asks for another version of it, 400 for the rest.
    pub fn read(request: &Request<'h, 'b>) -> Result<Self, Refusal> {
        let seen = Seen::of(request.fields());

        // §4.1: "The method of the request MUST be GET, and the HTTP version MUST be at least 1.1."
        require(request.method() == "GET", Refusal::MethodNotAllowed)?;
        require(request.version() >= Version::Http11, Refusal::HttpVersion)?;
        require(is_resource(request), BadRequest::Target)?;
        // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1
        // request message that lacks a Host header field"
        let host = seen.host.once(BadRequest::DuplicateHost)?.ok_or(BadRequest::MissingHost)?;
        require(grammar::is_authority(host), BadRequest::Host)?;
        // §4.1: "an |Upgrade| header field whose value MUST include the "websocket" keyword."
        require(seen.upgrade, Refusal::NotAnUpgrade)?;
        // §4.1: "a |Connection| header field whose value MUST include the "Upgrade" token."
        require(seen.connection, BadRequest::Connection)?;
        // §11.3.5: "the |Sec-WebSocket-Version| header field MUST NOT appear more than once"
        let version = seen.version.once(BadRequest::DuplicateVersion)?;
        // §4.1: "The value of this header field MUST be 13."
        require(version.ok_or(BadRequest::MissingVersion)? == b"13", Refusal::WebSocketVersion)?;
        // §11.3.1: "The |Sec-WebSocket-Key| header field MUST NOT appear more than once"
        let key = seen.key.once(BadRequest::DuplicateKey)?.ok_or(BadRequest::MissingKey)?;
        // §4.1: "a nonce consisting of a randomly selected 16-byte value that has been base64-encoded"
        // Hashed here, because the processor can go on with what follows while it waits for the hash.
        let hash = Key::parse(key).ok_or(BadRequest::Key)?.hash();
        // A body would stand where the frames begin, and each side would take it for something else.
        require(!seen.body, BadRequest::Body)?;
        // RFC 6454 §7.3: "The user agent MUST NOT include more than one Origin header field"
        let origin = seen.origin.once(BadRequest::DuplicateOrigin)?;
        // RFC 6454 §7.1: an origin is ASCII without spaces. The grammar allows several in one field,
        // but they could not be judged.
        require(origin.is_none_or(grammar::is_graphic), BadRequest::Origin)?;
        let protocols = Protocols::read(seen.protocols.fields(request))?;
        let extensions = seen.extensions.fields(request);
        match extensions.lines() {
            [] => {}
            [line] if is_usual_offer(line.value) => {}
            _ => Extension::check_list(extensions.extensions())
                .map_err(|_| BadRequest::Extensions)?,
        }
        Ok(Self { request: *request, hash, origin, protocols, extensions })
    }

    /// The request itself, with everything that the handshake has no rule for.
    pub fn request(&self) -> Request<'h, 'b> {
        self.request
    }

    /// The path of the resource. See [`Request::path`].
    pub fn path(&self) -> &'b str {
        self.request.path()
    }

    /// What follows the question mark of the target.
    pub fn query(&self) -> Option<&'b str> {
        self.request.query()
    }

    /// The value of the first field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.request.header(name)
    }

    /// Where the page that opened the connection comes from (§10.2); `None` if the client is not a
    /// browser.
    ///
    /// A server for browsers compares this with the origins that it serves, because a browser sends
    /// cookies along with whichever page asks.
    pub fn origin(&self) -> Option<&'b str> {
        self.origin.and_then(|origin| core::str::from_utf8(origin).ok())
    }

    /// The subprotocols that the client offers, the one it likes best first (§4.2.1).
    pub fn protocols(&self) -> impl Iterator<Item = &'b str> + Clone + use<'h, 'b> {
        self.protocols.iter().filter_map(|protocol| core::str::from_utf8(protocol).ok())
    }

    /// The subprotocol to speak: of those in `supported` the one that the client likes best.
    ///
    /// ```
    /// # use dormouse::{http, server::Upgrade, Limits, Outbox};
    /// # let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    /// #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    /// #     Sec-WebSocket-Protocol: mail.v2, mail.v1\r\n\r\n";
    /// # let mut headers = [http::EMPTY_HEADER; 16];
    /// # let upgrade = Upgrade::read(&http::Request::parse(head, &mut headers)?)?;
    /// # let mut out = Outbox::new(&Limits::default());
    /// // The client sent `Sec-WebSocket-Protocol: mail.v2, mail.v1`.
    /// let protocol = upgrade.select_protocol(&["mail.v1", "json"]);
    /// assert_eq!(protocol, Some("mail.v1"));
    /// upgrade.accept().protocol(protocol).write(&mut out)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn select_protocol<'s>(&self, supported: &[&'s str]) -> Option<&'s str> {
        self.protocols.select(supported)
    }

    /// The extensions that the client offers, the one it likes best first (§9.1).
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'b>> + Clone + use<'h, 'b> {
        self.extensions.extensions().filter_map(Result::ok)
    }

    /// Begins the answer that makes the connection a WebSocket.
    #[inline]
    pub fn accept<'a>(&self) -> Accept<'a>
    where
        'h: 'a,
        'b: 'a,
    {
        Accept::new(self.protocols, self.extensions, self.hash.accept())
    }
}

/// Leaves out the key and the subprotocols, which may be tokens of a user.
impl fmt::Debug for Upgrade<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("request", &self.request)
            .field("origin", &self.origin())
            .finish_non_exhaustive()
    }
}

/// One rule: `met`, or `otherwise` is the answer.
fn require(met: bool, otherwise: impl Into<Refusal>) -> Result<(), Refusal> {
    if met { Ok(()) } else { Err(otherwise.into()) }
}

/// The fields that the rules ask about, collected in one pass over the head.
#[derive(Default)]
struct Seen<'b> {
    host: Single<'b>,
    origin: Single<'b>,
    key: Single<'b>,
    version: Single<'b>,
    upgrade: bool,
    connection: bool,
    body: bool,
    protocols: Span,
    extensions: Span,
}

impl<'b> Seen<'b> {
    fn of(fields: Fields<'_, 'b>) -> Self {
        let mut seen = Self::default();
        for (at, line) in fields.lines().iter().enumerate() {
            let (name, value) = (line.name.as_bytes(), line.value);
            // The length rules out most names before a character is compared.
            match name.len() {
                4 if is_same(name, b"Host") => seen.host.add(value),
                6 if is_same(name, b"Origin") => seen.origin.add(value),
                7 if is_same(name, b"Upgrade") => seen.upgrade |= has(value, b"websocket"),
                10 if is_same(name, b"Connection") => seen.connection |= has(value, b"Upgrade"),
                14 if is_same(name, b"Content-Length") => seen.body |= !is_zero(value),
                17 if is_same(name, b"Sec-WebSocket-Key") => seen.key.add(value),
                17 if is_same(name, b"Transfer-Encoding") => seen.body = true,
                21 if is_same(name, b"Sec-WebSocket-Version") => seen.version.add(value),
                22 if is_same(name, b"Sec-WebSocket-Protocol") => seen.protocols.add(at),
                24 if is_same(name, b"Sec-WebSocket-Extensions") => seen.extensions.add(at),
                _ => {}
            }
        }
        seen
    }
}

/// Whether the comma list `value` has `token`; case does not matter (§4.2.1).
#[inline]
fn has<const N: usize>(value: &[u8], token: &[u8; N]) -> bool {
    is_same(value, token) || grammar::Elements::of(value).any(|element| is_same(element, token))
}

/// RFC 9110 §8.6: whether a `Content-Length` says that there is no body.
fn is_zero(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|&digit| digit == b'0')
}

/// Where the lines of a list are in the head, so that nothing looks for them again.
#[derive(Default)]
struct Span(Option<(usize, usize)>);

impl Span {
    fn add(&mut self, at: usize) {
        let first = self.0.map_or(at, |(first, _)| first);
        self.0 = Some((first, at));
    }

    fn fields<'h, 'b>(&self, request: &Request<'h, 'b>) -> Fields<'h, 'b> {
        match self.0 {
            Some((first, last)) => request.fields().between(first, last),
            None => Fields::new(&[]),
        }
    }
}

/// A field that may come once.
#[derive(Default)]
struct Single<'b> {
    value: Option<&'b [u8]>,
    is_repeated: bool,
}

impl<'b> Single<'b> {
    fn add(&mut self, value: &'b [u8]) {
        self.is_repeated |= self.value.is_some();
        self.value = Some(value);
    }

    fn once(self, repeated: BadRequest) -> Result<Option<&'b [u8]>, BadRequest> {
        if self.is_repeated { Err(repeated) } else { Ok(self.value) }
    }
}

/// §4.2.1: the target names a resource, or is "an absolute HTTP/HTTPS URI containing the /resource
/// name/". §3 allows no fragment.
fn is_resource(request: &Request<'_, '_>) -> bool {
    let target = request.target();
    let is_absolute = || {
        let scheme = target.split_once("://").map_or("", |(scheme, _)| scheme);
        (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
            && request.host().is_some_and(grammar::is_authority)
    };
    grammar::is_target(target.as_bytes()) && (target.starts_with('/') || is_absolute())
}

/// What nearly all clients offer, known to follow the grammar: to compare is quicker than to parse.
#[inline]
fn is_usual_offer(value: &[u8]) -> bool {
    is_same(value, b"permessage-deflate; client_max_window_bits")
        || is_same(value, b"permessage-deflate")
}
