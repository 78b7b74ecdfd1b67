//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::job::Group;

/// What `--help` prints.
pub const HELP: &str = "\
Compares dormouse with its peers, in memory.

    dormouse-peers [--only GROUP]... [--contender NAME]... [--rounds N] [--turn US] [--quick] [--json FILE]

    --only GROUP      run this group only; may be given several times, and `receive` means all that
                      begin so
    --contender NAME  run this contender only, beside dormouse and the floors; may be given several times
    --rounds N        how often everybody takes a turn (default 60)
    --turn US         about how many microseconds a turn lasts (default 1500); on a busy machine, shorter
                      turns and more rounds find more that nothing has interrupted
    --quick           a few short rounds: shows that all works, not how fast it is
    --json FILE       write everything that was measured to FILE too
    --list            print the groups and the contenders, and end
    --help            print this, and end
";

const ROUNDS: u32 = 60;
const SAMPLE: Duration = Duration::from_micros(1500);
const QUICK_ROUNDS: u32 = 3;
const QUICK_SAMPLE: Duration = Duration::from_micros(100);

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Measure.
    Run(Arguments),
    /// Print the names.
    List,
    /// Print the help.
    Help,
}

/// What to measure, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// In the order in which they run.
    pub groups: Vec<Group>,
    /// The names of the contenders beside `dormouse` and the floors. All if there are none.
    pub contenders: Vec<String>,
    /// How often everybody takes a turn.
    pub rounds: u32,
    /// About how long a turn is.
    pub sample: Duration,
    /// Where the machine-readable results go.
    pub json: Option<PathBuf>,
}

impl Command {
    /// Reads the arguments, without the name of the program.
    ///
    /// # Errors
    ///
    /// What is wrong with them, in one line. `known` are the names of all contenders.
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        known: &[&str],
    ) -> Result<Self, String> {
        let mut parser = Parser::from_args(arguments);
        let mut run = Arguments {
            groups: Vec::new(),
            contenders: Vec::new(),
            rounds: ROUNDS,
            sample: SAMPLE,
            json: None,
        };
        let (mut rounds, mut turn) = (None, None);
        while let Some(argument) = parser.next().map_err(line)? {
            match argument {
                Arg::Long("only") => run.groups.extend(groups(&text(&mut parser)?)?),
                Arg::Long("contender") => run.contenders.push(contender(&mut parser, known)?),
                Arg::Long("rounds") => rounds = Some(positive("--rounds", &mut parser)?),
                Arg::Long("turn") => turn = Some(positive("--turn", &mut parser)?),
                Arg::Long("quick") => (run.rounds, run.sample) = (QUICK_ROUNDS, QUICK_SAMPLE),
                Arg::Long("json") => run.json = Some(parser.value().map_err(line)?.into()),
                Arg::Long("list") => return Ok(Self::List),
                Arg::Long("help") | Arg::Short('h') => return Ok(Self::Help),
                other => return Err(line(other.unexpected())),
            }
        }
        run.rounds = rounds.unwrap_or(run.rounds);
        run.sample = turn.map_or(run.sample, |turn| Duration::from_micros(turn.into()));
        let is_chosen = |group: &Group| run.groups.is_empty() || run.groups.contains(group);
        run.groups = Group::ALL.into_iter().filter(is_chosen).collect();
        Ok(Self::Run(run))
    }
}

fn line(error: lexopt::Error) -> String {
    error.to_string()
}

fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(|value| value.string()).map_err(line)
}

fn groups(name: &str) -> Result<Vec<Group>, String> {
    let groups: Vec<_> =
        Group::ALL.into_iter().filter(|group| group.name().starts_with(name)).collect();
    let exact = groups.iter().copied().find(|group| group.name() == name);
    match (exact, groups.is_empty()) {
        (Some(group), _) => Ok(vec![group]),
        (None, false) => Ok(groups),
        (None, true) => Err(format!("no group is called {name:?} (see --list)")),
    }
}

fn contender(parser: &mut Parser, known: &[&str]) -> Result<String, String> {
    let name = text(parser)?;
    if known.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(format!("no contender is called {name:?} (see --list)"))
    }
}

fn positive(flag: &str, parser: &mut Parser) -> Result<u32, String> {
    let value = text(parser)?;
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{flag} takes a positive number, not {value:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        Command::parse(arguments.iter().map(OsString::from), &["soketto"])
    }

    fn run(arguments: &[&str]) -> Arguments {
        match parse(arguments) {
            Ok(Command::Run(arguments)) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_by_default() {
        let arguments = run(&[]);
        assert_eq!(arguments.groups, Group::ALL);
        assert_eq!((arguments.rounds, arguments.contenders.len()), (ROUNDS, 0));
    }

    #[test]
    fn groups_by_name_and_by_the_beginning_of_it() {
        assert_eq!(run(&["--only", "handshake"]).groups, [Group::Handshake]);
        let sending = [Group::SendBinary, Group::SendText, Group::SendClient];
        assert_eq!(run(&["--only", "send"]).groups, sending);
        let both = run(&["--only=send_text", "--only=receive_ascii"]).groups;
        assert_eq!(both, [Group::ReceiveAscii, Group::SendText]);
    }

    #[test]
    fn rounds_win_over_quick_in_any_order() {
        for order in [["--quick", "--rounds=7"], ["--rounds=7", "--quick"]] {
            let arguments = run(&order);
            assert_eq!((arguments.rounds, arguments.sample), (7, QUICK_SAMPLE));
        }
        assert_eq!(run(&["--turn", "50", "--quick"]).sample, Duration::from_micros(50));
    }

    #[test]
    fn mistakes_are_one_line() {
        for mistake in [
            &["--only", "nothing"][..],
            &["--contender", "nobody"],
            &["--rounds", "0"],
            &["--rounds", "many"],
            &["--rounds"],
            &["--turn", "-1"],
            &["--fast"],
            &["stray"],
        ] {
            let error = parse(mistake).unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        }
        assert_eq!(run(&["--contender", "soketto"]).contenders, ["soketto"]);
    }
}
