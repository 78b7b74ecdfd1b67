//! Requests, as a server reads them (§4.2).

use std::mem::MaybeUninit;

use arbitrary::Unstructured;
use base64::prelude::{BASE64_STANDARD, Engine};
use dormouse::http::{EMPTY_HEADER, HeadError, Request, Response, Version};
use dormouse::server::{Refusal, Upgrade};
use dormouse::{Limits, Outbox};
use tungstenite::handshake::derive_accept_key;

use super::super::super::waiting;
use super::super::portions;
use super::{NaiveHead, any_partition};

/// So many fields a head may have here.
const FIELDS: usize = 16;

pub fn target(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let limit = *u.choose(&[8192, 1024, 64, 5]).unwrap_or(&0);
    let Ok(portions) = portions(&mut u) else { return };
    if let Some(head) = any_partition(u.take_rest(), limit, &portions) {
        judge(&head);
    }
}

/// A head is accepted only if a naive reader finds in it all that §4.2.1 asks for; whatever comes of
/// it, the answer is one HTTP message.
fn judge(head: &[u8]) {
    let mut headers = [EMPTY_HEADER; FIELDS];
    let mut uninit = [const { MaybeUninit::uninit() }; FIELDS];
    let parsed = Request::parse(head, &mut headers);
    let again = Request::parse_uninit(head, &mut uninit);
    assert_eq!(parsed.map(parts), again.map(parts), "both ways to parse say the same");
    let mut out = Outbox::new(&Limits::default());
    match parsed.map_err(Refusal::from).and_then(|request| Upgrade::read(&request)) {
        Ok(upgrade) => {
            sound(&NaiveHead::of(head), &upgrade);
            accepted(&upgrade, &mut out);
        }
        Err(refusal) => refused(refusal, &mut out),
    }
}

type Parts<'b> = (&'b str, &'b str, Version, Vec<(&'b str, &'b [u8])>);

fn parts<'b>(request: Request<'_, 'b>) -> Parts<'b> {
    let lines = request.fields().lines().iter().map(|line| (line.name, line.value));
    (request.method(), request.target(), request.version(), lines.collect())
}

fn sound(head: &NaiveHead, upgrade: &Upgrade<'_, '_>) {
    let target = head.first.strip_prefix("GET ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
    assert_eq!(target, Some(upgrade.request().target()));
    assert!(!upgrade.path().contains(['?', '#', ' ']) && upgrade.path().starts_with('/'));
    assert!(!head.one("host").is_empty());
    assert!(head.list("upgrade").contains(&"websocket".to_owned()));
    assert!(head.list("connection").contains(&"upgrade".to_owned()));
    assert_eq!(head.one("sec-websocket-version"), "13");
    let key = head.one("sec-websocket-key");
    assert!(key.len() == 24 && key.ends_with("==") && !key[..22].contains('='), "{key}");
    assert!(head.all("origin").len() <= 1);
    assert_eq!(upgrade.origin(), head.all("origin").first().copied());
    let is_zero = |length: &&str| !length.is_empty() && length.bytes().all(|digit| digit == b'0');
    assert!(head.all("content-length").iter().all(is_zero));
    assert!(head.all("transfer-encoding").is_empty());
    let extensions = head.list("sec-websocket-extensions");
    assert_eq!(upgrade.extensions().count(), extensions.len());
}

/// The answer agrees on what the client likes best, and carries the key that §4.2.2 asks for.
fn accepted(upgrade: &Upgrade<'_, '_>, out: &mut Outbox) {
    let protocol = upgrade.protocols().last();
    let extension = upgrade.extensions().last().map(|extension| extension.name());
    upgrade.accept().protocol(protocol).extensions(extension).write(out).expect("what was offered");
    let bytes = waiting(out);
    let mut headers = [EMPTY_HEADER; FIELDS];
    let answer = Response::parse(&bytes, &mut headers).expect("an answer");
    assert_eq!(answer.status(), 101);
    let key = upgrade.header("Sec-WebSocket-Key").expect("a key");
    let derived = derive_accept_key(key);
    assert_eq!(answer.header("Sec-WebSocket-Accept"), Some(derived.as_bytes()));
    assert_eq!(answer.header("Sec-WebSocket-Protocol"), protocol.map(str::as_bytes));
    assert_eq!(answer.header("Sec-WebSocket-Extensions"), extension.map(str::as_bytes));
    assert!(BASE64_STANDARD.decode(derived).is_ok_and(|digest| digest.len() == 20));
    let invented = upgrade.accept().protocol(Some("invented-by-the-server")).write(out);
    let was_offered = upgrade.protocols().any(|offer| offer == "invented-by-the-server");
    assert_eq!(invented.is_ok(), was_offered, "the answer never holds what was not offered");
}

fn refused(refusal: Refusal, out: &mut Outbox) {
    refusal.write(out).expect("an empty outbox has room");
    let bytes = waiting(out);
    let end = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("an end") + 4;
    let mut headers = [EMPTY_HEADER; FIELDS];
    let answer = Response::parse(&bytes[..end], &mut headers).expect("an answer");
    assert_eq!(answer.status(), refusal.status());
    assert!((400..600).contains(&answer.status()));
    assert_eq!(answer.content_length(), Ok(Some((bytes.len() - end) as u64)));
    assert!(answer.fields().has_token("Connection", "close"));
    assert_ne!(refusal, Refusal::from(HeadError::Incomplete), "the reader gave a whole head");
    // RFC 6455 §4.2.2, RFC 9110 §15.5.6 and §15.5.22 each ask for a field.
    let needed = match refusal {
        Refusal::WebSocketVersion => Some("Sec-WebSocket-Version"),
        Refusal::NotAnUpgrade => Some("Upgrade"),
        Refusal::MethodNotAllowed => Some("Allow"),
        _ => None,
    };
    assert!(needed.is_none_or(|name| answer.header(name).is_some()), "{refusal:?}");
}
