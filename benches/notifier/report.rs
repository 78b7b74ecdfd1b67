//! What the parts find: figures beside their targets, printed for people and collected for programs.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};

use serde::Serialize;

/// What a figure has to be.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "at most {limit}"),
            Self::AtLeast(limit) => write!(f, "at least {limit}"),
        }
    }
}

/// One figure.
#[derive(Serialize)]
struct Figure {
    part: &'static str,
    name: &'static str,
    what: String,
    unit: &'static str,
    value: f64,
    target: Target,
}

/// The figures so far.
#[derive(Default, Serialize)]
pub struct Report {
    #[serde(skip)]
    part: &'static str,
    figures: Vec<Figure>,
}

impl Report {
    /// What follows is of this part.
    pub fn begin(&mut self, part: &'static str) {
        self.part = part;
    }

    /// Prints a figure beside its target and keeps it. `name` is for programs; `what` says what it is,
    /// so that somebody understands it who has read nothing else, and `unit` what it is counted in.
    pub fn tell(
        &mut self,
        name: &'static str,
        what: &str,
        (value, unit): (f64, &'static str),
        target: Target,
    ) {
        let (part, what) = (self.part, what.to_owned());
        let verdict = if target.is_met_by(value) { "met" } else { "MISSED" };
        println!("{part}: {what}: {value:.2} {unit} ({target}: {verdict})");
        self.figures.push(Figure { part, name, what, unit, value, target });
    }

    /// Writes all figures, for programs.
    ///
    /// # Errors
    /// When the file takes no more.
    pub fn write(&self, mut file: &File) -> io::Result<()> {
        serde_json::to_writer_pretty(file, self)?;
        file.write_all(b"\n")
    }
}

/// A count with a comma between thousands.
pub fn thousands(count: usize) -> String {
    match (count / 1000, count % 1000) {
        (0, rest) => rest.to_string(),
        (whole, rest) => format!("{},{rest:03}", thousands(whole)),
    }
}
