//! Opcodes: what a frame is (RFC 6455 §5.2, §11.8).

/// What a frame carries: the low four bits of its first byte (§5.2).
///
/// The ten opcodes that are reserved for further frames have no value here, because a frame that
/// uses one fails the connection ([`HeaderError::UnknownOpcode`](super::HeaderError::UnknownOpcode)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message in progress (§5.4).
    Continuation = 0x0,
    /// A text message, or the first fragment of one (§5.6).
    Text = 0x1,
    /// A binary message, or the first fragment of one (§5.6).
    Binary = 0x2,
    /// The closing handshake (§5.5.1).
    Close = 0x8,
    /// A ping (§5.5.2).
    Ping = 0x9,
    /// A pong (§5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// The opcode with these four bits, or `None` if the value is reserved or above 15.
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// The four bits on the wire.
    #[inline]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// §5.5: "Control frames are identified by opcodes where the most significant bit of the opcode
    /// is 1."
    #[inline]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s5_2_six_opcodes_and_no_more() {
        let known: Vec<u8> = (0..=255).filter(|&bits| Opcode::from_bits(bits).is_some()).collect();
        assert_eq!(known, [0x0, 0x1, 0x2, 0x8, 0x9, 0xA]);
        for bits in known {
            let opcode = Opcode::from_bits(bits).unwrap();
            assert_eq!(opcode.bits(), bits);
            assert_eq!(opcode.is_control(), bits >= 8);
        }
    }
}
