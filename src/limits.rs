//! What one connection may cost.
//!
//! Every limit is a number of bytes that a peer cannot exceed, whatever it sends. Memory grows with
//! the bytes that have arrived, never with a length that was only declared (RFC 6455 §10.4).

/// The bounds of one connection, in bytes.
///
/// ```
/// use dormouse::Limits;
///
/// let limits = Limits { message: 64 * 1024, ..Limits::default() };
/// assert_eq!(limits.head, 8 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message to receive, over all its fragments. A larger one fails the connection
    /// with [`Violation::MessageTooBig`](crate::Violation::MessageTooBig), from the header that
    /// declares it. Default: 1 MiB.
    ///
    /// A compressed message counts by what it inflates to, which shows while it is inflated; its
    /// frames may have an eighth and 64 bytes more than that.
    pub message: u32,
    /// The most bytes that may wait in an [`Outbox`](crate::Outbox) before sending answers
    /// [`SendError::Full`](crate::SendError::Full). Default: 2 MiB.
    ///
    /// So it bounds the largest message that can be sent, too, and the HTTP answer. Whoever answers
    /// every message with one as large needs room for the largest one and for what else a single read
    /// can bring.
    pub outbox: u32,
    /// The largest HTTP head, request or response, to collect. Default: 8 KiB.
    pub head: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 1024 * 1024, outbox: 2 * 1024 * 1024, head: 8 * 1024 }
    }
}

/// The capacity of a buffer that has to hold `needed` bytes and has no room: twice what it was, so that
/// single bytes cost linear time, but not above `most` unless `needed` is.
///
/// It begins with 16: no allocator hands out fewer, and the first few bytes would each be a move.
pub(crate) fn larger_capacity(capacity: usize, needed: usize, most: usize) -> usize {
    capacity.saturating_mul(2).max(16).min(most).max(needed)
}
