//! The server's handshake on the request of a real Chromium: the request in, the 101 answer out.
//!
//! The floor is what no server can leave out: httparse on the same head, SHA-1 of the key and the
//! GUID, base64 of the digest, and writing the answer, of which two values differ each time. Neither
//! side fills its array of headers before it parses (`parse_uninit`).

mod support;

use std::hint::black_box;
use std::mem::MaybeUninit;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use criterion::{BenchmarkId, Criterion, Throughput};
use dormouse::http::{HeadReader, Request};
use dormouse::server::Upgrade;
use dormouse::{Input, Limits, Outbox};
use sha1::{Digest, Sha1};

const REQUEST: &[u8] = include_bytes!("../tests/data/upgrade-requests/chromium.http");
const ANSWER: [&[u8]; 5] = [
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: ",
    b"VMieI0OLzP3XVSNJezS2k6Wq2X0=",
    b"\r\nSec-WebSocket-Protocol: ",
    b"mail.v1",
    b"\r\n\r\n",
];
const KEY: &str = "1Mn8NPm6YvO+lJ6XHYcgEQ==";
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

fn main() {
    support::main(&[server]);
}

fn server(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake_server");
    group.throughput(Throughput::Bytes(REQUEST.len() as u64));

    let mut buffer = Vec::with_capacity(1024);
    floor(&mut buffer);
    assert_eq!(buffer, ANSWER.concat());
    group.bench_function(BenchmarkId::new(support::FLOOR, REQUEST.len()), |bencher| {
        bencher.iter(|| {
            buffer.clear();
            floor(&mut buffer);
        });
    });

    let limits = Limits::default();
    let mut out = Outbox::keeping(&limits, 1024);
    let mut scratch = REQUEST.to_vec();
    assert_eq!(handshake(&limits, &mut scratch, &mut out), Some(()));
    assert_eq!(out.slices().collect::<Vec<_>>().concat(), ANSWER.concat());
    group.bench_function(BenchmarkId::new("dormouse", REQUEST.len()), |bencher| {
        bencher.iter(|| {
            out.clear();
            handshake(&limits, black_box(&mut scratch), &mut out)
        });
    });
    group.finish();
}

fn floor(buffer: &mut Vec<u8>) {
    let mut headers = [const { MaybeUninit::uninit() }; 64];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(black_box(REQUEST), &mut headers);
    let _ = black_box((&parsed, &request));
    let digest = Sha1::new().chain_update(black_box(KEY)).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    let _ = STANDARD.encode_slice(digest, &mut accept);
    for (at, part) in black_box(&ANSWER).iter().enumerate() {
        buffer.extend_from_slice(if at == 1 { &accept } else { part });
    }
}

fn handshake(limits: &Limits, scratch: &mut [u8], out: &mut Outbox) -> Option<()> {
    let mut input = Input::new(scratch);
    let head = HeadReader::new(limits).next(&mut input).ok()??;
    let mut headers = [const { MaybeUninit::uninit() }; 64];
    let request = Request::parse_uninit(&head, &mut headers).ok()?;
    let upgrade = Upgrade::read(&request).ok()?;
    let protocol = upgrade.select_protocol(&["mail.v1"]);
    upgrade.accept().protocol(protocol).write(out).ok()
}
