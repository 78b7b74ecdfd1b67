//! A room on a poller: what one says, everybody hears. One thread, any number of connections.
//!
//! ```text
//! room_mio [ADDR]      listens on ADDR, 127.0.0.1:9001 unless it is given; port 0 picks a port
//! ```
//!
//! The room is at the path `/room`, as `load broadcast` agrees with servers. A message is encoded once.
//! A member whose socket takes it at once owns no buffer; one that does not read holds up to
//! [`LIMITS`], and leaves the room beyond that.
//!
//! `examples/echo_mio` is the more complete server: it has deadlines for handshakes and closings, and
//! an answer when there are no descriptors left. Here is only what a room needs.

#![forbid(unsafe_code)]

use std::env;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use dormouse::http::{EMPTY_HEADER, HeadReader, Request};
use dormouse::server::{Refusal, Upgrade};
use dormouse::{Event, Input, Limits, Outbox, Prepared, WebSocket};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::SockRef;

const USAGE: &str = "usage: room_mio [ADDR]   (default 127.0.0.1:9001)";
const ROOM: &str = "/room";
const LISTENER: Token = Token(usize::MAX);
const EVENTS_PER_TURN: usize = 1024;
const SCRATCH: usize = 64 * 1024;
const LIMITS: Limits = Limits { message: 64 * 1024, outbox: 256 * 1024, head: 8 * 1024 };

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    let address = address.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    let (Some(address), None) = (address, words.next()) else {
        eprintln!("room_mio: not a port of 127.0.0.0/8; {USAGE}");
        return ExitCode::from(2);
    };
    match Server::listen(address).and_then(Server::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("room_mio: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    members: Slab<Member>,
    scratch: Box<[u8]>,
    /// Of the thread: what a member sends goes through it, and nothing stays in it.
    out: Outbox,
    /// What was said in one read, and is to be heard by all.
    said: Vec<Prepared>,
}

impl Server {
    fn listen(address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        // Accepted sockets inherit it.
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
        Ok(Self {
            poll,
            listener,
            members: Slab::new(),
            scratch: vec![0; SCRATCH].into(),
            out: Outbox::keeping(&LIMITS, SCRATCH as u32),
            said: Vec::new(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(key) => self.turn(key),
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((mut socket, _)) = self.listener.accept() {
            let place = self.members.vacant_entry();
            let both = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut socket, Token(place.key()), both).is_ok() {
                place.insert(Member::new(socket));
            }
        }
    }

    /// Lets a member write what waits, then read until nothing is left. All that it says is heard
    /// before it reads on.
    fn turn(&mut self, key: usize) {
        let Self { members, scratch, out, said, .. } = self;
        loop {
            // A message to all can have cost this member its place, too.
            let Some(member) = members.get_mut(key) else { return };
            let left = match member.step(scratch, out, said) {
                Ok(left) => left,
                Err(_) => {
                    members.remove(key);
                    return;
                }
            };
            for message in said.drain(..) {
                members.retain(|_, member| member.hear(&message, out).is_ok());
            }
            if left == Left::Nothing {
                return;
            }
        }
    }
}

struct Member {
    socket: TcpStream,
    state: State,
    /// What the socket did not take at once.
    out: Outbox,
}

enum State {
    Handshake(HeadReader),
    Open(WebSocket<dormouse::Server>),
    /// The last bytes to send wait in the outbox.
    Closing,
}

/// Whether a socket has more to read.
#[derive(PartialEq, Eq)]
enum Left {
    Nothing,
    Perhaps,
}

impl Member {
    fn new(socket: TcpStream) -> Self {
        let state = State::Handshake(HeadReader::new(&LIMITS));
        Self { socket, state, out: Outbox::new(&LIMITS) }
    }

    /// # Errors
    /// The member has left, or is to be let go.
    fn step(
        &mut self,
        scratch: &mut [u8],
        out: &mut Outbox,
        said: &mut Vec<Prepared>,
    ) -> io::Result<Left> {
        self.out.write_to(&mut self.socket)?;
        match self.socket.read(scratch) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(len) => {
                let mut input = Input::new(scratch.get_mut(..len).unwrap_or_default());
                let mut out = self.out.sharing(out);
                self.state.receive(&mut input, &mut out, said);
                out.write_to(&mut self.socket)?;
                drop(out);
                if matches!(self.state, State::Closing) && self.out.is_empty() {
                    return Err(ErrorKind::ConnectionAborted.into());
                }
                // A read that does not fill the buffer has emptied the socket.
                Ok(if len < SCRATCH { Left::Nothing } else { Left::Perhaps })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Left::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Left::Perhaps),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// The socket's, or that the member has not read for too long.
    fn hear(&mut self, message: &Prepared, out: &mut Outbox) -> io::Result<()> {
        if let State::Open(ws) = &mut self.state {
            let mut out = self.out.sharing(out);
            ws.send(message, &mut out).map_err(io::Error::other)?;
            out.write_to(&mut self.socket)?;
        }
        Ok(())
    }
}

impl State {
    fn receive(&mut self, input: &mut Input<'_>, out: &mut Outbox, said: &mut Vec<Prepared>) {
        if let Self::Handshake(reader) = self {
            *self = match shake_hands(reader, input, out) {
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
            // A violation ends this too: its Close is in `out`.
            while let Ok(Some(event)) = ws.next(input, out) {
                match event {
                    Event::Text(text) => said.push(Prepared::text(&text)),
                    Event::Binary(bytes) => said.push(Prepared::binary(&bytes)),
                    // Replies are in `out`, and compression was not agreed on.
                    Event::Ping(_) | Event::Pong(_) | Event::Close(_) | Event::Compressed(_) => {}
                }
            }
            if ws.is_closed() {
                *self = Self::Closing;
            }
        }
    }
}

/// `Ok(false)` asks for more bytes.
fn shake_hands(
    reader: &mut HeadReader,
    input: &mut Input<'_>,
    out: &mut Outbox,
) -> Result<bool, Refusal> {
    let Some(head) = reader.next(input)? else { return Ok(false) };
    let mut headers = [EMPTY_HEADER; 64];
    let upgrade = Upgrade::read(&Request::parse(&head, &mut headers)?)?;
    if upgrade.path() != ROOM {
        return Err(Refusal::NotFound);
    }
    upgrade.accept().write(out).map_err(|_| Refusal::Unavailable { retry_after: 1 })?;
    Ok(true)
}
