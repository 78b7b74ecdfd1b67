//! What a hostile peer can cost: for each input the verdict, the most heap, and work that is linear
//! (RFC 6455 §10.4). Input that would have no end is given until the verdict, or a million times.
//!
//! How long it takes is for `cargo bench --bench hostile`. Here, linear means that what all growing
//! together has asked the allocator for, and so what it can have copied, is a multiple of the bytes
//! that arrived, however small the portions.

#![cfg(feature = "std")]

mod support;

use dormouse::decode::FrameError;
use dormouse::http::HeadReader;
use dormouse::wire::HeaderError;
use dormouse::{Limits, Outbox, Violation};
use support::connection::{
    ASSEMBLY, BOTH, CLOSE_FRAME, CONTROL, Connection, PONGS, QUEUE, SHORT_CONTROL, SMALLEST, Side,
};
use support::embedder::handshake;
use support::heap::{Counting, NOTHING, Usage, live, usage};
use support::outboxes::warm_outbox;
use support::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, hostile, waiting};

#[global_allocator]
static COUNTING: Counting = Counting;

const MILLION: usize = 1_000_000;

/// How a connection has got on with what it was given.
struct Outcome {
    connection: Connection,
    events: usize,
    verdict: Result<(), Violation>,
    cost: Usage,
}

/// Gives `bytes` to a new connection in reads of `portion`, until it fails.
fn attack(side: Side, limits: &Limits, mut bytes: Vec<u8>, portion: usize) -> Outcome {
    let ((connection, events, verdict), cost) = usage(|| {
        let mut connection = Connection::new(side, limits);
        let mut events = 0;
        let mut verdict = Ok(());
        for read in bytes.chunks_mut(portion) {
            match connection.read(read) {
                Ok(more) => events += more,
                Err(violation) => {
                    verdict = Err(violation);
                    break;
                }
            }
        }
        (connection, events, verdict)
    });
    Outcome { connection, events, verdict, cost }
}

impl Outcome {
    /// The connection has failed with this violation and close code, at a cost of at most `peak`
    /// bytes, and only the Close waits.
    #[track_caller]
    fn fails(mut self, side: Side, violation: Violation, code: u16, peak: isize) {
        assert_eq!(self.verdict, Err(violation), "{side:?}");
        assert!(self.connection.is_closed());
        let sent = waiting(&self.connection.out);
        assert_eq!(
            (sent[0], &sent[sent.len() - 2..]),
            (CLOSE, &code.to_be_bytes()[..]),
            "{side:?}"
        );
        assert!(self.cost.peak <= peak + QUEUE + CLOSE_FRAME, "{side:?}: {:?}", self.cost);
        assert!(self.cost.kept <= QUEUE + CLOSE_FRAME, "{side:?}: {:?}", self.cost);
    }

    /// The connection is open, at a cost of at most `peak` bytes, and so many events have come.
    #[track_caller]
    fn goes_on(mut self, side: Side, events: usize, peak: isize) {
        assert_eq!((self.verdict, self.events), (Ok(()), events), "{side:?}");
        assert!(!self.connection.is_closed());
        assert!(self.cost.peak <= peak, "{side:?}: {:?}", self.cost);
    }
}

#[test]
fn s5_2_a_declared_length_costs_nothing() {
    let limits = Limits::default();
    for (len, violation, code) in [
        ((1 << 63) - 1, Violation::MessageTooBig, 1009),
        (1 << 63, FrameError::from(HeaderError::LengthOverflow).into(), 1002),
        (u64::MAX, FrameError::from(HeaderError::LengthOverflow).into(), 1002),
        (u64::from(limits.message) + 1, Violation::MessageTooBig, 1009),
    ] {
        for (side, first) in BOTH.iter().flat_map(|&side| [TEXT, BINARY].map(|kind| (side, kind))) {
            for first in [first, FIN | first] {
                let header = side.header(first, len);
                for portion in [header.len(), 1] {
                    let outcome = attack(side, &limits, header.clone(), portion);
                    outcome.fails(side, violation, code, ASSEMBLY);
                }
            }
        }
    }
}

/// What is within the limits costs nothing either, until its bytes come.
#[test]
fn s5_2_a_header_in_any_form_byte_by_byte_costs_a_box() {
    let limits = Limits::default();
    for &side in BOTH {
        for len in [1, 125, 126, 65_535, 65_536, 1 << 20] {
            for first in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
                let header = side.header(first, len);
                for end in 0..=header.len() {
                    let before = live();
                    let mut outcome = attack(side, &limits, header[..end].to_vec(), 1);
                    let whole = end == header.len();
                    assert_eq!(outcome.cost.kept, if whole { ASSEMBLY } else { 0 }, "{len}, {end}");
                    assert!(outcome.connection.end_of_stream().is_err());
                    assert_eq!(live(), before);
                    assert_eq!((outcome.verdict, outcome.events), (Ok(()), 0));
                }
            }
        }
        for first in [PING, PONG, CLOSE] {
            let header = side.header(first, 125);
            attack(side, &limits, header, 1).goes_on(side, 0, ASSEMBLY);
        }
    }
}

#[test]
fn s5_4_a_million_empty_fragments_end_at_the_129th() {
    let limits = Limits::default();
    for &side in BOTH {
        let bytes = hostile::empty_fragments(side, MILLION);
        for portion in [1, 1460, usize::MAX] {
            let outcome = attack(side, &limits, bytes.clone(), portion);
            outcome.fails(side, Violation::TooManyEmptyFragments, 1008, ASSEMBLY);
        }
        let bytes = hostile::empty_fragments(side, 128);
        attack(side, &limits, bytes, 1).goes_on(side, 0, ASSEMBLY);
    }
}

/// Fragments of one byte end at the limit on messages, and are not copied again and again.
#[test]
fn s5_4_a_million_fragments_of_a_byte_end_at_the_limit() {
    for (count, portion) in [(MILLION, usize::MAX), (MILLION / 20, 1460), (MILLION / 20, 1)] {
        let limits = Limits { message: count as u32 - 1, ..Limits::default() };
        for &side in BOTH {
            let bytes = hostile::one_byte_fragments(side, count);
            let outcome = attack(side, &limits, bytes, portion);
            assert!(outcome.cost.calls <= 32, "{:?}", outcome.cost);
            assert!(outcome.cost.asked <= 3 * count, "{:?}", outcome.cost);
            outcome.fails(side, Violation::MessageTooBig, 1009, count as isize + ASSEMBLY);
        }
    }
}

#[test]
fn s5_6_a_million_empty_messages_cost_a_box_at_a_time() {
    let limits = Limits::default();
    for &side in BOTH {
        let bytes = hostile::empty_messages(side, MILLION);
        let outcome = attack(side, &limits, bytes, usize::MAX);
        assert_eq!(outcome.cost, NOTHING);
        outcome.goes_on(side, MILLION, 0);
        let bytes = hostile::empty_messages(side, MILLION / 20);
        for portion in [1, 1460] {
            attack(side, &limits, bytes.clone(), portion).goes_on(side, MILLION / 20, ASSEMBLY);
        }
    }
}

#[test]
fn s5_5_3_a_million_pings_cost_seventeen_pongs() {
    let limits = Limits::default();
    for (side, pong, count) in [(Side::Server, 127, MILLION), (Side::Client, 131, MILLION / 10)] {
        let bytes = hostile::pings(side, 10_000);
        let mut read = bytes.clone();
        let (connection, cost) = usage(|| {
            let mut connection = Connection::new(side, &limits);
            for _ in 0..count / 10_000 {
                read.copy_from_slice(&bytes);
                assert_eq!(connection.read(&mut read), Ok(10_000));
            }
            connection
        });
        assert_eq!(connection.out.len(), 17 * pong);
        assert!(cost.peak <= QUEUE + PONGS, "{cost:?}");
        assert!(cost.calls <= 16, "{cost:?}");
        for portion in [1460, 100, 1] {
            let bytes = hostile::pings(side, 1000);
            attack(side, &limits, bytes, portion).goes_on(
                side,
                1000,
                QUEUE + PONGS + ASSEMBLY + CONTROL,
            );
        }
    }
}

/// A message that is never finished costs no more for what comes between its fragments, and its limits
/// are not forgotten.
#[test]
fn s5_5_pongs_without_end_inside_a_message() {
    let limits = Limits::default();
    for &side in BOTH {
        let mut bytes = side.frame(TEXT, b"m");
        bytes.extend(side.frame(CONTINUATION, b"").repeat(100));
        bytes.extend(side.frame(PONG, b"").repeat(MILLION / 10));
        bytes.extend(side.frame(CONTINUATION, b"").repeat(28));
        attack(side, &limits, bytes.clone(), 1460).goes_on(side, MILLION / 10, ASSEMBLY + SMALLEST);
        bytes.extend(side.frame(CONTINUATION, b""));
        let outcome = attack(side, &limits, bytes, 1460);
        outcome.fails(side, Violation::TooManyEmptyFragments, 1008, ASSEMBLY + SMALLEST);
    }
}

/// What comes between empty fragments, whole or cut, does not make them fewer.
#[test]
fn s5_4_empty_fragments_with_pongs_between_them_end_at_the_129th() {
    for &side in BOTH {
        let mut bytes = side.frame(TEXT, b"m");
        for _ in 0..129 {
            bytes.extend(side.frame(PONG, b"between"));
            bytes.extend(side.frame(CONTINUATION, b""));
        }
        for portion in [1, 7, usize::MAX] {
            let outcome = attack(side, &Limits::default(), bytes.clone(), portion);
            let peak = ASSEMBLY + SMALLEST + SHORT_CONTROL;
            outcome.fails(side, Violation::TooManyEmptyFragments, 1008, peak);
        }
    }
}

/// What a server has made of a head: the status, and what it cost.
fn answer(limits: &Limits, bytes: &[u8], portion: usize, out: &mut Outbox) -> (Option<u16>, Usage) {
    let mut bytes = bytes.to_vec();
    let ((_reader, status), cost) = usage(|| {
        let mut reader = HeadReader::new(limits);
        let mut reads = bytes.chunks_mut(portion);
        let status = reads.find_map(|read| handshake(&mut reader, read, out));
        out.advance(usize::MAX);
        (reader, status)
    });
    (status, cost)
}

/// Heads that have no end are refused when the limit is reached: 414 if that is the request line, 431
/// otherwise. Up to then they cost what has arrived.
#[test]
fn s4_2_a_head_without_end_costs_its_limit() {
    let mut out = warm_outbox();
    for head in [100, 8 * 1024, 64 * 1024] {
        let limits = Limits { head, ..Limits::default() };
        let (limit, len) = (head as isize, 2 * head as usize);
        for (bytes, expected, peak) in [
            (hostile::request_line(len), 414, limit),
            (hostile::field_line(len), 431, limit),
            (hostile::tiny_fields(len), 431, limit),
            (hostile::empty_lines(len), 431, 0),
        ] {
            for portion in [1, 2, 3, 100, 1460, len] {
                let (status, cost) = answer(&limits, &bytes, portion, &mut out);
                assert_eq!((status, cost.kept), (Some(expected), 0), "in reads of {portion}");
                assert!(cost.peak <= peak, "{cost:?} for {limit}");
                assert!(cost.asked as isize <= 3 * peak, "{cost:?} for {limit}");
            }
        }
    }
}

/// The largest head that is allowed, a byte at a time: memory is asked for 18 times at most, and three
/// times the limit in all. `cargo bench --bench hostile` tells how long it takes.
#[test]
fn s4_2_64_kib_of_head_byte_by_byte() {
    let limits = Limits { head: 64 * 1024, ..Limits::default() };
    let mut out = warm_outbox();
    let bytes = hostile::head(64 * 1024);
    for portion in [1, 2, 7, 1460] {
        let (status, cost) = answer(&limits, &bytes, portion, &mut out);
        assert_eq!((status, cost.kept), (Some(101), 0));
        assert!(cost.peak <= 64 * 1024, "{cost:?}");
        assert!(cost.calls <= 18 && cost.asked <= 3 * 64 * 1024, "{cost:?}");
    }
    assert_eq!(answer(&limits, &bytes, bytes.len(), &mut out), (Some(101), NOTHING));
    let bytes = hostile::head(64 * 1024 + 1);
    assert_eq!(answer(&limits, &bytes, 1, &mut out).0, Some(431));
}

/// Heads of a legal size whose fields are anything but: nothing on the heap, whatever the answer.
#[test]
fn s4_2_1_fields_full_of_elements_cost_nothing() {
    let limits = Limits { head: 64 * 1024, ..Limits::default() };
    let mut out = warm_outbox();
    for (bytes, expected) in [
        (hostile::protocols(64), 101),
        (hostile::protocols(65), 400),
        (hostile::protocols(2000), 400),
        (hostile::extension_offers(1000), 101),
        (hostile::extension_params(1000), 101),
        (hostile::extensions_that_end_badly(1000), 400),
        (hostile::connection_options(2000), 101),
        (hostile::long_key(8 * 1024), 400),
        ([&hostile::tiny_fields(4000)[..], b"aa:\r\n\r\n"].concat(), 431),
    ] {
        let whole = answer(&limits, &bytes, bytes.len(), &mut out);
        assert_eq!(whole, (Some(expected), NOTHING), "{} bytes", bytes.len());
        let (status, cost) = answer(&limits, &bytes, 1, &mut out);
        assert_eq!((status, cost.kept), (Some(expected), 0));
        assert!(cost.asked <= 4 * bytes.len(), "{cost:?}");
    }
}
