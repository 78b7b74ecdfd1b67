//! Frame headers: 2 to 14 bytes in front of every payload (RFC 6455 §5.2).
//!
//! ```text
//!  byte 0           byte 1              2, 4 or 10 bytes in    4 bytes more if masked
//!  FIN RSV opcode | MASK length (0-127) | length 16 or 64 bit | masking key
//! ```
//!
//! Layer 1. What is refused here is refused whoever sends it: opcodes that do not exist, lengths in
//! a longer form than they need, control frames that are too long or fragmented. Masking, RSV bits
//! and the order of fragments depend on role and context; see [`decode`](crate::decode).
//!
//! ```
//! use dormouse::wire::{FrameHeader, Opcode};
//!
//! // §5.7: a single-frame masked text message, "Hello".
//! let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f];
//! let (header, len) = FrameHeader::parse(&bytes)?.expect("six bytes are enough");
//! assert_eq!((header.opcode, header.fin, header.payload_len, len), (Opcode::Text, true, 5, 6));
//! assert_eq!(header.mask, Some([0x37, 0xfa, 0x21, 0x3d]));
//! # Ok::<(), dormouse::wire::HeaderError>(())
//! ```

use alloc::vec::Vec;

use super::opcode::Opcode;

/// §5.2: the longest header: two bytes, a 64-bit length and a masking key.
pub const MAX_HEADER_LEN: usize = 14;

/// §5.5: the longest payload of a control frame, in bytes.
pub const MAX_CONTROL_PAYLOAD: usize = 125;

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const WHOLE_TEXT: u8 = 0x81;
const WHOLE_BINARY: u8 = 0x82;
const MASK: u8 = 0x80;
const LEN: u8 = 0x7F;
/// The 7-bit length that announces a 16-bit one.
const LEN_16: u8 = 126;
/// The 7-bit length that announces a 64-bit one.
const LEN_64: u8 = 127;

/// The header of one frame, as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last fragment of its message (§5.4).
    pub fin: bool,
    /// The three reserved bits.
    pub rsv: Rsv,
    /// What the frame carries.
    pub opcode: Opcode,
    /// The masking key, if the payload is masked (§5.3).
    pub mask: Option<[u8; 4]>,
    /// The length of the payload in bytes, below 2^63.
    pub payload_len: u64,
}

/// The reserved bits RSV1, RSV2 and RSV3, which mean nothing until an extension defines them (§5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rsv(u8);

impl Rsv {
    /// No bit set.
    pub const NONE: Self = Self(0);
    /// RSV1 alone: what permessage-deflate sets on a compressed message (RFC 7692 §6).
    pub const RSV1: Self = Self(0x40);

    /// Whether every bit of `other` is set here too.
    #[inline]
    pub const fn has_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether no reserved bit is set.
    #[inline]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Why bytes are not a frame header. The bytes alone decide; the role plays no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// §5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket
    /// Connection_."
    #[error("unknown opcode {0:#x}")]
    UnknownOpcode(u8),
    /// §5.5: a control frame that is one fragment of several.
    #[error("fragmented control frame")]
    FragmentedControl,
    /// §5.5: a control frame declared a payload above 125 bytes.
    #[error("control frame above 125 bytes")]
    ControlTooLong,
    /// §5.2: a length in a longer form than it needs, such as 5 in the 16-bit form.
    #[error("payload length not in its shortest form")]
    NonMinimalLength,
    /// §5.2: a 64-bit length with its most significant bit set.
    #[error("payload length of 2^63 or more")]
    LengthOverflow,
}

impl FrameHeader {
    /// Reads the header at the start of `bytes`, with the number of bytes it takes (2 to 14).
    ///
    /// `Ok(None)` means that the bytes are the beginning of a header: call again with more. At 14
    /// bytes the answer is never `None`. What is wrong with a header is told as soon as the bytes
    /// that show it are there, and more bytes never change the answer.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, in the order of the bytes.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeaderError> {
        let &[first, ref rest @ ..] = bytes else { return Ok(None) };
        let fin = first & FIN != 0;
        let bits = first & OPCODE;
        let Some(opcode) = Opcode::from_bits(bits) else {
            return Err(HeaderError::UnknownOpcode(bits));
        };
        // §5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
        // fragmented."
        if opcode.is_control() && !fin {
            return Err(HeaderError::FragmentedControl);
        }
        let &[second, ref rest @ ..] = rest else { return Ok(None) };
        if opcode.is_control() && second & LEN > MAX_CONTROL_PAYLOAD as u8 {
            return Err(HeaderError::ControlTooLong);
        }
        let Some((payload_len, rest)) = parse_len(second & LEN, rest)? else { return Ok(None) };
        let (mask, rest) = if second & MASK == 0 {
            (None, rest)
        } else {
            let Some((&key, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (Some(key), rest)
        };
        let header = Self { fin, rsv: Rsv(first & RSV), opcode, mask, payload_len };
        // What is left is an end of `bytes`, so nothing wraps.
        Ok(Some((header, bytes.len().wrapping_sub(rest.len()))))
    }

    /// The opcode, the key and the payload's length if `bytes` begin with a whole message in one frame,
    /// masked or not and without reserved bits; and how many bytes its header takes.
    ///
    /// That is what nearly all bytes begin with. For all others the answer is `None`, and
    /// [`parse`](Self::parse) tells what they are.
    #[inline]
    pub(crate) fn parse_message(
        bytes: &[u8],
        is_masked: bool,
    ) -> Option<(Opcode, [u8; 4], u64, usize)> {
        let &[first, second, ref rest @ ..] = bytes else { return None };
        let opcode = match first {
            WHOLE_TEXT => Opcode::Text,
            WHOLE_BINARY => Opcode::Binary,
            _ => return None,
        };
        if (second & MASK != 0) != is_masked {
            return None;
        }
        let (payload_len, rest) = parse_len(second & LEN, rest).ok()??;
        let (key, rest) = if is_masked { rest.split_first_chunk()? } else { (&[0; 4], rest) };
        Some((opcode, *key, payload_len, bytes.len().wrapping_sub(rest.len())))
    }

    /// How many bytes the header takes on the wire: 2 to 14.
    #[inline]
    pub const fn encoded_len(&self) -> usize {
        let len: usize = match self.length() {
            Length::Short(_) => 2,
            Length::Bits16(_) => 4,
            Length::Bits64(_) => 10,
        };
        if self.mask.is_some() { len.saturating_add(4) } else { len }
    }

    /// The header of two bytes that a short frame has without a key: nearly all that a server sends.
    #[inline]
    pub(crate) const fn encode_short(&self) -> Option<[u8; 2]> {
        match (self.mask, self.length()) {
            (None, Length::Short(len)) => Some(self.start(len)),
            _ => None,
        }
    }

    #[inline]
    const fn length(&self) -> Length {
        match self.payload_len {
            len @ 0..=125 => Length::Short(len as u8),
            len @ 126..=0xFFFF => Length::Bits16(len as u16),
            len => Length::Bits64(len),
        }
    }

    /// The first two bytes, with `short` for the length.
    #[inline]
    const fn start(&self, short: u8) -> [u8; 2] {
        let fin = if self.fin { FIN } else { 0 };
        let mask = if self.mask.is_some() { MASK } else { 0 };
        [fin | self.rsv.0 | self.opcode.bits(), mask | short]
    }

    /// Appends the header to `buffer`: the same bytes as [`encode`](Self::encode), each part of them
    /// with a length that is known to the compiler.
    #[inline]
    pub(crate) fn append_to(&self, buffer: &mut Vec<u8>) {
        match self.length() {
            Length::Short(len) => buffer.extend_from_slice(&self.start(len)),
            Length::Bits16(len) => {
                let ([first, second], [high, low]) = (self.start(LEN_16), len.to_be_bytes());
                buffer.extend_from_slice(&[first, second, high, low]);
            }
            Length::Bits64(len) => {
                buffer.extend_from_slice(&self.start(LEN_64));
                buffer.extend_from_slice(&len.to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            buffer.extend_from_slice(&key);
        }
    }

    /// Writes the header to the front of `buffer` and returns the bytes written.
    ///
    /// The length takes its shortest form (§5.2). That a control frame is short and not fragmented is
    /// up to the caller; [`WebSocket`](crate::WebSocket) sees to it for its frames.
    ///
    /// ```
    /// use dormouse::wire::{FrameHeader, MAX_HEADER_LEN, Opcode, Rsv};
    ///
    /// let header = FrameHeader {
    ///     fin: true, rsv: Rsv::NONE, opcode: Opcode::Binary, mask: None, payload_len: 256,
    /// };
    /// assert_eq!(header.encode(&mut [0; MAX_HEADER_LEN]), [0x82, 0x7E, 0x01, 0x00]);
    /// ```
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "`len` is 2, 4 or 10, and the buffer has room for a key behind 10"
    )]
    pub fn encode<'b>(&self, buffer: &'b mut [u8; MAX_HEADER_LEN]) -> &'b [u8] {
        let (short, len) = match self.length() {
            Length::Short(len) => (len, 2),
            Length::Bits16(len) => {
                buffer[2..4].copy_from_slice(&len.to_be_bytes());
                (LEN_16, 4)
            }
            Length::Bits64(len) => {
                buffer[2..10].copy_from_slice(&len.to_be_bytes());
                (LEN_64, 10)
            }
        };
        buffer[..2].copy_from_slice(&self.start(short));
        match self.mask {
            Some(key) => {
                buffer[len..len + 4].copy_from_slice(&key);
                &buffer[..len + 4]
            }
            None => &buffer[..len],
        }
    }
}

/// A length in its shortest form (§5.2): in the second byte, or in 2 or 8 bytes behind it.
enum Length {
    Short(u8),
    Bits16(u16),
    Bits64(u64),
}

/// Reads the extended length that `short` announces, if it does, and returns what follows it.
#[inline]
fn parse_len(short: u8, bytes: &[u8]) -> Result<Option<(u64, &[u8])>, HeaderError> {
    // §5.2: "in all cases, the minimal number of bytes MUST be used to encode the length"
    match short {
        LEN_16 => {
            let Some((&len, rest)) = bytes.split_first_chunk() else { return Ok(None) };
            let len = u16::from_be_bytes(len);
            if len < u16::from(LEN_16) {
                return Err(HeaderError::NonMinimalLength);
            }
            Ok(Some((u64::from(len), rest)))
        }
        LEN_64 => {
            let Some((&len, rest)) = bytes.split_first_chunk() else { return Ok(None) };
            let len = u64::from_be_bytes(len);
            // §5.2: "the most significant bit MUST be 0"
            if len > i64::MAX as u64 {
                return Err(HeaderError::LengthOverflow);
            }
            if len <= u64::from(u16::MAX) {
                return Err(HeaderError::NonMinimalLength);
            }
            Ok(Some((len, rest)))
        }
        _ => Ok(Some((u64::from(short), bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! parses {
        ($($name:ident: $bytes:expr => $expected:expr;)*) => {$(
            #[test]
            fn $name() {
                let bytes: &[u8] = &$bytes;
                let expected: Result<Option<(FrameHeader, usize)>, HeaderError> = $expected;
                assert_eq!(FrameHeader::parse(bytes), expected);
                // More bytes never change a verdict, fewer never give another one.
                for cut in 0..bytes.len() {
                    let early = FrameHeader::parse(&bytes[..cut]);
                    assert!(early == Ok(None) || early == expected, "{cut} bytes: {early:?}");
                }
                let mut longer = bytes.to_vec();
                longer.extend([0xAA; 20]);
                if expected != Ok(None) {
                    assert_eq!(FrameHeader::parse(&longer), expected);
                }
            }
        )*};
    }

    fn header(opcode: Opcode, payload_len: u64) -> FrameHeader {
        FrameHeader { fin: true, rsv: Rsv::NONE, opcode, mask: None, payload_len }
    }

    parses! {
        s5_2_nothing: [] => Ok(None);
        s5_2_empty_text: [0x81, 0x00] => Ok(Some((header(Opcode::Text, 0), 2)));
        s5_2_125_bytes: [0x82, 125] => Ok(Some((header(Opcode::Binary, 125), 2)));
        s5_2_126_bytes: [0x82, 126, 0, 126] => Ok(Some((header(Opcode::Binary, 126), 4)));
        s5_2_65535_bytes: [0x82, 126, 0xFF, 0xFF] => Ok(Some((header(Opcode::Binary, 65535), 4)));
        s5_2_65536_bytes: [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0] =>
            Ok(Some((header(Opcode::Binary, 65536), 10)));
        s5_2_largest_length: [0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] =>
            Ok(Some((header(Opcode::Binary, (1 << 63) - 1), 10)));
        s5_2_masked: [0x82, 0x80, 1, 2, 3, 4] =>
            Ok(Some((FrameHeader { mask: Some([1, 2, 3, 4]), ..header(Opcode::Binary, 0) }, 6)));
        s5_2_masked_longest_header: [0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 9, 8, 7, 6] =>
            Ok(Some((FrameHeader { mask: Some([9, 8, 7, 6]), ..header(Opcode::Binary, 65536) }, 14)));
        s5_2_cut_in_the_key: [0x82, 0x80, 1, 2, 3] => Ok(None);
        s5_2_length_overflow: [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0] =>
            Err(HeaderError::LengthOverflow);
        s5_2_length_near_the_top: [0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xF8] =>
            Err(HeaderError::LengthOverflow);
        s5_2_5_in_16_bits: [0x82, 126, 0, 5] => Err(HeaderError::NonMinimalLength);
        s5_2_125_in_16_bits: [0x82, 126, 0, 125] => Err(HeaderError::NonMinimalLength);
        s5_2_5_in_64_bits: [0x82, 127, 0, 0, 0, 0, 0, 0, 0, 5] =>
            Err(HeaderError::NonMinimalLength);
        s5_2_65535_in_64_bits: [0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] =>
            Err(HeaderError::NonMinimalLength);
        s5_2_rsv_is_for_the_layer_above: [0xC1, 0x00] =>
            Ok(Some((FrameHeader { rsv: Rsv::RSV1, ..header(Opcode::Text, 0) }, 2)));
        s5_5_fragmented_ping: [0x09] => Err(HeaderError::FragmentedControl);
        s5_5_fragmented_close: [0x08] => Err(HeaderError::FragmentedControl);
        s5_5_ping_of_125: [0x89, 125] => Ok(Some((header(Opcode::Ping, 125), 2)));
        s5_5_ping_too_long: [0x89, 126] => Err(HeaderError::ControlTooLong);
        s5_5_pong_too_long: [0x8A, 0xFF] => Err(HeaderError::ControlTooLong);
        s5_5_close_too_long: [0x88, 126] => Err(HeaderError::ControlTooLong);
    }

    #[test]
    fn s5_2_unknown_opcodes() {
        for bits in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            let error = Err(HeaderError::UnknownOpcode(bits));
            assert_eq!(FrameHeader::parse(&[0x80 | bits]), error);
            assert_eq!(FrameHeader::parse(&[bits, 0x80, 1, 2, 3, 4]), error);
        }
    }

    #[test]
    fn s5_2_what_is_encoded_parses_back() {
        for opcode in [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close] {
            for mask in [None, Some([1, 2, 3, 4])] {
                for payload_len in [0, 1, 125, 126, 127, 65535, 65536, u64::from(u32::MAX)] {
                    if opcode.is_control() && payload_len > 125 {
                        continue;
                    }
                    let header = FrameHeader {
                        fin: opcode.is_control() || payload_len % 2 == 0,
                        rsv: Rsv::RSV1,
                        opcode,
                        mask,
                        payload_len,
                    };
                    let mut buffer = [0; MAX_HEADER_LEN];
                    let bytes = header.encode(&mut buffer);
                    assert_eq!(bytes.len(), header.encoded_len());
                    let mut appended = Vec::new();
                    header.append_to(&mut appended);
                    assert_eq!(appended, bytes);
                    assert_eq!(FrameHeader::parse(bytes), Ok(Some((header, bytes.len()))));
                }
            }
        }
    }
}
