//! The echo servers, spoken to with raw bytes and by a client of another make.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tungstenite::Message;

use super::{ACCEPTED, BOUND, REQUEST, SERVERS, Server, program};

/// A masked text message with `Hello` (§5.7), and the server's echo of it.
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const HELLO_ECHO: &[u8] = b"\x81\x05Hello";
/// A masked Close with 1000, and the server's answer.
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";
const CLOSE_ECHO: &[u8] = b"\x88\x02\x03\xe8";

#[test]
fn a_client_of_another_make() {
    for name in SERVERS {
        let server = Server::start(name);
        let url = format!("ws://{}/", server.address);
        let (mut ws, _) = tungstenite::client(url, server.connect()).unwrap();
        for message in [
            Message::text(""),
            Message::text("w\u{f6}rld"),
            Message::binary(vec![7; 100_000]),
            Message::binary(vec![8; 3_000_000]),
        ] {
            ws.send(message.clone()).unwrap();
            assert!(ws.read().unwrap() == message, "{name}");
        }
        ws.send(Message::Ping("are you there".into())).unwrap();
        assert_eq!(ws.read().unwrap(), Message::Pong("are you there".into()));
        ws.close(None).unwrap();
        assert!(matches!(ws.read(), Ok(Message::Close(_))), "{name}");
        assert!(matches!(ws.read(), Err(tungstenite::Error::ConnectionClosed)), "{name}");
    }
}

#[test]
fn one_byte_at_a_time_and_all_at_once() {
    let bytes = [REQUEST.as_bytes(), HELLO, HELLO, CLOSE].concat();
    let expected = [ACCEPTED.as_bytes(), HELLO_ECHO, HELLO_ECHO, CLOSE_ECHO];
    for name in SERVERS {
        let server = Server::start(name);
        server.exchange(bytes.chunks(1), &expected);
        server.exchange([&bytes[..]], &expected);
        let (request, frames) = bytes.split_at(REQUEST.len() + 3);
        server.exchange([request, frames], &expected);
    }
}

#[test]
fn s5_5_2_each_of_a_few_pings_in_one_read_is_answered() {
    for name in SERVERS {
        let server = Server::start(name);
        let pings = (b'0'..=b'9').map(|digit| [0x89, 0x81, 0, 0, 0, 0, digit]).collect::<Vec<_>>();
        let pongs = (b'0'..=b'9').map(|digit| [0x8a, 0x01, digit]).collect::<Vec<_>>();
        let bytes = [REQUEST.as_bytes(), &pings.concat(), CLOSE].concat();
        server.exchange([&bytes[..]], &[ACCEPTED.as_bytes(), &pongs.concat(), CLOSE_ECHO]);
    }
}

#[test]
fn s5_5_3_of_a_flood_of_pings_the_newest_is_answered() {
    let ping = |number: usize| [b"\x89\x84\0\0\0\0", format!("{number:04}").as_bytes()].concat();
    let pings: Vec<u8> = (0..9000).flat_map(ping).collect();
    for name in SERVERS {
        let server = Server::start(name);
        let mut stream = server.connect();
        stream.write_all(&[REQUEST.as_bytes(), &pings, CLOSE].concat()).unwrap();
        let mut answer = vec![0; ACCEPTED.len()];
        stream.read_exact(&mut answer).unwrap();
        answer.clear();
        stream.read_to_end(&mut answer).unwrap();
        let pongs = answer.strip_suffix(CLOSE_ECHO).unwrap();
        let numbers: Vec<usize> = pongs
            .chunks(6)
            .map(|pong| {
                let digits = pong.strip_prefix(b"\x8a\x04").unwrap();
                std::str::from_utf8(digits).unwrap().parse().unwrap()
            })
            .collect();
        assert!(numbers.is_sorted() && numbers.ends_with(&[8999]), "{name}: {numbers:?}");
        assert!((17..4500).contains(&numbers.len()), "{name}: {} pongs", numbers.len());
    }
}

#[test]
fn s7_1_7_a_violation_is_told_before_the_end() {
    for name in SERVERS {
        let server = Server::start(name);
        // The frame is not masked, and what follows it is still on its way when the answer goes out.
        let bytes = [REQUEST.as_bytes(), b"\x81\x05Hello", &[0; 100_000]].concat();
        server.exchange([&bytes[..]], &[ACCEPTED.as_bytes(), b"\x88\x02\x03\xea"]);
    }
}

#[test]
fn an_end_right_behind_the_bytes_is_seen() {
    for name in SERVERS {
        let server = Server::start(name);
        for _ in 0..50 {
            let mut stream = server.connect();
            stream.write_all(&[REQUEST.as_bytes(), HELLO].concat()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, [ACCEPTED.as_bytes(), HELLO_ECHO].concat(), "{name}");
        }
    }
}

#[test]
fn an_answer_that_cannot_be_written_goes_to_nobody_else() {
    for name in SERVERS {
        let server = Server::start(name);
        for _ in 0..50 {
            let mut stream = server.connect();
            stream.write_all(REQUEST.as_bytes()).unwrap();
            stream.read_exact(&mut [0; ACCEPTED.len()]).unwrap();
            // Bytes and reset arrive together: they can still be read, and no answer can be written.
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            stream.write_all(HELLO).unwrap();
            drop(stream);
            server.exchange([REQUEST.as_bytes(), CLOSE], &[ACCEPTED.as_bytes(), CLOSE_ECHO]);
        }
    }
}

#[test]
fn s4_2_1_other_requests_get_a_whole_answer() {
    for name in SERVERS {
        let server = Server::start(name);
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "426"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", "405"),
            ("\x16\x03\x01", "400"),
            (&format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(9000)), "431"),
        ] {
            let mut stream = server.connect();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(answer.contains(&format!("Content-Length: {}\r\n", body.len())), "{answer}");
        }
    }
}

/// Takes about ten seconds, which is the deadline of the servers.
#[test]
fn a_slow_request_meets_an_absolute_deadline() {
    let drip = |server: Server| {
        let mut stream = server.connect();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let start = Instant::now();
        let mut bytes = REQUEST.bytes();
        loop {
            let _ = stream.write_all(&[bytes.next().unwrap_or(b'x')]);
            match stream.read(&mut [0]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => break,
            }
            assert!(start.elapsed() < BOUND, "a byte now and then keeps the connection");
        }
        assert!(start.elapsed() > Duration::from_secs(5), "no time to finish a request");
    };
    thread::scope(|scope| {
        for name in SERVERS {
            scope.spawn(move || drip(Server::start(name)));
        }
    });
}

#[test]
fn a_peer_that_does_not_read_costs_a_bounded_amount() {
    for name in ["echo_mio", "echo_tokio"] {
        let server = Server::start(name);
        let mut slow = server.connect();
        slow.write_all(REQUEST.as_bytes()).unwrap();
        let mut head = vec![0; ACCEPTED.len()];
        slow.read_exact(&mut head).unwrap();
        let before = server.resident();

        // What fits into the buffers of the kernel is written, and then nothing more.
        slow.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let message = [b"\x82\xfe\x80\x00\0\0\0\0", &[7; 0x8000][..]].concat();
        let mut whole = 0;
        while slow.write_all(&message).is_ok() {
            whole += 1;
            assert!(whole < 4096, "{name}: takes 128 MiB from a peer that does not read");
        }
        assert!(server.resident() < before + 4 * 1024 * 1024, "{name}");
        // The others do not notice.
        server.exchange(
            [REQUEST.as_bytes(), HELLO, CLOSE],
            &[ACCEPTED.as_bytes(), HELLO_ECHO, CLOSE_ECHO],
        );

        // All that was taken whole comes back when the peer reads again.
        slow.shutdown(Shutdown::Write).unwrap();
        let echo = [b"\x82\x7e\x80\x00", &[7; 0x8000][..]].concat();
        let mut answer = vec![0; echo.len()];
        for _ in 0..whole {
            slow.read_exact(&mut answer).unwrap();
            assert!(answer == echo, "{name}");
        }
    }
}

#[test]
fn without_descriptors_a_client_is_told_to_come_back() {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 16; exec \"$0\" 127.0.0.1:0"]).arg(program("echo_mio"));
    let server = Server::run(&mut limited);
    let ask = || {
        let mut stream = server.connect();
        stream.write_all(REQUEST.as_bytes()).unwrap();
        let mut status = [0; 12];
        // A refused connection may be reset behind the answer, but there is never silence.
        let read = stream.read_exact(&mut status);
        assert!(!read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock));
        (stream, status.ends_with(b"101"))
    };
    let (held, refused): (Vec<_>, Vec<_>) =
        std::iter::repeat_with(ask).take(24).partition(|(_, accepted)| *accepted);
    assert!(held.len() > 4 && refused.len() > 4, "{} {}", held.len(), refused.len());
    drop((held, refused));
    let start = Instant::now();
    while !ask().1 {
        assert!(start.elapsed() < BOUND, "descriptors are free again");
    }
}
