//! Compressed notices, for clients that take them: `--deflate` (RFC 7692).
//!
//! No context is kept between messages, so a connection that has agreed costs what any other costs, and
//! a notice is compressed once for all who watch a mailbox. What clients send is not looked at, so
//! nothing is ever inflated.

use std::cell::OnceCell;

#[cfg(feature = "deflate")]
use dormouse::deflate::{Deflater, Policy};
use dormouse::server::Upgrade;
use dormouse::{Outbox, Prepared, SendError, Server, WebSocket};

/// Whether this program can compress: whether it is built with the feature `deflate`.
pub const IS_BUILT_IN: bool = cfg!(feature = "deflate");

/// A window of 4 KiB: nearly every notice is smaller than that. Those few clients that ask for less
/// do without.
#[cfg(feature = "deflate")]
const WINDOW_BITS: u8 = 12;

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

/// What to answer to the client's offers, if this program can meet one of them.
#[cfg(feature = "deflate")]
pub fn agree(upgrade: &Upgrade<'_, '_>) -> Option<String> {
    let policy = Policy { send_window_bits: WINDOW_BITS, ..Policy::default() };
    let agreed = policy.accept(upgrade)?;
    (agreed.send_window_bits() == WINDOW_BITS).then(|| agreed.answer())
}

/// What to answer to the client's offers: this program can meet none.
#[cfg(not(feature = "deflate"))]
pub fn agree(_: &Upgrade<'_, '_>) -> Option<String> {
    None
}

/// The compressor of a shard, for all its connections. Without the feature there is nothing in it.
#[derive(Default)]
pub struct Compressor {
    /// Made for the first connection that has agreed.
    #[cfg(feature = "deflate")]
    deflater: Option<Deflater>,
    #[cfg(feature = "deflate")]
    room: Vec<u8>,
}

impl Compressor {
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
        #[cfg(feature = "deflate")]
        if ws.allows_compressed() {
            let deflater = self.deflater.get_or_insert_with(new_deflater);
            return deflater.text(ws, text, &mut self.room, out);
        }
        ws.text(text, out)
    }

    fn prepare(&mut self, text: &str) -> Prepared {
        #[cfg(feature = "deflate")]
        return self.deflater.get_or_insert_with(new_deflater).prepare_text(text, &mut self.room);
        #[cfg(not(feature = "deflate"))]
        Prepared::text(text)
    }
}

#[cfg(feature = "deflate")]
fn new_deflater() -> Deflater {
    Deflater::new(false, WINDOW_BITS)
}
