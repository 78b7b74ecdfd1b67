//! The command line.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use lexopt::Arg::{Long, Value};
use lexopt::Parser;

use crate::compression::IS_BUILT_IN;
use crate::failure::Failure;
use crate::maildir::Letter;
use crate::settings::Settings;
use crate::units::Unit;
use crate::{descriptors, flags, mailbox_name};

/// What `--help` prints above the flags.
const USAGE: &str = "\
Tells browsers about new mail, over WebSockets.

Usage:
  mail_notifier
      Show what this is: a demo mail root with the user alice, open to everybody on this host.

  mail_notifier [ADDR] (--demo | --token-key FILE) [--mail ROOT]
                [--internal ADDR --publish-key FILE] [FLAGS]
      Serve the page and its notices at ADDR (default 127.0.0.1:9001; port 0 picks a free one).

  mail_notifier token USER --token-key FILE [--expires TIME]
      Print a token with which the mailbox USER can be opened for so long (default 1h). What is
      open then stays open. The page takes it too: http://ADDR/?token=TOKEN

  mail_notifier deliver ROOT USER [--from FROM] [--subject SUBJECT] [TEXT]
      Deliver a mail to ROOT/USER/new, the way a mail server does; makes the mailbox if it is new.

  mail_notifier --help
      Print this.

Status: 0 when done, 1 when something failed, 2 when the command line makes no sense.
A TIME is written like 500ms, 90s, 15m, 1h or 7d, a SIZE in bytes or like 8K or 1M.
";

/// How long a token is good unless it is said.
const TOKEN_TIME: Duration = Duration::from_secs(3600);
/// Longer than anybody should keep a key.
const MAX_TOKEN_TIME: Duration = Duration::from_secs(3650 * 24 * 3600);

/// What to do.
#[expect(clippy::large_enum_variant, reason = "there is one in the life of a process")]
pub enum Command {
    Help,
    Serve(Settings),
    Deliver {
        root: PathBuf,
        user: String,
        letter: Letter,
    },
    /// To print a token, signed with the key in the file `key`.
    Token {
        user: String,
        key: PathBuf,
        expires: Duration,
    },
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// A usage [`Failure`] that names the argument at fault.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Failure> {
    let words: Vec<_> = arguments.into_iter().collect();
    let mut options = words.iter().take_while(|word| *word != "--");
    if options.any(|word| word == "--help" || word == "-h") {
        return Ok(Command::Help);
    }
    match words.split_first() {
        Some((word, rest)) if word == "deliver" => deliver(Parser::from_args(rest)),
        Some((word, rest)) if word == "token" => token(Parser::from_args(rest)),
        Some(_) => serve(Parser::from_args(words)),
        None => check(Settings { demo: true, ..within_limits(Settings::default()) }),
    }
}

/// What `--help` prints.
pub fn help() -> String {
    format!("{USAGE}{}", flags::help())
}

fn serve(mut words: Parser) -> Result<Command, Failure> {
    let mut settings = within_limits(Settings::default());
    let (mut address, mut seen) = (None, Vec::new());
    while let Some(word) = words.next().map_err(usage)? {
        let flag = match word {
            Long(name) => flags::find(name).ok_or_else(|| usage(word.unexpected()))?,
            Value(word) => {
                let word = word.to_string_lossy();
                let parsed = flags::address(&word).map_err(|_| {
                    let known = "neither token nor deliver, nor an address with a port";
                    Failure::usage(format!("{known}, like 127.0.0.1:9001: {word}"))
                })?;
                set(&mut address, parsed, "the address")?;
                continue;
            }
            _ => return Err(usage(word.unexpected())),
        };
        if seen.contains(&flag.name) && !flag.may_repeat() {
            return Err(given_twice(&format!("--{}", flag.name)));
        }
        seen.push(flag.name);
        flag.apply(&mut settings, || words.value().map_err(usage))?;
    }
    settings.address = address.unwrap_or(settings.address);
    check(settings)
}

/// Lowers the defaults to what the system allows. Whoever asks for more is warned.
fn within_limits(defaults: Settings) -> Settings {
    let most = descriptors::limit().unwrap_or(usize::MAX);
    Settings { max_connections: defaults.max_connections.min(most), ..defaults }
}

/// Finds what makes no sense together.
fn check(mut settings: Settings) -> Result<Command, Failure> {
    let Settings { demo, token_key, mail, internal, publish_key, deflate, .. } = &settings;
    let conflict = match (demo, token_key) {
        (true, Some(_)) => Some("either --demo or --token-key FILE, not both"),
        (false, None) => Some("--token-key FILE is needed, or --demo to let everybody watch"),
        _ if *deflate && !IS_BUILT_IN => Some("--deflate: built without the feature deflate"),
        _ if publish_key.is_some() && internal.is_none() => {
            Some("--publish-key needs --internal ADDR, where publishers connect")
        }
        (false, _) if mail.is_none() && publish_key.is_none() => Some(
            "no mail can come in: --mail ROOT is needed, or --internal ADDR --publish-key FILE",
        ),
        _ => None,
    };
    if let Some(conflict) = conflict {
        return Err(Failure::usage(conflict.to_owned()));
    }
    if settings.shards == 0 {
        settings.shards = thread::available_parallelism().map_or(1, NonZero::get);
    }
    Ok(Command::Serve(settings))
}

fn token(mut words: Parser) -> Result<Command, Failure> {
    let (mut key, mut expires, mut user) = (None, None, None);
    while let Some(word) = words.next().map_err(usage)? {
        match word {
            Long("token-key") => {
                let file = PathBuf::from(words.value().map_err(usage)?);
                set(&mut key, file, "--token-key")?;
            }
            Long("expires") => {
                let time = words.value().map_err(usage)?;
                set(&mut expires, token_time(&time.to_string_lossy())?, "--expires")?;
            }
            Value(word) if user.is_none() => user = Some(mailbox(word)?),
            _ => return Err(usage(word.unexpected())),
        }
    }
    let missing = |name: &str| Failure::usage(format!("{name} is missing"));
    Ok(Command::Token {
        user: user.ok_or_else(|| missing("USER"))?,
        key: key.ok_or_else(|| missing("--token-key FILE"))?,
        expires: expires.unwrap_or(TOKEN_TIME),
    })
}

fn deliver(mut words: Parser) -> Result<Command, Failure> {
    let (mut from, mut subject, mut positions) = (None, None, Vec::new());
    while let Some(word) = words.next().map_err(usage)? {
        match word {
            Long("from") => {
                set(&mut from, line("--from", words.value().map_err(usage)?)?, "--from")?;
            }
            Long("subject") => {
                set(&mut subject, line("--subject", words.value().map_err(usage)?)?, "--subject")?;
            }
            Value(word) if positions.len() < 3 => positions.push(word),
            _ => return Err(usage(word.unexpected())),
        }
    }
    let mut positions = positions.into_iter();
    let mut next =
        |name: &str| positions.next().ok_or_else(|| Failure::usage(format!("{name} is missing")));
    let root = PathBuf::from(next("ROOT")?);
    let user = mailbox(next("USER")?)?;
    let text = next("TEXT").map_or(Ok("Hello.".to_owned()), |text| utf8("TEXT", text))?;
    let from = from.unwrap_or_else(|| "Bob <bob@example.org>".to_owned());
    let subject = subject.unwrap_or_else(|| "Hello".to_owned());
    Ok(Command::Deliver { root, user, letter: Letter { from, subject, text } })
}

fn set<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), Failure> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(given_twice(name)),
    }
}

fn given_twice(name: &str) -> Failure {
    Failure::usage(format!("{name} is given twice"))
}

fn usage(error: lexopt::Error) -> Failure {
    Failure::usage(error.to_string())
}

fn utf8(name: &str, value: OsString) -> Result<String, Failure> {
    value.into_string().map_err(|_| Failure::usage(format!("{name} must be UTF-8 text")))
}

/// A value for a header, where a line end would begin another header.
fn line(name: &str, value: OsString) -> Result<String, Failure> {
    let value = utf8(name, value)?;
    match value.contains(char::is_control) {
        false => Ok(value),
        true => Err(Failure::usage(format!("{name} must be a single line of text"))),
    }
}

fn mailbox(word: OsString) -> Result<String, Failure> {
    let name = utf8("USER", word)?;
    match mailbox_name::is_valid(&name) {
        true => Ok(name),
        false => Err(Failure::usage(format!("not a name for a mailbox: {name:?}"))),
    }
}

fn token_time(text: &str) -> Result<Duration, Failure> {
    let time = Unit::Time.parse(text).map(Duration::from_millis);
    time.filter(|time| (Duration::from_secs(1)..=MAX_TOKEN_TIME).contains(time)).ok_or_else(|| {
        let expected = Unit::Time.expected();
        Failure::usage(format!("--expires takes {expected} from 1s to 3650d: {text}"))
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::origin::Origins;

    fn words(line: &str) -> Result<Command, Failure> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn settings(line: &str) -> Settings {
        match words(line) {
            Ok(Command::Serve(settings)) => settings,
            Ok(_) => panic!("{line}: another command"),
            Err(failure) => panic!("{line}: {failure}"),
        }
    }

    #[test]
    fn without_arguments_it_is_a_demo() {
        let demo = settings("");
        let defaults = within_limits(Settings::default());
        let expected = Settings { demo: true, shards: demo.shards, ..defaults };
        assert_eq!(demo, expected);
        assert!(demo.shards > 0);
        assert_eq!(settings("--demo"), expected);
    }

    #[test]
    fn serving() {
        let given = settings(
            "[::1]:0 --token-key key --mail root --internal 127.0.0.1:0 --publish-key pub \
             --origin https://a --origin https://b --shards 3 --recent=7 --head-limit 16K \
             --ping 0 --drain 250ms",
        );
        let expected = Settings {
            address: "[::1]:0".parse().unwrap(),
            token_key: Some("key".into()),
            mail: Some("root".into()),
            internal: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            publish_key: Some("pub".into()),
            origins: Origins::List(vec!["https://a".to_owned(), "https://b".to_owned()]),
            shards: 3,
            recent: 7,
            head_limit: 16 * 1024,
            ping: Duration::ZERO,
            drain: Duration::from_millis(250),
            ..within_limits(Settings::default())
        };
        assert_eq!(given, expected);
        settings("--demo --internal 127.0.0.1:0");
        settings("--token-key k --internal 127.0.0.1:0 --publish-key p");
    }

    #[test]
    fn help_is_given_whatever_else_is_said() {
        for line in ["--help", "-h", "--mail root --help", "token --help", "--nonsense -h"] {
            assert!(matches!(words(line), Ok(Command::Help)), "{line}");
        }
        assert!(help().contains("Usage:") && help().contains("--token-key FILE"));
    }

    #[test]
    fn making_tokens() {
        for (line, time) in [
            ("token alice --token-key file", 3600),
            ("token --expires 90s --token-key file alice", 90),
            ("token alice --token-key=file --expires=3650d", 3650 * 24 * 3600),
        ] {
            let Ok(Command::Token { user, key, expires }) = words(line) else { panic!("{line}") };
            assert_eq!((user.as_str(), key), ("alice", PathBuf::from("file")));
            assert_eq!(expires, Duration::from_secs(time), "{line}");
        }
    }

    #[test]
    fn delivering() {
        let Ok(Command::Deliver { root, user, letter }) =
            words("deliver root alice --subject S --from F -- -text")
        else {
            panic!()
        };
        assert_eq!((root, user.as_str()), (PathBuf::from("root"), "alice"));
        assert_eq!(
            (letter.from.as_str(), letter.subject.as_str(), letter.text.as_str()),
            ("F", "S", "-text")
        );
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (line, named) in [
            ("9001", "nor an address with a port"),
            ("127.0.0.1:9001 127.0.0.1:9002", "the address is given twice"),
            ("127.0.0.1:9001", "--token-key FILE is needed, or --demo"),
            ("--mail root", "--token-key FILE is needed, or --demo"),
            ("--demo --token-key file --mail root", "either --demo or --token-key FILE"),
            ("--token-key file", "no mail can come in"),
            ("--token-key file --internal 127.0.0.1:0", "no mail can come in"),
            ("--demo --publish-key file", "--publish-key needs --internal ADDR"),
            ("--token-key file --publish-key file", "--publish-key needs --internal ADDR"),
            ("--demo --mail", "'--mail'"),
            ("--demo --demo", "--demo is given twice"),
            ("--demo --ping 1s --ping 1s", "--ping is given twice"),
            ("--demo --recent 0", "--recent takes a number from 1 to 1000: 0"),
            ("--demo --ping 60", "--ping takes a time like"),
            ("--demo=1", "'--demo'"),
            ("--demo --origin any --origin any", "--origin: "),
            ("--demo --port 9001", "'--port'"),
            ("--demo -p", "'-p'"),
            ("token", "USER is missing"),
            ("token alice", "--token-key FILE is missing"),
            ("token ../alice --token-key file", "not a name for a mailbox"),
            ("token alice bob --token-key file", "\"bob\""),
            ("token alice --token-key file --token-key file", "--token-key is given twice"),
            ("token alice --token-key file --expires 0", "--expires takes a time"),
            ("token alice --token-key file --expires 3651d", "--expires takes a time"),
            ("token alice --token-key file --expires 60", "--expires takes a time"),
            ("token alice --token-key file --mail root", "'--mail'"),
            ("deliver", "ROOT is missing"),
            ("deliver root", "USER is missing"),
            ("deliver root ../alice", "not a name for a mailbox"),
            ("deliver root alice text more", "\"more\""),
            ("deliver root alice --subject", "'--subject'"),
            ("deliver root alice --subject a --subject b", "--subject is given twice"),
        ] {
            let Err(failure) = words(line) else { panic!("{line} is accepted") };
            let failure = failure.to_string();
            assert!(failure.contains(named), "{line}: {failure}");
            assert!(!failure.contains('\n'), "{line}: {failure}");
        }
        let forged = ["deliver", "root", "alice", "--subject", "a\r\nBcc: b"].map(OsString::from);
        assert!(parse(forged).err().unwrap().to_string().contains("single line"));
    }
}
