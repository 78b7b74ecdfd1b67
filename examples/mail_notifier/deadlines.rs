//! Deadlines of connections: the few moments in which a peer has to hurry.
//!
//! A connection knows its own deadline, which it may move and forget as often as it likes. The
//! queue holds reminders to look, at most one for each connection that comes in time, so a peer that
//! stalls and recovers a thousand times a second does not fill it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How many ticks are in a second. 32 bits of them last for eight years.
const TICKS_PER_SECOND: u64 = 16;
/// A moment, in ticks since the loop began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(NonZeroU32);

/// The deadline of one connection.
#[derive(Debug, Default)]
pub struct Deadline {
    at: Option<Tick>,
    /// The earliest reminder in the queue.
    reminder: Option<Tick>,
}

impl Deadline {
    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// Made it in time.
    pub fn clear(&mut self) {
        self.at = None;
    }
}

/// All deadlines of one event loop.
pub struct Deadlines {
    began: Instant,
    reminders: BinaryHeap<Reverse<(Tick, u32)>>,
}

/// A reminder whose time has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Reminder {
    /// The connection it was for; by now the key may be another's.
    pub key: usize,
    at: Tick,
    /// When it was taken from the queue.
    seen: Tick,
}

impl Deadlines {
    /// The deadlines of a loop that begins now, with address space for so many connections.
    pub fn new(count: usize) -> Self {
        Self { began: Instant::now(), reminders: BinaryHeap::with_capacity(count) }
    }

    /// Sets the deadline of connection `key`, in place of the one it had.
    pub fn set(&mut self, deadline: &mut Deadline, key: usize, wait: Duration) {
        let Tick(ticks) = self.tick(Instant::now() + wait);
        // The tick that has begun by then would come too early.
        let at = Tick(ticks.saturating_add(1));
        deadline.at = Some(at);
        if deadline.reminder.is_none_or(|reminder| reminder > at) {
            self.remind(deadline, key, at);
        }
    }

    /// How long nothing is due.
    pub fn next(&self, now: Instant) -> Option<Duration> {
        let Reverse((Tick(ticks), _)) = self.reminders.peek()?;
        let nanos = u64::from(ticks.get()) * (1_000_000_000 / TICKS_PER_SECOND);
        Some((self.began + Duration::from_nanos(nanos)).saturating_duration_since(now))
    }

    /// Takes a reminder whose time has come.
    pub fn expired(&mut self, now: Instant) -> Option<Reminder> {
        let seen = self.tick(now);
        let Reverse((at, _)) = *self.reminders.peek()?;
        if at > seen {
            return None;
        }
        let Reverse((at, key)) = self.reminders.pop()?;
        Some(Reminder { key: key as usize, at, seen })
    }

    /// Whether the deadline is over; if there is still time, another reminder is queued.
    pub fn is_over(&mut self, deadline: &mut Deadline, reminder: &Reminder) -> bool {
        if deadline.reminder != Some(reminder.at) {
            return false;
        }
        deadline.reminder = None;
        match deadline.at {
            Some(at) if at > reminder.seen => {
                self.remind(deadline, reminder.key, at);
                false
            }
            Some(_) => {
                deadline.clear();
                true
            }
            None => false,
        }
    }

    fn remind(&mut self, deadline: &mut Deadline, key: usize, at: Tick) {
        deadline.reminder = Some(at);
        self.reminders.push(Reverse((at, key as u32)));
    }

    fn tick(&self, moment: Instant) -> Tick {
        let nanos = moment.saturating_duration_since(self.began).as_nanos();
        let ticks = nanos * u128::from(TICKS_PER_SECOND) / 1_000_000_000;
        Tick(NonZeroU32::new(ticks.try_into().unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The keys of the deadlines that are over at `now`.
    fn over(deadlines: &mut Deadlines, each: &mut [Deadline], now: Instant) -> Vec<usize> {
        let mut keys = Vec::new();
        while let Some(reminder) = deadlines.expired(now) {
            let key = reminder.key;
            if deadlines.is_over(&mut each[key], &reminder) {
                keys.push(key);
            }
        }
        keys
    }

    #[test]
    fn they_end_in_order_and_each_once() {
        let mut deadlines = Deadlines::new(0);
        let now = Instant::now();
        assert_eq!(deadlines.next(now), None);
        let mut each: [Deadline; 3] = Default::default();
        for (key, wait) in [(0, 3), (1, 1), (2, 2)] {
            deadlines.set(&mut each[key], key, wait * SECOND);
        }
        assert!(deadlines.next(now).unwrap() < 2 * SECOND);
        let now = Instant::now();
        assert_eq!(over(&mut deadlines, &mut each, now), [0; 0]);
        assert_eq!(over(&mut deadlines, &mut each, now + 5 * SECOND / 2), [1, 2]);
        assert_eq!(over(&mut deadlines, &mut each, now + 4 * SECOND), [0]);
        assert_eq!(over(&mut deadlines, &mut each, now + 9 * SECOND), [0; 0]);
    }

    #[test]
    fn a_deadline_may_move_and_be_forgotten() {
        let mut deadlines = Deadlines::new(0);
        let mut each: [Deadline; 2] = Default::default();
        deadlines.set(&mut each[0], 0, SECOND);
        deadlines.set(&mut each[0], 0, 5 * SECOND);
        deadlines.set(&mut each[1], 1, 5 * SECOND);
        deadlines.set(&mut each[1], 1, SECOND);
        let now = Instant::now();
        assert_eq!(over(&mut deadlines, &mut each, now + 2 * SECOND), [1]);
        each[0].clear();
        assert_eq!(over(&mut deadlines, &mut each, now + 9 * SECOND), [0; 0]);
    }

    #[test]
    fn who_stalls_often_is_queued_once() {
        let mut deadlines = Deadlines::new(0);
        let mut deadline = Deadline::default();
        for _ in 0..1000 {
            deadlines.set(&mut deadline, 0, SECOND);
            deadline.clear();
        }
        assert_eq!(deadlines.reminders.len(), 1);
    }

    #[test]
    fn a_reminder_for_who_had_the_key_before_means_nothing() {
        let mut deadlines = Deadlines::new(0);
        deadlines.set(&mut Deadline::default(), 0, SECOND);
        let mut each: [Deadline; 1] = Default::default();
        let now = Instant::now();
        assert_eq!(over(&mut deadlines, &mut each, now + 2 * SECOND), [0; 0]);
    }
}
