//! The comparison in memory: what `benches/peers` writes.

use serde::{Deserialize, Serialize};

use super::{DORMOUSE, Measured, present};

/// The format that this reads.
const FORMAT: u32 = 1;

/// Everything.
#[derive(Debug, Serialize, Deserialize)]
pub struct Peers {
    format: u32,
    /// How it was measured.
    pub settings: Settings,
    /// All that took part, in the order of the tables.
    pub contenders: Vec<Contender>,
    /// What they did.
    pub groups: Vec<Group>,
}

/// How it was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Processor and system, as the compiler calls them.
    pub target: String,
    /// Whether it was built without `--release`.
    has_assertions: bool,
    /// How often everybody took a turn.
    pub rounds: u32,
    /// The buffers whose messages come in turn.
    pub buffers: usize,
    /// How long a turn took, about.
    pub nanoseconds_of_a_turn: u64,
    /// The version of flate2, if it is there.
    #[serde(deserialize_with = "present")]
    pub flate2: Option<String>,
    /// What those who use flate2 compress with.
    pub zlib_of_flate2: String,
    /// And how hard they try.
    pub level_of_compression: u32,
}

/// One that took part.
#[derive(Debug, Serialize, Deserialize)]
pub struct Contender {
    /// In the tables.
    pub name: String,
    /// Whose code does the work.
    #[serde(deserialize_with = "present")]
    pub package: Option<String>,
    /// Of that package.
    #[serde(deserialize_with = "present")]
    pub version: Option<String>,
    /// Whether it is the work that nobody can leave out, rather than somebody's code.
    pub is_floor: bool,
    /// Its settings, and what it needs that others do not.
    pub notes: Vec<String>,
}

/// One kind of work.
#[derive(Debug, Serialize, Deserialize)]
pub struct Group {
    /// For programs.
    pub name: String,
    /// For people.
    pub title: String,
    /// Which contender is the floor.
    pub floor: String,
    /// What to know about contenders here.
    pub about: Vec<About>,
    /// The work in several sizes.
    pub cases: Vec<Case>,
}

/// What to know about one contender in a group.
#[derive(Debug, Serialize, Deserialize)]
pub struct About {
    /// Who.
    pub contender: String,
    /// What it leaves to its user. If there is anything, it is no full peer here.
    pub lacks: Vec<String>,
    /// What else.
    pub remarks: Vec<String>,
}

/// Work of one size.
#[derive(Debug, Serialize, Deserialize)]
pub struct Case {
    /// Bytes of a message, or of a request.
    pub size: usize,
    /// In how many pieces it came, or how many came at once.
    pub parts: usize,
    /// Of those that can do it.
    pub results: Vec<Entry>,
}

/// What one contender took.
#[derive(Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Who.
    pub contender: String,
    /// In the fastest turn.
    pub fastest_ns: f64,
    /// In the middle one.
    pub median_ns: f64,
    /// How often it asked for memory.
    pub allocations: f64,
    /// For how many bytes.
    pub allocated_bytes: f64,
    /// What it wrote.
    pub written_bytes: u64,
}

impl Measured for Peers {
    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("format {} is not the one that is known, {FORMAT}", self.format));
        }
        if self.settings.has_assertions {
            return Err("built without --release: its times say nothing".into());
        }
        for group in &self.groups {
            for case in &group.cases {
                let place = format!("{} {}", group.name, case.size);
                for needed in [DORMOUSE, &group.floor] {
                    case.of(needed).ok_or_else(|| format!("{place}: no figures of {needed}"))?;
                }
                for entry in &case.results {
                    let named = self.contender(&entry.contender);
                    named.ok_or_else(|| format!("{place}: who is {}?", entry.contender))?;
                }
            }
        }
        Ok(())
    }
}

impl Peers {
    /// The contender of that name.
    pub fn contender(&self, name: &str) -> Option<&Contender> {
        self.contenders.iter().find(|contender| contender.name == name)
    }

    /// The group of that name.
    ///
    /// # Errors
    /// When it was not measured.
    pub fn group(&self, name: &str) -> Result<&Group, String> {
        let group = self.groups.iter().find(|group| group.name == name);
        group.ok_or_else(|| format!("peers.json has no group {name}"))
    }

    /// The names that have figures in `group`, in the order of the tables.
    pub fn taking_part<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Contender> {
        let takes_part = |name: &str| group.cases.iter().any(|case| case.of(name).is_some());
        self.contenders.iter().filter(move |contender| takes_part(&contender.name))
    }

    /// The peers with figures for `case` that leave nothing to their users.
    pub fn full<'a>(
        &'a self,
        group: &'a Group,
        case: &'a Case,
    ) -> impl Iterator<Item = &'a Entry> + Clone {
        case.results.iter().filter(move |entry| {
            let is_peer = self.contender(&entry.contender).is_some_and(Contender::is_peer);
            is_peer && group.lacks_of(&entry.contender).is_empty()
        })
    }

    /// The fastest of the [`full`](Self::full) peers.
    pub fn fastest_full<'a>(&'a self, group: &'a Group, case: &'a Case) -> Option<&'a Entry> {
        self.full(group, case).min_by(|one, other| one.fastest_ns.total_cmp(&other.fastest_ns))
    }

    /// The rows of `dormouse` besides its main one, with figures for `case`.
    pub fn variants<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = &'a Entry> {
        let variants =
            self.contenders.iter().filter(|one| one.is_dormouse() && one.name != DORMOUSE);
        variants.filter_map(|contender| case.of(&contender.name))
    }
}

impl Contender {
    /// Whether its code is that of the crate.
    pub fn is_dormouse(&self) -> bool {
        self.package.as_deref() == Some(DORMOUSE)
    }

    /// Whether it is somebody else's code.
    pub fn is_peer(&self) -> bool {
        !self.is_floor && !self.is_dormouse()
    }
}

impl Group {
    /// What the contender of that name leaves to its users.
    pub fn lacks_of(&self, contender: &str) -> &[String] {
        let about = self.about.iter().find(|about| about.contender == contender);
        about.map_or(&[], |about| &about.lacks)
    }

    /// What else there is to know about the contender of that name.
    pub fn remarks_on(&self, contender: &str) -> &[String] {
        let about = self.about.iter().find(|about| about.contender == contender);
        about.map_or(&[], |about| &about.remarks)
    }

    /// Whether it is a kind of receiving.
    pub fn receives(&self) -> bool {
        self.name.starts_with("receive")
    }
}

impl Case {
    /// The figures of the contender of that name.
    pub fn of(&self, contender: &str) -> Option<&Entry> {
        self.results.iter().find(|entry| entry.contender == contender)
    }
}

impl Entry {
    /// How many times as long as `other` it takes, in the fastest turns.
    pub fn times(&self, other: &Self) -> f64 {
        self.fastest_ns / other.fastest_ns
    }

    /// The same, in the middle ones.
    pub fn times_by_median(&self, other: &Self) -> f64 {
        self.median_ns / other.median_ns
    }
}
