//! The bytes of RFC 6455 as values: pure functions on slices.
//!
//! §5.2 to §5.5, §7.4. Layer 1: no state, no policy and no role. Whether a frame may come now, from
//! this side, is for the layers above; here a rule is checked only if the bytes alone decide it.
//!
//! | file | what it holds |
//! |---|---|
//! | `opcode` | the six opcodes of §5.2 |
//! | `header` | frame headers of 2 to 14 bytes |
//! | `mask` | masking in place, from any phase of the key |
//! | `close` | close codes and the body of a Close frame |

pub(crate) mod close;
mod header;
pub mod mask;
mod opcode;

pub use header::{FrameHeader, HeaderError, MAX_CONTROL_PAYLOAD, MAX_HEADER_LEN, Rsv};
pub use opcode::Opcode;
