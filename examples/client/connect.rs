//! From a URL to an open WebSocket: address, connection, handshake.

use std::io::{self, Read as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use dormouse::client::{Accepted, Connect, ConnectError, Handshake};
use dormouse::http::{EMPTY_HEADER, HeadReader, Response};
use dormouse::{Input, Limits, Outbox};

/// How long to try one address.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long the server may take for its whole answer, however it spreads the bytes.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How much of a refusal's body is shown.
const MAX_BODY: usize = 1024;
const DEFAULT_PORT: u16 = 80;

/// A `ws://` URL in its parts (§3).
#[derive(Debug, PartialEq, Eq)]
pub struct Url {
    /// A name, or an address without brackets.
    host: String,
    port: u16,
    /// Host and port as the Host field has them.
    authority: String,
    /// Path and query.
    target: String,
}

/// A connection on which frames come next.
pub struct Opened<T> {
    pub socket: TcpStream,
    /// What the caller has found in the answer.
    pub found: T,
    /// Bytes that came together with the end of the handshake.
    pub early: Vec<u8>,
}

impl Url {
    /// # Errors
    ///
    /// What is wrong, in one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        if scheme.eq_ignore_ascii_case("wss") {
            return Err(format!("{text}: wss needs TLS, which this client does not have"));
        }
        if !scheme.eq_ignore_ascii_case("ws") {
            return Err(format!("{text}: not a URL that begins with ws://"));
        }
        // §3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be
        // used on these URIs."
        if rest.contains('#') {
            return Err(format!("{text}: a WebSocket URL has no fragment"));
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let slash = if target.starts_with('/') { "" } else { "/" };
        let (host, port) =
            split_port(authority).ok_or_else(|| format!("{text}: not a host with a port"))?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.unwrap_or(DEFAULT_PORT),
            authority: port.map_or(host.to_owned(), |port| format!("{host}:{port}")),
            target: format!("{slash}{target}"),
        })
    }

    /// The upgrade request for this URL, to be completed.
    pub fn request(&self) -> Connect<'_> {
        Connect::new(&self.authority, &self.target)
    }

    /// Connects, and shakes hands with `request`. `look` is given the answer: only the caller knows what
    /// it has offered. What `look` does not like ends the attempt.
    ///
    /// # Errors
    ///
    /// What went wrong, in one line; for a refusal, with what the server says about it.
    pub fn open<T>(
        &self,
        request: &Connect<'_>,
        look: impl FnOnce(&Accepted<'_, '_>) -> Result<T, String>,
    ) -> Result<Opened<T>, String> {
        // Before there is a connection, since a request that makes no sense needs none.
        let mut out = Outbox::new(&Limits::default());
        let handshake = request.write(rand::random(), &mut out).map_err(|e| e.to_string())?;
        let at = |error: io::Error| format!("{}: {error}", self.authority);
        let mut socket = self.connect().map_err(at)?;
        socket.set_nodelay(true).map_err(at)?;
        socket.set_write_timeout(Some(HANDSHAKE_TIME)).map_err(at)?;
        out.write_to(&mut socket).map_err(at)?;
        let (found, early) = shake_hands(&mut socket, &handshake, look)?;
        Ok(Opened { socket, found, early })
    }

    /// Tries each address of the host.
    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::other("the host has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIME) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// The host, in its brackets if it has some, and the port if there is one.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_brackets = authority.rfind(']').map_or(0, |end| end + 1);
    let colon = authority.get(after_brackets..)?.find(':').map(|at| at + after_brackets);
    let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
    let port = match port.strip_prefix(':') {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
    };
    (!host.is_empty() && !host.contains('@')).then_some((host, port))
}

/// Reads the answer, has the caller look at it, and gives what came behind it.
fn shake_hands<T>(
    socket: &mut TcpStream,
    handshake: &Handshake<'_>,
    look: impl FnOnce(&Accepted<'_, '_>) -> Result<T, String>,
) -> Result<(T, Vec<u8>), String> {
    let deadline = Instant::now() + HANDSHAKE_TIME;
    let mut scratch = vec![0; 16 * 1024];
    let mut reader = HeadReader::new(&Limits::default());
    loop {
        let mut input = read_until(deadline, socket, &mut scratch).map_err(no_answer)?;
        if input.is_empty() {
            return Err("the server closed the connection without a complete answer".to_owned());
        }
        while let Some(head) = reader.next(&mut input).map_err(not_http)? {
            let mut headers = [EMPTY_HEADER; 64];
            let response = Response::parse(&head, &mut headers).map_err(not_http)?;
            match handshake.verify(&response) {
                Ok(accepted) => return Ok((look(&accepted)?, input.take_rest().to_vec())),
                // An interim answer: the real one comes behind it.
                Err(ConnectError::Status(100..=199)) => {}
                Err(ConnectError::Status(_)) => {
                    let body = read_body(deadline, socket, &response, input);
                    return Err(refusal(&response, &body));
                }
                Err(error) => return Err(format!("not a WebSocket server: {error}")),
            }
        }
    }
}

fn no_answer(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer to the handshake within {} seconds", HANDSHAKE_TIME.as_secs())
        }
        _ => format!("no answer to the handshake: {error}"),
    }
}

fn not_http(error: dormouse::http::HeadError) -> String {
    format!("not an HTTP/1.1 answer: {error}")
}

/// What there is of the body, up to [`MAX_BODY`] bytes: a part is better than nothing.
fn read_body(
    deadline: Instant,
    socket: &mut TcpStream,
    response: &Response<'_, '_>,
    mut input: Input<'_>,
) -> Vec<u8> {
    let announced =
        response.content_length().ok().flatten().and_then(|len| usize::try_from(len).ok());
    let len = announced.map_or(MAX_BODY, |len| len.min(MAX_BODY));
    let mut body = input.take(len).to_vec();
    let mut scratch = [0; MAX_BODY];
    while body.len() < len {
        match read_until(deadline, socket, &mut scratch) {
            Ok(mut input) if !input.is_empty() => {
                body.extend_from_slice(input.take(len - body.len()));
            }
            _ => break,
        }
    }
    body
}

/// Status and body on one line. The body comes from a stranger: what could move the cursor is escaped.
fn refusal(response: &Response<'_, '_>, body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let body = body.trim().escape_debug().to_string();
    let colon = if body.is_empty() { "" } else { ": " };
    format!("refused with {} {}{colon}{body}", response.status(), response.reason())
}

/// A read that is over at `deadline`, even if the peer sends a byte now and then. Nothing read means
/// that the peer has ended its side.
fn read_until<'b>(
    deadline: Instant,
    socket: &mut TcpStream,
    scratch: &'b mut [u8],
) -> io::Result<Input<'b>> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(scratch) {
            Ok(len) => return Ok(Input::new(scratch.get_mut(..len).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, String, String) {
        let Url { host, port, authority, target } = Url::parse(text).unwrap();
        (host, port, authority, target)
    }

    #[test]
    fn s3_urls() {
        for (text, host, port, authority, target) in [
            ("ws://example.com", "example.com", 80, "example.com", "/"),
            ("WS://example.com:9001/a/b?c=d", "example.com", 9001, "example.com:9001", "/a/b?c=d"),
            ("ws://[::1]:9001/", "::1", 9001, "[::1]:9001", "/"),
            ("ws://[::1]", "::1", 80, "[::1]", "/"),
            ("ws://127.0.0.1?a:b/c", "127.0.0.1", 80, "127.0.0.1", "/?a:b/c"),
            ("ws://example.com:/a", "example.com", 80, "example.com", "/a"),
        ] {
            let expected = (host.to_owned(), port, authority.to_owned(), target.to_owned());
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn s3_not_a_url_for_this_client() {
        for (text, named) in [
            ("", "begins with ws://"),
            ("http://example.com", "begins with ws://"),
            ("example.com:9001", "begins with ws://"),
            ("wss://example.com", "TLS"),
            ("ws://example.com/#a", "fragment"),
            ("ws://", "host"),
            ("ws://:9001", "host"),
            ("ws://example.com:65536", "port"),
            ("ws://example.com:+80", "port"),
            ("ws://user@example.com", "host"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
