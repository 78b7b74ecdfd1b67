//! One connection: handshake, echo, close.

use std::io::{self, Read as _};
use std::net::Shutdown;
use std::num::NonZeroU8;

use dormouse::http::{EMPTY_HEADER, HeadReader, Request};
use dormouse::server::{Refusal, Upgrade};
use dormouse::{CloseCode, Event, Input, Limits, Outbox, WebSocket};
use mio::net::TcpStream;

use crate::codec::Codec;

/// The bytes of one read, for all connections together.
const SCRATCH: usize = 64 * 1024;
/// The largest message to echo: that of the Autobahn suite.
const MAX_MESSAGE: u32 = 16 * 1024 * 1024;
/// A read happens only when nothing waits. It can complete one large message and bring as much as
/// `SCRATCH` of further ones, whose frames are smaller on the way back, being unmasked.
const LIMITS: Limits =
    Limits { message: MAX_MESSAGE, outbox: MAX_MESSAGE + 2 * SCRATCH as u32, head: 8 * 1024 };
/// What the thread's outbox keeps between turns.
const KEPT: u32 = SCRATCH as u32;
/// After so many reads the others have their turn.
const READS_PER_TURN: usize = 16;
/// A read of compressed messages can be work for a thousand times as many bytes.
const READS_PER_COMPRESSED_TURN: usize = 1;

/// What the connections of a thread share. Between turns there is nothing of theirs in it.
pub struct Shared {
    scratch: Box<[u8]>,
    out: Outbox,
    codec: Option<Codec>,
}

impl Shared {
    /// Messages are compressed if there is a codec.
    pub fn new(codec: Option<Codec>) -> Self {
        Self { scratch: vec![0; SCRATCH].into(), out: Outbox::keeping(&LIMITS, KEPT), codec }
    }
}

/// All that one connection costs while it sleeps: 72 bytes.
pub struct Connection {
    socket: TcpStream,
    state: State,
    /// What the socket did not take at once.
    out: Outbox,
    /// Tells this connection from those that had its key before.
    pub serial: u32,
    /// Whether the event loop has it among the unfinished.
    pub is_queued: bool,
    /// The bits of the window to compress with; `None` unless both sides compress.
    window_bits: Option<NonZeroU8>,
    may_have_bytes: bool,
    has_ended: bool,
}

// In debug builds, mio adds a check of its own to the socket.
const _: () = assert!(size_of::<Connection>() <= if cfg!(debug_assertions) { 80 } else { 72 });

enum State {
    Handshake(HeadReader),
    Open(WebSocket<dormouse::Server>),
    /// The last bytes to send wait in the outbox.
    Closing,
    /// All is sent and our side is shut down. What comes is thrown away until the peer closes, since
    /// closing a socket with unread bytes resets it, and a reset can overtake the Close frame.
    ShutDown,
}

/// What becomes of a connection after its turn.
pub enum Turn {
    /// The socket will tell when it is ready again.
    Wait,
    /// There may be more to read.
    Again,
    /// The peer has ended the stream.
    Done,
}

impl Connection {
    pub fn new(socket: TcpStream, serial: u32) -> Self {
        Self {
            socket,
            state: State::Handshake(HeadReader::new(&LIMITS)),
            out: Outbox::new(&LIMITS),
            serial,
            is_queued: false,
            window_bits: None,
            may_have_bytes: false,
            has_ended: false,
        }
    }

    pub fn is_new(&self) -> bool {
        matches!(self.state, State::Handshake(_))
    }

    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing | State::ShutDown)
    }

    /// Remembers what the poller said, since it says it once.
    pub fn wake(&mut self, event: &mio::event::Event) {
        self.has_ended |= event.is_read_closed() || event.is_error();
        self.may_have_bytes |= event.is_readable() || self.has_ended;
    }

    /// Writes what waits, then reads and answers until there is nothing to do or the turn is over.
    ///
    /// # Errors
    ///
    /// The socket's; the connection is of no use then.
    pub fn turn(&mut self, shared: &mut Shared) -> io::Result<Turn> {
        self.out.write_to(&mut self.socket)?;
        for _ in 0..self.reads_per_turn() {
            if !self.out.is_empty() {
                return Ok(Turn::Wait);
            }
            if matches!(self.state, State::Closing) {
                self.socket.shutdown(Shutdown::Write)?;
                self.state = State::ShutDown;
            }
            if !self.may_have_bytes {
                return Ok(Turn::Wait);
            }
            match self.socket.read(&mut shared.scratch) {
                Ok(0) => return Ok(Turn::Done),
                Ok(len) => {
                    self.may_have_bytes = !self.is_drained_by(len);
                    let Shared { scratch, out, codec } = &mut *shared;
                    let mut input = Input::new(scratch.get_mut(..len).unwrap_or_default());
                    let mut out = self.out.sharing(out);
                    let (all, codec) = (&mut out, codec.as_mut());
                    self.state.receive(&mut input, all, codec, &mut self.window_bits);
                    // All the answers go out in one write.
                    out.write_to(&mut self.socket)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.may_have_bytes = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Turn::Again)
    }

    fn reads_per_turn(&self) -> usize {
        if self.window_bits.is_some() { READS_PER_COMPRESSED_TURN } else { READS_PER_TURN }
    }

    /// Whether a read of `len` bytes has left nothing, so that the next change will be told.
    ///
    /// epoll(7) on edge-triggered streams: if read "returns a lower number of bytes, you can be sure
    /// of having exhausted the read I/O space". That spares one call per wake-up. An end that the
    /// poller has already told stands behind the bytes, so it takes reading on to see it. Other
    /// systems want to see `WouldBlock`.
    fn is_drained_by(&self, len: usize) -> bool {
        cfg!(any(target_os = "linux", target_os = "android")) && len < SCRATCH && !self.has_ended
    }
}

impl State {
    /// Takes all bytes of `input`, and sends the answers. `window_bits` is set by the handshake.
    fn receive(
        &mut self,
        input: &mut Input<'_>,
        out: &mut Outbox,
        codec: Option<&mut Codec>,
        window_bits: &mut Option<NonZeroU8>,
    ) {
        if let Self::Handshake(reader) = self {
            *self = match shake_hands(reader, input, out, codec.as_deref()) {
                Ok(Some(opened)) => {
                    *window_bits = opened.window_bits;
                    Self::Open(opened.ws)
                }
                Ok(None) => return,
                Err(refusal) => {
                    // An outbox that has no room for the reason leaves only to close.
                    let _ = refusal.write(out);
                    Self::Closing
                }
            };
        }
        if let Self::Open(ws) = self {
            echo(ws, input, out, codec.zip(*window_bits));
            if ws.is_closed() {
                *self = Self::Closing;
            }
        }
    }
}

/// What a handshake comes to.
struct Opened {
    ws: WebSocket<dormouse::Server>,
    window_bits: Option<NonZeroU8>,
}

/// `Ok(None)` asks for more bytes; after the handshake, what is left of `input` are frames.
fn shake_hands(
    reader: &mut HeadReader,
    input: &mut Input<'_>,
    out: &mut Outbox,
    codec: Option<&Codec>,
) -> Result<Option<Opened>, Refusal> {
    let Some(head) = reader.next(input)? else { return Ok(None) };
    let mut headers = [EMPTY_HEADER; 64];
    let request = Request::parse(&head, &mut headers)?;
    // A server with something to guard compares `origin()` and looks at cookies before it accepts.
    let upgrade = Upgrade::read(&request)?;
    let (answer, window_bits) = codec.and_then(|codec| codec.accept(&upgrade)).unzip();
    let written = upgrade.accept().extensions(answer.as_deref()).write(out);
    written.map_err(|_| Refusal::Unavailable { retry_after: 1 })?;
    let mut ws = WebSocket::server(&LIMITS);
    if window_bits.is_some() {
        ws.allow_compressed();
    }
    Ok(Some(Opened { ws, window_bits }))
}

/// Sends back every message in `input`. Pings and a violation need nothing more: their answers are in
/// `out`.
fn echo(
    ws: &mut WebSocket<dormouse::Server>,
    input: &mut Input<'_>,
    out: &mut Outbox,
    mut codec: Option<(&mut Codec, NonZeroU8)>,
) {
    while let Ok(Some(event)) = ws.next(input, out) {
        let sent = match (event, &mut codec) {
            (event, Some((codec, window_bits))) => codec.echo(event, *window_bits, ws, out),
            (Event::Text(text), None) => ws.text(&text, out),
            (Event::Binary(bytes), None) => ws.binary(&bytes, out),
            // `Compressed` comes only where it was agreed on.
            (Event::Compressed(_) | Event::Ping(_) | Event::Pong(_) | Event::Close(_), _) => Ok(()),
        };
        if sent.is_err() {
            // The limits leave room for every answer, unless a read had several large messages well
            // compressed. Nobody is left with an answer missing and a connection that looks well.
            ws.close(CloseCode::INTERNAL_ERROR, "", out);
        }
    }
}
