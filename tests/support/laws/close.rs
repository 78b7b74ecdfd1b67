//! The body of a Close frame (RFC 6455 §5.5.1, §7.4).

use arbitrary::Unstructured;
use dormouse::{CloseCode, CloseFrame, Event, Input, Limits, Outbox, WebSocket};

use super::super::oracle;
use super::super::{CLOSE, ZERO_KEY, waiting};

/// A body is read as the book reads it.
pub fn body_is_read_by_the_book(body: &[u8]) {
    let by_the_book = oracle::read_control(0x8, body);
    assert_eq!(
        CloseFrame::parse(body).map(|frame| Event::Close(frame.map(CloseFrame::into_owned))),
        by_the_book
    );
}

/// What one side says when it closes is what the other one hears, with a reason that is cut to whole
/// characters.
pub fn what_is_said_is_heard(code: CloseCode, reason: &str, by_server: bool) {
    let limits = Limits::default();
    let mut server = WebSocket::server(&limits);
    let mut client = WebSocket::client(&limits, || ZERO_KEY);
    let mut out = Outbox::new(&limits);
    if by_server {
        server.close(code, reason, &mut out);
    } else {
        client.close(code, reason, &mut out);
    }
    let mut bytes = waiting(&out);
    assert_eq!(bytes[0], CLOSE);
    out.clear();
    let mut input = Input::new(&mut bytes);
    let heard = match by_server {
        true => client.next(&mut input, &mut out),
        false => server.next(&mut input, &mut out),
    };
    let end = (0..=reason.len().min(123)).rev().find(|&end| reason.is_char_boundary(end));
    let reason = &reason[..end.unwrap_or_default()];
    assert_eq!(heard, Ok(Some(Event::Close(Some(CloseFrame { code, reason: reason.into() })))));
    assert!(input.is_empty() && !out.is_empty(), "the echo waits");
}

pub fn target(bytes: &[u8]) {
    body_is_read_by_the_book(bytes);
    let mut u = Unstructured::new(bytes);
    let (Ok(code), Ok(by_server)) = (u.arbitrary(), u.arbitrary()) else { return };
    if let (Some(code), Ok(reason)) = (CloseCode::new(code), std::str::from_utf8(u.take_rest())) {
        what_is_said_is_heard(code, reason, by_server);
    }
}
