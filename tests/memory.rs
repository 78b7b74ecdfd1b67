//! What a connection keeps on the heap: no more than its limits allow while there is traffic, and
//! every byte given back once it is over (RFC 6455 §10.4).

#![cfg(feature = "std")]

mod support;

use std::io;

use dormouse::http::HeadReader;
use dormouse::{Input, Limits, Outbox, Server, Violation, WebSocket};
use support::embedder::{REQUEST, handshake};
use support::heap::{Counting, live, usage};
use support::outboxes::{shared, warm_outbox};
use support::sink::{Answer, Scripted};
use support::{
    BINARY, CLOSE, CONTINUATION, FIN, KEY, PING, PONG, TEXT, feed, frame, header, server,
};

#[global_allocator]
static COUNTING: Counting = Counting;

/// What may be on the heap beside the bytes themselves: a box or two.
const BOXES: isize = 256;
/// What a connection keeps beside a frame that waits: the frame's handle and how much is written.
const HANDLE: isize = 24;

#[test]
fn s4_2_a_handshake_that_is_cut_gives_its_memory_back() {
    let mut out = warm_outbox();
    for status in [101, 403] {
        let origin = if status == 101 { "https://mail" } else { "https://evil" };
        let request = REQUEST.replace("https://mail", origin);
        let (mut answered, cost) = usage(|| {
            let mut reader = HeadReader::new(&Limits::default());
            let mut answered = None;
            for byte in request.bytes() {
                answered = handshake(&mut reader, &mut [byte], &mut out);
            }
            out.write_to(&mut io::sink()).unwrap();
            (reader, answered)
        });
        assert_eq!(
            (answered.1.take(), cost.kept),
            (Some(status), 0),
            "also while the reader lives"
        );
        assert!(cost.peak <= 2 * request.len() as isize, "{cost:?}");
    }
}

#[test]
fn s4_2_half_a_head_costs_what_has_arrived_and_nothing_when_abandoned() {
    let before = live();
    let mut out = warm_outbox();
    let (reader, cost) = usage(|| {
        let mut reader = HeadReader::new(&Limits::default());
        let half = &REQUEST.as_bytes()[..REQUEST.len() / 2];
        half.iter().for_each(|byte| {
            assert_eq!(handshake(&mut reader, &mut [*byte], &mut out), None);
        });
        reader
    });
    assert!(cost.kept <= REQUEST.len() as isize, "{cost:?}");
    drop((reader, out));
    assert_eq!(live(), before);

    // An endless line costs no more than the limit, and nothing once it is refused.
    let mut out = warm_outbox();
    let (reader, cost) = usage(|| {
        let mut reader = HeadReader::new(&Limits::default());
        while handshake(&mut reader, &mut [b'x'; 100], &mut out).is_none() {}
        out.advance(usize::MAX);
        reader
    });
    assert_eq!(cost.kept, 0);
    assert!(cost.peak <= i64::from(Limits::default().head) as isize, "{cost:?}");
    drop(reader);
}

#[test]
fn a_broadcast_to_sockets_that_take_half_costs_handles_not_copies() {
    let shared = shared(&"x".repeat(100_000));
    let (mut ws, mut own) = server();
    let mut per_thread = warm_outbox();
    let ((), cost) = usage(|| {
        ws.send(&shared, own.or(&mut per_thread)).unwrap();
        own.flush(&mut per_thread, &mut Scripted::new([Answer::Takes(50_000)])).unwrap();
    });
    assert_eq!((own.len(), per_thread.len()), (shared.as_bytes().len() - 50_000, 0));
    assert!(cost.kept <= HANDLE, "{cost:?}");
    let ((), drained) = usage(|| own.advance(usize::MAX));
    assert_eq!(cost.kept + drained.kept, 0);
}

#[test]
fn a_peer_that_stalls_costs_its_tail_and_a_handle() {
    for (len, rest) in [(100, 50), (700, 600), (1000, 1)] {
        let (mut ws, mut own) = server();
        let mut per_thread = warm_outbox();
        let text = "x".repeat(len);
        let ((), cost) = usage(|| {
            ws.text(&text, own.or(&mut per_thread)).unwrap();
            let taken = per_thread.len() - rest;
            own.flush(&mut per_thread, &mut Scripted::new([Answer::Takes(taken)])).unwrap();
        });
        assert_eq!((own.len(), per_thread.len()), (rest, 0));
        // The two counts of what could be shared stand before the bytes.
        assert!(cost.kept <= HANDLE + 16 + rest as isize + 8, "{rest}: {cost:?}");

        // What is said meanwhile goes behind it, whatever it is.
        ws.ping(b"still there?", own.or(&mut per_thread)).unwrap();
        ws.send(&shared(&"y".repeat(500)), own.or(&mut per_thread)).unwrap();
        let bytes = own.slices().collect::<Vec<_>>().concat();
        let expected = [&b"x".repeat(rest)[..], b"\x89\x0cstill there?\x81\x7e\x01\xf4"].concat();
        assert!(bytes.starts_with(&expected) && bytes.len() == expected.len() + 500, "{bytes:?}");
    }
}

/// Runs `traffic` over a connection that then idles, and checks that nothing of it is left.
#[track_caller]
fn leaves_nothing(traffic: impl Fn(&mut WebSocket<Server>, &mut Outbox)) {
    let (mut ws, mut out) = server();
    let ((), cost) = usage(|| traffic(&mut ws, &mut out));
    assert!(cost.peak > 0, "there was nothing to give back");
    assert_eq!(cost.kept, 0, "{cost:?}");
}

#[test]
fn a_message_cut_in_two_leaves_nothing() {
    for first in [FIN | TEXT, FIN | BINARY] {
        leaves_nothing(|ws, out| {
            let bytes = frame(first, Some(KEY), &[b'm'; 15_000]);
            feed(ws, &bytes[..7000], out);
            feed(ws, &bytes[7000..], out);
        });
    }
}

#[test]
fn a_message_in_many_pieces_leaves_nothing() {
    leaves_nothing(|ws, out| {
        let bytes = frame(FIN | BINARY, Some(KEY), &vec![b'm'; 1 << 20]);
        bytes.chunks(1400).for_each(|read| feed(ws, read, out));
    });
    leaves_nothing(|ws, out| {
        feed(ws, &frame(TEXT, Some(KEY), b"first"), out);
        for _ in 0..1000 {
            feed(ws, &frame(CONTINUATION, Some(KEY), "€€€".as_bytes()), out);
            feed(ws, &frame(PONG, Some(KEY), b"between"), out);
        }
        feed(ws, &frame(FIN, Some(KEY), b""), out);
    });
}

#[test]
fn control_frames_cut_anywhere_leave_nothing() {
    leaves_nothing(|ws, out| {
        let ping = frame(PING, Some(KEY), &[7; 125]);
        for cut in 0..ping.len() {
            feed(ws, &ping[..cut], out);
            feed(ws, &ping[cut..], out);
            out.advance(usize::MAX);
        }
    });
}

/// Sixteen pongs in full and one that can be replaced, each of 127 bytes, in buffers that double.
const PONGS: isize = 2 * 17 * 131;

#[test]
fn s5_5_3_a_ping_flood_costs_seventeen_pongs() {
    let (mut ws, mut out) = server();
    let ping = frame(PING, Some(KEY), &[7; 125]);
    let mut reads: Vec<Vec<u8>> = vec![ping; 1000];
    let ((), cost) = usage(|| {
        for read in &mut reads {
            ws.next(&mut Input::new(read), &mut out).unwrap();
        }
    });
    assert_eq!(out.len(), 17 * 127);
    assert!(cost.peak <= PONGS + BOXES, "{cost:?}");
    let ((), drained) = usage(|| out.advance(usize::MAX));
    assert_eq!(cost.kept + drained.kept, 0);
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
    assert!(cost.peak <= PONGS + 2 * BOXES, "{cost:?}");
    let ((), drained) = usage(|| out.advance(usize::MAX));
    assert_eq!(cost.kept + drained.kept, 0);
}

#[test]
fn a_burst_of_sends_that_drains_slowly_leaves_nothing() {
    leaves_nothing(|ws, out| {
        let (small, large) = (shared("shared"), shared(&"shared".repeat(30)));
        for number in 0..3000 {
            ws.text(&format!("message {number}"), out).unwrap();
            ws.send(&small, out).unwrap();
            ws.send(&large, out).unwrap();
        }
        while !out.is_empty() {
            out.write_to(&mut Scripted::new([Answer::Takes(97)])).unwrap();
        }
    });
    leaves_nothing(|ws, out| {
        ws.text("waits", out).unwrap();
        out.clear();
    });
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
    let limits = Limits { outbox: 100_000, ..Limits::default() };
    let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    let message = vec![7; 1000];
    let ((), cost) = usage(|| {
        for _ in 0..20 {
            while ws.binary(&message, &mut out).is_ok() {}
            out.advance(out.len() / 2 + 1);
        }
    });
    assert!(cost.peak <= 2 * 100_000 + BOXES, "{cost:?}");
}

/// The same if it is filled out of a shared outbox, by somebody who does not ask `or` and drains slowly.
#[test]
fn a_full_outbox_costs_twice_its_limit_at_most_by_way_of_a_shared_one() {
    let limits = Limits { outbox: 100_000, ..Limits::default() };
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
            }
            own.advance(own.len() / 2);
        }
    });
    assert!(cost.peak <= 2 * 100_000 + BOXES, "{cost:?}");
    let ((), drained) = usage(|| own.advance(usize::MAX));
    assert_eq!(cost.kept + drained.kept, 0);
}

/// The same for shared frames that are hardly larger than the handle to them.
#[test]
fn an_outbox_full_of_small_shared_frames_costs_twice_its_limit_at_most() {
    let limits = Limits { outbox: 100_000, ..Limits::default() };
    for len in [0, 4, 16, 32, 64, 125, 126, 127, 200] {
        let shared = shared(&"x".repeat(len));
        let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
        let ((), cost) = usage(|| while ws.send(&shared, &mut out).is_ok() {});
        assert!(cost.peak <= 2 * 100_000 + BOXES, "{cost:?} for frames of {len} bytes");
    }
}

/// What a thread's outbox keeps is what it was told to keep, after any burst.
#[test]
fn a_thread_outbox_keeps_no_more_than_it_was_told() {
    let limits = Limits::default();
    let (small, large) = (shared("shared"), shared(&"shared".repeat(30)));
    let (mut ws, _) = server();
    let (mut out, cost) = usage(|| {
        let mut out = Outbox::keeping(&limits, 4096);
        for _ in 0..4000 {
            ws.send(&small, &mut out).unwrap();
            ws.send(&large, &mut out).unwrap();
            ws.text("some text", &mut out).unwrap();
        }
        out.write_to(&mut io::sink()).unwrap();
        out
    });
    assert!(cost.kept <= 2 * 4096 + 512, "{cost:?}");
    out.clear();
}

#[test]
fn s5_2_a_declared_length_costs_nothing() {
    let declared = header(FIN | BINARY, Some(KEY), (1 << 63) - 1);
    for portion in [declared.len(), 1] {
        let mut bytes = declared.clone();
        let mut out = warm_outbox();
        let (result, cost) = usage(|| {
            let mut ws = WebSocket::server(&Limits::default());
            let mut result = Ok(());
            for read in bytes.chunks_mut(portion) {
                result = ws.next(&mut Input::new(read), &mut out).map(|_| ());
            }
            result
        });
        assert_eq!(result, Err(Violation::MessageTooBig));
        assert_eq!(cost.kept, 0);
        assert!(cost.peak <= BOXES, "{cost:?}");
    }
    // Neither does one that is within the limits, until its bytes come.
    for first in [FIN | BINARY, FIN | TEXT, BINARY, TEXT] {
        let (mut ws, mut out) = server();
        let mut bytes = header(first, Some(KEY), 1 << 20);
        let (result, cost) = usage(|| ws.next(&mut Input::new(&mut bytes), &mut out));
        assert_eq!(result, Ok(None));
        assert!(cost.peak <= BOXES, "{cost:?}");
    }
}

/// While a message is assembled, the heap holds at most twice what has arrived, and never more than
/// the limit, whatever the portions.
#[test]
fn s10_4_memory_follows_the_bytes_that_arrived() {
    let limit = 50_000;
    let limits = Limits { message: limit, ..Limits::default() };
    for first in [FIN | TEXT, FIN | BINARY, TEXT, BINARY] {
        for portion in [1, 2, 100, 1400, 30_000] {
            let payload = "aé€🐭".repeat(limit as usize / 10);
            let mut bytes = frame(first, Some(KEY), payload.as_bytes());
            let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
            let before = live();
            let mut arrived = 0;
            for read in bytes.chunks_mut(portion) {
                arrived += read.len();
                let (event, cost) = usage(|| ws.next(&mut Input::new(read), &mut out).unwrap());
                let peak = live() - cost.kept - before + cost.peak;
                assert!(peak <= 2 * arrived as isize + BOXES, "{peak} for {arrived}");
                assert!(peak <= limit as isize + BOXES, "{peak} for {arrived}");
                drop(event);
            }
            if first & FIN != 0 {
                assert_eq!(live(), before);
            }
            let _ = ws.end_of_stream();
            assert_eq!(live(), before, "a lost connection gives its half message back");
        }
    }
}

#[test]
fn a_violation_gives_the_message_in_progress_back() {
    let (mut ws, mut out) = server();
    let before = live();
    feed(&mut ws, &frame(TEXT, Some(KEY), &[b'm'; 5000]), &mut out);
    assert!(live() >= before + 5000);
    assert!(ws.next(&mut Input::new(&mut [0xff]), &mut out).is_err());
    out.advance(usize::MAX);
    assert_eq!(live(), before);
}

#[test]
fn a_close_gives_the_message_in_progress_back() {
    let (mut ws, mut out) = server();
    let before = live();
    feed(&mut ws, &frame(TEXT, Some(KEY), &[b'm'; 5000]), &mut out);
    feed(&mut ws, &frame(CLOSE, Some(KEY), b""), &mut out);
    out.advance(usize::MAX);
    assert_eq!(live(), before);
}
