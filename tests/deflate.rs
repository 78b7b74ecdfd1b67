//! permessage-deflate (RFC 7692): what is on the wire, what comes out of it, and what it costs.

#![cfg(feature = "deflate")]

mod support;

use dormouse::decode::FrameError;
use dormouse::deflate::{Deflater, InflateError, Inflater};
use dormouse::utf8::InvalidUtf8;
use dormouse::{
    Client, Event, Input, Limits, MessageKind, Outbox, Prepared, Role, SendError, Server,
    Violation, WebSocket,
};
use support::heap::{Counting, usage};
use support::{
    BINARY, CLOSE, CONTINUATION, FIN, KEY, PING, TEXT, ZERO_KEY, binary, close_body, frame, text,
    waiting,
};

#[global_allocator]
static HEAP: Counting = Counting;

/// The bit in the first byte of a compressed message (§6).
const RSV1: u8 = 0x40;

/// A client that has negotiated compression, an inflater and its room: as the peer of a server.
struct Reader {
    ws: WebSocket<Client>,
    out: Outbox,
    inflater: Inflater,
    room: Vec<u8>,
}

impl Reader {
    fn new(takeover: bool) -> Self {
        Self::with_limit(takeover, Limits::default().message)
    }

    fn with_limit(takeover: bool, message: u32) -> Self {
        let limits = Limits { message, ..Limits::default() };
        let mut ws = WebSocket::client(&limits, || ZERO_KEY);
        ws.allow_compressed();
        let (inflater, room) = (Inflater::new(takeover), Vec::new());
        Self { ws, out: Outbox::new(&limits), inflater, room }
    }

    /// The events of `bytes`, which come in reads of `portion`; a message that does not inflate fails
    /// the connection.
    fn read(&mut self, bytes: &[u8], portion: usize) -> Result<Vec<Event<'static>>, Wrong> {
        let mut events = Vec::new();
        for read in bytes.to_vec().chunks_mut(portion) {
            let mut input = Input::new(read);
            while let Some(event) = self.ws.next(&mut input, &mut self.out).map_err(Wrong::Frame)? {
                match self.inflater.inflate(event, &mut self.room) {
                    Ok(event) => events.push(event.into_owned()),
                    Err(error) => {
                        self.ws.fail(error.close_code(), &mut self.out);
                        return Err(Wrong::Message(error));
                    }
                }
            }
        }
        Ok(events)
    }
}

#[derive(Debug, PartialEq)]
enum Wrong {
    Frame(Violation),
    Message(InflateError),
}

/// What a reader makes of `bytes`, whatever the reads.
#[track_caller]
fn reads(bytes: &[u8], takeover: bool) -> Result<Vec<Event<'static>>, Wrong> {
    let whole = Reader::new(takeover).read(bytes, usize::MAX);
    for portion in [1, 2, 3, 7] {
        assert_eq!(Reader::new(takeover).read(bytes, portion), whole, "in reads of {portion}");
    }
    whole
}

fn compressed(payload: &[u8]) -> Vec<u8> {
    frame(FIN | RSV1 | TEXT, None, payload)
}

/// "Hello" compressed, §7.2.3.1.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn s7_2_3_1_one_block() {
    assert_eq!(reads(&compressed(&HELLO), false), Ok(vec![text("Hello")]));
    let fragments =
        [frame(RSV1 | TEXT, None, &HELLO[..3]), frame(FIN | CONTINUATION, None, &HELLO[3..])];
    assert_eq!(reads(&fragments.concat(), false), Ok(vec![text("Hello")]));
}

#[test]
fn s7_2_3_2_a_shared_window() {
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let both = [compressed(&HELLO), compressed(&second)].concat();
    assert_eq!(reads(&both, true), Ok(vec![text("Hello"), text("Hello")]));
    assert_eq!(reads(&both, false), Err(Wrong::Message(InflateError::Data)));
}

#[test]
fn s7_2_3_3_a_stored_block() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(reads(&compressed(&stored), false), Ok(vec![text("Hello")]));
}

#[test]
fn s7_2_3_4_a_final_block() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    for takeover in [false, true] {
        let thrice = compressed(&last).repeat(3);
        assert_eq!(reads(&thrice, takeover), Ok(vec![text("Hello"); 3]));
    }
}

#[test]
fn s7_2_3_5_two_blocks() {
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(reads(&compressed(&two), false), Ok(vec![text("Hello")]));
}

#[test]
fn s7_2_3_6_an_empty_message() {
    assert_eq!(reads(&compressed(&[0x00]), false), Ok(vec![text("")]));
    assert_eq!(reads(&compressed(&[]), false), Ok(vec![text("")]));
}

#[test]
fn s6_plain_messages_and_control_frames_in_between() {
    let bytes = [
        frame(FIN | TEXT, None, b"plain"),
        frame(RSV1 | TEXT, None, &HELLO[..2]),
        frame(PING, None, b"p"),
        frame(CONTINUATION, None, &[]),
        frame(FIN | CONTINUATION, None, &HELLO[2..]),
        frame(FIN | RSV1 | BINARY, None, &HELLO),
        frame(FIN | BINARY, None, &HELLO),
    ];
    let ping = Event::Ping(b"p".into());
    let expected = vec![text("plain"), ping, text("Hello"), binary(b"Hello"), binary(&HELLO)];
    assert_eq!(reads(&bytes.concat(), false), Ok(expected));
}

#[test]
fn s6_rsv1_is_for_the_first_frame_of_a_message() {
    let reserved = Err(Wrong::Frame(Violation::Frame(FrameError::ReservedBits)));
    for bytes in [
        frame(RSV1 | PING, None, b""),
        frame(RSV1 | CLOSE, None, &close_body(1000, "")),
        [frame(RSV1 | TEXT, None, &HELLO), frame(RSV1 | CONTINUATION, None, b"")].concat(),
        [frame(TEXT, None, b"a"), frame(FIN | RSV1 | CONTINUATION, None, b"")].concat(),
        frame(FIN | 0x20 | TEXT, None, b""),
        frame(FIN | RSV1 | 0x10 | TEXT, None, &HELLO),
    ] {
        assert_eq!(reads(&bytes, false), reserved, "{bytes:x?}");
    }
    let mut ws = WebSocket::client(&Limits::default(), || ZERO_KEY);
    let mut bytes = compressed(&HELLO);
    let next = ws.next(&mut Input::new(&mut bytes), &mut Outbox::new(&Limits::default()));
    assert_eq!(next, Err(FrameError::ReservedBits.into()), "not negotiated");
}

/// One that is not negotiated fails the connection of whoever gets it: of a broadcast, all the plain ones.
#[test]
fn s5_2_rsv1_is_not_sent_where_it_was_not_negotiated() {
    let limits = Limits::default();
    let message = Deflater::new(false, 15).prepare_text(&"mail ".repeat(100), &mut Vec::new());
    assert_eq!(message.as_ref()[0], FIN | RSV1 | TEXT);
    let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    assert_eq!(ws.send(&message, &mut out), Err(SendError::NotNegotiated));
    let sent = ws.send_compressed(MessageKind::Text, &HELLO, &mut out);
    assert_eq!((sent, out.is_empty()), (Err(SendError::NotNegotiated), true));
    ws.allow_compressed();
    assert_eq!(ws.send(&message, &mut out), Ok(()));
    assert_eq!(ws.send_compressed(MessageKind::Text, &HELLO, &mut out), Ok(()));
}

#[test]
fn s7_2_2_what_does_not_inflate() {
    let mut reader = Reader::new(false);
    for bytes in [&[0xff, 0xff, 0xff][..], &[0x06], &[0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48]] {
        let wrong = Reader::new(false).read(&compressed(bytes), usize::MAX);
        assert_eq!(wrong, Err(Wrong::Message(InflateError::Data)), "{bytes:x?}");
    }
    assert!(reader.read(&compressed(&[0xff]), 1).is_err());
    assert_eq!(waiting(&reader.out), frame(CLOSE, Some(ZERO_KEY), &close_body(1007, "")));
    assert!(reader.ws.is_closed());
    assert_eq!(reader.read(&compressed(&HELLO), 1), Ok(vec![]), "nothing after the end");
    // An inflater of a thread goes on with the next connection.
    let Reader { inflater, .. } = reader;
    let mut next = Reader { inflater, ..Reader::new(false) };
    assert_eq!(next.read(&compressed(&HELLO), 1), Ok(vec![text("Hello")]));
}

/// A server's frames for messages out of a deflater.
fn sent(deflater: &mut Deflater, messages: &[&str]) -> Vec<u8> {
    let limits = Limits { outbox: 1 << 26, ..Limits::default() };
    let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    ws.allow_compressed();
    for message in messages {
        deflater.text(&mut ws, message, &mut Vec::new(), &mut out).unwrap();
    }
    waiting(&out)
}

#[test]
fn s8_1_text_is_validated_after_inflation() {
    let bytes = sent(&mut Deflater::new(false, 15), &[&"\u{e9}".repeat(100)]);
    assert_eq!(reads(&bytes, false), Ok(vec![text(&"\u{e9}".repeat(100))]));
    let limits = Limits::default();
    let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    ws.allow_compressed();
    let invalid = "\u{e9}".repeat(100).into_bytes()[..199].to_vec();
    Deflater::new(false, 15).binary(&mut ws, &invalid, &mut Vec::new(), &mut out).unwrap();
    let mut bytes = waiting(&out);
    assert_eq!(reads(&bytes, false), Ok(vec![binary(&invalid)]));
    bytes[0] = FIN | RSV1 | TEXT;
    assert_eq!(reads(&bytes, false), Err(Wrong::Message(InvalidUtf8.into())));
    assert_eq!(InflateError::Text(InvalidUtf8).close_code().get(), 1007);
}

#[test]
fn s10_4_a_bomb_costs_the_limit() {
    let bomb = sent(&mut Deflater::with_level(false, 15, 9), &[&"0".repeat(50 << 20)]);
    assert!(bomb.len() < 60_000, "{}", bomb.len());
    let mut reader = Reader::with_limit(false, 1 << 16);
    let (wrong, usage) = usage(|| reader.read(&bomb, usize::MAX));
    assert_eq!(wrong, Err(Wrong::Message(InflateError::TooBig)));
    assert_eq!(InflateError::TooBig.close_code().get(), 1009);
    println!("{usage:?}");
}

#[test]
fn s10_4_the_limit_is_exact() {
    for limit in [100, 4096, 5000] {
        let fits = sent(&mut Deflater::new(false, 15), &[&"0".repeat(limit)]);
        let over = sent(&mut Deflater::new(false, 15), &[&"0".repeat(limit + 1)]);
        let mut reader = Reader::with_limit(false, limit as u32);
        assert_eq!(reader.read(&fits, 5), Ok(vec![text(&"0".repeat(limit))]));
        assert_eq!(reader.read(&over, 5), Err(Wrong::Message(InflateError::TooBig)));
    }
}

#[test]
fn a_connection_that_has_not_negotiated_is_sent_plain_messages() {
    let limits = Limits::default();
    let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    let (mut deflater, words) = (Deflater::new(true, 15), "one and one and one ".repeat(5));
    deflater.text(&mut ws, &words, &mut Vec::new(), &mut out).unwrap();
    deflater.binary(&mut ws, words.as_bytes(), &mut Vec::new(), &mut out).unwrap();
    let plain = [FIN | TEXT, FIN | BINARY].map(|first| frame(first, None, words.as_bytes()));
    assert_eq!(waiting(&out), plain.concat());
}

#[test]
fn s10_4_what_is_too_big_is_so_before_it_is_broken() {
    // A literal, and a symbol that does not exist, which the codec looks at too early.
    let bytes = compressed(&[0x4a, 0x1c, 0x03]);
    for (limit, wrong) in [(0, InflateError::TooBig), (1, InflateError::Data)] {
        let read = Reader::with_limit(false, limit).read(&bytes, usize::MAX);
        assert_eq!(read, Err(Wrong::Message(wrong)), "{limit}");
    }
}

#[test]
fn s7_2_1_takeover_makes_later_messages_smaller() {
    let message = "A mail from Bob <bob@example.org> with the subject: Dinner tonight at eight?";
    let apart = sent(&mut Deflater::new(false, 15), &[message; 3]);
    let joined = sent(&mut Deflater::new(true, 15), &[message; 3]);
    assert!(joined.len() * 2 < apart.len(), "{} {}", joined.len(), apart.len());
    assert_eq!(reads(&joined, true), Ok(vec![text(message); 3]));
    assert_eq!(reads(&apart, true), Ok(vec![text(message); 3]));
    assert_eq!(reads(&apart, false), Ok(vec![text(message); 3]));
}

/// What was compressed and not sent must not be referred to later.
#[test]
fn s7_2_1_a_message_that_was_not_sent_leaves_no_trace() {
    let message =
        "the same words in each of them, so that a later one would refer to an earlier one";
    let limits = Limits { outbox: 100, ..Limits::default() };
    let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    ws.allow_compressed();
    let (mut deflater, mut room) = (Deflater::new(true, 15), Vec::new());
    let mut reader = Reader::new(true);
    let mut refused = 0;
    for _ in 0..20 {
        match deflater.text(&mut ws, message, &mut room, &mut out) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, SendError::Full);
                refused += 1;
                let bytes = waiting(&out);
                out.clear();
                assert!(reader.read(&bytes, 7).is_ok_and(|events| !events.is_empty()));
            }
        }
    }
    assert!(refused > 1);
}

/// Bytes that cannot be compressed.
fn noise(len: usize) -> Vec<u8> {
    let mut seed = 1u32;
    let next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn short_and_incompressible_messages_go_out_plain() {
    let mut deflater = Deflater::new(false, 15);
    assert_eq!(sent(&mut deflater, &["a".repeat(63).as_str()])[0], FIN | TEXT);
    assert_eq!(sent(&mut deflater, &["a".repeat(64).as_str()])[0], FIN | RSV1 | TEXT);
    let mut picky = Deflater::new(false, 15).threshold(1000);
    assert_eq!(sent(&mut picky, &["a".repeat(999).as_str()])[0], FIN | TEXT);
    let noise = noise(5000);
    let limits = Limits::default();
    let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    ws.allow_compressed();
    deflater.binary(&mut ws, &noise, &mut Vec::new(), &mut out).unwrap();
    assert_eq!(waiting(&out), frame(FIN | BINARY, None, &noise));
    // A window that the codec does not have.
    assert_eq!(sent(&mut Deflater::new(false, 8), &["a".repeat(640).as_str()])[0], FIN | TEXT);
}

/// The deflater gives up where the room is full, with blocks half done and bytes not taken.
#[test]
fn a_message_that_does_not_shrink_leaves_no_trace() {
    let message = "what shrinks very well, ".repeat(20);
    let limits = Limits { outbox: 1 << 20, ..Limits::default() };
    for level in [1, 6] {
        for (len, room) in [(20_000, 0), (20_000, 20_000), (200_000, 0), (65_600, 5), (100, 1)] {
            let noise = noise(len);
            let mut deflater = Deflater::with_level(false, 15, level);
            let expected = sent(&mut deflater, &[&message]);
            for _ in 0..6 {
                let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
                ws.allow_compressed();
                deflater.binary(&mut ws, &noise, &mut vec![0; room], &mut out).unwrap();
                assert_eq!(waiting(&out), frame(FIN | BINARY, None, &noise), "{level} {len}");
            }
            assert_eq!(sent(&mut deflater, &[&message]), expected, "level {level}, {len} bytes");
        }
    }
}

#[test]
fn a_broadcast_is_compressed_once() {
    let message = "a mail for everybody ".repeat(20);
    let mut room = Vec::new();
    let shared = Deflater::new(false, 15).prepare_text(&message, &mut room);
    assert!(shared.as_bytes().len() < 60);
    assert_eq!(reads(shared.as_bytes(), false), Ok(vec![text(&message)]));
    let shared = Deflater::new(false, 15).prepare_binary(message.as_bytes(), &mut room);
    assert_eq!(reads(shared.as_bytes(), true), Ok(vec![binary(message.as_bytes())]));
    let plain = Deflater::new(true, 15).prepare_text(&message, &mut room);
    assert_eq!(plain.as_bytes(), Prepared::text(&message).as_bytes());
}

#[test]
fn every_window_is_kept_to() {
    // The same 600 bytes again after a gap of more than 512: a window of 9 bits must not see them.
    let words: String = (0..150).map(|number| format!("{:04}", number * 61 % 9973)).collect();
    let message = [&words[..], &"-".repeat(40_000), &words].concat();
    let mut lengths = Vec::new();
    for bits in 9..=15 {
        let bytes = sent(&mut Deflater::new(false, bits), &[&message]);
        lengths.push(bytes.len());
        assert_eq!(reads(&bytes, false), Ok(vec![text(&message)]));
    }
    println!("{lengths:?}");
}

fn roles_are_symmetric<A: Role, B: Role>(from: &mut WebSocket<A>, to: &mut WebSocket<B>) {
    let limits = Limits::default();
    let (mut out, mut room) = (Outbox::new(&limits), Vec::new());
    let message = "from one side to the other ".repeat(10);
    Deflater::new(false, 15).text(from, &message, &mut room, &mut out).unwrap();
    let mut bytes = waiting(&out);
    assert!(bytes.len() < message.len());
    let event = to.next(&mut Input::new(&mut bytes), &mut out).unwrap().unwrap();
    let event = Inflater::new(false).inflate(event, &mut room).unwrap();
    assert_eq!(event, text(&message));
}

#[test]
fn both_roles_send_and_receive() {
    let limits = Limits::default();
    let (mut server, mut client): (WebSocket<Server>, WebSocket<Client>) =
        (WebSocket::server(&limits), WebSocket::client(&limits, || KEY));
    server.allow_compressed();
    client.allow_compressed();
    roles_are_symmetric(&mut server, &mut client);
    roles_are_symmetric(&mut client, &mut server);
}
