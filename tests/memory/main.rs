//! What a connection keeps on the heap: no more than its limits allow while there is traffic, and
//! every byte given back once it is over (RFC 6455 §10.4).
//!
//! Each story is a line of the table: what happens to a connection, the most heap that it may cost
//! at any time, and the most while its output waits. Every one is played by servers and by clients,
//! by a crowd of up to 1,000 connections at once and in every cut, and ends with connections that are
//! open, or closed but not dropped, and have nothing on the heap. Figures of each connection:
//!
//! ```text
//! cargo test --test memory -- --nocapture
//! ```

#![cfg(feature = "std")]

mod crowd;
mod handshake;
mod outbox;
#[path = "../support/mod.rs"]
mod support;

use crowd::{Step::*, Story};
use dormouse::{Input, Limits, Outbox, WebSocket};
use support::connection::{
    ASSEMBLY, BOTH, CLOSE_FRAME, CONTROL, PONGS, QUEUE, SHORT_CONTROL, Side,
};
use support::heap::{Counting, live, usage};
use support::outboxes::shared;
use support::{BINARY, CLOSE, CONTINUATION, FIN, KEY, PING, PONG, TEXT, frame};

#[global_allocator]
static COUNTING: Counting = Counting;

const LIMITS: Limits = Limits { message: 15_000, outbox: 20_000, head: 8192 };
const SMALL: Limits = Limits { message: 1500, outbox: 20_000, head: 8192 };
const MEBIBYTE: Limits = Limits { message: 1 << 20, outbox: 2 << 20, head: 8192 };

/// What a connection keeps beside a shared frame that waits: the handle and how much is written.
const HANDLE: isize = 24;

/// Makes a test of each line: `name: sides, limits, peak, what waits, [what happens];`.
macro_rules! stories {
    ($($name:ident: $sides:expr, $limits:expr, $peak:expr, $waits:expr, [$($step:expr),* $(,)?];)*) => {$(
        #[test]
        fn $name() {
            Story {
                name: stringify!($name),
                sides: $sides,
                limits: $limits,
                peak: $peak(&$limits),
                waits: $waits(&$limits),
                steps: vec![$($step),*],
            }
            .play();
        }
    )*};
}

// The bounds, in bytes, made of the limits.
fn nothing(_: &Limits) -> isize {
    0
}

fn a_handle(_: &Limits) -> isize {
    HANDLE
}

fn a_close(_: &Limits) -> isize {
    QUEUE + CLOSE_FRAME
}

fn pongs(_: &Limits) -> isize {
    QUEUE + PONGS
}

fn pongs_and_a_ping(limits: &Limits) -> isize {
    pongs(limits) + ASSEMBLY + CONTROL
}

fn a_message(limits: &Limits) -> isize {
    limits.message as isize + ASSEMBLY
}

fn a_message_and_a_close(limits: &Limits) -> isize {
    a_message(limits) + SHORT_CONTROL + a_close(limits)
}

fn a_message_and_a_control(limits: &Limits) -> isize {
    a_message(limits) + CONTROL
}

fn a_message_and_pongs(limits: &Limits) -> isize {
    a_message(limits) + CONTROL + pongs(limits)
}

fn twice_the_outbox(limits: &Limits) -> isize {
    2 * limits.outbox as isize + QUEUE
}

fn twice_the_outbox_and_pongs(limits: &Limits) -> isize {
    twice_the_outbox(limits) + PONGS
}

stories! {
    s4_1_a_connection_that_is_open: BOTH, LIMITS, nothing, nothing, [];

    // Messages in pieces: the limit on messages, and nothing afterwards.
    s5_4_text_cut_by_reads: BOTH, LIMITS, a_message, nothing,
        [Arrive(vec![(FIN | TEXT, text(15_000))])];
    s5_4_binary_cut_by_reads: BOTH, LIMITS, a_message, nothing,
        [Arrive(vec![(FIN | BINARY, vec![7; 15_000])])];
    s5_4_a_mebibyte_cut_by_reads: BOTH, MEBIBYTE, a_message, nothing,
        [Arrive(vec![(FIN | BINARY, vec![7; 1 << 20])])];
    s5_4_many_messages_cut_by_reads: BOTH, SMALL, a_message, nothing,
        [Arrive([1500, 10, 1499, 126, 0, 125].map(|len| (FIN | TEXT, text(len))).to_vec())];
    s5_4_text_in_fragments_that_are_cut_inside_characters: BOTH, SMALL, a_message, nothing,
        [Arrive(fragments(TEXT, text(1500).chunks(101)))];
    s5_4_binary_in_fragments: BOTH, SMALL, a_message, nothing,
        [Arrive(fragments(BINARY, vec![7; 1500].chunks(97)))];
    s5_5_controls_between_fragments: BOTH, SMALL, a_message_and_pongs, pongs,
        [Arrive(among(fragments(TEXT, text(1500).chunks(50)), (PING, vec![7; 125])))];
    s5_5_pongs_between_fragments: BOTH, SMALL, a_message_and_a_control, nothing,
        [Arrive(among(fragments(TEXT, text(1470).chunks(50)), (PONG, vec![7; 125])))];

    // Ends in the middle of a message: what was assembled is freed at once.
    s7_1_5_a_peer_that_is_lost: BOTH, SMALL, a_message, nothing,
        [Arrive(vec![(TEXT, text(1400)), (CONTINUATION, b"\xe2\x82".to_vec())]), Lose];
    s5_5_1_a_close_inside_a_message: BOTH, SMALL, a_message_and_a_close, a_close,
        [Arrive(vec![(TEXT, text(1500)), (CLOSE, vec![0x03, 0xe8])])];
    s5_5_1_a_close_of_both_inside_a_message: BOTH, SMALL, a_message_and_a_close, a_close,
        [Arrive(vec![(TEXT, text(1500))]), Close, Arrive(vec![(CLOSE, vec![0x03, 0xe8])])];
    s7_1_7_an_opcode_that_does_not_exist_inside_a_message:
        BOTH, SMALL, a_message_and_a_close, a_close,
        [Arrive(vec![(TEXT, text(1500))]), Violate(FIN | 0x3, Vec::new())];
    s7_1_7_a_message_inside_a_message: BOTH, SMALL, a_message_and_a_close, a_close,
        [Arrive(vec![(TEXT, text(1500))]), Violate(FIN | TEXT, Vec::new())];
    s7_1_7_a_fragment_too_much: BOTH, SMALL, a_message_and_a_close, a_close,
        [Arrive(vec![(TEXT, text(1500))]), Violate(CONTINUATION, b"m".to_vec())];
    s7_1_7_empty_fragments_without_end: BOTH, SMALL, a_message_and_a_close, a_close,
        [
            Arrive(vec![(TEXT, text(1500))]),
            Arrive(vec![(CONTINUATION, Vec::new()); 128]),
            Violate(CONTINUATION, Vec::new()),
        ];
    s8_1_text_that_is_none: BOTH, SMALL, a_message_and_a_close, a_close,
        [Arrive(vec![(TEXT, text(1499))]), Violate(CONTINUATION, vec![0xff])];
    s8_1_text_that_ends_inside_a_character: BOTH, SMALL, a_message_and_a_close, a_close,
        [Arrive(vec![(TEXT, [text(1498), vec![0xe2, 0x82]].concat())]), Violate(FIN, Vec::new())];
    s5_5_1_a_close_with_half_a_code_inside_a_message:
        BOTH, SMALL, a_message_and_a_close, a_close,
        [Arrive(vec![(TEXT, text(1500))]), Violate(CLOSE, vec![0x03])];

    // Replies to a peer that does not read.
    s5_5_3_a_thousand_pings: BOTH, LIMITS, pongs_and_a_ping, pongs,
        [Arrive(vec![(PING, vec![7; 125]); 1000])];
    s5_5_3_pings_behind_a_full_outbox: BOTH, LIMITS, twice_the_outbox_and_pongs, twice_the_outbox_and_pongs,
        [Overfill(1000), Arrive(vec![(PING, vec![7; 125]); 100]), Overfill(1), Close];
    s5_5_3_pings_that_are_read_again_and_again: BOTH, LIMITS, pongs_and_a_ping, nothing,
        [
            Arrive(vec![(PING, vec![7; 125]); 40]), Drain(100),
            Arrive(vec![(PING, vec![7; 125]); 40]), Drain(1),
        ];

    // Sending more than the socket takes.
    s6_1_a_burst_that_drains_slowly: BOTH, LIMITS, twice_the_outbox, nothing,
        [Send(19, 1000), Drain(97), Send(150, 100), Drain(1460), Send(1, 19_900), Drain(13)];
    s6_1_an_outbox_at_its_limit: BOTH, LIMITS, twice_the_outbox, twice_the_outbox,
        [Overfill(1000), Drain(1460), Overfill(19_900), Drain(1460), Overfill(70)];
    s6_1_a_broadcast_to_sockets_that_take_nothing: &[Side::Server], LIMITS, a_handle, a_handle,
        [Broadcast(shared(&"m".repeat(15_000)), 0)];
    s6_1_a_broadcast_to_sockets_that_take_half: &[Side::Server], LIMITS, a_handle, a_handle,
        [Broadcast(shared(&"m".repeat(15_000)), 7500)];
}

/// Text of every length of characters, exactly so many bytes.
fn text(len: usize) -> Vec<u8> {
    let mut text: String = "aé€🐭".repeat(len / 10);
    text.push_str(&"m".repeat(len - text.len()));
    text.into_bytes()
}

/// The frames of one message.
fn fragments<'p>(kind: u8, parts: impl ExactSizeIterator<Item = &'p [u8]>) -> Vec<(u8, Vec<u8>)> {
    let last = parts.len() - 1;
    let frame = |(at, part): (usize, &[u8])| {
        let opcode = if at == 0 { kind } else { CONTINUATION };
        let fin = if at == last { FIN } else { 0 };
        (fin | opcode, part.to_vec())
    };
    parts.enumerate().map(frame).collect()
}

/// `frames` with `control` behind each.
fn among(frames: Vec<(u8, Vec<u8>)>, control: (u8, Vec<u8>)) -> Vec<(u8, Vec<u8>)> {
    frames.into_iter().flat_map(|frame| [frame, control.clone()]).collect()
}

/// While a message is assembled, the heap holds at most twice what has arrived, and never more than
/// the limit, whatever the portions.
#[test]
fn s10_4_memory_follows_the_bytes_that_arrived() {
    let limit = 50_000;
    let limits = Limits { message: limit, ..Limits::default() };
    let kinds = [FIN | TEXT, FIN | BINARY, TEXT, BINARY].into_iter();
    for (first, text) in kinds.flat_map(|first| [(first, "aé€🐭"), (first, "a")]) {
        for portion in [1, 2, 100, 1400, 30_000] {
            let payload = text.repeat(limit as usize / text.len());
            let mut bytes = frame(first, Some(KEY), payload.as_bytes());
            let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
            let before = live();
            let mut arrived = 0;
            for read in bytes.chunks_mut(portion) {
                arrived += read.len();
                let (event, cost) = usage(|| ws.next(&mut Input::new(read), &mut out).unwrap());
                let peak = live() - cost.kept - before + cost.peak;
                assert!(peak <= 2 * arrived as isize + ASSEMBLY, "{peak} for {arrived}");
                assert!(peak <= limit as isize + ASSEMBLY, "{peak} for {arrived}");
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
