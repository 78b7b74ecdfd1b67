//! A server and a client joined by byte queues: whatever the network does to the portions, both see
//! the same conversation and both end it (RFC 6455 §5, §7).

#![cfg(feature = "std")]

mod support;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};

use dormouse::{CloseCode, Event, Input, Limits, Outbox, Prepared, Role, SendError, WebSocket};
use proptest::collection::vec;
use proptest::prelude::*;
use support::streams::config;
use support::{binary, text};

const LIMITS: Limits = Limits { message: 1 << 20, outbox: 1 << 24, head: 1 << 13 };

/// One direction of a connection, of which each write takes a few bytes and then blocks.
#[derive(Default)]
struct Wire {
    bytes: VecDeque<u8>,
    room: usize,
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = bytes.len().min(self.room);
        self.bytes.extend(&bytes[..taken]);
        self.room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One side: its connection, and what it has seen and said.
struct Endpoint<R> {
    ws: WebSocket<R>,
    out: Outbox,
    seen: Vec<Event<'static>>,
    /// The data messages that this side has been allowed to send.
    sent: Vec<Event<'static>>,
    pings: Vec<Vec<u8>>,
}

impl<R: Role> Endpoint<R> {
    fn new(ws: WebSocket<R>) -> Self {
        let out = Outbox::new(&LIMITS);
        Self { ws, out, seen: Vec::new(), sent: Vec::new(), pings: Vec::new() }
    }

    fn say(&mut self, message: &Message) {
        let out = &mut self.out;
        let (event, result) = match message {
            Message::Text(words) => (text(words), self.ws.text(words, out)),
            Message::Binary(bytes) => (binary(bytes), self.ws.binary(bytes, out)),
            Message::Fragments(parts) => {
                let mut result = Ok(());
                for part in parts {
                    result = result.and(self.ws.text_fragment(part, out));
                    let _ = self.ws.ping(b"between", out);
                }
                (text(&parts.concat()), result.and(self.ws.finish_message(out)))
            }
        };
        match result {
            Ok(()) => self.sent.push(event),
            Err(error) => assert_eq!(error, SendError::Closed),
        }
    }

    fn ping(&mut self, payload: &[u8]) {
        if self.ws.ping(payload, &mut self.out).is_ok() {
            self.pings.push(payload.to_vec());
        }
    }

    fn close(&mut self) {
        self.ws.close(CloseCode::GOING_AWAY, "enough", &mut self.out);
    }

    /// Whether there is something that the other side has not read.
    fn has_more(&self, wire: &Wire) -> bool {
        !self.out.is_empty() || !wire.bytes.is_empty()
    }

    /// Writes to the wire what it takes now.
    fn write(&mut self, wire: &mut Wire, room: usize) {
        wire.room = room;
        self.out.write_to(wire).expect("the wire only blocks");
    }

    /// Reads up to `len` bytes off the wire.
    fn read(&mut self, wire: &mut Wire, len: usize) {
        let mut scratch: Vec<u8> = wire.bytes.drain(..len.min(wire.bytes.len())).collect();
        let mut input = Input::new(&mut scratch);
        while let Some(event) = self.ws.next(&mut input, &mut self.out).expect("no violation") {
            self.seen.push(event.into_owned());
        }
        assert!(input.is_empty());
    }

    fn seen_data(&self) -> Vec<Event<'static>> {
        let is_data = |event: &&Event| matches!(event, Event::Text(_) | Event::Binary(_));
        self.seen.iter().filter(is_data).cloned().collect()
    }

    fn seen_close(&self) -> Option<u16> {
        match self.seen.last() {
            Some(Event::Close(frame)) => {
                Some(frame.as_ref().map_or(1005, |frame| frame.code.get()))
            }
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
enum Message {
    Text(String),
    Binary(Vec<u8>),
    Fragments(Vec<String>),
}

/// What one side does next.
#[derive(Clone, Debug)]
enum Step {
    Say(Message),
    Ping(Vec<u8>),
    Write(usize),
    Read(usize),
    Close,
}

fn message() -> impl Strategy<Value = Message> {
    let words = || vec(prop_oneof![Just('a'), Just('é'), Just('€'), Just('🐭')], 0..20);
    let words = move || words().prop_map(String::from_iter);
    prop_oneof![
        4 => words().prop_map(Message::Text),
        1 => (60_000..70_000usize).prop_map(|len| Message::Text("x".repeat(len))),
        3 => vec(any::<u8>(), 0..300).prop_map(Message::Binary),
        3 => vec(words(), 1..5).prop_map(Message::Fragments),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let portion = || prop_oneof![Just(1usize), 1..10usize, 1..500usize, Just(100_000)];
    prop_oneof![
        6 => message().prop_map(Step::Say),
        2 => vec(any::<u8>(), 0..126).prop_map(Step::Ping),
        8 => portion().prop_map(Step::Write),
        8 => portion().prop_map(Step::Read),
        1 => Just(Step::Close),
    ]
}

fn perform<R: Role>(step: &Step, side: &mut Endpoint<R>, to: &mut Wire, from: &mut Wire) {
    match step {
        Step::Say(message) => side.say(message),
        Step::Ping(payload) => side.ping(payload),
        Step::Write(room) => side.write(to, *room),
        Step::Read(len) => side.read(from, *len),
        Step::Close => side.close(),
    }
}

/// A key that is another one for each frame.
fn next_key() -> [u8; 4] {
    use std::cell::Cell;
    thread_local!(static SEED: Cell<u32> = const { Cell::new(1) });
    SEED.set(SEED.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    SEED.get().to_be_bytes()
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn both_see_the_same_conversation(
        steps in vec((any::<bool>(), step()), 1..80),
        portion in prop_oneof![Just(1usize), 2..20usize, Just(5000)],
        server_closes in any::<bool>(),
    ) {
        let mut server = Endpoint::new(WebSocket::server(&LIMITS));
        let mut client = Endpoint::new(WebSocket::client(&LIMITS, next_key));
        let (mut up, mut down) = (Wire::default(), Wire::default());
        for (is_server, step) in &steps {
            match is_server {
                true => perform(step, &mut server, &mut down, &mut up),
                false => perform(step, &mut client, &mut up, &mut down),
            }
        }
        if server_closes { server.close() } else { client.close() }
        while server.has_more(&down) || client.has_more(&up) {
            server.write(&mut down, portion);
            client.write(&mut up, portion);
            server.read(&mut up, portion);
            client.read(&mut down, portion);
        }

        prop_assert!(server.ws.is_closed() && client.ws.is_closed());
        prop_assert!(server.ws.end_of_stream().is_ok() && client.ws.end_of_stream().is_ok());
        prop_assert_eq!(client.seen_close(), Some(1001));
        prop_assert_eq!(server.seen_close(), Some(1001));
        // What was sent before the Close arrived was seen, in order; §5.5.1 lets a side that has
        // sent its Close still receive, so nothing is lost until the other side's Close.
        prop_assert_eq!(client.seen_data(), &*server.sent);
        prop_assert_eq!(server.seen_data(), &*client.sent);
    }
}

/// Two sides that run to the end with portions of one size.
fn settle<A: Role, B: Role>(a: &mut Endpoint<A>, b: &mut Endpoint<B>, portion: usize) {
    let (mut to_b, mut to_a) = (Wire::default(), Wire::default());
    loop {
        a.write(&mut to_b, portion);
        b.write(&mut to_a, portion);
        if to_a.bytes.is_empty() && to_b.bytes.is_empty() {
            return;
        }
        a.read(&mut to_a, portion);
        b.read(&mut to_b, portion);
    }
}

fn endpoints() -> (Endpoint<dormouse::Server>, Endpoint<dormouse::Client>) {
    (Endpoint::new(WebSocket::server(&LIMITS)), Endpoint::new(WebSocket::client(&LIMITS, next_key)))
}

#[test]
fn s7_1_2_either_side_may_close_first() {
    for portion in [1, 2, 3, 1000] {
        let (mut server, mut client) = endpoints();
        server.say(&Message::Text("last words".into()));
        server.close();
        settle(&mut server, &mut client, portion);
        assert_eq!(client.seen[0], text("last words"));
        assert_eq!((server.seen_close(), client.seen_close()), (Some(1001), Some(1001)));

        let (mut server, mut client) = endpoints();
        client.say(&Message::Text("last words".into()));
        client.close();
        settle(&mut server, &mut client, portion);
        assert_eq!(server.seen[0], text("last words"));
        assert_eq!((server.seen_close(), client.seen_close()), (Some(1001), Some(1001)));
    }
}

#[test]
fn s7_1_3_closes_that_cross() {
    for portion in [1, 2, 3, 1000] {
        let (mut server, mut client) = endpoints();
        server.ws.close(CloseCode::GOING_AWAY, "down", &mut server.out);
        client.ws.close(CloseCode::NORMAL, "done", &mut client.out);
        settle(&mut server, &mut client, portion);
        assert!(server.ws.is_closed() && client.ws.is_closed());
        assert_eq!((server.seen_close(), client.seen_close()), (Some(1000), Some(1001)));
        assert_eq!((server.seen.len(), client.seen.len()), (1, 1), "one Close each, no echo");
    }
}

#[test]
fn s5_5_2_every_ping_is_answered_when_nothing_blocks() {
    let (mut server, mut client) = endpoints();
    for number in 0..20u8 {
        client.ping(&vec![number; usize::from(number)]);
        settle(&mut server, &mut client, 1000);
        let ping = client.pings.last().unwrap().clone();
        assert_eq!(client.seen.last(), Some(&Event::Pong(ping.into())));
    }
    assert_eq!((client.seen.len(), server.seen.len()), (20, 20));
}

#[test]
fn s5_6_messages_of_every_length_form_both_ways() {
    for len in [0, 1, 125, 126, 65_535, 65_536, (1 << 20)] {
        let (mut server, mut client) = endpoints();
        let message = Message::Binary((0..len).map(|at| at as u8).collect());
        server.say(&message);
        client.say(&message);
        settle(&mut server, &mut client, 4099);
        assert_eq!((server.seen.clone(), client.seen.clone()), (client.sent, server.sent));
    }
}

#[test]
fn a_broadcast_reaches_clients_at_every_pace() {
    let shared = Prepared::text("three new mails");
    for portion in 1..20 {
        let (mut server, mut client) = endpoints();
        server.ws.send(&shared, &mut server.out).unwrap();
        server.ws.send(&shared, &mut server.out).unwrap();
        settle(&mut server, &mut client, portion);
        assert_eq!(client.seen, [text("three new mails"), text("three new mails")]);
    }
}
