//! A running `mail_notifier` and those who speak to it.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

use crate::example;

/// How long anything may take before a test fails.
pub const BOUND: Duration = Duration::from_secs(20);

/// The fields that make a request one for a WebSocket.
pub const HANDSHAKE: &str = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What publishers have to know.
pub const PUBLISH_KEY: &str = "a-publish-key-of-more-than-thirty-two-bytes";

pub fn program() -> &'static Path {
    example::program("mail_notifier")
}

/// Runs the program to its end, which has to come by itself.
pub fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let deadline = Instant::now() + BOUND;
    while process.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            process.kill().unwrap();
            panic!("never ends: {arguments:?}");
        }
        thread::sleep(Duration::from_millis(1));
    }
    process.wait_with_output().unwrap()
}

/// A running server, ended with the value.
pub struct Server {
    pub process: Child,
    pub stdout: BufReader<ChildStdout>,
    pub address: SocketAddr,
    /// The internal address, if the server was asked for one.
    pub internal: Option<SocketAddr>,
}

impl Server {
    /// Starts what `command` says and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        let has_internal = command.get_args().any(|argument| argument == "--internal");
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut next = |expected: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let address = line.strip_prefix(expected).unwrap_or_else(|| panic!("{line}"));
            address.trim().parse().unwrap()
        };
        let address = next("listening on ");
        let internal = has_internal.then(|| next("internal on "));
        Self { process, stdout, address, internal }
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// A WebSocket that watches a mailbox.
    pub fn watch(&self, mailbox: &str) -> WebSocket<TcpStream> {
        self.open(&format!("/ws?mailbox={mailbox}"))
    }

    /// A WebSocket at a target.
    pub fn open(&self, target: &str) -> WebSocket<TcpStream> {
        let address = format!("ws://{}{target}", self.address);
        tungstenite::client(address, self.connect()).unwrap().0
    }

    /// Sends bytes and returns all that comes back until the server closes.
    pub fn exchange(&self, request: &str) -> String {
        exchange(self.address, request)
    }

    /// The status of the answer to a request for a WebSocket.
    pub fn status(&self, target: &str, more: &str) -> String {
        let mut stream = self.connect();
        let request = format!("GET {target} HTTP/1.1\r\n{HANDSHAKE}{more}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        String::from_utf8_lossy(&line[9..]).into_owned()
    }

    /// The body of the answer to a request at the public port.
    pub fn get(&self, path: &str) -> String {
        body(&self.exchange(&get(path)))
    }

    /// The value of a series in `/metrics`.
    pub fn metric(&self, name: &str) -> f64 {
        let address = self.internal.expect("an internal address");
        let text = exchange(address, &get("/metrics"));
        let lines = text.lines().filter_map(|line| line.strip_prefix("mail_notifier_"));
        let value = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).next();
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Sends a signal to the process.
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection on which nothing takes forever.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream
}

/// A request that is answered once.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

/// Sends bytes and returns all that comes back until the server closes.
pub fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What follows the head of an answer.
pub fn body(answer: &str) -> String {
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// A server on a mail root of its own, with the users alice and bob, open to everybody.
pub struct Fixture {
    pub server: Server,
    pub root: TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// A server with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for user in ["alice", "bob"] {
            make_mailbox(root.path(), user);
        }
        let mut command = Command::new(program());
        command.args(["127.0.0.1:0", "--demo", "--mail"]).arg(root.path()).args(arguments);
        // What one shard has said another may be about to: with one, what comes next is known.
        if !arguments.contains(&"--shards") {
            command.args(["--shards", "1"]);
        }
        Self { server: Server::start(&mut command), root }
    }

    /// A server that can be published to and asked for its metrics. It reads the key at its start.
    pub fn publishing(arguments: &[&str]) -> Self {
        let key = tempfile::NamedTempFile::new().unwrap();
        fs::write(key.path(), format!("{PUBLISH_KEY}\n")).unwrap();
        let path = key.path().to_str().unwrap();
        let internal = ["--internal", "127.0.0.1:0", "--publish-key", path];
        Self::with(&[&internal, arguments].concat())
    }

    /// Delivers by hand: a file in `tmp`, then a rename.
    pub fn put(&self, user: &str, name: &str, mail: &[u8]) {
        let mailbox = self.root.path().join(user);
        fs::write(mailbox.join("tmp").join(name), mail).unwrap();
        fs::rename(mailbox.join("tmp").join(name), mailbox.join("new").join(name)).unwrap();
    }

    /// Delivers with the program's own subcommand.
    pub fn deliver(&self, user: &str, more: &[&str]) {
        let output = run(&[&["deliver", self.root.path().to_str().unwrap(), user], more].concat());
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let file = Path::new(said.strip_prefix("delivered ").unwrap().trim());
        assert!(file.starts_with(self.root.path().join(user).join("new")), "{said}");
        assert!(file.exists());
    }
}

pub fn make_mailbox(root: &Path, user: &str) {
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir_all(root.join(user).join(folder)).unwrap();
    }
}

/// The next message, which has to be text. The epoch, another one each time, is only looked at.
pub fn next_json(ws: &mut WebSocket<TcpStream>) -> Value {
    loop {
        match receive(ws).unwrap() {
            Message::Text(text) => {
                let mut value: Value = serde_json::from_str(&text).unwrap();
                let epoch = value.as_object_mut().unwrap().remove("epoch");
                assert_eq!(epoch.is_some(), value["type"] == "hello", "{text}");
                return value;
            }
            Message::Ping(_) => {}
            other => panic!("not a text message: {other:?}"),
        }
    }
}

pub fn hello(mailbox: &str, seq: u64, unseen: u64) -> Value {
    json!({"type": "hello", "mailbox": mailbox, "seq": seq, "unseen": unseen})
}

pub fn mail(mailbox: &str, seq: u64, unseen: u64, from: &str, subject: &str) -> Value {
    json!({
        "type": "mail", "mailbox": mailbox, "seq": seq, "unseen": unseen, "from": from,
        "subject": subject
    })
}

pub fn unseen(mailbox: &str, seq: u64, unseen: u64) -> Value {
    json!({"type": "unseen", "mailbox": mailbox, "seq": seq, "unseen": unseen})
}

/// Nothing, after a line that says so, where one of these programs is not installed.
pub fn skip_without(programs: &[&str]) -> Option<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &&&str| std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    let missing = programs.iter().find(|program| !is_there(program));
    if let Some(program) = missing {
        // Past the harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
    }
    missing.is_none().then_some(())
}

/// The next message. A read with a deadline is interrupted when its process is stopped for a moment.
pub fn receive(ws: &mut WebSocket<impl Read + Write>) -> tungstenite::Result<Message> {
    loop {
        match ws.read() {
            Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Waits until something is the case. Each look is a request to the server.
pub fn wait_until(what: &str, mut is_reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !is_reached() {
        assert!(Instant::now() < deadline, "never: {what}");
    }
}
