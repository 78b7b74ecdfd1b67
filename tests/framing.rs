//! Frames on their way in and out (RFC 6455 §5.1 to §5.5, §10.4), through the whole of a WebSocket.

mod support;

use dormouse::decode::FrameError;
use dormouse::wire::HeaderError;
use dormouse::{Event, Input, Limits, Outbox, Prepared, SendError, Violation, WebSocket};
use support::driver::run;
use support::oracle::Reader;
use support::story::{Ending, check, stories};
use support::{
    BINARY, CONTINUATION, FIN, Form, KEY, PING, PONG, RSV1, TEXT, binary, client, frame, header,
    header_in_form, server, text, waiting,
};

fn ping(payload: &[u8]) -> Event<'static> {
    Event::Ping(payload.to_vec().into())
}

fn pong(payload: &[u8]) -> Event<'static> {
    Event::Pong(payload.to_vec().into())
}

fn breaks(error: HeaderError) -> Ending {
    Ending::Fails(1002, FrameError::Header(error).into())
}

fn fails(error: FrameError) -> Ending {
    Ending::Fails(1002, error.into())
}

const TOO_BIG: Ending = Ending::Fails(1009, Violation::MessageTooBig);

/// A frame as a client sends it, and as a server does.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, Some(KEY), payload)
}

fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, None, payload)
}

const HELLO_MASKED: [u8; 11] = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
const HELLO_IN_FRAGMENTS: [u8; 9] = *b"\x01\x03Hel\x80\x02lo";
const PING_INSIDE: [u8; 16] = *b"\x01\x03Hel\x89\x05Hello\x80\x02lo";
/// 2^64 - 8: added to the 14 bytes of this header, it overflows.
const NEAR_THE_TOP: [u8; 14] =
    [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf8, 1, 2, 3, 4];
const TOP_BIT: [u8; 10] = [0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0];
const LARGEST: [u8; 14] = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];

stories! {
    // Any split.
    s5_7_masked_hello: Server, HELLO_MASKED => [text("Hello")], Ending::Open;
    s5_7_fragmented_hello: Client, HELLO_IN_FRAGMENTS => [text("Hello")], Ending::Open;
    s5_7_ping_inside_a_message: Client, PING_INSIDE =>
        [ping(b"Hello"), text("Hello")], Ending::Open;
    s5_2_several_frames_in_one_read: Client, b"\x81\x01a\x82\x01b\x82\x00\x81\x00\x81\x01c" =>
        [text("a"), binary(b"b"), binary(b""), text(""), text("c")], Ending::Open;
    s5_2_a_header_alone_is_no_event: Server, header(FIN | BINARY, Some(KEY), 70_000) =>
        [], Ending::Open;

    // Lengths.
    s5_2_length_near_2_64: Server, NEAR_THE_TOP => [], breaks(HeaderError::LengthOverflow);
    s5_2_length_with_the_top_bit: Client, TOP_BIT => [], breaks(HeaderError::LengthOverflow);
    s10_4_the_largest_length_is_over_the_limit: Server, LARGEST => [], TOO_BIG;
    s5_2_125_in_16_bits: Server, header_in_form(FIN | TEXT, Some(KEY), 125, Form::Medium) =>
        [], breaks(HeaderError::NonMinimalLength);
    s5_2_0_in_16_bits: Client, header_in_form(FIN | TEXT, None, 0, Form::Medium) =>
        [], breaks(HeaderError::NonMinimalLength);
    s5_2_65535_in_64_bits: Client, header_in_form(FIN | BINARY, None, 65_535, Form::Long) =>
        [], breaks(HeaderError::NonMinimalLength);
    s5_2_continuation_in_16_bits: Client,
        [b"\x01\x01a".to_vec(), header_in_form(FIN, None, 1, Form::Medium)].concat() =>
        [], breaks(HeaderError::NonMinimalLength);

    // Masking.
    s5_1_unmasked_text: Server, plain(FIN | TEXT, b"a") => [], fails(FrameError::Unmasked);
    s5_1_unmasked_and_empty: Server, plain(FIN | BINARY, b"") => [], fails(FrameError::Unmasked);
    s5_1_unmasked_ping: Server, plain(PING, b"a") => [], fails(FrameError::Unmasked);
    s5_1_unmasked_continuation: Server, [masked(TEXT, b"a"), plain(FIN, b"b")].concat() =>
        [], fails(FrameError::Unmasked);
    s5_1_masked_from_a_server: Client, masked(FIN | TEXT, b"a") => [], fails(FrameError::Masked);
    s5_1_masked_pong_from_a_server: Client, masked(PONG, b"") => [], fails(FrameError::Masked);
    s5_3_a_key_of_zeros_is_a_key: Server, frame(FIN | TEXT, Some([0; 4]), b"a") =>
        [text("a")], Ending::Open;

    // Control frames, refused from two bytes of header.
    s5_5_ping_of_125: Server, masked(PING, &[7; 125]) =>
        [ping(&[7; 125])], Ending::Open;
    s5_5_ping_of_126: Server, [0x89, 0xfe] => [], breaks(HeaderError::ControlTooLong);
    s5_5_ping_of_16_mib: Server, [0x89, 0xff] => [], breaks(HeaderError::ControlTooLong);
    s5_5_pong_of_126: Client, [0x8a, 0x7e] => [], breaks(HeaderError::ControlTooLong);
    s5_5_close_of_126: Server, [0x88, 0xfe] => [], breaks(HeaderError::ControlTooLong);
    s5_5_fragmented_ping: Server, [0x09] => [], breaks(HeaderError::FragmentedControl);
    s5_5_fragmented_pong: Client, [0x0a] => [], breaks(HeaderError::FragmentedControl);
    s5_5_fragmented_close: Server, [0x08] => [], breaks(HeaderError::FragmentedControl);

    // The order of fragments.
    s5_4_nothing_to_continue: Client, plain(FIN, b"a") =>
        [], fails(FrameError::UnexpectedContinuation);
    s5_4_nothing_to_continue_after_a_message: Client,
        [plain(FIN | TEXT, b"a"), plain(CONTINUATION, b"b")].concat() =>
        [text("a")], fails(FrameError::UnexpectedContinuation);
    s5_4_nothing_to_continue_after_the_last_fragment: Client,
        [plain(TEXT, b"a"), plain(FIN, b"b"), plain(FIN, b"c")].concat() =>
        [text("ab")], fails(FrameError::UnexpectedContinuation);
    s5_4_a_text_inside_a_text: Server, [masked(TEXT, b"a"), masked(FIN | TEXT, b"b")].concat() =>
        [], fails(FrameError::ExpectedContinuation);
    s5_4_a_binary_inside_a_text: Server,
        [masked(TEXT, b"a"), masked(FIN | BINARY, b"b")].concat() =>
        [], fails(FrameError::ExpectedContinuation);
    s5_4_a_ping_does_not_end_a_message: Client,
        [plain(TEXT, b"a"), plain(PING, b""), plain(FIN | TEXT, b"b")].concat() =>
        [ping(b"")], fails(FrameError::ExpectedContinuation);
    s5_4_control_frames_between_all_fragments: Client,
        b"\x02\x01a\x8a\x011\x89\x012\x00\x01b\x8a\x013\x80\x00" =>
        [pong(b"1"), ping(b"2"), pong(b"3"), binary(b"ab")], Ending::Open;
    s5_4_a_message_of_empty_fragments: Client,
        [plain(TEXT, b""), plain(0, b""), plain(FIN, b"")].concat() =>
        [text("")], Ending::Open;
}

#[test]
fn s5_2_a_header_cut_after_each_of_its_bytes() {
    for len in [0, 125, 126, 65_535, 65_536] {
        for (reader, key) in [(Reader::Server, Some(KEY)), (Reader::Client, None)] {
            let payload: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
            let bytes = frame(FIN | BINARY, key, &payload);
            for cut in 1..bytes.len().min(16) {
                let story = run(&bytes, reader, 1 << 20, &[cut, usize::MAX]);
                assert_eq!(story.events, [binary(&payload)], "{len} bytes cut at {cut}");
            }
        }
    }
}

#[test]
fn s5_2_unknown_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        let ending = breaks(HeaderError::UnknownOpcode(opcode));
        check(Reader::Server, 100, &[FIN | opcode], &[], ending);
        check(Reader::Client, 100, &plain(FIN | opcode, b"a"), &[], ending);
        let inside = [masked(TEXT, b"a"), masked(opcode, b"b")].concat();
        check(Reader::Server, 100, &inside, &[], ending);
    }
}

#[test]
fn s5_2_reserved_bits_on_every_frame() {
    for bits in (0x10..=0x70).step_by(0x10) {
        for first in [FIN | TEXT, FIN | BINARY, TEXT, PING, PONG, support::CLOSE] {
            let bytes = masked(first | bits, b"");
            check(Reader::Server, 100, &bytes, &[], fails(FrameError::ReservedBits));
            let bytes = plain(first | bits, b"");
            check(Reader::Client, 100, &bytes, &[], fails(FrameError::ReservedBits));
        }
        let continued = [plain(TEXT, b"a"), plain(FIN | bits, b"b")].concat();
        check(Reader::Client, 100, &continued, &[], fails(FrameError::ReservedBits));
    }
}

#[test]
fn s10_4_a_message_at_the_limit_and_one_byte_over() {
    for limit in [0, 1, 125, 126, 300, 65_535, 65_536] {
        let at = vec![b'x'; limit];
        check(Reader::Server, limit, &masked(FIN | BINARY, &at), &[binary(&at)], Ending::Open);
        // The header alone tells, before any byte of the payload is there.
        for first in [FIN | TEXT, FIN | BINARY, TEXT, BINARY] {
            let over = header(first, Some(KEY), limit as u64 + 1);
            check(Reader::Server, limit, &over, &[], TOO_BIG);
            check(Reader::Client, limit, &plain(first, &vec![b'x'; limit + 1]), &[], TOO_BIG);
        }
    }
}

#[test]
fn s10_4_the_limit_is_for_all_fragments() {
    let fragments = |count: usize, last: &[u8]| {
        let mut bytes = plain(TEXT, b"0123456789");
        (1..count).for_each(|_| bytes.extend(plain(CONTINUATION, b"0123456789")));
        [bytes, plain(FIN, last)].concat()
    };
    let whole = text(&"0123456789".repeat(10));
    check(Reader::Client, 100, &fragments(10, b""), std::slice::from_ref(&whole), Ending::Open);
    check(Reader::Client, 100, &fragments(9, b"0123456789"), &[whole], Ending::Open);
    check(Reader::Client, 100, &fragments(10, b"x"), &[], TOO_BIG);
    check(Reader::Client, 100, &fragments(11, b""), &[], TOO_BIG);
    let declared = [plain(BINARY, &[0; 60]), header(CONTINUATION, None, 41)].concat();
    check(Reader::Client, 100, &declared, &[], TOO_BIG);
    let largest = [plain(BINARY, &[0; 60]), header(FIN, None, (1 << 63) - 1)].concat();
    check(Reader::Client, 100, &largest, &[], TOO_BIG);
}

#[test]
fn s10_4_bytes_of_a_begun_code_point_count() {
    let bytes = [plain(TEXT, b"abc\xe2"), plain(FIN, b"\x82\xac")].concat();
    check(Reader::Client, 6, &bytes, &[text("abc€")], Ending::Open);
    check(Reader::Client, 5, &bytes, &[], TOO_BIG);
}

#[test]
fn s10_4_the_limit_is_for_one_message() {
    let bytes = plain(FIN | BINARY, &[1; 100]).repeat(5);
    check(Reader::Client, 100, &bytes, &vec![binary(&[1; 100]); 5], Ending::Open);
    let control = [plain(BINARY, &[1; 99]), plain(PING, &[2; 125]), plain(FIN, &[1])].concat();
    let events = [ping(&[2; 125]), binary(&[1; 100])];
    check(Reader::Client, 100, &control, &events, Ending::Open);
}

#[test]
fn s10_4_a_new_limit_holds_at_once() {
    let (mut ws, mut out) = support::server();
    let masked = |first, payload: &[u8]| frame(first, Some(KEY), payload);
    support::feed(&mut ws, &masked(BINARY, &[1; 60]), &mut out);
    ws.set_message_limit(61);
    support::feed(&mut ws, &masked(CONTINUATION, &[1]), &mut out);
    ws.set_message_limit(60);
    let mut empty = masked(CONTINUATION, b"");
    let next = ws.next(&mut Input::new(&mut empty), &mut out);
    assert_eq!(next, Err(Violation::MessageTooBig), "what is there counts too");
}

#[test]
fn s10_4_a_new_limit_holds_inside_a_frame() {
    // What is compressed may have an eighth and 64 bytes more on the wire.
    for (kind, enough) in [(TEXT, 100), (BINARY, 100), (RSV1 | TEXT, 32)] {
        for portion in [1, 2, 40] {
            let (mut ws, mut out) = support::server();
            ws.allow_compressed();
            let mut bytes = frame(FIN | kind, Some(KEY), &[b'a'; 100]);
            let (start, rest) = bytes.split_at_mut(6 + 50);
            for byte in start.chunks_mut(1) {
                assert_eq!(ws.next(&mut Input::new(byte), &mut out), Ok(None));
            }
            ws.set_message_limit(enough);
            let (more, rest) = rest.split_at_mut(portion);
            assert_eq!(ws.next(&mut Input::new(more), &mut out), Ok(None));
            ws.set_message_limit(enough - 1);
            let next = ws.next(&mut Input::new(&mut rest[..portion.min(9)]), &mut out);
            assert_eq!(next, Err(Violation::MessageTooBig), "{kind:#x} in reads of {portion}");
        }
    }
}

#[test]
fn s10_4_the_129th_empty_fragment() {
    let empty =
        |count: usize| [plain(TEXT, b""), plain(CONTINUATION, b"").repeat(count - 1)].concat();
    let ended = |count| [empty(count), plain(FIN, b"a")].concat();
    check(Reader::Client, 100, &ended(128), &[text("a")], Ending::Open);
    // The count begins anew with each message, and a ping does not begin it anew.
    check(
        Reader::Client,
        100,
        &[ended(128), ended(128)].concat(),
        &[text("a"), text("a")],
        Ending::Open,
    );
    let too_many = Ending::Fails(1008, Violation::TooManyEmptyFragments);
    check(Reader::Client, 100, &empty(129), &[], too_many);
    let mixed = [empty(64), plain(PING, b""), plain(CONTINUATION, b"x"), empty(65)[2..].to_vec()];
    check(Reader::Client, 100, &mixed.concat(), &[ping(b"")], Ending::Open);
    let mixed = [mixed.concat(), plain(CONTINUATION, b"")].concat();
    check(Reader::Client, 100, &mixed, &[ping(b"")], too_many);
}

#[test]
fn events_are_independent_of_the_socket_and_of_each_other() {
    let (mut ws, mut out) = client();
    let mut bytes = [plain(FIN | TEXT, b"one"), plain(FIN | BINARY, b"two")].concat();
    let range = bytes.as_ptr_range();
    let mut input = Input::new(&mut bytes);
    let first = ws.next(&mut input, &mut out).unwrap().unwrap();
    let second = ws.next(&mut input, &mut out).unwrap().unwrap();
    drop(ws);
    let (Event::Text(one), Event::Binary(two)) = (first, second) else { panic!("other events") };
    assert!(range.contains(&one.as_ptr()) && range.contains(&two.as_ptr()), "nothing is copied");
    assert_eq!((&*one, &*two), ("one", &b"two"[..]));
}

#[test]
fn s5_4_sending_in_fragments() {
    let (mut ws, mut out) = server();
    ws.binary_fragment(b"", &mut out).unwrap();
    ws.binary_fragment(b"ab", &mut out).unwrap();
    ws.ping(b"p", &mut out).unwrap();
    ws.pong(b"q", &mut out).unwrap();
    ws.finish_message(&mut out).unwrap();
    ws.text("next", &mut out).unwrap();
    let expected = [
        plain(BINARY, b""),
        plain(CONTINUATION, b"ab"),
        plain(PING, b"p"),
        plain(PONG, b"q"),
        plain(FIN, b""),
        plain(FIN | TEXT, b"next"),
    ];
    assert_eq!(waiting(&out), expected.concat());
}

#[test]
fn s5_3_each_fragment_of_a_client_is_masked_with_its_own_key() {
    use std::cell::Cell;
    thread_local!(static NEXT: Cell<u8> = const { Cell::new(0) });
    let mut ws = WebSocket::client(&Limits::default(), || {
        NEXT.set(NEXT.get() + 1);
        [NEXT.get(), 0xaa, 0x55, 0xff]
    });
    let mut out = Outbox::new(&Limits::default());
    ws.text_fragment("Hello", &mut out).unwrap();
    ws.ping(b"ping", &mut out).unwrap();
    ws.finish_message(&mut out).unwrap();
    let key = |first| Some([first, 0xaa, 0x55, 0xff]);
    let expected =
        [frame(TEXT, key(1), b"Hello"), frame(PING, key(2), b"ping"), frame(FIN, key(3), b"")];
    assert_eq!(waiting(&out), expected.concat());
}

#[test]
fn s5_4_nothing_else_begins_inside_a_message() {
    let (mut ws, mut out) = server();
    assert_eq!(ws.finish_message(&mut out), Err(SendError::NoMessageInProgress));
    ws.text_fragment("a", &mut out).unwrap();
    let queued = waiting(&out);
    assert_eq!(ws.text("b", &mut out), Err(SendError::MessageInProgress));
    assert_eq!(ws.binary(b"b", &mut out), Err(SendError::MessageInProgress));
    assert_eq!(ws.binary_fragment(b"b", &mut out), Err(SendError::MessageInProgress));
    assert_eq!(ws.send(&Prepared::text("b"), &mut out), Err(SendError::MessageInProgress));
    assert_eq!(waiting(&out), queued, "nothing is queued");
    ws.finish_message(&mut out).unwrap();
    ws.binary_fragment(b"b", &mut out).unwrap();
    assert_eq!(ws.text_fragment("c", &mut out), Err(SendError::MessageInProgress));
}

#[test]
fn s5_4_a_fragment_that_did_not_fit_begins_nothing() {
    let (mut ws, _) = server();
    let mut out = Outbox::new(&Limits { outbox: 10, ..Limits::default() });
    assert_eq!(ws.text_fragment("more than ten", &mut out), Err(SendError::TooBig));
    ws.binary(b"12345678", &mut out).unwrap();
    assert_eq!(ws.text_fragment("", &mut out), Err(SendError::Full));
    out.clear();
    ws.binary(b"other", &mut out).expect("no message is in progress");
    out.clear();
    ws.text_fragment("12345678", &mut out).unwrap();
    assert_eq!(ws.finish_message(&mut out), Err(SendError::Full));
    out.clear();
    ws.finish_message(&mut out).expect("the message is still in progress");
}

#[test]
fn s5_5_control_payloads_that_are_sent() {
    let (mut ws, mut out) = server();
    assert_eq!(ws.ping(&[0; 126], &mut out), Err(SendError::ControlTooLong));
    assert_eq!(ws.pong(&[0; 126], &mut out), Err(SendError::ControlTooLong));
    assert!(out.is_empty());
    ws.ping(&[1; 125], &mut out).unwrap();
    ws.pong(&[2; 125], &mut out).unwrap();
    assert_eq!(waiting(&out), [plain(PING, &[1; 125]), plain(PONG, &[2; 125])].concat());
}
