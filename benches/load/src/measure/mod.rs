//! The measurements. Each one is a case for each of its settings, and gives figures.
//!
//! | file | what it measures |
//! |---|---|
//! | `idle` | memory for a connection that sleeps |
//! | `upgrade` | opening handshakes |
//! | `echo` | echoes with so many messages on their way on each connection |
//! | `broadcast` | one message for everybody in a room |
//! | `latency` | how long echoes take at a fixed rate |

mod broadcast;
mod echo;
mod idle;
mod latency;
mod upgrade;

use std::fmt;

use dormouse::wire::Opcode;

use crate::Result;
use crate::arguments::{Measurement, Plan};
use crate::figures::Figure;
use crate::server::Spec;

/// A measurement with its settings.
#[derive(Clone, Copy, Debug)]
pub enum Case {
    /// After each connection has had one message of this size echoed.
    Idle {
        size: usize,
    },
    Upgrade,
    Echo {
        depth: usize,
        size: usize,
    },
    Broadcast,
    /// At this many messages a second.
    Latency {
        rate: u64,
    },
}

/// What came of measuring a case once.
#[derive(Debug)]
pub enum Outcome {
    Measured(Vec<Figure>),
    /// It cannot be measured of this server, which is no fault.
    Unavailable(String),
    Failed(String),
}

/// The message after which a connection sleeps, and a larger one, which may leave something behind.
const IDLE_SIZES: [usize; 2] = [32, 16 * 1024];
/// The messages of broadcasts and latencies.
pub const SMALL: usize = 32;

impl Case {
    /// The cases of a plan, in the order in which they are measured. `rate` is asked for only if one
    /// of them needs it.
    ///
    /// # Errors
    /// What `rate` reports.
    pub fn all(plan: &Plan, rate: impl FnOnce() -> Result<u64>) -> Result<Vec<Self>> {
        let mut cases = Vec::new();
        let has = |measurement| plan.measurements.contains(&measurement);
        if has(Measurement::Idle) {
            cases.extend(IDLE_SIZES.map(|size| Self::Idle { size }));
        }
        if has(Measurement::Upgrade) {
            cases.push(Self::Upgrade);
        }
        if has(Measurement::Echo) {
            for &size in &plan.sizes {
                cases.extend(plan.depths.iter().map(|&depth| Self::Echo { depth, size }));
            }
        }
        if has(Measurement::Broadcast) {
            cases.push(Self::Broadcast);
        }
        if has(Measurement::Latency) {
            cases.push(Self::Latency { rate: plan.rate.map_or_else(rate, Ok)? });
        }
        Ok(cases)
    }

    pub fn measurement(self) -> Measurement {
        match self {
            Self::Idle { .. } => Measurement::Idle,
            Self::Upgrade => Measurement::Upgrade,
            Self::Echo { .. } => Measurement::Echo,
            Self::Broadcast => Measurement::Broadcast,
            Self::Latency { .. } => Measurement::Latency,
        }
    }

    /// Measures once.
    pub fn run(self, plan: &Plan, spec: &Spec) -> Outcome {
        match self.figures(plan, spec) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    fn figures(self, plan: &Plan, spec: &Spec) -> Result<Outcome> {
        let server = || spec.server(plan.cores);
        let figures = match self {
            Self::Idle { size } => return idle::run(plan, spec, size),
            Self::Upgrade => upgrade::run(plan, &server()?)?,
            Self::Echo { depth, size } => echo::run(plan, &server()?, depth, size)?,
            Self::Broadcast => return broadcast::run(plan, &server()?),
            Self::Latency { rate } => latency::run(plan, &server()?, rate)?,
        };
        Ok(Outcome::Measured(figures))
    }

    /// What it is, for people.
    pub fn title(self, plan: &Plan) -> String {
        let Plan { connections, receivers, idle, .. } = plan;
        match self {
            Self::Idle { size } => {
                format!("idle: after an echo of {size} B, slope from {} to {}", idle[0], idle[1])
            }
            Self::Upgrade => format!("upgrade: {connections} at a time"),
            Self::Echo { depth, size } => {
                format!("echo: {connections} connections, {depth} deep, {size} B")
            }
            Self::Broadcast => format!("broadcast: {receivers} receivers, {SMALL} B"),
            Self::Latency { rate } => {
                format!("latency: {connections} connections, {rate} messages/s, {SMALL} B")
            }
        }
    }
}

/// Half of what a server echoes, for latencies that are not those of a queue.
///
/// # Errors
/// When it does not echo.
pub fn moderate_rate(plan: &Plan, spec: &Spec) -> Result<u64> {
    let figures = echo::run(plan, &spec.server(plan.cores)?, 1, SMALL)?;
    let echoed = figures.first().map_or(0.0, |figure| figure.value);
    // Two digits are exact enough, and a reader can say them again.
    let half = (echoed / 2.0).max(1.0);
    let unit = 10_f64.powf((half.log10().floor() - 1.0).max(0.0));
    Ok(((half / unit).round() * unit) as u64)
}

impl Plan {
    fn opcode(&self) -> Opcode {
        if self.is_text { Opcode::Text } else { Opcode::Binary }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured(_) => f.write_str("measured"),
            Self::Unavailable(why) => f.write_str(why),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}
