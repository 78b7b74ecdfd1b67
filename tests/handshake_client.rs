//! The client's side of the opening handshake, RFC 6455 §4.1: the request byte by byte, recorded
//! answers, every rule of the answer broken alone.

use dormouse::client::{Connect, ConnectError};
use dormouse::http::{EMPTY_HEADER, FieldError, HeadError, HeadReader, Request, Response};
use dormouse::server::Upgrade;
use dormouse::{Input, Limits, Outbox, SendError};

const RECORDED: [&str; 3] = [
    include_str!("data/upgrade-responses/go-websocketd-gorilla.http"),
    include_str!("data/upgrade-responses/node-ws.http"),
    include_str!("data/upgrade-responses/python-websockets.http"),
];

/// The nonce of §1.3; its key is `dGhlIHNhbXBsZSBub25jZQ==`.
const NONCE: [u8; 16] = *b"the sample nonce";

/// An answer to [`NONCE`] that agrees to a subprotocol and an extension.
const SAMPLE: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: mail.v1\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; a=\"1\"\r\n\r\n";

const PROTOCOLS: [&str; 2] = ["json", "mail.v1"];

fn connect<'a>() -> Connect<'a> {
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

/// Each line is one change to the sample, from and to, and what comes of it.
macro_rules! verdicts {
    ($($name:ident: $from:literal => $to:literal ; $verdict:expr;)+) => {$(
        #[test]
        fn $name() {
            assert!(SAMPLE.contains($from), "the sample has {:?}", $from);
            let expected: Result<(), ConnectError> = $verdict;
            assert_eq!(verdict(&SAMPLE.replacen($from, $to, 1)).map(|_| ()), expected);
        }
    )+};
}

verdicts! {
    s4_1_status_200: "101 Switching Protocols" => "200 OK"; Err(ConnectError::Status(200));
    s4_1_status_301: "101 Switching Protocols" => "301 "; Err(ConnectError::Status(301));
    s4_1_status_401: "101" => "401"; Err(ConnectError::Status(401));
    s4_1_status_interim: "101" => "103"; Err(ConnectError::Status(103));
    s4_1_status_without_reason: "101 Switching Protocols" => "101"; Ok(());
    s4_1_http_1_0: "HTTP/1.1" => "HTTP/1.0"; Err(ConnectError::HttpVersion);
    s4_1_http_2: "HTTP/1.1" => "HTTP/2.0"; Err(ConnectError::Head(HeadError::Version));
    s4_1_not_http: "HTTP/1.1" => "SSH-2.0"; Err(ConnectError::Head(HeadError::StatusLine));
    s4_1_status_of_two_digits: "101" => "10"; Err(ConnectError::Head(HeadError::StatusLine));

    s4_1_missing_upgrade: "Upgrade: websocket\r\n" => ""; Err(ConnectError::Upgrade);
    s4_1_other_upgrade: "websocket\r\n" => "h2c\r\n"; Err(ConnectError::Upgrade);
    s4_1_upgrade_list: "websocket\r\n" => "websocket, h2c\r\n"; Err(ConnectError::Upgrade);
    s4_1_upgrade_is_no_substring: "websocket\r\n" => "websockets\r\n"; Err(ConnectError::Upgrade);
    s4_1_upgrade_any_case: "Upgrade: websocket" => "UPGRADE: WebSocket"; Ok(());

    s4_1_missing_connection: "Connection: Upgrade\r\n" => ""; Err(ConnectError::Connection);
    s4_1_connection_close: "Connection: Upgrade" => "Connection: close"; Err(ConnectError::Connection);
    s4_1_connection_is_no_substring: "Connection: Upgrade" => "Connection: not-upgrade"; Err(ConnectError::Connection);
    s4_1_connection_list: "Connection: Upgrade" => "connection: keep-alive, upgrade"; Ok(());

    s4_1_missing_accept: "Sec-WebSocket-Accept" => "X-Accept"; Err(ConnectError::MissingAccept);
    s4_1_empty_accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" => ""; Err(ConnectError::WrongAccept);
    s4_1_wrong_accept: "s3pP" => "S3pP"; Err(ConnectError::WrongAccept);
    s4_1_accept_and_more: "xOo=" => "xOo=="; Err(ConnectError::WrongAccept);
    s4_1_accept_cut: "xOo=" => "xOo"; Err(ConnectError::WrongAccept);
    s4_1_the_key_echoed: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" => "dGhlIHNhbXBsZSBub25jZQ=="; Err(ConnectError::WrongAccept);
    s4_1_accept_in_white_space: " s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" => "\t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t"; Ok(());
    s11_3_3_duplicate_accept: "Sec-WebSocket-Accept:" => "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Accept:";
        Err(ConnectError::DuplicateAccept);

    s4_1_no_protocol: "Sec-WebSocket-Protocol: mail.v1\r\n" => ""; Ok(());
    s4_1_protocol_not_offered: "mail.v1" => "mail.v2"; Err(ConnectError::ProtocolNotOffered);
    s4_1_protocol_in_other_case: "mail.v1" => "Mail.v1"; Err(ConnectError::ProtocolNotOffered);
    s4_1_two_protocols: "mail.v1" => "mail.v1, json"; Err(ConnectError::ProtocolNotOffered);
    s4_1_empty_protocol: "mail.v1" => ""; Err(ConnectError::ProtocolNotOffered);
    s11_3_4_duplicate_protocol: "Sec-WebSocket-Protocol:" => "Sec-WebSocket-Protocol: json\r\nSec-WebSocket-Protocol:";
        Err(ConnectError::DuplicateProtocol);

    s4_1_two_extensions: "permessage-deflate" => "x-other, permessage-deflate"; Ok(());
    s4_1_extension_not_offered: "permessage-deflate" => "x-third"; Err(ConnectError::ExtensionNotOffered);
    s4_1_second_extension_not_offered: "permessage-deflate" => "x-other, x-third"; Err(ConnectError::ExtensionNotOffered);
    s9_1_malformed_extensions: "a=\"1\"" => "a=\"1"; Err(ConnectError::MalformedExtensions);
    s9_1_empty_extensions: "permessage-deflate; a=\"1\"" => ""; Err(ConnectError::MalformedExtensions);
    s4_2_2_extensions_in_two_lines: "Sec-WebSocket-Extensions:" => "Sec-WebSocket-Extensions: x-other\r\nSec-WebSocket-Extensions:"; Ok(());

    rfc9112_2_2_bare_lf: "\r\nUpgrade" => "\nUpgrade"; Err(ConnectError::Head(HeadError::BareLf));
    rfc9112_5_2_folded_line: "Upgrade: websocket" => "Upgrade:\r\n websocket"; Err(ConnectError::Head(HeadError::FieldName));
}

#[test]
fn s4_1_recorded_servers() {
    let deflate = || vec!["permessage-deflate".to_owned()];
    let mail = || Some("mail.v1".to_owned());
    assert_eq!(verdict(RECORDED[0]), Ok((None, vec![])));
    assert_eq!(verdict(RECORDED[1]), Ok((mail(), deflate())));
    assert_eq!(verdict(RECORDED[2]), Ok((mail(), deflate())));
    assert_eq!(verdict(SAMPLE), Ok((mail(), deflate())));
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
    let mut fails = |connect: Connect<'_>, error: ConnectError| {
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
fn s4_1_a_refusal_keeps_its_fields_and_its_body() {
    let mut bytes = *b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 4\r\n\r\nbody";
    let mut input = Input::new(&mut bytes);
    let mut reader = HeadReader::new(&Limits::default());
    let head = reader.next(&mut input).expect("valid").expect("whole");
    let mut headers = [EMPTY_HEADER; 8];
    let response = Response::parse(&head, &mut headers).expect("valid");
    let handshake = connect().write(NONCE, &mut outbox()).expect("valid");
    assert_eq!(handshake.verify(&response).map(|_| ()), Err(ConnectError::Status(302)));
    assert_eq!((response.status(), response.reason()), (302, "Found"));
    assert_eq!(response.header("location"), Some(&b"/b"[..]));
    let len = response.content_length().expect("valid").expect("a length") as usize;
    assert_eq!(input.take(len), b"body");
}

#[test]
fn s4_1_an_interim_answer_comes_before_the_real_one() {
    let mut bytes = ["HTTP/1.1 103 Early Hints\r\n\r\n", SAMPLE, "frames"].concat().into_bytes();
    let mut input = Input::new(&mut bytes);
    let mut reader = HeadReader::new(&Limits::default());
    let handshake = connect().write(NONCE, &mut outbox()).expect("valid");
    for expected in [Err(ConnectError::Status(103)), Ok(())] {
        let head = reader.next(&mut input).expect("valid").expect("whole");
        let mut headers = [EMPTY_HEADER; 8];
        let response = Response::parse(&head, &mut headers).expect("valid");
        assert_eq!(handshake.verify(&response).map(|_| ()), expected);
    }
    assert_eq!(input.peek(), b"frames");
}

#[test]
fn s4_1_an_answer_in_any_split() {
    let bytes = [SAMPLE, "frames"].concat().into_bytes();
    for step in 1..=bytes.len() {
        let mut reader = HeadReader::new(&Limits::default());
        let mut left = bytes.clone();
        let mut pieces = left.chunks_mut(step);
        let (head, rest) = loop {
            let mut input = Input::new(pieces.next().expect("the head ends"));
            if let Some(head) = reader.next(&mut input).expect("valid") {
                break (head.into_owned(), input.peek().to_vec());
            }
        };
        assert_eq!(head, SAMPLE.as_bytes());
        assert_eq!([rest, pieces.flatten().map(|byte| *byte).collect()].concat(), b"frames");
    }
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
