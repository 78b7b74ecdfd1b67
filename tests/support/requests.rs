//! A request for the server's handshake, and the view that a server has of one.

use dormouse::http::{EMPTY_HEADER, Request};
use dormouse::server::Upgrade;

/// The request of §1.2, with the key of §1.3.
pub const SAMPLE: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Gives the view of `head` to `check`.
pub fn with_upgrade<T>(head: &str, check: impl FnOnce(Upgrade<'_, '_>) -> T) -> T {
    let mut headers = [EMPTY_HEADER; 64];
    let request = Request::parse(head.as_bytes(), &mut headers).expect("a head");
    check(Upgrade::read(&request).expect("an upgrade"))
}
