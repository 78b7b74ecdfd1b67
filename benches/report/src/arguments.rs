//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use crate::results::Part;

/// What `--help` prints.
pub const HELP: &str = "\
Writes BENCHMARKS.md, docs/plots and the numbers of README.md from benches/results.

    dormouse-report [--root DIR]
        write them
    dormouse-report --check [--root DIR]
        fail if they are not what would be written
    dormouse-report --keep PART --command TEXT --busy-cores N [--root DIR] FILE...
        take over what a program has written: the results of PART (peers, idle, load, bare,
        broadcast or notifier) with the command that measured them, and how many cores were busy
        before; of notifier, several files are several runs

    --root DIR    the root of the tree (default: the current folder)
";

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Write everything.
    Write {
        /// Of the tree.
        root: PathBuf,
    },
    /// Compare everything.
    Check {
        /// Of the tree.
        root: PathBuf,
    },
    /// Put results into the tree.
    Keep {
        /// Which.
        part: Part,
        /// What the program has written.
        files: Vec<PathBuf>,
        /// How it was called.
        command: String,
        /// How many cores were busy before it was.
        busy_cores: f64,
        /// Of the tree.
        root: PathBuf,
    },
    /// Print the help.
    Help,
}

impl Command {
    /// Reads the arguments, without the name of the program.
    ///
    /// # Errors
    /// What is wrong with them, in one line.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut parser = Parser::from_args(arguments);
        let (mut root, mut checks) = (PathBuf::from("."), false);
        let (mut part, mut command, mut busy_cores, mut files) = (None, None, None, Vec::new());
        while let Some(argument) = parser.next().map_err(line)? {
            match argument {
                Arg::Long("check") => checks = true,
                Arg::Long("root") => root = parser.value().map_err(line)?.into(),
                Arg::Long("keep") => part = Some(Part::named(&text(&mut parser)?)?),
                Arg::Long("command") => command = Some(text(&mut parser)?),
                Arg::Long("busy-cores") => busy_cores = Some(number(&text(&mut parser)?)?),
                Arg::Long("help") | Arg::Short('h') => return Ok(Self::Help),
                Arg::Value(file) if part.is_some() => files.push(file.into()),
                other => return Err(line(other.unexpected())),
            }
        }
        match (part, command, busy_cores) {
            (None, None, None) if checks => Ok(Self::Check { root }),
            (None, None, None) => Ok(Self::Write { root }),
            (None, ..) => Err("--command and --busy-cores go with --keep".into()),
            (Some(_), ..) if checks => Err("--check and --keep do not go together".into()),
            (Some(part), Some(command), Some(busy_cores)) => {
                check_count(part, files.len())?;
                Ok(Self::Keep { part, files, command, busy_cores, root })
            }
            (Some(_), ..) => Err("--keep needs --command and --busy-cores".into()),
        }
    }
}

fn check_count(part: Part, files: usize) -> Result<(), String> {
    match files {
        0 => Err("--keep needs a file".into()),
        1 => Ok(()),
        _ if part == Part::Notifier => Ok(()),
        _ => Err(format!("--keep {} takes one file", part.name())),
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| format!("{text:?} is no number of cores"))
}

fn line(error: lexopt::Error) -> String {
    error.to_string()
}

fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(|value| value.string()).map_err(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Command, String> {
        Command::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn writes_unless_told_otherwise() {
        assert_eq!(parse(&[]), Ok(Command::Write { root: ".".into() }));
        assert_eq!(parse(&["--check", "--root", "a"]), Ok(Command::Check { root: "a".into() }));
    }

    #[test]
    fn keeps_one_file_or_several_runs() {
        let keep = |part, files: &[&str]| Command::Keep {
            part,
            files: files.iter().map(PathBuf::from).collect(),
            command: "c".into(),
            busy_cores: 0.5,
            root: ".".into(),
        };
        let one = parse(&["--keep", "peers", "--command", "c", "--busy-cores", "0.5", "x"]);
        assert_eq!(one, Ok(keep(Part::Peers, &["x"])));
        let two = parse(&["--keep=notifier", "--command=c", "--busy-cores=0.5", "x", "y"]);
        assert_eq!(two, Ok(keep(Part::Notifier, &["x", "y"])));
    }

    #[test]
    fn mistakes_are_one_line() {
        for words in [
            &["stray"][..],
            &["--fast"],
            &["--root"],
            &["--command", "c"],
            &["--keep", "nothing", "--command", "c", "--busy-cores", "1", "x"],
            &["--keep", "peers", "x"],
            &["--keep", "peers", "--command", "c", "x"],
            &["--keep", "peers", "--command", "c", "--busy-cores", "-1", "x"],
            &["--keep", "peers", "--command", "c", "--busy-cores", "1"],
            &["--keep", "peers", "--command", "c", "--busy-cores", "1", "x", "y"],
            &["--keep", "peers", "--command", "c", "--busy-cores", "1", "--check", "x"],
        ] {
            let mistake = parse(words).unwrap_err();
            assert!(!mistake.is_empty() && !mistake.contains('\n'), "{mistake}");
        }
    }
}
