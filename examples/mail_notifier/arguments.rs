//! The command line.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::failure::Failure;
use crate::maildir::Letter;

/// What `--help` prints.
pub const HELP: &str = "\
Tells browsers about new mail, over WebSockets.

Usage:
  mail_notifier [ADDR] [--mail ROOT]
      Serve the page and its notices at ADDR (default 127.0.0.1:9001; port 0 picks a free one).
      Watches ROOT/USER/new for each USER; without --mail, a demo root with the user alice is made.

  mail_notifier deliver ROOT USER [--from FROM] [--subject SUBJECT] [TEXT]
      Deliver a mail to ROOT/USER/new, the way a mail server does.

  mail_notifier --help
      Print this.

Status: 0 when done, 1 when something failed, 2 when the command line makes no sense.
";

const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);

/// What to do.
pub enum Command {
    Help,
    Serve { address: SocketAddr, mail: Option<PathBuf> },
    Deliver { root: PathBuf, user: String, letter: Letter },
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// A usage [`Failure`] that names the argument at fault.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Failure> {
    let words: Vec<_> = arguments.into_iter().collect();
    let delivers = words.first().is_some_and(|word| word == "deliver");
    let asks_for_help =
        words.iter().take_while(|word| *word != "--").any(|word| word == "--help" || word == "-h");
    let words = Words { rest: words.into_iter() };
    match (asks_for_help, delivers) {
        (true, _) => Ok(Command::Help),
        (false, true) => words.deliver(),
        (false, false) => words.serve(),
    }
}

/// The arguments that are not yet read.
struct Words {
    rest: std::vec::IntoIter<OsString>,
}

impl Words {
    fn serve(mut self) -> Result<Command, Failure> {
        let (mut address, mut mail) = (None, None);
        while let Some(word) = self.rest.next() {
            match word.to_str() {
                Some("--mail") => set(&mut mail, PathBuf::from(self.value("--mail")?), "--mail")?,
                Some(text) if !is_option(text) => {
                    let parsed = text.parse().map_err(|_| {
                        Failure::usage(format!(
                            "not an address with a port, like 127.0.0.1:9001: {text}"
                        ))
                    });
                    set(&mut address, parsed?, "the address")?;
                }
                _ => return Err(unknown(&word)),
            }
        }
        Ok(Command::Serve { address: address.unwrap_or(DEFAULT_ADDRESS), mail })
    }

    fn deliver(mut self) -> Result<Command, Failure> {
        self.rest.next();
        let (mut from, mut subject, mut positions) = (None, None, Vec::new());
        while let Some(word) = self.rest.next() {
            match word.to_str() {
                Some("--from") => set(&mut from, line("--from", self.value("--from")?)?, "--from")?,
                Some("--subject") => {
                    set(&mut subject, line("--subject", self.value("--subject")?)?, "--subject")?
                }
                Some("--") => positions.extend(self.rest.by_ref()),
                Some(text) if is_option(text) => return Err(unknown(&word)),
                _ => positions.push(word),
            }
        }
        let mut positions = positions.into_iter();
        let mut next = |name: &str| {
            positions.next().ok_or_else(|| Failure::usage(format!("{name} is missing")))
        };
        let root = PathBuf::from(next("ROOT")?);
        let user = line("USER", next("USER")?)?;
        let text = next("TEXT").map_or(Ok("Hello.".to_owned()), |text| utf8("TEXT", text))?;
        if let Some(extra) = positions.next() {
            return Err(unknown(&extra));
        }
        if user.is_empty() || user.starts_with('.') || user.contains('/') {
            return Err(Failure::usage(format!("not a name for a mailbox: {user:?}")));
        }
        let from = from.unwrap_or_else(|| "Bob <bob@example.org>".to_owned());
        let subject = subject.unwrap_or_else(|| "Hello".to_owned());
        Ok(Command::Deliver { root, user, letter: Letter { from, subject, text } })
    }

    fn value(&mut self, option: &str) -> Result<OsString, Failure> {
        self.rest.next().ok_or_else(|| Failure::usage(format!("{option} needs a value")))
    }
}

fn set<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), Failure> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!("{name} is given twice"))),
    }
}

fn is_option(text: &str) -> bool {
    text.len() > 1 && text.starts_with('-')
}

fn unknown(word: &OsString) -> Failure {
    Failure::usage(format!("unknown argument: {}", word.to_string_lossy()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command, Failure> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn serving() {
        let Ok(Command::Serve { address, mail }) = words("") else { panic!() };
        assert_eq!((address, mail), (DEFAULT_ADDRESS, None));
        let Ok(Command::Serve { address, mail }) = words("[::1]:0 --mail root") else { panic!() };
        assert_eq!((address.to_string().as_str(), mail), ("[::1]:0", Some("root".into())));
        assert!(matches!(words("--mail root --help"), Ok(Command::Help)));
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
            ("9001", "not an address with a port"),
            ("127.0.0.1:9001 127.0.0.1:9002", "given twice"),
            ("--mail", "--mail needs a value"),
            ("--port 9001", "unknown argument: --port"),
            ("deliver", "ROOT is missing"),
            ("deliver root", "USER is missing"),
            ("deliver root ../alice", "not a name for a mailbox"),
            ("deliver root alice text more", "unknown argument: more"),
            ("deliver root alice --subject", "--subject needs a value"),
        ] {
            let failure = words(line).err().unwrap().to_string();
            assert!(failure.contains(named), "{line}: {failure}");
        }
        let forged = ["deliver", "root", "alice", "--subject", "a\r\nBcc: b"].map(OsString::from);
        assert!(parse(forged).err().unwrap().to_string().contains("single line"));
    }
}
