//! What an opening handshake cannot do without.

use std::hint::black_box;
use std::mem::MaybeUninit;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::contender::Failure;
use crate::job::{PROTOCOL, REQUEST};
use crate::stream::Sink;
use crate::works::Accepts;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY: &str = "1Mn8NPm6YvO+lJ6XHYcgEQ==";
const BEFORE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: ";
const BETWEEN: &[u8] = b"\r\nSec-WebSocket-Protocol: ";
const AFTER: &[u8] = b"\r\n\r\n";

/// Parses the head, hashes a key that it has not looked for there, and writes the answer.
pub struct Handshake {
    buffer: Vec<u8>,
}

impl Accepts for Handshake {
    fn new() -> Self {
        Self { buffer: Vec::with_capacity(1024) }
    }

    #[inline]
    fn accept(&mut self, mut sink: Sink) -> Result<(), Failure> {
        let mut headers = [const { MaybeUninit::uninit() }; 64];
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(black_box(REQUEST), &mut headers);
        black_box((&parsed, &request));
        let digest = Sha1::new().chain_update(black_box(KEY)).chain_update(GUID).finalize();
        let mut accept = [0; 28];
        STANDARD.encode_slice(digest, &mut accept).map_err(Failure::of)?;
        for part in [BEFORE, &accept, BETWEEN, PROTOCOL.as_bytes(), AFTER] {
            self.buffer.extend_from_slice(black_box(part));
        }
        sink.write(&self.buffer);
        self.buffer.clear();
        Ok(())
    }
}
