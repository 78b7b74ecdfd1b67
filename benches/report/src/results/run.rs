//! When, where and how something was measured.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Result;

/// The circumstances of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The day, as `2026-01-31`, in UTC.
    pub date: String,
    /// Its name.
    pub processor: String,
    /// How many cores the system has.
    pub cores: usize,
    /// As `Linux 6.18.0`.
    pub kernel: String,
    /// As the compiler tells its version.
    pub rustc: String,
    /// How many cores had something else to do, right before.
    pub busy_cores: f64,
    /// What measured it.
    pub command: String,
}

impl Run {
    /// Those of this moment. `command` is what has just measured, which is why the busy cores before it
    /// have to be told.
    ///
    /// # Errors
    /// When the system does not tell what it is asked.
    pub fn now(command: &str, busy_cores: f64) -> Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo")?;
        let names =
            cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let names: Vec<_> = names.map(|(_, name)| name.trim()).collect();
        Ok(Self {
            date: said("date", &["-u", "+%F"])?,
            processor: (*names.first().ok_or("/proc/cpuinfo names no processor")?).to_owned(),
            cores: names.len(),
            kernel: said("uname", &["-sr"])?,
            rustc: said("rustc", &["--version"])?,
            busy_cores,
            command: command.to_owned(),
        })
    }

    /// The machine in one line.
    pub fn machine(&self) -> String {
        format!("{}, {} cores, {}", self.processor, self.cores, self.kernel)
    }

    /// The compiler without its date.
    pub fn compiler(&self) -> String {
        self.rustc.split(" (").next().unwrap_or_default().to_owned()
    }
}

fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
