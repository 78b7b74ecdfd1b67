//! A round over all connections, spread evenly over time.
//!
//! Pings and the goodbyes of a server that ends have the same trouble: done at once for everybody,
//! they make a wave, and the answers another. So a round walks through the table of connections at
//! the pace at which its time passes. It needs no timer for each connection.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Into how many steps a round is cut, at most.
const STEPS: u32 = 256;
/// The shortest step: who waits for it costs a wake-up.
const SHORTEST_STEP: Duration = Duration::from_millis(10);

/// A walk through a table that takes a given time.
pub struct Round {
    began: Instant,
    lasts: Duration,
    /// The first place that was not visited yet.
    place: usize,
}

impl Round {
    /// A round that begins at `now` and lasts so long.
    pub fn new(now: Instant, lasts: Duration) -> Self {
        Self { began: now, lasts, place: 0 }
    }

    /// When the next step is due, with so many `places`: there is no step without a place.
    pub fn next(&self, now: Instant, places: usize) -> Duration {
        let steps = u32::try_from(places).unwrap_or(STEPS).clamp(1, STEPS);
        let step = (self.lasts / steps).max(SHORTEST_STEP);
        let end = self.began + self.lasts;
        step.min(end.saturating_duration_since(now)).max(SHORTEST_STEP)
    }

    /// The places to visit by now, out of `places`.
    pub fn due(&mut self, now: Instant, places: usize) -> Range<usize> {
        let passed = now.saturating_duration_since(self.began).as_nanos();
        let lasts = self.lasts.as_nanos();
        let reached =
            if passed < lasts { (places as u128 * passed / lasts) as usize } else { places };
        let from = self.place;
        self.place = reached.max(from);
        from..self.place
    }

    /// Whether its time is over. What was due has to be visited first.
    pub fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= self.lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_visited_once_and_evenly() {
        let began = Instant::now();
        let mut round = Round::new(began, Duration::from_secs(10));
        let mut visited = Vec::new();
        for millis in (0..=10_000).step_by(100) {
            let now = began + Duration::from_millis(millis);
            let due = round.due(now, 1000);
            assert!(due.len() <= 10, "{due:?} at {millis} ms");
            visited.extend(due);
            assert_eq!(round.is_over(now), millis == 10_000);
        }
        assert_eq!(visited, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_late_or_a_grown_table_is_caught_up_with() {
        let began = Instant::now();
        let mut round = Round::new(began, Duration::from_secs(10));
        assert_eq!(round.due(began + Duration::from_secs(5), 100), 0..50);
        assert_eq!(round.due(began + Duration::from_secs(6), 50), 50..50);
        assert_eq!(round.due(began + Duration::from_secs(99), 200), 50..200);
        assert!(round.next(began, 1000) <= Duration::from_secs(1));
        assert_eq!(round.next(began, 2), Duration::from_secs(5));
        assert_eq!(Round::new(began, Duration::ZERO).due(began, 7), 0..7);
    }
}
