//! Everything that was measured, for scripts.

use serde::Serialize;

use super::{processor, zlib};
use crate::arguments::Arguments;
use crate::contender::{Contender, version};
use crate::harness::{Figures, Results};
use crate::job::{BUFFERS, Group, LEVEL};

/// The whole file.
#[derive(Serialize)]
pub struct Report {
    /// Of this format: it changes when a script would have to.
    format: u32,
    settings: Settings,
    contenders: Vec<Participant>,
    groups: Vec<Section>,
}

#[derive(Serialize)]
struct Settings {
    processor: Option<String>,
    target: String,
    has_assertions: bool,
    rounds: u32,
    nanoseconds_of_a_turn: u128,
    buffers: usize,
    flate2: Option<&'static str>,
    zlib_of_flate2: &'static str,
    level_of_compression: u8,
}

#[derive(Serialize)]
struct Participant {
    name: &'static str,
    package: Option<&'static str>,
    version: Option<&'static str>,
    is_floor: bool,
    notes: &'static [&'static str],
}

#[derive(Serialize)]
struct Section {
    name: &'static str,
    title: &'static str,
    floor: &'static str,
    about: Vec<About>,
    cases: Vec<Case>,
}

/// What to know about a contender here.
#[derive(Serialize)]
struct About {
    contender: &'static str,
    /// The work that it leaves to its user. Not empty: it cannot be the best full peer.
    lacks: &'static [&'static str],
    remarks: &'static [&'static str],
}

#[derive(Serialize)]
struct Case {
    size: usize,
    parts: usize,
    best_full_peer: Option<&'static str>,
    results: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    contender: &'static str,
    fastest_ns: f64,
    median_ns: f64,
    gigabytes_per_second: f64,
    times_floor: Option<Ratio>,
    times_dormouse: Option<Ratio>,
    allocations: f64,
    allocated_bytes: f64,
    written_bytes: usize,
    times_in_a_turn: u32,
}

#[derive(Serialize)]
struct Ratio {
    fastest: f64,
    median: f64,
}

impl Report {
    /// Puts all results together.
    pub fn new(
        results: &[Results],
        contenders: &[Box<dyn Contender>],
        arguments: &Arguments,
    ) -> Self {
        let groups = arguments.groups.iter();
        Self {
            format: 1,
            settings: settings(arguments),
            contenders: contenders.iter().map(|one| participant(one.as_ref())).collect(),
            groups: groups.map(|&group| section(group, results, contenders)).collect(),
        }
    }
}

fn settings(arguments: &Arguments) -> Settings {
    Settings {
        processor: processor(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        has_assertions: cfg!(debug_assertions),
        rounds: arguments.rounds,
        nanoseconds_of_a_turn: arguments.sample.as_nanos(),
        buffers: BUFFERS,
        flate2: version("flate2"),
        zlib_of_flate2: zlib(),
        level_of_compression: LEVEL,
    }
}

fn participant(contender: &dyn Contender) -> Participant {
    Participant {
        name: contender.name(),
        package: contender.package(),
        version: contender.version(),
        is_floor: contender.is_floor(),
        notes: contender.notes(),
    }
}

fn section(group: Group, results: &[Results], contenders: &[Box<dyn Contender>]) -> Section {
    let about = contenders.iter().map(|one| About {
        contender: one.name(),
        lacks: one.lacks(group),
        remarks: one.remarks(group),
    });
    let cases = results.iter().filter(|results| results.group == group);
    Section {
        name: group.name(),
        title: group.title(),
        floor: group.floor(),
        about: about.filter(|about| !about.lacks.is_empty() || !about.remarks.is_empty()).collect(),
        cases: cases.map(|results| case(results, contenders)).collect(),
    }
}

fn case(results: &Results, contenders: &[Box<dyn Contender>]) -> Case {
    let best = results.best_peer(contenders);
    let figures = results.figures.iter();
    Case {
        size: results.size,
        parts: results.parts,
        best_full_peer: best.map(|figures| contenders[figures.contender].name()),
        results: figures.map(|figures| entry(figures, results, contenders)).collect(),
    }
}

fn entry(figures: &Figures, results: &Results, contenders: &[Box<dyn Contender>]) -> Entry {
    let ratio = |base: &Figures| Ratio {
        fastest: figures.fastest / base.fastest,
        median: figures.median / base.median,
    };
    Entry {
        contender: contenders[figures.contender].name(),
        fastest_ns: figures.fastest,
        median_ns: figures.median,
        gigabytes_per_second: results.gigabytes(figures),
        times_floor: results.floor(contenders).map(ratio),
        times_dormouse: results.dormouse(contenders).map(ratio),
        allocations: figures.allocations,
        allocated_bytes: figures.allocated,
        written_bytes: figures.written,
        times_in_a_turn: figures.times,
    }
}
