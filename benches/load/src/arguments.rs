//! The command line.

use std::ffi::OsString;
use std::net::SocketAddrV4;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lexopt::prelude::*;

use crate::machine::{self, Cores};
use crate::server::Spec;

/// What `--help` says.
pub const USAGE: &str = include_str!("usage.txt");

const ROUNDS: RangeInclusive<usize> = 1..=1_000;
const SECONDS: RangeInclusive<f64> = 0.01..=600.0;
const CONNECTIONS: RangeInclusive<usize> = 1..=10_000;
const DEPTHS: RangeInclusive<usize> = 1..=64;
const SIZES: RangeInclusive<usize> = 1..=65_536;
const IDLE: RangeInclusive<usize> = 1..=1_000_000;
const RECEIVERS: RangeInclusive<usize> = 2..=15_000;
const RATE: RangeInclusive<u64> = 1..=10_000_000;

/// What the user wants.
pub enum Request {
    Help,
    Run(Box<Plan>),
}

/// What is measured with whom, and how.
pub struct Plan {
    pub measurements: Vec<Measurement>,
    pub servers: Vec<Spec>,
    pub rounds: usize,
    pub time: Duration,
    pub connections: usize,
    pub depths: Vec<usize>,
    pub sizes: Vec<usize>,
    pub idle: [usize; 2],
    pub receivers: usize,
    /// Messages a second; `None` takes it from what the first server echoes.
    pub rate: Option<u64>,
    pub path: String,
    pub is_text: bool,
    pub cores: Option<Cores>,
    pub json: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measurement {
    Idle,
    Upgrade,
    Echo,
    Broadcast,
    Latency,
}

impl Measurement {
    pub const ALL: [Self; 5] =
        [Self::Idle, Self::Upgrade, Self::Echo, Self::Broadcast, Self::Latency];

    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Upgrade => "upgrade",
            Self::Echo => "echo",
            Self::Broadcast => "broadcast",
            Self::Latency => "latency",
        }
    }
}

/// Reads the command line.
///
/// # Errors
/// A sentence that says which word is wrong, and why.
pub fn read(words: Vec<OsString>) -> Result<Request, String> {
    let mut draft = Draft::default();
    let mut words = lexopt::Parser::from_args(words);
    while let Some(word) = words.next().map_err(|error| error.to_string())? {
        let name = match &word {
            Long("help") | Short('h') => return Ok(Request::Help),
            Long("text") => {
                draft.is_text = true;
                continue;
            }
            Value(value) => {
                draft.word(value.to_str().ok_or_else(|| format!("{value:?} is not text"))?)?;
                continue;
            }
            Long(name) if OPTIONS.contains(name) => (*name).to_owned(),
            Long(_) | Short(_) => return Err(word.unexpected().to_string()),
        };
        let value = words.value().map_err(|error| error.to_string())?;
        let value = value.to_str().ok_or_else(|| format!("--{name} {value:?} is not text"))?;
        draft.set(&name, value).map_err(|wrong| format!("--{name} {value}: {wrong}"))?;
    }
    draft.finish().map(|plan| Request::Run(Box::new(plan)))
}

const OPTIONS: [&str; 13] = [
    "server",
    "pid",
    "rounds",
    "seconds",
    "connections",
    "depths",
    "sizes",
    "idle",
    "receivers",
    "rate",
    "path",
    "cores",
    "json",
];

/// What has been read of the command line.
#[derive(Default)]
struct Draft {
    measurements: Vec<Measurement>,
    servers: Vec<Spec>,
    address: Option<SocketAddrV4>,
    pid: Option<u32>,
    rounds: Option<usize>,
    seconds: Option<f64>,
    connections: Option<usize>,
    depths: Option<Vec<usize>>,
    sizes: Option<Vec<usize>>,
    idle: Option<[usize; 2]>,
    receivers: Option<usize>,
    rate: Option<u64>,
    path: Option<String>,
    is_text: bool,
    cores: Option<Option<Cores>>,
    json: Option<PathBuf>,
}

impl Draft {
    /// Takes a word that belongs to no option: a measurement or an address.
    fn word(&mut self, word: &str) -> Result<(), String> {
        if word == "all" {
            self.measurements = Measurement::ALL.to_vec();
        } else if let Some(known) = Measurement::ALL.iter().find(|known| known.name() == word) {
            self.measurements.push(*known);
        } else if self.address.is_some() {
            return Err(format!("{word:?} is one address too many"));
        } else {
            self.address = Some(loopback(word)?);
        }
        Ok(())
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), String> {
        match option {
            "server" => self.servers.push(Spec::parse(value)?),
            "pid" => self.pid = Some(number(value, 1..=u32::MAX)?),
            "rounds" => self.rounds = Some(number(value, ROUNDS)?),
            "seconds" => self.seconds = Some(number(value, SECONDS)?),
            "connections" => self.connections = Some(number(value, CONNECTIONS)?),
            "depths" => self.depths = Some(numbers(value, &DEPTHS)?),
            "sizes" => self.sizes = Some(numbers(value, &SIZES)?),
            "idle" => self.idle = Some(ascending(value)?),
            "receivers" => self.receivers = Some(number(value, RECEIVERS)?),
            "rate" => self.rate = Some(number(value, RATE)?),
            "path" => self.path = Some(path(value)?),
            "cores" => self.cores = Some(cores(value)?),
            _ => self.json = Some(value.into()),
        }
        Ok(())
    }

    /// Checks what belongs together, and fills in what was not said.
    fn finish(mut self) -> Result<Plan, String> {
        let is_wanted = |one: &Measurement| self.measurements.contains(one);
        let measurements: Vec<_> = Measurement::ALL.into_iter().filter(is_wanted).collect();
        if measurements.is_empty() {
            return Err("it is not said what to measure".into());
        }
        if let Some(address) = self.address {
            if !self.servers.is_empty() {
                return Err("an address and --server do not go together".into());
            }
            self.servers.push(Spec::running(address, self.pid));
        } else if self.pid.is_some() {
            return Err("--pid goes with the address of a running server".into());
        }
        if self.servers.is_empty() {
            return Err("it is not said which server".into());
        }
        self.check_names()?;
        let usual_rounds = if self.servers.len() > 1 { 5 } else { 1 };
        Ok(Plan {
            measurements,
            servers: self.servers,
            rounds: self.rounds.unwrap_or(usual_rounds),
            time: Duration::from_secs_f64(self.seconds.unwrap_or(1.0)),
            connections: self.connections.unwrap_or(64),
            depths: self.depths.unwrap_or_else(|| vec![1, 16]),
            sizes: self.sizes.unwrap_or_else(|| vec![32, 1024]),
            idle: self.idle.unwrap_or([5_000, 15_000]),
            receivers: self.receivers.unwrap_or(1_000),
            rate: self.rate,
            path: self.path.unwrap_or_else(|| "/".into()),
            is_text: self.is_text,
            cores: self.cores.unwrap_or_else(|| machine::allowed_cores().usual()),
            json: self.json,
        })
    }

    fn check_names(&self) -> Result<(), String> {
        for (index, spec) in self.servers.iter().enumerate() {
            if self.servers[..index].iter().any(|other| other.name == spec.name) {
                return Err(format!("two servers are called {}", spec.name));
            }
        }
        Ok(())
    }
}

/// An address of this machine that no other can reach.
fn loopback(word: &str) -> Result<SocketAddrV4, String> {
    let address: SocketAddrV4 = word.parse().map_err(|_| {
        format!("{word:?} is neither a measurement nor an address such as 127.0.0.1:9001")
    })?;
    if !address.ip().is_loopback() || address.port() == 0 {
        return Err(format!("{word}: load goes only to a port of 127.0.0.0/8"));
    }
    Ok(address)
}

fn number<N>(text: &str, range: RangeInclusive<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + std::fmt::Display,
{
    let number = text.trim().parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("not a number from {} to {}", range.start(), range.end()))
}

fn numbers(text: &str, range: &RangeInclusive<usize>) -> Result<Vec<usize>, String> {
    text.split(',').map(|part| number(part, range.clone())).collect()
}

fn ascending(text: &str) -> Result<[usize; 2], String> {
    match numbers(text, &IDLE)?[..] {
        [low, high] if low < high => Ok([low, high]),
        _ => Err("not two numbers, the smaller one first".into()),
    }
}

fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_path { Ok(text.into()) } else { Err("not a path such as /chat".into()) }
}

fn cores(text: &str) -> Result<Option<Cores>, String> {
    if text == "any" {
        return Ok(None);
    }
    let allowed = machine::allowed_cores();
    match numbers(text, &(0..=machine::MAX_CORE))?[..] {
        [server, load] if allowed.has(server) && allowed.has(load) => {
            Ok(Some(Cores { server, load }))
        }
        _ => Err(format!("not two of the cores {allowed}, nor 'any'")),
    }
}
