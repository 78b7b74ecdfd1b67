//! Load on any WebSocket server, over loopback: what its connections cost, and how much it carries.
//!
//! ```text
//! load all --server './server {addr}'
//! load echo latency --server ours='./ours {addr}' --server theirs='node theirs.js {port}'
//! load idle upgrade 127.0.0.1:9001 --pid 4711
//! ```
//! `README.md` says how to run it and what the figures mean. Linux only, because it reads `/proc`.
//! Everything ends in bounded time, and no process outlives this one.
//!
//! | file | what it holds |
//! |---|---|
//! | `main` | what is done in which order, and how it ends |
//! | `arguments` | the command line, and `usage.txt` |
//! | `rounds` | who is measured when: several servers in turn |
//! | `measure/` | the measurements, one a file |
//! | `server` | a server: started or found running, pinned, ended |
//! | `roles` | what other processes of this program do: becoming a server, holding connections |
//! | `client` | one connection: from which address, the handshake |
//! | `frames` | the messages, made beforehand, and the echoes that they expect |
//! | `crowd` | many connections on a poller |
//! | `holders` | processes that hold connections which sleep |
//! | `process`, `kernel`, `machine` | what `/proc` tells of a process, of the kernel, of the machine |
//! | `figures` | a figure, and what several rounds come to |
//! | `table`, `json` | the results for people and for programs |

#![forbid(unsafe_code)]

mod arguments;
mod client;
mod crowd;
mod figures;
mod frames;
mod holders;
mod json;
mod kernel;
mod machine;
mod measure;
mod process;
mod roles;
mod rounds;
mod server;
mod table;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::process::ExitCode;

use arguments::{Plan, Request};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    if let Some(role) = words.first().and_then(|word| roles::named(word)) {
        return ended(role.play(&words[1..]).map(|()| true));
    }
    match arguments::read(words) {
        Ok(Request::Help) => ended(say(arguments::USAGE).map(|()| true)),
        Ok(Request::Run(plan)) => ended(run(&plan)),
        Err(wrong) => {
            eprintln!("load: {wrong}; load --help tells more");
            ExitCode::from(2)
        }
    }
}

/// Measures and reports. Says whether every measurement came to an end.
fn run(plan: &Plan) -> Result<bool> {
    // Whoever cannot write the results need not measure.
    let file = plan
        .json
        .as_ref()
        .map(|path| File::create(path).map_err(|error| format!("{}: {error}", path.display())));
    let file = file.transpose()?;
    let results = rounds::measure(plan)?;
    say(&table::of(plan, &results))?;
    if let Some(mut file) = file {
        serde_json::to_writer_pretty(&mut file, &json::of(plan, &results))?;
        file.write_all(b"\n")?;
    }
    Ok(results.iter().all(|result| !result.has_failed()))
}

fn say(text: &str) -> Result<()> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn ended(outcome: Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
