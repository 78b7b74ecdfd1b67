//! What waits in an `Outbox`, as the slices of a vectored write.

use core::fmt;

use super::{Insert, Inserted, Queue};

/// The waiting bytes of an outbox, slice by slice, in the order in which they go out.
#[derive(Clone)]
pub struct Slices<'q> {
    queue: Option<&'q Queue>,
    own_at: usize,
    insert: usize,
}

impl<'q> Slices<'q> {
    pub(in crate::outbox) fn new(queue: Option<&'q Queue>) -> Self {
        let own_at = match queue {
            Some(Queue::Mixed(mixed)) => mixed.written,
            Some(Queue::One(_)) | None => 0,
        };
        Self { queue, own_at, insert: 0 }
    }
}

/// Shows only the length: payloads do not belong in logs.
impl fmt::Debug for Slices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len: usize = self.clone().map(<[u8]>::len).sum();
        f.debug_struct("Slices").field("len", &len).finish()
    }
}

impl<'q> Iterator for Slices<'q> {
    type Item = &'q [u8];

    fn next(&mut self) -> Option<&'q [u8]> {
        let queue = match self.queue? {
            Queue::Mixed(mixed) => mixed,
            Queue::One(frame) => {
                self.insert = self.insert.saturating_add(1);
                return (self.insert == 1).then_some(frame.as_bytes());
            }
        };
        let until = match queue.inserts.get(self.insert) {
            Some(Insert { at, what }) if *at == self.own_at => {
                let Inserted::Shared(frame) = what else { return None };
                self.insert = self.insert.saturating_add(1);
                return Some(frame.as_bytes());
            }
            Some(insert) => insert.at,
            None => queue.own.len(),
        };
        let own = queue.own.get(self.own_at..until).filter(|own| !own.is_empty())?;
        self.own_at = until;
        Some(own)
    }
}
