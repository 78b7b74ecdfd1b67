//! What compressed connections cost in memory (RFC 7692, RFC 6455 §10.4), counted.

#![cfg(all(feature = "deflate", feature = "std"))]

mod support;

use std::io;

use dormouse::deflate::{Deflater, InflateError, Inflater};
use dormouse::{Client, Event, Input, Limits, Outbox, Role, Server, Violation, WebSocket};
use support::heap::{Counting, NOTHING, live, usage};
use support::outboxes::warm_outbox;
use support::{
    BINARY, CLOSE, CONTINUATION, FIN, KEY, RSV1, TEXT, ZERO_KEY, close_body, frame, waiting,
};

#[global_allocator]
static COUNTING: Counting = Counting;

/// 64 KiB of text that a codec makes a tenth of.
fn message() -> String {
    (0..9000).map(|number| format!("{:06} ", number * 7919 % 107)).collect::<String>()
}

fn server(limits: &Limits) -> (WebSocket<Server>, Outbox) {
    let mut ws = WebSocket::server(limits);
    ws.allow_compressed();
    (ws, Outbox::new(limits))
}

fn client(limits: &Limits) -> (WebSocket<Client>, Outbox) {
    let mut ws = WebSocket::client(limits, || KEY);
    ws.allow_compressed();
    (ws, Outbox::new(limits))
}

#[test]
fn an_idle_connection_without_takeover_is_as_small_as_any() {
    let limits = Limits::default();
    let (_connections, cost) = usage(|| (server(&limits), client(&limits)));
    assert_eq!(cost, NOTHING);
    assert!(size_of::<(WebSocket<Server>, Outbox)>() <= 32 + 16);
}

/// And it is so again after messages, in both directions and in pieces.
#[test]
fn a_connection_that_has_been_busy_is_as_small_as_before() {
    let limits = Limits::default();
    let (mut inflater, mut deflater) = (Inflater::new(false), Deflater::new(false, 15));
    let (mut room, mut shared) = (Vec::new(), warm_outbox());
    let (mut ws, mut own) = server(&limits);
    let before = live();
    let mut stream = sent(&mut client(&limits).0, &mut deflater, 3);
    for read in stream.chunks_mut(100) {
        let mut input = Input::new(read);
        while let Some(event) = ws.next(&mut input, &mut shared).unwrap() {
            let Ok(Event::Text(text)) = inflater.inflate(event, &mut room) else { panic!() };
            let mut out = own.sharing(&mut shared);
            deflater.text(&mut ws, &text, &mut Vec::new(), &mut out).unwrap();
            out.write_to(&mut io::sink()).unwrap();
        }
    }
    drop(stream);
    assert!(own.is_empty());
    let grown = live() - before - room.capacity() as isize;
    assert_eq!(grown, 0, "of the connection nothing is left on the heap");
}

/// So many messages as `ws` sends them.
fn sent<R: Role>(ws: &mut WebSocket<R>, deflater: &mut Deflater, count: usize) -> Vec<u8> {
    let limits = Limits::default();
    let (mut out, mut room) = (Outbox::new(&limits), Vec::new());
    for _ in 0..count {
        deflater.text(ws, &message(), &mut room, &mut out).unwrap();
    }
    let bytes = waiting(&out);
    assert!(bytes.len() < count * message().len() / 2);
    bytes
}

/// Receiving and answering with rooms that have been used before.
fn steady<A: Role, B: Role>(peer: &mut WebSocket<A>, ws: &mut WebSocket<B>, takeover: bool) {
    let (mut inflater, mut deflater) = (Inflater::new(takeover), Deflater::new(takeover, 15));
    let (mut inflated, mut deflated, mut out) = (Vec::new(), Vec::new(), warm_outbox());
    let mut of_peer = Deflater::new(takeover, 15);
    for round in 0..4 {
        let mut stream = sent(peer, &mut of_peer, 5);
        let (count, cost) = usage(|| {
            let mut input = Input::new(&mut stream);
            let mut count = 0;
            while let Some(event) = ws.next(&mut input, &mut out).unwrap() {
                let Ok(Event::Text(text)) = inflater.inflate(event, &mut inflated) else {
                    panic!()
                };
                deflater.text(ws, &text, &mut deflated, &mut out).unwrap();
                deflater.binary(ws, text.as_bytes(), &mut deflated, &mut out).unwrap();
                out.write_to(&mut io::sink()).unwrap();
                count += 1;
            }
            count
        });
        assert_eq!(count, 5);
        assert!(round == 0 || cost == NOTHING, "{cost:?} in round {round}");
    }
}

#[test]
fn messages_that_fit_the_rooms_allocate_nothing() {
    let limits = Limits::default();
    for takeover in [false, true] {
        steady(&mut client(&limits).0, &mut server(&limits).0, takeover);
        steady(&mut server(&limits).0, &mut client(&limits).0, takeover);
    }
}

/// What is kept for as long as a codec lives: the figures of the documentation, in KiB.
#[test]
fn what_a_codec_costs() {
    let kib = |bytes: isize| (bytes + 512) / 1024;
    assert_eq!(kib(usage(|| Inflater::new(true)).1.kept), 46);
    assert_eq!(kib(usage(|| Deflater::new(true, 15)).1.kept), 371);
    let (smallest, largest) =
        (usage(|| Deflater::new(true, 9)).1, usage(|| Deflater::new(true, 15)).1);
    println!("a window of 512 bytes: {smallest:?}, of 32 KiB: {largest:?}");
    assert!(smallest.kept < largest.kept);
}

/// A bomb of 1000:1: 80 MiB of zeros.
fn bomb() -> Vec<u8> {
    let (mut out, mut room) = (Outbox::new(&Limits::default()), Vec::new());
    let mut ws = WebSocket::server(&Limits::default());
    ws.allow_compressed();
    let zeros = vec![0; 80 << 20];
    Deflater::with_level(false, 15, 9).binary(&mut ws, &zeros, &mut room, &mut out).unwrap();
    let bytes = waiting(&out);
    assert!(bytes.len() * 1000 < zeros.len(), "{}", bytes.len());
    // The payload alone.
    bytes[10..].to_vec()
}

/// The most that a message in pieces may have beside the limit for what it inflates to: what has
/// arrived of it, at most twice, and the bookkeeping of the connection.
const BOOKKEEPING: usize = 256;

#[test]
fn s10_4_a_bomb_costs_no_more_than_the_limit() {
    const LIMIT: usize = 1 << 17;
    let limits = Limits { message: LIMIT as u32, ..Limits::default() };
    let bomb = bomb();
    let whole = frame(FIN | RSV1 | BINARY, None, &bomb);
    let mut fragments = Vec::new();
    let count = bomb.chunks(1000).count();
    for (number, payload) in bomb.chunks(1000).enumerate() {
        let opcode = if number == 0 { RSV1 | BINARY } else { CONTINUATION };
        let fin = if number + 1 == count { FIN } else { 0 };
        fragments.extend(frame(fin | opcode, None, payload));
    }
    for (stream, portion, pieces) in [
        (&whole, usize::MAX, 0),
        (&whole, 1, 2 * bomb.len()),
        (&fragments, usize::MAX, 2 * bomb.len()),
        (&fragments, 1, 2 * bomb.len()),
    ] {
        let mut stream = stream.clone();
        let (mut ws, mut out) = client(&limits);
        let (mut inflater, mut room) = (Inflater::new(false), Vec::new());
        let (wrong, cost) = usage(|| {
            for read in stream.chunks_mut(portion.min(1 << 30)) {
                let mut input = Input::new(read);
                while let Some(event) = ws.next(&mut input, &mut out).unwrap() {
                    if let Err(error) = inflater.inflate(event, &mut room) {
                        ws.fail(error.close_code(), &mut out);
                        return Some(error);
                    }
                }
            }
            None
        });
        assert_eq!(wrong, Some(InflateError::TooBig));
        assert_eq!(waiting(&out), frame(CLOSE, Some(KEY), &close_body(1009, "")));
        // A room of twice the size replaces one: both are there for a moment.
        let most = LIMIT + LIMIT / 2 + pieces + BOOKKEEPING;
        assert!(cost.peak <= most as isize, "{cost:?} in reads of {portion}, {pieces}");
        assert!(room.capacity() <= LIMIT);
    }
}

/// A message that would be too large on the wire is not even collected.
#[test]
fn s10_4_what_is_not_inflated_is_bounded_as_well() {
    let limits = Limits { message: 1000, ..Limits::default() };
    let (mut ws, mut out) = client(&limits);
    let mut bytes = support::header(FIN | RSV1 | BINARY, None, 1000 + 125 + 64);
    assert_eq!(ws.next(&mut Input::new(&mut bytes), &mut out), Ok(None));
    let (mut ws, mut out) = client(&limits);
    let mut bytes = support::header(FIN | RSV1 | BINARY, None, 1000 + 125 + 65);
    let next = ws.next(&mut Input::new(&mut bytes), &mut out);
    assert_eq!(next, Err(Violation::MessageTooBig));
    let (mut ws, mut out) = client(&limits);
    let mut whole = frame(FIN | RSV1 | BINARY, None, &[0x00; 1000 + 125 + 65]);
    let next = ws.next(&mut Input::new(&mut whole), &mut out);
    assert_eq!(next, Err(Violation::MessageTooBig));
}

#[test]
fn a_compressed_message_in_pieces_is_freed() {
    let limits = Limits::default();
    let piece = frame(RSV1 | TEXT, Some(ZERO_KEY), &[0x00; 5000]);
    for end in [
        frame(CLOSE, Some(ZERO_KEY), &close_body(1000, "")),
        frame(FIN | TEXT, Some(ZERO_KEY), b"no continuation"),
        frame(FIN | RSV1 | CONTINUATION, Some(ZERO_KEY), b""),
        frame(FIN | TEXT, None, b"not masked"),
    ] {
        let (mut ws, _) = server(&limits);
        let mut out = warm_outbox();
        let (mut piece, mut end) = (piece.clone(), end);
        let before = live();
        assert_eq!(ws.next(&mut Input::new(&mut piece), &mut out), Ok(None));
        assert!(live() > before + 4000);
        let _ = ws.next(&mut Input::new(&mut end), &mut out);
        assert!(ws.is_closed());
        assert_eq!(live(), before, "after {end:x?}");
    }
    let (mut ws, mut out) = server(&limits);
    let mut piece = piece;
    let before = live();
    assert_eq!(ws.next(&mut Input::new(&mut piece), &mut out), Ok(None));
    assert!(ws.end_of_stream().is_err());
    assert_eq!(live(), before);
}
