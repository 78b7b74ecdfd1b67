//! Compressed messages (RFC 7692) on the one connection of a client.
//!
//! One connection can afford that both sides keep their context from message to message. The server may
//! decide otherwise.

use dormouse::client::Accepted;
use dormouse::deflate::{Deflater, Inflater, Policy};
use dormouse::{Client, CloseCode, Event, Outbox, SendError, WebSocket};

/// What inflates and compresses messages, if the server has agreed to that.
pub struct Codec {
    inflater: Inflater,
    inflated: Vec<u8>,
    deflater: Deflater,
    deflated: Vec<u8>,
}

/// What to ask for in the handshake.
pub fn offer() -> Option<String> {
    Some(policy().offer())
}

fn policy() -> Policy {
    Policy { send_takeover: true, receive_takeover: true, ..Policy::default() }
}

impl Codec {
    /// What the answer to the [offer] comes to: `None` if the server does not compress.
    ///
    /// # Errors
    ///
    /// In one line, that the answer does not fit.
    pub fn confirm(accepted: &Accepted<'_, '_>) -> Result<Option<Self>, String> {
        let agreed = policy().confirm(accepted).map_err(|error| error.to_string())?;
        Ok(agreed.map(|agreed| Self {
            inflater: agreed.inflater(),
            inflated: Vec::new(),
            deflater: agreed.deflater(),
            deflated: Vec::new(),
        }))
    }

    /// The event, with its message inflated if it was compressed.
    ///
    /// # Errors
    ///
    /// With which code to fail the connection, and why.
    pub fn inflate<'a>(&'a mut self, event: Event<'a>) -> Result<Event<'a>, (CloseCode, String)> {
        let inflated = self.inflater.inflate(event, &mut self.inflated);
        inflated.map_err(|error| (error.close_code(), error.to_string()))
    }

    /// Sends a message, compressed if that makes it smaller.
    pub fn text(
        &mut self,
        text: &str,
        ws: &mut WebSocket<Client>,
        out: &mut Outbox,
    ) -> Result<(), SendError> {
        self.deflater.text(ws, text, &mut self.deflated, out)
    }
}
