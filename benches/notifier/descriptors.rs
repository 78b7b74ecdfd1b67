//! At the limit of descriptors: what it costs to turn the excess away, how soon it is told, and how
//! soon there is service again when there is room.

use std::error::Error;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::BOUND;
use crate::client::{self, Watcher};
use crate::crowd::{Crowd, everybody};
use crate::report::{Report, Target};
use crate::server::Server;

/// The limit of the server process.
const DESCRIPTORS: u32 = 512;
const MAILBOX: &str = "alice";
/// Those who come at once when the server is full.
const CROWD: usize = 500;
/// For this long a few more come again and again.
const HOLD: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_millis(50);
/// How many leave in the end, and how many of the next have to be let in.
const RELEASED: usize = 100;
const WANTED: usize = 50;
const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Measures and reports.
pub fn run(report: &mut Report) -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = Server::start(DESCRIPTORS, &["--ping", "0"])?;
    let mut publisher = server.publisher()?;
    publisher.declare(&[MAILBOX.to_owned()], 0)?;
    let target = Server::target(MAILBOX)?;
    let connect = || -> Result<Watcher, Box<dyn Error + Send + Sync>> {
        client::open(client::connect(server.address, client::source(0), None)?, &target)
    };
    let mut inside = Vec::new();
    while let Ok(watcher) = connect() {
        inside.push(watcher);
        if inside.len() > DESCRIPTORS as usize {
            return Err("the limit has no effect".into());
        }
    }

    let mut excess = Excess::new()?;
    let (began, before) = (Instant::now(), server.cpu_time()?);
    excess.come(&server, CROWD)?;
    while began.elapsed() < HOLD {
        excess.come(&server, 1)?;
        excess.listen(EVERY)?;
    }
    let cpu =
        server.cpu_time()?.saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
    let came = excess.came.len();
    let (unanswered, slowest) = excess.finish()?;
    println!(
        "descriptors: {} inside with a limit of {DESCRIPTORS}; {CROWD} more at once, then {} within \
         {} s; {unanswered} never answered",
        inside.len(),
        came - CROWD,
        HOLD.as_secs()
    );
    let what = format!("{CROWD} clients beyond the descriptor limit:");
    let busy = format!("{what} processor time while they stay");
    report.tell("limit_cpu", &busy, (100.0 * cpu, "%"), Target::AtMost(1.0));
    let slowest = slowest.as_secs_f64() * 1000.0;
    let answer = format!("{what} the slowest answer");
    report.tell("limit_answer", &answer, (slowest, "ms"), Target::AtMost(200.0));

    inside.truncate(inside.len() - RELEASED);
    let (began, mut entered) = (Instant::now(), Vec::new());
    while entered.len() < WANTED {
        match connect() {
            Ok(watcher) => entered.push(watcher),
            Err(error) if began.elapsed() > BOUND => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
    let what = format!("{WANTED} of them are let in when {RELEASED} others have left, after");
    let took = began.elapsed().as_secs_f64();
    report.tell("limit_entered", &what, (took, "s"), Target::AtMost(1.0));
    Ok(())
}

/// Those who come when there is no room. They stay, even when they were told to go.
struct Excess {
    crowd: Crowd,
    came: Vec<Instant>,
    /// How long each waited for an answer, or for the end.
    waited: Vec<Option<Duration>>,
}

impl Excess {
    fn new() -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self { crowd: Crowd::new()?, came: Vec::new(), waited: Vec::new() })
    }

    fn come(&mut self, server: &Server, count: usize) -> Result<(), Box<dyn Error + Send + Sync>> {
        for _ in 0..count {
            let came = Instant::now();
            let from = client::source(self.came.len());
            let mut socket = client::connect(server.address, from, None)?;
            // The server may have closed already.
            let _ = socket.write_all(REQUEST.as_bytes());
            self.crowd.add(socket)?;
            self.came.push(came);
            self.waited.push(None);
        }
        self.listen(Duration::ZERO)
    }

    fn listen(&mut self, lasts: Duration) -> Result<(), Box<dyn Error + Send + Sync>> {
        let until = Instant::now() + lasts;
        let Self { crowd, came, waited } = self;
        loop {
            let patience = until.saturating_duration_since(Instant::now());
            crowd.turn(patience, everybody, |index, _| {
                waited[index].get_or_insert_with(|| came[index].elapsed());
            })?;
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }

    /// How many still wait, and the longest wait, which for those is until now.
    fn finish(mut self) -> Result<(usize, Duration), Box<dyn Error + Send + Sync>> {
        self.listen(Duration::from_millis(300))?;
        let unanswered = self.waited.iter().filter(|waited| waited.is_none()).count();
        let waits = self.waited.iter().zip(&self.came);
        let waits = waits.map(|(waited, came)| waited.unwrap_or_else(|| came.elapsed()));
        Ok((unanswered, waits.max().unwrap_or_default()))
    }
}
