//! The example `mail_notifier` from outside: a process, its page and its WebSockets, spoken to by a
//! client of another make.
#![cfg(all(feature = "std", unix))]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// How long anything may take before a test fails.
const BOUND: Duration = Duration::from_secs(20);

const HANDSHAKE: &str = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The program, built once: tests do not always come with the examples, so cargo is asked.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--example", "mail_notifier", "--message-format=json"]);
        build.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let output = build.stderr(Stdio::inherit()).output().unwrap();
        let messages = output.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()));
        let programs = messages.filter_map(|message: Result<Value, _>| {
            Some(PathBuf::from(message.ok()?["executable"].as_str()?))
        });
        programs.last().expect("the example is built")
    })
}

fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

/// A running server, ended with the value.
struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").expect("the first line").trim();
        Self { process, stdout, address: address.parse().unwrap() }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream
    }

    /// A WebSocket that watches a mailbox.
    fn watch(&self, mailbox: &str) -> WebSocket<TcpStream> {
        let address = format!("ws://{}/ws?mailbox={mailbox}", self.address);
        tungstenite::client(address, self.connect()).unwrap().0
    }

    /// Sends bytes and returns all that comes back until the server closes.
    fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The status of the answer to a request for a WebSocket.
    fn status(&self, target: &str, more: &str) -> String {
        let answer = self.exchange(&format!("GET {target} HTTP/1.1\r\n{HANDSHAKE}{more}\r\n"));
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server on a mail root of its own, with the users alice and bob.
struct Fixture {
    server: Server,
    root: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for user in ["alice", "bob"] {
            make_mailbox(root.path(), user);
        }
        let mut command = Command::new(program());
        command.args(["127.0.0.1:0", "--mail"]).arg(root.path());
        Self { server: Server::start(&mut command), root }
    }

    /// Delivers by hand: a file in `tmp`, then a rename.
    fn put(&self, user: &str, name: &str, mail: &[u8]) {
        let mailbox = self.root.path().join(user);
        fs::write(mailbox.join("tmp").join(name), mail).unwrap();
        fs::rename(mailbox.join("tmp").join(name), mailbox.join("new").join(name)).unwrap();
    }

    /// Delivers with the program's own subcommand.
    fn deliver(&self, user: &str, more: &[&str]) {
        let output = run(&[&["deliver", self.root.path().to_str().unwrap(), user], more].concat());
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let file = Path::new(said.strip_prefix("delivered ").unwrap().trim());
        assert!(file.starts_with(self.root.path().join(user).join("new")), "{said}");
        assert!(file.exists());
    }
}

fn make_mailbox(root: &Path, user: &str) {
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir_all(root.join(user).join(folder)).unwrap();
    }
}

fn next_json(ws: &mut WebSocket<TcpStream>) -> Value {
    match ws.read().unwrap() {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("not a text message: {other:?}"),
    }
}

fn hello(mailbox: &str, seq: u64, unseen: u64) -> Value {
    json!({"type": "hello", "mailbox": mailbox, "seq": seq, "unseen": unseen})
}

fn mail(mailbox: &str, seq: u64, unseen: u64, from: &str, subject: &str) -> Value {
    json!({
        "type": "mail", "mailbox": mailbox, "seq": seq, "unseen": unseen, "from": from,
        "subject": subject
    })
}

#[test]
fn hello_then_each_mail() {
    let fixture = Fixture::new();
    let mut first = fixture.server.watch("alice");
    let mut other = fixture.server.watch("bob");
    assert_eq!(next_json(&mut first), hello("alice", 0, 0));
    assert_eq!(next_json(&mut other), hello("bob", 0, 0));

    fixture.deliver("alice", &["--from", "Bob <bob@example.org>", "--subject", "Grüße", "Hello!"]);
    assert_eq!(next_json(&mut first), mail("alice", 1, 1, "Bob <bob@example.org>", "Grüße"));

    let mut second = fixture.server.watch("alice");
    assert_eq!(next_json(&mut second), hello("alice", 1, 1));
    fixture.put("alice", "1", b"From: Eve <eve@example.org>\r\nSubject: two\r\n\r\n");
    for ws in [&mut first, &mut second] {
        assert_eq!(next_json(ws), mail("alice", 2, 2, "Eve <eve@example.org>", "two"));
    }

    // The other mailbox was told nothing of all this.
    fixture.put("bob", "1", b"From: x@example.org\nSubject: for bob\n\n");
    assert_eq!(next_json(&mut other), mail("bob", 1, 1, "x@example.org", "for bob"));
}

#[test]
fn mail_of_every_kind_is_shown_sensibly() {
    let fixture = Fixture::new();
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    let long = format!("Subject: {}\n", "x".repeat(5_000_000));
    let cut = format!("{}…", "x".repeat(200));
    let (nobody, nothing) = ("(unknown sender)", "(no subject)");
    let mails: [(&[u8], &str, &str); 8] = [
        (b"From: =?ISO-8859-1?Q?Andr=E9?= <a@example.org>\n\n", "André <a@example.org>", nothing),
        (b"Subject: =?UTF-8?B?w6TDtg==?=\r\n =?UTF-8?Q?_=C3=BC?=\r\n\r\n", nobody, "äö ü"),
        (b"Subject: folded\r\n\tline\r\n\r\n", nobody, "folded line"),
        (b"Subject: <b>\"quoted\"</b>\n\n", nobody, "<b>\"quoted\"</b>"),
        (b"", nobody, nothing),
        (b"\0\xff\xfe\n\n\0", nobody, nothing),
        (b"Subject: no end of the line", nobody, "no end of the line"),
        (long.as_bytes(), nobody, &cut),
    ];
    for (seq, (bytes, from, subject)) in (1..).zip(mails) {
        fixture.put("alice", &seq.to_string(), bytes);
        assert_eq!(next_json(&mut ws), mail("alice", seq, seq, from, subject));
    }
}

#[test]
fn the_count_follows_what_vanishes() {
    let fixture = Fixture::new();
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    for (seq, name) in (1..).zip(["1", "2", "3"]) {
        fixture.put("alice", name, b"Subject: s\n\n");
        assert_eq!(next_json(&mut ws), mail("alice", seq, seq, "(unknown sender)", "s"));
    }
    let alice = fixture.root.path().join("alice");
    fs::rename(alice.join("new/1"), alice.join("cur/1:2,S")).unwrap();
    fs::remove_file(alice.join("new/2")).unwrap();
    std::os::unix::fs::symlink("nowhere", alice.join("new/dangling")).unwrap();
    fs::create_dir(alice.join("new/folder")).unwrap();
    fixture.put("alice", "4", b"Subject: last\n\n");
    assert_eq!(next_json(&mut ws), mail("alice", 4, 2, "(unknown sender)", "last"));

    // The whole mailbox goes and comes back under the eyes of the connection.
    fs::remove_dir_all(&alice).unwrap();
    fixture.put("bob", "1", b"Subject: a sign\n\n");
    let mut bob = fixture.server.watch("bob");
    while next_json(&mut bob)["seq"] != 1 {}
    assert_eq!(fixture.server.status("/ws?mailbox=alice", ""), "404");
    make_mailbox(fixture.root.path(), "alice");
    fixture.put("alice", "5", b"Subject: back\n\n");
    assert_eq!(next_json(&mut ws), mail("alice", 5, 1, "(unknown sender)", "back"));
}

#[test]
fn mailboxes_that_come_later_are_found() {
    let fixture = Fixture::new();
    assert_eq!(fixture.server.status("/ws?mailbox=carol", ""), "404");
    let mut alice = fixture.server.watch("alice");
    assert_eq!(next_json(&mut alice), hello("alice", 0, 0));
    make_mailbox(fixture.root.path(), "carol");
    fixture.put("alice", "1", b"Subject: a sign that carol is known\n\n");
    assert_eq!(next_json(&mut alice)["seq"], 1);

    let mut carol = fixture.server.watch("carol");
    assert_eq!(next_json(&mut carol), hello("carol", 0, 0));
    fixture.deliver("carol", &[]);
    assert_eq!(next_json(&mut carol), mail("carol", 1, 1, "Bob <bob@example.org>", "Hello"));
}

#[test]
fn the_page_is_served_and_asks_nobody_else() {
    let fixture = Fixture::new();
    let page = fixture.server.exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    for field in
        ["Content-Type: text/html; charset=utf-8", "Content-Security-Policy: ", "Connection: close"]
    {
        assert!(page.contains(&format!("\r\n{field}")), "{field} is missing: {page}");
    }
    let mut files = 0;
    for link in page.split(['"', '\'']).filter(|text| text.starts_with('/') && text.len() > 1) {
        let file =
            fixture.server.exchange(&format!("GET {link} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert!(file.starts_with("HTTP/1.1 200 OK\r\n"), "{link}: {file}");
        assert!(!file.contains("http://") && !file.contains("https://"), "{link}");
        files += 1;
    }
    assert_eq!(files, 2);
    assert!(!page.contains("http://") && !page.contains("https://"));
}

#[test]
fn s4_2_2_requests_that_are_refused() {
    let fixture = Fixture::new();
    let server = &fixture.server;
    for (target, more, expected) in [
        ("/ws?mailbox=nobody", "", "404"),
        ("/ws?mailbox=..%2Falice", "", "400"),
        ("/ws", "", "400"),
        ("/other?mailbox=alice", "", "404"),
        ("/ws?mailbox=alice", "Origin: http://example.org\r\n", "403"),
        ("/ws?mailbox=alice", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "400"),
        ("/ws?mailbox=alice", &format!("x: {}\r\n", "x".repeat(10_000)), "431"),
    ] {
        assert_eq!(server.status(target, more), expected, "{target} {more:.80}");
    }
    let plain = server.exchange("GET /ws?mailbox=alice HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(plain.starts_with("HTTP/1.1 426 "), "{plain}");
    let junk = server.exchange("\x16\x03\x01\x02 this is not HTTP");
    assert!(junk.starts_with("HTTP/1.1 400 "), "{junk}");
}

#[test]
fn s4_1_a_handshake_in_single_bytes_with_a_frame_behind_it() {
    let fixture = Fixture::new();
    let mut stream = fixture.server.connect();
    stream.set_nodelay(true).unwrap();
    let origin = "Origin: http://localhost\r\n";
    let request = format!("GET /ws?mailbox=alice HTTP/1.1\r\n{HANDSHAKE}{origin}\r\n");
    let ping = b"\x89\x82\0\0\0\0hi";
    for byte in request.as_bytes().iter().chain(ping) {
        stream.write_all(&[*byte]).unwrap();
    }
    let hello = br#"{"type":"hello","mailbox":"alice","seq":0,"unseen":0}"#;
    let end = [b"\r\n\r\n\x81", &[hello.len() as u8][..], hello, b"\x8a\x02hi"].concat();
    let mut answer = Vec::new();
    while !answer.ends_with(&end) {
        let mut buffer = [0; 1024];
        let len = stream.read(&mut buffer).unwrap();
        assert!(len > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..len]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn s7_1_1_the_server_closes_in_order() {
    let fixture = Fixture::new();
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    ws.close(None).unwrap();
    assert!(matches!(ws.read(), Ok(Message::Close(None))));
    assert!(matches!(ws.read(), Err(tungstenite::Error::ConnectionClosed)));

    // A frame without a mask, and bytes behind it that nobody reads any more: the Close arrives.
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    let stream = ws.get_mut();
    stream.write_all(b"\x81\x02hi").unwrap();
    stream.write_all(&[0; 100_000]).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest[..4], [0x88, rest.len() as u8 - 2, 0x03, 0xEA]);
}

#[test]
fn a_client_that_ends_its_half_still_gets_its_answer() {
    let fixture = Fixture::new();
    let mut stream = fixture.server.connect();
    stream.write_all(b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"use strict\""), "{answer}");
}

#[test]
fn without_descriptors_newcomers_are_turned_away() {
    let root = tempfile::tempdir().unwrap();
    make_mailbox(root.path(), "alice");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 32; exec \"$0\" 127.0.0.1:0 --mail \"$1\""]);
    let server = Server::start(command.arg(program()).arg(root.path()));
    let request = format!("GET /ws?mailbox=alice HTTP/1.1\r\n{HANDSHAKE}\r\n");
    let connect = || {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut status = [0; 12];
        let read = stream.read_exact(&mut status);
        (stream, read.map(|()| String::from_utf8_lossy(&status[9..]).into_owned()))
    };
    let mut streams = Vec::new();
    let turned_away = loop {
        let (stream, status) = connect();
        match status {
            Ok(status) if status == "101" => streams.push(stream),
            status => break status,
        }
        assert!(streams.len() < 32, "the limit has no effect");
    };
    // The answer may be lost to a reset when it is quicker than the request.
    assert!(turned_away.as_ref().map_or(true, |status| status == "503"), "{turned_away:?}");
    assert!(streams.len() > 8, "{}", streams.len());
    drop(streams);
    let deadline = Instant::now() + BOUND;
    while connect().1.ok().as_deref() != Some("101") {
        assert!(Instant::now() < deadline, "nobody is let in again");
    }
}

#[test]
fn the_demo_explains_itself() {
    let mut server = Server::start(Command::new(program()).arg("127.0.0.1:0"));
    let mut said = String::new();
    while !said.contains(" deliver ") {
        assert!(server.stdout.read_line(&mut said).unwrap() > 0, "{said}");
    }
    assert!(said.contains(&format!("http://{}/?mailbox=alice\n", server.address)), "{said}");
    let mut ws = server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    let command = said.lines().last().unwrap().trim();
    let delivered = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(delivered.status.success(), "{delivered:?}");
    let notice = mail("alice", 1, 1, "Bob <bob@example.org>", "Dinner at seven?");
    assert_eq!(next_json(&mut ws), notice);
    let file = String::from_utf8(delivered.stdout).unwrap();
    let root =
        Path::new(file.trim().strip_prefix("delivered ").unwrap()).ancestors().nth(3).unwrap();
    assert!(root.file_name().unwrap().to_str().unwrap().starts_with("mail_notifier-"), "{root:?}");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn bad_input_is_one_line_and_a_status() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let (root, file) = (root.path().to_str().unwrap(), file.to_str().unwrap());
    let cases: [(&[&str], i32, &str); 11] = [
        (&["--port", "1"], 2, "--port"),
        (&["localhost"], 2, "localhost"),
        (&["127.0.0.1:0", "--mail"], 2, "--mail"),
        (&["deliver", root], 2, "USER"),
        (&["deliver", root, "../alice"], 2, "../alice"),
        (&["deliver", root, "alice", "--subject", "a\nb"], 2, "--subject"),
        (&[&address, "--mail", root], 1, &address),
        (&["127.0.0.1:0", "--mail", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (&["127.0.0.1:0", "--mail", file], 1, file),
        (&["deliver", "/nowhere/at/all", "alice"], 1, "/nowhere/at/all"),
        (&["deliver", root, "file"], 1, file),
    ];
    for (arguments, status, named) in cases {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let help = run(&["--help"]);
    assert!(help.status.success() && help.stdout.starts_with(b"Tells browsers about new mail"));
}
