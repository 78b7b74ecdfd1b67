//! The machine: its cores, and what it is.

use std::fmt;
use std::fs;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The highest number that a core can have here.
pub const MAX_CORE: usize = CpuSet::MAX_CPU - 1;

/// A core for the servers and one for the load, so that neither takes the other's time.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    pub server: usize,
    pub load: usize,
}

/// The cores that this process may use, in ascending order.
pub struct Allowed(Vec<usize>);

/// The cores that this process may use; none if the system does not tell.
pub fn allowed_cores() -> Allowed {
    let set = sched_getaffinity(None).unwrap_or_default();
    Allowed((0..=MAX_CORE).filter(|core| set.is_set(*core)).collect())
}

impl Allowed {
    pub fn has(&self, core: usize) -> bool {
        self.0.contains(&core)
    }

    /// The first and the last one, if there are two: neighbours may be two halves of one core.
    pub fn usual(&self) -> Option<Cores> {
        match self.0[..] {
            [server, .., load] => Some(Cores { server, load }),
            _ => None,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores: Vec<_> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&cores.join(","))
    }
}

/// Lets this process run on one core only, and all that it starts.
///
/// # Errors
/// When the system refuses the core.
pub fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// What a reader wants to know of the machine. What it does not tell is empty.
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub kernel: String,
}

pub fn describe() -> Machine {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names = cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let names: Vec<_> = names.map(|(_, name)| name).collect();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        processor: names.first().copied().unwrap_or_default().to_owned(),
        cores: names.len(),
        kernel: kernel.trim().to_owned(),
    }
}
