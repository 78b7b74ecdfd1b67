//! What a hostile peer sends, in any size: frames without end, and heads of every bad shape. The
//! tests ask what it costs in memory, and `benches/hostile.rs` what it costs in time.

use super::connection::Side;
use super::{BINARY, CONTINUATION, FIN, PING, TEXT};

/// The fields that make a request an upgrade, but for the empty line at the end.
const UPGRADE: &str = "Host: mail.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Origin: https://mail.example.com\r\nSec-WebSocket-Version: 13\r\n";
const KEY_FIELD: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A message of `count` empty fragments, and no last one.
pub fn empty_fragments(side: Side, count: usize) -> Vec<u8> {
    let mut bytes = side.frame(BINARY, b"");
    bytes.extend(side.frame(CONTINUATION, b"").repeat(count - 1));
    bytes
}

/// A message of `count` fragments of one byte, and no last one.
pub fn one_byte_fragments(side: Side, count: usize) -> Vec<u8> {
    let mut bytes = side.frame(TEXT, b"m");
    bytes.extend(side.frame(CONTINUATION, b"m").repeat(count - 1));
    bytes
}

pub fn empty_messages(side: Side, count: usize) -> Vec<u8> {
    side.frame(FIN | TEXT, b"").repeat(count)
}

/// Pings of the largest size.
pub fn pings(side: Side, count: usize) -> Vec<u8> {
    side.frame(PING, &[7; 125]).repeat(count)
}

/// One text message of about `len` bytes, of characters that are cut by nearly every cut.
pub fn text(side: Side, len: usize) -> Vec<u8> {
    side.frame(FIN | TEXT, "🐭".repeat(len / 4).as_bytes())
}

/// A request of `len` bytes that is right, with one long field and many short ones.
pub fn head(len: usize) -> Vec<u8> {
    let fields = "Accept: */*\r\n".repeat(20);
    let begin = format!("GET /mail HTTP/1.1\r\n{UPGRADE}{KEY_FIELD}{fields}Cookie: ");
    let padding = "c".repeat(len - begin.len() - "\r\n\r\n".len());
    format!("{begin}{padding}\r\n\r\n").into_bytes()
}

/// A head that never gets past one field line.
pub fn field_line(len: usize) -> Vec<u8> {
    padded("GET / HTTP/1.1\r\nCookie: ", b"c", len)
}

/// A head that never gets past the request line.
pub fn request_line(len: usize) -> Vec<u8> {
    padded("GET /", b"m", len)
}

/// Empty lines, and never a request line.
pub fn empty_lines(len: usize) -> Vec<u8> {
    padded("", b"\r\n", len)
}

/// The smallest fields there are, and no end.
pub fn tiny_fields(len: usize) -> Vec<u8> {
    padded("GET / HTTP/1.1\r\n", b"a:\r\n", len)
}

fn padded(begin: &str, padding: &[u8], len: usize) -> Vec<u8> {
    begin.bytes().chain(padding.iter().copied().cycle()).take(len).collect()
}

/// An upgrade request that offers `count` subprotocols, all of another name.
pub fn protocols(count: usize) -> Vec<u8> {
    let names: Vec<String> = (0..count).map(|number| format!("{number:x}")).collect();
    upgrade_with("Sec-WebSocket-Protocol", &names.join(","))
}

/// An upgrade request that offers `count` extensions.
pub fn extension_offers(count: usize) -> Vec<u8> {
    upgrade_with("Sec-WebSocket-Extensions", &vec!["x;a"; count].join(","))
}

/// An upgrade request that offers an extension with `count` parameters, each with a quoted value.
pub fn extension_params(count: usize) -> Vec<u8> {
    upgrade_with("Sec-WebSocket-Extensions", &format!("x{}", ";a=\"\\1\"".repeat(count)))
}

/// An upgrade request that is right but for the end of a list of extensions.
pub fn extensions_that_end_badly(count: usize) -> Vec<u8> {
    upgrade_with("Sec-WebSocket-Extensions", &format!("{}x;=", "x;a,".repeat(count)))
}

/// An upgrade request whose `Connection` list has the option that counts at its end.
pub fn connection_options(count: usize) -> Vec<u8> {
    let request = upgrade_with("Accept", "*/*");
    let request = String::from_utf8(request).expect("ASCII");
    let options = format!("Connection: {}", "a,".repeat(count));
    request.replace("Connection: ", &options).into_bytes()
}

/// An upgrade request with a key of `len` characters.
pub fn long_key(len: usize) -> Vec<u8> {
    let key = "A".repeat(len);
    format!("GET / HTTP/1.1\r\n{UPGRADE}Sec-WebSocket-Key: {key}\r\n\r\n").into_bytes()
}

fn upgrade_with(name: &str, value: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\n{UPGRADE}{KEY_FIELD}{name}: {value}\r\n\r\n").into_bytes()
}
