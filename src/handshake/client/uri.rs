//! A WebSocket URI in its parts: where to connect to, and what to ask for there.
//!
//! RFC 6455 §3. Layer 4: reads text. Who resolves the host and opens the connection is the embedder.

use alloc::borrow::Cow;
use core::fmt;

use crate::http::grammar;

/// A `ws` or `wss` URI, checked and taken apart.
///
/// It borrows the text; only `ws://host?query`, which leaves out the slash, takes heap memory. Two are
/// equal if they go to the same port with the same host and the same resource name, as written.
///
/// ```
/// use dormouse::client::{Connect, Uri};
/// # use dormouse::{Limits, Outbox};
/// # let mut out = Outbox::new(&Limits::default());
/// # let nonce = *b"the sample nonce";
///
/// let uri = Uri::parse("wss://example.com/chat?room=1")?;
/// assert_eq!((uri.host(), uri.port()), ("example.com", 443)); // `TcpStream::connect` takes the pair
/// assert!(uri.is_secure()); // TLS comes first, and names `uri.host()`
/// let handshake = Connect::to(&uri).protocols(&["mail.v1"]).write(nonce, &mut out)?;
/// # let _ = handshake;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Uri<'a> {
    is_secure: bool,
    authority: &'a str,
    host: &'a str,
    port: u16,
    target: Cow<'a, str>,
}

/// Why a text is not the URI of a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// §3: the scheme is neither `ws` nor `wss`.
    #[error("the URI does not begin with ws:// or wss://")]
    Scheme,
    /// §3: "Fragment identifiers [...] MUST NOT be used on these URIs".
    #[error("the URI has a fragment")]
    Fragment,
    /// §3: between scheme and path is no host, or one that is malformed, a user name, or a port that is no
    /// number.
    #[error("the host of the URI is not `name` or `name:port`")]
    Host,
    /// §3: the port is above 65535.
    #[error("the port of the URI is above 65535")]
    Port,
    /// §3: path or query have a character that has to be percent-encoded.
    #[error("the path or query of the URI has a character that has to be percent-encoded")]
    Target,
}

impl<'a> Uri<'a> {
    /// Reads `text`, all of it.
    ///
    /// # Errors
    ///
    /// [`UriError`]: what is wrong, the first from the left but for a fragment.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once("://").ok_or(UriError::Scheme)?;
        let is_secure = scheme.eq_ignore_ascii_case("wss");
        if !is_secure && !scheme.eq_ignore_ascii_case("ws") {
            return Err(UriError::Scheme);
        }
        if rest.contains('#') {
            return Err(UriError::Fragment);
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host_len = grammar::host_len(authority.as_bytes()).ok_or(UriError::Host)?;
        let (host, port) = authority.split_at_checked(host_len).ok_or(UriError::Host)?;
        // §3: "The port component is OPTIONAL; the default for "ws" is port 80, while the default for
        // "wss" is port 443."
        let default = if is_secure { 443 } else { 80 };
        let port = match port.strip_prefix(':') {
            None | Some("") => default,
            Some(digits) => digits.parse().map_err(|_| UriError::Port)?,
        };
        let target = resource_name(target);
        if !grammar::is_path(target.as_bytes()) {
            return Err(UriError::Target);
        }
        // §4.1: the Host field has the port "when not using the default port".
        let authority = if port == default { host } else { authority };
        Ok(Self { is_secure, authority, host, port, target })
    }

    /// Whether the scheme is `wss`: TLS comes before the handshake.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The name or address to connect to, as it is written: neither in lower case nor percent-decoded. An
    /// IPv6 address has no brackets here.
    pub fn host(&self) -> &'a str {
        let address = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        address.unwrap_or(self.host)
    }

    /// The port to connect to: 80 for `ws` and 443 for `wss` if the URI has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of the Host field: the host, with the port if that is not the usual one.
    pub fn authority(&self) -> &'a str {
        self.authority
    }

    /// The resource name: path and query, with at least a slash.
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// Leaves out the query, which may hold a token.
impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uri")
            .field("is_secure", &self.is_secure)
            .field("authority", &self.authority)
            .field("path", &grammar::without_query(&self.target))
            .finish_non_exhaustive()
    }
}

/// §3: the resource name has a slash "if the path component is empty", and a question mark only "if the
/// query component is non-empty".
fn resource_name(target: &str) -> Cow<'_, str> {
    let target = match target.split_once('?') {
        Some((path, "")) => path,
        _ => target,
    };
    match target.as_bytes() {
        [] => Cow::Borrowed("/"),
        [b'?', ..] => Cow::Owned(["/", target].concat()),
        _ => Cow::Borrowed(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_the_parts() {
        for (text, host, port, authority, target) in [
            ("ws://example.com", "example.com", 80, "example.com", "/"),
            ("WS://example.com:9001/a/b?c=d", "example.com", 9001, "example.com:9001", "/a/b?c=d"),
            ("ws://[::1]:9001/", "::1", 9001, "[::1]:9001", "/"),
            ("ws://[::1]", "::1", 80, "[::1]", "/"),
            ("ws://127.0.0.1?a:b/c", "127.0.0.1", 80, "127.0.0.1", "/?a:b/c"),
            ("ws://example.com:/a", "example.com", 80, "example.com", "/a"),
            ("ws://example.com:80/a", "example.com", 80, "example.com", "/a"),
            ("ws://example.com:443/a", "example.com", 443, "example.com:443", "/a"),
            ("ws://a?", "a", 80, "a", "/"),
            ("ws://a/b?", "a", 80, "a", "/b"),
            ("ws://a/b??", "a", 80, "a", "/b??"),
            ("ws://a/http://b?ws://c", "a", 80, "a", "/http://b?ws://c"),
            ("wss://example.com/%C3%A4", "example.com", 443, "example.com", "/%C3%A4"),
            ("Wss://example.com:443", "example.com", 443, "example.com", "/"),
            ("wss://example.com:80", "example.com", 80, "example.com:80", "/"),
        ] {
            let uri = Uri::parse(text).expect(text);
            let parts = (uri.host(), uri.port(), uri.authority(), uri.target());
            assert_eq!(parts, (host, port, authority, target), "{text}");
            assert_eq!(uri.is_secure(), text.to_ascii_lowercase().starts_with("wss"), "{text}");
        }
    }

    #[test]
    fn s3_what_is_no_uri_of_a_websocket() {
        for (text, error) in [
            ("", UriError::Scheme),
            ("example.com:9001", UriError::Scheme),
            ("http://example.com", UriError::Scheme),
            (" ws://example.com", UriError::Scheme),
            ("ws:/example.com", UriError::Scheme),
            ("ws://example.com/#a", UriError::Fragment),
            ("ws://example.com#", UriError::Fragment),
            ("ws://", UriError::Host),
            ("ws:///a", UriError::Host),
            ("ws://:9001", UriError::Host),
            ("ws://::1", UriError::Host),
            ("ws://[::1", UriError::Host),
            ("ws://user@example.com", UriError::Host),
            ("ws://user:secret@example.com", UriError::Host),
            ("ws://ex ample.com", UriError::Host),
            ("ws://\u{e4}.example", UriError::Host),
            ("ws://example.com:+80", UriError::Host),
            ("ws://example.com:8a", UriError::Host),
            ("ws://example.com:65536", UriError::Port),
            ("ws://example.com/a b", UriError::Target),
            ("ws://example.com/\u{e4}", UriError::Target),
            ("ws://example.com/%4", UriError::Target),
            ("ws://example.com?a\r\nX: y", UriError::Target),
        ] {
            assert_eq!(Uri::parse(text), Err(error), "{text}");
        }
    }
}
