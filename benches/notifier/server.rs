//! The server as a process: started with keys of its own, asked for its figures, ended with the
//! value.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tempfile::TempDir;

use crate::publisher::{self, Publisher};
use crate::{BOUND, example};

/// Starts a program with a limit on descriptors and tells its process id. The shell ends it when its
/// own standard input ends, which happens however this process comes to an end. It closes its own
/// standard output so that the end of the program is seen by who reads.
const SHELL: &str = r#"ulimit -n "$0" || exit
"$@" & echo "process $!"; exec >&-
read -r _; kill -9 "$!"; wait"#;

const TOKEN_KEY: &[u8] = b"the key of the tokens, for load only";
const PUBLISH_KEY: &str = "the-key-of-the-publishers-for-load-only";
/// How long the tokens are good, in seconds.
const TOKEN_TIME: u64 = 3600;
/// What every part asks for: neither the gate nor the patience with publishers is what is measured.
const WIDE: [&str; 8] = [
    "--accept-rate",
    "1000000",
    "--accept-burst",
    "1000000",
    "--max-per-address",
    "1000000",
    "--publish-timeout",
    "10m",
];

/// A running `mail_notifier`.
pub struct Server {
    shell: Child,
    /// The shell ends with this.
    life: Option<ChildStdin>,
    process: u32,
    pub address: SocketAddr,
    internal: SocketAddr,
    /// The keys, which the server has read, and its log.
    _folder: TempDir,
}

impl Server {
    /// Starts the server with further flags, and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started; what it said is part of the error.
    pub fn start(descriptors: u32, flags: &[&str]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let folder = tempfile::tempdir()?;
        let place = |name: &str| folder.path().join(name);
        fs::write(place("token"), TOKEN_KEY)?;
        fs::write(place("publish"), PUBLISH_KEY)?;
        let mut command = Command::new("sh");
        command.args(["-c", SHELL, &descriptors.to_string()]);
        command.arg(example::program("mail_notifier")).arg("127.0.0.1:0");
        command.arg("--token-key").arg(place("token"));
        command.args(["--internal", "127.0.0.1:0", "--publish-key"]).arg(place("publish"));
        command.args(WIDE).args(flags);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.stderr(fs::File::create(place("log"))?).spawn()?;
        let life = shell.stdin.take();
        let mut output = BufReader::new(shell.stdout.take().ok_or("no output")?);

        let (mut process, mut address, mut internal) = (None, None, None);
        while process.is_none() || address.is_none() || internal.is_none() {
            let mut line = String::new();
            if output.read_line(&mut line)? == 0 {
                let log = fs::read_to_string(place("log"))?;
                return Err(format!("the server has not started: {log}").into());
            }
            match line.trim().rsplit_once(' ') {
                Some(("process", id)) => process = Some(id.parse()?),
                Some(("listening on", at)) => address = Some(at.parse()?),
                Some(("internal on", at)) => internal = Some(at.parse()?),
                _ => return Err(format!("the server says {line}").into()),
            }
        }
        let (Some(process), Some(address), Some(internal)) = (process, address, internal) else {
            return Err("the server has not said where it listens".into());
        };
        Ok(Self { shell, life, process, address, internal, _folder: folder })
    }

    /// A connection for publishing.
    ///
    /// # Errors
    /// When the internal address does not answer.
    pub fn publisher(&self) -> io::Result<Publisher> {
        Publisher::connect(self.internal, PUBLISH_KEY)
    }

    /// What the client of a mailbox asks for.
    pub fn target(mailbox: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let signed = format!("v1.{}.{}", URL_SAFE_NO_PAD.encode(mailbox), now + TOKEN_TIME);
        let mac = Hmac::<Sha256>::new_from_slice(TOKEN_KEY)?;
        let signature = mac.chain_update(&signed).finalize().into_bytes();
        Ok(format!("/ws?token={signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The private resident memory: what the process would give back if it ended now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn private_bytes(&self) -> io::Result<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process))?;
        let private = rollup.lines().filter(|line| line.starts_with("Private_"));
        let kibibytes =
            private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        Ok(kibibytes.sum::<u64>() * 1024)
    }

    /// The processor time of the server since its start.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        cpu_time(self.process)
    }

    /// The value of a series of `/metrics`, named without `mail_notifier_`.
    ///
    /// # Errors
    /// When there is no answer or no such series.
    pub fn metric(&self, name: &str) -> Result<f64, Box<dyn Error + Send + Sync>> {
        let text = publisher::get(self.internal, "/metrics")?;
        let lines = text.lines().filter_map(|line| line.strip_prefix("mail_notifier_"));
        let value = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).next();
        Ok(value.ok_or_else(|| format!("there is no series {name}"))?.parse()?)
    }

    /// Waits until the series `name` is at most `limit`.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn wait_for_at_most(
        &self,
        name: &str,
        limit: f64,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let deadline = Instant::now() + BOUND;
        while self.metric(name)? > limit {
            if Instant::now() > deadline {
                return Err(format!("{name} stays above {limit}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is what the shell waits for.
        drop(self.life.take());
        let _ = self.shell.wait();
    }
}

/// The processor time of all threads of a process, to the nanosecond where none of them runs.
///
/// # Errors
/// When there is no such process.
pub fn cpu_time(process: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let schedule = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += schedule.split(' ').next().and_then(|run| run.parse().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}
