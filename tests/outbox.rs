//! What waits to be written (RFC 6455 §5.5.3, §6.1): whatever sockets do, frames go out whole, in
//! order, and bounded.

#![cfg(feature = "std")]

mod support;

use std::io::ErrorKind;
use std::sync::LazyLock;

use dormouse::{CloseCode, Event, Input, Limits, Outbox, Prepared, SendError, Server, WebSocket};
use proptest::collection::vec;
use proptest::prelude::*;
use support::model::Model;
use support::sink::{Answer, Scripted};
use support::streams::config;
use support::{BINARY, CLOSE, FIN, KEY, PING, PONG, TEXT, close_body, frame, server, waiting};

const BLOCKS: Answer = Answer::Fails(ErrorKind::WouldBlock);

fn limited(outbox: u32) -> Outbox {
    Outbox::new(&Limits { outbox, ..Limits::default() })
}

/// A ping from a client arrives, and its pong is queued in `out`.
fn receive_ping(ws: &mut WebSocket<Server>, payload: &[u8], out: &mut Outbox) {
    let mut bytes = frame(PING, Some(KEY), payload);
    let event = ws.next(&mut Input::new(&mut bytes), out);
    assert_eq!(event, Ok(Some(Event::Ping(payload.into()))));
}

/// A message that is worth sharing: short ones are copied, which costs less than a handle.
static LONG: LazyLock<String> = LazyLock::new(|| "shared ".repeat(50));

/// An outbox with everything that can wait in one: own frames, shared frames and a pong.
fn mixed(out: &mut Outbox) -> Vec<u8> {
    let mut ws = WebSocket::server(&Limits::default());
    ws.text("first", out).unwrap();
    ws.send(&Prepared::text(&LONG), out).unwrap();
    receive_ping(&mut ws, b"ping", out);
    ws.send(&Prepared::binary(b"again"), out).unwrap();
    ws.binary(b"last", out).unwrap();
    [
        frame(FIN | TEXT, None, b"first"),
        frame(FIN | TEXT, None, LONG.as_bytes()),
        frame(PONG, None, b"ping"),
        frame(FIN | BINARY, None, b"again"),
        frame(FIN | BINARY, None, b"last"),
    ]
    .concat()
}

/// Writes until nothing waits, as often as it takes, each time to a socket with the same script.
fn drain(out: &mut Outbox, answers: &[Answer]) -> Vec<u8> {
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

#[test]
fn writes_of_every_size() {
    let len = mixed(&mut limited(1000)).len();
    for most in 1..=len + 1 {
        let mut out = limited(1000);
        let expected = mixed(&mut out);
        assert_eq!(drain(&mut out, &[Answer::Takes(most)]), expected, "by {most}");
    }
}

#[test]
fn a_socket_that_blocks_after_every_byte_in_turn() {
    let len = mixed(&mut limited(1000)).len();
    for cut in 1..len {
        let mut out = limited(1000);
        let expected = mixed(&mut out);
        let mut sink = Scripted::new([Answer::Takes(cut), BLOCKS, Answer::Takes(len)]);
        assert_eq!(out.write_to(&mut sink).unwrap(), cut);
        assert_eq!(sink.calls, 2, "a socket that blocks is not asked again");
        assert_eq!(waiting(&out), expected[cut..]);
        assert_eq!(out.write_to(&mut sink).unwrap(), len - cut);
        assert_eq!(sink.taken, expected);
        assert!(out.is_empty());
    }
}

#[test]
fn blocked_between_header_and_payload() {
    for first in [FIN | TEXT, FIN | BINARY] {
        let (mut ws, mut out) = server();
        let payload = "x".repeat(300);
        match first & 0x0F {
            TEXT => ws.text(&payload, &mut out).unwrap(),
            _ => ws.binary(payload.as_bytes(), &mut out).unwrap(),
        }
        let mut sink = Scripted::new([Answer::Takes(4), BLOCKS, Answer::Takes(1000)]);
        out.write_to(&mut sink).unwrap();
        assert_eq!(sink.taken, support::header(first, None, 300));
        receive_ping(&mut ws, b"now?", &mut out);
        out.write_to(&mut sink).unwrap();
        drain(&mut out, &[Answer::Takes(1)]);
        assert_eq!(sink.taken[..304], frame(first, None, payload.as_bytes()), "no pong inside");
    }
}

#[test]
fn a_write_of_no_bytes_is_an_error_and_loses_nothing() {
    let mut out = limited(1000);
    let expected = mixed(&mut out);
    let mut sink = Scripted::new([Answer::Takes(3), Answer::Takes(0), Answer::Takes(1000)]);
    assert_eq!(out.write_to(&mut sink).unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(waiting(&out), expected[3..]);
    out.write_to(&mut sink).unwrap();
    assert_eq!(sink.taken, expected);
}

#[test]
fn an_interrupted_write_is_tried_again() {
    let mut out = limited(1000);
    let expected = mixed(&mut out);
    let interrupted = Answer::Fails(ErrorKind::Interrupted);
    let answers = [interrupted, Answer::Takes(7), interrupted, interrupted, Answer::Takes(1000)];
    let mut sink = Scripted::new(answers);
    assert_eq!(out.write_to(&mut sink).unwrap(), expected.len());
    assert_eq!(sink.taken, expected);
}

#[test]
fn other_errors_are_the_embedders() {
    let mut out = limited(1000);
    let expected = mixed(&mut out);
    let mut sink = Scripted::new([Answer::Takes(9), Answer::Fails(ErrorKind::BrokenPipe)]);
    assert_eq!(out.write_to(&mut sink).unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(waiting(&out), expected[9..]);
    out.clear();
    assert!(out.is_empty() && waiting(&out).is_empty());
}

#[test]
fn an_empty_outbox_writes_nothing() {
    for mut out in [limited(10), Outbox::keeping(&Limits::default(), 10)] {
        for _ in 0..2 {
            let mut sink = Scripted::new([]);
            assert_eq!(out.write_to(&mut sink).unwrap(), 0);
            assert_eq!(sink.calls, 0);
            out.push(b"").unwrap();
            assert!(out.is_empty());
            out.push(b"abc").unwrap();
            out.advance(usize::MAX);
        }
    }
}

#[test]
fn more_slices_than_one_vectored_write_takes() {
    let (mut ws, mut out) = server();
    let mut expected = Vec::new();
    for number in 0..500 {
        let shared = Prepared::text(&format!("shared {number:200}"));
        ws.send(&shared, &mut out).unwrap();
        expected.extend_from_slice(shared.as_bytes());
    }
    let mut sink = Scripted::new([Answer::Takes(usize::MAX); 500]);
    assert_eq!(out.write_to(&mut sink).unwrap(), expected.len());
    assert_eq!(sink.taken, expected);
    assert!(sink.calls < 50, "{} calls for 500 frames", sink.calls);
}

#[test]
fn the_limit_counts_what_waits_and_no_more() {
    let (mut ws, _) = server();
    let mut out = limited(20);
    assert_eq!(ws.binary(&[0; 19], &mut out), Err(SendError::TooBig));
    assert_eq!(ws.send(&Prepared::binary(&[0; 19]), &mut out), Err(SendError::TooBig));
    assert_eq!(out.push(&[0; 21]), Err(SendError::TooBig));
    assert!(out.is_empty(), "nothing is queued");
    ws.binary(&[0; 18], &mut out).unwrap();
    assert_eq!(out.push(b"a"), Err(SendError::Full));
    out.advance(3);
    assert_eq!(ws.text("ab", &mut out), Err(SendError::Full));
    assert_eq!(ws.send(&Prepared::text("ab"), &mut out), Err(SendError::Full));
    assert_eq!(out.push_all(&[b"ab", b"cd"]), Err(SendError::Full));
    ws.text("a", &mut out).unwrap();
    assert_eq!(out.len(), 20);
    out.advance(17);
    ws.send(&Prepared::binary(&[0; 15]), &mut out).unwrap();
    assert_eq!((out.len(), out.push(b"a")), (20, Err(SendError::Full)));
}

#[test]
fn s5_5_replies_have_a_place_in_a_full_outbox() {
    let (mut ws, _) = server();
    let mut out = limited(4);
    ws.text("ab", &mut out).unwrap();
    assert_eq!(ws.ping(b"", &mut out), Err(SendError::Full));
    receive_ping(&mut ws, b"ping", &mut out);
    ws.close(CloseCode::GOING_AWAY, "bye", &mut out);
    receive_ping(&mut ws, b"pong", &mut out);
    let expected = [
        frame(FIN | TEXT, None, b"ab"),
        frame(PONG, None, b"pong"),
        frame(CLOSE, None, &close_body(1001, "bye")),
    ];
    assert_eq!(drain(&mut out, &[Answer::Takes(1)]), expected.concat());
}

#[test]
fn s5_5_3_a_ping_flood_to_a_peer_that_never_reads() {
    let (mut ws, mut out) = server();
    ws.text("waits", &mut out).unwrap();
    for number in 0..10_000 {
        receive_ping(&mut ws, format!("{number:0125}").as_bytes(), &mut out);
        assert_eq!(out.len(), 7 + 127);
    }
    let newest = frame(PONG, None, format!("{:0125}", 9999).as_bytes());
    assert_eq!(waiting(&out)[7..], newest);
}

#[test]
fn s5_5_3_a_pong_is_replaced_where_it_waits() {
    let (mut ws, mut out) = server();
    ws.text("a", &mut out).unwrap();
    receive_ping(&mut ws, b"older and longer", &mut out);
    ws.text("b", &mut out).unwrap();
    receive_ping(&mut ws, b"newer", &mut out);
    let (a, b) = (frame(FIN | TEXT, None, b"a"), frame(FIN | TEXT, None, b"b"));
    let newer = frame(PONG, None, b"newer");
    assert_eq!(waiting(&out), [&a[..], &newer, &b].concat());
    out.advance(a.len());
    receive_ping(&mut ws, b"newest", &mut out);
    assert_eq!(waiting(&out), [&frame(PONG, None, b"newest")[..], &b].concat());
}

#[test]
fn s5_5_3_a_pong_that_is_partly_written_is_not_replaced() {
    let older = frame(PONG, None, b"older");
    for written in 1..older.len() {
        let (mut ws, mut out) = server();
        receive_ping(&mut ws, b"older", &mut out);
        out.advance(written);
        receive_ping(&mut ws, b"newer", &mut out);
        receive_ping(&mut ws, b"newest", &mut out);
        let expected = [&older[written..], &frame(PONG, None, b"newest")].concat();
        assert_eq!(waiting(&out), expected, "{written} bytes written");
        assert_eq!(out.len(), expected.len());
    }
}

#[test]
fn a_shared_frame_waits_in_many_outboxes_at_different_places() {
    let shared = Prepared::text(&LONG);
    let (mut ws, _) = server();
    let mut outboxes: Vec<Outbox> = (0..shared.as_bytes().len()).map(|_| limited(1000)).collect();
    for (written, out) in outboxes.iter_mut().enumerate() {
        ws.send(&shared, out).unwrap();
        assert_eq!(out.slices().next().unwrap().as_ptr(), shared.as_bytes().as_ptr(), "no copy");
        out.advance(written);
    }
    for (written, out) in outboxes.iter_mut().enumerate() {
        assert_eq!(drain(out, &[Answer::Takes(2)]), shared.as_bytes()[written..]);
    }
}

#[test]
fn what_a_thread_could_not_write_moves_to_the_connection() {
    let len = mixed(&mut limited(1000)).len();
    for written in 0..=len {
        let mut per_thread = Outbox::keeping(&Limits::default(), 4096);
        let expected = mixed(&mut per_thread);
        per_thread.advance(written);
        let mut own = limited(8);
        own.push(b"before").unwrap();
        own.append(&mut per_thread);
        assert!(per_thread.is_empty());
        let expected = [&b"before"[..], &expected[written..]].concat();
        assert_eq!(own.len(), expected.len());
        assert_eq!(drain(&mut own, &[Answer::Takes(5)]), expected, "{written} bytes written");
    }
}

#[test]
fn s5_5_3_a_pong_in_both_outboxes_goes_out_once() {
    let (mut ws, mut own) = server();
    let mut per_thread = Outbox::keeping(&Limits::default(), 4096);
    receive_ping(&mut ws, b"older", &mut own);
    own.push(b"own").unwrap();
    per_thread.push(b"thread").unwrap();
    receive_ping(&mut ws, b"newer", &mut per_thread);
    own.append(&mut per_thread);
    assert_eq!(waiting(&own), [&frame(PONG, None, b"newer")[..], b"ownthread"].concat());
}

#[test]
fn a_slow_consumer_gets_everything_that_was_accepted() {
    let (mut ws, _) = server();
    let mut out = limited(500);
    let (mut accepted, mut taken, mut refused) = (Vec::new(), Vec::new(), 0);
    for number in 0..2000 {
        let message = format!("message {number}");
        match ws.text(&message, &mut out) {
            Ok(()) => accepted.extend(frame(FIN | TEXT, None, message.as_bytes())),
            Err(error) => {
                assert_eq!(error, SendError::Full);
                refused += 1;
            }
        }
        assert!(out.len() <= 500);
        let mut sink = Scripted::new([Answer::Takes(number % 23)]);
        if number % 23 > 0 {
            out.write_to(&mut sink).unwrap();
        }
        taken.extend(sink.taken);
    }
    taken.extend(drain(&mut out, &[Answer::Takes(3)]));
    assert_eq!(taken, accepted);
    assert!(refused > 100, "the consumer was not slow");
}

#[derive(Clone, Debug)]
enum Act {
    Text(usize),
    Shared(usize),
    Raw(usize),
    Ping(Vec<u8>),
    Close,
    Advance(usize),
    /// Moves what waits in this outbox to the end of the other.
    Append,
    Clear,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..40usize).prop_map(Act::Text),
        2 => (0..40usize).prop_map(Act::Shared),
        3 => (100..300usize).prop_map(Act::Shared),
        2 => (1..40usize).prop_map(Act::Raw),
        6 => vec(any::<u8>(), 0..12).prop_map(Act::Ping),
        1 => Just(Act::Close),
        8 => (0..30usize).prop_map(Act::Advance),
        2 => (0..600usize).prop_map(Act::Advance),
        3 => Just(Act::Append),
        1 => Just(Act::Clear),
    ]
}

const LIMIT: usize = 700;

fn perform(act: &Act, number: u8, out: &mut Outbox, model: &mut Model) {
    let mut ws = WebSocket::server(&Limits::default());
    let payload = |len: usize| vec![b'a' + number % 26; len];
    let (bytes, result) = match act {
        Act::Text(len) => {
            let text = String::from_utf8(payload(*len)).unwrap();
            (frame(FIN | TEXT, None, text.as_bytes()), ws.text(&text, out))
        }
        Act::Shared(len) => {
            let shared = Prepared::binary(&payload(*len));
            (frame(FIN | BINARY, None, &payload(*len)), ws.send(&shared, out))
        }
        Act::Raw(len) => (payload(*len), out.push(&payload(*len))),
        Act::Ping(body) => {
            receive_ping(&mut ws, body, out);
            return model.push_pong(frame(PONG, None, body));
        }
        Act::Close => {
            ws.close(CloseCode::NORMAL, "", out);
            return model.push(frame(CLOSE, None, &close_body(1000, "")));
        }
        Act::Advance(by) => {
            out.advance(*by);
            return model.advance(*by);
        }
        Act::Clear => {
            out.clear();
            return model.clear();
        }
        Act::Append => unreachable!("takes two outboxes"),
    };
    if model.has_room(bytes.len(), LIMIT) {
        assert_eq!(result, Ok(()));
        model.push(bytes);
    } else {
        assert_eq!(result, Err(SendError::Full));
    }
}

proptest! {
    #![proptest_config(config(1500))]

    /// Two outboxes, one that keeps its memory and one that does not, beside a naive model of each.
    #[test]
    fn any_schedule_gives_what_the_model_gives(
        acts in vec((any::<bool>(), act()), 1..60),
        keep in prop_oneof![Just(0u32), Just(64), Just(4096)],
    ) {
        let limits = Limits { outbox: LIMIT as u32, ..Limits::default() };
        let mut outboxes = [Outbox::new(&limits), Outbox::keeping(&limits, keep)];
        let mut models = [Model::default(), Model::default()];
        for (number, (second, act)) in acts.iter().enumerate() {
            let at = usize::from(*second);
            if let Act::Append = act {
                let [a, b] = &mut outboxes;
                let [model_a, model_b] = &mut models;
                if *second { a.append(b) } else { b.append(a) }
                if *second { model_a.append(model_b) } else { model_b.append(model_a) }
            } else {
                perform(act, number as u8, &mut outboxes[at], &mut models[at]);
            }
            for (out, model) in outboxes.iter().zip(&models) {
                let bytes = model.bytes();
                prop_assert_eq!(&waiting(out), &bytes, "after {:?}", act);
                prop_assert_eq!((out.len(), out.is_empty()), (bytes.len(), bytes.is_empty()));
                prop_assert!(out.slices().all(|slice| !slice.is_empty()), "an empty slice");
            }
        }
        let [out, _] = &mut outboxes;
        prop_assert_eq!(drain(out, &[Answer::Takes(5), Answer::Takes(1)]), models[0].bytes());
    }
}
