//! A figure, and what those of several rounds come to.

use std::time::{Duration, Instant};

use crate::Result;
use crate::process::{Process, Spent, Times};

/// What is counted, and whether much of it is good.
#[derive(Debug, PartialEq)]
pub struct Quantity {
    /// For programs.
    pub name: &'static str,
    /// For people, above a column.
    pub heading: &'static str,
    pub better: Better,
    pub decimals: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Better {
    More,
    Less,
    /// It says something about another figure, and is known less exactly.
    Neither,
}

const fn more(name: &'static str, heading: &'static str) -> Quantity {
    Quantity { name, heading, better: Better::More, decimals: 0 }
}

const fn less(name: &'static str, heading: &'static str, decimals: usize) -> Quantity {
    Quantity { name, heading, better: Better::Less, decimals }
}

const fn aside(name: &'static str, heading: &'static str, decimals: usize) -> Quantity {
    Quantity { name, heading, better: Better::Neither, decimals }
}

pub static USER_BYTES: Quantity = less("user_bytes_per_connection", "user B/conn", 1);
pub static KERNEL_BYTES: Quantity = less("kernel_bytes_per_connection", "kernel B/conn", 0);
pub static UPGRADES: Quantity = more("upgrades_per_second", "upgrades/s");
pub static MESSAGES: Quantity = more("messages_per_second", "messages/s");
pub static DELIVERIES: Quantity = more("deliveries_per_second", "deliveries/s");
pub static CPU: Quantity = less("server_cpu_us_each", "CPU us each", 3);
pub static USER_CPU: Quantity = aside("server_user_cpu_us_each", "of it user", 3);
pub static SYSTEM_CPU: Quantity = aside("server_system_cpu_us_each", "system", 3);
pub static USER_SHARE: Quantity = aside("server_user_percent", "user %", 1);
pub static SERVER_BUSY: Quantity = aside("server_busy_percent", "server busy %", 1);
pub static LOAD_BUSY: Quantity = aside("load_busy_percent", "load busy %", 1);
pub static RATE: Quantity = aside("asked_messages_per_second", "asked/s", 0);
pub static P50: Quantity = less("p50_us", "p50 us", 1);
pub static P90: Quantity = less("p90_us", "p90 us", 1);
pub static P99: Quantity = less("p99_us", "p99 us", 1);
pub static P99_9: Quantity = less("p99_9_us", "p99.9 us", 1);
pub static MAX: Quantity = less("max_us", "max us", 1);

#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub quantity: &'static Quantity,
    pub value: f64,
}

impl Quantity {
    pub fn of(&'static self, value: f64) -> Figure {
        Figure { quantity: self, value }
    }
}

/// What the rounds of one server come to, for one quantity.
pub struct Summary {
    pub quantity: &'static Quantity,
    /// `None` for a round without such a figure.
    pub rounds: Vec<Option<f64>>,
    /// The middle one of the ratios to the first server in the same round, for servers but the first.
    pub ratio: Option<f64>,
}

impl Summary {
    /// `first` are the rounds of the first server, if this is another one.
    pub fn of(
        quantity: &'static Quantity,
        rounds: &[Vec<Figure>],
        first: Option<&[Vec<Figure>]>,
    ) -> Self {
        let value = |figures: &[Figure]| {
            figures.iter().find(|figure| figure.quantity == quantity).map(|figure| figure.value)
        };
        let ratios = first.map(|first| {
            let pairs = rounds.iter().zip(first);
            let pairs = pairs.filter_map(|(own, its)| Some((value(own)?, value(its)?)));
            pairs.map(|(own, its)| own / its).collect()
        });
        let rounds = rounds.iter().map(|figures| value(figures)).collect();
        Self { quantity, rounds, ratio: ratios.and_then(median).filter(|ratio| ratio.is_finite()) }
    }

    fn known(&self) -> impl Iterator<Item = f64> {
        self.rounds.iter().flatten().copied()
    }

    pub fn median(&self) -> Option<f64> {
        median(self.known().collect())
    }

    pub fn mean(&self) -> Option<f64> {
        let count = self.known().count();
        (count > 0).then(|| self.known().sum::<f64>() / count as f64)
    }

    /// What stands for all rounds: the median, which a disturbed round does not move; but the mean of
    /// what is made of a few ticks of a clock in each round, which is right only over all of them.
    pub fn typical(&self) -> Option<f64> {
        if self.quantity.better == Better::Neither { self.mean() } else { self.median() }
    }

    /// The smallest cost or the highest rate: what is left when the machine did least else.
    pub fn best(&self) -> Option<f64> {
        match self.quantity.better {
            Better::More => self.known().max_by(f64::total_cmp),
            Better::Less => self.known().min_by(f64::total_cmp),
            Better::Neither => None,
        }
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) =
        (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// Measures the time of both sides between two moments.
pub struct Stopwatch {
    server: Option<Process>,
    began: Instant,
    server_times: Option<Times>,
    load_times: Times,
}

impl Stopwatch {
    /// # Errors
    /// When the server is gone.
    pub fn start(server: Option<Process>) -> Result<Self> {
        Ok(Self {
            server,
            server_times: server.map(Process::times).transpose()?,
            load_times: Process::current().times()?,
            began: Instant::now(),
        })
    }

    /// The time until now, and what it comes to for each of `count`, which have the rate `rate`.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn stop(self, rate: &'static Quantity, count: u64) -> Result<Vec<Figure>> {
        let wall = self.began.elapsed();
        let load = self.load_times.until(Process::current().times()?);
        let server = match (self.server, self.server_times) {
            (Some(server), Some(before)) => Some(before.until(server.times()?)),
            _ => None,
        };
        let mut figures = vec![rate.of(count as f64 / wall.as_secs_f64())];
        if let Some(server) = server {
            figures.extend(costs(&server, count));
            figures.push(SERVER_BUSY.of(percent(server.total, wall)));
        }
        figures.push(LOAD_BUSY.of(percent(load.total, wall)));
        Ok(figures)
    }
}

fn costs(server: &Spent, count: u64) -> Vec<Figure> {
    let each = server.total.as_secs_f64() * 1e6 / count.max(1) as f64;
    let mut figures = vec![CPU.of(each)];
    if let Some(share) = server.user_share {
        figures.push(USER_CPU.of(each * share));
        figures.push(SYSTEM_CPU.of(each * (1.0 - share)));
        figures.push(USER_SHARE.of(share * 100.0));
    }
    figures
}

fn percent(part: Duration, whole: Duration) -> f64 {
    100.0 * part.as_secs_f64() / whole.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_come_to_the_middle_the_best_and_a_ratio() {
        let rounds = |values: &[f64]| values.iter().map(|value| vec![CPU.of(*value)]).collect();
        let (ours, its): (Vec<_>, Vec<_>) = (rounds(&[3.0, 1.0, 8.0]), rounds(&[2.0, 1.0, 4.0]));
        let summary = Summary::of(&CPU, &ours, Some(&its));
        assert_eq!(summary.median(), Some(3.0));
        assert_eq!(summary.best(), Some(1.0));
        assert_eq!(summary.ratio, Some(1.5));
        let nothing = Summary::of(&MESSAGES, &ours, None);
        assert_eq!((nothing.median(), nothing.best(), nothing.ratio), (None, None, None));
    }

    #[test]
    fn the_best_rate_is_the_highest() {
        let rounds = [vec![MESSAGES.of(5.0)], vec![MESSAGES.of(7.0)]];
        let summary = Summary::of(&MESSAGES, &rounds, None);
        assert_eq!((summary.best(), summary.median()), (Some(7.0), Some(6.0)));
    }
}
