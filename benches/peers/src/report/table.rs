//! What was measured, for people.

use std::fmt::Write;

use super::{processor, zlib};
use crate::arguments::Arguments;
use crate::contender::Contender;
use crate::harness::{Figures, Results};
use crate::job::{Group, LEVEL};
use crate::peers::COPIED;

const NAME: usize = 26;
const CELL: usize = 17;

/// What stands above all tables.
pub fn head(contenders: &[Box<dyn Contender>], arguments: &Arguments) -> String {
    let mut text = String::new();
    let processor = processor().unwrap_or_else(|| "unknown processor".to_owned());
    let (rounds, sample) = (arguments.rounds, arguments.sample);
    let _ = writeln!(text, "{processor}; {rounds} rounds, turns of about {sample:?}");
    let _ = writeln!(text, "compression at level {LEVEL}; {} for those who use flate2\n", zlib());
    for contender in contenders {
        let Some(version) = contender.version() else { continue };
        let _ = writeln!(text, "{} {version}", contender.name());
        for note in contender.notes() {
            let _ = writeln!(text, "    - {note}");
        }
    }
    if cfg!(debug_assertions) {
        text.push_str("\nBuilt without --release: these times say nothing.\n");
    }
    text
}

/// The tables of one group.
pub fn group(group: Group, results: &[Results], contenders: &[Box<dyn Contender>]) -> String {
    let cases: Vec<&Results> = results.iter().filter(|results| results.group == group).collect();
    let table = Table { group, cases, contenders };
    let mut text = format!("\n## {}: {}\n\n", group.name(), group.title());
    let floor = group.floor();
    text += &table.of("ns, fastest / median", |_, figures| {
        format!("{} / {}", ns(figures.fastest), ns(figures.median))
    });
    text += &table.of(&format!("times {floor} / times dormouse"), |results, figures| {
        let times = |base: Option<&Figures>| {
            base.map_or_else(|| "-".into(), |base| ratio(figures.fastest / base.fastest))
        };
        format!("{} / {}", times(results.floor(contenders)), times(results.dormouse(contenders)))
    });
    if !matches!(group, Group::ReceiveBytewise | Group::Handshake | Group::EchoCompressed) {
        text += &table.of("GB/s", |results, figures| ratio(results.gigabytes(figures)));
    }
    text += &table.of("allocations (bytes)", |_, figures| {
        format!("{} ({})", count(figures.allocations), count(figures.allocated))
    });
    if matches!(group, Group::Handshake | Group::EchoCompressed) {
        text += &table.of("bytes written", |_, figures| figures.written.to_string());
    }
    text += &table.verdict();
    text += &table.footnotes();
    text
}

struct Table<'a> {
    group: Group,
    cases: Vec<&'a Results>,
    contenders: &'a [Box<dyn Contender>],
}

impl Table<'_> {
    /// A row for each contender, a column for each size.
    fn of(&self, title: &str, cell: impl Fn(&Results, &Figures) -> String) -> String {
        let mut text = format!("{title:<NAME$}");
        for results in &self.cases {
            let _ = write!(text, "{:>CELL$}", size(results.size));
        }
        text.push('\n');
        for (index, contender) in self.contenders.iter().enumerate() {
            let figures: Vec<Option<&Figures>> = self
                .cases
                .iter()
                .map(|results| results.figures.iter().find(|figures| figures.contender == index))
                .collect();
            if figures.iter().all(Option::is_none) {
                continue;
            }
            let mark = if contender.lacks(self.group).is_empty() { "" } else { " *" };
            let _ = write!(text, "{:<NAME$}", format!("{}{mark}", contender.name()));
            for (results, figures) in self.cases.iter().zip(figures) {
                let value = figures.map_or_else(String::new, |figures| cell(results, figures));
                let _ = write!(text, "{value:>CELL$}");
            }
            text.push('\n');
        }
        text.push('\n');
        text
    }

    /// How `dormouse` stands beside the best of the others.
    fn verdict(&self) -> String {
        let mut text = String::new();
        for results in &self.cases {
            let best = results.best_peer(self.contenders);
            let (Some(own), Some(best)) = (results.dormouse(self.contenders), best) else {
                continue;
            };
            let name = self.contenders[best.contender].name();
            let copied = results.of(COPIED, self.contenders).map_or_else(String::new, |copied| {
                format!(", {} with the copy", ratio(copied.fastest / best.fastest))
            });
            let _ = writeln!(
                text,
                "{:>8}: dormouse takes {}{copied} ({} by the median) of the time of {name}, the fastest full peer",
                size(results.size),
                ratio(own.fastest / best.fastest),
                ratio(own.median / best.median),
            );
        }
        text
    }

    fn footnotes(&self) -> String {
        let mut text = String::new();
        for (index, contender) in self.contenders.iter().enumerate() {
            let mut figures = self.cases.iter().flat_map(|results| &results.figures);
            if !figures.any(|figures| figures.contender == index) {
                continue;
            }
            for lack in contender.lacks(self.group) {
                let _ = writeln!(text, "* {}: {lack}", contender.name());
            }
            for remark in contender.remarks(self.group) {
                let _ = writeln!(text, "- {}: {remark}", contender.name());
            }
        }
        text
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

fn ns(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn ratio(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

fn count(value: f64) -> String {
    if value.fract() < 0.005 || value >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}
