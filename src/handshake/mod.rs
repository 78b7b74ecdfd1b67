//! The opening handshake: HTTP heads in, HTTP heads out, and the decision in between.
//!
//! RFC 6455 §4, §9.1 and §11.3. Layer 4: knows HTTP and the outbox; it knows no frame and holds no
//! state of a connection. After the handshake the embedder makes a `WebSocket` and goes on.
//!
//! | module | what lives there |
//! |---|---|
//! | [`server`] | reads the upgrade request; accepts, refuses, or answers any other request |
//! | [`client`] | reads the URI; writes the upgrade request; verifies the response |
//!
//! Both need what is in this file: the two values that prove that the peer speaks WebSocket.

pub mod client;
mod draft;
pub mod server;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::block_api::compress;

/// §4.2.2: what the server appends to the key before it hashes.
const ACCEPT_GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// RFC 3174 §6.1: the state that SHA-1 begins with.
const SHA1_START: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];

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
    fn hash(self) -> Hash {
        let mut blocks = Self::padding();
        let (key, rest) = blocks[0].split_at_mut(24);
        let (guid, _) = rest.split_at_mut(ACCEPT_GUID.len());
        key.copy_from_slice(self.0);
        guid.copy_from_slice(ACCEPT_GUID);
        let mut state = SHA1_START;
        compress(&mut state, &blocks);
        let mut digest = [0; 20];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        Hash(digest)
    }

    /// The two blocks that are hashed, but for key and GUID, which come first.
    ///
    /// These are 60 bytes for every connection, so the padding of RFC 3174 §4 is always the same: a
    /// one bit, zeros, and the length in bits at the very end. Whole blocks spare the hash the
    /// buffer that a stream of bytes would need.
    fn padding() -> [[u8; 64]; 2] {
        const LEN: usize = 24 + ACCEPT_GUID.len();
        const BITS: u64 = 8 * LEN as u64;
        let mut blocks = [[0; 64]; 2];
        blocks[0][LEN] = 0x80;
        let (_, length) = blocks[1].split_at_mut(56);
        length.copy_from_slice(&BITS.to_be_bytes());
        blocks
    }
}

/// §4.2.2: the hash of a [`Key`], from which the answer to it is made.
#[derive(Clone, Copy)]
struct Hash([u8; 20]);

impl Hash {
    #[inline]
    fn accept(&self) -> AcceptKey {
        AcceptKey(encode(&self.0))
    }
}

/// §4.2.2: the answer to a [`Key`], the value of `Sec-WebSocket-Accept`.
#[derive(Clone, Copy)]
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
    use sha1::{Digest as _, Sha1};

    use super::*;

    #[test]
    fn s1_3_the_sample_of_the_rfc() {
        let text = encode(b"the sample nonce");
        assert_eq!(&text, b"dGhlIHNhbXBsZSBub25jZQ==");
        let key = Key::parse(&text).expect("a key");
        assert_eq!(key.hash().accept().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn s4_2_2_the_hash_is_sha_1_of_key_and_guid() {
        for nonce in [[0; 16], [0xff; 16], *b"dormouse in May!"] {
            let text: [u8; 24] = encode(&nonce);
            let digest = Sha1::new().chain_update(text).chain_update(ACCEPT_GUID).finalize();
            let key = Key::parse(&text).expect("a key");
            assert_eq!(key.hash().accept().0, encode(&digest));
        }
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
