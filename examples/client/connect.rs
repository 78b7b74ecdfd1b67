//! From a URL to an open WebSocket: address, connection, handshake.

use std::io::{self, Read as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use dormouse::client::{Accepted, Connect, ConnectError, Handshake, Uri};
use dormouse::http::{EMPTY_HEADER, HeadReader, Response};
use dormouse::{Input, Limits, Outbox};

/// How long to try one address.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long the server may take for its whole answer, however it spreads the bytes.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How much of a refusal's body is shown.
const MAX_BODY: usize = 1024;

/// A connection on which frames come next.
pub struct Opened<T> {
    pub socket: TcpStream,
    /// What the caller has found in the answer.
    pub found: T,
    /// Bytes that came together with the end of the handshake.
    pub early: Vec<u8>,
}

/// Reads the URL of a server without TLS.
///
/// # Errors
///
/// What is wrong, in one line.
pub fn parse(text: &str) -> Result<Uri<'_>, String> {
    let shown = text.escape_debug();
    match Uri::parse(text) {
        Ok(uri) if uri.is_secure() => {
            Err(format!("{shown}: wss needs TLS, which this client does not have"))
        }
        Ok(uri) => Ok(uri),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

/// Connects to the host of `uri`, and shakes hands with `request`. `look` is given the answer: only the
/// caller knows what it has offered. What `look` does not like ends the attempt.
///
/// # Errors
///
/// What went wrong, in one line; for a refusal, with what the server says about it.
pub fn open<T>(
    uri: &Uri<'_>,
    request: &Connect<'_, '_>,
    look: impl FnOnce(&Accepted<'_, '_>) -> Result<T, String>,
) -> Result<Opened<T>, String> {
    // Before there is a connection, since a request that makes no sense needs none.
    let mut out = Outbox::new(&Limits::default());
    let handshake = request.write(rand::random(), &mut out).map_err(|e| e.to_string())?;
    let at = |error: io::Error| format!("{}: {error}", uri.authority());
    let mut socket = connect(uri).map_err(at)?;
    socket.set_nodelay(true).map_err(at)?;
    socket.set_write_timeout(Some(HANDSHAKE_TIME)).map_err(at)?;
    out.write_to(&mut socket).map_err(at)?;
    let (found, early) = shake_hands(&mut socket, &handshake, look)?;
    Ok(Opened { socket, found, early })
}

/// Tries each address of the host.
fn connect(uri: &Uri<'_>) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the host has no address");
    for address in (uri.host(), uri.port()).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
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
