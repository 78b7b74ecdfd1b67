//! The flags of the server: one table, from which the command line is read and `--help` is made.
//!
//! The default of each is in [`Settings::default`], which both ask.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::origin::Origins;
use crate::settings::Settings;
use crate::units::{Number, Unit};

/// Where the help texts begin.
const HELP_COLUMN: usize = 30;

/// A word on the command line that changes a setting.
pub struct Flag {
    /// Without the two hyphens.
    pub name: &'static str,
    takes: Takes,
    /// One line.
    help: &'static str,
}

/// What follows a flag, and where it goes.
enum Takes {
    Nothing(fn(&mut Settings) -> &mut bool),
    Path(&'static str, fn(&mut Settings) -> &mut Option<PathBuf>),
    Address(fn(&mut Settings) -> &mut Option<SocketAddr>),
    Origin(fn(&mut Settings) -> &mut Origins),
    Number(Unit, RangeInclusive<u64>, fn(&mut Settings) -> &mut dyn Number),
}

const fn flag(name: &'static str, takes: Takes, help: &'static str) -> Flag {
    Flag { name, takes, help }
}

const fn count(
    name: &'static str,
    range: RangeInclusive<u64>,
    place: fn(&mut Settings) -> &mut dyn Number,
    help: &'static str,
) -> Flag {
    Flag { name, takes: Takes::Number(Unit::Things, range, place), help }
}

const fn size(
    name: &'static str,
    range: RangeInclusive<u64>,
    place: fn(&mut Settings) -> &mut dyn Number,
    help: &'static str,
) -> Flag {
    Flag { name, takes: Takes::Number(Unit::Bytes, range, place), help }
}

const fn time(
    name: &'static str,
    range: RangeInclusive<u64>,
    place: fn(&mut Settings) -> &mut dyn Number,
    help: &'static str,
) -> Flag {
    Flag { name, takes: Takes::Number(Unit::Time, range, place), help }
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const MILLION: u64 = 1_000_000;
/// Times are in milliseconds.
const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;
/// For deadlines: shorter than the first is none to meet, longer than the last is none.
const DEADLINE: RangeInclusive<u64> = 10..=HOUR;

/// Every flag, under the headings of `--help`.
const GROUPS: [(&str, &[Flag]); 5] = [
    (
        "Who may watch what",
        &[
            flag("demo", Takes::Nothing(|to| &mut to.demo), "everybody, every mailbox"),
            flag(
                "token-key",
                Takes::Path("FILE", |to| &mut to.token_key),
                "who has a token signed with the key in this file (32 bytes to 4K)",
            ),
            flag(
                "origin",
                Takes::Origin(|to| &mut to.origins),
                "which pages may connect, or any; may be repeated (default: the same host)",
            ),
        ],
    ),
    (
        "Where mail comes from, and what is kept of it",
        &[
            flag(
                "mail",
                Takes::Path("ROOT", |to| &mut to.mail),
                "the Maildir ROOT/USER of each USER (the demo makes one)",
            ),
            flag(
                "internal",
                Takes::Address(|to| &mut to.internal),
                "serve POST /publish, /metrics, /healthz and /readyz at ADDR",
            ),
            flag(
                "publish-key",
                Takes::Path("FILE", |to| &mut to.publish_key),
                "publishers send this key as their bearer token",
            ),
            size(
                "publish-limit",
                KIB..=1024 * MIB,
                |to| &mut to.publish_limit,
                "the largest body of a POST /publish",
            ),
            count(
                "publish-connections",
                1..=1024,
                |to| &mut to.publish_connections,
                "connections to the internal address",
            ),
            time(
                "publish-timeout",
                DEADLINE,
                |to| &mut to.publish_timeout,
                "one request there, or the pause before it",
            ),
            count(
                "recent",
                1..=1000,
                |to| &mut to.recent,
                "mails of each mailbox, for those who were away",
            ),
        ],
    ),
    (
        "How many clients, and how fast they may come",
        &[
            count(
                "max-connections",
                1..=10 * MILLION,
                |to| &mut to.max_connections,
                "connections overall (unless it is given, at most ulimit -n)",
            ),
            count(
                "max-per-address",
                1..=10 * MILLION,
                |to| &mut to.max_per_address,
                "connections from one address",
            ),
            count(
                "accept-rate",
                1..=MILLION,
                |to| &mut to.accept_rate,
                "new connections in a second",
            ),
            count(
                "accept-burst",
                1..=10 * MILLION,
                |to| &mut to.accept_burst,
                "new connections at once, after a quiet time",
            ),
            time(
                "retry-after",
                SECOND..=HOUR,
                |to| &mut to.retry_after,
                "when those who are turned away may come back",
            ),
            count(
                "backlog",
                1..=65_535,
                |to| &mut to.backlog,
                "connections that wait in the kernel",
            ),
        ],
    ),
    (
        "How long things may take",
        &[
            time("handshake-timeout", DEADLINE, |to| &mut to.handshake_timeout, "a whole request"),
            time(
                "stall-timeout",
                DEADLINE,
                |to| &mut to.stall_timeout,
                "a client that does not read what is sent",
            ),
            time(
                "close-timeout",
                DEADLINE,
                |to| &mut to.close_timeout,
                "a client that does not answer a Close",
            ),
            time(
                "ping",
                0..=24 * HOUR,
                |to| &mut to.ping,
                "between two pings, of which one has to be answered (0: none)",
            ),
            time("drain", 0..=HOUR, |to| &mut to.drain, "from SIGTERM to the end"),
        ],
    ),
    (
        "How the work is shared",
        &[
            count("shards", 0..=1024, |to| &mut to.shards, "event loops (0: one for each core)"),
            size("head-limit", KIB..=MIB, |to| &mut to.head_limit, "the largest head of a request"),
            count(
                "reads-per-turn",
                1..=1024,
                |to| &mut to.reads_per_turn,
                "reads from one client before the others have their turn",
            ),
            count(
                "accepts-per-turn",
                1..=65_536,
                |to| &mut to.accepts_per_turn,
                "new connections before the others have their turn",
            ),
            size(
                "send-buffer",
                0..=1024 * MIB,
                |to| &mut to.send_buffer,
                "the kernel's buffer of each connection (0: as the system has it)",
            ),
            flag(
                "deflate",
                Takes::Nothing(|to| &mut to.deflate),
                "send compressed notices to clients that offer it",
            ),
        ],
    ),
];

/// The flag called `name`, without the two hyphens.
pub fn find(name: &str) -> Option<&'static Flag> {
    const { &GROUPS }.iter().flat_map(|(_, flags)| *flags).find(|flag| flag.name == name)
}

impl Flag {
    /// Whether it adds to what was said before.
    pub fn may_repeat(&self) -> bool {
        matches!(self.takes, Takes::Origin(_))
    }

    /// Changes `settings`, with the next word of the command line if the flag takes one.
    ///
    /// # Errors
    /// A usage [`Failure`] that names the flag, if the word is missing or makes no sense.
    pub fn apply(
        &self,
        settings: &mut Settings,
        word: impl FnOnce() -> Result<OsString, Failure>,
    ) -> Result<(), Failure> {
        match &self.takes {
            Takes::Nothing(place) => *place(settings) = true,
            Takes::Path(_, place) => *place(settings) = Some(PathBuf::from(word()?)),
            Takes::Address(place) => *place(settings) = Some(address(&text(word()?))?),
            Takes::Origin(place) => {
                let added = place(settings).add(&text(word()?));
                added.map_err(|why| Failure::usage(format!("--{}: {why}", self.name)))?;
            }
            Takes::Number(unit, range, place) => {
                let word = text(word()?);
                let number = unit.parse(&word).filter(|number| range.contains(number));
                place(settings).set(number.ok_or_else(|| {
                    let (least, most) = (unit.show(*range.start()), unit.show(*range.end()));
                    let expected = unit.expected();
                    let name = self.name;
                    let line = format!("--{name} takes {expected} from {least} to {most}: {word}");
                    Failure::usage(line)
                })?);
            }
        }
        Ok(())
    }

    /// The flag with what it takes.
    fn usage(&self) -> String {
        let value = match self.takes {
            Takes::Nothing(_) => return format!("--{}", self.name),
            Takes::Path(name, _) => name,
            Takes::Address(_) => "ADDR",
            Takes::Origin(_) => "ORIGIN",
            Takes::Number(unit, ..) => unit.name(),
        };
        format!("--{} {value}", self.name)
    }

    /// The default, if it is a number that has to be told.
    fn default(&self) -> Option<String> {
        match self.takes {
            Takes::Number(unit, _, place) => match place(&mut Settings::default()).get() {
                // What 0 means is in the help text.
                0 => None,
                number => Some(unit.show(number)),
            },
            _ => None,
        }
    }
}

/// Every flag in a line, for `--help`.
pub fn help() -> String {
    let mut help = String::new();
    for (heading, flags) in &GROUPS {
        help.push_str(&format!("\n{heading}:\n"));
        for flag in *flags {
            let default = flag.default().map(|default| format!(" [{default}]")).unwrap_or_default();
            let usage = flag.usage();
            help.push_str(&format!("  {usage:HELP_COLUMN$}{}{default}\n", flag.help));
        }
    }
    help
}

/// An address to listen at.
///
/// # Errors
/// A usage [`Failure`].
pub fn address(text: &str) -> Result<SocketAddr, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(format!("not an address with a port, like 127.0.0.1:9001: {text}"))
    })
}

/// What is not UTF-8 is neither a number nor an address nor an origin, and is shown as far as it can.
fn text(word: OsString) -> String {
    word.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn all() -> impl Iterator<Item = &'static Flag> {
        const { &GROUPS }.iter().flat_map(|(_, flags)| *flags)
    }

    fn set(name: &str, word: &str) -> Result<Settings, String> {
        let mut settings = Settings::default();
        let applied = find(name).unwrap().apply(&mut settings, || Ok(word.into()));
        applied.map(|()| settings).map_err(|failure| failure.to_string())
    }

    #[test]
    fn every_flag_has_a_place_and_a_name_of_its_own() {
        let mut settings = Settings::default();
        let mut values = HashSet::new();
        for (at, flag) in all().enumerate() {
            if let Takes::Number(_, range, place) = &flag.takes {
                // A number nobody else has, in the range of each.
                let value = range.end() - at as u64;
                place(&mut settings).set(value);
                values.insert(value);
            }
        }
        for (at, flag) in all().enumerate() {
            if let Takes::Number(_, range, place) = &flag.takes {
                let value = range.end() - at as u64;
                assert_eq!(place(&mut settings).get(), value, "{} shares its place", flag.name);
            }
        }
        assert_eq!(all().map(|flag| flag.name).collect::<HashSet<_>>().len(), all().count());
    }

    #[test]
    fn every_number_is_checked() {
        let numbers = all().filter(|flag| matches!(flag.takes, Takes::Number(..)));
        for flag in numbers {
            let Takes::Number(unit, range, place) = &flag.takes else { continue };
            let name = flag.name;
            let default = place(&mut Settings::default()).get();
            assert!(range.contains(&default), "{name}");
            for end in [*range.start(), *range.end()] {
                let mut settings = set(name, &unit.show(end)).unwrap();
                assert_eq!(place(&mut settings).get(), end, "{name}");
            }
            let below = range.start().checked_sub(1).map(|number| unit.show(number));
            let above = unit.show(range.end() + 1);
            let words = ["", "x", "-1", "1x", "99999999999999999999999", &above];
            for word in words.into_iter().chain(below.as_deref()) {
                let failure = set(name, word).unwrap_err();
                assert!(failure.starts_with(&format!("--{name} takes ")), "{failure}");
                assert!(failure.contains(&format!(": {word} (")), "{failure}");
            }
        }
    }

    #[test]
    fn what_is_not_a_number() {
        assert!(set("demo", "").unwrap().demo);
        assert_eq!(set("mail", "root").unwrap().mail, Some("root".into()));
        assert_eq!(set("token-key", "a").unwrap().token_key, Some("a".into()));
        assert_eq!(set("publish-key", "b").unwrap().publish_key, Some("b".into()));
        assert_eq!(set("internal", "[::1]:9").unwrap().internal, "[::1]:9".parse().ok());
        assert!(set("internal", "9002").unwrap_err().contains("not an address"));
        let expected = Origins::List(vec!["https://a".to_owned()]);
        assert_eq!(set("origin", "https://a").unwrap().origins, expected);
        assert!(set("origin", "a").unwrap_err().starts_with("--origin: not an origin"));
        assert!(find("nothing").is_none());
    }

    #[test]
    fn help_has_a_line_for_each() {
        let help = help();
        for flag in all() {
            let lines = help.lines().filter(|line| line.trim_start().starts_with(&flag.usage()));
            assert_eq!(lines.count(), 1, "{}", flag.name);
            assert!(flag.usage().len() < HELP_COLUMN, "{}", flag.name);
        }
        assert!(help.lines().all(|line| line.len() <= 110), "{help}");
        assert!(help.contains("the largest head of a request [8K]\n"), "{help}");
        assert!(help.contains("event loops (0: one for each core)\n"), "{help}");
    }
}
