//! The open connection: lines go out, messages come in, until one side closes.

use std::fmt::Display;
use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use dormouse::{Client, CloseCode, CloseFrame, Event, Input, Limits, Outbox, WebSocket};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::codec::Codec;
use crate::lines::{Line, Lines, MAX_LINE};

const SOCKET: Token = Token(0);
const LINES: Token = Token(1);
const SCRATCH: usize = 64 * 1024;
/// Messages of up to 16 MiB. A line is sent only when nothing waits, so there is room for one and
/// the header of its frame.
const LIMITS: Limits =
    Limits { message: 16 * 1024 * 1024, outbox: MAX_LINE as u32 + 1024, head: 8 * 1024 };
/// How long the server may take to answer our Close, and to close the connection after its own.
const CLOSING_TIME: Duration = Duration::from_secs(10);

/// How the connection ended, after a closing handshake.
pub struct Closed {
    /// The server's Close, `None` if it gave no code.
    pub frame: Option<CloseFrame<'static>>,
    /// Whether this side sent its Close first, to which any Close is a good answer.
    pub was_answer: bool,
}

pub struct Session {
    poll: Poll,
    socket: TcpStream,
    ws: WebSocket<Client>,
    /// What both sides have agreed to compress with.
    codec: Option<Codec>,
    out: Outbox,
    lines: Lines,
    /// When to give up on a server that does not close.
    deadline: Option<Instant>,
    may_have_bytes: bool,
    closed: Option<Closed>,
    /// The line of standard input that cannot be sent, and why: none is read after it.
    unsent: Option<String>,
}

impl Session {
    /// # Errors
    ///
    /// The system refuses a poller, or a socket that does not block.
    pub fn new(socket: std::net::TcpStream, codec: Option<Codec>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        let poll = Poll::new()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut socket, SOCKET, both)?;
        let mut ws = WebSocket::client(&LIMITS, rand::random);
        if codec.is_some() {
            ws.allow_compressed();
        }
        Ok(Self {
            socket,
            ws,
            codec,
            out: Outbox::new(&LIMITS),
            lines: Lines::new(Waker::new(poll.registry(), LINES)?)?,
            poll,
            deadline: None,
            may_have_bytes: true,
            closed: None,
            unsent: None,
        })
    }

    /// Runs until the connection is over.
    ///
    /// # Errors
    ///
    /// Why there was no proper end, or which line could not be sent, in one line.
    pub fn run(mut self, early: &mut [u8]) -> Result<Closed, String> {
        let closed = self.exchange(early);
        match (closed, self.unsent) {
            (closed, None) => closed,
            (Ok(_), Some(unsent)) => Err(unsent),
            (Err(error), Some(unsent)) => Err(format!("{unsent}; then {error}")),
        }
    }

    fn exchange(&mut self, early: &mut [u8]) -> Result<Closed, String> {
        let mut events = Events::with_capacity(16);
        let mut scratch = vec![0; SCRATCH];
        self.receive(&mut Input::new(early))?;
        loop {
            self.out.write_to(&mut self.socket).map_err(lost)?;
            // A line at a time: what the server does not take is not read from standard input.
            while self.out.is_empty() && self.deadline.is_none() && self.send_line()? {
                self.out.write_to(&mut self.socket).map_err(lost)?;
            }
            if self.may_have_bytes && self.read(&mut scratch)? {
                let abrupt = || "the server ended the connection without a Close".to_owned();
                return self.closed.take().ok_or_else(abrupt);
            }
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                let late = || format!("no Close within {} seconds", CLOSING_TIME.as_secs());
                return self.closed.take().ok_or_else(late);
            }
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(format!("cannot wait: {error}"));
                }
                _ => {}
            }
            self.may_have_bytes |= events.iter().any(|event| event.token() == SOCKET);
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if self.may_have_bytes {
            return Some(Duration::ZERO);
        }
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Sends the next line if there is one. The end of the lines begins the closing handshake, and so
    /// does one that cannot be sent.
    fn send_line(&mut self) -> Result<bool, String> {
        match self.lines.next() {
            Some(Line::Text(text)) => {
                let sent = match &mut self.codec {
                    Some(codec) => codec.text(&text, &mut self.ws, &mut self.out),
                    None => self.ws.text(&text, &mut self.out),
                };
                sent.map_err(|error| error.to_string())?;
                Ok(true)
            }
            Some(Line::Failed(number, error)) => {
                self.unsent = Some(format!("standard input, line {number}: {error}"));
                self.close();
                Ok(true)
            }
            Some(Line::End) => {
                self.close();
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Begins the closing handshake: what the lines before have asked for still comes.
    fn close(&mut self) {
        self.ws.close(CloseCode::NORMAL, "", &mut self.out);
        self.deadline = Some(Instant::now() + CLOSING_TIME);
    }

    /// Reads once. Says whether the server has ended the stream.
    fn read(&mut self, scratch: &mut [u8]) -> Result<bool, String> {
        match self.socket.read(scratch) {
            Ok(0) => return Ok(true),
            Ok(len) => {
                let mut input = Input::new(scratch.get_mut(..len).unwrap_or_default());
                self.receive(&mut input)?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.may_have_bytes = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A server that closes without reading our last bytes resets the connection. After the
            // closing handshake, that is no failure.
            Err(_) if self.closed.is_some() => return Ok(true),
            Err(error) => return Err(lost(error)),
        }
        Ok(false)
    }

    fn receive(&mut self, input: &mut Input<'_>) -> Result<(), String> {
        loop {
            let event = match self.ws.next(input, &mut self.out) {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(()),
                Err(violation) => return Err(self.broken(violation.close_code(), violation)),
            };
            let event = match &mut self.codec {
                Some(codec) => codec.inflate(event),
                None => Ok(event),
            };
            match event {
                Ok(Event::Text(text)) => print(text.as_bytes())?,
                Ok(Event::Binary(bytes)) => print(&bytes)?,
                Ok(Event::Compressed(_) | Event::Ping(_) | Event::Pong(_)) => {}
                Ok(Event::Close(frame)) => {
                    let was_answer = self.deadline.is_some();
                    let frame = frame.map(CloseFrame::into_owned);
                    self.closed = Some(Closed { frame, was_answer });
                    self.deadline = Some(Instant::now() + CLOSING_TIME);
                }
                Err((code, error)) => {
                    self.ws.fail(code, &mut self.out);
                    return Err(self.broken(code, error));
                }
            }
        }
    }

    /// What to say of a server whose last message made us fail the connection.
    fn broken(&mut self, code: CloseCode, why: impl Display) -> String {
        // The Close that says so goes out if there is room for it at once.
        let _ = self.out.write_to(&mut self.socket);
        format!("the server broke the protocol ({code}): {why}")
    }
}

fn print(message: &[u8]) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    let printed = stdout.write_all(message).and_then(|()| stdout.write_all(b"\n"));
    printed.map_err(|error| format!("standard output: {error}"))
}

fn lost(error: io::Error) -> String {
    format!("the connection is lost: {error}")
}
