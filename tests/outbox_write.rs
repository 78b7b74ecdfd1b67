//! Messages that go straight to a socket (RFC 6455 §6.1): the same bytes as by way of the outbox,
//! whatever the socket takes, and no copy of what it does.

#![cfg(feature = "std")]

mod support;

use std::io::ErrorKind;

use dormouse::{CloseCode, Limits, Outbox, SendError, WebSocket, WriteError};
use proptest::collection::vec;
use proptest::prelude::*;
use support::heap::{Counting, usage};
use support::outboxes::{drain, limited};
use support::sink::{Answer, Scripted};
use support::streams::config;
use support::{BINARY, FIN, KEY, TEXT, frame, waiting};

#[global_allocator]
static HEAP: Counting = Counting;

/// Takes all that it is given.
fn greedy(calls: usize) -> Scripted {
    Scripted::new(vec![Answer::Takes(usize::MAX); calls])
}

fn send_error(result: Result<usize, WriteError>) -> SendError {
    match result {
        Err(WriteError::Send(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn s6_1_header_and_payload_go_out_in_one_call() {
    for len in (0..=130).chain([252, 253, 65_535, 65_536, 1 << 20]) {
        let limits = Limits { outbox: 2 << 20, ..Limits::default() };
        let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
        let (payload, mut sink) = (vec![7; len], greedy(1));
        let expected = frame(FIN | BINARY, None, &payload);
        assert_eq!(ws.write_binary(&payload, &mut out, &mut sink).unwrap(), expected.len());
        assert!(out.is_empty() && sink.taken == expected, "{len}");
    }
}

#[test]
fn what_the_socket_takes_costs_no_heap() {
    let limits = Limits { outbox: 2 << 20, ..Limits::default() };
    let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    let payload = vec![7; 1 << 20];
    let (written, usage) = usage(|| ws.write_binary(&payload, &mut out, &mut std::io::sink()));
    assert_eq!(written.unwrap(), (1 << 20) + 10);
    assert_eq!(usage.calls, 0);
}

#[test]
fn what_the_socket_does_not_take_waits() {
    let text = "and the rest of it waits ".repeat(20);
    let expected = frame(FIN | TEXT, None, text.as_bytes());
    for taken in 0..expected.len() {
        let (mut ws, mut out) = (WebSocket::server(&Limits::default()), limited(1000));
        let mut sink = Scripted::new([Answer::Takes(taken)].into_iter().filter(|_| taken > 0));
        assert_eq!(ws.write_text(&text, &mut out, &mut sink).unwrap(), taken);
        assert_eq!([sink.taken, waiting(&out)].concat(), expected);
    }
}

#[test]
fn what_waits_goes_first() {
    let (mut ws, mut out) = (WebSocket::server(&Limits::default()), limited(1000));
    ws.text("first", &mut out).unwrap();
    let mut sink = Scripted::new([Answer::Takes(3)]);
    assert_eq!(ws.write_text("second", &mut out, &mut sink).unwrap(), 3);
    let mut rest = greedy(2);
    assert_eq!(ws.write_text("third", &mut out, &mut rest).unwrap(), 4 + 8 + 7);
    assert!(out.is_empty());
    let messages =
        ["first", "second", "third"].map(|text| frame(FIN | TEXT, None, text.as_bytes()));
    assert_eq!([sink.taken, rest.taken].concat(), messages.concat());
}

#[test]
fn s5_3_a_client_masks() {
    let limits = Limits::default();
    let (mut ws, mut out) = (WebSocket::client(&limits, || KEY), Outbox::new(&limits));
    let mut sink = greedy(1);
    ws.write_text("Hello", &mut out, &mut sink).unwrap();
    assert_eq!(sink.taken, frame(FIN | TEXT, Some(KEY), b"Hello"));
}

#[test]
fn errors_send_nothing_of_the_message() {
    let (mut ws, mut out) = (WebSocket::server(&Limits::default()), limited(100));
    let write = |ws: &mut WebSocket<_>, out: &mut Outbox, len| {
        let mut sink = Scripted::default();
        let error = send_error(ws.write_binary(&vec![7; len], out, &mut sink));
        assert!(sink.taken.is_empty());
        error
    };
    assert_eq!(write(&mut ws, &mut out, 99), SendError::TooBig);
    let mut sink = greedy(1);
    assert_eq!(send_error(ws.write_binary(&[7; 99], &mut out, &mut sink)), SendError::TooBig);
    assert!(sink.taken.is_empty(), "although the socket would take it");
    ws.binary(&[7; 50], &mut out).unwrap();
    let waits = waiting(&out);
    assert_eq!(write(&mut ws, &mut out, 50), SendError::Full);
    ws.text_fragment("a", &mut out).unwrap();
    assert_eq!(write(&mut ws, &mut out, 1), SendError::MessageInProgress);
    assert!(waiting(&out).starts_with(&waits));
    ws.close(CloseCode::NORMAL, "", &mut out);
    assert_eq!(write(&mut ws, &mut out, 1), SendError::Closed);
}

#[test]
fn a_socket_that_fails_is_told() {
    for (answers, kind) in [
        (vec![Answer::Fails(ErrorKind::BrokenPipe)], ErrorKind::BrokenPipe),
        (vec![Answer::Takes(3), Answer::Fails(ErrorKind::BrokenPipe)], ErrorKind::BrokenPipe),
        (vec![Answer::Takes(0)], ErrorKind::WriteZero),
    ] {
        let (mut ws, mut out) = (WebSocket::server(&Limits::default()), limited(1000));
        let result = ws.write_text(&"x".repeat(500), &mut out, &mut Scripted::new(answers));
        assert!(matches!(result, Err(WriteError::Io(error)) if error.kind() == kind));
    }
    let (mut ws, mut out) = (WebSocket::server(&Limits::default()), limited(1000));
    let mut sink = Scripted::new([Answer::Fails(ErrorKind::Interrupted), Answer::Takes(9)]);
    assert_eq!(ws.write_text("tried again", &mut out, &mut sink).unwrap(), 9);
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn s6_1_any_schedule_gives_the_stream_that_the_outbox_gives(
        messages in vec((0..600usize, vec(0..400usize, 0..4)), 1..12),
    ) {
        let limits = Limits { outbox: 10_000, ..Limits::default() };
        let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
        let (mut taken, mut expected) = (Vec::new(), Vec::new());
        for (number, (len, answers)) in messages.into_iter().enumerate() {
            let payload = vec![number as u8; len];
            let answers = answers.into_iter().filter(|&most| most > 0).map(Answer::Takes);
            let mut sink = Scripted::new(answers);
            let written = ws.write_binary(&payload, &mut out, &mut sink).unwrap();
            prop_assert_eq!(written, sink.taken.len());
            taken.extend(sink.taken);
            expected.extend(frame(FIN | BINARY, None, &payload));
        }
        taken.extend(drain(&mut out, &[Answer::Takes(5)]));
        prop_assert_eq!(taken, expected);
    }
}
