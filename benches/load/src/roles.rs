//! What other processes of this program do: one becomes a server, others hold idle connections.
//!
//! None of them outlives the process that has started it, however that ends: the kernel sees to it.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use crate::Result;
use crate::holders;
use crate::machine;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `CORE COMMAND`: goes to its core, then becomes what the command says.
    Server,
    /// `ADDR PATH FIRST TEXT SIZE`: opens as many connections as each line of its input says.
    Holder,
}

/// The role of which a word is the name, if it is one.
pub fn named(word: &OsStr) -> Option<Role> {
    [Role::Server, Role::Holder].into_iter().find(|role| word == role.word())
}

impl Role {
    /// The first word of the command line of a process with this role.
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "--role=server",
            Self::Holder => "--role=holder",
        }
    }

    /// # Errors
    /// What goes wrong; a server that starts does not return.
    pub fn play(self, words: &[OsString]) -> Result<()> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        allow_all_files()?;
        let words: Option<Vec<_>> = words.iter().map(|word| word.to_str()).collect();
        match (self, words.as_deref()) {
            (Self::Server, Some([core, command])) => Err(become_server(core, command)),
            (Self::Holder, Some(words)) => holders::hold(words),
            _ => Err("no such role".into()),
        }
    }
}

fn become_server(core: &str, command: &str) -> Box<dyn Error> {
    let pinned = match core.parse() {
        Ok(core) => machine::pin(core),
        Err(_) => Ok(()),
    };
    match pinned {
        // The shell reads the words, and then is the server itself: its process id stays.
        Ok(()) => Command::new("sh").args(["-c", &format!("exec {command}")]).exec().into(),
        Err(error) => format!("core {core}: {error}").into(),
    }
}

/// As many files as the system allows without asking for more rights.
fn allow_all_files() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
