//! What hostile input costs in time, and that the work is linear: the same shape at two sizes.
//!
//! ```text
//! cargo bench --bench hostile
//! ```
//! Each input comes in the smallest reads that hurt; where only what its fields hold can hurt, in one.
//! The columns are the time in all and for each byte, how many times that is what the same bytes cost
//! in one read, and how many times what half as many bytes cost: 2 is linear, 4 would be quadratic.
//! Each time is the fastest of several runs. The tests of the same inputs are `tests/hostile.rs`: they
//! tell the verdicts and the memory.
//!
//! Messages are read by a server, whose peer masks.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use dormouse::http::HeadReader;
use dormouse::{Limits, Outbox};
use support::connection::{Connection, Side};
use support::embedder::handshake;
use support::hostile;

/// How often each input is given. A run is short, so that a busy machine leaves some of them alone.
const RUNS: usize = 40;
/// What a head of 64 KiB may take that comes a byte at a time.
const MOST: Duration = Duration::from_millis(5);
const HEAD: usize = 64 * 1024;

/// An input in a size, the portions that it comes in, and who takes it.
struct Attack {
    name: &'static str,
    make: fn(usize) -> Vec<u8>,
    size: usize,
    portion: usize,
    take: fn(&mut [u8], usize),
}

const fn head(name: &'static str, make: fn(usize) -> Vec<u8>, size: usize) -> Attack {
    Attack { name, make, size, portion: 1, take: take_head }
}

/// A head in one read, so that nothing hides what its fields cost.
const fn fields(name: &'static str, make: fn(usize) -> Vec<u8>, size: usize) -> Attack {
    Attack { name, make, size, portion: usize::MAX, take: take_head }
}

const fn frames(
    name: &'static str,
    make: fn(usize) -> Vec<u8>,
    size: usize,
    portion: usize,
) -> Attack {
    Attack { name, make, size, portion, take: take_frames }
}

const ATTACKS: [Attack; 17] = [
    head("a head", hostile::head, HEAD),
    head("one field line", hostile::field_line, HEAD),
    head("one request line", hostile::request_line, HEAD),
    head("empty lines", hostile::empty_lines, HEAD),
    head("tiny fields", hostile::tiny_fields, HEAD),
    fields("subprotocols", hostile::protocols, 12_000),
    fields("offers of extensions", hostile::extension_offers, 15_000),
    fields("parameters of an extension", hostile::extension_params, 9000),
    fields("extensions that end badly", hostile::extensions_that_end_badly, 15_000),
    fields("options of Connection", hostile::connection_options, 30_000),
    fields("a key", hostile::long_key, 60_000),
    frames("one text", |len| hostile::text(Side::Server, len), 1 << 16, 1),
    frames("fragments of a byte", |n| hostile::one_byte_fragments(Side::Server, n), 10_000, 1),
    frames("empty fragments", |n| hostile::empty_fragments(Side::Server, n), 10_000, 1),
    frames("empty messages", |n| hostile::empty_messages(Side::Server, n), 10_000, 1),
    frames("pings", |n| hostile::pings(Side::Server, n), 1000, 1),
    frames("pings in segments", |n| hostile::pings(Side::Server, n), 100_000, 1460),
];

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("hostile: runs only as a bench");
        return;
    }
    println!(
        "{:<28}{:>10}{:>10}{:>12}{:>11}{:>14}{:>12}",
        "input", "bytes", "reads of", "time", "ns a byte", "/ in one read", "/ of half"
    );
    let times: Vec<Duration> = ATTACKS.iter().map(measure).collect();
    let verdict = if times[0] <= MOST { "yes" } else { "NO" };
    println!("\n64 KiB of head in reads of 1 byte, at most {MOST:?}: {verdict}, {:.0?}", times[0]);
}

/// Measures and prints one line of the table, and returns the time in all.
fn measure(attack: &Attack) -> Duration {
    let bytes = (attack.make)(attack.size);
    let half = (attack.make)(attack.size / 2);
    let mut inputs = [
        Input::new(&bytes, attack.portion),
        Input::new(&bytes, bytes.len()),
        Input::new(&half, attack.portion),
    ];
    // In turn, so that what slows the machine down slows all of them down.
    for _ in 0..RUNS {
        inputs.iter_mut().for_each(|input| input.run(attack.take));
    }
    let [time, in_one, of_half] = inputs.map(|input| input.fastest);
    // A head has fields that do not grow with its size, so half the size is not half the bytes.
    let doubling = bytes.len() as f64 / half.len() as f64 / 2.0;
    println!(
        "{:<28}{:>10}{:>10}{:>12}{:>11.2}{:>14.1}{:>12.2}",
        attack.name,
        bytes.len(),
        if attack.portion < bytes.len() { attack.portion.to_string() } else { "one".into() },
        format!("{time:.1?}"),
        time.as_nanos() as f64 / bytes.len() as f64,
        time.as_secs_f64() / in_one.as_secs_f64(),
        time.as_secs_f64() / of_half.as_secs_f64() / doubling,
    );
    time
}

/// Bytes in portions, and the fastest run so far.
struct Input<'b> {
    bytes: &'b [u8],
    scratch: Vec<u8>,
    portion: usize,
    fastest: Duration,
}

impl<'b> Input<'b> {
    fn new(bytes: &'b [u8], portion: usize) -> Self {
        Self { bytes, scratch: bytes.to_vec(), portion, fastest: Duration::MAX }
    }

    fn run(&mut self, take: fn(&mut [u8], usize)) {
        self.scratch.copy_from_slice(self.bytes);
        let start = Instant::now();
        take(black_box(&mut self.scratch), self.portion);
        self.fastest = self.fastest.min(start.elapsed());
    }
}

/// A server's handshake, to the answer or to the last byte.
fn take_head(bytes: &mut [u8], portion: usize) {
    let limits = Limits { head: HEAD as u32, ..Limits::default() };
    let (mut reader, mut out) = (HeadReader::new(&limits), Outbox::new(&limits));
    let mut reads = bytes.chunks_mut(portion);
    black_box(reads.find_map(|read| handshake(&mut reader, read, &mut out)));
}

/// All frames, also after a violation, as by an embedder who reads on until the peer is gone.
fn take_frames(bytes: &mut [u8], portion: usize) {
    let mut connection = Connection::new(Side::Server, &Limits::default());
    for read in bytes.chunks_mut(portion) {
        let _ = black_box(connection.read(read));
    }
}
