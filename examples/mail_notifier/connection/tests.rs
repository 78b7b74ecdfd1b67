use std::io::Write;
use std::net::{TcpListener, TcpStream as Client};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::mail::Mail;
use crate::settings::Settings;

const KEY: usize = 3;

/// A request for the notices of "alice".
pub const REQUEST: &[u8] =
    b"GET /ws?mailbox=alice HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
      Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

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
        client.write_all(REQUEST).unwrap();
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
        self.connection.notify(&Notice::new(text), KEY, &mut self.desk).unwrap();
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
    // The socket may have found room for all of it meanwhile.
    assert!(matches!(pair.connection.stage, Stage::Ending | Stage::Lingering));
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
