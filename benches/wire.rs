//! Headers and masking, each beside the least that the bytes cost.

mod support;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dormouse::wire::{FrameHeader, MAX_HEADER_LEN, Opcode, Rsv, mask};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn main() {
    support::main(&[header_parse, header_encode, masking]);
}

fn headers() -> impl Iterator<Item = FrameHeader> {
    [125, 65_535, 65_536].into_iter().map(|payload_len| FrameHeader {
        fin: true,
        rsv: Rsv::NONE,
        opcode: Opcode::Binary,
        mask: Some(KEY),
        payload_len,
    })
}

/// The floor copies the bytes of the header once.
fn header_parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire_header_parse");
    for header in headers() {
        let mut buffer = [0; MAX_HEADER_LEN];
        let bytes = header.encode(&mut buffer).to_vec();
        assert_eq!(FrameHeader::parse(&bytes), Ok(Some((header, bytes.len()))));
        group.bench_function(BenchmarkId::new(support::FLOOR, bytes.len()), |bencher| {
            let mut copy = [0; MAX_HEADER_LEN];
            bencher.iter(|| {
                let bytes = black_box(&bytes);
                copy[..bytes.len()].copy_from_slice(bytes);
                black_box(&copy);
            });
        });
        group.bench_function(BenchmarkId::new("dormouse", bytes.len()), |bencher| {
            bencher.iter(|| FrameHeader::parse(black_box(&bytes)));
        });
    }
    group.finish();
}

fn header_encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire_header_encode");
    for header in headers() {
        let mut expected = [0; MAX_HEADER_LEN];
        let len = header.encode(&mut expected).len();
        group.bench_function(BenchmarkId::new(support::FLOOR, len), |bencher| {
            let mut copy = [0; MAX_HEADER_LEN];
            bencher.iter(|| {
                let bytes = black_box(&expected[..len]);
                copy[..bytes.len()].copy_from_slice(bytes);
                black_box(&copy);
            });
        });
        let mut buffer = [0; MAX_HEADER_LEN];
        group.bench_function(BenchmarkId::new("dormouse", len), |bencher| {
            bencher.iter(|| black_box(header).encode(black_box(&mut buffer)).len());
        });
        assert_eq!(buffer, expected);
    }
    group.finish();
}

/// The floor is `memcpy` of as many bytes: each is read once and written once.
fn masking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire_masking");
    for size in [16, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024] {
        group.throughput(Throughput::Bytes(size as u64));
        let plain: Vec<u8> = (0..size).map(|i| (i * 31) as u8).collect();
        let mut bytes = plain.clone();
        let mut copy = vec![0; size];
        group.bench_function(BenchmarkId::new(support::FLOOR, size), |bencher| {
            bencher.iter(|| black_box(&mut copy).copy_from_slice(black_box(&bytes)));
        });
        mask::apply(&mut bytes, KEY);
        assert!(bytes.iter().zip(&plain).enumerate().all(|(i, (m, p))| m ^ p == KEY[i % 4]));
        group.bench_function(BenchmarkId::new("dormouse", size), |bencher| {
            bencher.iter(|| mask::apply(black_box(&mut bytes), black_box(KEY)));
        });
    }
    group.finish();
}
