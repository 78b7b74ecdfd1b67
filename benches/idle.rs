//! What a sleeping connection costs `echo_mio`: bytes of private resident memory, as a slope.
//!
//! ```text
//! cargo bench --bench idle
//! ```
//! Starts the server as a process, opens connections up to two counts, each with its handshake and
//! one echo of 32 bytes, and divides what was added between the two by the connections added. The
//! memory of the kernel is not in it. Linux only, because it reads `/proc`.

#[path = "../tests/support/example.rs"]
mod example;

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use dormouse::client::Connect;
use dormouse::http::{EMPTY_HEADER, HeadReader, Response};
use dormouse::{Event, Input, Limits, Outbox, WebSocket};

const COUNTS: [usize; 2] = [5_000, 15_000];
const PAYLOAD: [u8; 32] = [7; 32];

fn main() -> Result<(), Box<dyn Error>> {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("idle: runs only as a bench");
        return Ok(());
    }
    let server = Server::start()?;
    let mut connections = Vec::with_capacity(COUNTS[1]);
    let mut resident = Vec::new();
    for count in COUNTS {
        while connections.len() < count {
            connections.push(open(server.address)?);
        }
        resident.push(server.private_bytes()?);
        println!("{count:>6} connections: {:>9} bytes", resident[resident.len() - 1]);
    }
    let slope = (resident[1] as f64 - resident[0] as f64) / (COUNTS[1] - COUNTS[0]) as f64;
    println!("{slope:.1} bytes per idle connection");
    Ok(())
}

/// Connects, shakes hands and has 32 bytes echoed.
fn open(address: SocketAddr) -> Result<TcpStream, Box<dyn Error>> {
    let limits = Limits::default();
    let mut out = Outbox::new(&limits);
    let mut socket = TcpStream::connect(address)?;
    let host = address.to_string();
    let handshake = Connect::new(&host, "/").write(*b"the sample nonce", &mut out)?;
    out.write_to(&mut socket)?;

    let mut scratch = [0; 1024];
    let mut reader = HeadReader::new(&limits);
    loop {
        let len = socket.read(&mut scratch)?;
        let mut input = Input::new(&mut scratch[..len]);
        if let Some(head) = reader.next(&mut input)? {
            let mut headers = [EMPTY_HEADER; 16];
            handshake.verify(&Response::parse(&head, &mut headers)?)?;
            break;
        }
    }
    let mut ws = WebSocket::client(&limits, || [1, 2, 3, 4]);
    ws.binary(&PAYLOAD, &mut out)?;
    out.write_to(&mut socket)?;
    loop {
        let len = socket.read(&mut scratch)?;
        match ws.next(&mut Input::new(&mut scratch[..len]), &mut out)? {
            Some(Event::Binary(echo)) if *echo == PAYLOAD => return Ok(socket),
            None if len > 0 => {}
            other => return Err(format!("instead of the echo: {other:?}").into()),
        }
    }
}

/// The example as a process, ended with the value.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(example::program("echo_mio"))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").ok_or("no address")?.parse()?;
        Ok(Self { process, address })
    }

    fn private_bytes(&self) -> Result<u64, Box<dyn Error>> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id()))?;
        let private = rollup.lines().filter(|line| line.starts_with("Private_"));
        let kibibytes =
            private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        Ok(kibibytes.sum::<u64>() * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
