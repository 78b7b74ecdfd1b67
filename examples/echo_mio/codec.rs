//! Compressed messages (RFC 7692): what the connections of a thread share.
//!
//! Nobody keeps a context between messages. So one inflater serves all connections, and one deflater
//! all those with the same window; a connection keeps nothing but the size of its window.

use std::collections::BTreeMap;
use std::num::NonZeroU8;

use dormouse::deflate::{Deflater, Inflater, Policy};
use dormouse::server::Upgrade;
use dormouse::{Event, Outbox, SendError, Server, WebSocket};

/// What each of the two rooms keeps between messages.
const KEPT: usize = 256 * 1024;

pub struct Codec {
    inflater: Inflater,
    inflated: Vec<u8>,
    /// By the bits of the window, of which there are seven; made when a client asks for the first time.
    deflaters: BTreeMap<NonZeroU8, Deflater>,
    deflated: Vec<u8>,
}

impl Codec {
    pub fn new() -> Option<Self> {
        let (inflater, inflated) = (Inflater::new(false), Vec::new());
        Some(Self { inflater, inflated, deflaters: BTreeMap::new(), deflated: Vec::new() })
    }

    /// What to answer, and the bits of the window to compress with, if the client offers something that
    /// can be met.
    pub fn accept(&self, upgrade: &Upgrade<'_, '_>) -> Option<(String, NonZeroU8)> {
        let agreed = Policy::default().accept(upgrade)?;
        Some((agreed.answer(), NonZeroU8::new(agreed.send_window_bits())?))
    }

    /// Sends a message back, compressed if that makes it smaller. One that does not inflate fails the
    /// connection.
    pub fn echo(
        &mut self,
        event: Event<'_>,
        window_bits: NonZeroU8,
        ws: &mut WebSocket<Server>,
        out: &mut Outbox,
    ) -> Result<(), SendError> {
        let new_deflater = || Deflater::new(false, window_bits.get());
        let deflater = self.deflaters.entry(window_bits).or_insert_with(new_deflater);
        let sent = match self.inflater.inflate(event, &mut self.inflated) {
            Ok(Event::Text(text)) => deflater.text(ws, &text, &mut self.deflated, out),
            Ok(Event::Binary(bytes)) => deflater.binary(ws, &bytes, &mut self.deflated, out),
            // `Compressed` has become one of the others.
            Ok(Event::Compressed(_) | Event::Ping(_) | Event::Pong(_) | Event::Close(_)) => Ok(()),
            Err(error) => {
                ws.fail(error.close_code(), out);
                Ok(())
            }
        };
        self.tidy();
        sent
    }

    /// Gives back what only a large message needs.
    fn tidy(&mut self) {
        for room in [&mut self.inflated, &mut self.deflated] {
            room.truncate(KEPT);
            room.shrink_to(KEPT);
        }
    }
}
