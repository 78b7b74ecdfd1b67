//! Rules of RFC 6455 that hold for everything that an endpoint sends, or for every value that it is
//! given, and therefore belong to no single case of the other files. `CONFORMANCE.md` has them all.

mod support;

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dormouse::client::{Connect, ConnectError};
use dormouse::http::{Header, Response, Version};
use dormouse::{
    CloseCode, Event, Input, Limits, Outbox, Prepared, Role, SendError, Violation, WebSocket,
};
use support::oracle::{Reader, read};
use support::requests::{SAMPLE, with_upgrade};
use support::{
    BINARY, CLOSE, CONTINUATION, FIN, KEY, PING, PONG, TEXT, binary, close_body, frame, server,
    text, waiting,
};

/// A frame as the receiver has to find it: its first byte and its payload.
type Sent = (u8, Vec<u8>);

/// Payloads at the edges of the three ways to write a length.
fn payloads() -> [String; 5] {
    [5, 125, 126, 65_535, 65_536].map(|len| "p".repeat(len))
}

/// Sends every kind of frame that a side can send, but for those that begin with a Close.
fn send_everything<R: Role>(ws: &mut WebSocket<R>, out: &mut Outbox) -> Vec<Sent> {
    let mut sent = Vec::new();
    for payload in payloads() {
        ws.text(&payload, out).unwrap();
        ws.binary(payload.as_bytes(), out).unwrap();
        ws.text_fragment(&payload, out).unwrap();
        ws.ping(b"ping", out).unwrap();
        ws.text_fragment("more", out).unwrap();
        ws.finish_message(out).unwrap();
        ws.binary_fragment(payload.as_bytes(), out).unwrap();
        ws.pong(b"", out).unwrap();
        ws.binary_fragment(payload.as_bytes(), out).unwrap();
        ws.finish_message(out).unwrap();
        let payload = payload.into_bytes();
        sent.extend([
            (FIN | TEXT, payload.clone()),
            (FIN | BINARY, payload.clone()),
            (TEXT, payload.clone()),
            (PING, b"ping".to_vec()),
            (CONTINUATION, b"more".to_vec()),
            (FIN | CONTINUATION, vec![]),
            (BINARY, payload.clone()),
            (PONG, vec![]),
            (CONTINUATION, payload),
            (FIN | CONTINUATION, vec![]),
        ]);
    }
    sent
}

/// What `ws` sends because of `bytes`.
fn reply_to<R: Role>(ws: &mut WebSocket<R>, mut bytes: Vec<u8>, out: &mut Outbox) {
    let mut input = Input::new(&mut bytes);
    while let Ok(Some(_)) = ws.next(&mut input, out) {}
}

thread_local!(static NEXT_KEY: Cell<u32> = const { Cell::new(0) });

/// Keys that tell how many were asked for before.
fn next_key() -> [u8; 4] {
    NEXT_KEY.set(NEXT_KEY.get().wrapping_add(1));
    NEXT_KEY.get().to_be_bytes()
}

/// The three ways to end: a Close of its own, the answer to one, and the answer to a violation.
const ENDINGS: usize = 3;

fn end<R: Role>(
    ws: &mut WebSocket<R>,
    out: &mut Outbox,
    ending: usize,
    key: Option<[u8; 4]>,
) -> Sent {
    match ending {
        0 => ws.close(CloseCode::GOING_AWAY, "enough", out),
        1 => reply_to(ws, frame(CLOSE, key, &close_body(1001, "")), out),
        _ => reply_to(ws, frame(FIN | 0xB, key, b""), out),
    }
    let body = match ending {
        0 => close_body(1001, "enough"),
        1 => close_body(1001, ""),
        _ => close_body(1002, ""),
    };
    (CLOSE, body)
}

#[test]
fn s5_1_every_frame_of_a_client_is_masked_with_a_key_of_its_own() {
    for ending in 0..ENDINGS {
        NEXT_KEY.set(0);
        let mut ws = WebSocket::client(&Limits::default(), next_key);
        let mut out = Outbox::new(&Limits::default());
        let mut sent = send_everything(&mut ws, &mut out);
        reply_to(&mut ws, frame(PING, None, b"are you there"), &mut out);
        sent.push((PONG, b"are you there".to_vec()));
        sent.push(end(&mut ws, &mut out, ending, None));
        let keys = (1..).map(u32::to_be_bytes);
        let expected = sent.iter().zip(keys).flat_map(|((first, payload), key)| {
            assert!(first & 0x70 == 0, "no reserved bit is expected");
            frame(*first, Some(key), payload)
        });
        assert!(waiting(&out) == expected.collect::<Vec<_>>(), "ending {ending}");
    }
}

#[test]
fn s5_1_no_frame_of_a_server_is_masked() {
    for ending in 0..ENDINGS {
        let (mut ws, _) = server();
        let mut out = Outbox::new(&Limits::default());
        let mut sent = send_everything(&mut ws, &mut out);
        for payload in payloads() {
            ws.send(&Prepared::text(&payload), &mut out).unwrap();
            ws.send(&Prepared::binary(payload.as_bytes()), &mut out).unwrap();
            sent.extend([TEXT, BINARY].map(|kind| (FIN | kind, payload.clone().into_bytes())));
        }
        reply_to(&mut ws, frame(PING, Some(KEY), b"are you there"), &mut out);
        sent.push((PONG, b"are you there".to_vec()));
        sent.push(end(&mut ws, &mut out, ending, Some(KEY)));
        let expected = sent.iter().flat_map(|(first, payload)| frame(*first, None, payload));
        assert!(waiting(&out) == expected.collect::<Vec<_>>(), "ending {ending}");
    }
}

/// What one side sends is what the other has to accept, by a reader that shares no code with either.
#[test]
fn s5_2_what_is_sent_breaks_no_rule_of_a_receiver() {
    let limit = 1 << 20;
    let (mut ws, mut out) = server();
    send_everything(&mut ws, &mut out);
    ws.close(CloseCode::NORMAL, "", &mut out);
    let seen = read(&waiting(&out), Reader::Client, limit);
    assert_eq!((seen.violation, seen.events.len()), (None, 5 * 6 + 1));

    let mut ws = WebSocket::client(&Limits::default(), next_key);
    let mut out = Outbox::new(&Limits::default());
    send_everything(&mut ws, &mut out);
    ws.close(CloseCode::NORMAL, "", &mut out);
    let seen = read(&waiting(&out), Reader::Server, limit);
    assert_eq!((seen.violation, seen.events.len()), (None, 5 * 6 + 1));
}

#[test]
fn s5_3_a_mask_of_any_key_comes_off_again() {
    for key in [0, 1, 0x80, 0xff00_00ff, u32::MAX] {
        NEXT_KEY.set(key.wrapping_sub(1));
        let mut out = Outbox::new(&Limits::default());
        let mut ws = WebSocket::client(&Limits::default(), next_key);
        ws.binary(&[0x55; 9], &mut out).unwrap();
        let seen = read(&waiting(&out), Reader::Server, 100);
        assert_eq!((seen.events, seen.violation), (vec![binary(&[0x55; 9])], None));
        assert_eq!(waiting(&out)[2..6], key.to_be_bytes());
    }
}

/// Answers `request` as a server does, and gives the fields of the answer to `check`.
fn answered<T>(
    request: &[u8],
    protocol: Option<&str>,
    extensions: Option<&str>,
    check: impl FnOnce(&str) -> T,
) -> T {
    let request = std::str::from_utf8(request).expect("heads are ASCII");
    let mut out = Outbox::new(&Limits::default());
    with_upgrade(request, |upgrade| {
        upgrade.accept().protocol(protocol).extensions(extensions).write(&mut out).expect("valid");
    });
    check(&String::from_utf8(waiting(&out)).expect("heads are ASCII"))
}

#[test]
fn s4_1_the_key_is_the_nonce_in_base64() {
    for nonce in [[0; 16], [0xff; 16], *b"the sample nonce", *b"\xfb\xef\xbe and so forth"] {
        let mut out = Outbox::new(&Limits::default());
        let _handshake = Connect::new("a", "/").write(nonce, &mut out).expect("valid");
        let request = String::from_utf8(waiting(&out)).expect("heads are ASCII");
        let key = request.split_once("\r\nSec-WebSocket-Key: ").expect("a key").1;
        let key = key.split_once("\r\n").expect("a line end").0;
        assert_eq!((key.len(), STANDARD.decode(key).expect("base64")), (24, nonce.to_vec()));
    }
}

/// A response with `fields`, judged by the client that sent `nonce`.
fn judged(
    nonce: [u8; 16],
    extensions: Option<&str>,
    fields: &[(&str, &str)],
) -> Result<usize, ConnectError> {
    let mut out = Outbox::new(&Limits::default());
    let handshake = Connect::new("a", "/").extensions(extensions).write(nonce, &mut out)?;
    let lines: Vec<Header<'_>> =
        fields.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let response = Response::from_parts(Version::Http11, 101, &lines);
    Ok(handshake.verify(&response)?.extensions().count())
}

/// The accept of another connection is worth nothing on this one.
#[test]
fn s4_1_each_nonce_has_its_own_accept() {
    let nonces = [[0; 16], [0xff; 16], *b"the sample nonce"];
    for asked in nonces {
        let mut out = Outbox::new(&Limits::default());
        let _handshake = Connect::new("a", "/").write(asked, &mut out).expect("valid");
        let accept = answered(&waiting(&out), None, None, |answer| {
            let accept = answer.split_once("Sec-WebSocket-Accept: ").expect("an accept").1;
            accept.split_once("\r\n").expect("a line end").0.to_owned()
        });
        let fields = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept.as_str()),
        ];
        for nonce in nonces {
            let expected = if nonce == asked { Ok(0) } else { Err(ConnectError::WrongAccept) };
            assert_eq!(judged(nonce, None, &fields), expected, "{nonce:?} with that of {asked:?}");
        }
    }
}

/// §4.2.2, step 5: several extensions stand in one field or in several. §11.3.2 said otherwise until
/// erratum 3433.
#[test]
fn s4_2_2_extensions_of_an_answer_in_several_lines() {
    let sample = ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let begin = [("Upgrade", "websocket"), ("Connection", "Upgrade"), sample];
    let judge = |values: &[&'static str]| {
        let lines = values.iter().map(|value| ("sec-websocket-extensions", *value));
        let fields: Vec<_> = begin.into_iter().chain(lines).collect();
        judged(*b"the sample nonce", Some("a; x, b, c"), &fields)
    };
    assert_eq!(judge(&["a, b; y=1"]), Ok(2));
    assert_eq!(judge(&["a", "b; y=1"]), Ok(2));
    assert_eq!(judge(&["a, c", "b"]), Ok(3));
    assert_eq!(judge(&["a", "d"]), Err(ConnectError::ExtensionNotOffered));
    assert_eq!(judge(&["a", "b;"]), Err(ConnectError::MalformedExtensions));
    assert_eq!(judge(&["", ""]), Err(ConnectError::MalformedExtensions));
}

/// A client that offers nothing, and a server that agrees to nothing: the fields are not there.
#[test]
fn s4_2_2_what_is_not_agreed_on_has_no_field() {
    let offers = "Sec-WebSocket-Extensions: a; x, b\r\nOrigin";
    for head in [SAMPLE.to_owned(), SAMPLE.replacen("Origin", offers, 1)] {
        let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        answered(head.as_bytes(), None, None, |answer| assert_eq!(answer, expected));
    }
    let head = SAMPLE.replacen("Origin", offers, 1);
    answered(head.as_bytes(), None, Some("b"), |answer| {
        assert!(answer.ends_with("\r\nSec-WebSocket-Extensions: b\r\n\r\n"), "{answer}");
        assert!(!answer.contains("Sec-WebSocket-Protocol"), "{answer}");
    });
}

/// §7.1.6: what the sender says is what the receiver is told.
#[test]
fn s7_1_2_code_and_reason_arrive_as_they_were_given() {
    for code in [1000, 1001, 1014, 3000, 4999] {
        let (mut ws, mut out) = server();
        let code = CloseCode::new(code).expect("a code for the wire");
        ws.close(code, "schluß", &mut out);
        let seen = read(&waiting(&out), Reader::Client, 0);
        let Some(Event::Close(Some(frame))) = seen.events.first() else { panic!("{seen:?}") };
        assert_eq!((frame.code, &*frame.reason), (code, "schluß"));
    }
    let (mut ws, mut out) = server();
    ws.close_without_code(&mut out);
    assert_eq!(waiting(&out), frame(CLOSE, None, b""));
}

/// §7.2.1: a connection that is lost is over for both halves, whatever was going on.
#[test]
fn s7_2_1_a_lost_connection_takes_and_gives_nothing_more() {
    let mut ws = WebSocket::client(&Limits::default(), next_key);
    let mut out = Outbox::new(&Limits::default());
    reply_to(&mut ws, frame(TEXT, None, b"half of a"), &mut out);
    assert!(ws.end_of_stream().is_err() && ws.is_closed());
    reply_to(&mut ws, frame(PING, None, b""), &mut out);
    assert_eq!(ws.text("a", &mut out), Err(SendError::Closed));
    ws.close(CloseCode::NORMAL, "", &mut out);
    assert!(out.is_empty());
}

/// §5.4: after a message in fragments the next one begins anew, with its own type.
#[test]
fn s5_4_each_message_has_the_type_of_its_first_fragment() {
    let bytes = [
        frame(BINARY, None, b"\xff"),
        frame(FIN | CONTINUATION, None, b"a"),
        frame(TEXT, None, b"a"),
        frame(FIN | CONTINUATION, None, b"b"),
        frame(FIN | BINARY, None, b"\xff"),
        frame(TEXT, None, b"a"),
        frame(FIN | CONTINUATION, None, b"\xff"),
    ];
    let mut ws = WebSocket::client(&Limits::default(), next_key);
    let mut out = Outbox::new(&Limits::default());
    let mut bytes = bytes.concat();
    let mut input = Input::new(&mut bytes);
    for event in [binary(b"\xffa"), text("ab"), binary(b"\xff")] {
        assert_eq!(ws.next(&mut input, &mut out), Ok(Some(event)));
    }
    let ending = ws.next(&mut input, &mut out);
    assert!(matches!(ending, Err(Violation::Text(_))), "{ending:?}");
}
