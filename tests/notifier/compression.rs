//! Notices that are compressed (`--deflate`, RFC 7692), for those who offer it and for nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;

use dormouse::deflate::Inflater;
use dormouse::{Event, Input, Limits, Outbox, WebSocket};
use serde_json::Value;

use crate::browser::{IS_CONNECTED, until_list, watching};
use crate::support::{Fixture, HANDSHAKE, Server, hello, next_json};

/// What browsers offer.
const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// A client that offers compression, up to the answer of the server.
fn offer(server: &Server, offer: &str) -> (TcpStream, String) {
    let mut stream = server.connect();
    let extensions = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    let request = format!("GET /ws?mailbox=alice HTTP/1.1\r\n{HANDSHAKE}{extensions}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    (stream, String::from_utf8(head).unwrap())
}

/// The next message, and whether it came compressed.
struct Watcher {
    stream: TcpStream,
    ws: WebSocket<dormouse::Client>,
    inflater: Inflater,
    room: Vec<u8>,
}

impl Watcher {
    fn new(stream: TcpStream) -> Self {
        let mut ws = WebSocket::client(&Limits::default(), || [0; 4]);
        ws.allow_compressed();
        Self { stream, ws, inflater: Inflater::new(false), room: Vec::new() }
    }

    /// A byte at a time, so that no message is taken with the one before it.
    fn next(&mut self) -> (Value, bool) {
        let mut out = Outbox::new(&Limits::default());
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            let event = self.ws.next(&mut Input::new(&mut byte), &mut out).unwrap();
            let Some(event) = event else { continue };
            let is_compressed = matches!(event, Event::Compressed(_));
            match self.inflater.inflate(event, &mut self.room).unwrap() {
                Event::Text(text) => {
                    let mut notice: Value = serde_json::from_str(&text).unwrap();
                    notice.as_object_mut().unwrap().remove("epoch");
                    return (notice, is_compressed);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn notices_are_compressed_for_those_who_offer_it() {
    let fixture = Fixture::with(&["--deflate"]);
    let (stream, head) = offer(&fixture.server, OFFER);
    let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert!(head.contains(&format!("Sec-WebSocket-Extensions: {answer}\r\n")), "{head}");
    let mut compressed = Watcher::new(stream);
    let mut plain = fixture.server.watch("alice");
    assert_eq!(compressed.next().0, hello("alice", 0, 0));
    assert_eq!(next_json(&mut plain), hello("alice", 0, 0));

    let subject = "Dinner, and dinner again, and then dinner once more";
    fixture.put("alice", "1", format!("Subject: {subject}\n\n").as_bytes());
    let (notice, is_compressed) = compressed.next();
    assert!(is_compressed);
    assert_eq!(notice["subject"], subject);
    assert_eq!(next_json(&mut plain), notice);

    // Whoever comes later is told what it missed, compressed as well.
    let (stream, _) = offer(&fixture.server, OFFER);
    assert_eq!(Watcher::new(stream).next().0, hello("alice", 1, 1));
}

#[test]
fn nobody_gets_what_it_did_not_offer() {
    let fixture = Fixture::with(&["--deflate"]);
    for declined in ["x-webkit-deflate-frame", "permessage-deflate; server_max_window_bits=10"] {
        let (stream, head) = offer(&fixture.server, declined);
        assert!(head.starts_with("HTTP/1.1 101 ") && !head.contains("Extensions"), "{head}");
        assert_eq!(Watcher::new(stream).next(), (hello("alice", 0, 0), false));
    }
    let plain = Fixture::new();
    let (_, head) = offer(&plain.server, OFFER);
    assert!(!head.contains("Extensions"), "the flag is not set: {head}");
}

#[test]
fn a_browser_takes_compressed_notices() {
    let fixture = Fixture::with(&["--deflate"]);
    let Some(mut browser) = watching(&fixture.server, "alice") else { return };
    let agreed = browser.evaluate(
        "new Promise((resolve) => {
            const other = new WebSocket('ws://' + location.host + '/ws?mailbox=alice');
            other.onopen = () => resolve(other.extensions);
            other.onerror = () => resolve('none');
        })",
    );
    assert!(agreed.as_str().is_some_and(|agreed| agreed.starts_with("permessage-deflate")));
    let subject = "Grüße ".repeat(20);
    fixture.deliver("alice", &["--from", "Bob <bob@example.org>", "--subject", subject.trim()]);
    until_list(&mut browser, &[subject.trim()]);
    browser.until(IS_CONNECTED);
}
