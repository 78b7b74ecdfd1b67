//! The end of a connection (RFC 6455 §5.5.1, §7): closing handshakes, violations, lost streams.

mod support;

use dormouse::decode::FrameError;
use dormouse::wire::HeaderError;
use dormouse::{
    CloseCode, CloseError, CloseFrame, Event, Input, Limits, Outbox, Prepared, SendError, Violation,
};
use support::driver::run;
use support::oracle::Reader;
use support::story::{Ending, check, invalid_code, limit, stories};
use support::{
    BINARY, CLOSE, FIN, KEY, PING, TEXT, client, close_body, frame, header, server, text, waiting,
};

const ONE_BYTE: Ending = Ending::Fails(1002, Violation::Close(CloseError::OneByteBody));
const BAD_REASON: Ending = Ending::Fails(1007, Violation::Close(CloseError::InvalidReason));

const UNKNOWN_OPCODE: Ending =
    Ending::Fails(1002, Violation::Frame(FrameError::Header(HeaderError::UnknownOpcode(3))));

fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, None, payload)
}

fn close(code: u16, reason: &str) -> Event<'static> {
    let code = CloseCode::new(code).unwrap();
    Event::Close(Some(CloseFrame { code, reason: reason.to_owned().into() }))
}

const LONGEST_REASON: [u8; 123] = [b'r'; 123];

stories! {
    s5_5_1_no_body: Client, plain(CLOSE, b"") => [Event::Close(None)], Ending::Closed;
    s5_5_1_a_body_of_one_byte: Client, plain(CLOSE, b"\x03") => [], ONE_BYTE;
    s5_5_1_a_code_alone: Client, plain(CLOSE, &close_body(1000, "")) =>
        [close(1000, "")], Ending::Closed;
    s5_5_1_a_code_and_a_reason: Server, frame(CLOSE, Some(KEY), &close_body(1001, "bÿe")) =>
        [close(1001, "bÿe")], Ending::Closed;
    s5_5_1_the_longest_reason: Client, plain(CLOSE, &[&[3, 232], &LONGEST_REASON[..]].concat()) =>
        [close(1000, &"r".repeat(123))], Ending::Closed;
    s5_5_1_a_reason_that_is_not_utf8: Client, plain(CLOSE, b"\x03\xe8a\xff") => [], BAD_REASON;
    s5_5_1_a_reason_that_ends_inside_a_code_point: Client, plain(CLOSE, b"\x03\xe8\xe2\x82") =>
        [], BAD_REASON;
    s7_4_the_code_comes_before_the_reason: Client, plain(CLOSE, b"\x03\xee\xff") =>
        [], Ending::Fails(1002, invalid_code(1006));
    s5_5_1_a_close_inside_a_message: Client,
        [plain(TEXT, b"a"), plain(CLOSE, b""), plain(FIN, b"b")].concat() =>
        [Event::Close(None)], Ending::Closed;
    s5_5_1_nothing_counts_after_the_close: Client,
        [plain(CLOSE, b""), plain(FIN | TEXT, b"a"), vec![0xff; 9]].concat() =>
        [Event::Close(None)], Ending::Closed;
    s7_1_7_nothing_counts_after_a_violation: Client,
        [vec![0x83], plain(FIN | TEXT, b"a"), plain(CLOSE, b"")].concat() =>
        [], UNKNOWN_OPCODE;
}

#[test]
fn s7_4_every_code_on_the_wire() {
    for code in 0..=u16::MAX {
        let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let bytes = frame(CLOSE, Some(KEY), &close_body(code, ""));
        let story = run(&bytes, Reader::Server, 0, &[usize::MAX]);
        let (events, violation, answer) = match valid {
            true => (vec![close(code, "")], None, code),
            false => (vec![], Some(invalid_code(code)), 1002),
        };
        assert_eq!((story.events, story.violation), (events, violation), "{code}");
        assert_eq!(story.replies, plain(CLOSE, &close_body(answer, "")), "{code}");
    }
}

#[test]
fn s5_5_1_the_answer_echoes_the_code_without_the_reason() {
    for (body, answer) in [
        (close_body(1001, "going away"), close_body(1001, "")),
        (close_body(4999, ""), close_body(4999, "")),
        (vec![], vec![]),
    ] {
        for portions in [&[usize::MAX][..], &[1]] {
            let story = run(&frame(CLOSE, Some(KEY), &body), Reader::Server, 0, portions);
            assert_eq!(story.replies, plain(CLOSE, &answer));
        }
    }
}

#[test]
fn s5_5_1_nothing_is_sent_after_a_close() {
    let limits = Limits::default();
    let ended: [fn(&mut dormouse::WebSocket<dormouse::Server>, &mut Outbox); 4] = [
        |ws, out| ws.close(CloseCode::NORMAL, "", out),
        |ws, out| {
            let mut bytes = frame(CLOSE, Some(KEY), b"");
            assert_eq!(ws.next(&mut Input::new(&mut bytes), out), Ok(Some(Event::Close(None))));
        },
        |ws, out| assert!(ws.next(&mut Input::new(&mut [0xff]), out).is_err()),
        |ws, _| assert!(ws.end_of_stream().is_err()),
    ];
    for end in ended {
        let mut ws = dormouse::WebSocket::server(&limits);
        let mut out = Outbox::new(&limits);
        ws.text_fragment("in progress", &mut out).unwrap();
        end(&mut ws, &mut out);
        let before = waiting(&out);
        assert_eq!(ws.text("a", &mut out), Err(SendError::Closed));
        assert_eq!(ws.binary(b"a", &mut out), Err(SendError::Closed));
        assert_eq!(ws.send(&Prepared::text("a"), &mut out), Err(SendError::Closed));
        assert_eq!(ws.text_fragment("a", &mut out), Err(SendError::Closed));
        assert_eq!(ws.binary_fragment(b"a", &mut out), Err(SendError::Closed));
        assert_eq!(ws.finish_message(&mut out), Err(SendError::Closed));
        assert_eq!(ws.ping(b"", &mut out), Err(SendError::Closed));
        assert_eq!(ws.pong(&[0; 126], &mut out), Err(SendError::Closed));
        ws.close(CloseCode::GOING_AWAY, "again", &mut out);
        assert_eq!(waiting(&out), before, "one Close at most, and nothing behind it");
    }
}

#[test]
fn s7_1_7_each_kind_of_violation_has_its_code_on_the_wire() {
    let cases: [(Vec<u8>, u16); 5] = [
        (plain(FIN | TEXT, b"unmasked"), 1002),
        (frame(FIN | TEXT, Some(KEY), b"\xff"), 1007),
        (header(FIN | BINARY, Some(KEY), 1 << 40), 1009),
        (frame(CLOSE, Some(KEY), &close_body(1005, "")), 1002),
        ([frame(TEXT, Some(KEY), b""), frame(0, Some(KEY), b"").repeat(128)].concat(), 1008),
    ];
    for (bytes, code) in cases {
        let story = run(&bytes, Reader::Server, limit(), &[usize::MAX]);
        assert_eq!(story.replies, plain(CLOSE, &close_body(code, "")));
        assert_eq!(story.violation.unwrap().close_code().get(), code);
    }
}

#[test]
fn s7_1_7_a_violation_is_told_once_and_the_rest_is_swallowed() {
    let (mut ws, mut out) = server();
    let mut bytes = [plain(FIN | TEXT, b"unmasked"), frame(PING, Some(KEY), b"p")].concat();
    let mut input = Input::new(&mut bytes);
    assert!(ws.next(&mut input, &mut out).is_err());
    assert!(input.is_empty() && ws.is_closed() && !ws.wants_read());
    for _ in 0..3 {
        let mut more = frame(PING, Some(KEY), b"p");
        let mut input = Input::new(&mut more);
        assert_eq!(ws.next(&mut input, &mut out), Ok(None));
        assert!(input.is_empty());
    }
    assert_eq!(waiting(&out), plain(CLOSE, &close_body(1002, "")));
    assert!(ws.end_of_stream().is_ok(), "the end was expected");
}

#[test]
fn s7_1_7_a_violation_in_the_middle_of_a_message_being_sent() {
    let (mut ws, mut out) = server();
    ws.text_fragment("first", &mut out).unwrap();
    assert!(ws.next(&mut Input::new(&mut [0xff]), &mut out).is_err());
    let expected = [plain(TEXT, b"first"), plain(CLOSE, &close_body(1002, ""))];
    assert_eq!(waiting(&out), expected.concat());
}

#[test]
fn s7_1_2_our_close_waits_for_theirs_and_still_takes_data() {
    let (mut ws, mut out) = server();
    ws.close(CloseCode::NORMAL, "done", &mut out);
    assert_eq!(waiting(&out), plain(CLOSE, &close_body(1000, "done")));
    out.clear();
    assert!(!ws.is_closed() && ws.wants_read());
    let mut bytes = [
        frame(FIN | TEXT, Some(KEY), b"last words"),
        frame(CLOSE, Some(KEY), &close_body(1000, "")),
    ]
    .concat();
    let mut input = Input::new(&mut bytes);
    assert_eq!(ws.next(&mut input, &mut out), Ok(Some(text("last words"))));
    assert_eq!(ws.next(&mut input, &mut out), Ok(Some(close(1000, ""))));
    assert!(ws.is_closed() && out.is_empty(), "their Close is the answer, and gets none");
    assert!(ws.end_of_stream().is_ok());
}

#[test]
fn s7_1_3_closes_that_cross_with_an_invalid_one() {
    let (mut ws, mut out) = client();
    ws.close(CloseCode::NORMAL, "", &mut out);
    out.clear();
    let mut bytes = plain(CLOSE, &close_body(1006, ""));
    assert_eq!(ws.next(&mut Input::new(&mut bytes), &mut out), Err(invalid_code(1006)));
    assert!(out.is_empty() && ws.is_closed(), "no second Close");
}

#[test]
fn s7_1_5_a_stream_that_ends() {
    let beginnings: [&[u8]; 5] =
        [b"", b"\x82", b"\x82\x85\x01\x02\x03\x04he", b"\x02\x80\0\0\0\0", b"\x88\x82\0\0\0\0\x03"];
    for beginning in beginnings {
        let (mut ws, mut out) = server();
        let mut bytes = beginning.to_vec();
        assert_eq!(ws.next(&mut Input::new(&mut bytes), &mut out), Ok(None));
        assert!(ws.end_of_stream().is_err(), "1006 after {beginning:x?}");
        assert!(ws.is_closed() && !ws.wants_read() && out.is_empty(), "1006 is never sent");
        assert!(ws.end_of_stream().is_ok(), "it is told once");
    }
    let (mut ws, mut out) = server();
    ws.close(CloseCode::NORMAL, "", &mut out);
    assert!(ws.end_of_stream().is_err(), "our own Close is half a handshake");
}

#[test]
fn s5_5_1_a_long_reason_is_cut_at_a_code_point() {
    for (reason, kept) in [
        ("r".repeat(123), 123),
        ("r".repeat(124), 123),
        ("é".repeat(200), 122),
        (format!("r{}", "€".repeat(100)), 121),
        (format!("rr{}", "🐭".repeat(100)), 122),
    ] {
        let (mut ws, mut out) = client();
        ws.close(CloseCode::NORMAL, &reason, &mut out);
        let body = close_body(1000, &reason[..kept]);
        assert_eq!(waiting(&out), frame(CLOSE, Some(support::ZERO_KEY), &body));
        check(
            Reader::Client,
            0,
            &plain(CLOSE, &body),
            &[close(1000, &reason[..kept])],
            Ending::Closed,
        );
    }
}
