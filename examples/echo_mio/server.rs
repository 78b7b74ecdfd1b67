//! The event loop: waits, and gives each connection that has something to do its turn.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::acceptor::Acceptor;
use crate::codec::Codec;
use crate::connection::{Connection, Shared, Turn};
use crate::deadlines::Deadlines;

/// The token of the listener. A connection's token is its key in the slab, which counts from 0.
const LISTENER: Token = Token(usize::MAX);
/// How many new connections are taken before those that are there have a turn.
const ACCEPTS_PER_TURN: usize = 64;
const EVENTS_PER_TURN: usize = 1024;
/// How long a client may take for its whole request, however it spreads the bytes.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long a peer may take to read the last bytes and to close its side.
const CLOSING_TIME: Duration = Duration::from_secs(5);

pub struct Server {
    poll: Poll,
    acceptor: Acceptor,
    connections: Slab<Connection>,
    /// Connections that used up their turn: their sockets may have more, and will not say so again.
    unfinished: VecDeque<usize>,
    handshakes: Deadlines,
    closings: Deadlines,
    shared: Shared,
    next_serial: u32,
}

impl Server {
    /// Messages are compressed, with clients that do so too, if there is a codec.
    ///
    /// # Errors
    ///
    /// The system refuses a poller.
    pub fn new(mut acceptor: Acceptor, codec: Option<Codec>) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut acceptor, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            acceptor,
            connections: Slab::new(),
            unfinished: VecDeque::new(),
            handshakes: Deadlines::new(HANDSHAKE_TIME),
            closings: Deadlines::new(CLOSING_TIME),
            shared: Shared::new(codec),
            next_serial: 0,
        })
    }

    /// Serves for ever.
    ///
    /// # Errors
    ///
    /// The poller fails. What goes wrong with a connection ends only that connection.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.acceptor.wake(),
                    Token(key) => self.wake(key, event),
                }
            }
            self.resume();
            self.accept();
            self.expire();
        }
    }

    /// How long there will be nothing to do unless a socket says otherwise.
    fn timeout(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() || self.acceptor.is_ready() {
            return Some(Duration::ZERO);
        }
        let times = [self.acceptor.paused_until(), self.handshakes.next(), self.closings.next()];
        let next = times.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn wake(&mut self, key: usize, event: &Event) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.wake(event);
        if !connection.is_queued {
            self.turn(key);
        }
    }

    /// Gives those that had more to do than one turn allows their next one.
    fn resume(&mut self) {
        for _ in 0..self.unfinished.len() {
            let Some(key) = self.unfinished.pop_front() else { return };
            // The connection may be gone, and its key with another one, which is not queued.
            let Some(connection) = self.connections.get_mut(key) else { continue };
            if std::mem::take(&mut connection.is_queued) {
                self.turn(key);
            }
        }
    }

    fn turn(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let was_closing = connection.is_closing();
        match connection.turn(&mut self.shared) {
            Ok(Turn::Wait) => {}
            Ok(Turn::Again) => {
                connection.is_queued = true;
                self.unfinished.push_back(key);
            }
            Ok(Turn::Done) | Err(_) => {
                self.connections.remove(key);
                return;
            }
        }
        if connection.is_closing() && !was_closing {
            self.closings.push(key, connection.serial);
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.acceptor.is_ready() {
                return;
            }
            if let Some(socket) = self.acceptor.accept() {
                self.open(socket);
            }
        }
    }

    /// Registers for both directions once: an edge-triggered poller tells only of changes, so there
    /// is nothing to switch on and off.
    fn open(&mut self, mut socket: TcpStream) {
        let place = self.connections.vacant_entry();
        let (key, serial) = (place.key(), self.next_serial);
        let both = Interest::READABLE | Interest::WRITABLE;
        // The kernel has a limit for this too; whoever meets it is dropped.
        if self.poll.registry().register(&mut socket, Token(key), both).is_ok() {
            place.insert(Connection::new(socket, serial));
            self.handshakes.push(key, serial);
            self.next_serial = serial.wrapping_add(1);
        }
    }

    fn expire(&mut self) {
        let connections = &mut self.connections;
        while let Some(key) = self.handshakes.next_due(|key, serial| {
            connections.get(key).is_some_and(|found| found.serial == serial && found.is_new())
        }) {
            connections.remove(key);
        }
        while let Some(key) = self.closings.next_due(|key, serial| {
            connections.get(key).is_some_and(|found| found.serial == serial && found.is_closing())
        }) {
            connections.remove(key);
        }
    }
}
