//! How a server reads the opening handshake, RFC 6455 §4.2.1: recorded browsers, requests that another
//! parser has read, the limit of a head and damage to one in any split, and what the reader of heads
//! keeps and copies.
//!
//! The rules of the request, each broken alone and in many cuts, are cases of
//! `tests/data/handshakes/server.txt`, which `tests/handshake_matrix.rs` runs.

mod support;

use std::borrow::Cow;

use dormouse::http::{EMPTY_HEADER, HeadError, HeadReader, Header, Request, Version};
use dormouse::server::{Refusal, Upgrade};
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
                let left = [input.peek(), &bytes[to..]].concat();
                return (Ok(Some(head.into_owned())), left);
            }
            Err(error) => return (Err(error), Vec::new()),
        }
        from = to;
    }
    (Ok(None), Vec::new())
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

#[test]
fn a_head_is_copied_only_if_it_was_cut() {
    for cut in 0..=SAMPLE.len() {
        let mut reader = HeadReader::new(&Limits::default());
        let (first, second) = SAMPLE.as_bytes().split_at(cut);
        let (mut first, mut second) = (first.to_vec(), second.to_vec());
        let head = match reader.next(&mut Input::new(&mut first)).expect("valid") {
            Some(head) => head,
            None => reader.next(&mut Input::new(&mut second)).expect("valid").expect("whole"),
        };
        let was_cut = 0 < cut && cut < SAMPLE.len();
        assert_eq!(matches!(head, Cow::Owned(_)), was_cut, "cut at {cut}");
    }
}

#[test]
fn an_error_is_final() {
    for (bytes, error) in [
        ("\n", HeadError::BareLf),
        ("\rG", HeadError::LineEnd),
        ("\u{16}", HeadError::NotHttp),
        ("GET / HTTP/1.1\n", HeadError::BareLf),
        ("GET / HTTP/1.1\r\nHost: server.example.com", HeadError::TooLarge),
    ] {
        let mut reader = HeadReader::new(&Limits { head: 32, ..Limits::default() });
        for read in [bytes, "", "GET / HTTP/1.1\r\n\r\n"] {
            let mut read = read.as_bytes().to_vec();
            assert_eq!(reader.next(&mut Input::new(&mut read)), Err(error), "{bytes:?}");
        }
    }
}
