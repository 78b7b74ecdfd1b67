//! Bytes on their way out: what was sent but not yet written (RFC 6455 §6.1).
//!
//! An [`Outbox`] holds frames, and the HTTP answers that come before them, until the socket takes
//! them. It is 16 bytes while empty. Frames are queued whole or not at all, so nothing ever lands
//! inside another frame, however short the writes are.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod` | `Outbox`: limits, memory given back, writing to a socket |
//! | `queue` | the queue on the heap: own bytes, shared frames and a few pongs |
//! | `queue/slices` | what waits, for a vectored write |
//! | `direct` | a frame that is written without waiting |
//! | `sharing` | `Sharing`: a connection's turn with the outbox of its thread |
//! | `prepared` | `Prepared`: a frame encoded once for many connections |
//!
//! Layer 3: knows frames and bytes; whether a frame may be sent now is for `WebSocket`.

#[cfg(feature = "std")]
mod direct;
mod prepared;
mod queue;
mod sharing;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
#[cfg(feature = "std")]
use std::io::{self, IoSlice};

#[cfg(feature = "std")]
pub use direct::WriteError;
pub use prepared::Prepared;
use queue::Queue;
pub use queue::Slices;
pub use sharing::Sharing;

use crate::limits::Limits;
use crate::wire::FrameHeader;

/// How many slices one vectored write gets.
#[cfg(feature = "std")]
const SLICES_PER_WRITE: usize = 64;

/// Bytes waiting to be written. 16 bytes, and nothing on the heap while it is empty.
///
/// One type for two places:
///
/// - **per connection** ([`new`](Self::new)): gives its memory back whenever it has been drained;
/// - **per thread** ([`keeping`](Self::keeping)): keeps its memory for the next wake-up. Connections
///   send into it, it is written at once, and only if the socket takes less than all, the rest moves
///   to the connection's own outbox. So a connection whose socket takes all never owns a write
///   buffer.
///
/// With both, a connection sends into what [`sharing`](Self::sharing) gives for its turn.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use dormouse::{Limits, Outbox};
/// # use std::io::{self, Write};
/// # struct Socket(usize);
/// # impl Write for Socket {
/// #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
/// #         if self.0 == 0 { return Err(io::ErrorKind::WouldBlock.into()); }
/// #         let n = bytes.len().min(self.0); self.0 -= n; Ok(n)
/// #     }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
/// # let mut socket = Socket(4);
///
/// let limits = Limits::default();
/// let mut shared = Outbox::keeping(&limits, 64 * 1024); // of the thread
/// let mut own = Outbox::new(&limits); // of the connection
///
/// let mut out = own.sharing(&mut shared);
/// out.push(b"0123456789")?;
/// out.write_to(&mut socket)?; // takes four bytes, then would block
/// drop(out);
///
/// assert!(shared.is_empty());
/// assert_eq!(own.slices().collect::<Vec<_>>(), [b"456789"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It never holds more than its limit ([`Limits::outbox`]), but for 17 pongs and one Close, of at most
/// 131 bytes each: replies never fail. Its heap is at most twice as large, and while a buffer grows the
/// old and the new one are there.
pub struct Outbox {
    queue: Option<Box<Queue>>,
    limit: u32,
    keep: u32,
}

const _: () = assert!(size_of::<Outbox>() <= 16);

/// Why something was not sent: the caller's fault, or back-pressure. Nothing has been queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The outbox has no room now. Write first, and stop reading from a peer that does not read.
    #[error("outbox is full")]
    Full,
    /// A frame or a head is larger than [`Limits::outbox`]: it can never be queued.
    #[error("larger than the outbox may ever hold (`Limits::outbox`)")]
    TooBig,
    /// §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
    #[error("a Close frame has been sent")]
    Closed,
    /// §5.4: a message is being sent in fragments, and no other may begin before its last one.
    #[error("a fragmented message is being sent")]
    MessageInProgress,
    /// §5.4: there is no message in fragments to finish.
    #[error("no fragmented message is being sent")]
    NoMessageInProgress,
    /// §5.2: the message is compressed, and the connection has not negotiated that.
    #[error("permessage-deflate was not negotiated")]
    NotNegotiated,
    /// §5.5: a ping or pong with a payload above 125 bytes.
    #[error("control payload above 125 bytes")]
    ControlTooLong,
}

impl Outbox {
    /// An outbox for one connection: drained, it costs these 16 bytes and no heap.
    pub const fn new(limits: &Limits) -> Self {
        Self::keeping(limits, 0)
    }

    /// An outbox for one thread, which keeps up to `keep` bytes for own frames, and as much for the
    /// list of shared ones, when it is drained.
    pub const fn keeping(limits: &Limits, keep: u32) -> Self {
        Self { queue: None, limit: limits.outbox, keep }
    }

    /// Whether there is nothing to write. After a write that left something, arm write interest.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.is_empty())
    }

    /// How many bytes wait to be written.
    pub fn len(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// Queues bytes that are not a frame: an HTTP answer, or a page.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] or [`SendError::TooBig`]; then nothing is queued.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.push_all(&[bytes])
    }

    /// Queues several slices one behind the other, all or nothing.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] or [`SendError::TooBig`]; then nothing is queued.
    pub fn push_all(&mut self, parts: &[&[u8]]) -> Result<(), SendError> {
        let len = parts.iter().fold(0, |len: usize, part| len.saturating_add(part.len()));
        if len > 0 {
            let own = self.own_with_room(len)?;
            parts.iter().for_each(|part| own.extend_from_slice(part));
        }
        Ok(())
    }

    /// What a connection sends into during its turn: `shared`, the outbox of its thread, unless
    /// something waits here. All at once is here again when the turn ends, but for what was written.
    ///
    /// Hold it for the whole turn, from the first frame that is sent to the last byte that is
    /// written; then ask this outbox whether anything [waits](Self::is_empty). Its limit is the limit
    /// of this outbox. `shared` is this connection's meanwhile: what was in it before is dropped,
    /// because it is not known whose it was.
    #[inline]
    pub fn sharing<'o>(&'o mut self, shared: &'o mut Self) -> Sharing<'o> {
        Sharing::new(self, shared)
    }

    /// Moves everything that waits in `other` behind what waits here. `other` is empty afterwards.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if that passes the limit. Nothing is moved then. An empty outbox takes all
    /// of one whose limit is no larger. The pongs of both wait then: only [`sharing`](Self::sharing)
    /// keeps their number.
    pub fn append(&mut self, other: &mut Self) -> Result<(), SendError> {
        let len = other.queue.as_ref().map_or(0, |theirs| theirs.len_without_pong());
        // Nothing always fits, also behind replies that go beyond the limit.
        if len > 0 && (!self.is_empty() || other.limit > self.limit) {
            self.check_room(len).map_err(|_| SendError::Full)?;
        }
        self.take_all(other);
        Ok(())
    }

    /// Moves everything that waits in `other`, whatever the limit.
    fn take_all(&mut self, other: &mut Self) {
        let Some(theirs) = other.queue.as_mut().filter(|theirs| !theirs.is_empty()) else { return };
        if self.is_empty() && other.keep == 0 {
            self.queue = other.queue.take();
            return;
        }
        // A connection that stalls costs no more than it must. A queue that keeps its buffers has them.
        match theirs.to_one().filter(|_| self.is_empty() && self.keep == 0) {
            Some(one) => self.queue = Some(Box::new(one)),
            None => {
                let queue = self.queue.get_or_insert_default().mixed();
                queue.append(theirs.mixed(), self.limit as usize);
            }
        }
        other.release();
    }

    /// The waiting bytes in order, for a vectored write of the embedder's own.
    ///
    /// Bytes that have been shown stay the first ones until [`advance`](Self::advance) forgets them,
    /// whatever is sent meanwhile: a write that was begun may end later, as io_uring and TLS do. Of a
    /// ping flood, the pong that a newer one may replace, and what is behind it, show when all in front
    /// of it is written.
    pub fn slices(&self) -> Slices<'_> {
        Slices::new(self.queue.as_deref())
    }

    /// Forgets the first `written` bytes, which a socket has taken. More than all means all.
    #[inline]
    pub fn advance(&mut self, written: usize) {
        if let Some(queue) = &mut self.queue {
            queue.advance(written);
            if queue.is_empty() {
                self.release();
            } else if self.keep == 0 {
                queue.give_back();
            }
        }
    }

    /// Forgets everything that waits.
    pub fn clear(&mut self) {
        self.release();
    }

    /// Writes until nothing waits or `sink` would block, and returns the bytes written. Needs `std`.
    ///
    /// Afterwards [`is_empty`](Self::is_empty) tells whether to wait for the socket to become
    /// writable. Shared frames are not copied: they go out by `write_vectored`.
    ///
    /// # Errors
    ///
    /// What `sink` reports, but for `WouldBlock` (not an error here) and `Interrupted` (tried
    /// again); [`io::ErrorKind::WriteZero`] if it takes nothing.
    #[cfg(feature = "std")]
    #[inline]
    pub fn write_to(&mut self, sink: &mut (impl io::Write + ?Sized)) -> io::Result<usize> {
        let Some(queue) = &self.queue else { return Ok(0) };
        let len = queue.as_one_slice().map(<[u8]>::len);
        // Inline is what nearly every write is: one slice, and all of it is taken.
        match self.write_once(sink) {
            Some(Ok(written)) if Some(written) == len => {
                self.release();
                Ok(written)
            }
            result => self.write_on(result, sink),
        }
    }

    /// Goes on after a first write, until nothing waits or `sink` would block.
    #[cfg(feature = "std")]
    #[inline(never)]
    fn write_on(
        &mut self,
        first: Option<io::Result<usize>>,
        sink: &mut (impl io::Write + ?Sized),
    ) -> io::Result<usize> {
        let (mut next, mut total) = (first, 0usize);
        while let Some(result) = next {
            let Some(written) = taken(result)? else { break };
            total = total.saturating_add(written);
            self.advance(written);
            next = self.write_once(sink);
        }
        Ok(total)
    }

    /// One write of what waits; none if nothing does.
    #[cfg(feature = "std")]
    #[inline]
    fn write_once(&self, sink: &mut (impl io::Write + ?Sized)) -> Option<io::Result<usize>> {
        match self.queue.as_ref()?.as_one_slice() {
            Some([]) => None,
            Some(bytes) => Some(sink.write(bytes)),
            None => Some(write_vectored(self.slices(), sink)),
        }
    }

    /// Queues one frame, with its payload masked if the header says so.
    #[inline]
    pub(crate) fn push_frame(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), SendError> {
        // Inline is what nearly every message of a server takes, and no more.
        if let (Some(bytes), Some(queue)) = (header.encode_short(), &mut self.queue) {
            let len = bytes.len().saturating_add(payload.len());
            if let Some(own) = queue.own_if_room(len, self.limit as usize) {
                own.extend_from_slice(&bytes);
                own.extend_from_slice(payload);
                return Ok(());
            }
        }
        self.push_any_frame(header, payload)
    }

    #[inline(never)]
    fn push_any_frame(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), SendError> {
        let len = header.encoded_len().saturating_add(payload.len());
        queue::push_frame(self.own_with_room(len)?, header, payload);
        Ok(())
    }

    /// Queues one frame that is shared with other connections.
    #[inline]
    pub(crate) fn push_prepared(&mut self, frame: &Prepared) -> Result<(), SendError> {
        let limit = self.limit as usize;
        self.queue_with_room(frame.as_bytes().len())?.mixed().push_prepared(frame, limit);
        Ok(())
    }

    /// Queues a Close frame, which has a place whatever else waits.
    pub(crate) fn push_close(&mut self, header: FrameHeader, payload: &[u8]) {
        self.queue.get_or_insert_default().mixed().push_frame(header, payload, self.limit as usize);
    }

    /// Queues a pong; after a few that wait, in the place of the last one.
    pub(crate) fn push_pong(&mut self, header: FrameHeader, payload: &[u8]) {
        self.queue.get_or_insert_default().mixed().push_pong(header, payload, self.limit as usize);
    }

    /// Where to put `len` more bytes, all of them: whole frames, or none.
    #[inline]
    pub(crate) fn own_with_room(&mut self, len: usize) -> Result<&mut Vec<u8>, SendError> {
        let limit = self.limit as usize;
        Ok(self.queue_with_room(len)?.mixed().own_with_room(len, limit))
    }

    /// The queue, if it may take `len` more bytes.
    #[inline]
    fn queue_with_room(&mut self, len: usize) -> Result<&mut Queue, SendError> {
        self.check_room(len)?;
        Ok(self.queue.get_or_insert_default())
    }

    /// Whether `len` more bytes stay within the limit.
    #[inline]
    fn check_room(&self, len: usize) -> Result<(), SendError> {
        let limit = self.limit as usize;
        let waiting = self.queue.as_ref().map_or(0, |queue| queue.len_without_pong());
        if waiting.saturating_add(len) <= limit {
            Ok(())
        } else {
            Err(if len > limit { SendError::TooBig } else { SendError::Full })
        }
    }

    /// Empties the queue and gives memory back, down to what is to be kept.
    #[inline]
    fn release(&mut self) {
        let keeps = self.keep > 0;
        if self.queue.as_mut().is_some_and(|queue| !(keeps && queue.clear_kept())) {
            self.release_all();
        }
    }

    #[inline(never)]
    fn release_all(&mut self) {
        match &mut self.queue {
            Some(queue) if self.keep > 0 => queue.clear(self.keep as usize),
            queue => *queue = None,
        }
    }
}

/// How many bytes a write has taken, none of them if it was interrupted; `None` if it would block.
#[cfg(feature = "std")]
#[inline]
fn taken(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Ok(written) => Ok(Some(written)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Some(0)),
        Err(error) => Err(error),
    }
}

/// One vectored write of the first slices.
#[cfg(feature = "std")]
#[inline(never)]
fn write_vectored(slices: Slices<'_>, sink: &mut (impl io::Write + ?Sized)) -> io::Result<usize> {
    let mut buffers = [IoSlice::new(&[]); SLICES_PER_WRITE];
    let mut count = 0usize;
    for (buffer, slice) in buffers.iter_mut().zip(slices) {
        *buffer = IoSlice::new(slice);
        count = count.saturating_add(1);
    }
    sink.write_vectored(buffers.get(..count).unwrap_or_default())
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("len", &self.len()).field("limit", &self.limit).finish()
    }
}
