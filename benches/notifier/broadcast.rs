//! One mail for 10,000 connections, beside a bare loop of `write` calls that sends the same bytes to
//! as many sockets.
//!
//! Four processes: the server with one shard, a bare loop, and the clients of each. The two broadcast
//! in turn in the same run, and each begins when the last client has the one before. Compared are the
//! processor time of the sending process, all its threads, and the time until the last client has it,
//! pair by pair; the middle one of all pairs counts, since whatever else happens on the machine
//! happens to both of a pair or makes it one of the outer ones.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use dormouse::wire::{FrameHeader, MAX_HEADER_LEN, Opcode, Rsv};
use dormouse::{Event, Input, Limits, Outbox};
use mio::{Interest, Poll, Token};

use crate::client;
use crate::crowd::{Crowd, everybody};
use crate::publisher::Publisher;
use crate::report::{Report, Target, thousands};
use crate::server::{self, Server};
use crate::{BOUND, ROLE, median};

const CLIENTS: usize = 10_000;
const PAIRS: usize = 150;
/// The first few pairs, which find everything cold, do not count.
const WARM_UP: usize = 4;
const MAILBOX: &str = "everybody";
/// So many that the count keeps its digits, and every message its length.
const UNSEEN: u64 = 100_000;
const SUBJECT: &str = "Dinner at seven, and bring the photographs";
/// Longer than the sender needs to fall asleep after its last client has been served.
const MOMENT: Duration = Duration::from_millis(5);

/// Measures and reports.
pub fn run(report: &mut Report) -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = Server::start(20_000, &["--shards", "1", "--ping", "0"])?;
    let mut publisher = server.publisher()?;
    publisher.declare(&[MAILBOX.to_owned()], UNSEEN)?;
    let target = Server::target(MAILBOX)?;
    let message = sample(&server, &mut publisher, &target)?;
    let frame_len = frame(&message).len();

    let mut bare = Player::start("bare", &[&CLIENTS.to_string(), &message])?;
    let bare_address = bare.line()?;
    let mut bare_clients = Player::start("clients", &[&bare_address, &CLIENTS.to_string()])?;
    let address = server.address.to_string();
    let mut clients = Player::start("clients", &[&address, &CLIENTS.to_string(), &target])?;
    for player in [&mut bare_clients, &mut bare, &mut clients] {
        player.expect("ready")?;
    }
    let (mut ours, mut bares) = (Costs::default(), Costs::default());
    for pair in 0..WARM_UP + PAIRS {
        let mut by_server = || {
            measure(
                &mut clients,
                frame_len,
                || server.cpu_time(),
                || {
                    publisher.add_mail(MAILBOX, SUBJECT);
                    publisher.send()
                },
            )
        };
        let mut by_loop = || {
            let process = bare.process.id();
            measure(&mut bare_clients, frame_len, || server::cpu_time(process), || bare.say("go"))
        };
        // Each is the first of a pair as often as the other.
        let (our, its) = if pair % 2 == 0 {
            (by_server()?, by_loop()?)
        } else {
            let its = by_loop()?;
            (by_server()?, its)
        };
        if pair >= WARM_UP {
            ours.add(our);
            bares.add(its);
        }
    }
    tell(report, frame_len, ours, bares);
    Ok(())
}

fn tell(report: &mut Report, frame_len: usize, ours: Costs, bares: Costs) {
    let percent = |ours: &[f64], bares: &[f64]| {
        median(ours.iter().zip(bares).map(|(ours, bare)| 100.0 * bare / ours).collect())
    };
    let (cpu, wall) = (percent(&ours.cpu, &bares.cpu), percent(&ours.wall, &bares.wall));
    println!(
        "broadcast: {frame_len} bytes to {CLIENTS}, with --shards 1: {:.1} ms of processor time, last \
         after {:.1} ms; bare loop {:.1} ms, {:.1} ms",
        median(ours.cpu),
        median(ours.wall),
        median(bares.cpu),
        median(bares.wall)
    );
    let target = Target::AtLeast(95.0);
    let what = format!("one mail to {} connections: speed of a bare loop of", thousands(CLIENTS));
    let what = |by: &str| format!("{what} `write` calls, by {by}");
    report.tell("broadcast_cpu", &what("processor time"), (cpu, "%"), target);
    report.tell("broadcast_wall", &what("the time until the last has it"), (wall, "%"), target);
}

/// Milliseconds, for each broadcast.
#[derive(Default)]
struct Costs {
    cpu: Vec<f64>,
    wall: Vec<f64>,
}

impl Costs {
    fn add(&mut self, (cpu, wall): (Duration, Duration)) {
        self.cpu.push(cpu.as_secs_f64() * 1000.0);
        self.wall.push(wall.as_secs_f64() * 1000.0);
    }
}

/// One broadcast: the processor time of its sender, and how long until the last client has it.
fn measure(
    clients: &mut Player,
    frame_len: usize,
    cpu_time: impl Fn() -> io::Result<Duration>,
    broadcast: impl FnOnce() -> Result<(), Box<dyn Error + Send + Sync>>,
) -> Result<(Duration, Duration), Box<dyn Error + Send + Sync>> {
    let before = cpu_time()?;
    clients.say(&(frame_len * CLIENTS).to_string())?;
    let began = Instant::now();
    broadcast()?;
    clients.expect("done")?;
    let wall = began.elapsed();
    thread::sleep(MOMENT);
    Ok((cpu_time()?.saturating_sub(before), wall))
}

/// What the server says about one mail.
fn sample(
    server: &Server,
    publisher: &mut Publisher,
    target: &str,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let socket = client::connect(server.address, client::source(0), None)?;
    let mut watcher = client::open(socket, target)?;
    publisher.add_mail(MAILBOX, SUBJECT);
    publisher.send()?;
    let mut scratch = [0; 1024];
    loop {
        let len = io::Read::read(&mut watcher.socket, &mut scratch)?;
        let mut out = Outbox::new(&Limits::default());
        match watcher.ws.next(&mut Input::new(&mut scratch[..len]), &mut out)? {
            Some(Event::Text(mail)) => return Ok(mail.into_owned()),
            None if len > 0 => {}
            other => return Err(format!("instead of a mail: {other:?}").into()),
        }
    }
}

/// The frame that a server makes of a message.
fn frame(message: &str) -> Vec<u8> {
    let header = FrameHeader {
        fin: true,
        rsv: Rsv::NONE,
        opcode: Opcode::Text,
        mask: None,
        payload_len: message.len() as u64,
    };
    [header.encode(&mut [0; MAX_HEADER_LEN]), message.as_bytes()].concat()
}

/// Another process of this program, which is told by lines what to do, and ends with the value.
struct Player {
    process: Child,
    /// It ends when there are no more lines.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Player {
    fn start(role: &str, words: &[&str]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(format!("{ROLE}{role}")).args(words);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().ok_or("no output")?);
        Ok(Self { process, input, output })
    }

    fn say(&mut self, line: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        let input = self.input.as_mut().ok_or("no input")?;
        Ok(input.write_all(format!("{line}\n").as_bytes())?)
    }

    fn line(&mut self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn expect(&mut self, expected: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        let line = self.line()?;
        if line == expected { Ok(()) } else { Err(format!("{expected}, not {line:?}").into()) }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the other processes do.
pub fn play(role: &str, words: &[String]) -> Result<(), Box<dyn Error + Send + Sync>> {
    match (role, words) {
        ("bare", [count, message]) => play_bare(count.parse()?, message),
        ("clients", [address, count]) => play_clients(address.parse()?, count.parse()?, None),
        ("clients", [address, count, target]) => {
            play_clients(address.parse()?, count.parse()?, Some(target))
        }
        _ => Err(format!("no such role: {role}").into()),
    }
}

/// The least that a broadcast can be: for each line, a `write` to every socket.
///
/// The sockets are like those of the server: watched by a poller, in a process with a second thread.
/// The system keeps books about both, and what the server adds is what it does itself.
fn play_bare(count: usize, message: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let frame = frame(message);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let poll = Poll::new()?;
    thread::spawn(thread::park);
    let mut sockets = Vec::new();
    while sockets.len() < count {
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut socket = mio::net::TcpStream::from_std(socket);
        poll.registry().register(&mut socket, Token(sockets.len()), Interest::READABLE)?;
        sockets.push(socket);
    }
    println!("ready");
    for line in io::stdin().lines() {
        line?;
        for socket in &mut sockets {
            if socket.write(&frame)? < frame.len() {
                return Err("a socket has not taken the whole frame".into());
            }
        }
    }
    Ok(())
}

/// Clients that read: for each line, as many bytes as it says in all.
fn play_clients(
    address: SocketAddr,
    count: usize,
    target: Option<&String>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut crowd = Crowd::new()?;
    for index in 0..count {
        let mut socket = client::connect(address, client::source(index), None)?;
        if let Some(target) = target {
            socket = client::open(socket, target)?.socket;
        }
        crowd.add(socket)?;
    }
    println!("ready");
    for line in io::stdin().lines() {
        let mut missing: usize = line?.parse()?;
        let deadline = Instant::now() + BOUND;
        while missing > 0 {
            if Instant::now() > deadline {
                return Err(format!("{missing} bytes have not come").into());
            }
            crowd
                .turn(BOUND, everybody, |_, bytes| missing = missing.saturating_sub(bytes.len()))?;
        }
        println!("done");
    }
    Ok(())
}
