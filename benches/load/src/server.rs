//! A server: one that is started for a measurement and ended after it, or one that runs already.

use std::env;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::machine::Cores;
use crate::process::Process;
use crate::roles::Role;

/// How long a server may take until it accepts connections.
const STARTING_TIME: Duration = Duration::from_secs(20);
/// How long to wait between two questions whether it does.
const MOMENT: Duration = Duration::from_millis(5);

/// How to come by a server.
#[derive(Debug)]
pub struct Spec {
    pub name: String,
    pub version: Option<String>,
    pub source: Source,
}

#[derive(Debug)]
pub enum Source {
    /// A command for the shell, with `{addr}` or `{port}` in it.
    Command(String),
    Running {
        address: SocketAddrV4,
        pid: Option<u32>,
    },
}

impl Spec {
    /// Reads `[NAME[@VERSION]=]COMMAND`.
    ///
    /// # Errors
    /// When the command does not say where to listen.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let is_name = |name: &&str| !name.is_empty() && !name.contains([' ', '/', '{']);
        let named = text.split_once('=').filter(|(name, _)| is_name(name));
        let command = named.map_or(text, |(_, command)| command).trim();
        if !command.contains("{addr}") && !command.contains("{port}") {
            return Err("the command has neither {addr} nor {port}".into());
        }
        let (name, version) = match named.map(|(name, _)| name) {
            None => (program(command), None),
            Some(name) => match name.split_once('@') {
                Some((name, version)) => (name, Some(version.to_owned())),
                None => (name, None),
            },
        };
        Ok(Self { name: name.to_owned(), version, source: Source::Command(command.to_owned()) })
    }

    pub fn running(address: SocketAddrV4, pid: Option<u32>) -> Self {
        Self { name: address.to_string(), version: None, source: Source::Running { address, pid } }
    }

    /// Whether a server of its own is started for each measurement.
    pub fn is_started(&self) -> bool {
        matches!(self.source, Source::Command(_))
    }

    /// A server that accepts connections, on its core.
    ///
    /// # Errors
    /// When it does not start, or does not accept connections in time.
    pub fn server(&self, cores: Option<Cores>) -> Result<Server> {
        match &self.source {
            Source::Command(command) => Server::start(command, cores),
            Source::Running { address, pid } => {
                let process = pid.map(|id| Process { id });
                // Better now than after the first measurement.
                process.map(Process::times).transpose()?;
                let mut server = Server { address: *address, process, child: None };
                server.wait_until_it_accepts()?;
                Ok(server)
            }
        }
    }
}

/// What a command starts, without its folder.
fn program(command: &str) -> &str {
    let word = command.split_whitespace().next().unwrap_or(command);
    Path::new(word).file_name().and_then(|name| name.to_str()).unwrap_or(word)
}

/// A server that accepts connections. One that was started ends with the value.
pub struct Server {
    pub address: SocketAddrV4,
    /// Unknown for a running server of which only the address was said.
    pub process: Option<Process>,
    child: Option<Child>,
}

impl Server {
    fn start(command: &str, cores: Option<Cores>) -> Result<Self> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()?);
        let command = command.replace("{addr}", &address.to_string());
        let command = command.replace("{port}", &address.port().to_string());
        let core = cores.map_or("any".to_owned(), |cores| cores.server.to_string());
        let child = Command::new(env::current_exe()?)
            .args([Role::Server.word(), &core, &command])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let process = Some(Process { id: child.id() });
        let mut server = Self { address, process, child: Some(child) };
        server.wait_until_it_accepts()?;
        Ok(server)
    }

    fn wait_until_it_accepts(&mut self) -> Result<()> {
        let deadline = Instant::now() + STARTING_TIME;
        loop {
            match TcpStream::connect_timeout(&self.address.into(), STARTING_TIME) {
                Ok(_) => return Ok(()),
                Err(error) if self.child.is_none() || Instant::now() > deadline => {
                    return Err(format!("nobody accepts on {}: {error}", self.address).into());
                }
                Err(_) => thread::sleep(MOMENT),
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                return Err(ended(status));
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Already ended is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn ended(status: ExitStatus) -> Box<dyn std::error::Error> {
    format!("the server has ended instead of listening, with {status}").into()
}

/// A port that nobody has. It is not reserved, but the system does not give it out again soon.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Option<String>, String) {
        let Spec { name, version, source } = Spec::parse(text).unwrap();
        let Source::Command(command) = source else { panic!("not a command") };
        (name, version, command)
    }

    #[test]
    fn a_server_has_a_name_and_perhaps_a_version() {
        let owned = |name: &str, version: Option<&str>, command: &str| {
            (name.to_owned(), version.map(str::to_owned), command.to_owned())
        };
        assert_eq!(parsed("./a/echo {addr}"), owned("echo", None, "./a/echo {addr}"));
        assert_eq!(parsed("us=./echo {addr}"), owned("us", None, "./echo {addr}"));
        assert_eq!(parsed("ws@8.1=node {port}"), owned("ws", Some("8.1"), "node {port}"));
        let with_option = "./echo --port={port}";
        assert_eq!(parsed(with_option), owned("echo", None, with_option));
        assert!(Spec::parse("us=./echo 9001").is_err());
    }
}
