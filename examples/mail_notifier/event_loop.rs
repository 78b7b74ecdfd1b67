//! The event loop: one thread, one poller, any number of connections.
//!
//! Readiness is edge-triggered: the poller speaks once, and whoever is not drained is remembered
//! here. Nobody gets more than a bounded turn before the others, neither a peer that floods nor a
//! wave of new connections.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dormouse::Prepared;
use mio::{Events, Poll, Token, Waker};
use slab::Slab;

use crate::bus::{Subscriber, Update};
use crate::connection::{Connection, Desk, Next};
use crate::listener::{Accepted, Listener};
use crate::notice;

const LISTENER: Token = Token(usize::MAX);
const BUS: Token = Token(usize::MAX - 1);

/// How many readiness events are taken at once.
const EVENTS_PER_TURN: usize = 1024;
/// How many connections are accepted before the others have their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// The server.
pub struct EventLoop {
    poll: Poll,
    listener: Listener,
    /// Whether the listener may have more connections than were taken.
    can_accept: bool,
    connections: Slab<Connection>,
    /// The connections that may have more to read.
    unfinished: VecDeque<usize>,
    desk: Desk,
}

impl EventLoop {
    /// A server that listens at `address`.
    ///
    /// # Errors
    /// When the address is in use or not one of this host.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let listener = Listener::bind(address, poll.registry(), LISTENER)?;
        let (connections, unfinished) = (Slab::new(), VecDeque::new());
        Ok(Self { poll, listener, can_accept: false, connections, unfinished, desk: Desk::new() })
    }

    /// The address with the port that the system chose.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What the bus wakes this loop with.
    ///
    /// # Errors
    /// When the system has no descriptor for it.
    pub fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), BUS)
    }

    /// Takes over the state of a mailbox and tells those who watch it about a new mail.
    pub fn publish(&mut self, update: Update) {
        let is_mail = update.mail.is_some();
        let mailboxes = &mut self.desk.mailboxes;
        let id = mailboxes.apply(update);
        let Some(text) = notice::mail(mailboxes.latest(id)).filter(|_| is_mail) else { return };
        let notice = Prepared::text(&text);
        let mut watcher = mailboxes.first_watcher(id);
        while let Some(key) = watcher {
            // The next one is asked for first: this one may be removed on the way.
            watcher = self.desk.mailboxes.next_watcher(key);
            if let Some(connection) = self.connections.get_mut(key) {
                let sent = connection.notify(&notice, key, &mut self.desk);
                self.settle(key, sent.map(|()| Next::Sleep));
            }
        }
    }

    /// Serves until the poller fails.
    ///
    /// # Errors
    /// What the poller says.
    pub fn run(mut self, bus: &Subscriber) -> io::Result<Infallible> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.can_accept = true,
                    BUS => {}
                    Token(key) => self.turn(key),
                }
            }
            for _ in 0..self.unfinished.len() {
                if let Some(key) = self.unfinished.pop_front() {
                    self.turn(key);
                }
            }
            bus.updates().for_each(|update| self.publish(update));
            self.accept();
            self.remove_expired();
        }
    }

    /// How long the poller may sleep; `None` for as long as it likes.
    fn patience(&self) -> Option<Duration> {
        if self.can_accept || !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = Instant::now();
        [self.desk.deadlines.next(now), self.listener.rest(now)].into_iter().flatten().min()
    }

    /// Takes new connections, up to a bound.
    fn accept(&mut self) {
        self.can_accept |= self.listener.end_rest(Instant::now());
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.can_accept {
                return;
            }
            match self.listener.accept() {
                Accepted::Connection(socket) => {
                    let key = self.connections.vacant_key();
                    self.connections.insert(Connection::new(socket, key, &mut self.desk));
                    let registered =
                        self.connections[key].register(self.poll.registry(), Token(key));
                    self.settle(key, registered.map(|()| Next::Sleep));
                }
                Accepted::Nobody => {}
                Accepted::NoMore => self.can_accept = false,
            }
        }
    }

    /// Gives a connection its turn, if it is still there.
    fn turn(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            let next = connection.turn(key, &mut self.desk);
            self.settle(key, next);
        }
    }

    /// Does for a connection what it needs next. One whose socket failed is removed: nobody is
    /// there to be told.
    fn settle(&mut self, key: usize, next: io::Result<Next>) {
        let connection = &mut self.connections[key];
        let next = next.and_then(|next| {
            connection.update_interest(self.poll.registry(), Token(key))?;
            Ok(next)
        });
        match next {
            Ok(Next::Sleep) => {}
            Ok(Next::Turn) => self.unfinished.push_back(key),
            Ok(Next::Removal) | Err(_) => self.remove(key),
        }
    }

    /// Removes the connections that took too long.
    fn remove_expired(&mut self) {
        let now = Instant::now();
        while let Some((key, ticket)) = self.desk.deadlines.expired(now) {
            if self.connections.get(key).is_some_and(|connection| connection.is_due(ticket)) {
                self.remove(key);
            }
        }
    }

    /// Forgets a connection. Closing its socket takes it out of the poller.
    fn remove(&mut self, key: usize) {
        self.desk.mailboxes.unwatch(key);
        self.connections.remove(key);
    }
}
