//! The client's side of the opening handshake.
//!
//! RFC 6455 §3 and §4.1. Layer 4: reads the URI, writes the request, verifies the response. It opens
//! no connection, resolves no name and draws no randomness: the embedder does, and brings the nonce.
//!
//! # What §4.1 leaves to you
//!
//! - **One at a time.** While a connection to an address is being opened, open no other one to it,
//!   whatever names it has. If a proxy resolves the names, each name counts as an address.
//! - **Proxies.** A script that chooses one is asked with the whole `ws` or `wss` URI.
//! - **TLS.** For `wss`, the TLS handshake comes before the request, and names the host (SNI). From
//!   then on every byte goes through TLS.
//! - **Patience.** After the request, send nothing until [`Handshake::verify`] has accepted the
//!   response.
//! - **Giving up.** If the connection, TLS or the handshake fails, close what is open (§7.1.7), and
//!   wait a random and growing time before trying again (§7.2.3).
//!
//! ```
//! use dormouse::client::{Connect, Uri};
//! use dormouse::http::{EMPTY_HEADER, HeadReader, Response};
//! use dormouse::{Event, Input, Limits, Outbox, WebSocket};
//!
//! # fn random() -> [u8; 4] { [1, 2, 3, 4] }
//! let limits = Limits::default();
//! let mut out = Outbox::new(&limits);
//! let nonce = *b"the sample nonce"; // 16 random bytes in earnest: `rand::random()`
//! let uri = Uri::parse("ws://example.com/chat")?; // connect to `uri.host()` and `uri.port()`
//! let handshake = Connect::to(&uri).protocols(&["mail.v1"]).write(nonce, &mut out)?;
//!
//! // The request goes to the server, and this comes back.
//! let mut scratch = *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
//!     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
//!     Sec-WebSocket-Protocol: mail.v1\r\n\r\n\x81\x05Hello";
//! let mut input = Input::new(&mut scratch);
//! let head = HeadReader::new(&limits).next(&mut input)?.expect("the head is complete");
//! let mut headers = [EMPTY_HEADER; 64];
//! let response = Response::parse(&head, &mut headers)?;
//! let accepted = handshake.verify(&response)?;
//! assert_eq!(accepted.protocol(), Some("mail.v1"));
//!
//! // What follows the head in the same read belongs to the WebSocket.
//! let mut ws = WebSocket::client(&limits, random); // a mask key for each frame: `rand::random`
//! assert_eq!(ws.next(&mut input, &mut out)?, Some(Event::Text("Hello".into())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod uri;

use core::fmt;

pub use uri::{Uri, UriError};

use super::draft::{self, Draft, Head, Names, check_fields};
use super::{AcceptKey, Key, encode};
use crate::http::{Extension, FieldError, Fields, HeadError, Response, Version, grammar};
use crate::outbox::{Outbox, SendError};

/// An upgrade request, ready to be completed and written.
///
/// What it offers, `'o`, is borrowed until the response is verified; the rest, `'r`, until it is written.
#[derive(Clone, Copy)]
#[must_use = "a request does nothing until it is written"]
pub struct Connect<'r, 'o> {
    host: &'r str,
    target: &'r str,
    origin: Option<&'r str>,
    protocols: &'o [&'o str],
    extensions: Option<&'o str>,
    headers: &'r [(&'r str, &'r str)],
}

/// Why a handshake failed: before anything was written, or because of what the server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// §4.1: the host to connect to is not a host with an optional port.
    #[error("the host to connect to is not `name` or `name:port`")]
    Host,
    /// §3: the target does not begin with `/`, or has a fragment or a character that has to be
    /// percent-encoded.
    #[error("the target is not a path that begins with `/`, with an optional query")]
    Target,
    /// RFC 6454 §7.1: the origin to send is not one origin in ASCII.
    #[error("the origin to send is not one origin in ASCII")]
    Origin,
    /// §4.1: a subprotocol to offer is not a token, or is there twice.
    #[error("a subprotocol to offer is not a token, or is there twice")]
    Protocols,
    /// §9.1: the extensions to offer do not follow the grammar.
    #[error("the extensions to offer are malformed")]
    Extensions,
    /// A field of the caller's cannot be written.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The outbox took nothing.
    #[error(transparent)]
    Send(#[from] SendError),
    /// RFC 9112 §4: the server did not answer with an HTTP/1.1 head.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// §4.1: the server answered with this status instead of 101.
    ///
    /// 100 to 199 is an interim answer: read the next head and verify that. For the others the
    /// response has the fields (`Location`, `WWW-Authenticate`), and what follows the head is the
    /// body, as long as [`Response::content_length`] says.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// RFC 9110 §7.8: 101 came with a version of HTTP that knows no upgrade.
    #[error("the answer is not HTTP/1.1")]
    HttpVersion,
    /// §4.1: there is no Upgrade field, or it is not `websocket`.
    #[error("the Upgrade field is not websocket")]
    Upgrade,
    /// §4.1: `Upgrade` is not one of the options in the Connection field.
    #[error("the Connection field lacks the Upgrade option")]
    Connection,
    /// §4.1: there is no Sec-WebSocket-Accept field.
    #[error("the Sec-WebSocket-Accept field is missing")]
    MissingAccept,
    /// §11.3.3: there are several Sec-WebSocket-Accept fields.
    #[error("the Sec-WebSocket-Accept field is repeated")]
    DuplicateAccept,
    /// §4.1: the Sec-WebSocket-Accept field does not belong to the key that was sent.
    #[error("the Sec-WebSocket-Accept field does not match the key")]
    WrongAccept,
    /// §11.3.4: there are several Sec-WebSocket-Protocol fields.
    #[error("the Sec-WebSocket-Protocol field is repeated")]
    DuplicateProtocol,
    /// §4.1: the server chose a subprotocol that was not offered.
    #[error("the server chose a subprotocol that was not offered")]
    ProtocolNotOffered,
    /// §9.1: the extensions that the server chose do not follow the grammar.
    #[error("the Sec-WebSocket-Extensions list is malformed")]
    MalformedExtensions,
    /// §4.1: the server chose an extension that was not offered.
    #[error("the server chose an extension that was not offered")]
    ExtensionNotOffered,
}

impl<'r, 'o> Connect<'r, 'o> {
    /// A request for `target`, a path with an optional query, at `host`, a name or address with a
    /// port if that is not the usual one of the scheme (`example.com`, `[::1]:8080`).
    pub fn new(host: &'r str, target: &'r str) -> Self {
        Self { host, target, origin: None, protocols: &[], extensions: None, headers: &[] }
    }

    /// A request for what `uri` names.
    pub fn to(uri: &'r Uri<'_>) -> Self {
        Self::new(uri.authority(), uri.target())
    }

    /// The origin to send; `None` unless it is set, as for every client that is no browser.
    pub fn origin(self, origin: Option<&'r str>) -> Self {
        Self { origin, ..self }
    }

    /// The subprotocols to offer, the best first.
    pub fn protocols(self, protocols: &'o [&'o str]) -> Self {
        Self { protocols, ..self }
    }

    /// The extensions to offer, as the value of `Sec-WebSocket-Extensions`.
    ///
    /// The feature `deflate` brings permessage-deflate. [`WebSocket`](crate::WebSocket) speaks no other
    /// one that uses the reserved bits of a frame; whoever agrees on one reads and writes such frames
    /// without it.
    pub fn extensions(self, extensions: Option<&'o str>) -> Self {
        Self { extensions, ..self }
    }

    /// Further fields, such as `Authorization` or `Cookie`, as names and values.
    pub fn headers(self, headers: &'r [(&'r str, &'r str)]) -> Self {
        Self { headers, ..self }
    }

    /// Queues the request in `out` and gives what it takes to verify the response.
    ///
    /// `nonce` is 16 random bytes, new for each connection (§4.1: "The nonce MUST be selected
    /// randomly for each connection").
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: what was set is not valid, or `out` has no room. Nothing is queued then.
    pub fn write(&self, nonce: [u8; 16], out: &mut Outbox) -> Result<Handshake<'o>, ConnectError> {
        self.check()?;
        let key = encode(&nonce);
        draft::write(&Keyed { connect: self, key: &key }, out)?;
        let (protocols, extensions) = (self.protocols, self.extensions);
        Ok(Handshake { accept: Key(&key).hash().accept(), protocols, extensions })
    }

    fn check(&self) -> Result<(), ConnectError> {
        require(grammar::is_authority(self.host.as_bytes()), ConnectError::Host)?;
        // §3: "Fragment identifiers [...] MUST NOT be used on these URIs."
        require(grammar::is_path(self.target.as_bytes()), ConnectError::Target)?;
        let origin = self.origin.unwrap_or("null");
        require(grammar::is_graphic(origin.as_bytes()), ConnectError::Origin)?;
        // §4.1: "The elements that comprise this value MUST be non-empty strings [...] not
        // including separator characters [...] and MUST all be unique strings."
        let are_protocols = self.protocols.iter().enumerate().all(|(at, protocol)| {
            let mut earlier = self.protocols.iter().take(at);
            grammar::is_token(protocol.as_bytes()) && !earlier.any(|other| other == protocol)
        });
        require(are_protocols, ConnectError::Protocols)?;
        if let Some(extensions) = self.extensions {
            let offered = grammar::Elements::of(extensions.as_bytes()).map(Extension::parse);
            Extension::check_list(offered).map_err(|_| ConnectError::Extensions)?;
        }
        Ok(check_fields(self.headers, &["Host", "Origin"])?)
    }
}

/// Leaves out the query and the subprotocols, which may be tokens of a user.
impl fmt::Debug for Connect<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("host", &self.host)
            .field("path", &grammar::without_query(self.target))
            .field("origin", &self.origin)
            .field("headers", &Names(self.headers))
            .finish_non_exhaustive()
    }
}

/// A request with its key.
struct Keyed<'c> {
    connect: &'c Connect<'c, 'c>,
    key: &'c [u8; 24],
}

impl Head for Keyed<'_> {
    fn push_to(&self, draft: &mut impl Draft) {
        let &Self { connect, key } = self;
        for part in ["GET ", connect.target, " HTTP/1.1\r\n"] {
            draft.push(part.as_bytes());
        }
        draft.field("Host", connect.host);
        draft.field("Upgrade", "websocket");
        draft.field("Connection", "Upgrade");
        for part in [&b"Sec-WebSocket-Key: "[..], key, b"\r\n"] {
            draft.push(part);
        }
        draft.field("Sec-WebSocket-Version", "13");
        if let Some(origin) = connect.origin {
            draft.field("Origin", origin);
        }
        for (at, protocol) in connect.protocols.iter().enumerate() {
            draft.push(if at == 0 { b"Sec-WebSocket-Protocol: " } else { b", " });
            draft.push(protocol.as_bytes());
        }
        if !connect.protocols.is_empty() {
            draft.push(b"\r\n");
        }
        if let Some(extensions) = connect.extensions {
            draft.field("Sec-WebSocket-Extensions", extensions);
        }
        for (name, value) in connect.headers {
            draft.field(name, value);
        }
        draft.push(b"\r\n");
    }
}

/// A request that is on its way: what its answer has to match. 64 bytes.
///
/// It borrows what was offered and nothing else, so a client that keeps many handshakes in flight best
/// offers constants.
#[derive(Clone, Copy)]
#[must_use = "the response has to be verified"]
pub struct Handshake<'o> {
    accept: AcceptKey,
    protocols: &'o [&'o str],
    extensions: Option<&'o str>,
}

/// What the server agreed to.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<'h, 'b> {
    protocol: Option<&'b str>,
    fields: Fields<'h, 'b>,
}

impl fmt::Debug for Handshake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").finish_non_exhaustive()
    }
}

impl Handshake<'_> {
    /// Checks that `response` accepts the request. The bytes after its head are frames then.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: the server refused ([`ConnectError::Status`]), or its answer breaks a
    /// rule, and then the connection is of no use.
    pub fn verify<'h, 'b>(
        &self,
        response: &Response<'h, 'b>,
    ) -> Result<Accepted<'h, 'b>, ConnectError> {
        let fields = response.fields();
        // §4.1: "If the status code received from the server is not 101, the client handles the
        // response per HTTP"
        require(response.status() == 101, ConnectError::Status(response.status()))?;
        require(response.version() >= Version::Http11, ConnectError::HttpVersion)?;
        // §4.1: "contains a value that is not an ASCII case-insensitive match for the value
        // "websocket", the client MUST _Fail the WebSocket Connection_"
        let mut upgrade =
            fields.elements("Upgrade").map(|value| value.eq_ignore_ascii_case(b"websocket"));
        let is_upgrade = upgrade.next() == Some(true) && upgrade.all(|is_match| is_match);
        require(is_upgrade, ConnectError::Upgrade)?;
        // §4.1: "doesn't contain a token that is an ASCII case-insensitive match for the value
        // "Upgrade", the client MUST _Fail the WebSocket Connection_"
        require(fields.has_token("Connection", "Upgrade"), ConnectError::Connection)?;
        // §11.3.3: "The |Sec-WebSocket-Accept| header MUST NOT appear more than once"
        let accept = single(fields, "Sec-WebSocket-Accept", ConnectError::DuplicateAccept)?;
        let accept = grammar::trim(accept.ok_or(ConnectError::MissingAccept)?);
        require(accept == self.accept.as_bytes(), ConnectError::WrongAccept)?;
        let protocol = self.verify_protocol(fields)?;
        self.verify_extensions(fields)?;
        Ok(Accepted { protocol, fields })
    }

    // §4.1: "indicates the use of a subprotocol that was not present in the client's handshake [...],
    // the client MUST _Fail the WebSocket Connection_"
    fn verify_protocol<'b>(&self, fields: Fields<'_, 'b>) -> Result<Option<&'b str>, ConnectError> {
        let name = "Sec-WebSocket-Protocol";
        let Some(chosen) = single(fields, name, ConnectError::DuplicateProtocol)? else {
            return Ok(None);
        };
        let chosen = grammar::token(grammar::trim(chosen));
        match chosen.filter(|chosen| self.protocols.contains(chosen)) {
            Some(chosen) => Ok(Some(chosen)),
            None => Err(ConnectError::ProtocolNotOffered),
        }
    }

    // §4.1: "indicates the use of an extension that was not present in the client's handshake [...],
    // the client MUST _Fail the WebSocket Connection_"
    fn verify_extensions(&self, fields: Fields<'_, '_>) -> Result<(), ConnectError> {
        // §4.2.2 lets a server split the list "between multiple instances" of the field. §11.3.2 did
        // not, until erratum 3433.
        if fields.get("Sec-WebSocket-Extensions").is_none() {
            return Ok(());
        }
        let (chosen, offered) = (fields.extensions(), self.extensions.unwrap_or_default());
        Extension::check_list(chosen.clone()).map_err(|_| ConnectError::MalformedExtensions)?;
        for extension in chosen.flatten() {
            let offered = grammar::Elements::of(offered.as_bytes()).map(Extension::parse);
            require(extension.is_among(offered), ConnectError::ExtensionNotOffered)?;
        }
        Ok(())
    }
}

impl<'h, 'b> Accepted<'h, 'b> {
    /// The subprotocol that both speak, one of those offered; `None` if the server chose none.
    pub fn protocol(&self) -> Option<&'b str> {
        self.protocol
    }

    /// The extensions that both use, each one of those offered. Their parameters are not checked:
    /// they are the extension's.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'b>> + Clone + use<'h, 'b> {
        self.fields.extensions().filter_map(Result::ok)
    }
}

/// One rule: `met`, or `otherwise` is what is wrong.
fn require(met: bool, otherwise: ConnectError) -> Result<(), ConnectError> {
    if met { Ok(()) } else { Err(otherwise) }
}

/// The value of a field that may come once.
fn single<'b>(
    fields: Fields<'_, 'b>,
    name: &str,
    repeated: ConnectError,
) -> Result<Option<&'b [u8]>, ConnectError> {
    let mut values = fields.all(name);
    let value = values.next();
    require(values.next().is_none(), repeated)?;
    Ok(value)
}
