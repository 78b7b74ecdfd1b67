//! An echo server on tokio: a task for each connection.
//!
//! ```text
//! echo_tokio [ADDR]      listens on ADDR, 127.0.0.1:9001 unless it is given; port 0 picks a port
//! ```
//!
//! A task waits until its socket is readable, and only then borrows the buffers of the thread that
//! it runs on. So a connection that sleeps keeps no buffer, only its task and its
//! [`WebSocket`].

use std::cell::RefCell;
use std::env;
use std::io::{self, IoSlice, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use dormouse::http::{EMPTY_HEADER, HeadReader, Request};
use dormouse::server::{Refusal, Upgrade};
use dormouse::{CloseCode, Event, Input, Limits, Outbox, Server, WebSocket};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::task;
use tokio::time::{sleep, timeout};

const USAGE: &str = "usage: echo_tokio [ADDR]   (default 127.0.0.1:9001)";
/// The largest message to echo: that of the Autobahn suite.
const MAX_MESSAGE: u32 = 16 * 1024 * 1024;
/// The bytes of one read, for all connections of a thread together.
const SCRATCH: usize = 64 * 1024;
/// A read happens only when nothing waits. It can complete one large message and bring `SCRATCH`
/// bytes of further ones.
const LIMITS: Limits =
    Limits { message: MAX_MESSAGE, outbox: MAX_MESSAGE + 2 * SCRATCH as u32, head: 8 * 1024 };
/// How long a client may take for its whole request, however it spreads the bytes.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long a peer may take to close its side after ours.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// A peer that says nothing for so long is asked by the kernel whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(120);
/// How long to wait when the system has no descriptors left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the connections of a thread share. Between two awaits there is nothing of theirs in it.
struct Shared {
    scratch: Box<[u8]>,
    out: Outbox,
}

thread_local! {
    static SHARED: RefCell<Shared> = RefCell::new(Shared {
        scratch: vec![0; SCRATCH].into(),
        out: Outbox::keeping(&LIMITS, SCRATCH as u32),
    });
}

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
        eprintln!("echo_tokio: one argument too many: {extra:?}; {USAGE}");
        return ExitCode::from(2);
    }
    let Some(parsed) = address.to_str().and_then(|address| address.parse().ok()) else {
        eprintln!("echo_tokio: not an IP address with a port: {address:?}; {USAGE}");
        return ExitCode::from(2);
    };
    let runtime = runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime: {error}"));
    match runtime.and_then(|runtime| runtime.block_on(listen(parsed))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_tokio: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until something fails; says what, in one line.
async fn listen(address: SocketAddr) -> Result<(), String> {
    let at = |error: io::Error| format!("{address}: {error}");
    let listener = TcpListener::bind(address).await.map_err(at)?;
    // Accepted sockets inherit these.
    let options = SockRef::from(&listener);
    options.set_tcp_nodelay(true).map_err(at)?;
    options.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE)).map_err(at)?;
    let announced = writeln!(io::stdout(), "listening on {}", listener.local_addr().map_err(at)?);
    announced.map_err(|error| format!("standard output: {error}"))?;
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // What goes wrong with a connection ends only that connection.
                task::spawn(Connection::new(socket).serve());
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

struct Connection {
    socket: TcpStream,
    state: State,
    /// What the socket did not take at once.
    out: Outbox,
}

enum State {
    Handshake(HeadReader),
    Open(WebSocket<Server>),
    /// Nothing more is to be sent, but for what waits.
    Closing,
    /// The peer has ended the stream.
    Ended,
}

impl Connection {
    fn new(socket: TcpStream) -> Self {
        let state = State::Handshake(HeadReader::new(&LIMITS));
        Self { socket, state, out: Outbox::new(&LIMITS) }
    }

    /// A task is as large as its largest await. The timers of the first and the last phase would be
    /// most of it, so these two are boxed, and a connection that sleeps does without them.
    async fn serve(mut self) -> io::Result<()> {
        Box::pin(timeout(HANDSHAKE_TIME, self.shake_hands())).await??;
        while matches!(self.state, State::Open(_)) {
            self.step().await?;
        }
        Box::pin(timeout(CLOSING_TIME, self.close())).await?
    }

    async fn shake_hands(&mut self) -> io::Result<()> {
        while matches!(self.state, State::Handshake(_)) {
            self.step().await?;
        }
        Ok(())
    }

    /// Waits for bytes, answers them, and waits until the answers are written: a peer that does not
    /// read is not read from.
    async fn step(&mut self) -> io::Result<()> {
        self.socket.readable().await?;
        let filled_the_buffer = SHARED.with_borrow_mut(|shared| self.read(shared))?;
        if matches!(self.state, State::Open(_)) {
            self.flush().await?;
        }
        if filled_the_buffer {
            // There is probably more; the others go first.
            task::yield_now().await;
        }
        Ok(())
    }

    /// Reads once, and writes all the answers at once. Says whether the read filled the buffer.
    fn read(&mut self, shared: &mut Shared) -> io::Result<bool> {
        let Shared { scratch, out } = shared;
        let len = match self.socket.try_read(scratch) {
            Ok(0) => {
                self.state = State::Ended;
                return Ok(false);
            }
            Ok(len) => len,
            // The readiness was stale.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut input = Input::new(scratch.get_mut(..len).unwrap_or_default());
        let mut out = self.out.sharing(out);
        self.state.receive(&mut input, &mut out);
        out.write_to(&mut TryWrite(&self.socket))?;
        Ok(len == SCRATCH)
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            self.socket.writable().await?;
            self.out.write_to(&mut TryWrite(&self.socket))?;
        }
        Ok(())
    }

    /// Ends our side and reads on until the peer has ended its own, since closing a socket with
    /// unread bytes resets it, and a reset can overtake the Close frame.
    async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        SockRef::from(&self.socket).shutdown(std::net::Shutdown::Write)?;
        while !matches!(self.state, State::Ended) {
            self.step().await?;
        }
        Ok(())
    }
}

impl State {
    /// Takes all bytes of `input`, and sends the answers.
    fn receive(&mut self, input: &mut Input<'_>, out: &mut Outbox) {
        if let Self::Handshake(reader) = self {
            *self = match read_request(reader, input, out) {
                Ok(true) => Self::Open(WebSocket::server(&LIMITS)),
                Ok(false) => return,
                Err(refusal) => {
                    // An outbox that has no room for the reason leaves only to close.
                    let _ = refusal.write(out);
                    Self::Closing
                }
            };
        }
        if let Self::Open(ws) = self {
            echo(ws, input, out);
            if ws.is_closed() {
                *self = Self::Closing;
            }
        }
    }
}

/// `Ok(false)` asks for more bytes; after `Ok(true)`, what is left of `input` are frames.
fn read_request(
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

/// The socket as something to write to that never waits.
struct TryWrite<'s>(&'s TcpStream);

impl io::Write for TryWrite<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
