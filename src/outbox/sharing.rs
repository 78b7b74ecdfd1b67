//! A connection's turn with the outbox of its thread.

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::Outbox;

/// Where a connection sends during its turn: see [`Outbox::sharing`].
///
/// It stands for the outbox in which the next byte belongs, and for all that waits of this
/// connection. When it is dropped, what is not written waits in the connection's own outbox, and the
/// thread's is empty: nothing is lost, and nothing reaches another connection, however the turn ends.
pub struct Sharing<'o> {
    own: &'o mut Outbox,
    /// Empty as long as anything waits in `own`.
    threads: &'o mut Outbox,
}

impl<'o> Sharing<'o> {
    #[inline]
    pub(super) fn new(own: &'o mut Outbox, threads: &'o mut Outbox) -> Self {
        threads.clear();
        threads.limit = own.limit;
        Self { own, threads }
    }
}

impl Deref for Sharing<'_> {
    type Target = Outbox;

    #[inline]
    fn deref(&self) -> &Outbox {
        if self.own.is_empty() { self.threads } else { self.own }
    }
}

impl DerefMut for Sharing<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Outbox {
        if self.own.is_empty() { self.threads } else { self.own }
    }
}

impl Drop for Sharing<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.own.take_all(self.threads);
        }
    }
}

impl fmt::Debug for Sharing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
