//! The edges of permessage-deflate (RFC 7692 §7.2): where a message ends, blocks with BFINAL, and
//! messages at the limit. Each is tried in every partition and against the naive inflater.

#![cfg(feature = "deflate")]

mod support;

use dormouse::deflate::{Deflater, InflateError, Inflater, Policy};
use dormouse::{Event, Input, Limits, Outbox, WebSocket};
use flate2::FlushCompress;
use support::inflate::Naive;
use support::laws::deflate::inflating::{any_partition, one_message};
use support::laws::deflate::{squeeze, squeezer};
use support::oracle::{self, Reader};
use support::{BINARY, CONTINUATION, FIN, RSV1, ZERO_KEY, binary, frame, waiting};

/// "Hello" in a block of its own, §7.2.3.1, and with BFINAL, §7.2.3.4 without its last byte.
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const LAST: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// "Hello" by reference to the one before, §7.2.3.2.
const AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];

/// The binary messages that these payloads are, until one that is none, with the code that answers it.
#[track_caller]
fn messages(
    takeover: bool,
    limit: usize,
    payloads: &[&[u8]],
) -> (Vec<Event<'static>>, Option<u16>) {
    let frames = payloads.iter().map(|payload| frame(FIN | RSV1 | BINARY, None, payload));
    let bytes = frames.collect::<Vec<_>>().concat();
    any_partition(takeover, Reader::Client, limit, &bytes, &[2, 3]);
    payloads.iter().for_each(|payload| one_message(payload, limit));
    let naive = &mut Naive::new(takeover);
    let story = oracle::read_compressed(naive, &bytes, Reader::Client, limit);
    let code = story.violation.map(|violation| violation.close_code().get());
    (story.events, story.spoiled.or(code))
}

fn hello() -> Event<'static> {
    binary(b"Hello")
}

#[test]
fn s7_2_2_a_message_that_ends_inside_a_block() {
    let mut random = squeezer(9);
    let text: String = (0..500).map(|number| format!("{} ", number * 7919 % 1013)).collect();
    let dynamic = squeeze(&mut random, text.as_bytes(), FlushCompress::Sync);
    assert_eq!(dynamic[0] >> 1 & 3, 2, "a block with codes of its own");
    for takeover in [false, true] {
        for cut in [
            // In a fixed block, a stored one, its length, a header.
            &HELLO[..3],
            &HELLO[..6],
            &[0x00, 0x0a, 0x00, 0xf5, 0xff, 0x48, 0x65],
            &[0x00, 0x05, 0x00],
            &[0x04, 0x00],
            &LAST[..4],
            &dynamic[..dynamic.len() / 2],
            &dynamic[..20],
        ] {
            assert_eq!(messages(takeover, 5000, &[cut, HELLO]), (vec![], Some(1007)), "{cut:x?}");
        }
    }
}

#[test]
fn s7_2_1_a_message_with_its_end_still_on() {
    let with_end = [HELLO, &[0x00, 0x00, 0xff, 0xff]].concat();
    for takeover in [false, true] {
        assert_eq!(messages(takeover, 100, &[&with_end]), (vec![], Some(1007)));
    }
}

#[test]
fn s7_2_3_4_bfinal_with_and_without_the_byte_behind() {
    let with_byte = [LAST, &[0x00]].concat();
    let empty_last = [HELLO, &LAST[6..], &[0x01]].concat();
    for takeover in [false, true] {
        let payloads = [&with_byte[..], LAST, HELLO, LAST, &with_byte, &[0x01], HELLO];
        let mut expected = vec![hello(); 5];
        expected.extend([binary(b""), hello()]);
        assert_eq!(messages(takeover, 100, &payloads), (expected, None));
        assert!(messages(takeover, 100, &[&empty_last]).1.is_some());
    }
}

#[test]
fn s7_2_3_5_what_follows_bfinal_begins_anew() {
    // RFC 1951 §3.2.3: BFINAL is for "the last block of the data set", and a reference stays in its own.
    let stored_last = [0x01, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    let inside = [&stored_last[..], AGAIN].concat();
    let both = [&stored_last[..], HELLO].concat();
    for takeover in [false, true] {
        assert_eq!(messages(takeover, 100, &[&inside]), (vec![], Some(1007)));
        assert_eq!(messages(takeover, 100, &[&both]), (vec![binary(b"HelloHello")], None));
    }
    assert_eq!(messages(true, 100, &[HELLO, AGAIN, AGAIN]), (vec![hello(); 3], None));
    assert_eq!(messages(true, 100, &[HELLO, LAST, AGAIN]), (vec![hello(); 2], Some(1007)));
    assert_eq!(messages(true, 100, &[LAST, HELLO, AGAIN]), (vec![hello(); 3], None));
}

/// 260 000 blocks, each of which ends a data set: each costs the same, and little.
#[test]
fn s10_4_many_final_blocks() {
    let blocks = [&[0x03, 0x00].repeat(260_000), &[0x00][..]].concat();
    let bytes = frame(FIN | RSV1 | BINARY, None, &blocks);
    let limits = Limits::default();
    let mut ws = WebSocket::client(&limits, || ZERO_KEY);
    ws.allow_compressed();
    let (mut bytes, mut out, mut room) = (bytes, Outbox::new(&limits), Vec::new());
    let event = ws.next(&mut Input::new(&mut bytes), &mut out).unwrap().unwrap();
    assert_eq!(Inflater::new(true).inflate(event, &mut room), Ok(binary(b"")));
}

#[test]
fn s10_4_a_limit_of_nothing() {
    assert_eq!(messages(false, 0, &[&[0x00], &[], &[0x03, 0x00]]), (vec![binary(b""); 3], None));
    assert_eq!(messages(false, 0, &[HELLO]), (vec![], Some(1009)));
    assert_eq!(messages(true, 5, &[HELLO, HELLO]), (vec![hello(); 2], None));
    assert_eq!(messages(true, 4, &[HELLO]), (vec![], Some(1009)));
}

/// RFC 6455 §10.4: the limit is for what a message is, not for how it comes: what others send of bytes
/// that do not shrink is larger than they are.
#[test]
fn s10_4_stored_blocks_at_the_limit() {
    let mut state = 7u32;
    let mut noise = |len: usize| -> Vec<u8> {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 | 0x90
        };
        (0..len).map(next).collect()
    };
    for limit in [0, 1, 100, 1000, 65_535, 65_536, 200_000] {
        for level in [0, 1, 6] {
            let bytes = noise(limit);
            let payload = squeeze(&mut squeezer(level), &bytes, FlushCompress::Sync);
            let payload = &payload[..payload.len() - 4];
            let naive = Naive::new(false).message(payload, limit);
            assert_eq!(naive, Ok(bytes.clone()));
            one_message(payload, limit);
            let stream = [
                frame(RSV1 | BINARY, None, &payload[..payload.len() / 2]),
                frame(FIN | CONTINUATION, None, &payload[payload.len() / 2..]),
                frame(FIN | RSV1 | BINARY, None, payload),
            ];
            let story = oracle::read_compressed(
                &mut Naive::new(false),
                &stream.concat(),
                Reader::Client,
                limit,
            );
            assert_eq!(story.events, vec![binary(&bytes); 2], "{limit} at level {level}");
            any_partition(false, Reader::Client, limit, &stream.concat(), &[1000]);
        }
    }
}

/// A message that has begun counts against the limit that holds when it is whole.
#[test]
fn s10_4_the_limit_can_change_inside_a_message() {
    let limits = Limits { message: 4, ..Limits::default() };
    for (limit, expected) in [(5, Ok(hello())), (4, Err(InflateError::TooBig))] {
        let mut ws = WebSocket::client(&limits, || ZERO_KEY);
        ws.allow_compressed();
        let (mut out, mut room) = (Outbox::new(&limits), Vec::new());
        let mut first = frame(RSV1 | BINARY, None, &HELLO[..3]);
        assert_eq!(ws.next(&mut Input::new(&mut first), &mut out), Ok(None));
        ws.set_message_limit(limit);
        let mut second = frame(FIN | CONTINUATION, None, &HELLO[3..]);
        let event = ws.next(&mut Input::new(&mut second), &mut out).unwrap().unwrap();
        assert_eq!(Inflater::new(false).inflate(event, &mut room), expected);
    }
}

/// What a window of the codec cannot be stands for the nearest one.
#[test]
fn s7_1_2_a_policy_beyond_the_windows() {
    let policy =
        |bits| Policy { send_window_bits: bits, receive_window_bits: bits, ..Policy::default() };
    for (wrong, right) in [(0, 9), (8, 9), (16, 15), (255, 15)] {
        assert_eq!(policy(wrong).offer(), policy(right).offer());
    }
}

/// §7.1.2: every message is within the window that was agreed, at every level, as the naive inflater
/// sees it.
#[test]
fn s7_1_2_no_message_refers_beyond_its_window() {
    let limits = Limits::default();
    let words: String = (0..12_000).map(|number| format!("{:04}", number * 61 % 7001)).collect();
    for bits in 9..=15 {
        for level in [1, 2, 4, 6, 9] {
            let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
            ws.allow_compressed();
            let mut deflater = Deflater::with_level(true, bits, level);
            let mut naive = Naive::new(true);
            for _ in 0..2 {
                deflater.text(&mut ws, &words, &mut Vec::new(), &mut out).unwrap();
            }
            let story =
                oracle::read_compressed(&mut naive, &waiting(&out), Reader::Client, 1 << 20);
            assert_eq!(story.events, vec![support::text(&words); 2]);
            assert!(naive.reach <= 1 << bits, "{} with {bits} bits at {level}", naive.reach);
            assert!(naive.reach > 1 << (bits - 2), "{} with {bits} bits", naive.reach);
        }
    }
}

/// Noise is sent as it is, also where it would grow by a byte or two only.
#[test]
fn what_does_not_shrink_goes_out_as_it_is() {
    let (mut deflater, mut room) = (Deflater::new(false, 15), Vec::new());
    let limits = Limits::default();
    let (mut state, mut plain) = (1u32, 0);
    for len in 64..400 {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // From the bytes that the fixed codes make longer to those that they make shorter.
            (state >> 24) as u8 >> (len % 3)
        };
        let bytes: Vec<u8> = (0..len).map(next).collect();
        let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
        ws.allow_compressed();
        deflater.binary(&mut ws, &bytes, &mut room, &mut out).unwrap();
        let (sent, as_it_is) = (waiting(&out), frame(FIN | BINARY, None, &bytes));
        assert!(sent.len() < as_it_is.len() || sent == as_it_is, "{len} bytes");
        plain += usize::from(sent == as_it_is);
    }
    assert!(plain > 100, "{plain} plain");
}
