//! What waits to be written (RFC 6455 §5.5.3, §6.1): whatever sockets do, frames go out whole, in
//! order, and bounded.

#![cfg(feature = "std")]

mod support;

use std::io::ErrorKind;

use dormouse::{CloseCode, Event, Input, Limits, Outbox, Prepared, SendError};
use proptest::collection::vec;
use proptest::prelude::*;
use support::laws::outboxes::{Act, Room, outboxes_are_their_models};
use support::model::PONGS_IN_FULL;
use support::outboxes::{
    BLOCKS, LONG, drain, limited, mixed, pong, push_pongs_in_full, receive_ping,
};
use support::sink::{Answer, Scripted};
use support::streams::config;
use support::{BINARY, CLOSE, FIN, KEY, PING, TEXT, close_body, frame, server, waiting};

const ALL: Answer = Answer::Takes(usize::MAX);

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
        let mut sink =
            Scripted::new([Answer::Takes(1); 1000].into_iter().take(cut).chain([BLOCKS]));
        assert_eq!(out.write_to(&mut sink).unwrap(), cut);
        assert_eq!(sink.calls, cut + 1, "a socket that blocks is not asked again");
        assert!(expected[cut..].starts_with(&waiting(&out)));
        let rest = drain(&mut out, &[ALL]);
        assert_eq!((sink.taken, rest), (expected[..cut].to_vec(), expected[cut..].to_vec()));
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
        let mut sink = Scripted::new([Answer::Takes(4), BLOCKS, ALL, ALL]);
        out.write_to(&mut sink).unwrap();
        assert_eq!(sink.taken, support::header(first, None, 300));
        let pongs = push_pongs_in_full(&mut ws, &mut out);
        receive_ping(&mut ws, b"now?", &mut out);
        out.write_to(&mut sink).unwrap();
        let expected = [frame(first, None, payload.as_bytes()), pongs, pong(b"now?")].concat();
        assert_eq!(sink.taken, expected, "no pong inside");
    }
}

#[test]
fn a_write_of_no_bytes_is_an_error_and_loses_nothing() {
    let mut out = limited(1000);
    let expected = mixed(&mut out);
    let mut sink = Scripted::new([Answer::Takes(3), Answer::Takes(0), ALL, ALL]);
    assert_eq!(out.write_to(&mut sink).unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(out.len(), expected.len() - 3);
    out.write_to(&mut sink).unwrap();
    assert_eq!(sink.taken, expected);
}

#[test]
fn an_interrupted_write_is_tried_again() {
    let mut out = limited(1000);
    let expected = mixed(&mut out);
    let interrupted = Answer::Fails(ErrorKind::Interrupted);
    let answers = [interrupted, Answer::Takes(7), interrupted, interrupted, ALL, interrupted, ALL];
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
    assert_eq!(out.len(), expected.len() - 9);
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
    let pongs = push_pongs_in_full(&mut ws, &mut out);
    receive_ping(&mut ws, b"ping", &mut out);
    ws.close(CloseCode::GOING_AWAY, "bye", &mut out);
    receive_ping(&mut ws, b"pong", &mut out);
    assert_eq!(ws.ping(b"", &mut out), Err(SendError::Closed));
    let expected = [
        frame(FIN | TEXT, None, b"ab"),
        pongs,
        pong(b"pong"),
        frame(CLOSE, None, &close_body(1001, "bye")),
    ];
    assert_eq!(drain(&mut out, &[Answer::Takes(1)]), expected.concat());
}

#[test]
fn s5_5_2_ten_pings_in_one_read_are_ten_pongs_in_one_write() {
    let (mut ws, mut out) = server();
    let mut read: Vec<u8> = (0..10u8).flat_map(|ping| frame(PING, Some(KEY), &[ping; 9])).collect();
    let mut input = Input::new(&mut read);
    for ping in 0..10u8 {
        let event = ws.next(&mut input, &mut out).unwrap();
        assert_eq!(event, Some(Event::Ping(vec![ping; 9].into())));
    }
    let mut sink = Scripted::new([Answer::Takes(usize::MAX)]);
    out.write_to(&mut sink).unwrap();
    assert_eq!(sink.taken, (0..10u8).flat_map(|ping| pong(&[ping; 9])).collect::<Vec<_>>());
    assert_eq!(sink.calls, 1);
}

#[test]
fn s5_5_2_after_each_write_a_few_pings_are_answered_again() {
    for mut out in [limited(5000), Outbox::keeping(&Limits::default(), 4096)] {
        let (mut ws, _) = server();
        for _ in 0..3 {
            let pongs = push_pongs_in_full(&mut ws, &mut out);
            assert_eq!(drain(&mut out, &[Answer::Takes(30)]), pongs);
        }
    }
}

#[test]
fn s5_5_3_a_ping_flood_to_a_peer_that_never_reads() {
    let (mut ws, mut out) = server();
    ws.text("waits", &mut out).unwrap();
    let payload = |number: usize| format!("{number:0125}").into_bytes();
    for number in 0..1000 {
        receive_ping(&mut ws, &payload(number), &mut out);
        assert_eq!(out.len(), 7 + 127 * (number + 1).min(17));
    }
    let pongs = (0..PONGS_IN_FULL).chain([999]).flat_map(|number| pong(&payload(number)));
    assert_eq!(drain(&mut out, &[ALL])[7..], pongs.collect::<Vec<_>>());
}

#[test]
fn s5_5_3_a_pong_is_replaced_where_it_waits() {
    let (mut ws, mut out) = server();
    let pongs = push_pongs_in_full(&mut ws, &mut out);
    ws.text("a", &mut out).unwrap();
    receive_ping(&mut ws, b"older and longer", &mut out);
    ws.text("b", &mut out).unwrap();
    receive_ping(&mut ws, b"newer", &mut out);
    let (a, b) = (frame(FIN | TEXT, None, b"a"), frame(FIN | TEXT, None, b"b"));
    let all = [&pongs, &a, &pong(b"newer"), &b].map(|part| &part[..]).concat();
    assert_eq!((waiting(&out), out.len()), ([&pongs[..], &a].concat(), all.len()));
    assert_eq!(drain(&mut out, &[ALL]), all);
}

/// A write that was begun with what `slices` gave may end after the next read: with io_uring, or over
/// TLS, which takes bytes that it then reports as refused.
#[test]
fn s5_5_3_what_was_shown_is_not_replaced() {
    let (mut ws, mut out) = server();
    let mut sent = Vec::new();
    let pongs = push_pongs_in_full(&mut ws, &mut out);
    for payload in [&b"a"[..], b"older and longer", b"newer", b"another one"] {
        receive_ping(&mut ws, payload, &mut out);
        let shown = waiting(&out);
        receive_ping(&mut ws, &payload[..1], &mut out);
        ws.text("meanwhile", &mut out).unwrap();
        assert!(waiting(&out).starts_with(&shown));
        out.advance(shown.len());
        sent.extend(shown);
    }
    sent.extend(drain(&mut out, &[ALL]));
    let text = frame(FIN | TEXT, None, b"meanwhile");
    let answers = [pong(b"a"), text.clone(), pong(b"o"), text.clone(), pong(b"n"), text.clone()];
    let answers = [&answers.concat()[..], &pong(b"a"), &text].concat();
    assert_eq!(sent, [pongs, answers].concat());
}

#[test]
fn s5_5_3_a_pong_that_is_next_is_not_replaced() {
    let older = pong(b"older");
    for written in 0..older.len() {
        let (mut ws, mut out) = server();
        let pongs = push_pongs_in_full(&mut ws, &mut out);
        receive_ping(&mut ws, b"older", &mut out);
        out.advance(pongs.len() + written);
        receive_ping(&mut ws, b"newer", &mut out);
        receive_ping(&mut ws, b"newest", &mut out);
        assert_eq!(waiting(&out), older[written..], "{written} bytes written");
        let expected = [&older[written..], &pong(b"newest")].concat();
        assert_eq!(out.len(), expected.len());
        assert_eq!(drain(&mut out, &[ALL]), expected, "{written} bytes written");
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
fn the_default_limits_leave_room_to_echo_the_largest_message() {
    let (mut ws, mut out) = server();
    let mut reads = frame(FIN | BINARY, Some(KEY), &vec![7; Limits::default().message as usize]);
    // Its last bytes can come with many small messages and pings in the same read.
    let end = reads.len() - 1;
    while reads.len() < end + 64 * 1024 {
        reads.extend(frame(FIN | BINARY, Some(KEY), b"7"));
        reads.extend(frame(PING, Some(KEY), &[7; 125]));
    }
    let (mut echoes, mut echoed) = (0, 0);
    let (first, second) = reads.split_at_mut(end);
    for read in [first, second] {
        let mut input = Input::new(read);
        while let Some(event) = ws.next(&mut input, &mut out).unwrap() {
            if let Event::Binary(message) = event {
                ws.binary(&message, &mut out).unwrap();
                echoes += 1;
                echoed += message.len();
            }
        }
    }
    assert!(echoes > 400 && echoed == (1 << 20) + echoes - 1, "{echoes} {echoed}");
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

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..40u8).prop_map(Act::Text),
        2 => (0..40usize).prop_map(Act::Shared),
        3 => (100..300usize).prop_map(Act::Shared),
        2 => (1..40u8).prop_map(Act::Raw),
        6 => vec(vec(any::<u8>(), 0..12), 1..4).prop_map(Act::Pings),
        3 => vec(vec(any::<u8>(), 0..3), 14..20).prop_map(Act::Pings),
        1 => Just(Act::Close),
        8 => (0..30u16).prop_map(Act::Advance),
        2 => (0..600u16).prop_map(Act::Advance),
        3 => Just(Act::Append),
        3 => (0..600usize, 1..200usize, prop::bool::weighted(0.2)).prop_map(|(len, step, fails)| {
            Act::Turn(Room { len, step, fails })
        }),
        1 => Just(Act::Clear),
    ]
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn any_schedule_gives_what_the_model_gives(
        acts in vec((any::<bool>(), act()), 1..60),
        keep in prop_oneof![Just(0u32), Just(64), Just(4096)],
    ) {
        outboxes_are_their_models(keep, &acts);
    }
}
