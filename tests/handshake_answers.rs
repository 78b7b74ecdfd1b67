//! How a server answers the opening handshake, RFC 6455 §4.2.2: every answer and every refusal byte by
//! byte, and nothing written where there is nothing valid to write.

mod support;

use dormouse::http::FieldError;
use dormouse::server::{AcceptError, Answer, AnswerError, BadRequest, Refusal};
use dormouse::{Limits, Outbox, SendError};
use support::requests::{SAMPLE, with_upgrade};

fn outbox() -> Outbox {
    Outbox::new(&Limits::default())
}

fn text(out: &Outbox) -> String {
    String::from_utf8(out.slices().collect::<Vec<_>>().concat()).expect("heads are ASCII")
}

#[test]
fn s4_2_2_the_answer() {
    let mut out = outbox();
    with_upgrade(SAMPLE, |upgrade| upgrade.accept().protocol(Some("chat")).write(&mut out))
        .expect("room");
    // §1.2 and §1.3 show this answer, but for the order of its fields.
    let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: chat\r\n\r\n";
    assert_eq!(text(&out), expected);
}

#[test]
fn s4_2_2_written_answer_and_fields_agree() {
    let offers = "Sec-WebSocket-Extensions: a; x\r\nSec-WebSocket-Extensions: b\r\nOrigin";
    let head = SAMPLE.replacen("Origin", offers, 1);
    let big = "x".repeat(5000);
    for headers in [&[][..], &[("Server", "mail"), ("Set-Cookie", "a=b; Path=/"), ("X", &big)]] {
        for protocol in [None, Some("superchat")] {
            for extensions in [None, Some("b, a; y=\"1\"")] {
                with_upgrade(&head, |upgrade| {
                    let accept = upgrade.accept();
                    let accept = accept.protocol(protocol).extensions(extensions).headers(headers);
                    let mut out = outbox();
                    accept.write(&mut out).expect("room");
                    let lines = accept.fields().expect("valid");
                    let lines: String =
                        lines.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                    let expected = format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n");
                    assert_eq!(text(&out), expected);
                });
            }
        }
    }
}

#[test]
fn s4_2_2_only_what_was_offered() {
    let head = SAMPLE.replacen("Origin", "Sec-WebSocket-Extensions: a; x, b\r\nOrigin", 1);
    with_upgrade(&head, |upgrade| {
        let mut out = outbox();
        for protocol in ["mail", "CHAT", "", "chat, superchat", "chat\r\nX: y"] {
            let result = upgrade.accept().protocol(Some(protocol)).write(&mut out);
            assert_eq!(result, Err(AcceptError::ProtocolNotOffered), "{protocol:?}");
        }
        for (extensions, error) in [
            ("c", AcceptError::ExtensionNotOffered),
            ("a, c", AcceptError::ExtensionNotOffered),
            ("", AcceptError::MalformedExtensions),
            ("a;", AcceptError::MalformedExtensions),
            ("a\r\nX: y", AcceptError::MalformedExtensions),
        ] {
            let result = upgrade.accept().extensions(Some(extensions)).write(&mut out);
            assert_eq!(result, Err(error), "{extensions:?}");
            assert!(upgrade.accept().extensions(Some(extensions)).fields().is_err());
        }
        assert!(out.is_empty());
    });
}

#[test]
fn rfc9112_11_1_nothing_injected_nothing_written() {
    let cases = [
        (("X", "a\r\nSet-Cookie: b"), FieldError::Value),
        (("X", "a\nb"), FieldError::Value),
        (("X", "a\0"), FieldError::Value),
        (("X: y\r\nZ", "a"), FieldError::Name),
        (("", "a"), FieldError::Name),
        (("sec-websocket-accept", "a"), FieldError::Reserved),
        (("Sec-WebSocket-Protocol", "chat"), FieldError::Reserved),
        (("UPGRADE", "a"), FieldError::Reserved),
        (("Connection", "close"), FieldError::Reserved),
        (("Content-Length", "5"), FieldError::Reserved),
        (("Transfer-Encoding", "chunked"), FieldError::Reserved),
    ];
    let mut out = outbox();
    for (field, error) in cases {
        let headers = [("Server", "mail"), field];
        let accepted =
            with_upgrade(SAMPLE, |upgrade| upgrade.accept().headers(&headers).write(&mut out));
        assert_eq!(accepted, Err(AcceptError::Field(error)), "{field:?}");
        let refused = Refusal::Forbidden.answer().headers(&headers).write(&mut out);
        assert_eq!(refused, Err(AnswerError::Field(error)), "{field:?}");
    }
    // What a status needs is there already, and would be there twice.
    for (refusal, name) in [
        (Refusal::MethodNotAllowed, "allow"),
        (Refusal::Unavailable { retry_after: 1 }, "Retry-After"),
        (Refusal::WebSocketVersion, "Sec-WebSocket-Version"),
    ] {
        let refused = refusal.answer().headers(&[(name, "GET")]).write(&mut out);
        assert_eq!(refused, Err(AnswerError::Field(FieldError::Reserved)), "{name}");
    }
    assert!(Answer::new(405).headers(&[("Allow", "GET")]).fields().is_ok());
    // Who writes the response by other means is told the same.
    assert_eq!(Answer::new(99).fields().err(), Some(AnswerError::Status));
    assert_eq!(Answer::new(204).body(b"a").fields().err(), Some(AnswerError::Body));
    let challenge = Refusal::Unauthorized { challenge: "Basic\r\nX: y" };
    assert_eq!(challenge.write(&mut out), Err(AnswerError::Field(FieldError::Value)));
    let page = Answer::new(200).body(b"a").content_type("text/html\r\nX: y");
    assert_eq!(page.write(&mut out), Err(AnswerError::Field(FieldError::Value)));
    assert!(out.is_empty());
}

#[test]
fn s4_2_2_a_full_outbox_takes_nothing() {
    let mut out = Outbox::new(&Limits { outbox: 200, ..Limits::default() });
    let write = |out: &mut Outbox| with_upgrade(SAMPLE, |upgrade| upgrade.accept().write(out));
    assert_eq!(write(&mut out), Ok(()));
    let before = text(&out);
    assert_eq!(write(&mut out), Err(AcceptError::Send(SendError::Full)));
    assert_eq!(Refusal::NotFound.write(&mut out), Err(AnswerError::Send(SendError::Full)));
    assert_eq!(text(&out), before);
}

#[test]
fn s4_2_2_every_refusal_is_a_complete_response() {
    let cases = [
        (Refusal::BadRequest(BadRequest::MissingKey), 400, ""),
        (Refusal::BadRequest(BadRequest::MissingVersion), 400, "Sec-WebSocket-Version: 13\r\n"),
        (
            Refusal::Unauthorized { challenge: "Basic realm=\"a\"" },
            401,
            "WWW-Authenticate: Basic realm=\"a\"\r\n",
        ),
        (Refusal::Forbidden, 403, ""),
        (Refusal::NotFound, 404, ""),
        (Refusal::MethodNotAllowed, 405, "Allow: GET\r\n"),
        (Refusal::TargetTooLong, 414, ""),
        (Refusal::NotAnUpgrade, 426, "Upgrade: websocket\r\n"),
        (Refusal::WebSocketVersion, 426, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
        (Refusal::TooManyRequests { retry_after: 1 }, 429, "Retry-After: 1\r\n"),
        (Refusal::HeadTooLarge, 431, ""),
        (Refusal::Unavailable { retry_after: 120 }, 503, "Retry-After: 120\r\n"),
        (Refusal::HttpVersion, 505, ""),
    ];
    for (refusal, status, fields) in cases {
        let mut out = outbox();
        refusal.write(&mut out).expect("room");
        let connection = if status == 426 { "Upgrade, close" } else { "close" };
        let (phrase, body) = (refusal.to_string(), refusal.reason());
        let line = phrase.split(':').next().expect("a phrase");
        // RFC 9110 §9.3.2: the answer to HEAD has no content, and any 405 may be one.
        let content = if status == 405 {
            "Content-Length: 0\r\n\r\n".to_owned()
        } else {
            let len = body.len();
            format!(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len}\r\n\r\n{body}"
            )
        };
        let expected = format!("HTTP/1.1 {line}\r\nConnection: {connection}\r\n{fields}{content}");
        assert_eq!(text(&out), expected);
        assert_eq!((refusal.status(), &phrase), (status, &format!("{line}: {body}")));
    }
}

#[test]
fn rfc9110_15_answers() {
    let write = |answer: Answer<'_>| {
        let mut out = outbox();
        answer.write(&mut out).map(|()| text(&out))
    };
    let empty = "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n";
    assert_eq!(write(Answer::new(304).headers(&[("ETag", "\"1\"")])).as_deref(), Ok(empty));
    assert_eq!(write(Answer::new(204)).as_deref(), Ok("HTTP/1.1 204 No Content\r\n\r\n"));
    let head = "HTTP/1.1 299 \r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\n";
    let answer = Answer::new(299).content_type("a/b").body(b"abc").head_only();
    assert_eq!(write(answer).as_deref(), Ok(head));
    for status in [204, 205, 304] {
        assert_eq!(write(Answer::new(status).body(b"a")), Err(AnswerError::Body));
    }
    let reset = "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(write(Answer::new(205)).as_deref(), Ok(reset));
    for status in [0, 101, 199, 600, 1000] {
        assert_eq!(write(Answer::new(status)), Err(AnswerError::Status));
    }
    let fields = Answer::new(503).retry_after(7).body(b"a");
    let expected = [("Retry-After", "7"), ("Content-Type", "text/plain; charset=utf-8")];
    assert!(fields.fields().expect("valid").eq(expected));
}

/// RFC 9110 §15 and RFC 6585 have these phrases; a status that they do not name has none.
#[test]
fn rfc9110_15_1_phrases() {
    for line in [
        "200 OK",
        "201 Created",
        "202 Accepted",
        "204 No Content",
        "205 Reset Content",
        "206 Partial Content",
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "304 Not Modified",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "406 Not Acceptable",
        "408 Request Timeout",
        "409 Conflict",
        "410 Gone",
        "411 Length Required",
        "413 Content Too Large",
        "414 URI Too Long",
        "415 Unsupported Media Type",
        "426 Upgrade Required",
        "429 Too Many Requests",
        "431 Request Header Fields Too Large",
        "500 Internal Server Error",
        "501 Not Implemented",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "505 HTTP Version Not Supported",
        "299 ",
        "418 ",
        "599 ",
    ] {
        let status = line[..3].parse().expect("a status");
        let answer = Answer::new(status);
        assert_eq!(answer.status(), status);
        let mut out = outbox();
        answer.write(&mut out).expect("room");
        assert!(text(&out).starts_with(&format!("HTTP/1.1 {line}\r\n")), "{line}");
    }
}
