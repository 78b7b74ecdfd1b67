//! What was measured, as it is checked in: a file for each part.
//!
//! Fields that are not known are left aside, so that the programs that measure can tell more. A field
//! that is missing, or a file, is an error: a table with holes would pass for one without.

pub mod load;
pub mod notifier;
pub mod peers;
pub mod run;

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Failure, Result};
use load::Load;
use notifier::Notifier;
use peers::Peers;
use run::Run;

/// The name of the crate in every table.
pub const DORMOUSE: &str = "dormouse";

/// A file of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The comparison in memory.
    Peers,
    /// Servers: memory of connections that sleep.
    Idle,
    /// Servers: upgrades, echoes, latencies.
    Load,
    /// Servers: `dormouse` and the bare loop alone, in many short rounds.
    Bare,
    /// Servers: broadcasts.
    Broadcast,
    /// The mail notifier.
    Notifier,
}

impl Part {
    /// In the order of the tables.
    pub const ALL: [Self; 6] =
        [Self::Peers, Self::Idle, Self::Load, Self::Bare, Self::Broadcast, Self::Notifier];

    /// What its file is called, without `.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Peers => "peers",
            Self::Idle => "idle",
            Self::Load => "load",
            Self::Bare => "bare",
            Self::Broadcast => "broadcast",
            Self::Notifier => "notifier",
        }
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Peers => "in memory",
            Self::Idle => "idle connections",
            Self::Load => "upgrades, echoes, latencies",
            Self::Bare => "beside the bare loop",
            Self::Broadcast => "broadcasts",
            Self::Notifier => "mail notifier",
        }
    }

    /// The file in the folder of results.
    pub fn file(self) -> String {
        format!("{}.json", self.name())
    }

    /// # Errors
    /// When no part has that name.
    pub fn named(name: &str) -> std::result::Result<Self, String> {
        let part = Self::ALL.into_iter().find(|part| part.name() == name);
        part.ok_or_else(|| format!("no part is called {name:?}"))
    }
}

/// Results, and how they came about.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept<T> {
    /// When, where, and by which command.
    pub run: Run,
    /// What the program has found.
    pub results: T,
}

/// What a program writes.
pub trait Measured: Serialize + DeserializeOwned {
    /// Whether it hangs together.
    ///
    /// # Errors
    /// What does not, in words.
    fn check(&self) -> std::result::Result<(), String>;

    /// Leaves out what nobody reads.
    fn trim(&mut self) {}
}

/// Everything that was measured.
#[derive(Debug)]
pub struct Results {
    /// See [`Part::Peers`].
    pub peers: Kept<Peers>,
    /// See [`Part::Idle`].
    pub idle: Kept<Load>,
    /// See [`Part::Load`].
    pub load: Kept<Load>,
    /// See [`Part::Bare`].
    pub bare: Kept<Load>,
    /// See [`Part::Broadcast`].
    pub broadcast: Kept<Load>,
    /// See [`Part::Notifier`].
    pub notifier: Kept<Notifier>,
}

impl Results {
    /// Reads all parts.
    ///
    /// # Errors
    /// When a file is missing or is not what it has to be.
    pub fn read(folder: &Path) -> Result<Self> {
        Ok(Self {
            peers: read(folder, Part::Peers)?,
            idle: read(folder, Part::Idle)?,
            load: read(folder, Part::Load)?,
            bare: read(folder, Part::Bare)?,
            broadcast: read(folder, Part::Broadcast)?,
            notifier: read(folder, Part::Notifier)?,
        })
    }

    /// How each part came about.
    pub fn runs(&self) -> [(Part, &Run); 6] {
        [
            (Part::Peers, &self.peers.run),
            (Part::Idle, &self.idle.run),
            (Part::Load, &self.load.run),
            (Part::Bare, &self.bare.run),
            (Part::Broadcast, &self.broadcast.run),
            (Part::Notifier, &self.notifier.run),
        ]
    }
}

fn read<T: Measured>(folder: &Path, part: Part) -> Result<Kept<T>> {
    let path = folder.join(part.file());
    let text = fs::read_to_string(&path).map_err(|error| {
        format!("{}: {error} (scripts/numbers.sh measures what is missing)", path.display())
    })?;
    let wrong = |error: String| Failure::from(format!("{}: {error}", path.display()));
    let kept: Kept<T> = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    kept.results.check().map_err(wrong)?;
    Ok(kept)
}

/// For a field that may be null, but has to be there.
fn present<'de, T, D>(deserializer: D) -> std::result::Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer)
}
