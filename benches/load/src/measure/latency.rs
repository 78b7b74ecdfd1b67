//! How long an echo takes, at a fixed rate that does not wait for the server.
//!
//! Every message is due at its time, spread evenly over time and over the connections, and its
//! latency counts from then. So a moment in which the server does nothing is seen by all the messages
//! that were due in it, not by one: nothing is left out because the load, too, had to wait.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::Result;
use crate::arguments::Plan;
use crate::crowd::{Crowd, First};
use crate::figures::{Figure, MAX, MESSAGES, P50, P90, P99, P99_9, RATE, Stopwatch};
use crate::frames::Frames;
use crate::server::Server;

use super::SMALL;

/// How long to wait for the last echoes.
const GRACE: Duration = Duration::from_secs(5);
/// A poller sleeps in steps of a millisecond and wakes up late; what is due sooner is waited for awake.
const SLEEP: Duration = Duration::from_millis(3);

/// # Errors
/// When the server is so slow that echoes are missing long after the last message.
pub fn run(plan: &Plan, server: &Server, rate: u64) -> Result<Vec<Figure>> {
    let frames = Frames::new(plan.opcode(), SMALL, 1);
    let crowd = Crowd::open(server.address, &plan.path, plan.connections, First::Own, frames)?;
    let warm_up = messages_in(plan.time / 5, rate);
    let mut schedule = Schedule {
        crowd,
        connections: plan.connections as u64,
        rate,
        began: Instant::now(),
        asked: 0,
        echoed: vec![0; plan.connections],
        missing: 0,
        warm_up,
        // In nanoseconds, to three digits, up to a minute.
        latencies: Histogram::new_with_bounds(1, 60_000_000_000, 3)?,
    };
    schedule.keep(warm_up)?;
    let watch = Stopwatch::start(server.process)?;
    schedule.keep(warm_up + messages_in(plan.time, rate))?;
    schedule.wait_for_the_rest()?;
    let answered = schedule.latencies.len();
    let mut figures = vec![RATE.of(rate as f64)];
    figures.extend(watch.stop(&MESSAGES, answered)?);
    figures.extend(percentiles(&schedule.latencies));
    Ok(figures)
}

fn percentiles(latencies: &Histogram<u64>) -> Vec<Figure> {
    let at = |percent| latencies.value_at_percentile(percent) as f64 / 1e3;
    vec![
        P50.of(at(50.0)),
        P90.of(at(90.0)),
        P99.of(at(99.0)),
        P99_9.of(at(99.9)),
        MAX.of(latencies.max() as f64 / 1e3),
    ]
}

fn messages_in(time: Duration, rate: u64) -> u64 {
    ((time.as_secs_f64() * rate as f64) as u64).max(1)
}

/// Message number `n` belongs to connection `n % connections`.
struct Schedule {
    crowd: Crowd,
    connections: u64,
    rate: u64,
    began: Instant,
    asked: u64,
    /// For each connection.
    echoed: Vec<u64>,
    missing: u64,
    /// The first so many messages do not count.
    warm_up: u64,
    latencies: Histogram<u64>,
}

impl Schedule {
    /// Sends each message when it is due, until so many have been sent in all.
    fn keep(&mut self, messages: u64) -> Result<()> {
        while self.asked < messages {
            let now = Instant::now();
            // What was due while the load did something else goes out at once, but echoes have their
            // turn too.
            let last = messages.min(self.asked + self.connections);
            while self.asked < last && self.due(self.asked) <= now {
                self.crowd.ask((self.asked % self.connections) as usize, 1)?;
                self.asked += 1;
                self.missing += 1;
            }
            let left = self.due(self.asked).saturating_duration_since(Instant::now());
            self.turn(if left > SLEEP { left - SLEEP } else { Duration::ZERO })?;
            if self.missing > self.rate.saturating_mul(GRACE.as_secs()) {
                return Err("the server falls behind for ever at this rate".into());
            }
        }
        Ok(())
    }

    fn wait_for_the_rest(&mut self) -> Result<()> {
        let end = Instant::now() + GRACE;
        while self.missing > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("{} echoes are missing at this rate", self.missing).into());
            }
            self.turn(left)?;
        }
        Ok(())
    }

    fn turn(&mut self, patience: Duration) -> Result<()> {
        let Self { crowd, connections, rate, began, echoed, missing, warm_up, latencies, .. } =
            self;
        crowd.turn(patience, |connection, came| {
            let now = Instant::now();
            for _ in 0..came {
                let number = echoed[connection] * *connections + connection as u64;
                echoed[connection] += 1;
                *missing -= 1;
                if number >= *warm_up {
                    let latency = now.saturating_duration_since(due(*began, *rate, number));
                    latencies.saturating_record(latency.as_nanos() as u64);
                }
            }
            0
        })
    }

    fn due(&self, message: u64) -> Instant {
        due(self.began, self.rate, message)
    }
}

fn due(began: Instant, rate: u64, message: u64) -> Instant {
    // A day of messages at the highest rate fits.
    began + Duration::from_nanos((u128::from(message) * 1_000_000_000 / u128::from(rate)) as u64)
}
