//! What a connection costs that sleeps: bytes of memory, as a slope between two counts.
//!
//! A process can have only so many files. Beyond that there are more processes to hold connections, and
//! more servers if they are started here, whose memory is counted together.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use crate::Result;
use crate::arguments::Plan;
use crate::figures::{Figure, KERNEL_BYTES, USER_BYTES};
use crate::holders::Holders;
use crate::kernel;
use crate::process::Process;
use crate::server::Spec;

use super::Outcome;

/// Memory is read when it has stayed the same for a moment, or when that takes too long.
const MOMENT: Duration = Duration::from_millis(300);
const SETTLING: Duration = Duration::from_secs(5);

/// # Errors
/// When there are not enough files, or a connection is refused.
pub fn run(plan: &Plan, spec: &Spec, size: usize) -> Result<Outcome> {
    let [low, high] = plan.idle;
    let most = connections_of_a_process();
    let servers = if spec.is_started() { high.div_ceil(most) } else { 1 };
    let servers: Result<Vec<_>> = (0..servers).map(|_| spec.server(plan.cores)).collect();
    let servers = servers?;
    let processes: Option<Vec<_>> = servers.iter().map(|server| server.process).collect();
    let Some(processes) = processes else {
        return Ok(Outcome::Unavailable("not measured: it takes --pid to read memory".into()));
    };
    check_files(&processes, high)?;
    // As many holders for each server.
    let holders = high.div_ceil(most).next_multiple_of(servers.len());
    let mut crowd = Holders::start(plan, &servers, holders, size)?;
    crowd.open(low)?;
    let before = Memory::settled(&processes)?;
    crowd.open(high)?;
    let after = Memory::settled(&processes)?;
    Ok(Outcome::Measured(before.until(&after, high - low)))
}

/// All the files that a process may open, but for some that it needs for itself.
fn connections_of_a_process() -> usize {
    // No limit, or more than there is memory for, is as good as a million.
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX).min(1_000_000) as usize;
    (files - files / 20).saturating_sub(32).max(1)
}

/// Says early what would fail at the last connection.
fn check_files(servers: &[Process], connections: usize) -> Result<()> {
    for process in servers {
        let files = process.max_files()?;
        if files < connections / servers.len() {
            let hint = "raise its limit, or give --idle less";
            return Err(format!("the server may open only {files} files: {hint}").into());
        }
    }
    Ok(())
}

/// What the servers and the sockets of the machine have taken, in bytes.
struct Memory {
    user: u64,
    kernel: u64,
    sockets: u64,
}

impl Memory {
    fn settled(servers: &[Process]) -> Result<Self> {
        let deadline = Instant::now() + SETTLING;
        let mut last = Self::now(servers)?;
        loop {
            thread::sleep(MOMENT);
            let now = Self::now(servers)?;
            if (now.user, now.kernel) == (last.user, last.kernel) || Instant::now() > deadline {
                return Ok(now);
            }
            last = now;
        }
    }

    fn now(servers: &[Process]) -> Result<Self> {
        let mut sum = Self { user: 0, kernel: 0, sockets: kernel::socket_bytes()? };
        for process in servers {
            sum.user += process.private_bytes()?;
            sum.kernel += process.kernel_bytes()?;
        }
        Ok(sum)
    }

    fn until(&self, later: &Self, connections: usize) -> Vec<Figure> {
        let slope = |early: u64, late: u64| (late as f64 - early as f64) / connections as f64;
        // The server's end is one of two.
        let socket = slope(self.sockets, later.sockets) / 2.0;
        vec![
            USER_BYTES.of(slope(self.user, later.user)),
            KERNEL_BYTES.of(socket + slope(self.kernel, later.kernel)),
        ]
    }
}
