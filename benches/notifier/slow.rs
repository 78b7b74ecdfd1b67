//! Consumers that stop reading: what they cost the server, and what they cost the others.
//!
//! 1,000 mailboxes have ten watchers each. First all of them read; then one of ten stops in half of the
//! mailboxes, then in all; then they go on. All the time 1,000 mails a second arrive, ten in each
//! request. The buffers of the kernel are made small and the subjects long, so that those who do not
//! read are really behind after some mails, and the server keeps for each of them what the socket has
//! not taken: the tail, which is at most one whole frame. Its length is known from the frames that the
//! others receive.
//!
//! The memory is a slope again, from half of the stalled ones to all: the first half fills the holes
//! that the heap has anyway.
//!
//! A subject begins with the time at which the mail was due, so that a publisher that is held up
//! counts as well.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use dormouse::{Client, Event, Input, Limits, Outbox, WebSocket};

use crate::BOUND;
use crate::client;
use crate::crowd::Crowd;
use crate::publisher::{BATCH, Publisher};
use crate::report::{Report, Target, thousands};
use crate::server::Server;

const MAILBOXES: usize = 1_000;
const WATCHERS: usize = 10;
/// The first watcher of each mailbox is the one that stops.
const STALLED: usize = MAILBOXES;
const MAILS_PER_SECOND: usize = 1_000;
const BETWEEN_REQUESTS: Duration = Duration::from_millis(10);
const MAILS_PER_REQUEST: usize = MAILS_PER_SECOND / 100;
/// How many seconds the phases without stalled consumers take, with half of them, and with all.
const ALONE: usize = 10;
const HALF: usize = 16;
const STALL: usize = 30;
/// How many mails of each mailbox the server keeps.
const KEPT: usize = 1;
/// In characters. Each but the first few takes three bytes, as most do in many languages.
const SUBJECT_LEN: usize = 200;
const CHARACTER: char = '\u{90F5}';
/// The least that the kernel gives.
const RECEIVE_BUFFER: usize = 2304;
const SEND_BUFFER: &str = "2304";
/// A frame of up to 64 KiB has this much in front of its payload.
const FRAME_HEADER: usize = 4;

/// Measures and reports.
pub fn run(report: &mut Report) -> Result<(), Box<dyn Error + Send + Sync>> {
    let kept = KEPT.to_string();
    let flags = ["--recent", &kept, "--send-buffer", SEND_BUFFER, "--stall-timeout", "10m"];
    let server = Server::start(20_000, &[&flags[..], &["--ping", "0"]].concat())?;
    let mailboxes: Vec<_> = (0..MAILBOXES).map(|number| format!("m{number:04}")).collect();
    let mut load = Load { publisher: server.publisher()?, mailboxes, began: Instant::now() };
    load.fill()?;
    let mut consumers = Consumers::open(&server, &load.mailboxes)?;

    let mut alone = consumers.phase(&mut load, ALONE)?;
    let left_out = || server.metric("coalesced_total");
    let none = left_out()?;
    consumers.stalled = STALLED / 2;
    consumers.phase(&mut load, HALF)?;
    let (half, before) = (left_out()?, server.private_bytes()?);
    consumers.stalled = STALLED;
    let mut beside = consumers.phase(&mut load, STALL)?;
    let (all, after) = (left_out()?, server.private_bytes()?);
    if half - none < STALLED as f64 || all - half < (10 * STALLED) as f64 {
        return Err(format!("of {none}, {half}, {all} notices left out, too few").into());
    }
    consumers.catch_up()?;
    alone.extend(consumers.phase(&mut load, ALONE)?);

    let tail = consumers.longest + FRAME_HEADER;
    let each = (after as f64 - before as f64) / (STALLED / 2) as f64;
    println!(
        "slow: {:.0} notices left out in {STALL} s for {STALLED} stalled; {each:.1} bytes more for \
         each, of which its tail is one frame of {tail}",
        all - half
    );
    let more = each - tail as f64;
    let what = format!(
        "{} of {} consumers stall for {STALL} s at {} mails a second:",
        thousands(STALLED),
        thousands(MAILBOXES * WATCHERS),
        thousands(MAILS_PER_SECOND)
    );
    let bytes = format!("{what} memory for each, beyond the one frame that waits");
    report.tell("stalled_bytes", &bytes, (more, "B"), Target::AtMost(64.0));
    let (alone, beside) = (Quantiles::of(&mut alone), Quantiles::of(&mut beside));
    println!("slow: time to the others, ms: without {alone}; with stalled ones {beside}");
    let ratio = beside.p99 / alone.p99;
    let others = format!("{what} p99 of the others, as a multiple of that before and after");
    report.tell("stalled_p99", &others, (ratio, ""), Target::AtMost(1.5));
    Ok(())
}

/// The mails.
struct Load {
    publisher: Publisher,
    mailboxes: Vec<String>,
    /// Times in subjects count from here.
    began: Instant,
}

impl Load {
    /// Declares the mailboxes and fills what the server keeps of them.
    fn fill(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.publisher.declare(&self.mailboxes, 0)?;
        for _ in 0..2 * KEPT {
            for batch in self.mailboxes.chunks(BATCH) {
                let subject = subject(0);
                batch.iter().for_each(|mailbox| self.publisher.add_mail(mailbox, &subject));
                self.publisher.send()?;
            }
        }
        Ok(())
    }

    /// Publishes for some seconds, to the mailboxes in turn.
    fn publish(&mut self, seconds: usize) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut due = Instant::now();
        let mut mailboxes = self.mailboxes.iter().cycle();
        for _ in 0..seconds * MAILS_PER_SECOND / MAILS_PER_REQUEST {
            due += BETWEEN_REQUESTS;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let subject = subject((due - self.began).as_micros());
            for mailbox in mailboxes.by_ref().take(MAILS_PER_REQUEST) {
                self.publisher.add_mail(mailbox, &subject);
            }
            self.publisher.send()?;
        }
        Ok(())
    }
}

/// A subject that tells when the mail was due, in microseconds.
fn subject(due: u128) -> String {
    let mut subject = format!("{due:012} ");
    subject.extend(std::iter::repeat_n(CHARACTER, SUBJECT_LEN - subject.len()));
    subject
}

/// When the mails in a message were due.
fn times(message: &str) -> impl Iterator<Item = u64> {
    let subjects = message.split("\"subject\":\"").skip(1);
    subjects.filter_map(|subject| subject.get(..12)?.parse().ok())
}

/// All clients. Client `index` watches mailbox `index / WATCHERS`.
struct Consumers {
    crowd: Crowd,
    each: Vec<Consumer>,
    /// Where answers would be. Nobody pings in this part.
    out: Outbox,
    /// In how many mailboxes the first watcher does not read.
    stalled: usize,
    /// The longest message with one mail.
    longest: usize,
}

struct Consumer {
    ws: WebSocket<Client>,
    /// When the last mail that came was due.
    last: u64,
}

impl Consumers {
    fn open(server: &Server, mailboxes: &[String]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (mut crowd, mut each) = (Crowd::new()?, Vec::new());
        for mailbox in mailboxes {
            let target = Server::target(mailbox)?;
            for watcher in 0..WATCHERS {
                let receive_buffer = (watcher == 0).then_some(RECEIVE_BUFFER);
                let from = client::source(each.len());
                let socket = client::connect(server.address, from, receive_buffer)?;
                let watcher = client::open(socket, &target)?;
                crowd.add(watcher.socket)?;
                each.push(Consumer { ws: watcher.ws, last: 0 });
            }
        }
        let out = Outbox::keeping(&Limits::default(), 1024);
        Ok(Self { crowd, each, out, stalled: 0, longest: 0 })
    }

    /// Publishes for some seconds and reads meanwhile. Returns how long each mail took to each of
    /// those who read all the time, in microseconds, and fails if one has not come.
    fn phase(
        &mut self,
        load: &mut Load,
        seconds: usize,
    ) -> Result<Vec<u32>, Box<dyn Error + Send + Sync>> {
        let expected = seconds * MAILS_PER_SECOND * (WATCHERS - 1);
        let mut latencies = Vec::with_capacity(expected);
        let deadline = Instant::now() + Duration::from_secs(seconds as u64) + BOUND;
        let began = load.began;
        thread::scope(|scope| {
            let publishing = scope.spawn(|| load.publish(seconds));
            while latencies.len() < expected {
                if Instant::now() > deadline {
                    let came = latencies.len();
                    return Err(format!("only {came} of {expected} mails came").into());
                }
                self.turn(|index, due| {
                    if index % WATCHERS != 0 {
                        let now = began.elapsed().as_micros() as u64;
                        latencies.push(now.saturating_sub(due).try_into().unwrap_or(u32::MAX));
                    }
                })?;
            }
            publishing.join().map_err(|_| "the publisher panicked")?
        })?;
        // Until the last of those who are not waited for has been served as well.
        thread::sleep(Duration::from_millis(300));
        Ok(latencies)
    }

    /// Reads what there is, and hands out each mail that is new to a consumer.
    fn turn(&mut self, mut got: impl FnMut(usize, u64)) -> std::io::Result<()> {
        let Self { crowd, each, out, stalled, longest } = self;
        let may_read = |index: usize| index % WATCHERS != 0 || index / WATCHERS >= *stalled;
        crowd.turn(Duration::from_millis(20), may_read, |index, bytes| {
            *longest = (*longest).max(each[index].receive(bytes, out, |due| got(index, due)));
        })
    }

    /// Lets the stalled ones read until each has the last mail that the others have.
    fn catch_up(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.stalled = 0;
        let deadline = Instant::now() + BOUND;
        for index in (0..self.each.len()).step_by(WATCHERS) {
            let Self { crowd, each, out, .. } = self;
            crowd.read(index, |bytes| {
                each[index].receive(bytes, out, |_| {});
            });
        }
        let is_behind = |all: &[Consumer]| all[0].last < all[WATCHERS - 1].last;
        while self.each.chunks(WATCHERS).any(is_behind) {
            if Instant::now() > deadline {
                return Err("the stalled ones do not get the latest state".into());
            }
            self.turn(|_, _| {})?;
        }
        Ok(())
    }
}

impl Consumer {
    /// Takes the bytes of one read and hands out when the mails in them were due, if they are new.
    /// Returns the length of the longest message with one mail.
    fn receive(&mut self, bytes: &mut [u8], out: &mut Outbox, mut got: impl FnMut(u64)) -> usize {
        let mut input = Input::new(bytes);
        let mut longest = 0;
        while let Ok(Some(event)) = self.ws.next(&mut input, out) {
            let Event::Text(message) = event else { continue };
            if message.starts_with("{\"type\":\"mail\"") {
                longest = longest.max(message.len());
            }
            for due in times(&message) {
                if due > self.last {
                    self.last = due;
                    got(due);
                }
            }
        }
        longest
    }
}

/// Of some times, in milliseconds.
struct Quantiles {
    p50: f64,
    p99: f64,
    worst: f64,
}

impl Quantiles {
    fn of(micros: &mut [u32]) -> Self {
        micros.sort_unstable();
        let at = |part: f64| {
            let index = (micros.len() as f64 * part) as usize;
            let micros = micros.get(index).or(micros.last()).copied().unwrap_or_default();
            f64::from(micros) / 1000.0
        };
        Self { p50: at(0.5), p99: at(0.99), worst: at(1.0) }
    }
}

impl std::fmt::Display for Quantiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:.2}, p99 {:.2}, worst {:.2}", self.p50, self.p99, self.worst)
    }
}
