//! Why the program ends: one clear line for people and a status for scripts.

use std::fmt;
use std::process::ExitCode;

/// A reason to give up.
#[derive(Debug)]
pub struct Failure {
    status: u8,
    line: String,
}

impl Failure {
    /// Something that went wrong while running: status 1.
    pub fn new(line: String) -> Self {
        Self { status: 1, line }
    }

    /// A command line that makes no sense: status 2.
    pub fn usage(line: String) -> Self {
        Self { status: 2, line: format!("{line} (--help shows how)") }
    }

    /// The status for the caller of the program.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// Says what the program was about to do when an error stopped it.
pub trait Context<T> {
    /// Turns an error into `"{doing}: {error}"`.
    fn context(self, doing: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, doing: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{}: {error}", doing())))
    }
}
