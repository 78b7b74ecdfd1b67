//! Responses, as a client verifies them (§4.1).

use arbitrary::Unstructured;
use dormouse::client::Connect;
use dormouse::http::{EMPTY_HEADER, Response};
use dormouse::{Limits, Outbox};
use tungstenite::handshake::derive_accept_key;

use super::super::portions;
use super::{NaiveHead, any_partition};

/// The nonce of the sample handshake of §1.3, so that a seed can hold the key that answers it.
const NONCE: [u8; 16] = *b"the sample nonce";

const PROTOCOLS: [&str; 2] = ["mail.v2", "mail.v1"];

pub fn target(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let limit = *u.choose(&[8192, 1024, 64, 5]).unwrap_or(&0);
    let Ok(portions) = portions(&mut u) else { return };
    let Some(head) = any_partition(u.take_rest(), limit, &portions) else { return };
    let mut headers = [EMPTY_HEADER; 16];
    if let Ok(response) = Response::parse(&head, &mut headers) {
        verify(&head, &response);
    }
}

/// What is accepted has all that §4.1 asks for, in the eyes of a naive reader.
fn verify(head: &[u8], response: &Response<'_, '_>) {
    let mut out = Outbox::new(&Limits::default());
    let offer = Connect::new("mail.example.com", "/")
        .protocols(&PROTOCOLS)
        .extensions(Some("permessage-deflate; client_max_window_bits, foo"));
    let handshake = offer.write(NONCE, &mut out).expect("a request");
    let Ok(accepted) = handshake.verify(response) else { return };
    let head = NaiveHead::of(head);
    assert!(head.first.starts_with("HTTP/1.1 101"), "{}", head.first);
    let upgrade = head.list("upgrade");
    assert!(!upgrade.is_empty() && upgrade.iter().all(|value| value == "websocket"));
    assert!(head.list("connection").contains(&"upgrade".to_owned()));
    assert_eq!(head.one("sec-websocket-accept"), derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(accepted.protocol(), head.all("sec-websocket-protocol").first().copied());
    assert!(accepted.protocol().is_none_or(|protocol| PROTOCOLS.contains(&protocol)));
    let known = ["permessage-deflate", "foo"];
    assert!(accepted.extensions().all(|extension| known.contains(&extension.name())));
}
