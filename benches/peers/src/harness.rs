//! Who is how fast: everybody takes a short turn in each round, and the order changes.
//!
//! Absolute times drift with the machine; what counts is the ratio of two figures from the same rounds.
//! The fastest turn is the one that nothing else on the machine has slowed down; the median tells how
//! much that was the exception.

use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::contender::{Contender, Failure, Work};
use crate::heap;
use crate::job::Group;

/// How often everybody begins anew, with other memory: where bytes happen to lie can cost a copy twice
/// its time, for as long as they lie there.
const SITTINGS: u32 = 6;
/// By how much memory is moved at most from one sitting to the next.
const PAGE: usize = 4096;
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
    /// How often a turn did its work, in the last sitting.
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

/// Runs a group's job of one size with all of `contenders` that can do it.
///
/// # Errors
///
/// [`Failure`], with the name of the contender, if one does not do what it has to.
pub fn measure(
    group: Group,
    size: usize,
    contenders: &[Box<dyn Contender>],
    arguments: &Arguments,
) -> Result<Results, Failure> {
    let mut shuffle = Shuffle(0x9e37_79b9_7f4a_7c15);
    let mut samples = vec![Vec::new(); contenders.len()];
    let sittings = SITTINGS.min(arguments.rounds);
    let mut last = Vec::new();
    for sitting in 0..sittings {
        let job = group.job(size, shuffle.below(PAGE));
        // The last sitting is over before the next one begins: its memory is free again.
        last.clear();
        let mut paddings = Vec::new();
        for (index, contender) in contenders.iter().enumerate() {
            paddings.push(Vec::<u8>::with_capacity(shuffle.below(PAGE)));
            let Some(work) = contender.work(&job) else { continue };
            let turn = Turn::prepare(index, work, arguments.sample);
            last.push(turn.map_err(|failure| named(failure, group, size, contender.as_ref()))?);
        }
        let rounds = (arguments.rounds + sitting) / sittings;
        take_turns(&mut last, rounds, &mut shuffle, &mut samples)?;
    }
    let parts = group.job(size, 0).parts();
    let figures = last.into_iter().map(|turn| {
        let samples = std::mem::take(&mut samples[turn.contender]);
        turn.figures(samples, parts)
    });
    Ok(Results { group, size, parts, figures: figures.collect::<Result<_, _>>()? })
}

fn named(failure: Failure, group: Group, size: usize, contender: &dyn Contender) -> Failure {
    Failure::new(format!("{} {size} {}: {failure}", group.name(), contender.name()))
}

/// One contender's part in a job.
struct Turn {
    contender: usize,
    work: Box<dyn Work>,
    written: usize,
    times: u32,
}

impl Turn {
    /// Verifies the work, and finds out how often it has to be done for a turn.
    fn prepare(
        contender: usize,
        mut work: Box<dyn Work>,
        sample: Duration,
    ) -> Result<Self, Failure> {
        let written = work.verify()?;
        let times = calibrate(work.as_mut(), sample)?;
        Ok(Self { contender, work, written, times })
    }

    /// Nanoseconds for each.
    fn take(&mut self) -> Result<f64, Failure> {
        let time = timed(self.work.as_mut(), self.times)?;
        Ok(time.as_nanos() as f64 / f64::from(self.times))
    }

    /// Counts the allocations, and sums up.
    fn figures(mut self, mut samples: Vec<f64>, parts: usize) -> Result<Figures, Failure> {
        let (result, calls, bytes) = heap::usage(|| self.work.run(COUNTED));
        result?;
        let counted = f64::from(COUNTED) * parts as f64;
        samples.sort_by(f64::total_cmp);
        let (fastest, median) = (samples[0], samples[samples.len() / 2]);
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
            // Twice more, in case something has interrupted it.
            let time = time.min(timed(work, times)?).min(timed(work, times)?);
            let scale = sample.as_secs_f64() / time.as_secs_f64().max(1e-9);
            return Ok((f64::from(times) * scale).clamp(1.0, f64::from(MOST)) as u32);
        }
        times *= 2;
    }
}

/// Lets everybody take a turn in each round, in an order that is new each time.
fn take_turns(
    turns: &mut [Turn],
    rounds: u32,
    shuffle: &mut Shuffle,
    samples: &mut [Vec<f64>],
) -> Result<(), Failure> {
    let mut order: Vec<usize> = (0..turns.len()).collect();
    for _ in 0..rounds {
        shuffle.order(&mut order);
        for &at in &order {
            let turn = &mut turns[at];
            samples[turn.contender].push(turn.take()?);
        }
    }
    Ok(())
}

/// Numbers that look random and are the same in every run.
struct Shuffle(u64);

impl Shuffle {
    /// The next number below `limit`, by Marsaglia's xorshift.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn order(&mut self, order: &mut [usize]) {
        for at in (1..order.len()).rev() {
            order.swap(at, self.below(at + 1));
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
