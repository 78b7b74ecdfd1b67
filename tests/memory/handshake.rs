//! The opening handshake in pieces, accepted, refused and abandoned (RFC 6455 §4).

use std::borrow::Cow;
use std::ops::Range;

use dormouse::client::Connect;
use dormouse::http::{EMPTY_HEADER, HeadReader, Response};
use dormouse::server::{Answer, BadRequest, Refusal};
use dormouse::{Input, Limits, Outbox};

use crate::support::connection::QUEUE;
use crate::support::embedder::{REQUEST, handshake};
use crate::support::heap::{NOTHING, live, usage};
use crate::support::outboxes::warm_outbox;

/// Handshakes at the same time.
const CROWD: usize = 1000;

const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Server: mail\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";

/// `head` as it was cut: by the byte, in segments, and in two around everything that has a meaning.
fn cuts(head: &str) -> Vec<Vec<Range<usize>>> {
    let len = head.len();
    let portions =
        |portion: usize| (0..len).step_by(portion).map(move |at| at..len.min(at + portion));
    let mut cuts: Vec<Vec<_>> = [1, 2, 100, len].map(|portion| portions(portion).collect()).into();
    cuts.extend(
        [1, 2, 15, 16, 17, len / 2, len - 4, len - 3, len - 2, len - 1]
            .map(|at| vec![0..at, at..len]),
    );
    cuts
}

/// A head costs what has arrived in a buffer that doubles below the limit, and its owner nothing once
/// it is whole: neither the reader, which lives on, nor the outbox, once it is written.
#[test]
fn s4_2_2_every_answer_to_a_head_in_pieces_gives_its_memory_back() {
    let large = REQUEST.replace("Pragma: no-cache", &format!("X: {}", "x".repeat(9000)));
    let long = REQUEST.replace("box=7", &"x".repeat(9000));
    let many = REQUEST.replace("Pragma: no-cache", "a:\r\n".repeat(64).trim_end());
    for (request, status) in [
        (REQUEST.to_owned(), 101),
        (REQUEST.replace("Host", "Hosts"), 400),
        (REQUEST.replace("Pragma:", "Pragma"), 400),
        (REQUEST.replace("https://mail", "https://evil"), 403),
        (REQUEST.replace("GET", "POST"), 405),
        (long, 414),
        (REQUEST.replace("Version: 13", "Version: 8"), 426),
        (REQUEST.replace("Upgrade: websocket", "Upgrade: h2c"), 426),
        (large, 431),
        (many, 431),
        (REQUEST.replace("HTTP/1.1", "HTTP/1.0"), 505),
    ] {
        for (number, cut) in cuts(&request).into_iter().enumerate() {
            let crowd = if number == 2 { CROWD } else { 2 };
            let cost = answer_crowd(crowd, &request, &cut, status);
            let head = (2 * request.len()).min(Limits::default().head as usize) as isize;
            assert!(cost <= head + QUEUE + 512, "{status} costs {cost} in {} reads", cut.len());
            if number == 2 {
                println!(
                    "{status} in reads of 100 bytes: {crowd} handshakes, each {cost} bytes at most"
                );
            }
        }
    }
}

/// Has `request` answered in a crowd, and returns the most that one of them has cost.
fn answer_crowd(crowd: usize, request: &str, cut: &[Range<usize>], status: u16) -> isize {
    let limits = Limits::default();
    let mut scratch = request.as_bytes().to_vec();
    let mut crowd: Vec<_> =
        (0..crowd).map(|_| (HeadReader::new(&limits), Outbox::new(&limits), None)).collect();
    let ((), cost) = usage(|| {
        for read in cut {
            for (reader, out, answered) in &mut crowd {
                scratch[read.clone()].copy_from_slice(&request.as_bytes()[read.clone()]);
                if answered.is_none() {
                    *answered = handshake(reader, &mut scratch[read.clone()], out);
                }
            }
        }
    });
    assert!(crowd.iter().all(|(_, _, answered)| *answered == Some(status)), "{:?}", crowd[0].2);
    let ((), written) = usage(|| crowd.iter_mut().for_each(|(_, out, _)| out.advance(usize::MAX)));
    assert_eq!(cost.kept + written.kept, 0, "{status} in {} reads leaves something", cut.len());
    cost.peak / crowd.len() as isize
}

/// The refusals that only the embedder can know of, and all others: they wait in the outbox, and
/// nowhere else.
#[test]
fn s4_2_2_every_refusal_costs_its_bytes_while_it_waits() {
    let mut warm = warm_outbox();
    for refusal in [
        BadRequest::MissingVersion.into(),
        BadRequest::Key.into(),
        Refusal::Unauthorized { challenge: "Basic realm=\"mail\"" },
        Refusal::Forbidden,
        Refusal::NotFound,
        Refusal::MethodNotAllowed,
        Refusal::TargetTooLong,
        Refusal::NotAnUpgrade,
        Refusal::WebSocketVersion,
        Refusal::TooManyRequests { retry_after: 7 },
        Refusal::HeadTooLarge,
        Refusal::Unavailable { retry_after: 30 },
        Refusal::HttpVersion,
    ] {
        let mut out = Outbox::new(&Limits::default());
        let ((), cost) = usage(|| refusal.write(&mut out).unwrap());
        let len = out.len() as isize;
        assert!(cost.peak <= len + QUEUE, "{refusal}: {cost:?} for {len}");
        let ((), written) = usage(|| out.advance(usize::MAX));
        assert_eq!(cost.kept + written.kept, 0, "{refusal}");

        let ((), cost) = usage(|| refusal.write(&mut warm).unwrap());
        assert_eq!(cost, NOTHING, "{refusal} in an outbox of the thread");
        warm.advance(usize::MAX);
    }
    // A head of the embedder's own above 1 KiB is put together on the heap, and freed at once.
    let cookie = "c".repeat(2000);
    let ((), cost) = usage(|| {
        Answer::new(200).headers(&[("Set-Cookie", &cookie)]).write(&mut warm).unwrap();
    });
    assert!(cost.kept == 0 && cost.peak <= 4096, "{cost:?}");
}

/// The client's side: the request waits, then the response comes in pieces.
#[test]
fn s4_1_a_client_gives_the_memory_of_its_handshake_back() {
    let limits = Limits::default();
    for refused in [false, true] {
        let response = if refused { RESPONSE.replace("101", "503") } else { RESPONSE.to_owned() };
        for cut in cuts(&response) {
            let mut scratch = response.as_bytes().to_vec();
            let mut reader = HeadReader::new(&limits);
            let mut out = Outbox::new(&limits);
            let (verdicts, cost) = usage(|| {
                let connect = Connect::new("mail.example.com", "/mail");
                let handshake = connect.write(*b"the sample nonce", &mut out).unwrap();
                out.advance(100);
                out.advance(usize::MAX);
                let mut verdicts = 0;
                for read in &cut {
                    let mut input = Input::new(&mut scratch[read.clone()]);
                    if let Some(head) = reader.next(&mut input).unwrap() {
                        let mut headers = [EMPTY_HEADER; 16];
                        let response = Response::parse(&head, &mut headers).unwrap();
                        assert_eq!(handshake.verify(&response).is_err(), refused);
                        assert_eq!(matches!(head, Cow::Borrowed(_)), cut.len() == 1);
                        verdicts += 1;
                    }
                }
                verdicts
            });
            assert_eq!((verdicts, cost.kept), (1, 0));
            assert!(cost.peak <= 2 * response.len() as isize + QUEUE, "{cost:?}");
        }
    }
}

/// A head in progress costs what has arrived, in a buffer that doubles from 16 bytes on, and dropping the
/// reader frees it, wherever that happens.
#[test]
fn s4_2_a_handshake_that_is_abandoned_costs_what_has_arrived() {
    let mut out = warm_outbox();
    for end in 0..REQUEST.len() {
        let before = live();
        let (reader, cost) = usage(|| {
            let mut reader = HeadReader::new(&Limits::default());
            for byte in REQUEST[..end].bytes() {
                assert_eq!(handshake(&mut reader, &mut [byte], &mut out), None);
            }
            reader
        });
        let most = if end == 0 { 0 } else { 16.max(2 * end as isize) };
        assert!(cost.peak <= most, "{cost:?} for {end}");
        drop(reader);
        assert_eq!(live(), before);
    }
}
