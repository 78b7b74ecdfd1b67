//! Load on the mail-notification server: whether it reaches what an operator would ask of it.
//!
//! ```text
//! cargo bench --bench notifier
//! cargo bench --bench notifier -- memory slow
//! cargo bench --bench notifier -- --json notifier.json
//! ```
//! Each part starts the real program `mail_notifier` as a process of its own, talks to it over
//! loopback as clients and publishers do, and prints one line for each target: the figure, the
//! target, and whether it is met. Linux only, because it reads `/proc`. All parts together take
//! about four minutes; nothing waits without a bound, and no process outlives this one.
//!
//! | file | what it measures |
//! |---|---|
//! | `memory` | bytes for each idle connection, and whether a burst leaves something behind |
//! | `broadcast` | one mail to 10,000 connections, beside a bare loop of `write` calls |
//! | `descriptors` | the hour in which the process has no file descriptor left |
//! | `slow` | what consumers that stop reading cost the server and the others |
//! | `half_open` | what handshakes that never end cost those that do |
//!
//! They share `server` (the process, its keys and figures), `publisher`, `client` (one connection),
//! `crowd` (many of them) and `report` (what they find). `--json FILE` writes all figures for programs, if
//! all could be measured.

mod broadcast;
mod client;
mod crowd;
mod descriptors;
#[path = "../../tests/support/example.rs"]
mod example;
mod half_open;
mod memory;
mod publisher;
mod report;
mod server;
mod slow;

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::time::Duration;

use report::Report;

/// How long anything may take that ought to take a moment.
const BOUND: Duration = Duration::from_secs(20);
/// How many descriptors this process needs: 19,000 connections and what it takes to watch them.
const DESCRIPTORS: u64 = 19_500;
/// How the first word begins for a process that plays a part in the measurement of another.
const ROLE: &str = "--role=";

struct Part {
    name: &'static str,
    run: fn(&mut Report) -> Result<(), Box<dyn Error + Send + Sync>>,
}

const PARTS: [Part; 5] = [
    Part { name: "memory", run: memory::run },
    Part { name: "broadcast", run: broadcast::run },
    Part { name: "descriptors", run: descriptors::run },
    Part { name: "slow", run: slow::run },
    Part { name: "half_open", run: half_open::run },
];

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let words: Vec<String> = env::args().skip(1).collect();
    if let Some(role) = words.first().and_then(|word| word.strip_prefix(ROLE)) {
        return broadcast::play(role, &words[1..]);
    }
    if !words.iter().any(|word| word == "--bench") {
        println!("notifier: runs only as a bench");
        return Ok(());
    }
    let wanted = Wanted::read(&words)?;
    // Whoever cannot write the figures need not measure.
    let json = wanted.json.map(File::create).transpose()?;
    check_descriptors()?;
    let (mut report, mut outcome) = (Report::default(), Ok(()));
    for Part { name, run } in PARTS {
        report.begin(name);
        if (wanted.parts.is_empty() || wanted.parts.contains(&name))
            && let Err(error) = run(&mut report)
        {
            println!("{name}: could not be measured: {error}");
            outcome = Err(format!("{name} could not be measured").into());
        }
    }
    if let (Ok(()), Some(file)) = (&outcome, &json) {
        report.write(file)?;
    }
    outcome
}

/// The command line.
#[derive(Default)]
struct Wanted<'w> {
    /// All if there are none.
    parts: Vec<&'w str>,
    json: Option<&'w str>,
}

impl<'w> Wanted<'w> {
    fn read(words: &'w [String]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut wanted = Self::default();
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if word == "--json" {
                wanted.json = Some(words.next().ok_or("--json needs a file")?);
            } else if PARTS.iter().any(|part| part.name == word) {
                wanted.parts.push(word);
            } else if word != "--bench" {
                return Err(format!("no part is called {word}").into());
            }
        }
        Ok(wanted)
    }
}

/// The middle one of some figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Says early what would otherwise fail at the last connection.
fn check_descriptors() -> Result<(), Box<dyn Error + Send + Sync>> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    match soft.and_then(|soft| soft.parse::<u64>().ok()) {
        Some(soft) if soft < DESCRIPTORS => {
            Err(format!("{soft} descriptors are too few: run `ulimit -n 20000` first").into())
        }
        _ => Ok(()),
    }
}
