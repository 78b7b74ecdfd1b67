//! Compares `dormouse` with its peers: `dormouse-peers --help`.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;

use dormouse_peers::arguments::{Arguments, Command, HELP};
use dormouse_peers::contender::Contender;
use dormouse_peers::harness::{Results, measure};
use dormouse_peers::heap::Counting;
use dormouse_peers::job::Group;
use dormouse_peers::peers::DORMOUSE;
use dormouse_peers::report::json::Report;
use dormouse_peers::report::table;
use dormouse_peers::{Failure, contenders};

#[global_allocator]
static COUNTING: Counting = Counting;

/// The status of a program that was called wrongly.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let all = contenders();
    let names: Vec<&str> = all.iter().map(|contender| contender.name()).collect();
    let result = match Command::parse(std::env::args_os().skip(1), &names) {
        Ok(Command::Run(arguments)) => run(all, &arguments),
        Ok(Command::List) => {
            list(&names);
            Ok(())
        }
        Ok(Command::Help) => {
            print!("{HELP}");
            Ok(())
        }
        Err(mistake) => {
            eprintln!("dormouse-peers: {mistake}");
            return ExitCode::from(USAGE);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("dormouse-peers: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut contenders: Vec<Box<dyn Contender>>, arguments: &Arguments) -> Result<(), Failure> {
    contenders.retain(|contender| takes_part(contender.as_ref(), &arguments.contenders));
    println!("{}", table::head(&contenders, arguments));
    let mut results: Vec<Results> = Vec::new();
    for &group in &arguments.groups {
        for &size in group.sizes() {
            results.push(measure(group, size, &contenders, arguments)?);
        }
        print!("{}", table::group(group, &results, &contenders));
    }
    match &arguments.json {
        Some(path) => write_json(path, &Report::new(&results, &contenders, arguments)),
        None => Ok(()),
    }
}

/// The floors and `dormouse` always do: figures are given as multiples of theirs.
fn takes_part(contender: &dyn Contender, chosen: &[String]) -> bool {
    let name = contender.name();
    chosen.is_empty()
        || contender.is_floor()
        || name == DORMOUSE
        || chosen.iter().any(|one| one == name)
}

fn write_json(path: &Path, report: &Report) -> Result<(), Failure> {
    let told = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    let file = File::create(path).map_err(|error| told(&error))?;
    serde_json::to_writer_pretty(BufWriter::new(file), report).map_err(|error| told(&error))
}

fn list(contenders: &[&str]) {
    println!("groups:");
    for group in Group::ALL {
        println!("    {:<20}{}", group.name(), group.title());
    }
    println!("contenders:");
    for name in contenders {
        println!("    {name}");
    }
}
