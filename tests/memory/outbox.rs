//! What waits to be written: bounded, shared where it can be, and given back on the way.

use std::io;

use dormouse::{Input, Limits, Outbox, SendError, Server, WebSocket};

use crate::HANDLE;
use crate::support::connection::{PONGS, QUEUE};
use crate::support::heap::usage;
use crate::support::outboxes::{shared, warm_outbox};
use crate::support::sink::{Answer, Scripted};
use crate::support::{KEY, PING, frame, server};

/// The limit of an outbox that is filled.
const FULL: usize = 100_000;
/// The rest of a pong of which a part is out: a frame of its own, behind its two counts.
const REST: isize = 16 + 131;

#[test]
fn a_peer_that_stalls_costs_its_tail_and_a_handle() {
    for (len, rest) in [(100, 50), (700, 600), (1000, 1)] {
        let (mut ws, mut own) = server();
        let mut per_thread = warm_outbox();
        let text = "x".repeat(len);
        let ((), cost) = usage(|| {
            let mut out = own.sharing(&mut per_thread);
            ws.text(&text, &mut out).unwrap();
            let taken = out.len() - rest;
            out.write_to(&mut Scripted::new([Answer::Takes(taken)])).unwrap();
        });
        assert_eq!((own.len(), per_thread.len()), (rest, 0));
        // The two counts of what could be shared stand before the bytes.
        assert!(cost.kept <= HANDLE + 16 + rest as isize + 8, "{rest}: {cost:?}");

        // What is said meanwhile goes behind it, whatever it is.
        let mut out = own.sharing(&mut per_thread);
        ws.ping(b"still there?", &mut out).unwrap();
        ws.send(&shared(&"y".repeat(500)), &mut out).unwrap();
        drop(out);
        let bytes = own.slices().collect::<Vec<_>>().concat();
        let expected = [&b"x".repeat(rest)[..], b"\x89\x0cstill there?\x81\x7e\x01\xf4"].concat();
        assert!(bytes.starts_with(&expected) && bytes.len() == expected.len() + 500, "{bytes:?}");
    }
}

#[test]
fn s5_5_3_a_ping_flood_to_a_peer_that_reads_one_byte_at_a_time() {
    let (mut ws, mut out) = server();
    let mut reads: Vec<Vec<u8>> = vec![frame(PING, Some(KEY), &[7; 125]); 10_000];
    let ((), cost) = usage(|| {
        for read in &mut reads {
            ws.next(&mut Input::new(read), &mut out).unwrap();
            out.advance(1);
        }
    });
    assert!(cost.peak <= PONGS + QUEUE + REST, "{cost:?}");
    let ((), drained) = usage(|| out.advance(usize::MAX));
    assert_eq!(cost.kept + drained.kept, 0);
}

/// A queue that drains slowly gives back on the way, not only at its end.
#[test]
fn a_queue_that_is_almost_drained_costs_little() {
    let (mut ws, mut out) = server();
    let message = vec![7; 1000];
    let ((), cost) = usage(|| {
        (0..1000).for_each(|_| ws.binary(&message, &mut out).unwrap());
        out.advance(999 * 1004);
    });
    assert_eq!(out.len(), 1004);
    assert!(cost.kept <= 16 * 1024, "{cost:?} for one message");
    out.clear();

    let shared = shared(&"x".repeat(200));
    let len = shared.as_bytes().len();
    let ((), cost) = usage(|| {
        (0..4000).for_each(|_| ws.send(&shared, &mut out).unwrap());
        (0..3999).for_each(|_| out.advance(len));
    });
    assert_eq!(out.len(), len);
    assert!(cost.kept <= 16 * 1024, "{cost:?} for one shared message");
}

/// The buffer of a full outbox is at most twice its limit, however it is filled and drained.
#[test]
fn a_full_outbox_costs_twice_its_limit_at_most() {
    let limits = Limits { outbox: FULL as u32, ..Limits::default() };
    let message = vec![7; 1000];
    for part in [1, 2, 3, 4, 10, 50] {
        let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
        let ((), cost) = usage(|| {
            for _ in 0..50 {
                fill(&mut out, |out| ws.binary(&message, out));
                out.advance(out.len() / part);
            }
        });
        assert!(cost.peak <= 2 * FULL as isize + QUEUE, "{cost:?} for one in {part}");
    }
}

/// The same if it is filled out of a shared outbox, piece by piece, and drains slowly.
#[test]
fn a_full_outbox_costs_twice_its_limit_at_most_by_way_of_a_shared_one() {
    let limits = Limits { outbox: FULL as u32, ..Limits::default() };
    let (mut ws, mut own) = (WebSocket::server(&limits), Outbox::new(&limits));
    let mut per_thread = warm_outbox();
    let message = vec![7; 9000];
    let ((), cost) = usage(|| {
        for _ in 0..100 {
            loop {
                ws.binary(&message, &mut per_thread).unwrap();
                if own.append(&mut per_thread).is_err() {
                    per_thread.clear();
                    break;
                }
                assert!(own.len() <= FULL, "an outbox without limit");
            }
            own.advance(own.len() / 2);
        }
    });
    assert!(cost.peak <= 2 * FULL as isize + QUEUE, "{cost:?}");
    let ((), drained) = usage(|| own.advance(usize::MAX));
    assert_eq!(cost.kept + drained.kept, 0);
}

/// The same for shared frames that are hardly larger than the handle to them.
#[test]
fn an_outbox_full_of_small_shared_frames_costs_twice_its_limit_at_most() {
    let limits = Limits { outbox: FULL as u32, ..Limits::default() };
    for len in [0, 4, 16, 32, 64, 125, 126, 127, 200] {
        let shared = shared(&"x".repeat(len));
        let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
        let ((), cost) = usage(|| fill(&mut out, |out| ws.send(&shared, out)));
        assert!(cost.peak <= 2 * FULL as isize + QUEUE, "{cost:?} for frames of {len} bytes");
    }
}

/// What a thread's outbox keeps is what it was told to keep, after any burst.
#[test]
fn a_thread_outbox_keeps_no_more_than_it_was_told() {
    type Burst<'b> = &'b dyn Fn(&mut WebSocket<Server>, &mut Outbox);
    let (small, large) = (shared("shared"), shared(&"shared".repeat(30)));
    let bursts: [(&str, Burst<'_>); 4] = [
        ("own", &|ws, out| ws.text("some text", out).unwrap()),
        ("small shared", &|ws, out| ws.send(&small, out).unwrap()),
        ("large shared", &|ws, out| ws.send(&large, out).unwrap()),
        ("all", &|ws, out| {
            ws.send(&small, out).unwrap();
            ws.send(&large, out).unwrap();
            ws.text("some text", out).unwrap();
        }),
    ];
    let (mut ws, _) = server();
    for (name, burst) in bursts {
        let (mut out, cost) = usage(|| {
            let mut out = Outbox::keeping(&Limits::default(), 4096);
            for _ in 0..4000 {
                burst(&mut ws, &mut out);
            }
            out.write_to(&mut io::sink()).unwrap();
            out
        });
        assert!(cost.kept <= 2 * 4096 + 512, "{cost:?} after a burst of {name} frames");
        out.clear();
    }
}

/// The same if half of a buffer that has grown to twice the limit is written, and small shared frames
/// take the room.
#[test]
fn an_outbox_of_own_and_shared_frames_costs_twice_its_limit_at_most() {
    let limits = Limits { outbox: FULL as u32, ..Limits::default() };
    let shared = shared(&"x".repeat(126));
    let message = vec![7; 1000];
    for waiting in (10_000..FULL).step_by(3000) {
        let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
        let ((), cost) = usage(|| {
            for _ in 0..20 {
                fill(&mut out, |out| ws.binary(&message, out));
                out.advance(out.len() / 2);
            }
            fill(&mut out, |out| ws.binary(&message, out));
            out.advance(out.len() - waiting);
            fill(&mut out, |out| ws.send(&shared, out));
        });
        assert!(cost.peak <= 2 * FULL as isize + QUEUE, "{cost:?} with {waiting} of its own");
    }
}

/// Sends until there is no room.
fn fill(out: &mut Outbox, mut send: impl FnMut(&mut Outbox) -> Result<(), SendError>) {
    while send(out).is_ok() {
        assert!(out.len() <= FULL, "an outbox without limit");
    }
}
