//! The echo servers and the client from outside: processes, spoken to over loopback by each other, by
//! raw bytes and by a client of another make.
#![cfg(all(feature = "std", unix))]

mod client;
#[cfg(feature = "deflate")]
mod compressed;
#[path = "../support/example.rs"]
mod example;
mod servers;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use example::program;

/// How long anything may take before a test fails.
const BOUND: Duration = Duration::from_secs(30);
const SERVERS: [&str; 3] = ["echo_mio", "echo_blocking", "echo_tokio"];

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A running server, ended with the value.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(name: &str) -> Self {
        Self::run(Command::new(program(name)).arg("127.0.0.1:0"))
    }

    #[cfg(feature = "deflate")]
    fn start_compressing() -> Self {
        Self::run(Command::new(program("echo_mio")).args(["--deflate", "127.0.0.1:0"]))
    }

    fn run(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").expect("the first line").trim();
        Self { process, address: address.parse().unwrap() }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends `pieces` with a call for each, and checks that exactly `expected` and the end come back.
    fn exchange<'p>(&self, pieces: impl IntoIterator<Item = &'p [u8]>, expected: &[&[u8]]) {
        let mut stream = self.connect();
        for piece in pieces {
            stream.write_all(piece).unwrap();
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer.escape_ascii().to_string(), expected.concat().escape_ascii().to_string());
    }

    /// Resident bytes, where the system tells.
    fn resident(&self) -> usize {
        let path = format!("/proc/{}/statm", self.process.id());
        let statm = std::fs::read_to_string(path).unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
        pages.unwrap_or_default() * 4096
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(name: &str, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(program(name));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    thread::scope(|scope| {
        // A program that ends early reads no more.
        scope.spawn(move || input.write_all(stdin));
        process.wait_with_output().unwrap()
    })
}

/// Checks for the status and for one line that says `named`.
fn assert_fails(output: &Output, status: i32, named: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(named) && stderr.lines().count() == 1, "{named:?}: {stderr}");
    assert_eq!(output.status.code(), Some(status), "{stderr}");
}

#[test]
fn arguments_that_make_no_sense() {
    for name in SERVERS {
        for arguments in [&["nonsense"][..], &["127.0.0.1"], &["127.0.0.1:0", "more"], &["--port"]]
        {
            assert_fails(&run(name, arguments, b""), 2, "usage: ");
        }
        let help = run(name, &["--help"], b"");
        assert!(help.status.success() && help.stdout.starts_with(b"usage: "));
    }
    for arguments in [
        &[][..],
        &["http://localhost"],
        &["wss://localhost"],
        &["ws://localhost/#a"],
        &["ws://localhost", "--header"],
        &["ws://localhost", "--header", "no colon"],
        &["ws://localhost", "ws://localhost"],
        &["ws://localhost", "--nonsense"],
    ] {
        assert_fails(&run("client", arguments, b""), 2, "usage: ");
    }
    assert_fails(&run("echo_mio", &["--deflate", "nonsense"], b""), 2, "usage: ");
    assert_fails(&run("client", &["--deflate"], b""), 2, "usage: ");
    if !cfg!(feature = "deflate") {
        let without = "built without the feature deflate";
        assert_fails(&run("echo_mio", &["--deflate", "127.0.0.1:0"], b""), 2, without);
        assert_fails(&run("client", &["--deflate", "ws://localhost"], b""), 2, without);
    }
    let injection = ["ws://localhost", "--header", "X: a\r\nY: b"];
    assert_fails(&run("client", &injection, b""), 2, "control character");
    for text in ["ws://localhost/a b", "ws://localhost/\na"] {
        assert_fails(&run("client", &[text], b""), 2, "the path or query of the URI");
    }
}

#[test]
fn a_port_in_use_and_a_port_nobody_listens_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for name in SERVERS {
        assert_fails(&run(name, &[&address], b""), 1, "in use");
    }
    assert_fails(&run("client", &["ws://127.0.0.1:1"], b""), 1, "refused");
}

#[test]
fn a_standard_output_that_takes_nothing_is_blamed_itself() {
    for name in SERVERS {
        // Nobody reads what is written to the one end.
        let (stdout, _) = UnixStream::pair().unwrap();
        let mut command = Command::new(program(name));
        let output = command.arg("127.0.0.1:0").stdout(OwnedFd::from(stdout)).output().unwrap();
        assert_fails(&output, 1, &format!("{name}: standard output: "));
    }
}
