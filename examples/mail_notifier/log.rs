//! What an operator reads: one line for each event, on standard error.
//!
//! ```text
//! 2026-11-22T11:00:00Z warn refused reason=origin peer=127.0.0.1
//! 2026-11-22T11:00:10Z warn refused reason=origin repeated=123
//! ```
//! The form is logfmt. Whatever strangers send ends up as one short value in one line. What happens
//! often is written a few times in each window of time; the rest of it is counted, each reason for
//! itself.
//!
//! Once [`start`]ed, a thread of its own writes the lines: whoever reads standard error may stop
//! reading, and that must not stop the server. What does not fit into its queue is lost, and counted.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mail_parser::DateTime;

use crate::mail::is_invisible;

/// So many lines of one event in one window.
const MAX_LINES: u32 = 5;
const WINDOW: Duration = Duration::from_secs(10);
/// The longest value, in characters.
const MAX_VALUE: usize = 200;

/// How many lines may wait to be written.
const MAX_WAITING: usize = 1024;
/// How long the end of the program waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

static LOG: Mutex<Log> = Mutex::new(Log { events: BTreeMap::new() });
static WRITER: OnceLock<Writer> = OnceLock::new();

/// The thread that writes.
struct Writer {
    queue: SyncSender<Job>,
    lost: AtomicU64,
}

enum Job {
    Line(Vec<u8>),
    /// To be told that everything before is written.
    Mark(SyncSender<()>),
}

/// Begins to write in a thread.
///
/// # Errors
/// When the system has no thread.
pub fn start() -> io::Result<()> {
    let (queue, jobs) = mpsc::sync_channel(MAX_WAITING);
    let write = move || {
        for job in jobs {
            // If nobody reads the log any more, that is no reason to stop.
            let _ = match job {
                Job::Line(line) => io::stderr().write_all(&line),
                Job::Mark(done) => done.send(()).map_err(io::Error::other),
            };
        }
    };
    thread::Builder::new().name("log".to_owned()).spawn(write)?;
    let _ = WRITER.set(Writer { queue, lost: AtomicU64::new(0) });
    Ok(())
}

/// Where lines go: to the thread, or to standard error where there is none.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Some(writer) = WRITER.get() else { return io::stderr().write(line) };
        let lost = writer.lost.swap(0, Ordering::Relaxed);
        let mut lines = line.to_vec();
        if lost > 0 {
            let event = Event { name: "log_lines_lost", reason: None };
            crate::log::write("warn", event, &[("count", &lost)], Moment::now(), &mut lines);
        }
        if writer.queue.try_send(Job::Line(lines)).is_err() {
            writer.lost.fetch_add(lost + 1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What happened, and why if there are several reasons: so much is the same when it repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    name: &'static str,
    reason: Option<&'static str>,
}

/// Says that something happened as it should.
pub fn info(name: &'static str, fields: &[(&str, &dyn Display)]) {
    let event = Event { name, reason: None };
    lock().event("info", event, fields, Moment::now(), &mut Lines);
}

/// Says that something happened that somebody may want to look into.
pub fn warn(name: &'static str, fields: &[(&str, &dyn Display)]) {
    let event = Event { name, reason: None };
    lock().event("warn", event, fields, Moment::now(), &mut Lines);
}

/// The same for something that happens for one of several reasons.
pub fn warn_because(name: &'static str, reason: &'static str, fields: &[(&str, &dyn Display)]) {
    let event = Event { name, reason: Some(reason) };
    lock().event("warn", event, fields, Moment::now(), &mut Lines);
}

/// Writes how often events happened beyond the lines that were written, where the window is over.
/// To be called now and then: nothing here watches the clock.
pub fn flush() {
    lock().flush(Moment::now(), &mut Lines);
}

/// Writes the same for all events, because the program ends, and waits until that is done.
pub fn finish() {
    let mut log = lock();
    let events: Vec<_> = log.events.keys().copied().collect();
    events.into_iter().for_each(|event| log.end(event, Moment::now(), &mut Lines));
    if let Some(writer) = WRITER.get() {
        let (done, written) = mpsc::sync_channel(1);
        if writer.queue.try_send(Job::Mark(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

/// The lock is held while a line is written, so that lines do not mix. A log is whole at any time.
fn lock() -> MutexGuard<'static, Log> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When something happened, by the clock for measuring and by the one for people.
#[derive(Clone, Copy)]
struct Moment {
    instant: Instant,
    /// Since 1970.
    time: Duration,
}

impl Moment {
    fn now() -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { instant: Instant::now(), time }
    }
}

/// What was written lately. It holds no more than there are events in the code.
struct Log {
    events: BTreeMap<Event, Window>,
}

/// One event since the first line of it that is not long ago.
struct Window {
    level: &'static str,
    began: Instant,
    lines: u32,
    /// How often the event happened beyond these lines.
    repeated: u64,
}

impl Window {
    fn is_over(&self, now: Moment) -> bool {
        now.instant.saturating_duration_since(self.began) >= WINDOW
    }
}

impl Log {
    fn event(
        &mut self,
        level: &'static str,
        event: Event,
        fields: &[(&str, &dyn Display)],
        now: Moment,
        sink: &mut impl Write,
    ) {
        if self.events.get(&event).is_some_and(|window| window.is_over(now)) {
            self.end(event, now, sink);
        }
        let new = Window { level, began: now.instant, lines: 0, repeated: 0 };
        let window = self.events.entry(event).or_insert(new);
        if window.lines < MAX_LINES {
            window.lines += 1;
            write(level, event, fields, now, sink);
        } else {
            window.repeated += 1;
        }
    }

    fn flush(&mut self, now: Moment, sink: &mut impl Write) {
        let over = self.events.iter().filter(|(_, window)| window.is_over(now));
        let over: Vec<_> = over.map(|(event, _)| *event).collect();
        over.into_iter().for_each(|event| self.end(event, now, sink));
    }

    /// Forgets an event, and tells how much of it was not written.
    fn end(&mut self, event: Event, now: Moment, sink: &mut impl Write) {
        if let Some(Window { level, repeated: repeated @ 1.., .. }) = self.events.remove(&event) {
            write(level, event, &[("repeated", &repeated)], now, sink);
        }
    }
}

/// Writes one line with one call.
fn write(
    level: &str,
    event: Event,
    fields: &[(&str, &dyn Display)],
    now: Moment,
    sink: &mut impl Write,
) {
    let time = DateTime::from_timestamp(now.time.as_secs().try_into().unwrap_or(i64::MAX));
    let mut line = format!("{} {level} {}", time.to_rfc3339(), event.name);
    if let Some(reason) = event.reason {
        line.push_str(" reason=");
        line.push_str(reason);
    }
    for (name, value) in fields {
        line.push(' ');
        line.push_str(name);
        line.push('=');
        push_value(&mut line, value);
    }
    line.push('\n');
    let _ = sink.write_all(line.as_bytes());
}

/// Appends a value: bounded, and in quotes unless it is a plain word.
fn push_value(line: &mut String, value: &dyn Display) {
    let mut bounded = Bounded { text: String::new(), left: MAX_VALUE };
    // An error says that the value was cut.
    let was_cut = write!(bounded, "{value}").is_err();
    let mut text = bounded.text;
    if was_cut {
        text.push('…');
    }
    let is_escaped = |char: char| is_invisible(char) || (char.is_whitespace() && char != ' ');
    let is_plain = |char| !is_escaped(char) && !matches!(char, ' ' | '"' | '\\' | '=');
    if !text.is_empty() && text.chars().all(is_plain) {
        return line.push_str(&text);
    }
    line.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => line.extend(['\\', char]),
            _ if is_escaped(char) => line.extend(char.escape_default()),
            _ => line.push(char),
        }
    }
    line.push('"');
}

/// Text that takes so many characters and no more.
struct Bounded {
    text: String,
    left: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(char);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that writes into memory, and a clock that is set by hand.
    struct Notes {
        log: Log,
        now: Moment,
        text: Vec<u8>,
    }

    impl Notes {
        fn new() -> Self {
            let time = Duration::from_secs(1_795_345_200);
            let now = Moment { instant: Instant::now(), time };
            Self { log: Log { events: BTreeMap::new() }, now, text: Vec::new() }
        }

        fn after(&mut self, time: Duration) -> &mut Self {
            self.now = Moment { instant: self.now.instant + time, time: self.now.time + time };
            self
        }

        fn warn(&mut self, name: &'static str, fields: &[(&str, &dyn Display)]) -> &mut Self {
            self.warn_for(Event { name, reason: None }, fields)
        }

        fn warn_for(&mut self, event: Event, fields: &[(&str, &dyn Display)]) -> &mut Self {
            self.log.event("warn", event, fields, self.now, &mut self.text);
            self
        }

        fn flush(&mut self) -> &mut Self {
            self.log.flush(self.now, &mut self.text);
            self
        }

        /// The lines since the last time, without the date.
        fn lines(&mut self) -> Vec<String> {
            let text = String::from_utf8(std::mem::take(&mut self.text)).unwrap();
            text.lines().map(|line| line.split_once('T').unwrap().1.to_owned()).collect()
        }
    }

    fn value(value: &str) -> String {
        let mut line = String::new();
        push_value(&mut line, &value);
        line
    }

    #[test]
    fn a_line() {
        let mut notes = Notes::new();
        let event = Event { name: "refused", reason: Some("origin") };
        notes.warn_for(event, &[("peer", &"127.0.0.1")]);
        assert_eq!(
            String::from_utf8(notes.text).unwrap(),
            "2026-11-22T11:00:00Z warn refused reason=origin peer=127.0.0.1\n"
        );
    }

    #[test]
    fn values_are_one_word_or_quoted() {
        for (text, expected) in [
            ("plain", "plain"),
            ("::1", "::1"),
            ("Grüße", "Grüße"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            ("a=b", r#""a=b""#),
            ("say \"hi\"", r#""say \"hi\"""#),
            ("back\\slash", r#""back\\slash""#),
            ("two\r\nlines", r#""two\r\nlines""#),
            ("\x1b[31m\0", r#""\u{1b}[31m\u{0}""#),
            ("a\u{2028}b", r#""a\u{2028}b""#),
            ("\u{85}\u{202e}exe", r#""\u{85}\u{202e}exe""#),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn values_are_bounded() {
        assert_eq!(value(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(value(&"ä".repeat(201)), format!("{}…", "ä".repeat(200)));
        assert_eq!(value(&"\0".repeat(1000)).len(), 200 * 5 + "\"…\"".len());
    }

    #[test]
    fn repeats_are_counted_and_told_at_the_next_event() {
        let mut notes = Notes::new();
        for _ in 0..12 {
            notes.warn("a", &[]);
        }
        notes.warn("b", &[]);
        assert_eq!(notes.lines(), [&["11:00:00Z warn a"; 5][..], &["11:00:00Z warn b"]].concat());
        notes.after(WINDOW - Duration::from_millis(1)).warn("a", &[]);
        assert!(notes.lines().is_empty());
        notes.after(Duration::from_millis(1)).warn("a", &[("x", &1)]);
        assert_eq!(notes.lines(), ["11:00:10Z warn a repeated=8", "11:00:10Z warn a x=1"]);
        notes.after(WINDOW).warn("a", &[]).warn("b", &[]);
        assert_eq!(notes.lines(), ["11:00:20Z warn a", "11:00:20Z warn b"]);
    }

    #[test]
    fn each_reason_counts_for_itself() {
        let mut notes = Notes::new();
        let [rate, origin] =
            ["rate", "origin"].map(|reason| Event { name: "refused", reason: Some(reason) });
        (0..7).for_each(|_| drop(notes.warn_for(rate, &[]).lines()));
        assert_eq!(notes.warn_for(origin, &[]).lines(), ["11:00:00Z warn refused reason=origin"]);
        let repeated = ["11:00:10Z warn refused reason=rate repeated=2"];
        assert_eq!(notes.after(WINDOW).flush().lines(), repeated);
    }

    #[test]
    fn repeats_are_told_when_the_window_is_over() {
        let mut notes = Notes::new();
        for _ in 0..7 {
            notes.warn("a", &[]);
        }
        notes.warn("b", &[]).lines();
        assert!(notes.flush().lines().is_empty());
        assert_eq!(notes.after(WINDOW).flush().lines(), ["11:00:10Z warn a repeated=2"]);
        assert!(notes.flush().lines().is_empty());
        assert!(notes.log.events.is_empty());
        assert_eq!(notes.warn("a", &[]).lines(), ["11:00:10Z warn a"]);
    }

    #[test]
    fn a_log_that_nobody_reads_is_no_failure() {
        let mut log = Log { events: BTreeMap::new() };
        let mut full: &mut [u8] = &mut [];
        log.event(
            "info",
            Event { name: "a", reason: None },
            &[("x", &1)],
            Notes::new().now,
            &mut full,
        );
        assert_eq!(log.events.len(), 1);
    }

    #[test]
    fn everybody_may_write_at_once() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| info("a test", &[])));
            }
        });
        assert_eq!(lock().events[&Event { name: "a test", reason: None }].repeated, 395);
        flush();
    }
}
