//! How many descriptors there may be: each connection takes one.

use std::fs;

/// How many descriptors the process may have, if the system tells.
pub fn limit() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
