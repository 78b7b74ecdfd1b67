//! An echo server with nothing but the standard library: a thread for each connection.
//!
//! ```text
//! echo_blocking [ADDR]   listens on ADDR, 127.0.0.1:9001 unless it is given; port 0 picks a port
//! ```
//!
//! The plainest way to use the crate: read, hand over, write. It suits tens or hundreds of
//! connections; see `echo_mio` for very many, most of which sleep.

use std::env;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dormouse::http::{EMPTY_HEADER, HeadReader, Request};
use dormouse::server::{Refusal, Upgrade};
use dormouse::{CloseCode, Event, Input, Limits, Outbox, Server, WebSocket};

const USAGE: &str = "usage: echo_blocking [ADDR]   (default 127.0.0.1:9001)";
/// How many connections are served at a time; more are answered with 503.
const MAX_CONNECTIONS: usize = 512;
/// The largest message to echo: that of the Autobahn suite.
const MAX_MESSAGE: u32 = 16 * 1024 * 1024;
/// The bytes of one read.
const SCRATCH: usize = 16 * 1024;
/// One read can complete a large message and bring `SCRATCH` bytes of further ones.
const LIMITS: Limits =
    Limits { message: MAX_MESSAGE, outbox: MAX_MESSAGE + 2 * SCRATCH as u32, head: 8 * 1024 };
/// How long a client may take for its whole request, however it spreads the bytes.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// After so much silence the peer is sent a ping; after as much again it counts as gone.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the peer may let us wait in one write.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// How long a peer may take to close its side after ours.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// How long to wait when the system has no descriptors left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    if address == "--help" || address == "-h" {
        return match writeln!(io::stdout(), "{USAGE}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    if let Some(extra) = arguments.next() {
        eprintln!("echo_blocking: one argument too many: {extra:?}; {USAGE}");
        return ExitCode::from(2);
    }
    let Some(parsed) = address.to_str().and_then(|address| address.parse().ok()) else {
        eprintln!("echo_blocking: not an IP address with a port: {address:?}; {USAGE}");
        return ExitCode::from(2);
    };
    match listen(parsed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_blocking: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until something fails; says what, in one line.
fn listen(address: SocketAddr) -> Result<(), String> {
    let at = |error: io::Error| format!("{address}: {error}");
    let listener = TcpListener::bind(address).map_err(at)?;
    let announced = writeln!(io::stdout(), "listening on {}", listener.local_addr().map_err(at)?);
    announced.map_err(|error| format!("standard output: {error}"))?;
    // Each thread holds a copy, so the count tells how many there are.
    let places = Arc::new(());
    loop {
        let Ok((socket, _)) = listener.accept() else {
            thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        let place = Arc::clone(&places);
        let is_full = Arc::strong_count(&places) > MAX_CONNECTIONS + 1;
        let serve = move || {
            // What goes wrong with a connection ends only that connection.
            let _ = if is_full { turn_away(socket) } else { serve(socket) };
            drop(place);
        };
        if is_full {
            serve();
        } else {
            // Without a thread for it, the connection is dropped with the closure.
            let _ = thread::Builder::new().spawn(serve);
        }
    }
}

/// One connection, from the first byte of the request until the peer has closed its side.
fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(WRITE_TIME))?;
    let mut scratch = vec![0; SCRATCH];
    let mut out = Outbox::new(&LIMITS);

    let mut reader = HeadReader::new(&LIMITS);
    let deadline = Instant::now() + HANDSHAKE_TIME;
    let mut ws = WebSocket::server(&LIMITS);
    loop {
        let mut input = read_until(deadline, &mut socket, &mut scratch)?;
        if input.is_empty() {
            return Ok(());
        }
        match shake_hands(&mut reader, &mut input, &mut out) {
            Ok(false) => {}
            Ok(true) => {
                // The first frames may have come together with the request.
                echo(&mut ws, &mut input, &mut out);
                flush(&mut socket, &mut out)?;
                break;
            }
            Err(refusal) => {
                refusal.write(&mut out).map_err(io::Error::other)?;
                flush(&mut socket, &mut out)?;
                return close(socket, &mut scratch);
            }
        }
    }

    socket.set_read_timeout(Some(SILENCE))?;
    let mut was_asked = false;
    while ws.wants_read() {
        match socket.read(&mut scratch) {
            Ok(0) => return Ok(()),
            Ok(len) => {
                let mut input = Input::new(scratch.get_mut(..len).unwrap_or_default());
                echo(&mut ws, &mut input, &mut out);
                was_asked = false;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) && !was_asked => {
                ws.ping(b"", &mut out).map_err(io::Error::other)?;
                was_asked = true;
            }
            Err(error) => return Err(error),
        }
        flush(&mut socket, &mut out)?;
    }
    close(socket, &mut scratch)
}

/// `Ok(false)` asks for more bytes; after `Ok(true)`, what is left of `input` are frames.
fn shake_hands(
    reader: &mut HeadReader,
    input: &mut Input<'_>,
    out: &mut Outbox,
) -> Result<bool, Refusal> {
    let Some(head) = reader.next(input)? else { return Ok(false) };
    let mut headers = [EMPTY_HEADER; 64];
    let request = Request::parse(&head, &mut headers)?;
    // A server with something to guard compares `origin()` and looks at cookies before it accepts.
    let upgrade = Upgrade::read(&request)?;
    match upgrade.accept().write(out) {
        Ok(()) => Ok(true),
        Err(_) => Err(Refusal::Unavailable { retry_after: 1 }),
    }
}

/// Sends back every message in `input`. Pings and a violation need nothing more: their answers are in
/// `out`.
fn echo(ws: &mut WebSocket<Server>, input: &mut Input<'_>, out: &mut Outbox) {
    while let Ok(Some(event)) = ws.next(input, out) {
        let sent = match event {
            Event::Text(text) => ws.text(&text, out),
            Event::Binary(bytes) => ws.binary(&bytes, out),
            // `Compressed` does not come: it is not negotiated.
            Event::Compressed(_) | Event::Ping(_) | Event::Pong(_) | Event::Close(_) => Ok(()),
        };
        if sent.is_err() {
            // The limits leave room for every answer. Should that ever change, nobody is left with
            // an answer missing and a connection that looks well.
            ws.close(CloseCode::INTERNAL_ERROR, "", out);
        }
    }
}

/// Writes all that waits, or fails: a peer that does not read is not waited for longer than
/// [`WRITE_TIME`].
fn flush(socket: &mut TcpStream, out: &mut Outbox) -> io::Result<()> {
    out.write_to(socket)?;
    if out.is_empty() { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
}

/// Ends our side and reads on until the peer has ended its own, since closing a socket with unread
/// bytes resets it, and a reset can overtake the Close frame.
fn close(mut socket: TcpStream, scratch: &mut [u8]) -> io::Result<()> {
    socket.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + CLOSING_TIME;
    while !read_until(deadline, &mut socket, scratch)?.is_empty() {}
    Ok(())
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

/// Unix says `WouldBlock` when the time of a blocking read is over, Windows says `TimedOut`.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Refuses a connection there is no thread for, without waiting for its request.
fn turn_away(mut socket: TcpStream) -> io::Result<()> {
    let mut out = Outbox::new(&LIMITS);
    let busy = Refusal::Unavailable { retry_after: 10 };
    busy.write(&mut out).map_err(io::Error::other)?;
    socket.set_nonblocking(true)?;
    out.write_to(&mut socket)?;
    socket.shutdown(Shutdown::Write)?;
    // A request that is here already is taken, so that closing does not reset the connection before
    // the answer is read.
    socket.read(&mut [0; 4096]).map(|_| ())
}
