//! Sending: one message and one flush each, and a broadcast of one `Prepared` to many connections.
//!
//! The floor builds the same bytes in a buffer that is reused, and hands them to the same sink, which
//! takes everything and keeps nothing.

mod support;

use std::hint::black_box;
use std::io::{self, Write};

use criterion::{BenchmarkId, Criterion, Throughput};
use dormouse::{Limits, Outbox, Prepared, WebSocket};

const CONNECTIONS: usize = 1000;

fn main() {
    support::main(&[send_server, send_client, broadcast]);
}

/// A socket whose buffer is never full.
#[derive(Default)]
struct Sink {
    bytes: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += black_box(bytes).len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn send_server(criterion: &mut Criterion) {
    let limits = Limits { outbox: 2 * 1024 * 1024, ..Limits::default() };
    let mut ws = WebSocket::server(&limits);
    let send = |payload: &[u8], out: &mut Outbox| ws.binary(payload, out).is_ok();
    send_bench(criterion, "send_server", send);
}

fn send_client(criterion: &mut Criterion) {
    let limits = Limits { outbox: 2 * 1024 * 1024, ..Limits::default() };
    let mut ws = WebSocket::client(&limits, || [0x37, 0xfa, 0x21, 0x3d]);
    let send = |payload: &[u8], out: &mut Outbox| ws.binary(payload, out).is_ok();
    send_bench(criterion, "send_client", send);
}

fn send_bench(
    criterion: &mut Criterion,
    name: &str,
    mut send: impl FnMut(&[u8], &mut Outbox) -> bool,
) {
    let limits = Limits { outbox: 2 * 1024 * 1024, ..Limits::default() };
    let mut group = criterion.benchmark_group(name);
    for size in [16, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024] {
        group.throughput(Throughput::Bytes(size as u64));
        let payload = vec![b'x'; size];
        let mut out = Outbox::keeping(&limits, limits.outbox);
        assert!(send(&payload, &mut out));
        let frame: Vec<u8> = out.slices().flatten().copied().collect();
        assert!(frame.len() > size);
        let header = frame[..frame.len() - size].to_vec();
        out.clear();

        group.bench_function(BenchmarkId::new(support::FLOOR, size), |bencher| {
            let mut buffer = Vec::with_capacity(frame.len());
            let mut sink = Sink::default();
            bencher.iter(|| {
                buffer.extend_from_slice(black_box(&header));
                buffer.extend_from_slice(black_box(&payload));
                let written = sink.write(&buffer);
                buffer.clear();
                written.is_ok()
            });
        });
        let mut sink = Sink::default();
        group.bench_function(BenchmarkId::new("dormouse", size), |bencher| {
            bencher.iter(|| send(black_box(&payload), &mut out) && out.write_to(&mut sink).is_ok());
        });
        assert!(out.is_empty() && sink.bytes % frame.len() == 0);
    }
    group.finish();
}

/// One message to a thousand connections. The floor calls `write` of the sink a thousand times, which
/// costs next to nothing; that of a socket costs microseconds.
fn broadcast(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| (WebSocket::server(&limits), Outbox::new(&limits), Sink::default()))
        .collect();
    let mut group = criterion.benchmark_group("send_broadcast");
    group.throughput(Throughput::Elements(CONNECTIONS as u64));
    for size in [64, 1024] {
        let text = "x".repeat(size);
        let frame = Prepared::text(&text);
        group.bench_function(BenchmarkId::new(support::FLOOR, size), |bencher| {
            bencher.iter(|| {
                connections.iter_mut().all(|(_, _, sink)| sink.write(frame.as_bytes()).is_ok())
            });
        });
        let mut shared = Outbox::keeping(&limits, 64 * 1024);
        for (_, _, sink) in &mut connections {
            *sink = Sink::default();
        }
        group.bench_function(BenchmarkId::new("dormouse", size), |bencher| {
            bencher.iter(|| {
                let message = Prepared::text(black_box(&text));
                connections.iter_mut().all(|(ws, own, sink)| {
                    let mut out = own.sharing(&mut shared);
                    ws.send(&message, &mut out).is_ok() && out.write_to(sink).is_ok()
                })
            });
        });
        let bytes = connections[0].2.bytes;
        assert!(bytes > 0 && bytes % frame.as_bytes().len() == 0);
        assert!(connections.iter().all(|(_, own, sink)| own.is_empty() && sink.bytes == bytes));
    }
    group.finish();
}
