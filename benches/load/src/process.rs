//! What `/proc` tells of a process.

use std::fs;
use std::io;
use std::time::Duration;

/// What the kernel keeps for the stack of one thread (x86-64 and arm64).
const KERNEL_STACK: u64 = 16 * 1024;
/// What the kernel keeps for a file that a poller (epoll) watches: an item, a place in a queue and the
/// head of a list.
const WATCHED_FILE: u64 = 128 + 64 + 16;

/// A process of this machine, which has not to be a child of this one.
#[derive(Clone, Copy)]
pub struct Process {
    pub id: u32,
}

/// Processor time since the start of a process.
#[derive(Clone, Copy)]
pub struct Times {
    /// Of all threads that are there, to the nanosecond.
    running: Duration,
    /// In ticks of the kernel's clock, which is what the two parts are known in.
    user: u64,
    system: u64,
}

/// Processor time between two moments.
#[derive(Clone, Copy)]
pub struct Spent {
    pub total: Duration,
    /// The part of it that was not spent in the kernel; unknown where no tick has fallen.
    pub user_share: Option<f64>,
}

impl Process {
    /// The process that asks.
    pub fn current() -> Self {
        Self { id: std::process::id() }
    }

    /// The private resident memory in bytes: what it would give back if it ended now.
    ///
    /// # Errors
    /// When the process is gone or belongs to somebody else.
    pub fn private_bytes(self) -> io::Result<u64> {
        let rollup = self.read("smaps_rollup")?;
        let private = rollup.lines().filter(|line| line.starts_with("Private_"));
        Ok(private.filter_map(kibibytes).sum())
    }

    /// What the kernel keeps for the process itself, in bytes: page tables, the stacks of its threads,
    /// and what its pollers watch.
    ///
    /// # Errors
    /// When the process is gone or belongs to somebody else.
    pub fn kernel_bytes(self) -> io::Result<u64> {
        let status = self.read("status")?;
        let field = |name| status.lines().find(|line: &&str| line.starts_with(name));
        let tables = field("VmPTE:").and_then(kibibytes).unwrap_or(0);
        let threads = field("Threads:").and_then(second_word).unwrap_or(1);
        Ok(tables + threads * KERNEL_STACK + self.watched_files()? * WATCHED_FILE)
    }

    /// proc_pid_fdinfo(5): the description of an epoll descriptor has a line for each file.
    fn watched_files(self) -> io::Result<u64> {
        let mut watched = 0;
        for link in fs::read_dir(format!("/proc/{}/fd", self.id))? {
            let link = link?;
            if fs::read_link(link.path()).is_ok_and(|to| to.as_os_str() == "anon_inode:[eventpoll]")
            {
                let about = self.read(&format!("fdinfo/{}", link.file_name().display()))?;
                watched += about.lines().filter(|line| line.starts_with("tfd:")).count() as u64;
            }
        }
        Ok(watched)
    }

    /// # Errors
    /// When the process is gone.
    pub fn times(self) -> io::Result<Times> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id))? {
            // A thread may end meanwhile.
            let schedule = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            nanos += schedule.split(' ').next().and_then(|run| run.parse().ok()).unwrap_or(0);
        }
        // proc_pid_stat(5): fields 14 and 15; the name, field 2, may have spaces and parentheses.
        let stat = self.read("stat")?;
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let tick = |field: usize| fields.split(' ').nth(field - 3)?.parse().ok();
        let (user, system) = (tick(14).unwrap_or(0), tick(15).unwrap_or(0));
        Ok(Times { running: Duration::from_nanos(nanos), user, system })
    }

    /// How many files the process may open.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn max_files(self) -> io::Result<usize> {
        let limits = self.read("limits")?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let soft = line.and_then(|line| line.split_whitespace().next());
        Ok(soft.and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX))
    }

    fn read(self, file: &str) -> io::Result<String> {
        let path = format!("/proc/{}/{file}", self.id);
        fs::read_to_string(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
    }
}

impl Times {
    pub fn until(self, later: Self) -> Spent {
        let user = later.user.saturating_sub(self.user);
        let system = later.system.saturating_sub(self.system);
        let user_share = (user + system > 0).then(|| user as f64 / (user + system) as f64);
        Spent { total: later.running.saturating_sub(self.running), user_share }
    }
}

fn kibibytes(line: &str) -> Option<u64> {
    Some(second_word(line)? * 1024)
}

fn second_word(line: &str) -> Option<u64> {
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_time_and_files() {
        let process = Process::current();
        assert!(process.private_bytes().unwrap() > 4096);
        assert!(process.kernel_bytes().unwrap() > KERNEL_STACK);
        assert!(process.times().unwrap().running > Duration::ZERO);
        assert!(process.max_files().unwrap() > 2);
    }

    #[test]
    fn a_share_needs_ticks() {
        let at = |nanos, user, system| Times { running: Duration::from_nanos(nanos), user, system };
        let spent = at(5, 1, 1).until(at(105, 2, 4));
        assert_eq!((spent.total, spent.user_share), (Duration::from_nanos(100), Some(0.25)));
        assert_eq!(at(5, 1, 1).until(at(6, 1, 1)).user_share, None);
    }
}
