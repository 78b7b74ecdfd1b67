//! Deadlines of connections: the few moments in which a peer has to hurry.
//!
//! Every deadline of one kind is equally long, so the order in which they start is the order in
//! which they end: two queues do the work of a timer heap. A connection that made it in time only
//! forgets the number of its deadline, and the entry means nothing when its turn comes.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// From the connection to the end of its request, however many bytes come how slowly.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// From the last answer until the peer has taken it and closed its side.
const ENDING: Duration = Duration::from_secs(5);

/// The number of a deadline, by which a connection recognises its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(NonZeroU32);

/// All deadlines of one event loop.
#[derive(Default)]
pub struct Deadlines {
    handshakes: VecDeque<Entry>,
    endings: VecDeque<Entry>,
    last: u32,
}

struct Entry {
    at: Instant,
    key: usize,
    ticket: Ticket,
}

impl Deadlines {
    /// Connection `key` has to send its request now.
    pub fn start_handshake(&mut self, key: usize) -> Ticket {
        let entry = self.entry(key, HANDSHAKE);
        let ticket = entry.ticket;
        self.handshakes.push_back(entry);
        ticket
    }

    /// Connection `key` has to take its last answer now, and close.
    pub fn start_ending(&mut self, key: usize) -> Ticket {
        let entry = self.entry(key, ENDING);
        let ticket = entry.ticket;
        self.endings.push_back(entry);
        ticket
    }

    /// How long nothing is due.
    pub fn next(&self, now: Instant) -> Option<Duration> {
        let first = [&self.handshakes, &self.endings].into_iter().filter_map(|queue| queue.front());
        first.map(|entry| entry.at.saturating_duration_since(now)).min()
    }

    /// Takes a deadline that is over: the connection it was for, if that still holds the ticket.
    pub fn expired(&mut self, now: Instant) -> Option<(usize, Ticket)> {
        let queues = [&mut self.handshakes, &mut self.endings];
        let due =
            queues.into_iter().find(|queue| queue.front().is_some_and(|entry| entry.at <= now))?;
        let entry = due.pop_front()?;
        if due.is_empty() {
            // A wave of connections leaves a long queue behind.
            due.shrink_to(64);
        }
        Some((entry.key, entry.ticket))
    }

    fn entry(&mut self, key: usize, wait: Duration) -> Entry {
        self.last = self.last.checked_add(1).unwrap_or(1);
        let ticket = Ticket(NonZeroU32::new(self.last).unwrap_or(NonZeroU32::MIN));
        Entry { at: Instant::now() + wait, key, ticket }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_end_in_order_and_each_once() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next(Instant::now()), None);
        let (first, second) = (deadlines.start_handshake(1), deadlines.start_handshake(2));
        let third = deadlines.start_ending(3);
        let now = Instant::now();
        assert!(deadlines.next(now).unwrap() <= ENDING);
        assert_eq!(deadlines.expired(now), None);
        assert_eq!(deadlines.expired(now + ENDING), Some((3, third)));
        assert_eq!(deadlines.expired(now + ENDING), None);
        assert_eq!(deadlines.expired(now + HANDSHAKE), Some((1, first)));
        assert_eq!(deadlines.expired(now + HANDSHAKE), Some((2, second)));
        assert_eq!(deadlines.expired(now + HANDSHAKE), None);
    }
}
