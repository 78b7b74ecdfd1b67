//! Who is how fast: everybody takes a short turn in each round, and the order changes.
//!
//! Absolute times drift with the machine; what counts is the ratio of two figures from the same rounds.
//! The fastest turn is the one that nothing else on the machine has slowed down; the median tells how
//! much that was the exception.

use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::contender::{Contender, Failure, Work};
use crate::heap;
use crate::job::{Group, Job};

/// How often the work is done while allocations are counted.
const COUNTED: u32 = 64;
/// The most that a turn does its work: what costs nothing must not be counted for ever.
const MOST: u32 = 1 << 24;

/// What one contender needed for one job.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Where it stands among the contenders.
    pub contender: usize,
    /// Nanoseconds for each in the fastest turn.
    pub fastest: f64,
    /// Nanoseconds for each in the median turn.
    pub median: f64,
    /// How often it asked for memory, for each.
    pub allocations: f64,
    /// How many bytes it asked for, for each.
    pub allocated: f64,
    /// How many bytes it writes each time.
    pub written: usize,
    /// How often a turn did its work.
    pub times: u32,
}

/// Everybody's figures for one job.
pub struct Results {
    /// The group of the job.
    pub group: Group,
    /// The size of its messages in bytes.
    pub size: usize,
    /// By how much the time of one go was divided.
    pub parts: usize,
    /// In the order of the contenders.
    pub figures: Vec<Figures>,
}

/// Runs `job` with all of `contenders` that can do it.
///
/// # Errors
///
/// [`Failure`], with the name of the contender, if one does not do what it has to.
pub fn measure(
    group: Group,
    job: &Job,
    contenders: &[Box<dyn Contender>],
    arguments: &Arguments,
) -> Result<Results, Failure> {
    let mut turns = Vec::new();
    for (index, contender) in contenders.iter().enumerate() {
        let Some(work) = contender.work(job) else { continue };
        let named = |failure| {
            Failure::new(format!("{} {} {}: {failure}", group.name(), job.size(), contender.name()))
        };
        turns.push(Turn::prepare(index, work, arguments).map_err(named)?);
    }
    take_turns(&mut turns, arguments.rounds)?;
    let parts = job.parts();
    let figures = turns.into_iter().map(|turn| turn.figures(parts)).collect::<Result<_, _>>()?;
    Ok(Results { group, size: job.size(), parts, figures })
}

/// One contender's part in a job.
struct Turn {
    contender: usize,
    work: Box<dyn Work>,
    written: usize,
    times: u32,
    samples: Vec<f64>,
}

impl Turn {
    /// Verifies the work, and finds out how often it has to be done for a turn.
    fn prepare(
        contender: usize,
        mut work: Box<dyn Work>,
        arguments: &Arguments,
    ) -> Result<Self, Failure> {
        let written = work.verify()?;
        let times = calibrate(work.as_mut(), arguments.sample)?;
        let samples = Vec::with_capacity(arguments.rounds as usize);
        Ok(Self { contender, work, written, times, samples })
    }

    fn take(&mut self) -> Result<(), Failure> {
        let time = timed(self.work.as_mut(), self.times)?;
        self.samples.push(time.as_nanos() as f64 / f64::from(self.times));
        Ok(())
    }

    /// Counts the allocations, and sums up.
    fn figures(mut self, parts: usize) -> Result<Figures, Failure> {
        let (result, calls, bytes) = heap::usage(|| self.work.run(COUNTED));
        result?;
        let counted = f64::from(COUNTED) * parts as f64;
        self.samples.sort_by(f64::total_cmp);
        let (fastest, median) = (self.samples[0], self.samples[self.samples.len() / 2]);
        Ok(Figures {
            contender: self.contender,
            fastest: fastest / parts as f64,
            median: median / parts as f64,
            allocations: calls as f64 / counted,
            allocated: bytes as f64 / counted,
            written: self.written,
            times: self.times,
        })
    }
}

fn timed(work: &mut dyn Work, times: u32) -> Result<Duration, Failure> {
    let start = Instant::now();
    work.run(times)?;
    Ok(start.elapsed())
}

/// How often `work` has to be done for about as long as `sample`.
fn calibrate(work: &mut dyn Work, sample: Duration) -> Result<u32, Failure> {
    let mut times: u32 = 1;
    loop {
        let time = timed(work, times)?;
        if time >= sample / 4 || times >= MOST {
            let scale = sample.as_secs_f64() / time.as_secs_f64().max(1e-9);
            return Ok((f64::from(times) * scale).clamp(1.0, f64::from(MOST)) as u32);
        }
        times *= 2;
    }
}

/// Lets everybody take a turn in each round, in an order that is new each time.
fn take_turns(turns: &mut [Turn], rounds: u32) -> Result<(), Failure> {
    let mut order: Vec<usize> = (0..turns.len()).collect();
    let mut shuffle = Shuffle(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds {
        shuffle.order(&mut order);
        for &at in &order {
            turns[at].take()?;
        }
    }
    Ok(())
}

/// Orders that look random and are the same in every run.
struct Shuffle(u64);

impl Shuffle {
    fn order(&mut self, order: &mut [usize]) {
        for at in (1..order.len()).rev() {
            // Marsaglia's xorshift.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            order.swap(at, (self.0 % (at as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_everybody() {
        let mut order: Vec<usize> = (0..9).collect();
        let mut shuffle = Shuffle(1);
        shuffle.order(&mut order);
        assert_ne!(order, (0..9).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..9).collect::<Vec<_>>());
    }

    struct Fails;

    impl Work for Fails {
        fn verify(&mut self) -> Result<usize, Failure> {
            Ok(0)
        }

        fn run(&mut self, times: u32) -> Result<(), Failure> {
            if times > 2 { Err(Failure::new("no more")) } else { Ok(()) }
        }
    }

    #[test]
    fn a_failure_while_calibrating_is_not_a_time() {
        let failure = calibrate(&mut Fails, Duration::from_secs(1));
        assert_eq!(failure, Err(Failure::new("no more")));
    }
}
