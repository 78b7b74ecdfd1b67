//! The bad hour: too many, too fast, too slow, too long.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, SockRef, Socket, Type};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

use crate::support::{
    BOUND, Fixture, HANDSHAKE, PUBLISH_KEY, Server, get, hello, make_mailbox, next_json, program,
    receive, wait_until,
};

/// A request for the notices of alice.
fn request() -> String {
    format!("GET /ws?mailbox=alice HTTP/1.1\r\n{HANDSHAKE}\r\n")
}

/// A connection from an address of its own, with little room for what it does not read.
fn connect_from(host: u8, server: &Server) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let source = SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0));
    socket.bind(&source.into()).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&server.address.into()).unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    socket.into()
}

/// Asks for a WebSocket; the status of the answer, or none if the connection was closed without
/// one. Not to be told anything at all is a failure.
fn upgrade(mut stream: &TcpStream) -> Option<String> {
    let mut status = [0; 12];
    let answered =
        stream.write_all(request().as_bytes()).and_then(|()| stream.read_exact(&mut status));
    if let Err(error) = answered {
        assert_ne!(error.kind(), ErrorKind::WouldBlock, "nobody answers");
        return None;
    }
    Some(String::from_utf8_lossy(&status[9..]).into_owned())
}

/// What the server says from here to the end.
fn rest(mut stream: &TcpStream) -> String {
    let mut rest = Vec::new();
    // A reset ends it as well.
    let _ = stream.read_to_end(&mut rest);
    String::from_utf8_lossy(&rest).into_owned()
}

/// Publishes mails to alice with these numbers in their long subjects.
fn publish(server: &Server, numbers: std::ops::Range<u64>) {
    let subject = "x".repeat(180);
    let mails = numbers.map(|number| {
        format!(r#"{{"mailbox":"alice","from":"Bob","subject":"{number} {subject}"}}"#)
    });
    let body = format!("[{}]", mails.collect::<Vec<_>>().join(","));
    let request = format!(
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {PUBLISH_KEY}\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = crate::support::exchange(server.internal.unwrap(), &request);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

#[test]
fn without_descriptors_newcomers_are_turned_away() {
    let root = tempfile::tempdir().unwrap();
    make_mailbox(root.path(), "alice");
    let mut command = Command::new("sh");
    let start = "ulimit -n 40; exec \"$0\" 127.0.0.1:0 --demo --mail \"$1\"";
    command.args(["-c", start]);
    let server = Server::start(command.arg(program()).arg(root.path()));
    let connect = || {
        let stream = server.connect();
        let status = upgrade(&stream);
        (stream, status)
    };
    let mut streams = Vec::new();
    let turned_away = loop {
        let (stream, status) = connect();
        match status {
            Some(status) if status == "101" => streams.push(stream),
            status => break status,
        }
        assert!(streams.len() < 40, "the limit has no effect");
    };
    // The answer may be lost to a reset when it is quicker than the request.
    assert!(turned_away.is_none_or(|status| status == "503"));
    assert!(streams.len() > 8, "{}", streams.len());
    // Whichever shard they come to, nobody is left without an answer.
    for _ in 0..50 {
        assert_ne!(connect().1.as_deref(), Some("101"));
    }
    drop(streams);
    wait_until("somebody is let in again", || connect().1.as_deref() == Some("101"));
}

#[test]
fn a_storm_is_told_to_come_back_later() {
    let fixture =
        Fixture::publishing(&["--accept-rate", "1", "--accept-burst", "3", "--retry-after", "7s"]);
    let server = &fixture.server;
    let streams: Vec<_> = (0..10).map(|_| server.connect()).collect();
    let answers: Vec<_> =
        streams.iter().map(|stream| (upgrade(stream), rest_now(stream))).collect();
    let accepted = answers.iter().filter(|(status, _)| status.as_deref() == Some("101")).count();
    // One more may come for each second that all of this takes.
    assert!((3..10).contains(&accepted), "{answers:?}");
    let refused = answers.iter().filter(|(status, _)| status.as_deref() == Some("503"));
    for (_, rest) in refused {
        let after = rest.split("Retry-After: ").nth(1).and_then(|rest| rest.split('\r').next());
        let after: u32 = after.unwrap().parse().unwrap();
        assert!((7..14).contains(&after), "{rest}");
    }
    assert!(server.metric("refusals_total{reason=\"rate\"}") >= 1.0);
    wait_until("one more is let in", || upgrade(&server.connect()).as_deref() == Some("101"));
}

/// What has come so far; for an answer that is followed by the end, all of it.
fn rest_now(mut stream: &TcpStream) -> String {
    let mut buffer = [0; 2048];
    let len = stream.read(&mut buffer).unwrap_or_default();
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

#[test]
fn there_are_limits_for_all_and_for_each_address() {
    let fixture = Fixture::publishing(&["--max-per-address", "2", "--max-connections", "3"]);
    let server = &fixture.server;
    let from = |host| {
        let stream = connect_from(host, server);
        let status = upgrade(&stream);
        (stream, status)
    };
    let is = |status: &Option<String>, expected| status.as_deref() == Some(expected);
    let (first, status) = from(2);
    assert!(is(&status, "101"));
    let (_second, status) = from(2);
    assert!(is(&status, "101"));
    assert!(!is(&from(2).1, "101"), "a third of one address");
    let (_third, status) = from(3);
    assert!(is(&status, "101"));
    assert!(!is(&from(4).1, "101"), "a fourth of all");
    assert_eq!(server.metric("refusals_total{reason=\"address\"}"), 1.0);
    assert_eq!(server.metric("refusals_total{reason=\"connections\"}"), 1.0);
    drop(first);
    wait_until("the place is free again", || is(&from(2).1, "101"));
}

#[test]
fn a_handshake_has_an_absolute_deadline() {
    let fixture = Fixture::publishing(&["--handshake-timeout", "1s"]);
    let server = &fixture.server;
    let mut slow = server.connect();
    let silent = server.connect();
    // Every byte comes in time for a deadline that begins anew with each.
    slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let request = request();
    let mut bytes = request.as_bytes().iter();
    let mut answer = Vec::new();
    loop {
        let mut buffer = [0; 1024];
        match slow.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let byte = bytes.next().expect("the request never took too long");
                let _ = slow.write_all(&[*byte]);
            }
            Ok(0) | Err(_) => break,
            Ok(len) => answer.extend_from_slice(&buffer[..len]),
        }
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(rest(&silent).starts_with("HTTP/1.1 408 "));
    assert_eq!(server.metric("timeouts_total{phase=\"handshake\"}"), 2.0);
    assert_eq!(server.metric("connections"), 0.0);
}

#[test]
fn s7_1_1_who_never_closes_is_closed() {
    let fixture = Fixture::publishing(&["--close-timeout", "1s"]);
    let mut stream = fixture.server.connect();
    assert_eq!(upgrade(&stream).as_deref(), Some("101"));
    // A Close frame, answered; and then this side stays open and goes on sending.
    stream.write_all(b"\x88\x80\0\0\0\0").unwrap();
    assert!(!rest(&stream).is_empty());
    wait_until("the connection is gone", || fixture.server.metric("connections") == 0.0);
    assert_eq!(fixture.server.metric("timeouts_total{phase=\"close\"}"), 1.0);
}

#[test]
fn who_vanishes_is_found_and_who_answers_stays() {
    let fixture = Fixture::publishing(&["--ping", "1s"]);
    let mut alive = fixture.server.watch("alice");
    assert_eq!(next_json(&mut alive), hello("alice", 0, 0));
    let vanished = fixture.server.connect();
    assert_eq!(upgrade(&vanished).as_deref(), Some("101"));
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = (&vanished).read_to_end(&mut bytes);
        bytes
    });
    // The client of another make answers pings while it reads.
    let mut pings = 0;
    while !reader.is_finished() {
        assert_eq!(receive(&mut alive).unwrap(), Message::Ping(Default::default()));
        pings += 1;
        assert!(pings < 10, "the one who vanished is not found");
    }
    let bytes = reader.join().unwrap();
    assert_eq!(bytes.windows(2).filter(|pair| *pair == b"\x89\0").count(), 2, "{bytes:?}");
    fixture.put("alice", "1", b"Subject: still here\n\n");
    assert_eq!(next_json(&mut alive)["subject"], "still here");
}

/// A WebSocket that will not read, and room for no more than a few notices on the way to it.
fn slow_consumer(server: &Server) -> WebSocket<TcpStream> {
    let address = format!("ws://{}/ws?mailbox=alice", server.address);
    tungstenite::client(address, connect_from(2, server)).unwrap().0
}

/// How many mails are published at once: few enough for the room of a consumer that reads.
const BATCH: u64 = 10;

#[test]
fn a_slow_consumer_gets_the_latest_state_and_the_others_everything() {
    let fixture = Fixture::publishing(&["--send-buffer", "8192"]);
    let server = &fixture.server;
    let mut slow = slow_consumer(server);
    let mut quick = server.watch("alice");
    assert_eq!(next_json(&mut quick), hello("alice", 0, 0));
    let (mut last, mut left_out) = (0, 0.0);
    // Until the way to the slow one is so full that nothing of a whole batch fits.
    while left_out < BATCH as f64 {
        let before = server.metric("coalesced_total");
        publish(server, last + 1..last + 1 + BATCH);
        for seq in last + 1..=last + BATCH {
            assert_eq!(next_json(&mut quick)["seq"], seq);
        }
        last += BATCH;
        left_out = server.metric("coalesced_total") - before;
        assert!(last < 100_000, "nothing is ever left out");
    }

    // What was on the way comes first, and then one snapshot in place of all that was missed.
    assert_eq!(next_json(&mut slow), hello("alice", 0, 0));
    let (mut seq, mut snapshots) = (0, 0);
    while seq < last {
        let message = next_json(&mut slow);
        let next = message["seq"].as_u64().unwrap();
        match message["type"].as_str() {
            Some("mail") => assert_eq!(next, seq + 1),
            Some("snapshot") => {
                snapshots += 1;
                assert!(next > seq, "{next} after {seq}");
                let kept = message["mails"].as_array().unwrap().iter().map(|mail| &mail["seq"]);
                assert!(
                    kept.eq((next.saturating_sub(19).max(1)..=next)
                        .map(Value::from)
                        .collect::<Vec<_>>()
                        .iter())
                );
            }
            _ => panic!("{message}"),
        }
        seq = next;
    }
    assert_eq!(seq, last);
    assert!(snapshots > 0);
    publish(server, last + 1..last + 2);
    assert_eq!(next_json(&mut slow)["seq"], last + 1);
}

#[test]
fn who_stays_blocked_is_closed_with_1008() {
    let fixture = Fixture::publishing(&["--send-buffer", "8192", "--stall-timeout", "1s"]);
    let server = &fixture.server;
    let mut slow = slow_consumer(server);
    let mut next = 1;
    wait_until("it is closed", || {
        publish(server, next..next + BATCH);
        next += BATCH;
        server.metric("slow_closed_total") == 1.0
    });
    assert_eq!(server.metric("watching"), 0.0);
    let end = loop {
        match receive(&mut slow) {
            Ok(Message::Close(frame)) => break frame,
            Ok(_) => {}
            Err(error) => panic!("no Close: {error}"),
        }
    };
    assert_eq!(end.map(|frame: CloseFrame| u16::from(frame.code)), Some(1008));
}

#[test]
fn s7_4_1_a_drain_says_goodbye_at_a_pace_and_ends() {
    let mut fixture = Fixture::publishing(&["--drain", "6s", "--shards", "1"]);
    let server = &mut fixture.server;
    let mut all: Vec<_> = (0..10).map(|_| server.watch("alice")).collect();
    for ws in &mut all {
        assert_eq!(next_json(ws), hello("alice", 0, 0));
    }
    assert!(server.exchange(&get("/readyz")).starts_with("HTTP/1.1 200 "));
    server.signal("TERM");
    wait_until("it is not ready", || server.exchange(&get("/readyz")).starts_with("HTTP/1.1 503 "));
    assert!(server.exchange(&get("/healthz")).starts_with("HTTP/1.1 200 "));
    assert_eq!(server.status("/ws?mailbox=alice", ""), "503");
    assert_eq!(server.metric("draining"), 1.0);

    let code = |ws: &mut WebSocket<TcpStream>| match receive(ws) {
        Ok(Message::Close(frame)) => frame.map(|frame| u16::from(frame.code)),
        other => panic!("no Close: {other:?}"),
    };
    assert_eq!(code(&mut all[0]), Some(1012));
    let last = all[9].get_ref();
    last.set_nonblocking(true).unwrap();
    let early = last.peek(&mut [0]);
    assert!(early.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "all at once");
    last.set_nonblocking(false).unwrap();
    for ws in &mut all[1..] {
        assert_eq!(code(ws), Some(1012));
    }
    drop(all);
    assert!(server.process.wait().unwrap().success());
}

#[test]
fn a_drain_ends_in_time_whoever_stays() {
    let patient = ["--close-timeout", "1h", "--handshake-timeout", "1h"];
    let mut fixture = Fixture::publishing(&[&["--drain", "1s"], &patient[..]].concat());
    let server = &mut fixture.server;
    let stream = server.connect();
    assert_eq!(upgrade(&stream).as_deref(), Some("101"));
    let mut half = server.connect();
    half.write_all(b"GET ").unwrap();
    server.signal("TERM");
    let end = half.read(&mut [0]);
    assert!(!end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "it does not end");
    assert!(server.process.wait().unwrap().success());
    assert!(rest(&stream).contains("the server restarts"));
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let root = tempfile::tempdir().unwrap();
    make_mailbox(root.path(), "alice");
    let (log, _unread) = UnixStream::pair().unwrap();
    SockRef::from(&log).set_send_buffer_size(1).unwrap();
    let mut command = Command::new(program());
    command.args(["127.0.0.1:0", "--demo", "--mail"]).arg(root.path());
    let mut server = Server::start(command.stderr(OwnedFd::from(log)));
    // Each reason has a few lines; together they are more than fits.
    for query in ["", "mailbox=nobody", "mailbox=..", "since=x", "mailbox=alice&mailbox=alice"] {
        for _ in 0..10 {
            assert_ne!(server.status(&format!("/ws?{query}"), ""), "101");
        }
    }
    assert_eq!(server.status("/ws?mailbox=alice", ""), "101");
    server.signal("TERM");
    assert!(server.process.wait().unwrap().success());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut fixture = Fixture::publishing(&["--drain", "10m"]);
    let stream = fixture.server.connect();
    assert_eq!(upgrade(&stream).as_deref(), Some("101"));
    fixture.server.signal("TERM");
    let server = &fixture.server;
    wait_until("it drains", || server.metric("draining") == 1.0);
    fixture.server.signal("INT");
    assert_eq!(fixture.server.process.wait().unwrap().code(), Some(1));
}
