//! Receiving one whole message as a server: `WebSocket::next` against the work nobody can avoid.
//!
//! The floor is XOR in place of the same payload, which stands behind its header as it does in a real
//! read, and for text also its UTF-8 validation. A binary
//! payload is masked and unmasked in turn, as XOR does; text is masked with a key of zeros, so that
//! it stays text. The work is the same for any key.

mod support;

use std::hint::black_box;

use criterion::{Bencher, BenchmarkId, Criterion, Throughput};
use dormouse::wire::Opcode;
use dormouse::{Event, Input, Limits, Outbox, WebSocket};

const SIZES: [usize; 7] = [0, 16, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024];
/// How many buffers are received into in turn.
const BUFFERS: usize = 16;

fn main() {
    support::main(&[binary, ascii, multi_byte]);
}

fn binary(criterion: &mut Criterion) {
    let payload = |len| (0..len).map(|i| (i * 31) as u8).collect();
    receive(criterion, "receive_binary", Opcode::Binary, [0x37, 0xfa, 0x21, 0x3d], payload);
}

fn ascii(criterion: &mut Criterion) {
    let payload = |len| b"a mouse asleep, ".iter().copied().cycle().take(len).collect();
    receive(criterion, "receive_ascii", Opcode::Text, [0; 4], payload);
}

fn multi_byte(criterion: &mut Criterion) {
    let payload = |len: usize| {
        let mut text: Vec<u8> =
            "соня спит зимой, ヤマネは冬眠する ".bytes().cycle().take(len).collect();
        while std::str::from_utf8(&text).is_err() {
            text.pop();
        }
        text.resize(len, b'.');
        text
    };
    receive(criterion, "receive_multi_byte", Opcode::Text, [0; 4], payload);
}

fn receive(
    criterion: &mut Criterion,
    group: &str,
    opcode: Opcode,
    key: [u8; 4],
    payload: impl Fn(usize) -> Vec<u8>,
) {
    let mut group = criterion.benchmark_group(group);
    for size in SIZES {
        let payload = payload(size);
        let frame = support::masked_frame(opcode, &payload, key);
        assert!(arrives(frame.clone(), &payload));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new(support::FLOOR, size), |bencher| {
            run_floor(bencher, &frame, size, opcode, key);
        });
        group.bench_function(BenchmarkId::new("dormouse", size), |bencher| {
            run_dormouse(bencher, &frame);
        });
    }
    group.finish();
}

/// Each round takes the next of several buffers, as reads do: a buffer that was stored to a moment ago
/// would measure the processor's store buffer instead.
fn run_floor(bencher: &mut Bencher, frame: &[u8], size: usize, opcode: Opcode, key: [u8; 4]) {
    let mut frames = vec![frame.to_vec(); BUFFERS];
    let mut round = 0;
    bencher.iter(|| {
        round += 1;
        let bytes = black_box(&mut frames[round % BUFFERS][frame.len() - size..]);
        xor_in_place(bytes, black_box(key));
        if opcode == Opcode::Text {
            simdutf8::basic::from_utf8(bytes).map(str::len).unwrap_or(0)
        } else {
            bytes.len()
        }
    });
}

fn run_dormouse(bencher: &mut Bencher, frame: &[u8]) {
    let limits = Limits::default();
    let mut frames = vec![frame.to_vec(); BUFFERS];
    let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    let mut round = 0;
    bencher.iter(|| {
        round += 1;
        let mut input = Input::new(black_box(&mut frames[round % BUFFERS]));
        let mut received = 0;
        while let Ok(Some(event)) = ws.next(&mut input, &mut out) {
            match black_box(event) {
                Event::Text(text) => received += text.len(),
                Event::Binary(bytes) => received += bytes.len(),
                _ => {}
            }
        }
        received
    });
    assert!(!ws.is_closed(), "every round was a valid message");
}

fn arrives(mut frame: Vec<u8>, payload: &[u8]) -> bool {
    let limits = Limits::default();
    let (mut ws, mut out) = (WebSocket::server(&limits), Outbox::new(&limits));
    match ws.next(&mut Input::new(&mut frame), &mut out) {
        Ok(Some(Event::Text(text))) => text.as_bytes() == payload,
        Ok(Some(Event::Binary(bytes))) => *bytes == *payload,
        _ => false,
    }
}

/// The plainest loop that compilers turn into vector code.
fn xor_in_place(bytes: &mut [u8], key: [u8; 4]) {
    let word = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut words = bytes.chunks_exact_mut(8);
    for chunk in &mut words {
        let mixed = u64::from_ne_bytes(chunk.try_into().unwrap_or_default()) ^ word;
        chunk.copy_from_slice(&mixed.to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key) {
        *byte ^= key;
    }
}
