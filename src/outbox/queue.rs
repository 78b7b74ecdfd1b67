//! The queue behind an `Outbox`, on the heap only while something waits.
//!
//! Frames of a connection's own stand back to back in one buffer. What is not in that buffer - shared
//! frames, and the last pong of many - is noted with the place in it where it belongs. That pong has a
//! buffer of its own, so that a newer one can take its place: a peer that pings and never reads makes
//! nothing grow (§5.5.3). What has been shown to a socket stays as it is, so that pong and what is
//! behind it are shown only when all in front of it is written, and then it is not replaced any more.

mod slices;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;

pub use slices::Slices;

use super::prepared::Prepared;
use crate::limits::larger_capacity;
use crate::wire::{FrameHeader, MAX_CONTROL_PAYLOAD, MAX_HEADER_LEN, mask};

/// A buffer is not worth shrinking for fewer bytes than this.
const MIN_GIVEN_BACK: usize = 1024;

/// A shared frame below this many bytes is copied: that costs less than its handle does, in time and
/// in memory, and it goes out in one slice with its neighbours.
const MIN_SHARED: usize = 128;

/// How many pings are each answered before anything of it is written; of more, the last one is. A few
/// pings in one read are usual, also in the Autobahn suite; a flood is not.
const PONGS_IN_FULL: u8 = 16;

/// What waits. A peer that stalls has nearly always a part of one frame to take, and there may be very
/// many such peers: that is a handle and nothing else.
pub(super) enum Queue {
    One(Prepared),
    Mixed(Box<Mixed>),
}

const _: () = assert!(size_of::<Queue>() <= 24);

impl Default for Queue {
    fn default() -> Self {
        Self::Mixed(Box::default())
    }
}

impl Queue {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::One(frame) => frame.as_bytes().is_empty(),
            Self::Mixed(mixed) => mixed.is_empty(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(frame) => frame.as_bytes().len(),
            Self::Mixed(mixed) => mixed.len_without_pong().saturating_add(mixed.pong.len()),
        }
    }

    /// What counts against the limit.
    #[inline]
    pub(super) fn len_without_pong(&self) -> usize {
        match self {
            Self::One(frame) => frame.as_bytes().len(),
            Self::Mixed(mixed) => mixed.len_without_pong(),
        }
    }

    /// Where own bytes go, if there is room for `len` more in the buffer and below the limit.
    #[inline]
    pub(super) fn own_if_room(&mut self, len: usize, limit: usize) -> Option<&mut Vec<u8>> {
        let Self::Mixed(mixed) = self else { return None };
        let has_room = mixed.own.capacity().wrapping_sub(mixed.own.len()) >= len
            && mixed.len_without_pong().saturating_add(len) <= limit;
        has_room.then_some(&mut mixed.own)
    }

    /// Empties a queue whose buffers are what is to be kept. For any other the answer is no.
    #[inline]
    pub(super) fn clear_kept(&mut self) -> bool {
        match self {
            Self::Mixed(mixed) if !mixed.has_grown => {
                mixed.empty();
                true
            }
            _ => false,
        }
    }

    /// The form in which anything can be added.
    #[inline]
    pub(super) fn mixed(&mut self) -> &mut Mixed {
        loop {
            match self {
                Self::Mixed(mixed) => return mixed,
                Self::One(frame) => *self = Self::with(frame.clone()),
            }
        }
    }

    #[cold]
    fn with(frame: Prepared) -> Self {
        let mut mixed = Mixed::default();
        mixed.push_shared(frame);
        Self::Mixed(Box::new(mixed))
    }

    /// All that waits in the smallest form, if it is a part of one frame or little.
    pub(super) fn to_one(&self) -> Option<Self> {
        let frame = match self {
            Self::One(frame) => frame.clone(),
            Self::Mixed(mixed) => mixed.to_one()?,
        };
        Some(Self::One(frame))
    }

    /// All that waits as one slice, if it is one.
    #[cfg(feature = "std")]
    #[inline]
    pub(super) fn as_one_slice(&self) -> Option<&[u8]> {
        match self {
            Self::One(frame) => Some(frame.as_bytes()),
            Self::Mixed(mixed) => mixed.as_one_slice(),
        }
    }

    pub(super) fn advance(&mut self, by: usize) {
        match self {
            Self::One(frame) => frame.advance(by),
            Self::Mixed(mixed) => mixed.advance(by),
        }
    }

    /// Gives back the memory of a queue that a slow peer has drained for the most part.
    pub(super) fn give_back(&mut self) {
        if let Self::Mixed(mixed) = self {
            mixed.give_back();
        }
    }

    /// Empties the queue, keeping up to `keep` bytes of each buffer.
    pub(super) fn clear(&mut self, keep: usize) {
        match self {
            Self::One(_) => *self = Self::default(),
            Self::Mixed(mixed) => mixed.clear(keep),
        }
    }
}

/// Anything that can wait.
#[derive(Default)]
pub(super) struct Mixed {
    /// The connection's own bytes, of which the first `written` are gone.
    own: Vec<u8>,
    written: usize,
    /// What goes between own bytes, in order.
    inserts: VecDeque<Insert>,
    /// How many bytes of shared frames wait.
    shared_len: usize,
    /// How many pongs went into `own` since the queue was empty.
    pongs: u8,
    /// The encoded pong that waits and can still be replaced, if an insert says so, never the first.
    pong: Vec<u8>,
    /// Whether a buffer has grown since the last `clear`, perhaps beyond what is to be kept.
    has_grown: bool,
}

/// Something that belongs in front of the own byte at `at`.
struct Insert {
    at: usize,
    what: Inserted,
}

enum Inserted {
    Shared(Prepared),
    Pong,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "lengths of buffers that exist, and positions that never pass the end that they are taken \
        from. Of what a peer sends only pongs come here, of 125 bytes. In tests and fuzzers a wrong \
        position panics, which saturating would hide"
)]
impl Mixed {
    #[inline]
    fn is_empty(&self) -> bool {
        self.written == self.own.len() && self.inserts.is_empty()
    }

    #[inline]
    fn len_without_pong(&self) -> usize {
        self.own.len() - self.written + self.shared_len
    }

    /// Where own bytes go, with room for `len` more.
    #[inline]
    pub(super) fn own_with_room(&mut self, len: usize, limit: usize) -> &mut Vec<u8> {
        self.reserve(len, limit);
        &mut self.own
    }

    #[inline]
    pub(super) fn push_frame(&mut self, header: FrameHeader, payload: &[u8], limit: usize) {
        let len = header.encoded_len() + payload.len();
        push_frame(self.own_with_room(len, limit), header, payload);
    }

    #[inline]
    pub(super) fn push_prepared(&mut self, frame: &Prepared, limit: usize) {
        let bytes = frame.as_bytes();
        if bytes.len() < MIN_SHARED {
            self.own_with_room(bytes.len(), limit).extend_from_slice(bytes);
        } else {
            self.push_shared(frame.clone());
        }
    }

    fn push_shared(&mut self, frame: Prepared) {
        self.shared_len += frame.as_bytes().len();
        self.push_insert(Inserted::Shared(frame), self.own.len());
    }

    #[inline]
    fn push_insert(&mut self, what: Inserted, at: usize) {
        self.has_grown |= self.inserts.len() == self.inserts.capacity();
        self.inserts.push_back(Insert { at, what });
    }

    pub(super) fn push_pong(&mut self, header: FrameHeader, payload: &[u8], limit: usize) {
        if self.pong.is_empty() && self.pongs < PONGS_IN_FULL {
            self.pongs += 1;
            return self.push_frame(header, payload, limit);
        }
        // §5.5.3: "the endpoint MAY elect to send a Pong frame for only the most recently processed
        // Ping frame." The place in the queue stays that of the older pong.
        if self.pong.is_empty() {
            self.pong.reserve_exact(MAX_HEADER_LEN + MAX_CONTROL_PAYLOAD);
            self.push_insert(Inserted::Pong, self.own.len());
        }
        self.pong.clear();
        push_frame(&mut self.pong, header, payload);
    }

    /// All that waits as one frame. Own bytes only if they are few, because a frame gives nothing
    /// back before its end, and no pongs, which are counted here.
    fn to_one(&self) -> Option<Prepared> {
        let own = self.own.get(self.written..).unwrap_or_default();
        match (self.inserts.front(), own) {
            (None, own) if self.pongs == 0 && own.len() <= MIN_GIVEN_BACK => {
                Some(Prepared::copy_of(own))
            }
            (Some(Insert { what: Inserted::Shared(frame), .. }), [])
                if self.pongs == 0 && self.inserts.len() == 1 =>
            {
                Some(frame.clone())
            }
            _ => None,
        }
    }

    #[cfg(feature = "std")]
    #[inline]
    fn as_one_slice(&self) -> Option<&[u8]> {
        let own = self.own.get(self.written..).unwrap_or_default();
        match (self.inserts.front(), own) {
            (None, own) => Some(own),
            (Some(Insert { what: Inserted::Shared(frame), .. }), []) if self.inserts.len() == 1 => {
                Some(frame.as_bytes())
            }
            _ => None,
        }
    }

    fn advance(&mut self, mut by: usize) {
        while by > 0 {
            let next = self.inserts.front().map(|insert| insert.at);
            if next == Some(self.written) {
                by = self.advance_insert(by);
                continue;
            }
            let until = next.unwrap_or(self.own.len());
            let step = by.min(until - self.written);
            if step == 0 {
                break;
            }
            self.written += step;
            by -= step;
        }
        self.settle_pong();
    }

    /// Makes the pong that can be replaced a frame like any other, if it is the next one to go out. The
    /// place for another one is free then.
    #[inline]
    fn settle_pong(&mut self) {
        if let Some(Insert { at, what: what @ Inserted::Pong }) = self.inserts.front_mut() {
            if *at == self.written {
                *what = Inserted::Shared(Prepared::copy_of(&self.pong));
                self.shared_len += self.pong.len();
                self.pong.clear();
            }
        }
    }

    fn give_back(&mut self) {
        let waiting = self.own.len() - self.written;
        if self.own.capacity() / 4 > waiting + MIN_GIVEN_BACK {
            self.compact();
            self.own.shrink_to(2 * waiting);
        }
        let inserts = self.inserts.len();
        if self.inserts.capacity() / 4 > inserts + MIN_GIVEN_BACK / size_of::<Insert>() {
            self.inserts.shrink_to(2 * inserts);
        }
    }

    /// Takes up to `by` bytes off the insert at the front, and returns what is left of `by`.
    fn advance_insert(&mut self, by: usize) -> usize {
        self.settle_pong();
        let Some(Insert { what: Inserted::Shared(frame), .. }) = self.inserts.front_mut() else {
            return by;
        };
        let len = frame.as_bytes().len();
        self.shared_len -= by.min(len);
        frame.advance(by);
        if by >= len {
            self.inserts.pop_front();
        }
        by.saturating_sub(len)
    }

    /// Moves all that waits in `other` to the end of this queue. `other` is to be cleared then.
    pub(super) fn append(&mut self, other: &mut Self, limit: usize) {
        let unsent = other.own.get(other.written..).unwrap_or_default();
        self.pongs = self.pongs.saturating_add(other.pongs);
        self.reserve(unsent.len(), limit);
        let start = self.own.len();
        self.own.extend_from_slice(unsent);
        for Insert { at, what } in other.inserts.drain(..) {
            let at = start + (at - other.written);
            match what {
                Inserted::Shared(_) => {}
                Inserted::Pong => {
                    let waits = !self.pong.is_empty();
                    self.pong.clear();
                    self.pong.extend_from_slice(&other.pong);
                    if waits {
                        continue;
                    }
                }
            }
            self.push_insert(what, at);
        }
        // Without inserts there is nothing of these either.
        self.shared_len += mem::take(&mut other.shared_len);
        other.pong.clear();
    }

    /// Empties all buffers, and gives nothing back.
    #[inline]
    fn empty(&mut self) {
        self.own.clear();
        self.written = 0;
        self.pongs = 0;
        if !self.inserts.is_empty() {
            self.clear_inserts();
        }
    }

    #[inline(never)]
    fn clear_inserts(&mut self) {
        self.inserts.clear();
        self.shared_len = 0;
        self.pong.clear();
    }

    /// Empties all buffers, and gives back what is not to be kept.
    fn clear(&mut self, keep: usize) {
        self.empty();
        self.has_grown = false;
        self.own.shrink_to(keep);
        self.inserts.shrink_to(keep / size_of::<Insert>());
    }

    /// Makes room for `len` own bytes.
    #[inline]
    fn reserve(&mut self, len: usize, limit: usize) {
        if self.own.capacity() - self.own.len() < len {
            self.grow(len, limit);
        }
    }

    /// Doubles the room, up to one and a half times the limit: then a third of a full buffer is written
    /// bytes, and moving the rest to the front costs twice what writing them did. What is left up to
    /// twice the limit is for the list of inserts: 64 bytes at most for each 128 that are shared.
    #[cold]
    fn grow(&mut self, len: usize, limit: usize) {
        self.has_grown = true;
        if self.written >= self.own.len() / 3 {
            self.compact();
        }
        let needed = self.own.len() + len;
        if needed > self.own.capacity() {
            let most = limit.saturating_add(limit / 2);
            let larger = larger_capacity(self.own.capacity(), needed, most);
            self.own.reserve_exact(larger - self.own.len());
        }
    }

    fn compact(&mut self) {
        self.own.drain(..self.written);
        for insert in &mut self.inserts {
            insert.at -= self.written;
        }
        self.written = 0;
    }
}

/// Appends one frame to `buffer`, with its payload masked if the header has a key.
#[inline]
pub(super) fn push_frame(buffer: &mut Vec<u8>, header: FrameHeader, payload: &[u8]) {
    header.append_to(buffer);
    match header.mask {
        Some(key) => mask::append(buffer, payload, key),
        None => buffer.extend_from_slice(payload),
    }
}
