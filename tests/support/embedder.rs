//! The server's handshake as an embedder writes it.

use dormouse::http::{EMPTY_HEADER, HeadReader, Request};
use dormouse::server::{Refusal, Upgrade};
use dormouse::{Input, Outbox};

/// A request as a browser sends it.
pub const REQUEST: &str = "GET /mail?box=7 HTTP/1.1\r\nHost: mail.example.com\r\n\
    Connection: keep-alive, Upgrade\r\nPragma: no-cache\r\nUpgrade: websocket\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\nAccept-Language: en\r\n\
    Origin: https://mail.example.com\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: mail.v2, mail.v1\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// The whole handshake as an embedder writes it, and the status of the answer.
pub fn handshake(reader: &mut HeadReader, bytes: &mut [u8], out: &mut Outbox) -> Option<u16> {
    let mut input = Input::new(bytes);
    let head = match reader.next(&mut input) {
        Ok(Some(head)) => head,
        Ok(None) => return None,
        Err(error) => return Some(refuse(error.into(), out)),
    };
    let mut headers = [EMPTY_HEADER; 64];
    let upgrade = Request::parse(&head, &mut headers)
        .map_err(Refusal::from)
        .and_then(|request| Upgrade::read(&request));
    match upgrade {
        Ok(upgrade) if upgrade.origin() == Some("https://mail.example.com") => {
            let protocol = upgrade.protocols().find(|offer| *offer == "mail.v1");
            upgrade.accept().protocol(protocol).headers(&[("Server", "mail")]).write(out).unwrap();
            Some(101)
        }
        Ok(_) => Some(refuse(Refusal::Forbidden, out)),
        Err(refusal) => Some(refuse(refusal, out)),
    }
}

fn refuse(refusal: Refusal, out: &mut Outbox) -> u16 {
    refusal.write(out).unwrap();
    refusal.status()
}
