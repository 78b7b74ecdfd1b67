//! A server and a client joined by byte queues: whatever the network does to the portions, both see
//! the same conversation and both end it (RFC 6455 §5, §7).

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};

use arbitrary::{Arbitrary, Unstructured};
use dormouse::{CloseCode, Event, Input, Limits, Outbox, Role, SendError, WebSocket};

use super::super::{binary, text};

const LIMITS: Limits = Limits { message: 1 << 20, outbox: 1 << 26, head: 1 << 13 };

/// A message, and how it is sent.
#[derive(Arbitrary, Clone, Debug)]
pub enum Message {
    Text(String),
    Binary(Vec<u8>),
    /// So many bytes, which is too much to be made one by one.
    Long(#[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(60_000..=70_000))] usize),
    /// Fragments, each followed by a ping.
    Fragments(Vec<String>),
}

/// What one side does next.
#[derive(Arbitrary, Clone, Debug)]
pub enum Step {
    Say(Message),
    Ping(Vec<u8>),
    /// Writes so many bytes, or what waits.
    Write(u16),
    /// Reads so many bytes, or what has come.
    Read(u16),
    Close,
}

/// A conversation, step by step, the server's if the first value is true; then one side closes, and
/// the rest is carried over in portions of one size.
#[derive(Arbitrary, Clone, Debug)]
pub struct Conversation {
    pub steps: Vec<(bool, Step)>,
    pub portion: u16,
    pub server_closes: bool,
}

pub fn target(bytes: &[u8]) {
    if let Ok(conversation) = Unstructured::new(bytes).arbitrary() {
        both_see_the_same(conversation);
    }
}

/// Both sides see what the other one said, in order, and the closing handshake completes.
pub fn both_see_the_same(conversation: Conversation) {
    let Conversation { steps, portion, server_closes } = conversation;
    let (mut server, mut client) = endpoints();
    let (mut up, mut down) = (Wire::default(), Wire::default());
    for (is_server, step) in &steps {
        match is_server {
            true => server.perform(step, &mut down, &mut up),
            false => client.perform(step, &mut up, &mut down),
        }
    }
    if server_closes {
        server.close()
    } else {
        client.close()
    }
    let mut portions = 0;
    while server.has_more(&down) || client.has_more(&up) {
        // A long message need not come in single bytes to its end.
        portions += 1;
        let portion = if portions < 1000 { usize::from(portion.max(1)) } else { 1 << 20 };
        server.write(&mut down, portion);
        client.write(&mut up, portion);
        server.read(&mut up, portion);
        client.read(&mut down, portion);
    }

    assert!(server.ws.is_closed() && client.ws.is_closed());
    assert!(server.ws.end_of_stream().is_ok() && client.ws.end_of_stream().is_ok());
    assert_eq!((client.seen_close(), server.seen_close()), (Some(1001), Some(1001)));
    // What was sent before the Close arrived was seen, in order; §5.5.1 lets a side that has sent its
    // Close still receive, so nothing is lost until the other side's Close.
    assert_eq!(client.seen_data(), server.sent);
    assert_eq!(server.seen_data(), client.sent);
}

/// One direction of a connection, of which each write takes a few bytes and then blocks.
#[derive(Default)]
pub struct Wire {
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
pub struct Endpoint<R> {
    pub ws: WebSocket<R>,
    pub out: Outbox,
    pub seen: Vec<Event<'static>>,
    /// The data messages that this side has been allowed to send.
    pub sent: Vec<Event<'static>>,
    pub pings: Vec<Vec<u8>>,
}

pub fn endpoints() -> (Endpoint<dormouse::Server>, Endpoint<dormouse::Client>) {
    SEED.set(1);
    (Endpoint::new(WebSocket::server(&LIMITS)), Endpoint::new(WebSocket::client(&LIMITS, next_key)))
}

/// Two sides that run until nothing is left to carry over, with portions of one size.
pub fn settle<A: Role, B: Role>(a: &mut Endpoint<A>, b: &mut Endpoint<B>, portion: usize) {
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

impl<R: Role> Endpoint<R> {
    fn new(ws: WebSocket<R>) -> Self {
        let out = Outbox::new(&LIMITS);
        Self { ws, out, seen: Vec::new(), sent: Vec::new(), pings: Vec::new() }
    }

    fn perform(&mut self, step: &Step, to: &mut Wire, from: &mut Wire) {
        match step {
            Step::Say(message) => self.say(message),
            Step::Ping(payload) => self.ping(payload.get(..125).unwrap_or(payload)),
            Step::Write(room) => self.write(to, usize::from(*room)),
            Step::Read(len) => self.read(from, usize::from(*len)),
            Step::Close => self.close(),
        }
    }

    pub fn say(&mut self, message: &Message) {
        let out = &mut self.out;
        let (event, result) = match message {
            Message::Text(words) => (text(words), self.ws.text(words, out)),
            Message::Binary(bytes) => (binary(bytes), self.ws.binary(bytes, out)),
            Message::Long(len) => {
                let words = "x".repeat(*len);
                (text(&words), self.ws.text(&words, out))
            }
            Message::Fragments(parts) => {
                let mut result = self.ws.text_fragment("", out);
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

    pub fn ping(&mut self, payload: &[u8]) {
        if self.ws.ping(payload, &mut self.out).is_ok() {
            self.pings.push(payload.to_vec());
        }
    }

    pub fn close(&mut self) {
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

    pub fn seen_close(&self) -> Option<u16> {
        match self.seen.last() {
            Some(Event::Close(frame)) => {
                Some(frame.as_ref().map_or(1005, |frame| frame.code.get()))
            }
            _ => None,
        }
    }
}

thread_local!(static SEED: Cell<u32> = const { Cell::new(1) });

/// A key that is another one for each frame.
fn next_key() -> [u8; 4] {
    SEED.set(SEED.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    SEED.get().to_be_bytes()
}
