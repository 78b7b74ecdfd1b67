//! UTF-8 in text messages (RFC 6455 §5.6, §8.1), cut by frames and by reads.

mod support;

use dormouse::utf8::InvalidUtf8;
use dormouse::{Event, Violation};
use support::driver::run_by_the_byte;
use support::oracle::Reader;
use support::story::{Ending, check, limit, stories};
use support::{BINARY, CONTINUATION, FIN, KEY, PING, TEXT, binary, frame, header, text};

const INVALID: Ending = Ending::Fails(1007, Violation::Text(InvalidUtf8));

fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, None, payload)
}

/// A text message in fragments.
fn fragments<const N: usize>(parts: [&[u8]; N]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let opcode = if number == 0 { TEXT } else { CONTINUATION };
        let fin = if number + 1 == N { FIN } else { 0 };
        bytes.extend(plain(fin | opcode, part));
    }
    bytes
}

const EURO: &[u8] = "€".as_bytes();
const MOUSE: &[u8] = "🐭".as_bytes();

stories! {
    // Code points cut by frames.
    s8_1_a_code_point_across_frames: Client, fragments([&EURO[..1], &EURO[1..]]) =>
        [text("€")], Ending::Open;
    s8_1_a_code_point_across_four_frames: Client,
        fragments([&MOUSE[..1], &MOUSE[1..2], &MOUSE[2..3], &MOUSE[3..]]) =>
        [text("🐭")], Ending::Open;
    s8_1_a_code_point_around_empty_frames: Client,
        fragments([b"a", &EURO[..2], b"", b"", &EURO[2..], b"b"]) => [text("a€b")], Ending::Open;
    s8_1_a_code_point_around_a_ping: Client,
        [plain(TEXT, &EURO[..1]), plain(PING, b"\xff"), plain(FIN, &EURO[1..])].concat() =>
        [Event::Ping(b"\xff".into()), text("€")], Ending::Open;

    // Messages that end inside a code point.
    s8_1_the_end_inside_a_code_point: Client, fragments([b"ab\xc3"]) => [], INVALID;
    s8_1_the_end_inside_a_code_point_of_fragments: Client, fragments([b"a", b"\xe2\x82"]) =>
        [], INVALID;
    s8_1_an_empty_last_frame_inside_a_code_point: Client, fragments([b"a\xc3", b""]) => [], INVALID;
    s8_1_empty_frames_do_not_complete_a_code_point: Client,
        fragments([b"\xf0\x9f\x90", b"", b"", b""]) => [], INVALID;
    s8_1_a_code_point_does_not_reach_into_the_next_message: Client,
        [fragments([&EURO[..2]]), fragments([&EURO[2..]])].concat() => [], INVALID;

    // Sequences that are never valid, told before the message ends.
    s8_1_a_lone_continuation_byte: Client, plain(TEXT, b"a\x80") => [], INVALID;
    s8_1_a_surrogate: Client, plain(TEXT, b"\xed\xa0\x80") => [], INVALID;
    s8_1_a_surrogate_pair: Client, plain(TEXT, b"\xed\xa0\xbd\xed\xb0\xad") => [], INVALID;
    s8_1_a_surrogate_across_frames: Client, [plain(TEXT, b"\xed"), plain(0, b"\xbf")].concat() =>
        [], INVALID;
    s8_1_an_overlong_slash_of_two: Client, plain(TEXT, b"\xc0\xaf") => [], INVALID;
    s8_1_an_overlong_slash_of_three: Client, plain(TEXT, b"\xe0\x80\xaf") => [], INVALID;
    s8_1_an_overlong_slash_of_four: Client, plain(TEXT, b"\xf0\x80\x80\xaf") => [], INVALID;
    s8_1_an_overlong_form_across_frames: Client,
        [plain(TEXT, b"\xe0"), plain(0, b"\x9f")].concat() =>
        [], INVALID;
    s8_1_above_10ffff: Client, plain(TEXT, b"\xf4\x90") => [], INVALID;
    s8_1_above_10ffff_across_frames: Client, [plain(TEXT, b"\xf4"), plain(0, b"\x90")].concat() =>
        [], INVALID;
    s8_1_bytes_that_never_occur: Client, plain(TEXT, b"\xff") => [], INVALID;
    s8_1_a_second_code_point_inside_the_first: Client,
        [plain(TEXT, b"\xe2\x82"), plain(0, b"\xe2\x82\xac")].concat() => [], INVALID;
    s8_1_the_suite_sample: Client,
        plain(TEXT, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80") =>
        [], INVALID;

    // What is valid, to the edges.
    s8_1_noncharacters_are_valid: Client,
        fragments(["\u{FFFE}\u{FFFF}\u{1FFFE}".as_bytes(), "\u{10FFFF}\0".as_bytes()]) =>
        [text("\u{FFFE}\u{FFFF}\u{1FFFE}\u{10FFFF}\0")], Ending::Open;
    s5_6_binary_is_not_looked_at: Client, [plain(BINARY, b"\xff\xc3"), plain(FIN, b"")].concat() =>
        [binary(b"\xff\xc3")], Ending::Open;
    s8_1_an_invalid_message_after_a_valid_one: Server,
        [frame(FIN | TEXT, Some(KEY), EURO), frame(FIN | TEXT, Some(KEY), b"\xc3(")].concat() =>
        [text("€")], INVALID;
}

/// An invalid byte early in a large frame ends the connection there, not a megabyte later.
#[test]
fn s8_1_an_invalid_byte_is_told_when_it_arrives() {
    for early in [&b"abc\xff"[..], b"\xf4\x90", b"\xed\xa0", b"\xe2\x82\xac\x7f\x80"] {
        let masked = frame(FIN | TEXT, Some(KEY), early).split_off(6);
        let bytes = [header(FIN | TEXT, Some(KEY), 1 << 19), masked].concat();
        let mut seen = 0;
        run_by_the_byte(&bytes, Reader::Server, limit(), |story| {
            seen += 1;
            let expected = (seen == bytes.len()).then_some(Violation::Text(InvalidUtf8));
            assert_eq!(story.violation, expected, "after {seen} bytes with {early:x?}");
        });
    }
}

#[test]
fn s8_1_a_long_text_with_one_bad_byte_at_any_place() {
    for place in (0..300).step_by(7).chain([63, 64, 65, 127, 128, 255, 256, 299]) {
        let mut payload = "é".repeat(150).into_bytes();
        payload[place] = 0xff;
        check(Reader::Client, limit(), &plain(FIN | TEXT, &payload), &[], INVALID);
        check(Reader::Client, limit(), &plain(TEXT, &payload), &[], INVALID);
    }
}

#[test]
fn s8_1_a_text_cut_at_every_two_places() {
    let whole = "aé€🐭b";
    let bytes = whole.as_bytes();
    for one in 0..=bytes.len() {
        for two in one..=bytes.len() {
            let parts = fragments([&bytes[..one], &bytes[one..two], &bytes[two..]]);
            check(Reader::Client, limit(), &parts, &[text(whole)], Ending::Open);
        }
        let is_valid = whole.is_char_boundary(one);
        let (events, ending) =
            if is_valid { (vec![text(&whole[..one])], Ending::Open) } else { (vec![], INVALID) };
        check(Reader::Client, limit(), &fragments([&bytes[..one], b""]), &events, ending);
        check(Reader::Client, limit(), &fragments([&bytes[..one]]), &events, ending);
    }
}
