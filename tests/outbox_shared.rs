//! A thread's outbox and the connections' own (RFC 6455 §6.1): the bytes of a connection go out in
//! order, under its limit, and never to another one.

#![cfg(feature = "std")]

mod support;

use std::io::ErrorKind;
use std::iter::repeat_n;

use dormouse::{CloseCode, Limits, Outbox, Prepared, SendError};
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
    let all = drain(&mut own, &[Answer::Takes(usize::MAX)]);
    assert_eq!(all, [&pongs[..], &pong(b"newer"), b"own", &pongs].concat());
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
fn an_empty_outbox_takes_no_more_than_its_limit_either() {
    let mut larger = limited(1000);
    larger.push(&[1; 501]).unwrap();
    let mut own = limited(500);
    assert_eq!(own.append(&mut larger), Err(SendError::Full));
    assert_eq!((own.len(), larger.len()), (0, 501));
    larger.advance(1);
    own.append(&mut larger).unwrap();
    assert_eq!((own.len(), larger.len()), (500, 0));
}

#[test]
fn own_bytes_come_before_those_of_a_turn() {
    let mut shared = Outbox::keeping(&Limits::default(), 4096);
    for own_len in [0, 1, 700] {
        let mut len = usize::MAX;
        let mut room = 0;
        while room <= len {
            let mut own = limited(5000);
            own.push(&vec![b'o'; own_len]).unwrap();
            let mut out = own.sharing(&mut shared);
            let expected = [vec![b'o'; own_len], mixed(&mut out)].concat();
            len = expected.len();
            // A socket that has blocked may take bytes again before the next call.
            let answers = repeat_n(Answer::Takes(1), room);
            let mut sink = Scripted::new(answers.chain([BLOCKS, Answer::Takes(usize::MAX)]));
            assert_eq!(out.write_to(&mut sink).unwrap(), room);
            drop(out);
            let rest = drain(&mut own, &[Answer::Takes(usize::MAX)]);
            assert_eq!([sink.taken, rest].concat(), expected, "{room} bytes taken");
            assert!(shared.is_empty());
            room += 1;
        }
    }
}

/// A connection whose turn ends with bytes that were not written, and the next one of its thread.
#[track_caller]
fn nothing_is_left(turn: impl Fn(&mut Outbox, &mut Outbox)) {
    for keep in [0, 4096] {
        let mut shared = Outbox::keeping(&Limits::default(), keep);
        let mut dead = limited(2000);
        turn(&mut dead, &mut shared);
        assert!(shared.is_empty() && waiting(&shared).is_empty());

        let (mut ws, mut next) = server();
        let mut out = next.sharing(&mut shared);
        ws.text("mine", &mut out).unwrap();
        let mut sink = Scripted::new([Answer::Takes(usize::MAX)]);
        out.write_to(&mut sink).unwrap();
        drop(out);
        assert_eq!(sink.taken, frame(FIN | TEXT, None, b"mine"), "and nothing of the dead one");
        assert!(next.is_empty() && shared.is_empty());
    }
}

#[test]
fn what_a_dead_connection_sent_reaches_nobody_else() {
    let reset = Answer::Fails(ErrorKind::ConnectionReset);
    let breaks = |own_len: usize, answers: &[Answer], error: ErrorKind| {
        nothing_is_left(|dead, shared| {
            dead.push(&vec![b'o'; own_len]).unwrap();
            let mut out = dead.sharing(shared);
            mixed(&mut out);
            let mut sink = Scripted::new(answers.iter().copied());
            assert_eq!(out.write_to(&mut sink).unwrap_err().kind(), error);
        });
    };
    for own_len in [0, 10] {
        breaks(own_len, &[reset], ErrorKind::ConnectionReset);
        breaks(own_len, &[Answer::Takes(7), reset], ErrorKind::ConnectionReset);
        breaks(own_len, &[Answer::Takes(10), Answer::Takes(7), reset], ErrorKind::ConnectionReset);
        breaks(own_len, &[Answer::Takes(7), Answer::Takes(0)], ErrorKind::WriteZero);
    }
}

#[test]
fn a_turn_that_ends_before_it_writes_loses_nothing_and_leaves_nothing() {
    nothing_is_left(|own, shared| {
        let expected = mixed(&mut own.sharing(shared));
        assert_eq!(drain(own, &[Answer::Takes(usize::MAX)]), expected);
    });
    // Nor does one that has put another outbox in the place of the thread's.
    nothing_is_left(|own, shared| {
        let mut out = own.sharing(shared);
        *out = Outbox::keeping(&Limits::default(), 4096);
        out.push(&[b'x'; 3000]).unwrap();
        drop(out);
        assert_eq!(own.len(), 3000);
    });
    // Somebody who has sent past `sharing` is not known any more.
    nothing_is_left(|own, shared| {
        mixed(shared);
        assert!(own.sharing(shared).is_empty());
    });
}

#[test]
fn own_or_shared() {
    let (mut own, mut shared) = (limited(100), limited(100));
    let turn = |bytes: &[u8], taken: usize, own: &mut Outbox, shared: &mut Outbox| {
        let mut out = own.sharing(shared);
        out.push(bytes).unwrap();
        let told = format!("{out:?}");
        let len = out.len();
        assert_eq!(out.write_to(&mut Scripted::new([Answer::Takes(taken)])).unwrap(), taken);
        (len, told)
    };
    let (len, told) = turn(b"abc", 1, &mut own, &mut shared);
    assert_eq!((len, own.len(), shared.len()), (3, 2, 0));
    assert!(told.contains('3'), "{told}");
    assert_eq!(turn(b"def", 4, &mut own, &mut shared).0, 5);
    assert_eq!((waiting(&own), shared.len()), (b"f".to_vec(), 0));
    assert_eq!(turn(b"g", 2, &mut own, &mut shared).0, 2);
    assert_eq!((own.len(), shared.len()), (0, 0));
}

#[test]
fn a_slow_consumer_costs_its_limit_also_by_way_of_a_shared_outbox() {
    let (mut ws, _) = server();
    let limits = Limits { outbox: 5000, ..Limits::default() };
    let message = [7; 98];
    // The limit is that of the connection, whatever the thread's own.
    let (mut own, mut shared) = (Outbox::new(&limits), Outbox::keeping(&Limits::default(), 4096));
    let mut accepted = 0;
    for _ in 0..1000 {
        let mut out = own.sharing(&mut shared);
        accepted += usize::from(ws.binary(&message, &mut out).is_ok());
        assert_eq!(out.write_to(&mut Scripted::new([])).unwrap(), 0);
        drop(out);
        assert_eq!(own.len(), accepted * 100);
    }
    assert_eq!(own.len(), 5000);

    let mut own = Outbox::new(&limits);
    let mut out = own.sharing(&mut shared);
    assert_eq!(ws.binary(&[7; 4997], &mut out), Err(SendError::TooBig));
    ws.binary(&[7; 4996], &mut out).unwrap();
    // A Close has a place whatever else waits, and nothing gets behind it.
    ws.close(CloseCode::NORMAL, "", &mut out);
    assert_eq!(ws.binary(b"", &mut out), Err(SendError::Closed));
    drop(out);
    assert_eq!((own.len(), shared.len()), (5004, 0));
}
