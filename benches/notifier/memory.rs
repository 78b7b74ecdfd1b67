//! What an idle connection costs: private resident bytes, as a slope, and after a burst.
//!
//! Each connection is authenticated by a token and has a mailbox of its own. The mailboxes are known
//! before, and each has received as many mails as the server keeps of it, so that what is counted is
//! the connections, and a burst replaces mails instead of adding some.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use dormouse::{Client, Event, Input, Limits, Outbox, WebSocket};

use crate::BOUND;
use crate::client;
use crate::crowd::{Crowd, everybody};
use crate::publisher::{BATCH, Publisher};
use crate::report::{Report, Target, thousands};
use crate::server::Server;

const COUNTS: [usize; 2] = [5_000, 19_000];
/// How many mails of each mailbox the server keeps: few, because the holes between 20 times as many
/// pieces of memory are more than what is measured.
const KEPT: usize = 1;
/// How many mails each connection receives in the burst.
const BURST: usize = 10;
/// Longer than the deadline of a handshake, whose reminder is gone after it.
const QUIET: Duration = Duration::from_secs(3);
const SUBJECT: &str = "Dinner at seven, and bring the photographs";

/// Measures and reports.
pub fn run(report: &mut Report) -> Result<(), Box<dyn Error + Send + Sync>> {
    let kept = KEPT.to_string();
    let server = Server::start(20_000, &["--recent", &kept, "--handshake-timeout", "2s"])?;
    let mailboxes: Vec<_> = (0..COUNTS[1]).map(|number| format!("u{number:05}")).collect();
    let mut publisher = server.publisher()?;
    let empty = server.private_bytes()?;
    publisher.declare(&mailboxes, 0)?;
    let declared = server.private_bytes()?;
    deliver(&mut publisher, &mailboxes, KEPT)?;
    // What the first round of a burst leaves in the allocator is not the connections' doing.
    deliver(&mut publisher, &mailboxes, BURST)?;
    let before = server.private_bytes()?;

    let mut watchers = Watchers::new()?;
    let mut resident = Vec::new();
    for count in COUNTS {
        while watchers.crowd.len() < count {
            watchers.open(&server, &mailboxes[watchers.crowd.len()])?;
        }
        thread::sleep(QUIET);
        resident.push(server.private_bytes()?);
    }
    let slope = (resident[1] as f64 - resident[0] as f64) / (COUNTS[1] - COUNTS[0]) as f64;
    let each = |bytes: u64| (bytes as f64 - before as f64) / COUNTS[1] as f64;
    let fresh = each(resident[1]);
    thread::scope(|scope| {
        let publishing = scope.spawn(|| deliver(&mut publisher, &mailboxes, BURST));
        watchers.receive(COUNTS[1] * BURST)?;
        publishing.join().map_err(|_| "the publisher panicked")?
    })?;
    thread::sleep(QUIET);
    let after = each(server.private_bytes()?);

    let mailbox = |bytes: u64, before: u64| (bytes - before) as f64 / COUNTS[1] as f64;
    println!(
        "memory: a mailbox takes {:.0} bytes, with its last mail {:.0}; then connections: {} to {}",
        mailbox(declared, empty),
        mailbox(before, empty),
        COUNTS[0],
        COUNTS[1]
    );
    let [low, high] = COUNTS.map(thousands);
    report.tell(
        "idle_bytes",
        &format!(
            "private memory of an idle connection with a token and a mailbox of its own, as a slope \
             between {low} and {high}"
        ),
        (slope, "B"),
        Target::AtMost(128.0),
    );
    println!("memory: over all connections {fresh:.1} before the burst, {after:.1} after");
    report.tell(
        "burst_bytes",
        &format!("what is left for each of a burst of {BURST} mails to all {high}"),
        (after - fresh, "B"),
        Target::AtMost(8.0),
    );
    Ok(())
}

/// Sends `mails` mails to each mailbox, in rounds.
fn deliver(
    publisher: &mut Publisher,
    mailboxes: &[String],
    mails: usize,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    for _ in 0..mails {
        for batch in mailboxes.chunks(BATCH) {
            batch.iter().for_each(|mailbox| publisher.add_mail(mailbox, SUBJECT));
            publisher.send()?;
        }
    }
    Ok(())
}

/// The clients.
struct Watchers {
    crowd: Crowd,
    each: Vec<WebSocket<Client>>,
    /// Where answers would be. Nobody pings within the time of this part.
    out: Outbox,
}

impl Watchers {
    fn new() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let out = Outbox::keeping(&Limits::default(), 1024);
        Ok(Self { crowd: Crowd::new()?, each: Vec::new(), out })
    }

    fn open(&mut self, server: &Server, mailbox: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        let from = client::source(self.crowd.len());
        let socket = client::connect(server.address, from, None)?;
        let watcher = client::open(socket, &Server::target(mailbox)?)?;
        self.crowd.add(watcher.socket)?;
        self.each.push(watcher.ws);
        Ok(())
    }

    /// Waits until this many messages have come.
    fn receive(&mut self, messages: usize) -> Result<(), Box<dyn Error + Send + Sync>> {
        let deadline = Instant::now() + BOUND;
        let Self { crowd, each, out } = self;
        let mut received = 0;
        while received < messages {
            if Instant::now() > deadline {
                return Err(format!("only {received} of {messages} messages came").into());
            }
            crowd.turn(Duration::from_millis(100), everybody, |index, bytes| {
                let mut input = Input::new(bytes);
                while let Ok(Some(event)) = each[index].next(&mut input, out) {
                    received += usize::from(matches!(event, Event::Text(_)));
                }
            })?;
        }
        Ok(())
    }
}
