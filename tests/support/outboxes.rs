//! Outboxes with everything that can wait in one, and how to empty them.

use std::io::ErrorKind;
use std::sync::LazyLock;

use dormouse::{Event, Input, Limits, Outbox, Prepared, Server, WebSocket};

use super::model::PONGS_IN_FULL;
use super::sink::{Answer, Scripted};
use super::{BINARY, FIN, KEY, PING, PONG, TEXT, feed, frame, server};

pub const BLOCKS: Answer = Answer::Fails(ErrorKind::WouldBlock);

pub fn limited(outbox: u32) -> Outbox {
    Outbox::new(&Limits { outbox, ..Limits::default() })
}

/// An outbox of a thread that has been in use for a while.
pub fn warm_outbox() -> Outbox {
    let mut out = Outbox::keeping(&Limits { outbox: 4 << 20, ..Limits::default() }, 4 << 20);
    let (mut ws, _) = server();
    ws.binary(&vec![0; 2 << 20], &mut out).unwrap();
    ws.send(&Prepared::text(&"shared".repeat(30)), &mut out).unwrap();
    (0..17).for_each(|_| feed(&mut ws, &frame(PING, Some(KEY), &[0; 125]), &mut out));
    out.advance(usize::MAX);
    out
}

/// A frame that has been sent before. The first copy of a handle costs a reference count on the
/// heap, once for all connections.
pub fn shared(text: &str) -> Prepared {
    Prepared::text(text).clone()
}

/// A ping from a client arrives, and its pong is queued in `out`.
pub fn receive_ping(ws: &mut WebSocket<Server>, payload: &[u8], out: &mut Outbox) {
    let mut bytes = frame(PING, Some(KEY), payload);
    let event = ws.next(&mut Input::new(&mut bytes), out);
    assert_eq!(event, Ok(Some(Event::Ping(payload.into()))));
}

/// A whole pong of a server.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    frame(PONG, None, payload)
}

/// Queues as many pongs as are frames like any other, and returns them. The next one can be replaced.
pub fn push_pongs_in_full(ws: &mut WebSocket<Server>, out: &mut Outbox) -> Vec<u8> {
    (0..PONGS_IN_FULL as u8).for_each(|number| receive_ping(ws, &[number], out));
    (0..PONGS_IN_FULL as u8).flat_map(|number| pong(&[number])).collect()
}

/// A message that is worth sharing: short ones are copied, which costs less than a handle.
pub static LONG: LazyLock<String> = LazyLock::new(|| "shared ".repeat(50));

/// An outbox with everything that can wait in one: own frames, shared frames, and a pong that can be
/// replaced behind those that cannot.
pub fn mixed(out: &mut Outbox) -> Vec<u8> {
    let mut ws = WebSocket::server(&Limits::default());
    let pongs = push_pongs_in_full(&mut ws, out);
    ws.text("first", out).unwrap();
    ws.send(&Prepared::text(&LONG), out).unwrap();
    receive_ping(&mut ws, b"ping", out);
    ws.send(&Prepared::binary(b"again"), out).unwrap();
    ws.binary(b"last", out).unwrap();
    [
        pongs,
        frame(FIN | TEXT, None, b"first"),
        frame(FIN | TEXT, None, LONG.as_bytes()),
        pong(b"ping"),
        frame(FIN | BINARY, None, b"again"),
        frame(FIN | BINARY, None, b"last"),
    ]
    .concat()
}

/// Writes until nothing waits, as often as it takes, each time to a socket with the same script.
pub fn drain(out: &mut Outbox, answers: &[Answer]) -> Vec<u8> {
    let mut taken = Vec::new();
    while !out.is_empty() {
        let before = out.len();
        let mut sink = Scripted::new(answers.iter().copied());
        assert_eq!(out.write_to(&mut sink).unwrap(), sink.taken.len());
        assert_eq!(out.len(), before - sink.taken.len(), "what was taken waits no more");
        assert!(!sink.taken.is_empty(), "the script never gets on");
        taken.extend(sink.taken);
    }
    taken
}
