//! One connection: from its first byte to its last.
//!
//! ```text
//! Head ── a WebSocket request ──> Open ── Close, or a violation ──> Ending ──> Lingering ──> gone
//!   └──── any other request, answered ──────────────────────────────┘
//! ```
//! Ending writes what is still to be written; Lingering has shut its own half and waits until the
//! peer does the same, since closing a socket with unread bytes resets it, and a reset can overtake
//! the last answer.
//!
//! While it sleeps, a connection has nothing on the heap. Its own outbox is used only when the
//! socket takes less than all; as long as something waits there, notices are not queued behind it:
//! the connection is behind, and gets the latest state when it has caught up. If it does not catch
//! up in time, it is closed.

use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;

use dormouse::http::HeadReader;
use dormouse::server::Refusal;
use dormouse::{CloseCode, Input, Outbox, Prepared, Server as ServerRole, WebSocket};
use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::bus::State;
use crate::deadlines::{Deadline, Reminder};
use crate::desk::Desk;
use crate::gate::Peer;
use crate::log;
use crate::notice::{self, Known};
use crate::server::Server;
use crate::site::{self, Served};

/// How many pings in a row may stay unanswered before the peer counts as gone.
const MAX_UNANSWERED: u8 = 2;

/// One connection. Its key in the table of connections is passed in where it matters.
pub struct Connection {
    socket: TcpStream,
    peer: Peer,
    stage: Stage,
    /// What the socket has not taken yet.
    waiting: Outbox,
    /// Until when the peer has to have sent its request, to catch up, or to close.
    deadline: Deadline,
    /// Rounds of pings since anything was heard of the peer.
    quiet: u8,
    /// Whether a notice was left out because something was waiting.
    is_behind: bool,
    watches_writable: bool,
    /// Whether another turn is queued for it.
    pub is_unfinished: bool,
}

/// An idle connection, with its place in the list of its mailbox, is to stay below 96 bytes.
/// (In a debug build `mio` adds to the socket.)
const _: () = assert!(cfg!(debug_assertions) || size_of::<Connection>() <= 80);

enum Stage {
    /// Boxed, because a connection sleeps in the next stage.
    Head(Box<HeadReader>),
    Open(WebSocket<ServerRole>),
    Ending,
    Lingering,
}

/// What a connection needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To be told when its socket is ready.
    Sleep,
    /// Another turn, after the others: there is more to read.
    Turn,
    /// To be forgotten: the peer is gone.
    Removal,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(socket: TcpStream, peer: Peer, key: usize, desk: &mut Desk) -> Self {
        let mut deadline = Deadline::default();
        desk.deadlines.set(&mut deadline, key, desk.server.settings.handshake_timeout);
        Self {
            socket,
            peer,
            stage: Stage::Head(Box::new(HeadReader::new(&desk.server.limits))),
            waiting: Outbox::new(&desk.server.limits),
            deadline,
            quiet: 0,
            is_behind: false,
            watches_writable: false,
            is_unfinished: false,
        }
    }

    /// Who it counts for at the gate.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether it is a WebSocket at the moment.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// Begins to tell the poller about readiness.
    ///
    /// # Errors
    /// When the poller has no room.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.register(registry, token, Interest::READABLE)
    }

    /// Tells the poller whether the socket's becoming writable matters: only after a short write.
    ///
    /// # Errors
    /// When the poller refuses.
    pub fn update_interest(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let watches_writable = !self.waiting.is_empty();
        if watches_writable == self.watches_writable {
            return Ok(());
        }
        self.watches_writable = watches_writable;
        let writable = watches_writable.then_some(Interest::WRITABLE);
        let interest =
            writable.map_or(Interest::READABLE, |writable| writable | Interest::READABLE);
        self.socket.reregister(registry, token, interest)
    }

    /// Writes what waits and reads what there is, up to a bound.
    ///
    /// # Errors
    /// When the socket fails: the connection is to be removed.
    pub fn turn(&mut self, key: usize, desk: &mut Desk) -> io::Result<Next> {
        self.flush(key, desk)?;
        for _ in 0..desk.server.settings.reads_per_turn {
            if matches!(self.stage, Stage::Ending) {
                return Ok(Next::Sleep);
            }
            match self.socket.read(&mut desk.scratch) {
                Ok(0) => return Ok(Next::Removal),
                Ok(len) => self.receive(len, key, desk)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Next::Sleep),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Next::Turn)
    }

    /// Sends a notice about the mailbox that this connection watches, or leaves it for later.
    ///
    /// # Errors
    /// When the socket fails: the connection is to be removed.
    pub fn notify(&mut self, notice: &Prepared, key: usize, desk: &mut Desk) -> io::Result<()> {
        let Stage::Open(ws) = &mut self.stage else { return Ok(()) };
        if !self.waiting.is_empty() {
            self.is_behind = true;
            desk.tally.coalesced += 1;
            return Ok(());
        }
        // A notice is far smaller than an outbox, and nothing waits in this one.
        let _ = ws.send(notice, self.waiting.or(&mut desk.out));
        desk.tally.frames += 1;
        self.flush(key, desk)
    }

    /// Finds out whether the peer is still there; called once in each round of pings.
    ///
    /// # Errors
    /// When the socket fails: the connection is to be removed.
    pub fn pulse(&mut self, key: usize, desk: &mut Desk) -> io::Result<Next> {
        let Stage::Open(ws) = &mut self.stage else { return Ok(Next::Sleep) };
        // A socket that takes nothing would not take a ping, and has a deadline of its own.
        if !self.waiting.is_empty() {
            return Ok(Next::Sleep);
        }
        if self.quiet >= MAX_UNANSWERED {
            desk.server.metrics.timeouts.with_label_values(&["pong"]).inc();
            return Ok(Next::Removal);
        }
        self.quiet += 1;
        // There is room: nothing waits.
        let _ = ws.ping(b"", self.waiting.or(&mut desk.out));
        desk.tally.pings += 1;
        self.flush(key, desk)?;
        Ok(Next::Sleep)
    }

    /// Says goodbye: the server ends or has lost its patience.
    ///
    /// # Errors
    /// When the socket fails: the connection is to be removed.
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        key: usize,
        desk: &mut Desk,
    ) -> io::Result<()> {
        if let Stage::Open(ws) = &mut self.stage {
            ws.close(code, reason, self.waiting.or(&mut desk.out));
            self.end(key, desk);
        }
        self.flush(key, desk)
    }

    /// Does what a deadline asks for, if it is over.
    ///
    /// # Errors
    /// When the socket fails: the connection is to be removed.
    pub fn look_at_deadline(&mut self, reminder: &Reminder, desk: &mut Desk) -> io::Result<Next> {
        if !desk.deadlines.is_over(&mut self.deadline, reminder) {
            return Ok(Next::Sleep);
        }
        let timeouts = &desk.server.metrics.timeouts;
        match &self.stage {
            Stage::Head(_) => {
                timeouts.with_label_values(&["handshake"]).inc();
                // As a courtesy, as far as the socket takes it at once.
                let _ = site::too_late().write(self.waiting.or(&mut desk.out));
                let _ = self.waiting.flush(&mut desk.out, &mut self.socket);
                Ok(Next::Removal)
            }
            Stage::Open(_) => {
                timeouts.with_label_values(&["stall"]).inc();
                desk.server.metrics.slow_closed.inc();
                let mailbox = desk.mailboxes.watched_by(reminder.key);
                let mailbox = mailbox.map_or("", |id| &*desk.mailboxes.state(id).mailbox);
                log::warn("slow_closed", &[("mailbox", &mailbox)]);
                self.close(CloseCode::POLICY_VIOLATION, "too slow", reminder.key, desk)?;
                Ok(Next::Sleep)
            }
            Stage::Ending | Stage::Lingering => {
                timeouts.with_label_values(&["close"]).inc();
                Ok(Next::Removal)
            }
        }
    }

    /// Takes the first `len` bytes of the scratch buffer.
    fn receive(&mut self, len: usize, key: usize, desk: &mut Desk) -> io::Result<()> {
        self.quiet = 0;
        let Desk { mailboxes, scratch, out, server, tally, .. } = &mut *desk;
        let mut input = Input::new(&mut scratch[..len]);
        let mut ends = false;
        if let Stage::Head(reader) = &mut self.stage {
            let out = self.waiting.or(out);
            let served = match reader.next(&mut input) {
                Ok(None) => return Ok(()),
                Ok(Some(head)) => site::serve(&head, &self.socket, mailboxes, server, out),
                Err(error) => {
                    server.refused("head", &[("error", &error)]);
                    let _ = Refusal::from(error).write(out);
                    Served::Answered
                }
            };
            match served {
                Served::Answered => ends = true,
                Served::Watches { mailbox, known } => {
                    mailboxes.watch(mailbox, key);
                    let (ws, frames) = greet(mailboxes.state(mailbox), known, server, out);
                    self.stage = Stage::Open(ws);
                    tally.frames += frames;
                    self.deadline.clear();
                }
            }
        }
        if let Stage::Open(ws) = &mut self.stage {
            let out = self.waiting.or(out);
            // A page has nothing to say: its messages end here. Pings and Close have their answers
            // in the outbox, and so has a violation.
            while let Ok(Some(_)) = ws.next(&mut input, out) {}
            ends = ws.is_closed();
        }
        if ends {
            self.end(key, desk);
        }
        self.flush(key, desk)
    }

    /// Nothing more is to be said than what is queued already.
    fn end(&mut self, key: usize, desk: &mut Desk) {
        if self.is_open() {
            desk.mailboxes.unwatch(key);
            desk.server.metrics.watching.dec();
        }
        self.stage = Stage::Ending;
        desk.deadlines.set(&mut self.deadline, key, desk.server.settings.close_timeout);
    }

    /// Writes what is queued, then does what had to wait for that.
    fn flush(&mut self, key: usize, desk: &mut Desk) -> io::Result<()> {
        self.waiting.flush(&mut desk.out, &mut self.socket)?;
        if !self.is_open() {
            if self.waiting.is_empty() && matches!(self.stage, Stage::Ending) {
                self.stage = Stage::Lingering;
                self.socket.shutdown(Shutdown::Write)?;
            }
            return Ok(());
        }
        if self.waiting.is_empty() {
            self.deadline.clear();
            if std::mem::take(&mut self.is_behind) {
                self.catch_up(key, desk);
                self.waiting.flush(&mut desk.out, &mut self.socket)?;
            }
        }
        if !self.waiting.is_empty() && !self.deadline.is_set() {
            desk.deadlines.set(&mut self.deadline, key, desk.server.settings.stall_timeout);
        }
        Ok(())
    }

    /// Queues the latest state for a connection that missed some.
    fn catch_up(&mut self, key: usize, desk: &mut Desk) {
        let Some(mailbox) = desk.mailboxes.watched_by(key) else { return };
        if let Stage::Open(ws) = &mut self.stage {
            let latest = notice::snapshot(desk.mailboxes.state(mailbox));
            let _ = ws.text(&latest, self.waiting.or(&mut desk.out));
            desk.tally.frames += 1;
        }
    }
}

/// Begins a WebSocket with where the mailbox stands, and with what the page has missed; also, how
/// many messages that takes.
fn greet(
    state: &State,
    known: Option<Known>,
    server: &Server,
    out: &mut Outbox,
) -> (WebSocket<ServerRole>, u64) {
    let mut ws = WebSocket::server(&server.limits);
    let mut texts = vec![notice::hello(state, server.bus.epoch())];
    texts.extend(known.into_iter().flat_map(|known| notice::missed(state, known)));
    for text in &texts {
        // All that is kept of a mailbox fits into an outbox.
        let _ = ws.text(text, out);
    }
    server.metrics.upgrades.inc();
    server.metrics.watching.inc();
    (ws, texts.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream as Client};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::mail::Mail;
    use crate::settings::Settings;

    const KEY: usize = 3;

    /// A connection that watches "alice", and the client at its other end.
    struct Pair {
        client: Client,
        connection: Connection,
        desk: Desk,
        received: Vec<u8>,
    }

    impl Pair {
        fn new(settings: Settings) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = Client::connect(listener.local_addr().unwrap()).unwrap();
            let (socket, address) = listener.accept().unwrap();
            socket.set_nonblocking(true).unwrap();
            let mut desk = Desk::new(Server::for_tests(settings));
            let (socket, peer) = (TcpStream::from_std(socket), Peer::new(address.ip()));
            let connection = Connection::new(socket, peer, KEY, &mut desk);
            desk.mailboxes.apply(state(0));
            client
                .write_all(
                    b"GET /ws?mailbox=alice HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                      Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                )
                .unwrap();
            client.set_nonblocking(true).unwrap();
            let mut pair = Self { client, connection, desk, received: Vec::new() };
            pair.turn_until(|pair| pair.has_received("\"unseen\":0,"));
            pair
        }

        /// Lets both sides work until something is the case.
        fn turn_until(&mut self, is_reached: impl Fn(&Self) -> bool) {
            let deadline = Instant::now() + Duration::from_secs(10);
            let mut buffer = vec![0; 64 * 1024];
            while !is_reached(self) {
                assert!(Instant::now() < deadline, "it never came to that");
                self.connection.turn(KEY, &mut self.desk).unwrap();
                if let Ok(len) = self.client.read(&mut buffer) {
                    // The filling of the subjects is left out.
                    self.received.extend(buffer[..len].iter().filter(|byte| **byte != b'x'));
                }
            }
        }

        fn has_received(&self, bytes: impl AsRef<[u8]>) -> bool {
            let bytes = bytes.as_ref();
            self.received.windows(bytes.len()).any(|window| window == bytes)
        }

        /// A mail arrives; its subject is long so that a socket is soon full.
        fn mail(&mut self, seq: u64) {
            let (id, before) = self.desk.mailboxes.apply(state(seq));
            let text = notice::change(&before.unwrap(), self.desk.mailboxes.state(id)).unwrap();
            self.connection.notify(&Prepared::text(&text), KEY, &mut self.desk).unwrap();
        }

        /// Mails arrive until the socket takes no more; how many.
        fn stall(&mut self) -> u64 {
            let mut seq = 0;
            while !self.connection.is_behind {
                seq += 1;
                self.mail(seq);
                assert!(self.connection.waiting.len() < 41_000);
                assert!(seq < 10_000, "the socket takes everything");
            }
            seq
        }

        /// Lets the time of the next deadline come; what the connection needs then.
        fn miss_deadline(&mut self) -> Next {
            let now = Instant::now() + Duration::from_secs(3600);
            loop {
                let reminder = self.desk.deadlines.expired(now).expect("a deadline");
                let was_set = self.connection.deadline.is_set();
                let next = self.connection.look_at_deadline(&reminder, &mut self.desk).unwrap();
                if was_set && (!self.connection.is_open() || next == Next::Removal) {
                    return next;
                }
            }
        }
    }

    /// A mailbox whose last mail has a long subject.
    fn state(seq: u64) -> Arc<State> {
        let mail = Mail { from: "Bob".into(), subject: "x".repeat(40_000) };
        let recent = if seq == 0 { vec![] } else { vec![Arc::new(mail)] };
        Arc::new(State { mailbox: "alice".into(), exists: true, seq, unseen: seq, recent })
    }

    #[test]
    fn a_slow_consumer_gets_the_latest_state_and_no_queue() {
        let mut pair = Pair::new(Settings::default());
        let first_missed = pair.stall();
        (first_missed + 1..=first_missed + 5).for_each(|seq| pair.mail(seq));
        assert!(pair.connection.waiting.len() < 41_000);
        assert_eq!(pair.desk.tally.coalesced, 6);

        pair.turn_until(|pair| !pair.connection.is_behind && pair.connection.waiting.is_empty());
        pair.turn_until(|pair| pair.has_received("\"type\":\"snapshot\""));
        pair.turn_until(|pair| pair.has_received(format!("\"seq\":{},", first_missed + 5)));
        for missed in first_missed..first_missed + 5 {
            assert!(!pair.has_received(format!("\"seq\":{missed},")), "{missed}");
        }
        pair.mail(first_missed + 6);
        pair.turn_until(|pair| pair.has_received(format!("\"seq\":{},", first_missed + 6)));
        assert!(!pair.connection.deadline.is_set());
    }

    #[test]
    fn who_stays_blocked_is_closed_with_1008() {
        let mut pair = Pair::new(Settings::default());
        pair.stall();
        assert!(pair.connection.deadline.is_set());
        assert_eq!(pair.miss_deadline(), Next::Sleep);
        assert!(matches!(pair.connection.stage, Stage::Ending));
        assert_eq!(pair.desk.mailboxes.watched_by(KEY), None);
        // Should it read after all, it learns why.
        pair.turn_until(|pair| pair.has_received(b"\x03\xf0too slow"));
    }

    #[test]
    fn the_own_outbox_is_free_while_nothing_waits() {
        let mut pair = Pair::new(Settings::default());
        pair.mail(1);
        pair.turn_until(|pair| pair.has_received("\"seq\":1,"));
        assert!(pair.connection.waiting.is_empty() && pair.desk.out.is_empty());
        assert!(!pair.connection.deadline.is_set());
    }

    #[test]
    fn s5_5_2_who_vanishes_is_found() {
        let mut pair = Pair::new(Settings::default());
        for _ in 0..3 {
            assert_eq!(pair.connection.pulse(KEY, &mut pair.desk).unwrap(), Next::Sleep);
            pair.turn_until(|pair| pair.received.ends_with(b"\x89\0"));
            pair.client.write_all(b"\x8a\x80\0\0\0\0").unwrap();
            pair.turn_until(|pair| pair.connection.quiet == 0);
        }
        for expected in [Next::Sleep, Next::Sleep, Next::Removal] {
            assert_eq!(pair.connection.pulse(KEY, &mut pair.desk).unwrap(), expected);
        }
    }

    #[test]
    fn who_is_blocked_is_not_taken_for_vanished() {
        let mut pair = Pair::new(Settings::default());
        pair.stall();
        for _ in 0..=MAX_UNANSWERED {
            assert_eq!(pair.connection.pulse(KEY, &mut pair.desk).unwrap(), Next::Sleep);
        }
        assert_eq!(pair.desk.tally.pings, 0);
    }

    #[test]
    fn a_flood_gets_its_bound_and_no_more() {
        let settings = Settings::default();
        let bound = settings.reads_per_turn;
        let mut pair = Pair::new(settings);
        let scratch = pair.desk.scratch.len();
        let pongs = b"\x8a\x80\0\0\0\0".repeat(bound * scratch);
        let sent = pair.client.write(&pongs).unwrap();
        assert!(sent > bound * scratch, "{sent}");
        let mut next = pair.connection.turn(KEY, &mut pair.desk).unwrap();
        assert_eq!(next, Next::Turn);
        while next == Next::Turn {
            next = pair.connection.turn(KEY, &mut pair.desk).unwrap();
        }
        assert_eq!(next, Next::Sleep);
    }
}
