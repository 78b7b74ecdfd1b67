//! Masking: a payload XORed with a repeated four-byte key (RFC 6455 §5.3).
//!
//! Masking and unmasking are the same operation, done in place. A payload that comes in pieces needs
//! no phase counter: [`advance`] turns the key so that it begins where the next piece does.
//!
//! Layer 1. Runs at the speed of a plain XOR loop, which compilers turn into vector instructions.
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

use alloc::vec::Vec;

/// The widest step: four vector registers of 16 bytes, which every x86-64 and AArch64 machine has.
const BLOCK: usize = 64;

/// XORs `bytes` with `key`, repeated.
///
/// §5.3: "Octet i of the transformed data [...] is the XOR of octet i of the original data [...] with
/// octet at index i modulo 4 of the masking key".
#[inline]
pub fn apply(bytes: &mut [u8], key: [u8; 4]) {
    match bytes.len() {
        0..=3 => xor_bytes(bytes, key),
        4..=7 => xor_ends::<4>(bytes, key),
        8..=15 => xor_ends::<8>(bytes, key),
        16..=31 => xor_ends::<16>(bytes, key),
        32..=63 => xor_ends::<32>(bytes, key),
        _ => xor_blocks(bytes, key),
    }
}

/// Appends `bytes` to `buffer`, XORed with `key`, in one pass.
#[inline]
pub(crate) fn append(buffer: &mut Vec<u8>, bytes: &[u8], key: [u8; 4]) {
    let mut blocks = bytes.chunks_exact(BLOCK);
    for block in &mut blocks {
        if let Some(block) = block.first_chunk::<BLOCK>() {
            buffer.extend_from_slice(&xor_chunk(*block, key));
        }
    }
    let start = buffer.len();
    buffer.extend_from_slice(blocks.remainder());
    if let Some(rest) = buffer.get_mut(start..) {
        apply(rest, key);
    }
}

/// The key for what follows a piece of `len` bytes.
#[inline]
pub fn advance(key: [u8; 4], len: usize) -> [u8; 4] {
    // Only the rest by 32 bits, which are 4 bytes, turns a key.
    u32::from_le_bytes(key).rotate_right((len as u32).wrapping_mul(8)).to_le_bytes()
}

#[inline]
fn xor_bytes(bytes: &mut [u8], key: [u8; 4]) {
    for (byte, key) in bytes.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// XORs `N` to `2 * N` bytes in two steps: the first `N` and the last `N`. They may overlap, so
/// both are computed before either is stored; where they do, both are the same.
#[inline]
fn xor_ends<const N: usize>(bytes: &mut [u8], key: [u8; 4]) {
    let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else {
        return;
    };
    let first = xor_chunk(*first, key);
    // `N` is a multiple of the key's four bytes, and does not turn it.
    let last = xor_chunk(*last, advance(key, bytes.len()));
    if let Some(place) = bytes.first_chunk_mut() {
        *place = first;
    }
    if let Some(place) = bytes.last_chunk_mut() {
        *place = last;
    }
}

/// XORs at least one block. What does not fill a block is done with the last one, which overlaps
/// the one before and is therefore computed from the original.
#[inline]
fn xor_blocks(bytes: &mut [u8], key: [u8; 4]) {
    let Some(last) = bytes.last_chunk::<BLOCK>() else { return };
    let last = xor_chunk(*last, advance(key, bytes.len()));
    // Without the last byte, so that a last block which is whole is not done here as well.
    if let Some((_, front)) = bytes.split_last_mut() {
        for block in front.chunks_exact_mut(BLOCK) {
            if let Some(place) = block.first_chunk_mut::<BLOCK>() {
                *place = xor_chunk(*place, key);
            }
        }
    }
    if let Some(place) = bytes.last_chunk_mut() {
        *place = last;
    }
}

/// XORs one chunk, whose length is a multiple of four.
#[inline]
fn xor_chunk<const N: usize>(mut chunk: [u8; N], key: [u8; 4]) -> [u8; N] {
    for place in chunk.chunks_exact_mut(4) {
        if let Some(word) = place.first_chunk_mut() {
            *word = (u32::from_le_bytes(*word) ^ u32::from_le_bytes(key)).to_le_bytes();
        }
    }
    chunk
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
                let mut appended = plain[..start].to_vec();
                append(&mut appended, &plain[start..start + len], KEY);
                assert_eq!(appended, bytes[..start + len]);
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
