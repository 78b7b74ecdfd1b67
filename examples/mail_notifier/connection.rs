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
//! the connection is behind, and gets the latest state when it has caught up.

use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;

use dormouse::http::HeadReader;
use dormouse::server::Refusal;
use dormouse::{Input, Limits, Outbox, Prepared, Server, WebSocket};
use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::deadlines::{Deadlines, Ticket};
use crate::mailboxes::Mailboxes;
use crate::notice;
use crate::site::{self, Served};

/// How many reads one connection gets before the others have their turn.
const READS_PER_TURN: usize = 8;
/// One read, for all connections of a thread.
const SCRATCH_LEN: usize = 16 * 1024;
/// What the outbox of the thread keeps for the next answer.
const KEPT_LEN: u32 = 64 * 1024;
/// A page has nothing to say; the outbox holds the largest file of the page.
const LIMITS: Limits = Limits { message: 4 * 1024, outbox: 64 * 1024, head: 8 * 1024 };

/// One connection. Its key in the table of connections is passed in where it matters.
pub struct Connection {
    socket: TcpStream,
    stage: Stage,
    /// What the socket has not taken yet.
    waiting: Outbox,
    deadline: Option<Ticket>,
    /// Whether a notice was left out because something was waiting.
    is_behind: bool,
    watches_writable: bool,
}

/// An idle connection, with its place in the list of its mailbox, is to stay below 128 bytes.
const _: () = assert!(size_of::<Connection>() <= 96);

enum Stage {
    Head(HeadReader),
    Open(WebSocket<Server>),
    Ending,
    Lingering,
}

/// What all connections of one thread use in turn.
pub struct Desk {
    pub mailboxes: Mailboxes,
    pub deadlines: Deadlines,
    scratch: Vec<u8>,
    out: Outbox,
}

impl Desk {
    pub fn new() -> Self {
        Self {
            mailboxes: Mailboxes::default(),
            deadlines: Deadlines::default(),
            scratch: vec![0; SCRATCH_LEN],
            out: Outbox::keeping(&LIMITS, KEPT_LEN),
        }
    }
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
    pub fn new(socket: TcpStream, key: usize, desk: &mut Desk) -> Self {
        Self {
            socket,
            stage: Stage::Head(HeadReader::new(&LIMITS)),
            waiting: Outbox::new(&LIMITS),
            deadline: Some(desk.deadlines.start_handshake(key)),
            is_behind: false,
            watches_writable: false,
        }
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

    /// Whether the deadline with this ticket is the one that counts.
    pub fn is_due(&self, ticket: Ticket) -> bool {
        self.deadline == Some(ticket)
    }

    /// Writes what waits and reads what there is, up to a bound.
    ///
    /// # Errors
    /// When the socket fails: the connection is to be removed.
    pub fn turn(&mut self, key: usize, desk: &mut Desk) -> io::Result<Next> {
        self.flush(key, desk)?;
        for _ in 0..READS_PER_TURN {
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
            return Ok(());
        }
        // A notice is far smaller than an outbox, and nothing waits in this one.
        let _ = ws.send(notice, self.waiting.or(&mut desk.out));
        self.flush(key, desk)
    }

    /// Takes the first `len` bytes of the scratch buffer.
    fn receive(&mut self, len: usize, key: usize, desk: &mut Desk) -> io::Result<()> {
        let Desk { mailboxes, deadlines, scratch, out } = &mut *desk;
        let mut input = Input::new(&mut scratch[..len]);
        if let Stage::Head(reader) = &mut self.stage {
            let served = match reader.next(&mut input) {
                Ok(None) => return Ok(()),
                Ok(Some(head)) => site::serve(&head, mailboxes, self.waiting.or(out)),
                Err(error) => {
                    let _ = Refusal::from(error).write(self.waiting.or(out));
                    Served::Answered
                }
            };
            match served {
                Served::Answered => self.end(key, deadlines),
                Served::Watches(mailbox) => {
                    let mut ws = WebSocket::server(&LIMITS);
                    let hello = notice::hello(mailboxes.latest(mailbox));
                    let _ = ws.text(&hello, self.waiting.or(out));
                    mailboxes.watch(mailbox, key);
                    self.stage = Stage::Open(ws);
                    self.deadline = None;
                }
            }
        }
        if let Stage::Open(ws) = &mut self.stage {
            let out = self.waiting.or(out);
            // A page has nothing to say: its messages end here. Pings and Close have their answers
            // in the outbox, and so has a violation.
            while let Ok(Some(_)) = ws.next(&mut input, out) {}
            if ws.is_closed() {
                mailboxes.unwatch(key);
                self.end(key, deadlines);
            }
        }
        self.flush(key, desk)
    }

    /// Nothing more is to be said than what is queued already.
    fn end(&mut self, key: usize, deadlines: &mut Deadlines) {
        self.stage = Stage::Ending;
        self.deadline = Some(deadlines.start_ending(key));
    }

    /// Writes what is queued, then does what had to wait for that.
    fn flush(&mut self, key: usize, desk: &mut Desk) -> io::Result<()> {
        self.waiting.flush(&mut desk.out, &mut self.socket)?;
        if self.waiting.is_empty() && std::mem::take(&mut self.is_behind) {
            self.catch_up(key, desk);
            self.waiting.flush(&mut desk.out, &mut self.socket)?;
        }
        if self.waiting.is_empty() && matches!(self.stage, Stage::Ending) {
            self.stage = Stage::Lingering;
            self.socket.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    /// Queues the latest state for a connection that missed some.
    fn catch_up(&mut self, key: usize, desk: &mut Desk) {
        let latest = desk.mailboxes.watched_by(key).map(|mailbox| desk.mailboxes.latest(mailbox));
        if let (Stage::Open(ws), Some(text)) = (&mut self.stage, latest.and_then(notice::mail)) {
            let _ = ws.text(&text, self.waiting.or(&mut desk.out));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream as Client};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::bus::Update;
    use crate::mail::Mail;

    const KEY: usize = 3;

    /// A connection that watches "alice", and the client at its other end.
    struct Pair {
        client: Client,
        connection: Connection,
        desk: Desk,
        received: Vec<u8>,
    }

    impl Pair {
        fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = Client::connect(listener.local_addr().unwrap()).unwrap();
            let socket = listener.accept().unwrap().0;
            socket.set_nonblocking(true).unwrap();
            let mut desk = Desk::new();
            let connection = Connection::new(TcpStream::from_std(socket), KEY, &mut desk);
            desk.mailboxes.apply(update(0));
            client
                .write_all(
                    b"GET /ws?mailbox=alice HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                      Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                )
                .unwrap();
            client.set_nonblocking(true).unwrap();
            let mut pair = Self { client, connection, desk, received: Vec::new() };
            pair.turn_until(|pair| pair.has_received("\"unseen\":0}"));
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

        fn has_received(&self, text: &str) -> bool {
            self.received.windows(text.len()).any(|window| window == text.as_bytes())
        }

        /// A mail arrives; its subject is long so that a socket is soon full.
        fn mail(&mut self, seq: u64) {
            let id = self.desk.mailboxes.apply(update(seq));
            let text = notice::mail(self.desk.mailboxes.latest(id)).unwrap();
            self.connection.notify(&Prepared::text(&text), KEY, &mut self.desk).unwrap();
        }
    }

    fn update(seq: u64) -> Update {
        let mail = Mail { from: "Bob".into(), subject: "x".repeat(40_000) };
        Update { mailbox: "alice".into(), exists: true, seq, unseen: seq, mail: Some(mail) }
    }

    #[test]
    fn a_slow_consumer_gets_the_latest_state_and_no_queue() {
        let mut pair = Pair::new();
        let mut seq = 0;
        while !pair.connection.is_behind {
            seq += 1;
            pair.mail(seq);
            assert!(pair.connection.waiting.len() < 41_000);
            assert!(seq < 10_000, "the socket takes everything");
        }
        let first_missed = seq;
        (seq + 1..=seq + 5).for_each(|seq| pair.mail(seq));
        assert!(pair.connection.waiting.len() < 41_000);

        pair.turn_until(|pair| !pair.connection.is_behind && pair.connection.waiting.is_empty());
        pair.turn_until(|pair| pair.has_received(&format!("\"seq\":{},", first_missed + 5)));
        for missed in first_missed..first_missed + 5 {
            assert!(!pair.has_received(&format!("\"seq\":{missed},")), "{missed}");
        }
        pair.mail(first_missed + 6);
        pair.turn_until(|pair| pair.has_received(&format!("\"seq\":{},", first_missed + 6)));
    }

    #[test]
    fn the_own_outbox_is_free_while_nothing_waits() {
        let mut pair = Pair::new();
        pair.mail(1);
        pair.turn_until(|pair| pair.has_received("\"seq\":1,"));
        assert!(pair.connection.waiting.is_empty() && pair.desk.out.is_empty());
        assert_eq!(pair.connection.deadline, None);
    }

    #[test]
    fn a_flood_gets_its_bound_and_no_more() {
        let mut pair = Pair::new();
        let pongs = b"\x8a\x80\0\0\0\0".repeat(READS_PER_TURN * SCRATCH_LEN);
        let sent = pair.client.write(&pongs).unwrap();
        assert!(sent > READS_PER_TURN * SCRATCH_LEN, "{sent}");
        let mut next = pair.connection.turn(KEY, &mut pair.desk).unwrap();
        assert_eq!(next, Next::Turn);
        while next == Next::Turn {
            next = pair.connection.turn(KEY, &mut pair.desk).unwrap();
        }
        assert_eq!(next, Next::Sleep);
    }
}
