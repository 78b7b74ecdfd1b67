//! How many instructions the hot paths take, which says whether a change has made one slower without
//! measuring time: the same program takes the same number on any day.
//!
//! ```text
//! cargo bench --bench instructions              compares with benches/instructions.txt, fails above it
//! cargo bench --bench instructions -- --write   writes what is measured to that file
//! ```
//! `valgrind` counts (its tool callgrind, without caches). Each path runs twice, one time more often, so
//! that what is not the path falls out. The file holds for the compiler that it names, on an x86-64
//! processor with AVX2: the C library and `httparse` choose code by what the processor has. Valgrind has
//! no SHA instructions, so the SHA-1 of a handshake counts about 3,000 here.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

use dormouse::client::Connect;
use dormouse::http::{HeadReader, Request, Response};
use dormouse::server::Upgrade;
use dormouse::wire::{FrameHeader, MAX_HEADER_LEN, Opcode, Rsv};
use dormouse::{Client, Event, Input, Limits, Outbox, Prepared, Role, Server, WebSocket};

const LIMITS: Limits = Limits { message: 1 << 20, outbox: 1 << 20, head: 8192 };
const REQUEST: &[u8] = include_bytes!("../tests/data/upgrade-requests/chromium.http");
/// The two counts. Their difference is what is divided by.
const COUNTS: [u64; 2] = [20, 120];
/// A path may take so much more than the file says, in percent, before it is a regression: what a
/// patch release of a dependency may change.
const TOLERANCE: u64 = 3;

/// Runs a path so many times.
type Run = fn(u64);

const PATHS: &[(&str, Run)] = &[
    ("receive a binary message of 0 B", |times| receive(Opcode::Binary, "", times)),
    ("receive a binary message of 16 B", |times| receive(Opcode::Binary, &ascii(16), times)),
    ("receive a binary message of 125 B", |times| receive(Opcode::Binary, &ascii(125), times)),
    ("receive a binary message of 1 KiB", |times| receive(Opcode::Binary, &ascii(1024), times)),
    ("receive a binary message of 16 KiB", |times| receive(Opcode::Binary, &ascii(16384), times)),
    ("receive an ASCII text of 16 B", |times| receive(Opcode::Text, &ascii(16), times)),
    ("receive an ASCII text of 125 B", |times| receive(Opcode::Text, &ascii(125), times)),
    ("receive an ASCII text of 1 KiB", |times| receive(Opcode::Text, &ascii(1024), times)),
    ("receive a multi-byte text of 125 B", |times| receive(Opcode::Text, &multi_byte(125), times)),
    ("receive a multi-byte text of 1 KiB", |times| receive(Opcode::Text, &multi_byte(1024), times)),
    ("receive a ping of 16 B and answer it", |times| receive(Opcode::Ping, &ascii(16), times)),
    ("receive binary byte by byte, 1 KiB", |times| {
        receive_in_reads(Opcode::Binary, &ascii(1024), 1, times);
    }),
    ("receive an ASCII text byte by byte, 1 KiB", |times| {
        receive_in_reads(Opcode::Text, &ascii(1024), 1, times);
    }),
    ("receive binary in reads of 64 B, 16 KiB", |times| {
        receive_in_reads(Opcode::Binary, &ascii(16384), 64, times);
    }),
    ("send 16 B as a server", |times| send(WebSocket::server(&LIMITS), 16, times)),
    ("send 1 KiB as a server", |times| send(WebSocket::server(&LIMITS), 1024, times)),
    ("send 16 B as a client", |times| send(client(), 16, times)),
    ("send 1 KiB as a client", |times| send(client(), 1024, times)),
    ("send 16 B straight to a socket", |times| send_direct(16, times)),
    ("send 1 KiB straight to a socket", |times| send_direct(1024, times)),
    ("broadcast 64 B, a connection", |times| broadcast(64, times)),
    ("broadcast 1 KiB, a connection", |times| broadcast(1024, times)),
    ("upgrade as a server", upgrade),
    ("upgrade as a client", connect),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|one| one != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["--run", at, times] => run(at, times),
        [] => compare(),
        ["--write"] => write(),
        _ => Err("usage: cargo bench --bench instructions [-- --write]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn budget_file() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt"))
}

/// Runs one path: what valgrind is given.
fn run(at: &str, times: &str) -> Result<(), Box<dyn Error>> {
    let (_, path) = PATHS.get(at.parse::<usize>()?).ok_or("no such path")?;
    path(times.parse()?);
    Ok(())
}

fn compare() -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(budget_file())?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let budgets = lines.filter_map(|line| line.trim().split_once("  "));
    let budgets: BTreeMap<&str, u64> = budgets
        .map(|(count, name)| Ok((name, count.parse()?)))
        .collect::<Result<_, Box<dyn Error>>>()?;
    let mut above = 0;
    for (at, (name, _)) in PATHS.iter().enumerate() {
        let budget = budgets.get(name).ok_or_else(|| format!("no budget for \"{name}\""))?;
        let count = count(at)?;
        let is_above = count * 100 > budget * (100 + TOLERANCE);
        above += usize::from(is_above);
        let verdict = if is_above { "TOO MANY" } else { "" };
        println!("{count:>9} of {budget:>9}  {name}  {verdict}");
    }
    if above > 0 {
        return Err(format!("{above} paths take more instructions than they may").into());
    }
    Ok(())
}

fn write() -> Result<(), Box<dyn Error>> {
    let rustc = Command::new("rustc").arg("--version").output()?.stdout;
    let mut text = format!(
        "# Instructions of the hot paths, by `cargo bench --bench instructions -- --write` with\n# {}",
        String::from_utf8(rustc)?
    );
    for (at, (name, _)) in PATHS.iter().enumerate() {
        let count = count(at)?;
        println!("{count:>9}  {name}");
        text.push_str(&format!("{count:>9}  {name}\n"));
    }
    Ok(fs::write(budget_file(), text)?)
}

/// The instructions of one path, once.
fn count(at: usize) -> Result<u64, Box<dyn Error>> {
    let [few, many] = COUNTS.map(|times| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let output = valgrind
            .arg(env::current_exe()?)
            .args(["--run", &at.to_string(), &times.to_string()])
            .output();
        let output = output.map_err(|error| format!("valgrind: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let collected =
            said.split("Collected : ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let collected = collected.ok_or_else(|| format!("valgrind counted nothing: {said}"))?;
        Ok::<u64, Box<dyn Error>>(collected.parse()?)
    });
    Ok((many? - few?) / (COUNTS[1] - COUNTS[0]))
}

fn ascii(len: usize) -> String {
    "a mouse asleep, ".chars().cycle().take(len).collect()
}

fn multi_byte(len: usize) -> String {
    let mut text: String = "соня спит зимой, ".chars().cycle().take(len).collect();
    while text.len() > len {
        text.pop();
    }
    let rest = ".".repeat(len - text.len());
    text + &rest
}

fn client() -> WebSocket<Client> {
    WebSocket::client(&LIMITS, || [0x37, 0xfa, 0x21, 0x3d])
}

/// What a server does when a socket is readable.
#[inline(never)]
fn on_read(ws: &mut WebSocket<Server>, read: &mut [u8], out: &mut Outbox) {
    let mut input = Input::new(read);
    while let Ok(Some(event)) = ws.next(&mut input, out) {
        match event {
            Event::Text(text) => drop(black_box(text)),
            Event::Binary(bytes) => drop(black_box(bytes)),
            other => drop(black_box(other)),
        }
    }
}

/// A frame with a key of zeros, so that it can be received again and again.
fn frame(opcode: Opcode, payload: &str) -> Vec<u8> {
    let payload_len = payload.len() as u64;
    let header = FrameHeader { fin: true, rsv: Rsv::NONE, opcode, mask: Some([0; 4]), payload_len };
    let mut frame = header.encode(&mut [0; MAX_HEADER_LEN]).to_vec();
    frame.extend_from_slice(payload.as_bytes());
    frame
}

fn receive(opcode: Opcode, payload: &str, times: u64) {
    let mut frame = frame(opcode, payload);
    let (mut ws, mut out) = (WebSocket::server(&LIMITS), Outbox::keeping(&LIMITS, 4096));
    for _ in 0..times {
        on_read(&mut ws, black_box(&mut frame), &mut out);
        out.clear();
    }
    assert!(!ws.is_closed());
}

fn receive_in_reads(opcode: Opcode, payload: &str, len: usize, times: u64) {
    let mut frame = frame(opcode, payload);
    let (mut ws, mut out) = (WebSocket::server(&LIMITS), Outbox::keeping(&LIMITS, 4096));
    for _ in 0..times {
        frame.chunks_mut(len).for_each(|read| on_read(&mut ws, black_box(read), &mut out));
    }
    assert!(!ws.is_closed());
}

/// Takes all that it is given. It is called, as a socket is.
struct Socket;

impl io::Write for Socket {
    #[inline(never)]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    #[inline(never)]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(black_box(slices).iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn send<R: Role>(mut ws: WebSocket<R>, len: usize, times: u64) {
    let (payload, mut out) = (ascii(len), Outbox::keeping(&LIMITS, 4096));
    for _ in 0..times {
        ws.binary(black_box(payload.as_bytes()), &mut out).expect("the outbox is empty");
        out.write_to(&mut Socket).expect("it takes all");
    }
}

fn send_direct(len: usize, times: u64) {
    let (mut ws, mut out) = (WebSocket::server(&LIMITS), Outbox::new(&LIMITS));
    let payload = ascii(len);
    for _ in 0..times {
        ws.write_binary(black_box(payload.as_bytes()), &mut out, &mut Socket)
            .expect("it takes all");
    }
}

fn broadcast(len: usize, times: u64) {
    let message = Prepared::text(&ascii(len));
    let mut shared = Outbox::keeping(&LIMITS, 4096);
    let (mut ws, mut own) = (WebSocket::server(&LIMITS), Outbox::new(&LIMITS));
    for _ in 0..times {
        let mut out = own.sharing(&mut shared);
        ws.send(black_box(&message), &mut out).expect("the outbox is empty");
        out.write_to(&mut Socket).expect("it takes all");
    }
}

fn upgrade(times: u64) {
    let mut out = Outbox::keeping(&LIMITS, 4096);
    let mut request = REQUEST.to_vec();
    for _ in 0..times {
        let mut input = Input::new(black_box(&mut request));
        let head = HeadReader::new(&LIMITS).next(&mut input).expect("a head").expect("all of it");
        let mut headers = [const { MaybeUninit::uninit() }; 64];
        let request = Request::parse_uninit(&head, &mut headers).expect("a request");
        let upgrade = Upgrade::read(&request).expect("an upgrade");
        let protocol = upgrade.select_protocol(&["mail.v1"]);
        upgrade.accept().protocol(protocol).write(&mut out).expect("room");
        out.write_to(&mut Socket).expect("it takes all");
    }
}

fn connect(times: u64) {
    let mut out = Outbox::keeping(&LIMITS, 4096);
    for _ in 0..times {
        let connect = Connect::new("localhost:9001", "/chat");
        let handshake = connect.write(*b"the sample nonce", &mut out).expect("a request");
        out.write_to(&mut Socket).expect("it takes all");
        let mut answer = *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let mut input = Input::new(black_box(&mut answer));
        let head = HeadReader::new(&LIMITS).next(&mut input).expect("a head").expect("all of it");
        let mut headers = [dormouse::http::EMPTY_HEADER; 16];
        let response = Response::parse(&head, &mut headers).expect("a response");
        black_box(handshake.verify(&response)).expect("the server's answer");
    }
}
