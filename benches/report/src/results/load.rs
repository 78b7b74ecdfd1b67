//! Servers over loopback: what `benches/load` writes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DORMOUSE, Measured, present};

/// Everything.
#[derive(Debug, Serialize, Deserialize)]
pub struct Load {
    /// How it was measured.
    pub settings: Settings,
    /// In the order of the tables; the first is what the others are compared with.
    pub servers: Vec<Server>,
    /// What was measured.
    pub results: Vec<Case>,
}

/// How it was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settings {
    /// How often.
    pub rounds: usize,
    /// How long each time.
    pub seconds: f64,
    /// The two counts of idle connections.
    pub idle: [usize; 2],
    /// Where the bytes of the kernel were read.
    pub kernel_bytes_from: String,
    /// Which core has whom; null if the system decides.
    #[serde(deserialize_with = "present")]
    pub cores: Option<Cores>,
}

/// The cores that were used.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cores {
    /// By the server.
    pub server: usize,
    /// By the load.
    pub load: usize,
}

/// A server.
#[derive(Debug, Serialize, Deserialize)]
pub struct Server {
    /// In the tables.
    pub name: String,
    /// Of the library, if it was told.
    #[serde(deserialize_with = "present")]
    pub version: Option<String>,
    /// What starts it.
    pub command: String,
}

/// One measurement with its settings.
#[derive(Debug, Serialize, Deserialize)]
pub struct Case {
    /// `idle`, `upgrade`, `echo`, `broadcast` or `latency`.
    pub measurement: String,
    /// For people.
    pub title: String,
    /// The settings that tell it from others of the same kind.
    pub case: BTreeMap<String, u64>,
    /// By the name of the server.
    servers: BTreeMap<String, Outcome>,
}

/// What came of it for one server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Outcome {
    quantities: Vec<(String, Quantity)>,
    /// Why there is nothing, or not all.
    pub remark: Option<Remark>,
}

/// Why a server has no figures.
#[derive(Clone, Debug)]
pub struct Remark {
    /// `failed` or `not_offered`.
    kind: String,
    /// In words.
    pub why: String,
}

/// One quantity over all rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quantity {
    /// Whether much of it is good. Neither, if it only says something about another one.
    #[serde(deserialize_with = "present")]
    pub better: Option<Better>,
    /// Each of them.
    pub rounds: Vec<f64>,
    /// The middle one.
    #[serde(deserialize_with = "present")]
    pub median: Option<f64>,
    /// Their mean.
    #[serde(deserialize_with = "present")]
    pub mean: Option<f64>,
    /// The best one.
    #[serde(deserialize_with = "present")]
    pub best: Option<f64>,
    /// The middle one of the ratios to the first server in the same round.
    #[serde(deserialize_with = "present")]
    pub ratio_to_first: Option<f64>,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.replace('_', " "), self.why)
    }
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// As of a rate.
    More,
    /// As of a price.
    Less,
}

const REMARKS: [&str; 2] = ["failed", "not_offered"];

impl TryFrom<Map<String, Value>> for Outcome {
    type Error = serde_json::Error;

    /// A quantity is what has rounds. What else there may be one day is left aside.
    fn try_from(map: Map<String, Value>) -> Result<Self, Self::Error> {
        let mut outcome = Self::default();
        for (name, value) in map {
            if value.get("rounds").is_some() {
                outcome.quantities.push((name, serde_json::from_value(value)?));
            } else if let (true, Value::String(why)) = (REMARKS.contains(&&*name), value) {
                outcome.remark = Some(Remark { kind: name, why });
            }
        }
        Ok(outcome)
    }
}

impl From<Outcome> for Map<String, Value> {
    fn from(outcome: Outcome) -> Self {
        let remark = outcome.remark.map(|remark| (remark.kind, Value::String(remark.why)));
        let quantities = outcome.quantities.into_iter();
        let quantities = quantities
            .filter_map(|(name, quantity)| Some((name, serde_json::to_value(quantity).ok()?)));
        quantities.chain(remark).collect()
    }
}

impl Measured for Load {
    fn check(&self) -> Result<(), String> {
        if !self.servers.iter().any(|server| server.name == DORMOUSE) {
            return Err(format!("no server is called {DORMOUSE}"));
        }
        for case in &self.results {
            for server in &self.servers {
                let place = || format!("{}: {}", case.title, server.name);
                let outcome =
                    case.of(&server.name).ok_or_else(|| format!("{}: nothing", place()))?;
                if outcome.quantities.is_empty() && outcome.remark.is_none() {
                    return Err(format!("{}: neither figures nor a reason", place()));
                }
            }
            let own = case.of(DORMOUSE).and_then(|outcome| outcome.remark.as_ref());
            if let Some(remark) = own {
                return Err(format!("{}: {DORMOUSE}: {}", case.title, remark.why));
            }
        }
        Ok(())
    }

    /// Of what is neither good nor bad the mean is enough.
    fn trim(&mut self) {
        let outcomes = self.results.iter_mut().flat_map(|case| case.servers.values_mut());
        for (_, quantity) in outcomes.flat_map(|outcome| &mut outcome.quantities) {
            if quantity.better.is_none() {
                quantity.rounds.clear();
            }
        }
    }
}

impl Load {
    /// The case of a measurement with these settings.
    ///
    /// # Errors
    /// When it was not measured.
    pub fn case(&self, measurement: &str, settings: &[(&str, u64)]) -> Result<&Case, String> {
        let is_it = |case: &&Case| {
            case.measurement == measurement
                && settings.iter().all(|(name, value)| case.case.get(*name) == Some(value))
        };
        let case = self.results.iter().find(is_it);
        case.ok_or_else(|| format!("{measurement} {settings:?} was not measured"))
    }

    /// What the others are compared with.
    pub fn first(&self) -> &str {
        self.servers.first().map_or("", |server| &server.name)
    }

    /// The servers of others: neither this crate's nor the floor, which may be there twice.
    pub fn peers(&self) -> impl Iterator<Item = &Server> {
        let floor = self.servers.first().map(|floor| &floor.command);
        self.servers
            .iter()
            .filter(move |server| server.name != DORMOUSE && Some(&server.command) != floor)
    }
}

impl Case {
    /// What came of it for the server of that name.
    pub fn of(&self, server: &str) -> Option<&Outcome> {
        self.servers.get(server)
    }

    /// One quantity of one server.
    pub fn quantity(&self, server: &str, name: &str) -> Option<&Quantity> {
        self.of(server)?.quantity(name)
    }

    /// The median of a quantity that `dormouse` has to have.
    ///
    /// # Errors
    /// When it has not.
    pub fn own(&self, name: &str) -> Result<&Quantity, String> {
        let quantity = self.quantity(DORMOUSE, name);
        quantity.ok_or_else(|| format!("{}: {DORMOUSE} has no {name}", self.title))
    }
}

impl Outcome {
    /// The quantity of that name.
    pub fn quantity(&self, name: &str) -> Option<&Quantity> {
        self.quantities.iter().find(|(own, _)| own == name).map(|(_, quantity)| quantity)
    }
}

impl Quantity {
    /// What stands for all rounds. What is made of a few ticks of a clock each time is right only over
    /// all of them, and is marked by being neither good nor bad.
    pub fn typical(&self) -> Option<f64> {
        if self.better.is_some() { self.median } else { self.mean }
    }

    /// How many times `other` it is: the middle one of the ratios within the same rounds. If a round is
    /// missing, nobody knows which are the same, and the ratio is that of the medians.
    pub fn times(&self, other: &Self) -> Option<f64> {
        if self.rounds.len() != other.rounds.len() {
            return Some(self.typical()? / other.typical()?);
        }
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(pairs.map(|(own, its)| own / its).collect())
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let below = values.len().checked_sub(1)? / 2;
    Some(f64::midpoint(*values.get(below)?, *values.get(values.len() / 2)?))
}
