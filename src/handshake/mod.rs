//! The opening handshake: HTTP heads in, HTTP heads out, and the decision in between.
//!
//! RFC 6455 §4, §9.1 and §11.3. Layer 4: knows HTTP and the outbox; it knows no frame and holds no
//! state of a connection. After the handshake the embedder makes a `WebSocket` and goes on.
//!
//! | module | what lives there |
//! |---|---|
//! | [`server`] | reads the upgrade request; accepts, refuses, or answers any other request |
//! | [`client`] | writes the upgrade request; verifies the response |
//!
//! Both need what is in this file: the two values that prove that the peer speaks WebSocket.

pub mod client;
mod draft;
pub mod server;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// §4.2.2: what the server appends to the key before it hashes.
const ACCEPT_GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// §4.1: the nonce of the client, 16 bytes in base64, as it goes over the wire.
#[derive(Clone, Copy, Debug)]
struct Key<'b>(&'b [u8; 24]);

impl<'b> Key<'b> {
    /// `None` unless `value` is the base64 of 16 bytes: 22 characters of the alphabet and the padding.
    ///
    /// Nobody needs the 16 bytes, so they are not decoded. The last character carries two bits; what
    /// else it says is ignored, because the key that §4.1 prints as a sample says something there.
    fn parse(value: &'b [u8]) -> Option<Self> {
        let key: &[u8; 24] = value.try_into().ok()?;
        let [digits @ .., b'=', b'='] = key else { return None };
        let is_digit = |digit: u8| digit.is_ascii_alphanumeric() | matches!(digit, b'+' | b'/');
        let all_digits = digits.iter().fold(true, |all, &digit| all & is_digit(digit));
        all_digits.then_some(Self(key))
    }

    // §4.2.2: "concatenating /key/ [...] with the string "258EAFA5-[...]", taking the SHA-1 hash of
    // this concatenated value to obtain a 20-byte value and base64-encoding"
    fn accept(self) -> AcceptKey {
        let mut message = [0; 24 + ACCEPT_GUID.len()];
        let (key, guid) = message.split_at_mut(24);
        key.copy_from_slice(self.0);
        guid.copy_from_slice(ACCEPT_GUID);
        AcceptKey(encode(&Sha1::digest(message)))
    }
}

/// §4.2.2: the answer to a [`Key`], the value of `Sec-WebSocket-Accept`.
#[derive(Clone, Copy, Debug)]
struct AcceptKey([u8; AcceptKey::LEN]);

impl AcceptKey {
    /// 20 bytes of SHA-1 in base64.
    const LEN: usize = 28;

    fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Base64 of `bytes`, which the caller sizes to fill the `N` characters exactly.
fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [b'='; N];
    let written = STANDARD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(N));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_3_the_sample_of_the_rfc() {
        let text = encode(b"the sample nonce");
        assert_eq!(&text, b"dGhlIHNhbXBsZSBub25jZQ==");
        let key = Key::parse(&text).expect("a key");
        assert_eq!(key.accept().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn s4_2_1_keys() {
        assert!(Key::parse(b"AAAAAAAAAAAAAAAAAAAAAA==").is_some());
        assert!(Key::parse(b"+/+/+/+/+/+/+/+/+/+/+w==").is_some());
        assert!(Key::parse(b"AQIDBAUGBwgJCgsMDQ4PEC==").is_some(), "the sample of §4.1");
        let bad = [
            "",
            "AAAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAA-_==",
            "AAAAAAAAAAAAAAAAAAAA A==",
            "AAAAAAAAAAAAAAAAAAAAAA==AAAAAAAAAAAAAAAA",
        ];
        for key in bad {
            assert!(Key::parse(key.as_bytes()).is_none(), "{key}");
        }
    }
}
