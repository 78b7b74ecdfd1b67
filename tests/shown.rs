//! What `Debug` and `Display` tell: what is wrong, how much there is and in which state, but no payload,
//! because logs are read by others.

mod support;

use std::error::Error;
use std::fmt::Debug;

use dormouse::client::{Connect, ConnectError, Uri, UriError};
use dormouse::decode::FrameError;
use dormouse::http::{EMPTY_HEADER, FieldError, HeadError, HeadReader, Request};
use dormouse::server::{AcceptError, Answer, AnswerError, BadRequest, Refusal, Upgrade};
use dormouse::wire::HeaderError;
use dormouse::{
    AbnormalClosure, CloseCode, CloseError, CloseFrame, Input, Limits, Outbox, Prepared, SendError,
    Violation,
};
use support::{KEY, TEXT, client, feed, frame, server};

const SECRET: &str = "hunter2";

#[track_caller]
fn shows(shown: &dyn Debug, expected: &str) {
    assert_eq!(format!("{shown:?}"), expected);
}

#[test]
fn debug_tells_lengths_and_states() {
    let (mut ws, mut out) = server();
    shows(&ws, "WebSocket { phase: Open, sending: Idle, limit: 1048576, .. }");
    ws.text_fragment(SECRET, &mut out).unwrap();
    feed(&mut ws, &frame(TEXT, Some(KEY), SECRET.as_bytes()), &mut out);
    shows(&ws, "WebSocket { phase: Open, sending: Text, limit: 1048576, .. }");
    shows(&out, "Outbox { len: 9, limit: 2097152 }");
    shows(&out.slices(), "Slices { len: 9 }");
    shows(&Prepared::text(SECRET), "Prepared { len: 9 }");
    shows(&Input::new(&mut SECRET.as_bytes().to_vec()), "Input { len: 7 }");
    ws.close(CloseCode::NORMAL, SECRET, &mut out);
    shows(&ws, "WebSocket { phase: CloseSent, sending: Closed, limit: 1048576, .. }");
    assert!(ws.is_closing() && !client().0.is_closing());
    shows(&client().0, "WebSocket { phase: Open, sending: Idle, limit: 1048576, .. }");
    shows(&CloseCode::GOING_AWAY, "CloseCode(1001)");

    let mut reader = HeadReader::new(&Limits::default());
    let mut head = format!("GET / HTTP/1.1\r\nCookie: {SECRET}").into_bytes();
    assert_eq!(reader.next(&mut Input::new(&mut head)), Ok(None));
    shows(&reader, "HeadReader { len: 31, limit: 8192, failed: None }");
}

/// Paths and the names of fields are shown; what stands in a query, in the value of a field or in a list
/// of subprotocols may be a password.
#[test]
fn debug_of_heads_tells_names_and_no_values() {
    let request = format!(
        "GET /chat?token={SECRET} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mail.v1, {SECRET}\r\nCookie: {SECRET}\r\n\r\n"
    );
    let mut headers = [EMPTY_HEADER; 16];
    let request = Request::parse(request.as_bytes(), &mut headers).unwrap();
    let names = "\"Host\", \"Connection\", \"Upgrade\", \"Sec-WebSocket-Version\", \
        \"Sec-WebSocket-Key\", \"Sec-WebSocket-Protocol\", \"Cookie\"";
    let shown = format!(
        "Request {{ method: \"GET\", path: \"/chat\", version: Http11, fields: [{names}], .. }}"
    );
    shows(&request, &shown);
    assert_eq!(request.version().to_string(), "HTTP/1.1");
    let upgrade = Upgrade::read(&request).unwrap();
    shows(&upgrade, &format!("Upgrade {{ request: {shown}, origin: None, .. }}"));

    let secret = [("Set-Cookie", SECRET)];
    let accept = upgrade.accept().protocol(Some("mail.v1")).headers(&secret);
    let shown = "protocol: Some(\"mail.v1\"), extensions: None, headers: [\"Set-Cookie\"]";
    shows(&accept, &format!("Accept {{ {shown}, .. }}"));
    let answer = Answer::new(200).headers(&secret).body(SECRET.as_bytes());
    shows(&answer, "Answer { status: 200, headers: [\"Set-Cookie\"], body_len: 7, .. }");

    let uri = format!("wss://a:9001/chat?token={SECRET}");
    let shown = "is_secure: true, authority: \"a:9001\", path: \"/chat\"";
    shows(&Uri::parse(&uri).unwrap(), &format!("Uri {{ {shown}, .. }}"));
    let target = format!("/chat?token={SECRET}");
    let (secret, offers) = ([("Authorization", SECRET)], ["mail.v1", SECRET]);
    let connect = Connect::new("a", &target).headers(&secret).protocols(&offers);
    let shown = "host: \"a\", path: \"/chat\", origin: None, headers: [\"Authorization\"]";
    shows(&connect, &format!("Connect {{ {shown}, .. }}"));
    let handshake = connect.write([0; 16], &mut Outbox::new(&Limits::default())).unwrap();
    shows(&handshake, "Handshake { .. }");
}

#[test]
fn a_close_is_shown_as_its_number_and_its_reason() {
    let told = |code: u16, reason: &'static str| {
        CloseFrame { code: code.try_into().unwrap(), reason: reason.into() }.to_string()
    };
    assert_eq!((told(1001, "bye"), told(4001, "")), ("1001: bye".to_owned(), "4001".to_owned()));
    assert_eq!(CloseCode::try_from(1006), Err(CloseError::InvalidCode(1006)));
    assert_eq!(u16::from(CloseCode::NORMAL), 1000);
}

/// An error says what is wrong in one line, and an error of a layer above says the same.
#[test]
fn errors_tell_one_line() {
    let errors: Vec<(Box<dyn Error>, &str)> = vec![
        (Box::new(HeaderError::UnknownOpcode(0xB)), "unknown opcode 0xb"),
        (Box::new(FrameError::from(HeaderError::ControlTooLong)), "control frame above 125 bytes"),
        (Box::new(Violation::from(FrameError::Unmasked)), "unmasked frame from a client"),
        (Box::new(Violation::from(CloseError::OneByteBody)), "Close body of one byte"),
        (Box::new(CloseError::InvalidCode(1005)), "close code 1005 must not be sent"),
        (
            Box::new(Violation::MessageTooBig),
            "message is larger than the limit (`Limits::message`)",
        ),
        (Box::new(AbnormalClosure), "connection ended without a Close frame"),
        (Box::new(SendError::Full), "outbox is full"),
        (Box::new(HeadError::BareLf), "a line ends with LF alone"),
        (Box::new(HeadError::TooLarge), "the head is larger than the limit"),
        (Box::new(HeadError::LineTooLong), "the first line is longer than the limit"),
        (Box::new(HeadError::TooManyHeaders), "the head has too many fields"),
        (Box::new(HeadError::StatusLine), "the status line is malformed"),
        (Box::new(HeadError::BodyLength), "the head does not tell the length of the body"),
        (Box::new(Refusal::from(HeadError::Incomplete)), "400 Bad Request: the head has no end"),
        (Box::new(BadRequest::Body), "the request announces a body"),
        (Box::new(Refusal::Forbidden), "403 Forbidden: this origin or user may not connect"),
        (
            Box::new(AnswerError::from(SendError::TooBig)),
            "larger than the outbox may ever hold (`Limits::outbox`)",
        ),
        (Box::new(AcceptError::from(FieldError::Name)), "a field name is not a token"),
        (Box::new(ConnectError::from(HeadError::Trailing)), "bytes follow the head"),
        (Box::new(UriError::Scheme), "the URI does not begin with ws:// or wss://"),
        (Box::new(ConnectError::Status(302)), "the server answered with status 302"),
    ];
    for (error, expected) in errors {
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(CloseCode::TRY_AGAIN_LATER.to_string(), "1013");
}
