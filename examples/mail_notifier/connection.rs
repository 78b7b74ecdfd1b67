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
use dormouse::{CloseCode, Input, Outbox, Server as ServerRole, WebSocket};
use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::bus::State;
use crate::compression::{Compressor, Notice};
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
        self.waiting.write_to(&mut self.socket)?;
        self.go_on(key, desk)?;
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
    pub fn notify(&mut self, notice: &Notice, key: usize, desk: &mut Desk) -> io::Result<()> {
        let Stage::Open(ws) = &mut self.stage else { return Ok(()) };
        if !self.waiting.is_empty() {
            self.is_behind = true;
            desk.tally.coalesced += 1;
            return Ok(());
        }
        // A notice is far smaller than an outbox, and nothing waits in this one.
        let notice = notice.for_connection(ws, &mut desk.compressor);
        let mut out = self.waiting.sharing(&mut desk.out);
        let _ = ws.send(notice, &mut out);
        out.write_to(&mut self.socket)?;
        drop(out);
        desk.tally.frames += 1;
        self.go_on(key, desk)
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
        let mut out = self.waiting.sharing(&mut desk.out);
        let _ = ws.ping(b"", &mut out);
        out.write_to(&mut self.socket)?;
        drop(out);
        desk.tally.pings += 1;
        self.go_on(key, desk)?;
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
            ws.close(code, reason, &mut self.waiting);
            self.end(key, desk);
        }
        self.waiting.write_to(&mut self.socket)?;
        self.go_on(key, desk)
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
                let _ = site::too_late().write(&mut self.waiting);
                let _ = self.waiting.write_to(&mut self.socket);
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
        let Desk { mailboxes, scratch, out, server, tally, compressor, .. } = &mut *desk;
        let mut input = Input::new(&mut scratch[..len]);
        let mut out = self.waiting.sharing(out);
        let mut ends = false;
        if let Stage::Head(reader) = &mut self.stage {
            let served = match reader.next(&mut input) {
                Ok(None) => return Ok(()),
                Ok(Some(head)) => site::serve(&head, &self.socket, mailboxes, server, &mut out),
                Err(error) => {
                    server.refused("head", &[("error", &error)]);
                    let _ = Refusal::from(error).write(&mut out);
                    Served::Answered
                }
            };
            match served {
                Served::Answered => ends = true,
                Served::Watches { mailbox, known, takes_compressed } => {
                    mailboxes.watch(mailbox, key);
                    let mut ws = WebSocket::server(&server.limits);
                    if takes_compressed {
                        ws.allow_compressed();
                    }
                    let state = mailboxes.state(mailbox);
                    tally.frames += greet(&mut ws, state, known, server, compressor, &mut out);
                    self.stage = Stage::Open(ws);
                    self.deadline.clear();
                }
            }
        }
        if let Stage::Open(ws) = &mut self.stage {
            // A page has nothing to say: its messages end here. Pings and Close have their answers
            // in the outbox, and so has a violation.
            while let Ok(Some(_)) = ws.next(&mut input, &mut out) {}
            ends = ws.is_closed();
        }
        out.write_to(&mut self.socket)?;
        drop(out);
        if ends {
            self.end(key, desk);
        }
        self.go_on(key, desk)
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

    /// Does what had to wait until all is written, or sees to it that the peer takes it in time.
    fn go_on(&mut self, key: usize, desk: &mut Desk) -> io::Result<()> {
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
                self.catch_up(key, desk)?;
            }
        }
        if !self.waiting.is_empty() && !self.deadline.is_set() {
            desk.deadlines.set(&mut self.deadline, key, desk.server.settings.stall_timeout);
        }
        Ok(())
    }

    /// Sends the latest state to a connection that missed some.
    fn catch_up(&mut self, key: usize, desk: &mut Desk) -> io::Result<()> {
        let Some(mailbox) = desk.mailboxes.watched_by(key) else { return Ok(()) };
        if let Stage::Open(ws) = &mut self.stage {
            let latest = notice::snapshot(desk.mailboxes.state(mailbox));
            let mut out = self.waiting.sharing(&mut desk.out);
            let _ = desk.compressor.text(ws, &latest, &mut out);
            out.write_to(&mut self.socket)?;
            desk.tally.frames += 1;
        }
        Ok(())
    }
}

/// Says where the mailbox stands, and what the page has missed; returns how many messages that takes.
fn greet(
    ws: &mut WebSocket<ServerRole>,
    state: &State,
    known: Option<Known>,
    server: &Server,
    compressor: &mut Compressor,
    out: &mut Outbox,
) -> u64 {
    let mut texts = vec![notice::hello(state, server.bus.epoch())];
    texts.extend(known.into_iter().flat_map(|known| notice::missed(state, known)));
    for text in &texts {
        // All that is kept of a mailbox fits into an outbox.
        let _ = compressor.text(ws, text, out);
    }
    server.metrics.upgrades.inc();
    server.metrics.watching.inc();
    texts.len() as u64
}

#[cfg(test)]
pub mod tests;
