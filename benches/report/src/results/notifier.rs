//! The mail notifier under load: what `benches/notifier` writes, of one run or of several.

use serde::{Deserialize, Serialize};

use super::Measured;
use super::load::median;

/// Everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Notifier {
    /// In the order in which they were measured.
    pub figures: Vec<Figure>,
}

/// One figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// Which part of the bench has measured it.
    pub part: String,
    /// What it is, for programs.
    pub name: String,
    /// What it is, for people.
    pub what: String,
    /// What it is counted in; empty for ratios.
    pub unit: String,
    /// What it has to be.
    pub target: Target,
    /// One of each run.
    pub values: Vec<f64>,
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// No more.
    AtMost(f64),
    /// No less.
    AtLeast(f64),
}

/// What one run of the bench writes.
#[derive(Debug, Deserialize)]
pub struct Raw {
    figures: Vec<RawFigure>,
}

#[derive(Debug, Deserialize)]
struct RawFigure {
    part: String,
    name: String,
    what: String,
    unit: String,
    target: Target,
    value: f64,
}

impl Notifier {
    /// Puts the runs side by side.
    ///
    /// # Errors
    /// When they have not the same figures.
    pub fn of_runs(runs: Vec<Raw>) -> Result<Self, String> {
        let mut runs = runs.into_iter();
        let first = runs.next().ok_or("there is no run")?;
        let mut figures: Vec<Figure> = first.figures.into_iter().map(Figure::of).collect();
        for run in runs {
            if run.figures.len() != figures.len() {
                return Err("the runs have not the same figures".into());
            }
            for (figure, again) in figures.iter_mut().zip(run.figures) {
                if figure.name != again.name {
                    return Err(format!("{} is not in every run", figure.name));
                }
                figure.values.push(again.value);
            }
        }
        Ok(Self { figures })
    }
}

impl Measured for Notifier {
    fn check(&self) -> Result<(), String> {
        let empty = self.figures.iter().find(|figure| figure.values.is_empty());
        empty.map_or(Ok(()), |figure| Err(format!("{} has no value", figure.name)))
    }
}

impl Figure {
    fn of(raw: RawFigure) -> Self {
        let RawFigure { part, name, what, unit, target, value } = raw;
        Self { part, name, what, unit, target, values: vec![value] }
    }

    /// The middle one of all runs.
    pub fn median(&self) -> f64 {
        median(self.values.clone()).unwrap_or(f64::NAN)
    }

    /// The lowest and the highest one, if there are several.
    pub fn range(&self) -> Option<(f64, f64)> {
        let values = || self.values.iter().copied();
        let (low, high) = (values().min_by(f64::total_cmp)?, values().max_by(f64::total_cmp)?);
        (self.values.len() > 1).then_some((low, high))
    }

    /// Whether the middle one is what it has to be.
    pub fn is_met(&self) -> bool {
        match self.target {
            Target::AtMost(limit) => self.median() <= limit,
            Target::AtLeast(limit) => self.median() >= limit,
        }
    }
}
