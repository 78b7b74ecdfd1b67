//! The two sides of a connection.
//!
//! Layer 1: says who masks, and nothing else. A role is a type, so that the other side's rules are
//! not even compiled in.

use core::fmt;

/// A side of the connection: [`Server`] or [`Client`]. No other type can implement it.
pub trait Role: private::Sealed {
    /// §5.1: whether what the *peer* sends must be masked (`true` for a server).
    const PEER_MASKS: bool;

    /// A key for the next frame, if this side masks.
    #[doc(hidden)]
    fn mask_key(&self) -> Option<[u8; 4]>;
}

/// The side that accepts connections. It takes only masked frames and sends unmasked ones. No bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Server;

/// The side that opens connections. It masks every frame and takes only unmasked ones. 8 bytes.
#[derive(Clone, Copy)]
pub struct Client {
    new_key: fn() -> [u8; 4],
}

impl Client {
    /// A client that asks `new_key` for the masking key of every frame.
    ///
    /// §5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be derived from
    /// a strong source of entropy".
    pub(crate) const fn new(new_key: fn() -> [u8; 4]) -> Self {
        Self { new_key }
    }
}

impl Role for Server {
    const PEER_MASKS: bool = true;

    #[inline]
    fn mask_key(&self) -> Option<[u8; 4]> {
        None
    }
}

impl Role for Client {
    const PEER_MASKS: bool = false;

    #[inline]
    fn mask_key(&self) -> Option<[u8; 4]> {
        Some((self.new_key)())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Server {}
    impl Sealed for super::Client {}
}
