//! The floor under `echo_mio`: the same system calls, and as little as possible between them.
//!
//! ```text
//! echo_floor [ADDR]      listens on ADDR, 127.0.0.1:9001 unless it is given; port 0 picks a port
//! ```
//!
//! It knows nothing of WebSocket but how long a frame is. The answer to every request is one fixed
//! text, right for the one key that `load` sends. Frames lose their mask and go back, all that came in
//! one read in one write. No rule is checked, no deadline kept (but the waits are as long as those of
//! a server that keeps them), nobody has a limit: it is not a server to copy, but one to compare with.
//!
//! What one connection sends after it has asked for `/room` goes to all that have asked for it, so that
//! it is the floor under `room_mio`, too.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;

use dormouse::wire::mask;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::SocketFlags;
use socket2::{SockRef, TcpKeepalive};

const EVENTS_PER_TURN: usize = 1024;
const ACCEPTS_PER_TURN: usize = 64;
const SCRATCH: usize = 64 * 1024;
/// What `echo_mio` waits for a handshake, and what it sets on its listener.
const HANDSHAKE_TIME: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
const KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(120);

/// For `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==`, and no other.
const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const ROOM: &[u8] = b"GET /room ";

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    let address = address.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    let (Some(address), None) = (address, words.next()) else {
        eprintln!("echo_floor: not a port of 127.0.0.0/8; usage: echo_floor [ADDR]");
        return ExitCode::from(2);
    };
    match Floor::listen(address).and_then(Floor::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_floor: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Floor {
    epoll: OwnedFd,
    listener: TcpListener,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    /// How many are new.
    new: usize,
    /// The descriptors of those in the room.
    room: Vec<usize>,
    scratch: Vec<u8>,
    rests: Rests,
}

struct Connection {
    socket: TcpStream,
    /// Whether it has not asked yet.
    is_new: bool,
}

/// What only few connections have, and only for a moment.
#[derive(Default)]
struct Rests {
    /// The beginning of a frame whose end has not come.
    cut: HashMap<usize, Vec<u8>>,
    /// What a socket did not take.
    unsent: HashMap<usize, Vec<u8>>,
}

impl Floor {
    fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let options = SockRef::from(&listener);
        options.set_tcp_nodelay(true)?;
        options.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let readable = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&epoll, &listener, data(&listener), readable)?;
        writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
        Ok(Self {
            epoll,
            listener,
            connections: Vec::new(),
            new: 0,
            room: Vec::new(),
            scratch: vec![0; SCRATCH],
            rests: Rests::default(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        let listener = self.listener.as_raw_fd() as u64;
        let mut events = Vec::with_capacity(EVENTS_PER_TURN);
        let mut has_waiting = false;
        loop {
            events.clear();
            let room = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, room, self.timeout(has_waiting)) {
                Err(error) if error != rustix::io::Errno::INTR => return Err(error.into()),
                _ => {}
            }
            for &Event { flags, data } in &events {
                if data.u64() == listener {
                    has_waiting = true;
                } else if self.turn(data.u64() as usize, flags).is_err() {
                    self.remove(data.u64() as usize);
                }
            }
            if has_waiting {
                has_waiting = self.accept()?;
            }
        }
    }

    fn timeout(&self, has_waiting: bool) -> Option<&'static Timespec> {
        match (has_waiting, self.new) {
            (true, _) => Some(&AT_ONCE),
            (false, 0) => None,
            (false, _) => Some(&HANDSHAKE_TIME),
        }
    }

    /// Says whether there may be more.
    fn accept(&mut self) -> io::Result<bool> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        for _ in 0..ACCEPTS_PER_TURN {
            let Ok((socket, _)) = rustix::net::acceptfrom_with(&self.listener, flags) else {
                return Ok(false);
            };
            let both = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &socket, data(&socket), both)?;
            let place = socket.as_raw_fd() as usize;
            if self.connections.len() <= place {
                self.connections.resize_with(place + 1, || None);
            }
            self.connections[place] = Some(Connection { socket: socket.into(), is_new: true });
            self.new += 1;
        }
        Ok(true)
    }

    fn remove(&mut self, place: usize) {
        let gone = self.connections[place].take();
        self.new -= usize::from(gone.is_some_and(|connection| connection.is_new));
        self.rests.take_cut(place);
        self.rests.take_unsent(place);
        self.room.retain(|member| *member != place);
    }

    /// # Errors
    /// The connection has ended.
    fn turn(&mut self, place: usize, flags: EventFlags) -> io::Result<()> {
        let Some(Some(Connection { socket, .. })) = self.connections.get_mut(place) else {
            return Ok(());
        };
        if let Some(unsent) = self.rests.take_unsent(place) {
            write(socket, place, &unsent, &mut self.rests)?;
        }
        if !flags.contains(EventFlags::IN) {
            return Ok(());
        }
        let has_ended = flags.contains(EventFlags::RDHUP);
        loop {
            let Some(Some(connection)) = self.connections.get_mut(place) else { return Ok(()) };
            let len = match connection.socket.read(&mut self.scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.answer(place, len)?;
            if len < SCRATCH && !has_ended {
                return Ok(());
            }
        }
    }

    fn answer(&mut self, place: usize, len: usize) -> io::Result<()> {
        let Self { connections, new, room, scratch, rests, .. } = self;
        let Some(Some(Connection { socket, is_new })) = connections.get_mut(place) else {
            return Ok(());
        };
        if let Some(mut bytes) = rests.take_cut(place) {
            bytes.extend_from_slice(&scratch[..len]);
            let (echo, rest) = unmask(&mut bytes);
            rests.keep_cut(place, &bytes[rest..]);
            return write(socket, place, &bytes[..echo], rests);
        }
        if mem::take(is_new) {
            *new -= 1;
            if scratch.starts_with(ROOM) {
                room.push(place);
            }
            return write(socket, place, ANSWER, rests);
        }
        let (echo, rest) = unmask(&mut scratch[..len]);
        rests.keep_cut(place, &scratch[rest..len]);
        if !room.contains(&place) {
            return write(socket, place, &scratch[..echo], rests);
        }
        for member in room {
            if let Some(Some(connection)) = connections.get_mut(*member) {
                // Whoever has left is told of by the poller.
                let _ = write(&mut connection.socket, *member, &scratch[..echo], rests);
            }
        }
        Ok(())
    }
}

impl Rests {
    /// Where nobody has anything, it costs nothing to find out, not even a hash.
    fn take_cut(&mut self, place: usize) -> Option<Vec<u8>> {
        if self.cut.is_empty() { None } else { self.cut.remove(&place) }
    }

    fn take_unsent(&mut self, place: usize) -> Option<Vec<u8>> {
        if self.unsent.is_empty() { None } else { self.unsent.remove(&place) }
    }

    fn keep_cut(&mut self, place: usize, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.cut.insert(place, bytes.to_vec());
        }
    }
}

fn data(file: &impl AsRawFd) -> EventData {
    EventData::new_u64(file.as_raw_fd() as u64)
}

/// One write. What is left waits until the socket takes more.
fn write(socket: &mut TcpStream, place: usize, bytes: &[u8], rests: &mut Rests) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    if let Some(unsent) = rests.unsent.get_mut(&place) {
        unsent.extend_from_slice(bytes);
        return Ok(());
    }
    let written = match socket.write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        other => other?,
    };
    if written < bytes.len() {
        rests.unsent.insert(place, bytes[written..].to_vec());
    }
    Ok(())
}

/// Turns masked frames into the same ones without masks, which are shorter, in place. Gives the length
/// of what is done, and where a frame begins of which the end is missing.
fn unmask(bytes: &mut [u8]) -> (usize, usize) {
    let (mut from, mut to) = (0, 0);
    while let Some((header, payload)) = frame(&bytes[from..]) {
        let start = from + header;
        let Some(key) = bytes[..start].last_chunk().copied() else { break };
        if bytes.len() < start + payload {
            break;
        }
        // All of the header but the key and the bit that announces it.
        bytes.copy_within(from..start - 4, to);
        bytes[to + 1] &= 0x7F;
        to += header - 4;
        bytes.copy_within(start..start + payload, to);
        mask::apply(&mut bytes[to..to + payload], key);
        (from, to) = (start + payload, to + payload);
    }
    (to, from)
}

/// The length of a masked header and that of its payload, if the header is all there.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (header, payload) = match bytes.get(1)? & 0x7F {
        126 => (8, u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into()),
        127 => (14, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize),
        short => (6, usize::from(short)),
    };
    (bytes.len() >= header).then_some((header, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 6] = [0, 5, 125, 126, 1000, 70_000];

    /// A frame of each length, as a client sends them or as a server does.
    fn frames(key: Option<[u8; 4]>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for len in LENGTHS {
            let bit = if key.is_some() { 0x80 } else { 0 };
            bytes.push(0x82);
            match len {
                0..126 => bytes.push(bit | len as u8),
                126..0x1_0000 => {
                    bytes.push(bit | 126);
                    bytes.extend_from_slice(&(len as u16).to_be_bytes());
                }
                _ => {
                    bytes.push(bit | 127);
                    bytes.extend_from_slice(&(len as u64).to_be_bytes());
                }
            }
            bytes.extend_from_slice(&key.unwrap_or_default()[..if key.is_some() { 4 } else { 0 }]);
            let key = key.unwrap_or_default();
            bytes.extend((0..len).map(|at| at as u8 ^ key[at % 4]));
        }
        bytes
    }

    #[test]
    fn frames_lose_their_masks_wherever_they_are_cut() {
        let masked = frames(Some([1, 2, 3, 4]));
        for cut in [0, 1, 5, 6, 11, 20, 137, 150, 1200, masked.len() - 1, masked.len()] {
            let mut bytes = masked[..cut].to_vec();
            let (done, rest) = unmask(&mut bytes);
            let mut echo = bytes[..done].to_vec();
            let mut bytes = [&bytes[rest..], &masked[cut..]].concat();
            let (done, rest) = unmask(&mut bytes);
            assert_eq!(rest, bytes.len(), "cut at {cut}");
            echo.extend_from_slice(&bytes[..done]);
            assert!(echo == frames(None), "cut at {cut}");
        }
    }
}
