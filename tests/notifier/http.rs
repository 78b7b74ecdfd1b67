//! The public port: requests, refusals, and how connections begin and end.

use std::io::{Read, Write};
use std::net::Shutdown;

use serde_json::Value;
use tungstenite::Message;

use crate::support::{Fixture, HANDSHAKE, get, hello, next_json, receive, wait_until};

#[test]
fn the_page_is_one_file_and_asks_nobody_else() {
    let fixture = Fixture::new();
    let page = fixture.server.exchange(&get("/"));
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    for field in [
        "Content-Type: text/html; charset=utf-8",
        "Content-Security-Policy: default-src 'none'; style-src 'sha256-",
        "Connection: close",
    ] {
        assert!(page.contains(&format!("\r\n{field}")), "{field} is missing: {page}");
    }
    for outside in ["http://", "https://", " src=", " href=\"/"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn what_else_can_be_read() {
    let fixture = Fixture::new();
    let server = &fixture.server;
    let status = |request: &str| server.exchange(request)[9..12].to_owned();
    for (path, expected) in [
        ("/?mailbox=alice", "200"),
        ("/stats", "200"),
        ("/healthz", "200"),
        ("/readyz", "200"),
        ("/favicon.ico", "204"),
        ("/metrics", "404"),
        ("/publish", "404"),
        ("/page.html", "404"),
        ("/ws", "426"),
    ] {
        assert_eq!(status(&get(path)), expected, "{path}");
        let head = server.exchange(&get(path).replacen("GET", "HEAD", 1));
        assert!(head.ends_with("\r\n\r\n"), "{path}: {head}");
        let post = status(&get(path).replacen("GET", "POST", 1));
        assert!(["404", "405"].contains(&&*post), "{path}: {post}");
    }
    assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), "400");
    assert_eq!(status("GET / HTTP/1.1\r\nno colon\r\n\r\n"), "400");
    assert_eq!(status(&format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(100))), "431");
}

#[test]
fn the_figures_follow_what_happens() {
    let fixture = Fixture::new();
    let stats = || -> Value { serde_json::from_str(&fixture.server.get("/stats")).unwrap() };
    let before = stats();
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    fixture.put("alice", "1", b"Subject: s\n\n");
    assert_eq!(next_json(&mut ws)["seq"], 1);
    assert_eq!(fixture.server.status("/ws?mailbox=nobody", ""), "404");
    // A mail is counted when all shards have been told, one of which may have been faster.
    wait_until("the mail is counted", || stats()["mails"] != before["mails"]);
    let after = stats();
    for (name, added) in [("watching", 1), ("upgrades", 1), ("mails", 1), ("refusals", 1)] {
        let value = |stats: &Value| stats[name].as_i64().unwrap();
        assert_eq!(value(&after) - value(&before), added, "{name}: {after}");
    }
    assert_eq!(after["draining"], false);
}

#[test]
fn s4_2_2_requests_that_are_refused() {
    let fixture = Fixture::new();
    let server = &fixture.server;
    for (target, more, expected) in [
        ("/ws?mailbox=nobody", "", "404"),
        ("/ws?mailbox=..%2Falice", "", "400"),
        ("/ws", "", "400"),
        ("/other?mailbox=alice", "", "404"),
        ("/ws?mailbox=alice", "Origin: http://example.org\r\n", "403"),
        ("/ws?mailbox=alice", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "400"),
        ("/ws?mailbox=alice", &format!("x: {}\r\n", "x".repeat(10_000)), "431"),
    ] {
        assert_eq!(server.status(target, more), expected, "{target} {more:.80}");
    }
    let plain = server.exchange("GET /ws?mailbox=alice HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(plain.starts_with("HTTP/1.1 426 "), "{plain}");
    let junk = server.exchange("\x16\x03\x01\x02 this is not HTTP");
    assert!(junk.starts_with("HTTP/1.1 400 "), "{junk}");
}

#[test]
fn s4_1_a_handshake_in_single_bytes_with_a_frame_behind_it() {
    let fixture = Fixture::new();
    let mut stream = fixture.server.connect();
    stream.set_nodelay(true).unwrap();
    let origin = "Origin: http://localhost\r\n";
    let request = format!("GET /ws?mailbox=alice HTTP/1.1\r\n{HANDSHAKE}{origin}\r\n");
    let ping = b"\x89\x82\0\0\0\0hi";
    for byte in request.as_bytes().iter().chain(ping) {
        stream.write_all(&[*byte]).unwrap();
    }
    let hello = br#"{"type":"hello","mailbox":"alice","seq":0,"unseen":0,"epoch":""#;
    let end = b"\"}\x8a\x02hi";
    let mut answer = Vec::new();
    while !answer.ends_with(end) {
        let mut buffer = [0; 1024];
        let len = stream.read(&mut buffer).unwrap();
        assert!(len > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..len]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    assert!(answer.windows(hello.len()).any(|window| window == hello));
}

#[test]
fn s7_1_1_the_server_closes_in_order() {
    let fixture = Fixture::new();
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    ws.close(None).unwrap();
    assert!(matches!(receive(&mut ws), Ok(Message::Close(None))));
    assert!(matches!(receive(&mut ws), Err(tungstenite::Error::ConnectionClosed)));

    // A frame without a mask, and bytes behind it that nobody reads any more: the Close arrives.
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    let stream = ws.get_mut();
    stream.write_all(b"\x81\x02hi").unwrap();
    stream.write_all(&[0; 100_000]).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest[..4], [0x88, rest.len() as u8 - 2, 0x03, 0xEA]);
}

#[test]
fn a_client_that_ends_its_half_still_gets_its_answer() {
    let fixture = Fixture::new();
    let mut stream = fixture.server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("</html>\n"), "{answer}");
}
