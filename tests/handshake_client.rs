//! The client's side of the opening handshake, RFC 6455 §4.1: the request byte by byte, and nothing of
//! it where a value is wrong; recorded answers; and the two sides of the library with each other.
//!
//! The rules of the answer, each broken alone and in many cuts, are cases of
//! `tests/data/handshakes/client.txt`, which `tests/handshake_matrix.rs` runs.

use dormouse::client::{Connect, ConnectError};
use dormouse::http::{EMPTY_HEADER, FieldError, HeadReader, Request, Response};
use dormouse::server::Upgrade;
use dormouse::{Input, Limits, Outbox, SendError};

const RECORDED: [&str; 3] = [
    include_str!("data/upgrade-responses/go-websocketd-gorilla.http"),
    include_str!("data/upgrade-responses/node-ws.http"),
    include_str!("data/upgrade-responses/python-websockets.http"),
];

/// The nonce of §1.3; its key is `dGhlIHNhbXBsZSBub25jZQ==`.
const NONCE: [u8; 16] = *b"the sample nonce";

const PROTOCOLS: [&str; 2] = ["json", "mail.v1"];

fn connect<'a>() -> Connect<'a, 'a> {
    let extensions = Some("x-other, permessage-deflate; client_max_window_bits");
    Connect::new("example.com:8080", "/chat?a=b").protocols(&PROTOCOLS).extensions(extensions)
}

fn outbox() -> Outbox {
    Outbox::new(&Limits::default())
}

fn text(out: &Outbox) -> String {
    String::from_utf8(out.slices().collect::<Vec<_>>().concat()).expect("heads are ASCII")
}

/// What the client makes of an answer: the subprotocol and the names of the extensions.
fn verdict(head: &str) -> Result<(Option<String>, Vec<String>), ConnectError> {
    let handshake = connect().write(NONCE, &mut outbox())?;
    let mut bytes = head.as_bytes().to_vec();
    let mut input = Input::new(&mut bytes);
    let head = HeadReader::new(&Limits::default()).next(&mut input)?.expect("a whole head");
    let mut headers = [EMPTY_HEADER; 32];
    let accepted = handshake.verify(&Response::parse(&head, &mut headers)?)?;
    let extensions = accepted.extensions().map(|extension| extension.name().to_owned());
    Ok((accepted.protocol().map(str::to_owned), extensions.collect()))
}

#[test]
fn s4_1_recorded_servers() {
    let deflate = || vec!["permessage-deflate".to_owned()];
    let mail = || Some("mail.v1".to_owned());
    assert_eq!(verdict(RECORDED[0]), Ok((None, vec![])));
    assert_eq!(verdict(RECORDED[1]), Ok((mail(), deflate())));
    assert_eq!(verdict(RECORDED[2]), Ok((mail(), deflate())));
}

#[test]
fn s4_1_the_request() {
    let mut out = outbox();
    let headers = [("Authorization", "Basic YTpi"), ("Cookie", "a=b; c=d")];
    let full = connect().origin(Some("http://a")).headers(&headers);
    full.write(NONCE, &mut out).map(|_| ()).expect("valid");
    let expected = "GET /chat?a=b HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\nOrigin: http://a\r\nSec-WebSocket-Protocol: json, mail.v1\r\n\
        Sec-WebSocket-Extensions: x-other, permessage-deflate; client_max_window_bits\r\n\
        Authorization: Basic YTpi\r\nCookie: a=b; c=d\r\n\r\n";
    assert_eq!(text(&out), expected);

    let mut out = outbox();
    Connect::new("[::1]", "/").write(NONCE, &mut out).map(|_| ()).expect("valid");
    let expected = "GET / HTTP/1.1\r\nHost: [::1]\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    assert_eq!(text(&out), expected);
}

#[test]
fn s4_1_nothing_is_written_on_a_bad_value() {
    let mut out = outbox();
    let mut fails = |connect: Connect<'_, '_>, error: ConnectError| {
        assert_eq!(connect.write(NONCE, &mut out).map(|_| ()), Err(error), "{connect:?}");
        assert!(out.is_empty());
    };
    for host in ["", "a b", "a\r\nX: y", "a/b", "a@b", "a:b"] {
        fails(Connect::new(host, "/"), ConnectError::Host);
    }
    for target in ["", "a", "*", "/a b", "/a\r\nX: y", "/a#b", "/\u{e4}", "http://a/"] {
        fails(Connect::new("a", target), ConnectError::Target);
    }
    for origin in ["", "a b", "a\r\nX: y"] {
        fails(connect().origin(Some(origin)), ConnectError::Origin);
    }
    for protocols in [&[""][..], &["a b"], &["a,b"], &["a\r\nX: y"], &["a", "b", "a"]] {
        fails(connect().protocols(protocols), ConnectError::Protocols);
    }
    for extensions in ["", " , ", "a;", "a, b c", "a\r\nX: y"] {
        fails(connect().extensions(Some(extensions)), ConnectError::Extensions);
    }
    for (field, error) in [
        (("X", "a\r\nY: z"), FieldError::Value),
        (("X Y", "a"), FieldError::Name),
        (("host", "a"), FieldError::Reserved),
        (("Origin", "a"), FieldError::Reserved),
        (("Sec-WebSocket-Key", "a"), FieldError::Reserved),
        (("Transfer-Encoding", "chunked"), FieldError::Reserved),
    ] {
        fails(connect().headers(&[("A", "b"), field]), ConnectError::Field(error));
    }
}

#[test]
fn s4_1_a_full_outbox_takes_nothing() {
    let mut out = Outbox::new(&Limits { outbox: 400, ..Limits::default() });
    connect().write(NONCE, &mut out).map(|_| ()).expect("room");
    let before = text(&out);
    let again = connect().write(NONCE, &mut out).map(|_| ());
    assert_eq!(again, Err(ConnectError::Send(SendError::Full)));
    assert_eq!(text(&out), before);
}

#[test]
fn s4_both_sides_agree() {
    let (mut there, mut back) = (outbox(), outbox());
    let handshake = connect().write(NONCE, &mut there).expect("valid");

    let request = text(&there);
    let mut headers = [EMPTY_HEADER; 16];
    let request = Request::parse(request.as_bytes(), &mut headers).expect("valid");
    let upgrade = Upgrade::read(&request).expect("an upgrade");
    let protocol = upgrade.protocols().last();
    upgrade.accept().protocol(protocol).extensions(Some("x-other")).write(&mut back).expect("room");

    let response = text(&back);
    let mut headers = [EMPTY_HEADER; 16];
    let response = Response::parse(response.as_bytes(), &mut headers).expect("valid");
    let accepted = handshake.verify(&response).expect("accepted");
    assert_eq!(accepted.protocol(), Some("mail.v1"));
    assert!(accepted.extensions().map(|extension| extension.name()).eq(["x-other"]));
}
