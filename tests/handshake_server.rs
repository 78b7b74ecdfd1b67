//! How a server reads the opening handshake, RFC 6455 §4.2.1: recorded browsers, every rule broken
//! alone, every split of the head.

mod support;

use std::borrow::Cow;

use dormouse::http::{EMPTY_HEADER, HeadError, HeadReader, Header, Request, Version};
use dormouse::server::{BadRequest, Refusal, Upgrade};
use dormouse::{Input, Limits};
use support::requests::{SAMPLE, with_upgrade};

const RECORDED: [&str; 6] = [
    include_str!("data/upgrade-requests/chromium.http"),
    include_str!("data/upgrade-requests/firefox.http"),
    include_str!("data/upgrade-requests/node-ws.http"),
    include_str!("data/upgrade-requests/python-picows.http"),
    include_str!("data/upgrade-requests/python-websocket-client.http"),
    include_str!("data/upgrade-requests/python-websockets.http"),
];

/// What the server answers to a whole request.
fn verdict(head: &str) -> Result<(), Refusal> {
    let mut bytes = head.as_bytes().to_vec();
    let mut input = Input::new(&mut bytes);
    let head = HeadReader::new(&Limits::default()).next(&mut input)?.expect("a whole head");
    let mut headers = [EMPTY_HEADER; 64];
    Upgrade::read(&Request::parse(&head, &mut headers)?).map(|_| ())
}

/// Each line is one change to the sample, from and to, and what comes of it.
macro_rules! verdicts {
    ($($name:ident: $($from:literal => $to:expr),+ ; $verdict:expr;)+) => {$(
        #[test]
        fn $name() {
            let mut head = SAMPLE.to_owned();
            $({
                assert!(head.contains($from), "the sample has {:?}", $from);
                head = head.replacen($from, &$to, 1);
            })+
            let expected: Result<(), Refusal> = $verdict;
            assert_eq!(verdict(&head), expected, "{head}");
        }
    )+};
}

fn bad(what: BadRequest) -> Result<(), Refusal> {
    Err(Refusal::BadRequest(what))
}

fn protocols(count: usize) -> String {
    (0..count).map(|number| format!("p{number},")).collect()
}

verdicts! {
    s4_2_1_post: "GET" => "POST"; Err(Refusal::MethodNotAllowed);
    s4_2_1_head_over_http_1_0: "GET /chat HTTP/1.1" => "HEAD /chat HTTP/1.0"; Err(Refusal::MethodNotAllowed);
    s4_2_1_method_is_case_sensitive: "GET" => "get"; Err(Refusal::MethodNotAllowed);
    s4_2_1_http_1_0: "HTTP/1.1" => "HTTP/1.0"; Err(Refusal::HttpVersion);
    s4_2_1_http_2: "HTTP/1.1" => "HTTP/2.0"; Err(Refusal::HttpVersion);
    s4_2_1_http_0_9: " HTTP/1.1" => ""; bad(BadRequest::Head(HeadError::RequestLine));

    s4_2_1_target_with_query: "/chat" => "/chat?a=b&c=%20"; Ok(());
    s4_2_1_absolute_target: "/chat" => "http://server.example.com/chat"; Ok(());
    s4_2_1_absolute_target_without_path: "/chat" => "HTTPS://server.example.com"; Ok(());
    s4_2_1_absolute_target_is_http: "/chat" => "wss://server.example.com"; bad(BadRequest::Target);
    s4_2_1_target_as_browsers_send_it: "/chat" => "/chat?a={b}|c^d&e=100%"; Ok(());
    s4_2_1_foreign_scheme: "/chat" => "ftp://server.example.com/chat"; bad(BadRequest::Target);
    s4_2_1_absolute_target_with_user: "/chat" => "http://a@b/chat"; bad(BadRequest::Target);
    s4_2_1_asterisk_target: "/chat" => "*"; bad(BadRequest::Target);
    s4_2_1_relative_target: "/chat" => "chat"; bad(BadRequest::Target);
    s3_fragment: "/chat" => "/chat#a"; bad(BadRequest::Target);
    s3_target_beyond_ascii: "/chat" => "/ch\u{e4}t"; bad(BadRequest::Target);

    s4_2_1_missing_host: "Host: server.example.com\r\n" => ""; bad(BadRequest::MissingHost);
    s4_2_1_duplicate_host: "Host:" => "Host: a\r\nHOST:"; bad(BadRequest::DuplicateHost);
    s4_2_1_empty_host: "Host: server.example.com" => "Host:"; bad(BadRequest::Host);
    s4_2_1_host_with_path: "server.example.com" => "a/b"; bad(BadRequest::Host);
    s4_2_1_host_list: "server.example.com" => "a, b"; bad(BadRequest::Host);
    s4_2_1_host_with_port: "server.example.com" => "[::1]:8080"; Ok(());

    s4_2_1_plain_get: "Upgrade: websocket\r\n" => ""; Err(Refusal::NotAnUpgrade);
    s4_2_1_other_upgrade: "websocket" => "h2c"; Err(Refusal::NotAnUpgrade);
    s4_2_1_upgrade_is_no_substring: "websocket" => "websocket2"; Err(Refusal::NotAnUpgrade);
    s4_2_1_upgrade_with_version: "websocket" => "websocket/13"; Err(Refusal::NotAnUpgrade);
    s4_2_1_upgrade_any_case: "Upgrade: websocket" => "uPGRADE: WebSocket"; Ok(());
    s4_2_1_upgrade_list: "websocket" => "h2c , websocket"; Ok(());
    s4_2_1_upgrade_lines: "Upgrade:" => "Upgrade: h2c\r\nUpgrade:"; Ok(());

    s4_2_1_missing_connection: "Connection: Upgrade\r\n" => ""; bad(BadRequest::Connection);
    s4_2_1_connection_keep_alive: "Connection: Upgrade" => "Connection: keep-alive";
        bad(BadRequest::Connection);
    s4_2_1_connection_is_no_substring: "Connection: Upgrade" => "Connection: not-upgrade";
        bad(BadRequest::Connection);
    s4_2_1_connection_any_case: "Connection: Upgrade" => "connection: UPGRADE"; Ok(());
    s4_2_1_connection_list: "Connection: Upgrade" => "Connection: keep-alive, Upgrade"; Ok(());
    s4_2_1_connection_lines: "Connection: " => "Connection: keep-alive\r\nConnection: , "; Ok(());

    s4_2_1_missing_key: "Sec-WebSocket-Key" => "X-Key"; bad(BadRequest::MissingKey);
    s4_2_1_empty_key: "dGhlIHNhbXBsZSBub25jZQ==" => ""; bad(BadRequest::Key);
    s4_2_1_key_without_padding: "ZQ==" => "ZQ"; bad(BadRequest::Key);
    s4_2_1_key_of_15_bytes: "dGhlIHNhbXBsZSBub25jZQ==" => "dGhlIHNhbXBsZSBub25j"; bad(BadRequest::Key);
    s4_2_1_key_of_17_bytes: "ZQ==" => "ZWU="; bad(BadRequest::Key);
    s4_2_1_key_of_40_characters: "dGhl" => "dGhldGhldGhldGhldGhl"; bad(BadRequest::Key);
    s4_2_1_key_with_stray_bits: "ZQ==" => "ZR=="; Ok(());
    s4_2_1_key_url_safe: "dGhl" => "dG-_"; bad(BadRequest::Key);
    s11_3_1_duplicate_key: "Sec-WebSocket-Key:" => "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key:";
        bad(BadRequest::DuplicateKey);

    s4_2_1_missing_version: "Sec-WebSocket-Version: 13\r\n" => ""; bad(BadRequest::MissingVersion);
    s4_4_version_8: "Version: 13" => "Version: 8"; Err(Refusal::WebSocketVersion);
    s4_4_version_14: "Version: 13" => "Version: 14"; Err(Refusal::WebSocketVersion);
    s4_4_version_013: "Version: 13" => "Version: 013"; Err(Refusal::WebSocketVersion);
    s4_4_version_list: "Version: 13" => "Version: 13, 8"; Err(Refusal::WebSocketVersion);
    s4_4_version_before_key: "Version: 13" => "Version: 8", "Sec-WebSocket-Key" => "X-Key";
        Err(Refusal::WebSocketVersion);
    s11_3_5_duplicate_version: "Sec-WebSocket-Version:" => "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version:";
        bad(BadRequest::DuplicateVersion);

    s4_2_1_empty_body: "Origin" => "Content-Length: 0\r\nOrigin"; Ok(());
    s4_2_1_body: "Origin" => "Content-Length: 5\r\nOrigin"; bad(BadRequest::Body);
    s4_2_1_body_of_no_length: "Origin" => "Content-Length:\r\nOrigin"; bad(BadRequest::Body);
    s4_2_1_second_length: "Origin" => "Content-Length: 0\r\nContent-Length: 5\r\nOrigin"; bad(BadRequest::Body);
    s4_2_1_chunked_body: "Origin" => "Transfer-Encoding: chunked\r\nOrigin"; bad(BadRequest::Body);

    s4_2_1_no_origin: "Origin: http://example.com\r\n" => ""; Ok(());
    s4_2_1_null_origin: "http://example.com" => "null"; Ok(());
    s4_2_1_duplicate_origin: "Origin:" => "Origin: http://a\r\nOrigin:"; bad(BadRequest::DuplicateOrigin);
    s4_2_1_two_origins: "http://example.com" => "http://a http://b"; bad(BadRequest::Origin);
    s4_2_1_origin_beyond_ascii: "http://example.com" => "http://ex\u{e4}mple.com"; bad(BadRequest::Origin);

    s4_1_protocol_lines: "Sec-WebSocket-Protocol:" => "Sec-WebSocket-Protocol: a,\r\nSec-WebSocket-Protocol:"; Ok(());
    s4_1_protocol_differs_in_case: "chat, superchat" => "chat, Chat"; Ok(());
    s4_1_duplicate_protocol: "superchat" => "chat"; bad(BadRequest::DuplicateProtocol);
    s4_1_duplicate_protocol_over_lines: "Sec-WebSocket-Protocol:" => "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol:";
        bad(BadRequest::DuplicateProtocol);
    s4_1_protocol_with_space: "superchat" => "super chat"; bad(BadRequest::Protocol);
    s4_1_protocol_with_separator: "superchat" => "super/chat"; bad(BadRequest::Protocol);
    s4_1_protocol_beyond_ascii: "superchat" => "ch\u{e4}t"; bad(BadRequest::Protocol);
    s4_1_empty_protocol: "chat, superchat" => " , "; bad(BadRequest::Protocol);
    s4_1_protocols_at_the_limit: "chat, superchat" => protocols(64); Ok(());
    s4_1_protocols_over_the_limit: "chat, superchat" => protocols(65); bad(BadRequest::TooManyProtocols);

    s9_1_extension: "Origin" => "Sec-WebSocket-Extensions: a; b=\"c\", d\r\nOrigin"; Ok(());
    s9_1_extension_lines: "Origin" => "Sec-WebSocket-Extensions: a\r\nOrigin", "\r\n\r\n" => "\r\nSec-WebSocket-Extensions: b\r\n\r\n"; Ok(());
    s9_1_empty_extensions: "Origin" => "Sec-WebSocket-Extensions:\r\nOrigin"; bad(BadRequest::Extensions);
    s9_1_malformed_extension: "Origin" => "Sec-WebSocket-Extensions: a; b=\r\nOrigin"; bad(BadRequest::Extensions);
    s9_1_malformed_second_line: "Origin" => "Sec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: a b\r\nOrigin";
        bad(BadRequest::Extensions);
    s9_1_quoted_value_is_no_token: "Origin" => "Sec-WebSocket-Extensions: a; b=\"c d\"\r\nOrigin";
        bad(BadRequest::Extensions);

    rfc9112_2_2_empty_line_before: "GET" => "\r\n\r\nGET"; Ok(());
    rfc9112_2_2_bare_lf: "\r\nHost" => "\nHost"; bad(BadRequest::Head(HeadError::BareLf));
    rfc9112_2_2_bare_cr: "websocket\r\n" => "websocket\rX: y\r\n"; bad(BadRequest::Head(HeadError::FieldValue));
    rfc9112_5_1_space_before_colon: "Host:" => "Host :"; bad(BadRequest::Head(HeadError::FieldName));
    rfc9112_5_2_folded_line: "Upgrade: websocket" => "Upgrade:\r\n websocket"; bad(BadRequest::Head(HeadError::FieldName));
    rfc9110_5_5_nul: "server.example.com" => "a\0b"; bad(BadRequest::Head(HeadError::FieldValue));
    rfc6585_5_too_many_fields: "Origin" => format!("{}Origin", "A: b\r\n".repeat(60)); Err(Refusal::HeadTooLarge);
    tls_on_a_plain_port: "GET" => "\u{16}\u{3}\u{1}"; bad(BadRequest::Head(HeadError::NotHttp));
}

#[test]
fn s4_2_1_recorded_clients() {
    for head in RECORDED {
        with_upgrade(head, |upgrade| {
            assert_eq!(upgrade.path(), "/notify", "{head}");
            assert!(upgrade.query().is_some_and(|query| query.starts_with("mailbox=inbox")));
            assert_eq!(upgrade.request().host(), Some(&b"127.0.0.1:8099"[..]));
            assert!(upgrade.request().is_upgrade());
            assert!(upgrade.protocols().next().is_none_or(|first| first == "mail.v1"));
            assert!(upgrade.extensions().all(|offer| offer.name() == "permessage-deflate"));
        });
    }
    with_upgrade(RECORDED[0], |upgrade| {
        assert_eq!(upgrade.origin(), Some("http://127.0.0.1:8099"));
        assert!(upgrade.protocols().eq(["mail.v1", "json"]));
        assert_eq!(upgrade.header("cookie"), Some(&b"sid=4f9a1c0c2b7d4a6e9f; theme=dark"[..]));
        let offer = upgrade.extensions().next().expect("an extension");
        assert!(offer.params().eq([("client_max_window_bits", None)]));
    });
}

#[test]
fn rfc9110_7_8_an_old_request_upgrades_nothing() {
    for (head, expected) in
        [(RECORDED[0].to_owned(), true), (RECORDED[0].replace("HTTP/1.1", "HTTP/1.0"), false)]
    {
        let mut headers = [EMPTY_HEADER; 64];
        let request = Request::parse(head.as_bytes(), &mut headers).expect("a head");
        assert_eq!(request.is_upgrade(), expected);
    }
}

#[test]
fn requests_that_were_parsed_elsewhere_meet_the_same_rules() {
    let mut headers = [
        Header { name: "host", value: b"a" },
        Header { name: "upgrade", value: b"websocket" },
        Header { name: "connection", value: b"upgrade" },
        Header { name: "sec-websocket-key", value: b"dGhlIHNhbXBsZSBub25jZQ==" },
        Header { name: "sec-websocket-version", value: b"13" },
    ];
    let read = |headers: &[Header<'_>]| {
        let request = Request::from_parts("GET", "/", Version::Http11, headers);
        Upgrade::read(&request).map(|_| ())
    };
    assert_eq!(read(&headers), Ok(()));
    headers[4].value = b"12";
    assert_eq!(read(&headers), Err(Refusal::WebSocketVersion));
}

/// Feeds `bytes` cut at each of `cuts`, and gives the verdict and, with a head, the bytes after it.
fn feed(
    bytes: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    limits: &Limits,
) -> (Result<Option<Vec<u8>>, HeadError>, Vec<u8>) {
    let mut reader = HeadReader::new(limits);
    let mut from = 0;
    for to in cuts.into_iter().chain([bytes.len()]) {
        let mut piece = bytes[from..to].to_vec();
        let mut input = Input::new(&mut piece);
        match reader.next(&mut input) {
            Ok(None) => assert!(input.is_empty()),
            Ok(Some(head)) => {
                let was_cut = head.len() > to - from;
                assert!(!was_cut || matches!(head, Cow::Owned(_)));
                let left = [input.peek(), &bytes[to..]].concat();
                return (Ok(Some(head.into_owned())), left);
            }
            Err(error) => {
                assert_eq!(reader.next(&mut Input::new(&mut [b'a'])), Err(error), "final");
                return (Err(error), Vec::new());
            }
        }
        from = to;
    }
    (Ok(None), Vec::new())
}

#[test]
fn s4_2_1_a_head_in_any_split() {
    let limits = Limits::default();
    for prefix in ["", "\r\n"] {
        let bytes = [prefix, SAMPLE, "\u{1}\u{2}frames\r\n\r\n"].concat();
        let head = SAMPLE.as_bytes();
        let end = prefix.len() + head.len();
        let expected = (Ok(Some(head.to_vec())), bytes.as_bytes()[end..].to_vec());
        for cut in 0..=bytes.len() {
            assert_eq!(feed(bytes.as_bytes(), [cut], &limits), expected, "cut at {cut}");
            assert_eq!(
                feed(bytes.as_bytes(), (0..bytes.len()).step_by(cut + 1), &limits),
                expected
            );
        }
        for cut in 0..end {
            assert_eq!(feed(&bytes.as_bytes()[..cut], [], &limits).0, Ok(None));
        }
    }
}

#[test]
fn rfc9112_2_2_bad_line_ends_in_any_split() {
    let limits = Limits::default();
    for (bytes, error) in [
        ("GET / HTTP/1.1\nHost: a\n\n", HeadError::BareLf),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::BareLf),
        ("\n", HeadError::BareLf),
        ("\r\n\nGET", HeadError::BareLf),
        ("\rGET", HeadError::LineEnd),
        ("\r\n\r\r\n", HeadError::LineEnd),
        (" GET / HTTP/1.1\r\n", HeadError::NotHttp),
        ("\u{16}\u{3}\u{1}", HeadError::NotHttp),
    ] {
        for cut in 0..=bytes.len() {
            assert_eq!(feed(bytes.as_bytes(), [cut], &limits).0, Err(error), "{bytes:?} at {cut}");
        }
        assert_eq!(feed(bytes.as_bytes(), 0..bytes.len(), &limits).0, Err(error), "{bytes:?}");
    }
}

#[test]
fn rfc6585_5_the_limit_is_the_same_in_any_split() {
    for prefix in ["", "\r\n"] {
        let bytes = [prefix, SAMPLE, "frames"].concat();
        let end = prefix.len() + SAMPLE.len();
        let line = prefix.len() + "GET /chat HTTP/1.1\r\n".len();
        for (limit, verdict) in [
            (end, Ok(Some(SAMPLE.as_bytes().to_vec()))),
            (end - 1, Err(HeadError::TooLarge)),
            (end - 4, Err(HeadError::TooLarge)),
            (line, Err(HeadError::TooLarge)),
            (line - 1, Err(HeadError::LineTooLong)),
            (prefix.len() + 1, Err(HeadError::LineTooLong)),
        ] {
            let limits = Limits { head: limit as u32, ..Limits::default() };
            let check = |result| assert_eq!(result, verdict, "limit {limit}");
            for cut in 0..=bytes.len() {
                check(feed(bytes.as_bytes(), [cut], &limits).0);
            }
            check(feed(bytes.as_bytes(), 0..bytes.len(), &limits).0);
        }
    }
}

#[test]
fn rfc6585_5_an_endless_head_is_refused_at_the_limit() {
    let limits = Limits { head: 64, ..Limits::default() };
    for (endless, error) in [
        ("a", HeadError::LineTooLong),
        ("a: b\r\n", HeadError::TooLarge),
        ("\r\n", HeadError::TooLarge),
    ] {
        let bytes = endless.repeat(100);
        assert_eq!(feed(&bytes.as_bytes()[..63], 0..63, &limits).0, Ok(None));
        assert_eq!(feed(&bytes.as_bytes()[..64], 0..64, &limits).0, Err(error));
    }
    assert_eq!(Refusal::from(HeadError::TooLarge).status(), 431);
    assert_eq!(Refusal::from(HeadError::LineTooLong).status(), 414);
}

#[test]
fn s4_2_1_a_damaged_head_gives_the_same_verdict_in_any_split() {
    let limits = Limits { head: 600, ..Limits::default() };
    let mut seed = 0x9e37_79b9_u32;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed as usize % below
    };
    for _ in 0..3000 {
        let mut bytes = RECORDED[random(RECORDED.len())].as_bytes().to_vec();
        for _ in 0..random(4) {
            let at = random(bytes.len());
            let damage = [b'\r', b'\n', b' ', b',', b';', b'"', 0, 0xff, b'\t', b':'];
            match random(3) {
                0 => bytes[at] = damage[random(damage.len())],
                1 => bytes.insert(at, damage[random(damage.len())]),
                _ => drop(bytes.remove(at)),
            }
        }
        let whole = feed(&bytes, [], &limits);
        let mut cuts: Vec<usize> = (0..random(5)).map(|_| random(bytes.len())).collect();
        cuts.sort_unstable();
        assert_eq!(feed(&bytes, cuts, &limits), whole);
        if let (Ok(Some(head)), _) = whole {
            let mut headers = [EMPTY_HEADER; 16];
            if let Ok(request) = Request::parse(&head, &mut headers) {
                let _ = Upgrade::read(&request).map(|upgrade| upgrade.extensions().count());
            }
        }
    }
}

#[test]
fn rfc9112_9_3_one_reader_takes_several_requests() {
    let first = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut bytes = [first, SAMPLE].concat().into_bytes();
    let mut input = Input::new(&mut bytes);
    let mut reader = HeadReader::new(&Limits::default());
    for head in [first, SAMPLE] {
        let next = reader.next(&mut input).expect("valid").expect("whole");
        assert!(matches!(next, Cow::Borrowed(bytes) if bytes == head.as_bytes()));
    }
    assert_eq!(reader.next(&mut input), Ok(None));
}
