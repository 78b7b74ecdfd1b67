//! A thread's outbox and the connections' own (RFC 6455 §6.1): the bytes of a connection go out in
//! order, under its limit, and never to another one.

#![cfg(feature = "std")]

mod support;

use std::io::ErrorKind;
use std::iter::repeat_n;

use dormouse::{Limits, Outbox, Prepared, SendError};
use support::outboxes::{
    BLOCKS, LONG, drain, limited, mixed, pong, push_pongs_in_full, receive_ping,
};
use support::sink::{Answer, Scripted};
use support::{FIN, TEXT, frame, server, waiting};

#[test]
fn what_a_thread_could_not_write_moves_to_the_connection() {
    let len = mixed(&mut limited(1000)).len();
    for written in 0..=len {
        let mut per_thread = Outbox::keeping(&Limits::default(), 4096);
        let expected = mixed(&mut per_thread);
        per_thread.advance(written);
        let mut own = limited(1000);
        own.push(b"before").unwrap();
        own.append(&mut per_thread).unwrap();
        assert!(per_thread.is_empty());
        let expected = [&b"before"[..], &expected[written..]].concat();
        assert_eq!(own.len(), expected.len());
        assert_eq!(drain(&mut own, &[Answer::Takes(5)]), expected, "{written} bytes written");
    }
}

#[test]
fn s5_5_3_of_two_pongs_that_can_be_replaced_the_newer_goes_out() {
    let (mut ws, mut own) = server();
    let mut per_thread = Outbox::keeping(&Limits::default(), 4096);
    let pongs = push_pongs_in_full(&mut ws, &mut own);
    receive_ping(&mut ws, b"older", &mut own);
    own.push(b"own").unwrap();
    push_pongs_in_full(&mut ws, &mut per_thread);
    receive_ping(&mut ws, b"newer", &mut per_thread);
    own.append(&mut per_thread).unwrap();
    assert_eq!(waiting(&own), [&pongs[..], &pong(b"newer"), b"own", &pongs].concat());
}

#[test]
fn append_beyond_the_limit_is_refused_and_moves_nothing() {
    let (mut ws, mut per_thread) = server();
    let mut own = limited(500);
    own.push(&[1; 100]).unwrap();
    ws.send(&Prepared::text(&LONG), &mut per_thread).unwrap();
    let fits = 400 - per_thread.len();
    per_thread.push(&vec![2; fits + 1]).unwrap();
    let (before, refused) = (waiting(&own), waiting(&per_thread));
    assert_eq!(own.append(&mut per_thread), Err(SendError::Full));
    assert_eq!((waiting(&own), waiting(&per_thread)), (before, refused));

    per_thread.advance(1);
    let expected = [waiting(&own), waiting(&per_thread)].concat();
    own.append(&mut per_thread).unwrap();
    assert_eq!(waiting(&own), expected);
    assert_eq!(own.append(&mut per_thread), Ok(()), "nothing always fits");
}

#[test]
fn own_bytes_come_before_shared_ones() {
    let mut shared = Outbox::keeping(&Limits::default(), 4096);
    for own_len in [0, 1, 700] {
        let mut len = usize::MAX;
        let mut room = 0;
        while room <= len {
            let mut own = limited(5000);
            own.push(&vec![b'o'; own_len]).unwrap();
            let expected = [waiting(&own), mixed(&mut shared)].concat();
            len = expected.len();
            // A socket that has blocked may take bytes again before the next call.
            let answers = repeat_n(Answer::Takes(1), room);
            let mut sink = Scripted::new(answers.chain([BLOCKS, Answer::Takes(usize::MAX)]));
            assert_eq!(own.flush(&mut shared, &mut sink).unwrap(), room);
            assert_eq!([sink.taken, waiting(&own)].concat(), expected, "{room} bytes taken");
            assert!(shared.is_empty());
            room += 1;
        }
    }
}

/// A connection whose socket breaks, with bytes in both outboxes, and the next one of its thread.
#[track_caller]
fn breaks(own_len: usize, answers: &[Answer], error: ErrorKind) {
    for keep in [0, 4096] {
        let mut shared = Outbox::keeping(&Limits::default(), keep);
        let mut dead = limited(2000);
        dead.push(&vec![b'o'; own_len]).unwrap();
        mixed(&mut shared);
        let mut sink = Scripted::new(answers.iter().copied());
        assert_eq!(dead.flush(&mut shared, &mut sink).unwrap_err().kind(), error);
        assert!(shared.is_empty() && waiting(&shared).is_empty());

        let (mut ws, mut next) = server();
        ws.text("mine", next.or(&mut shared)).unwrap();
        let mut sink = Scripted::new([Answer::Takes(usize::MAX)]);
        next.flush(&mut shared, &mut sink).unwrap();
        assert_eq!(sink.taken, frame(FIN | TEXT, None, b"mine"), "and nothing of the dead one");
        assert!(next.is_empty() && shared.is_empty());
    }
}

#[test]
fn what_a_dead_connection_sent_reaches_nobody_else() {
    let reset = Answer::Fails(ErrorKind::ConnectionReset);
    for own_len in [0, 10] {
        breaks(own_len, &[reset], ErrorKind::ConnectionReset);
        breaks(own_len, &[Answer::Takes(7), reset], ErrorKind::ConnectionReset);
        breaks(own_len, &[Answer::Takes(10), Answer::Takes(7), reset], ErrorKind::ConnectionReset);
        breaks(own_len, &[Answer::Takes(7), Answer::Takes(0)], ErrorKind::WriteZero);
    }
    // The socket is well, but more was sent than may wait.
    breaks(1990, &[], ErrorKind::Other);
}

#[test]
fn own_or_shared() {
    let (mut own, mut shared) = (limited(100), limited(100));
    own.or(&mut shared).push(b"abc").unwrap();
    assert_eq!((own.len(), shared.len()), (0, 3));
    own.flush(&mut shared, &mut Scripted::new([Answer::Takes(1)])).unwrap();
    assert_eq!((own.len(), shared.len()), (2, 0));
    own.or(&mut shared).push(b"def").unwrap();
    assert_eq!((waiting(&own), shared.len()), (b"bcdef".to_vec(), 0));
    own.flush(&mut shared, &mut Scripted::new([Answer::Takes(9)])).unwrap();
    own.or(&mut shared).push(b"g").unwrap();
    assert_eq!((own.len(), shared.len()), (0, 1));
}

#[test]
fn a_slow_consumer_costs_its_limit_also_by_way_of_a_shared_outbox() {
    let (mut ws, _) = server();
    let limits = Limits { outbox: 5000, ..Limits::default() };
    let message = [7; 98];

    // Who asks `or` is told when the outbox is full, and flushing does not fail.
    let (mut own, mut shared) = (Outbox::new(&limits), Outbox::keeping(&limits, 4096));
    let mut accepted = 0;
    for _ in 0..1000 {
        accepted += usize::from(ws.binary(&message, own.or(&mut shared)).is_ok());
        own.flush(&mut shared, &mut Scripted::new([])).unwrap();
        assert_eq!(own.len(), accepted * 100);
    }
    assert_eq!(own.len(), 5000);

    // Who does not ask learns it from the flush.
    let (mut own, mut failed) = (Outbox::new(&limits), 0);
    for _ in 0..1000 {
        ws.binary(&message, &mut shared).unwrap();
        let flushed = own.flush(&mut shared, &mut Scripted::new([]));
        failed += usize::from(flushed.is_err());
        assert!(own.len() <= 5000 && shared.is_empty(), "{own:?} {shared:?}");
    }
    assert_eq!((own.len(), failed), (5000, 950));
}
