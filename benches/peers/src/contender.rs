//! What a peer implements, and what the harness makes of it.

use std::fmt;

use crate::job::{Group, Job};

/// The versions that this program was built with.
const LOCK: &str = include_str!("../Cargo.lock");

/// Somebody who takes part: `dormouse`, a peer, or a floor.
pub trait Contender {
    /// The name in the tables.
    fn name(&self) -> &'static str;

    /// The package in `Cargo.lock` that does the work: the one of its name. A floor has none.
    fn package(&self) -> Option<&'static str> {
        Some(self.name())
    }

    /// The settings it runs with, and what it needs that others do not.
    fn notes(&self) -> &'static [&'static str] {
        &[]
    }

    /// The work for each message or connection that it leaves to its user in this group. Whoever
    /// lacks something cannot be the best of a group.
    fn lacks(&self, _group: Group) -> &'static [&'static str] {
        &[]
    }

    /// What else to know when its figures in this group are compared.
    fn remarks(&self, _group: Group) -> &'static [&'static str] {
        &[]
    }

    /// Its way of doing `job`, ready to run. None if it cannot do it.
    fn work(&self, job: &Job) -> Option<Box<dyn Work>>;
}

impl dyn Contender + '_ {
    /// The version of its package, out of `Cargo.lock`.
    pub fn version(&self) -> Option<&'static str> {
        version(self.package()?)
    }

    /// Whether it is the work that nobody can leave out, rather than somebody's code.
    pub fn is_floor(&self) -> bool {
        self.package().is_none()
    }
}

/// The version of a package in `Cargo.lock`.
pub fn version(package: &str) -> Option<&'static str> {
    let mut lines = LOCK.lines();
    lines
        .find(|line| line.strip_prefix("name = ").is_some_and(|name| unquoted(name) == package))?;
    lines.next()?.strip_prefix("version = ").map(unquoted)
}

fn unquoted(value: &str) -> &str {
    value.trim_matches('"')
}

/// One job in the hands of one contender.
pub trait Work {
    /// Does the job some times on bytes of its own, and compares what comes out with what has to.
    /// Returns how many bytes each time has written.
    ///
    /// # Errors
    ///
    /// [`Failure`] if anything else comes out.
    fn verify(&mut self) -> Result<usize, Failure>;

    /// Does the job `times` times. This is what is timed.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not every time was a success: then the time says nothing.
    fn run(&mut self, times: u32) -> Result<(), Failure>;
}

/// What went wrong in a contender's code, or in the adapter to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<str>);

impl Failure {
    /// A failure that is told in words.
    #[cold]
    #[inline(never)]
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into().into())
    }

    /// A failure that is somebody's error value.
    #[cold]
    #[inline(never)]
    pub fn of(error: impl fmt::Debug) -> Self {
        Self(format!("{error:?}").into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock() {
        assert_eq!(version("dormouse"), Some("0.1.0"));
        assert_eq!(version("no-such-package"), None);
    }
}
