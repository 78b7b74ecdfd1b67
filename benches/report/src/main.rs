//! Writes tables and plots: `dormouse-report --help`.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use dormouse_report::arguments::{Command, HELP};
use dormouse_report::results::Results;
use dormouse_report::results::run::Run;
use dormouse_report::{Result, keep, tree};

/// The status of a program that was called wrongly.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(mistake) => {
            eprintln!("dormouse-report: {mistake}; dormouse-report --help tells more");
            return ExitCode::from(USAGE);
        }
    };
    match run(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("dormouse-report: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Write { root } => {
            for path in tree::write(root, &tree::generate(root, &results(root)?)?)? {
                println!("{}", path.display());
            }
        }
        Command::Check { root } => {
            tree::check(root, &tree::generate(root, &results(root)?)?)?;
        }
        Command::Keep { part, files, command, busy_cores, root } => {
            let run = Run::now(command, *busy_cores)?;
            keep::keep(*part, files, run, &tree::results(root))?;
        }
        Command::Help => print!("{HELP}"),
    }
    Ok(())
}

fn results(root: &Path) -> Result<Results> {
    Results::read(&tree::results(root))
}
