//! Deadlines that are all equally far away, so that they fall due in the order they were set.
//!
//! A connection pays for a deadline only while it has one: the entry is in this queue, not in the
//! connection, and nobody has to take it out. One whose connection is gone or has moved on is
//! dropped when it comes to the front.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A queue of this many entries is not worth shrinking.
const MIN_CAPACITY: usize = 64;

pub struct Deadlines {
    after: Duration,
    queue: VecDeque<Deadline>,
}

struct Deadline {
    at: Instant,
    key: usize,
    serial: u32,
}

impl Deadlines {
    pub fn new(after: Duration) -> Self {
        Self { after, queue: VecDeque::new() }
    }

    pub fn push(&mut self, key: usize, serial: u32) {
        self.queue.push_back(Deadline { at: Instant::now() + self.after, key, serial });
    }

    /// When to look again.
    pub fn next(&self) -> Option<Instant> {
        self.queue.front().map(|deadline| deadline.at)
    }

    /// The key of a connection whose time is over. `is_pending` says of a key and a serial whether
    /// that connection is still there and has not done what the deadline is for.
    pub fn next_due(&mut self, is_pending: impl Fn(usize, u32) -> bool) -> Option<usize> {
        while let Some(&Deadline { at, key, serial }) = self.queue.front() {
            let is_pending = is_pending(key, serial);
            if is_pending && Instant::now() < at {
                return None;
            }
            self.queue.pop_front();
            self.give_back();
            if is_pending {
                return Some(key);
            }
        }
        None
    }

    /// A storm of connections leaves no memory behind.
    fn give_back(&mut self) {
        let (len, capacity) = (self.queue.len(), self.queue.capacity());
        if capacity > MIN_CAPACITY && len < capacity / 4 {
            self.queue.shrink_to(2 * len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_done_is_passed_over() {
        let mut deadlines = Deadlines::new(Duration::ZERO);
        for key in 0..4 {
            deadlines.push(key, 7);
        }
        assert_eq!(deadlines.next_due(|key, serial| key == 2 && serial == 7), Some(2));
        assert_eq!(deadlines.next_due(|_, serial| serial != 7), None);
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn who_has_time_left_is_kept() {
        let mut deadlines = Deadlines::new(Duration::from_secs(3600));
        deadlines.push(0, 0);
        assert_eq!(deadlines.next_due(|_, _| true), None);
        assert!(deadlines.next().is_some());
    }
}
