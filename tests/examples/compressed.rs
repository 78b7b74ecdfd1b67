//! `--deflate`: compressed messages (RFC 7692) between the programs and raw bytes, and among themselves.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use dormouse::deflate::{Deflater, Inflater, Policy};
use dormouse::{Client, Event, Input, Limits, Outbox, WebSocket};

use super::client::{accept_with, client_with};
use super::{ACCEPTED, REQUEST, Server, assert_fails, run};

/// "Hello" compressed, RFC 7692 §7.2.3.1, in a masked frame.
const HELLO: &[u8] = b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00";
/// Such a short echo is not worth compressing.
const HELLO_ECHO: &[u8] = b"\x81\x05Hello";
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";
const CLOSE_ECHO: &[u8] = b"\x88\x02\x03\xe8";
const LIMITS: Limits = Limits { message: 1 << 25, outbox: 1 << 26, head: 8192 };

/// The request with an offer, and the answer with what was agreed on.
fn offering(offer: &str) -> String {
    REQUEST.replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n"))
}

fn agreeing(answer: &str) -> String {
    ACCEPTED.replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Extensions: {answer}\r\n\r\n"))
}

const NO_TAKEOVER: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[test]
fn s7_1_what_can_be_met_is_answered() {
    let server = Server::start_compressing();
    for (offer, answer) in [
        ("permessage-deflate", NO_TAKEOVER.to_owned()),
        ("permessage-deflate; client_max_window_bits", NO_TAKEOVER.to_owned()),
        (
            "permessage-deflate; server_max_window_bits=10",
            format!("{NO_TAKEOVER}; server_max_window_bits=10"),
        ),
        ("permessage-deflate; unknown, permessage-deflate", NO_TAKEOVER.to_owned()),
    ] {
        server.exchange(
            [offering(offer).as_bytes(), HELLO, CLOSE],
            &[agreeing(&answer).as_bytes(), HELLO_ECHO, CLOSE_ECHO],
        );
    }
    for offer in ["permessage-bzip2", "permessage-deflate; server_max_window_bits=8"] {
        let bytes = [offering(offer).as_bytes(), b"\x81\x85\0\0\0\0Hello", CLOSE].concat();
        server.exchange([&bytes[..]], &[ACCEPTED.as_bytes(), HELLO_ECHO, CLOSE_ECHO]);
    }
}

#[test]
fn s5_without_the_option_nothing_is_agreed_on() {
    let server = Server::start("echo_mio");
    server.exchange(
        [offering("permessage-deflate").as_bytes(), HELLO],
        &[ACCEPTED.as_bytes(), b"\x88\x02\x03\xea"],
    );
}

/// A client that has shaken hands with `offer`.
struct Peer {
    stream: TcpStream,
    ws: WebSocket<Client>,
    out: Outbox,
    answer: String,
}

impl Peer {
    fn connect(server: &Server, offer: &str) -> Self {
        let mut stream = server.connect();
        stream.write_all(offering(offer).as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        let mut ws = WebSocket::client(&LIMITS, || [0; 4]);
        ws.allow_compressed();
        let answer = String::from_utf8(answer).unwrap();
        Self { stream, ws, out: Outbox::new(&LIMITS), answer }
    }

    /// What the server sends until `count` events are complete.
    fn read(&mut self, count: usize) -> Vec<Event<'static>> {
        let mut events = Vec::new();
        let mut scratch = [0; 16 * 1024];
        while events.len() < count {
            let len = self.stream.read(&mut scratch).unwrap();
            assert!(len > 0, "the server has ended the connection after {events:?}");
            let mut input = Input::new(&mut scratch[..len]);
            while let Some(event) = self.ws.next(&mut input, &mut self.out).unwrap() {
                events.push(event.into_owned());
            }
        }
        events
    }
}

#[test]
fn s7_2_compressed_or_plain_it_comes_back_compressed() {
    let server = Server::start_compressing();
    let message = "From: Bob <bob@example.org>\nSubject: Dinner at w\u{f6}rld's end\n".repeat(100);
    let mut room = Vec::new();
    // All of them at the same time, so that each has its own deflater while the others are in use.
    let mut peers: Vec<_> = (9..=15)
        .map(|bits| format!("permessage-deflate; server_max_window_bits={bits}"))
        .map(|offer| (Peer::connect(&server, &offer), offer))
        .collect();
    for _ in 0..2 {
        for (peer, offer) in &mut peers {
            let bits = offer.split_once(';').unwrap().1;
            assert!(peer.answer.contains(bits), "{offer}: {}", peer.answer);
            let Peer { stream, ws, out, .. } = peer;
            let mut deflater = Deflater::new(false, 15);
            deflater.text(ws, &message, &mut room, out).unwrap();
            deflater.binary(ws, message.as_bytes(), &mut room, out).unwrap();
            ws.text(&message, out).unwrap();
            out.write_to(stream).unwrap();
            let mut inflater = Inflater::new(false);
            for (at, event) in peer.read(3).into_iter().enumerate() {
                let Event::Compressed(compressed) = &event else { panic!("plain: {event:?}") };
                assert!(compressed.payload.len() < message.len() / 4, "{offer}");
                match inflater.inflate(event, &mut room).unwrap() {
                    Event::Text(text) => assert!(at != 1 && text == message, "{offer}"),
                    Event::Binary(bytes) => assert!(at == 1 && *bytes == *message.as_bytes()),
                    other => panic!("{offer}: {other:?}"),
                }
            }
        }
    }
}

/// A compressed binary message, with a masking key of zeros.
fn compressed(payload: &[u8]) -> Vec<u8> {
    let len = payload.len();
    let header = match u8::try_from(len) {
        Ok(short @ ..126) => vec![0xc2, 0x80 | short],
        _ => [b"\xc2\xfe", &u16::try_from(len).unwrap().to_be_bytes()[..]].concat(),
    };
    [&header[..], &[0; 4], payload].concat()
}

#[test]
fn what_cannot_be_inflated_ends_one_connection_only() {
    let server = Server::start_compressing();
    // Each part inflates to a MiB: 17 of them are more than the server takes.
    let (mut ws, mut out) = (WebSocket::server(&LIMITS), Outbox::new(&LIMITS));
    ws.allow_compressed();
    let zeros = vec![0; 1 << 20];
    Deflater::with_level(false, 15, 9).binary(&mut ws, &zeros, &mut Vec::new(), &mut out).unwrap();
    let frame: Vec<u8> = out.slices().flatten().copied().collect();
    let part = [&frame[4..], b"\0\0\xff\xff"].concat();
    assert_eq!(frame[..2], *b"\xc2\x7e", "a header of four bytes");
    for (payload, close) in [
        (part.repeat(17), b"\x88\x02\x03\xf1"),
        (b"\xff\xff\xff".to_vec(), b"\x88\x02\x03\xef"),
        (b"\xc2\x47\xff".to_vec(), b"\x88\x02\x03\xef"),
    ] {
        let mut other = Peer::connect(&server, "permessage-deflate");
        server.exchange(
            [offering("permessage-deflate").as_bytes(), &compressed(&payload), HELLO],
            &[agreeing(NO_TAKEOVER).as_bytes(), close],
        );
        other.stream.write_all(HELLO).unwrap();
        assert_eq!(other.read(1), [Event::Text("Hello".into())]);
    }
}

#[test]
fn the_client_echoes_through_a_server_that_compresses_and_through_others() {
    let lines = format!("hello\n\nw\u{f6}rld\n{}\nlast\n", "x y z ".repeat(20_000)).repeat(2);
    for server in [Server::start_compressing(), Server::start("echo_mio")] {
        let url = format!("ws://{}/", server.address);
        for arguments in [&["--deflate", &url][..], &[&url]] {
            let output = run("client", arguments, lines.as_bytes());
            assert!(output.stdout == lines.as_bytes(), "{} bytes", output.stdout.len());
            assert_fails(&output, 0, "closed with 1000");
        }
    }
}

/// A server that agrees to everything.
fn generous() -> Policy {
    Policy { send_takeover: true, receive_takeover: true, ..Policy::default() }
}

#[test]
fn s7_2_3_2_the_client_keeps_the_context_of_a_server_that_does() {
    let message = "the same words again, which a context makes very short";
    let output = client_with(&["--deflate"], |stream| {
        let mut agreed = None;
        accept_with(stream, |upgrade| {
            agreed = generous().accept(upgrade);
            agreed.map(|agreed| agreed.answer())
        })?;
        let agreed = agreed.expect("the client offers it");
        assert!(agreed.send_takeover() && agreed.receive_takeover());
        let (mut ws, mut out) = (WebSocket::server(&LIMITS), Outbox::new(&LIMITS));
        ws.allow_compressed();
        let mut deflater = agreed.deflater().threshold(1);
        for _ in 0..3 {
            deflater.text(&mut ws, message, &mut Vec::new(), &mut out).unwrap();
        }
        assert!(out.len() < 2 * message.len());
        out.write_to(stream)?;
        stream.write_all(CLOSE_ECHO)?;
        stream.shutdown(Shutdown::Write)?;
        io::copy(stream, &mut io::sink()).map(|_| ())
    });
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{message}\n").repeat(3));
    assert_fails(&output, 0, "closed with 1000");
}

#[test]
fn s7_1_a_server_that_answers_otherwise_is_left() {
    let answer = |extensions: &'static str| {
        client_with(&["--deflate"], move |stream| {
            accept_with(stream, |_| Some(extensions.to_owned()))?;
            stream.shutdown(Shutdown::Write)?;
            io::copy(stream, &mut io::sink()).map(|_| ())
        })
    };
    for extensions in ["permessage-deflate; unknown", "permessage-deflate; server_max_window_bits"]
    {
        assert_fails(&answer(extensions), 1, "does not fit the offer");
    }
    // Nothing was wrong with the handshake here.
    assert_fails(&answer("permessage-deflate"), 1, "without a Close");
}

#[test]
fn s7_2_2_a_server_whose_message_does_not_inflate_is_told() {
    let output = client_with(&["--deflate"], |stream| {
        accept_with(stream, |upgrade| Some(generous().accept(upgrade)?.answer()))?;
        stream.write_all(b"\xc1\x03\xff\xff\xff")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        assert!(answer.len() == 8 && answer.starts_with(b"\x88\x82"), "a masked Close: {answer:?}");
        assert_eq!((answer[6] ^ answer[2], answer[7] ^ answer[3]), (0x03, 0xef));
        Ok(())
    });
    assert_fails(&output, 1, "(1007): compressed message is not DEFLATE");
}
