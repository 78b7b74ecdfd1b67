//! What allocates nothing: each path whose documentation says so, counted.

#![cfg(feature = "std")]

mod support;

use std::io;

use dormouse::client::Connect;
use dormouse::http::HeadReader;
use dormouse::server::Answer;
use dormouse::{Client, CloseCode, Event, Input, Limits, Outbox, Server, WebSocket};
use support::embedder::{REQUEST, handshake};
use support::heap::{Counting, NOTHING, usage};
use support::outboxes::{shared, warm_outbox};
use support::{BINARY, CLOSE, FIN, KEY, PING, PONG, TEXT, close_body, frame, server};

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn s4_2_a_handshake_allocates_nothing() {
    let mut out = warm_outbox();
    let large = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9000));
    for (request, status) in [
        (REQUEST.to_owned(), 101),
        (REQUEST.replace("https://mail", "https://evil"), 403),
        (REQUEST.replace("Version: 13", "Version: 8"), 426),
        (REQUEST.replace("GET", "POST"), 405),
        (REQUEST.replace("Host", "Hosts"), 400),
        (REQUEST.replace("HTTP/1.1", "HTTP/1.0"), 505),
        (REQUEST.replace("Pragma:", "Pragma"), 400),
        (large, 431),
    ] {
        let mut bytes = request.into_bytes();
        let (answered, cost) = usage(|| {
            let mut reader = HeadReader::new(&Limits::default());
            let answered = handshake(&mut reader, &mut bytes, &mut out);
            out.write_to(&mut io::sink()).unwrap();
            answered
        });
        assert_eq!((answered, cost), (Some(status), NOTHING));
    }
}

#[test]
fn heads_allocate_nothing_however_large_they_are() {
    let (mut out, value) = (warm_outbox(), "x".repeat(5000));
    let headers = [("X-Large", &*value)];
    let (answered, cost) = usage(|| Answer::new(200).headers(&headers).write(&mut out));
    assert_eq!((answered, cost), (Ok(()), NOTHING));
    let connect = Connect::new("example.com", "/").headers(&headers);
    let (asked, cost) = usage(|| connect.write([7; 16], &mut out));
    assert!(asked.is_ok() && out.len() > 10_000);
    assert_eq!(cost, NOTHING);
}

#[test]
fn a_fresh_connection_is_nothing_on_the_heap() {
    let limits = Limits::default();
    let (_connections, cost) = usage(|| {
        let server = (WebSocket::server(&limits), Outbox::new(&limits), HeadReader::new(&limits));
        let client = (WebSocket::client(&limits, || KEY), Outbox::keeping(&limits, 1 << 20));
        (server, client)
    });
    assert_eq!(cost, NOTHING);
    assert!(size_of::<WebSocket<Server>>() <= 32);
    assert!(size_of::<WebSocket<Client>>() <= 40);
    assert!(size_of::<Outbox>() <= 16);
    assert!(size_of::<HeadReader>() <= 40);
}

#[test]
fn messages_that_arrive_whole_allocate_nothing() {
    let (mut ws, mut out) = server();
    for len in [0, 1, 125, 126, 4096, 65_535, 65_536, 1 << 20] {
        for first in [FIN | TEXT, FIN | BINARY] {
            let mut bytes = frame(first, Some(KEY), &vec![b'm'; len]);
            let (arrived, cost) = usage(|| {
                let mut input = Input::new(&mut bytes);
                match ws.next(&mut input, &mut out).unwrap() {
                    Some(Event::Text(text)) => text.len(),
                    Some(Event::Binary(bytes)) => bytes.len(),
                    other => panic!("{other:?}"),
                }
            });
            assert_eq!((arrived, cost), (len, NOTHING));
        }
    }
}

#[test]
fn a_limit_that_is_not_lower_moves_no_message() {
    for limit in [None, Some(1 << 20), Some(2 << 20)] {
        let (mut ws, mut out) = server();
        let mut bytes = frame(FIN | BINARY, Some(KEY), &[0; 16 << 10]);
        let (message, cost) = usage(|| {
            bytes.chunks_mut(1).find_map(|byte| {
                if let Some(limit) = limit {
                    ws.set_message_limit(limit);
                }
                ws.next(&mut Input::new(byte), &mut out).unwrap()
            })
        });
        // Buffers of 16 bytes to 16 KiB, and what keeps the message.
        assert!(message.is_some() && cost.calls == 12, "{cost:?}");
    }
}

#[test]
fn s5_5_replies_into_a_warm_outbox_allocate_nothing() {
    let mut out = warm_outbox();
    let mut replies: Vec<(Vec<u8>, usize)> = (0..=125)
        .map(|len| (frame(PING, Some(KEY), &vec![1; len]), len + 2))
        .chain([
            (frame(PONG, Some(KEY), b"unasked"), 0),
            (frame(CLOSE, Some(KEY), &close_body(1000, "bye")), 4),
            (frame(FIN | TEXT, Some(KEY), b"\xff"), 4),
            (frame(FIN | TEXT, None, b"unmasked"), 4),
        ])
        .collect();
    for (bytes, answer_len) in &mut replies {
        let (written, cost) = usage(|| {
            let mut ws = WebSocket::server(&Limits::default());
            let mut input = Input::new(bytes);
            while let Ok(Some(_)) = ws.next(&mut input, &mut out) {}
            out.write_to(&mut io::sink()).unwrap()
        });
        assert_eq!((written, cost), (*answer_len, NOTHING));
    }
}

#[test]
fn sending_to_a_socket_that_takes_all_allocates_nothing() {
    let mut out = warm_outbox();
    let message = "m".repeat(1 << 20);
    let ((), cost) = usage(|| {
        let mut ws = WebSocket::server(&Limits::default());
        let mut own = Outbox::new(&Limits::default());
        for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            ws.text(&message[..len], &mut out).unwrap();
            out.write_to(&mut io::sink()).unwrap();
            ws.binary(&message.as_bytes()[..len], &mut out).unwrap();
            out.write_to(&mut io::sink()).unwrap();
        }
        let mut out = own.sharing(&mut out);
        ws.text_fragment("frag", &mut out).unwrap();
        ws.ping(b"ping", &mut out).unwrap();
        ws.finish_message(&mut out).unwrap();
        ws.close(CloseCode::NORMAL, "done", &mut out);
        out.write_to(&mut io::sink()).unwrap();
        assert!(out.is_empty());
    });
    assert_eq!(cost, NOTHING);
}

#[test]
fn s5_3_a_client_that_masks_allocates_nothing() {
    let mut out = warm_outbox();
    let message = "m".repeat(70_000);
    let (written, cost) = usage(|| {
        let mut ws = WebSocket::client(&Limits::default(), || KEY);
        ws.text(&message, &mut out).unwrap();
        out.write_to(&mut io::sink()).unwrap()
    });
    assert_eq!((written, cost), (70_014, NOTHING));
}

#[test]
fn a_broadcast_to_a_thousand_connections_allocates_nothing() {
    let mut out = warm_outbox();
    let shared = shared(&"three new mails ".repeat(64));
    let limits = Limits::default();
    let mut connections: Vec<_> =
        (0..1000).map(|_| (WebSocket::server(&limits), Outbox::new(&limits))).collect();
    let (written, cost) = usage(|| {
        let mut written = 0;
        for (ws, own) in &mut connections {
            let mut out = own.sharing(&mut out);
            ws.send(&shared, &mut out).unwrap();
            written += out.write_to(&mut io::sink()).unwrap();
        }
        written
    });
    assert_eq!((written, cost), (1000 * shared.as_bytes().len(), NOTHING));
}
