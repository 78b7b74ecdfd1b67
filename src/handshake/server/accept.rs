//! The answer that makes the connection a WebSocket.
//!
//! RFC 6455 §4.2.2. Layer 4: writes exactly what was decided, or nothing.

use core::fmt;

use super::protocols::Protocols;
use crate::handshake::AcceptKey;
use crate::handshake::draft::{self, Draft, Head, Names, check_fields};
use crate::http::{Extension, FieldError, Fields, grammar};
use crate::outbox::{Outbox, SendError};

/// §4.2.2: what every answer begins with, up to the value that differs.
const SWITCHING_PROTOCOLS: &[u8; 97] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";

/// The fields that may follow, each with the end of the line before it.
const PROTOCOL: &[u8] = b"\r\nSec-WebSocket-Protocol: ";
const EXTENSIONS: &[u8] = b"\r\nSec-WebSocket-Extensions: ";

/// The 101 answer, ready to be completed and written. Made by
/// [`Upgrade::accept`](super::Upgrade::accept).
///
/// [`write`](Self::write) puts it into an [`Outbox`]; [`fields`](Self::fields) is for an embedder
/// whose HTTP server writes the response.
#[derive(Clone, Copy)]
#[must_use = "an answer does nothing until it is written"]
pub struct Accept<'a> {
    offered_protocols: Protocols<'a, 'a>,
    offered_extensions: Fields<'a, 'a>,
    key: AcceptKey,
    protocol: Option<&'a str>,
    extensions: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
}

/// Why the answer was not written: it would not have been valid. Nothing has been queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// §4.2.2: the subprotocol is not one that the client offered.
    #[error("the client did not offer this subprotocol")]
    ProtocolNotOffered,
    /// §9.1: the extensions do not follow the grammar.
    #[error("the extensions are malformed")]
    MalformedExtensions,
    /// §4.2.2: an extension is not one that the client offered.
    #[error("the client did not offer this extension")]
    ExtensionNotOffered,
    /// A field of the caller's cannot be written.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The outbox took nothing.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl<'a> Accept<'a> {
    #[inline]
    pub(super) fn new(
        offered_protocols: Protocols<'a, 'a>,
        offered_extensions: Fields<'a, 'a>,
        key: AcceptKey,
    ) -> Self {
        let (protocol, extensions) = (None, None);
        Self { offered_protocols, offered_extensions, key, protocol, extensions, headers: &[] }
    }

    /// The subprotocol that both will speak; `None` to agree on none.
    #[inline]
    pub fn protocol(self, protocol: Option<&'a str>) -> Self {
        Self { protocol, ..self }
    }

    /// The extensions that both will use, as the value of `Sec-WebSocket-Extensions`; `None` to
    /// agree on none.
    ///
    /// The feature `deflate` brings permessage-deflate. [`WebSocket`](crate::WebSocket) speaks no other
    /// one that uses the reserved bits of a frame; whoever agrees on one reads and writes such frames
    /// without it.
    #[inline]
    pub fn extensions(self, extensions: Option<&'a str>) -> Self {
        Self { extensions, ..self }
    }

    /// Further fields, such as `Set-Cookie`, as names and values.
    #[inline]
    pub fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }

    /// The status of the answer: 101.
    pub const STATUS: u16 = 101;

    /// Every field of the answer, for an HTTP server that writes the response itself, with status
    /// [`STATUS`](Self::STATUS).
    ///
    /// # Errors
    ///
    /// [`AcceptError`], but never [`AcceptError::Send`]: what was set is not valid.
    pub fn fields(&self) -> Result<impl Iterator<Item = (&str, &str)> + Clone, AcceptError> {
        self.check()?;
        let own = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", self.key.as_str()),
        ];
        let protocol = self.protocol.map(|protocol| ("Sec-WebSocket-Protocol", protocol));
        let extensions = self.extensions.map(|value| ("Sec-WebSocket-Extensions", value));
        Ok(own.into_iter().chain(protocol).chain(extensions).chain(self.headers.iter().copied()))
    }

    /// Queues the answer in `out`. From here on the connection speaks WebSocket.
    ///
    /// Needs no heap beyond that of `out`.
    ///
    /// # Errors
    ///
    /// [`AcceptError`]: what was set is not valid, or `out` has no room. Nothing is queued then.
    #[inline]
    pub fn write(&self, out: &mut Outbox) -> Result<(), AcceptError> {
        self.check()?;
        Ok(draft::write(self, out)?)
    }

    fn check(&self) -> Result<(), AcceptError> {
        if let Some(protocol) = self.protocol {
            // §4.2.2: "The value chosen MUST be derived from the client's handshake, specifically by
            // selecting one of the values from the |Sec-WebSocket-Protocol| field"
            if !self.offered_protocols.contains(protocol.as_bytes()) {
                return Err(AcceptError::ProtocolNotOffered);
            }
        }
        if let Some(extensions) = self.extensions {
            self.check_extensions(extensions.as_bytes())?;
        }
        Ok(check_fields(self.headers, &[])?)
    }

    // §4.2.2: "Extensions not listed by the client MUST NOT be listed."
    fn check_extensions(&self, value: &[u8]) -> Result<(), AcceptError> {
        let accepted = grammar::Elements::of(value).map(Extension::parse);
        Extension::check_list(accepted.clone()).map_err(|_| AcceptError::MalformedExtensions)?;
        for extension in accepted.flatten() {
            if !extension.is_among(self.offered_extensions.extensions()) {
                return Err(AcceptError::ExtensionNotOffered);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept")
            .field("protocol", &self.protocol)
            .field("extensions", &self.extensions)
            .field("headers", &Names(self.headers))
            .finish_non_exhaustive()
    }
}

impl Head for Accept<'_> {
    #[inline]
    fn push_to(&self, draft: &mut impl Draft) {
        // Each part begins by ending the line before it, so that one that is absent leaves nothing.
        draft.push(SWITCHING_PROTOCOLS);
        draft.push(self.key.as_bytes());
        if let Some(protocol) = self.protocol {
            draft.push(PROTOCOL);
            draft.push(protocol.as_bytes());
        }
        if let Some(extensions) = self.extensions {
            draft.push(EXTENSIONS);
            draft.push(extensions.as_bytes());
        }
        draft.push(b"\r\n");
        for (name, value) in self.headers {
            draft.field(name, value);
        }
        draft.push(b"\r\n");
    }
}
