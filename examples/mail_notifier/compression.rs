//! Compressed notices, for clients that take them: `--deflate` (RFC 7692).
//!
//! No context is kept between messages, so a connection that has agreed costs what any other costs, and
//! a notice is compressed once for all who watch a mailbox. What clients send is not looked at, so
//! nothing is ever inflated.

use std::cell::OnceCell;

use dormouse::server::Upgrade;
use dormouse::{Outbox, Prepared, SendError, Server, WebSocket};

/// Whether this program can compress: whether it is built with the feature `deflate`.
pub const IS_BUILT_IN: bool = cfg!(feature = "deflate");

/// A message for everybody who watches a mailbox, in the forms in which they take it.
pub struct Notice {
    text: String,
    plain: OnceCell<Prepared>,
    compressed: OnceCell<Prepared>,
}

impl Notice {
    /// A notice that nobody has been sent yet.
    pub fn new(text: String) -> Self {
        Self { text, plain: OnceCell::new(), compressed: OnceCell::new() }
    }

    /// The form for this connection, made when the first one needs it.
    pub fn for_connection(&self, ws: &WebSocket<Server>, compressor: &mut Compressor) -> &Prepared {
        if ws.allows_compressed() {
            self.compressed.get_or_init(|| compressor.prepare(&self.text))
        } else {
            self.plain.get_or_init(|| Prepared::text(&self.text))
        }
    }
}

pub use codec::{Compressor, agree};

#[cfg(feature = "deflate")]
mod codec {
    use super::*;
    use dormouse::deflate::{Deflater, Policy};

    /// A window of 4 KiB: nearly every notice is smaller than that. Those few clients that ask for less
    /// do without.
    const WINDOW_BITS: u8 = 12;

    /// What to answer to the client's offers, if one of them can be met.
    pub fn agree(upgrade: &Upgrade<'_, '_>) -> Option<String> {
        let policy = Policy { send_window_bits: WINDOW_BITS, ..Policy::default() };
        let agreed = policy.accept(upgrade)?;
        (agreed.send_window_bits() == WINDOW_BITS).then(|| agreed.answer())
    }

    /// The compressor of a shard.
    pub struct Compressor {
        deflater: Deflater,
        room: Vec<u8>,
    }

    impl Compressor {
        /// One for all connections of a shard.
        pub fn new() -> Self {
            Self { deflater: Deflater::new(false, WINDOW_BITS), room: Vec::new() }
        }

        /// Sends a text, compressed if the connection has agreed to that.
        ///
        /// # Errors
        /// As [`WebSocket::text`].
        pub fn text(
            &mut self,
            ws: &mut WebSocket<Server>,
            text: &str,
            out: &mut Outbox,
        ) -> Result<(), SendError> {
            if ws.allows_compressed() {
                self.deflater.text(ws, text, &mut self.room, out)
            } else {
                ws.text(text, out)
            }
        }

        pub(super) fn prepare(&mut self, text: &str) -> Prepared {
            self.deflater.prepare_text(text, &mut self.room)
        }
    }
}

#[cfg(not(feature = "deflate"))]
mod codec {
    use super::*;

    /// No offer can be met.
    pub fn agree(_: &Upgrade<'_, '_>) -> Option<String> {
        None
    }

    /// Compresses nothing.
    pub struct Compressor;

    impl Compressor {
        /// The form that this program has.
        pub fn new() -> Self {
            Self
        }

        /// Sends a text.
        ///
        /// # Errors
        /// As [`WebSocket::text`].
        pub fn text(
            &mut self,
            ws: &mut WebSocket<Server>,
            text: &str,
            out: &mut Outbox,
        ) -> Result<(), SendError> {
            ws.text(text, out)
        }

        pub(super) fn prepare(&mut self, text: &str) -> Prepared {
            Prepared::text(text)
        }
    }
}
