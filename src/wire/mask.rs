//! Masking: a payload XORed with a repeated four-byte key (RFC 6455 §5.3).
//!
//! Masking and unmasking are the same operation, done in place. A payload that comes in pieces needs
//! no phase counter: [`advance`] turns the key so that it begins where the next piece does.
//!
//! Layer 1. Runs at the speed of a plain XOR loop over eight-byte words, which compilers turn into
//! vector instructions.
//!
//! ```
//! use dormouse::wire::mask;
//!
//! let key = [0x37, 0xfa, 0x21, 0x3d];
//! let mut payload = *b"\x7f\x9f\x4d\x51\x58"; // "Hello" in the example of §5.7
//! let (one, two) = payload.split_at_mut(3);
//! mask::apply(one, key);
//! mask::apply(two, mask::advance(key, 3));
//! assert_eq!(&payload, b"Hello");
//! ```

const WORD: usize = 8;
/// Four vector registers of 16 bytes, the least that every x86-64 and AArch64 machine has.
const BLOCK: usize = 64;

/// XORs `bytes` with `key`, repeated.
///
/// §5.3: "Octet i of the transformed data is the XOR of octet i of the original data with octet at
/// index i modulo 4 of the masking key".
#[inline]
pub fn apply(bytes: &mut [u8], key: [u8; 4]) {
    if bytes.len() < WORD {
        return apply_short(bytes, key);
    }
    // The last word is computed before the loop and stored after it. It overlaps the word before,
    // and writes the same bytes there, so that no odd bytes remain to be done one by one.
    let Some(last) = bytes.last_chunk::<WORD>() else { return };
    let last = u64::from_ne_bytes(*last) ^ word(advance(key, bytes.len()));
    let word = word(key);
    let mut blocks = bytes.chunks_exact_mut(BLOCK);
    for block in &mut blocks {
        xor_words(block, word);
    }
    xor_words(blocks.into_remainder(), word);
    if let Some(place) = bytes.last_chunk_mut() {
        *place = last.to_ne_bytes();
    }
}

/// The key for what follows a piece of `len` bytes.
#[inline]
pub fn advance(mut key: [u8; 4], len: usize) -> [u8; 4] {
    key.rotate_left(len % 4);
    key
}

#[inline]
fn apply_short(bytes: &mut [u8], key: [u8; 4]) {
    for (byte, key) in bytes.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// XORs the whole words of `bytes`, and leaves what remains of less than a word.
#[inline]
fn xor_words(bytes: &mut [u8], word: u64) {
    for chunk in bytes.chunks_exact_mut(WORD) {
        if let Some(place) = chunk.first_chunk_mut::<WORD>() {
            *place = (u64::from_ne_bytes(*place) ^ word).to_ne_bytes();
        }
    }
}

/// The key twice, as a word in the machine's own byte order.
#[inline]
fn word(key: [u8; 4]) -> u64 {
    let half = u64::from(u32::from_ne_bytes(key));
    half << 32 | half
}

#[cfg(test)]
mod tests {
    use super::*;

    /// §5.3, word for word.
    fn by_the_book(bytes: &[u8], key: [u8; 4]) -> Vec<u8> {
        bytes.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect()
    }

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    #[test]
    fn s5_3_every_length_and_alignment() {
        let plain: Vec<u8> = (0..400u32).map(|i| (i * 7 + 3) as u8).collect();
        for start in 0..9 {
            for len in 0..300 {
                let mut bytes = plain.clone();
                apply(&mut bytes[start..start + len], KEY);
                assert_eq!(bytes[start..start + len], by_the_book(&plain[start..start + len], KEY));
                assert_eq!(bytes[..start], plain[..start], "bytes before are untouched");
                assert_eq!(bytes[start + len..], plain[start + len..], "and those behind");
            }
        }
    }

    #[test]
    fn s5_3_pieces_give_what_the_whole_gives() {
        let plain: Vec<u8> = (0..100).collect();
        let whole = by_the_book(&plain, KEY);
        for cut in 0..=plain.len() {
            let mut bytes = plain.clone();
            let (one, two) = bytes.split_at_mut(cut);
            apply(one, KEY);
            apply(two, advance(KEY, cut));
            assert_eq!(bytes, whole, "cut at {cut}");
        }
    }

    #[test]
    fn s5_3_twice_is_nothing() {
        let mut bytes = *b"a mouse that sleeps most of the year";
        apply(&mut bytes, KEY);
        apply(&mut bytes, KEY);
        assert_eq!(&bytes, b"a mouse that sleeps most of the year");
    }
}
