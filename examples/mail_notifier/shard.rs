//! One shard: the event loop of one thread, with its own listener, connections and mailboxes.
//!
//! Everything is edge-triggered: the poller speaks once, and whoever is not drained is remembered
//! here. Nobody gets more than a bounded turn before the others, neither a peer that floods nor a
//! wave of new connections nor the bus.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dormouse::CloseCode;
use mio::{Events, Poll, Token, Waker};
use slab::Slab;

use crate::bus::{State, Subscriber};
use crate::compression::Notice;
use crate::connection::{Connection, Next};
use crate::desk::Desk;
use crate::listener::{Accepted, Listener};
use crate::notice;
use crate::round::Round;
use crate::server::Server;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// How many readiness events are taken at once.
const EVENTS_PER_TURN: usize = 1024;
/// How many notices are written before the connections have their turn. Those of one mailbox go
/// together.
const NOTICES_PER_TURN: u64 = 8192;
/// How many states are taken from the bus before that, if few are watched.
const STATES_PER_TURN: usize = 1024;
/// How long a drain does not look at the clock.
const DRAIN_PATIENCE: Duration = Duration::from_millis(50);

/// One event loop.
pub struct Shard {
    poll: Poll,
    listener: Listener,
    /// Whether the listener may have more connections than were taken.
    can_accept: bool,
    subscriber: Subscriber,
    /// Whether the bus may have more states than were taken.
    has_states: bool,
    connections: Slab<Connection>,
    /// How many places in the table of connections have been used so far.
    places: usize,
    /// The connections that may have more to read.
    unfinished: VecDeque<usize>,
    /// The round of pings, while there are connections and pings are wanted.
    pings: Option<Round>,
    drain: Option<Drain>,
    desk: Desk,
}

/// The end of a shard: a round of goodbyes, and some time for the answers.
struct Drain {
    goodbyes: Round,
    until: Instant,
}

impl Shard {
    /// A shard that takes connections from `socket`.
    ///
    /// # Errors
    /// When the system has no poller.
    pub fn new(socket: std::net::TcpListener, server: Arc<Server>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let listener = Listener::new(socket, &server, poll.registry(), LISTENER)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        server.wake_on_drain(waker.clone());
        let (states, subscriber) = server.bus.subscribe(waker);
        let mut desk = Desk::new(server);
        for state in states {
            desk.mailboxes.apply(state);
        }
        Ok(Self {
            poll,
            listener,
            can_accept: false,
            subscriber,
            has_states: false,
            connections: Slab::with_capacity(desk.server.table_len()),
            places: 0,
            unfinished: VecDeque::new(),
            pings: None,
            drain: None,
            desk,
        })
    }

    /// Serves until the server has ended.
    ///
    /// # Errors
    /// What the poller says when it fails.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let began = Instant::now();
            for event in &events {
                match event.token() {
                    LISTENER => self.can_accept = true,
                    WAKER => self.has_states = true,
                    Token(key) => self.turn(key),
                }
            }
            for _ in 0..self.unfinished.len() {
                if let Some(key) = self.unfinished.pop_front() {
                    if let Some(connection) = self.connections.get_mut(key) {
                        connection.is_unfinished = false;
                    }
                    self.turn(key);
                }
            }
            self.take_states();
            self.accept();
            // What came before this turn began has been read, unless there was too much of it.
            if events.iter().count() < EVENTS_PER_TURN {
                self.look_at_deadlines(began);
            }
            self.send_pings();
            self.desk.tally.report(&self.desk.server.metrics);
            if self.has_drained() {
                return Ok(());
            }
            self.desk.server.metrics.loop_lag.observe(began.elapsed().as_secs_f64());
        }
    }

    /// How long the poller may sleep; `None` for as long as it likes.
    fn patience(&self) -> Option<Duration> {
        if self.can_accept || self.has_states || !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = Instant::now();
        let (drain, places) = (self.drain.as_ref(), self.places);
        [
            self.desk.deadlines.next(now),
            self.listener.rest(now),
            self.pings.as_ref().map(|round| round.next(now, places)),
            drain.map(|drain| drain.goodbyes.next(now, places).min(DRAIN_PATIENCE)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes what the bus has, up to a bound.
    fn take_states(&mut self) {
        if !std::mem::take(&mut self.has_states) {
            return;
        }
        self.subscriber.begin();
        for _ in 0..STATES_PER_TURN {
            let Some(state) = self.subscriber.next() else { return };
            self.publish(state);
            if self.desk.tally.frames + self.desk.tally.coalesced >= NOTICES_PER_TURN {
                break;
            }
        }
        self.has_states = true;
    }

    /// Takes over the state of a mailbox and tells those who watch it what is new.
    fn publish(&mut self, state: Arc<State>) {
        let (id, before) = self.desk.mailboxes.apply(state);
        let mut watcher = self.desk.mailboxes.first_watcher(id);
        let (Some(before), Some(_)) = (before, watcher) else { return };
        let Some(text) = notice::change(&before, self.desk.mailboxes.state(id)) else { return };
        let notice = Notice::new(text);
        while let Some(key) = watcher {
            // The next one is asked for first: this one may be removed on the way. And to ask for its
            // connection brings that into the cache while the system writes to this one.
            let next = self.desk.mailboxes.next_watcher(key);
            watcher = next.filter(|next| self.connections.contains(*next));
            if let Some(connection) = self.connections.get_mut(key) {
                let sent = connection.notify(&notice, key, &mut self.desk);
                self.settle(key, sent.map(|()| Next::Sleep));
            }
        }
    }

    /// Takes new connections, up to a bound.
    fn accept(&mut self) {
        self.can_accept |= self.listener.end_rest(Instant::now());
        for _ in 0..self.desk.server.settings.accepts_per_turn {
            if !self.can_accept {
                return;
            }
            match self.listener.accept(&self.desk.server) {
                Accepted::Connection(socket, peer) => {
                    let key = self.connections.vacant_key();
                    self.places = self.places.max(key + 1);
                    self.connections.insert(Connection::new(socket, peer, key, &mut self.desk));
                    self.desk.server.metrics.connections.inc();
                    let registered =
                        self.connections[key].register(self.poll.registry(), Token(key));
                    self.settle(key, registered.map(|()| Next::Sleep));
                }
                Accepted::Nobody => {}
                Accepted::NoMore => self.can_accept = false,
            }
        }
    }

    /// Gives a connection its turn, if it is still there and not waiting for one already.
    fn turn(&mut self, key: usize) {
        let connection = self.connections.get_mut(key);
        if let Some(connection) = connection.filter(|connection| !connection.is_unfinished) {
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
            Ok(Next::Turn) => {
                connection.is_unfinished = true;
                self.unfinished.push_back(key);
            }
            Ok(Next::Removal) | Err(_) => self.remove(key),
        }
    }

    /// Ends what took too long by `now`.
    fn look_at_deadlines(&mut self, now: Instant) {
        while let Some(reminder) = self.desk.deadlines.expired(now) {
            if let Some(connection) = self.connections.get_mut(reminder.key) {
                let next = connection.look_at_deadline(&reminder, &mut self.desk);
                self.settle(reminder.key, next);
            }
        }
    }

    /// Sends the pings that are due, and finds the peers that vanished.
    fn send_pings(&mut self) {
        let every = self.desk.server.settings.ping;
        if every.is_zero() || self.connections.is_empty() {
            self.pings = None;
            return;
        }
        let now = Instant::now();
        let round = self.pings.get_or_insert_with(|| Round::new(now, every));
        for key in round.due(now, self.places) {
            if let Some(connection) = self.connections.get_mut(key) {
                let next = connection.pulse(key, &mut self.desk);
                self.settle(key, next);
            }
        }
        if self.pings.as_ref().is_some_and(|round| round.is_over(now)) {
            self.pings = Some(Round::new(now, every));
        }
    }

    /// Ends the shard step by step, if the server is ending; whether it has.
    ///
    /// Goodbyes take the first half of the time, so that those who come back somewhere else do not
    /// come at once; the answers to the last of them take the other.
    fn has_drained(&mut self) -> bool {
        let server = &self.desk.server;
        if !server.is_draining() {
            return false;
        }
        let (now, lasts) = (Instant::now(), server.settings.drain);
        let drain = self.drain.get_or_insert_with(|| Drain {
            goodbyes: Round::new(now, lasts / 2),
            until: now + lasts,
        });
        let is_late = now >= drain.until;
        for key in drain.goodbyes.due(now, self.places) {
            if let Some(connection) = self.connections.get_mut(key) {
                let code = CloseCode::SERVICE_RESTART;
                let closed = connection.close(code, "the server restarts", key, &mut self.desk);
                self.settle(key, closed.map(|()| Next::Sleep));
            }
        }
        is_late || self.connections.is_empty()
    }

    /// Forgets a connection. Closing its socket takes it out of the poller.
    fn remove(&mut self, key: usize) {
        self.desk.mailboxes.unwatch(key);
        let connection = self.connections.remove(key);
        let server = &self.desk.server;
        server.gate.leave(connection.peer());
        server.metrics.connections.dec();
        if connection.is_open() {
            server.metrics.watching.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::bus::Change;
    use crate::connection::tests::REQUEST;
    use crate::settings::Settings;

    /// A shard with one client that watches "alice", by the key of its connection.
    fn shard() -> (Shard, TcpStream, usize) {
        let server = Server::for_tests(Settings::default());
        server.bus.publish(vec![Change::Unseen { mailbox: "alice".into(), unseen: 0 }]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mut shard = Shard::new(listener, server).unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.write_all(REQUEST).unwrap();
        shard.can_accept = true;
        shard.accept();
        let key = shard.connections.iter().next().unwrap().0;
        shard.turn(key);
        assert!(shard.connections[key].is_open());
        (shard, client, key)
    }

    #[test]
    fn who_floods_waits_for_one_turn_and_not_for_many() {
        let (mut shard, mut client, key) = shard();
        client.set_nonblocking(true).unwrap();
        let sent = client.write(&b"\x8a\x80\0\0\0\0".repeat(1 << 17)).unwrap();
        assert!(sent > shard.desk.server.settings.reads_per_turn * shard.desk.scratch.len());
        for _ in 0..5 {
            shard.turn(key);
        }
        assert_eq!(shard.unfinished.len(), 1);
    }
}
