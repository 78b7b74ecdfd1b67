//! `BENCHMARKS.md`: every table in full.

mod losing;
mod memory;
pub mod notifier;
mod servers;

use crate::figures::decimal;
use crate::markdown::{Table, filled};
use crate::results::run::Run;
use crate::results::{Part, Results};

/// The whole file.
///
/// # Errors
/// When something that it shows was not measured.
pub fn document(results: &Results) -> Result<String, String> {
    let sections = [
        HEAD.to_owned(),
        circumstances(results),
        losing::section(results)?,
        memory::section(&results.peers.results),
        servers::section(results),
        notifier::section(&results.notifier.results),
        memory::not_comparable(&results.peers.results),
    ];
    Ok(filled(&sections.join("\n")))
}

const HEAD: &str = "\
<!-- Written by benches/report from benches/results. Do not edit: `scripts/numbers.sh` measures anew, and
     `scripts/numbers.sh --report` only writes anew. -->

# Benchmarks

`scripts/numbers.sh` measures all of this, and writes this page, its plots and the numbers of
[README.md](README.md). Nothing is left out because it looks bad: what `dormouse` loses stands in the same
tables, and has [a section of its own](#where-dormouse-loses).

## How to read it

- Only ratios within a table count. A machine gets faster and slower by the minute, and a shared one by a
  factor of two. So whoever is compared takes turns, many times, in an order that changes.
- *Fastest* is the fastest turn, which nothing else on the machine has slowed down; *median* is the middle
  one. Where the two are far apart, the machine was busy.
- A *floor* is not a library: it is the work that nobody can leave out, such as taking the mask off. It
  checks nothing.
- A *full peer* does for its user what `dormouse` does. Others have a star, and
  [what they leave out](#what-is-not-comparable) is told. They are shown, but `dormouse` is not measured
  against them.
- `dormouse` parses in the buffer into which the socket was read. Most others read from a stream into a
  buffer of their own, which is a copy more: for them there is `dormouse + copy`, which has its bytes
  copied too, and timed.
- Who writes the payload where it is does so in the same time whatever its size, and leaves the copying to
  the system call. `dormouse` copies it into the outbox of the thread; `dormouse direct` writes it where it
  is, unless it is of up to 125 B, which go with the header in one piece; `dormouse prepared` writes a frame
  that was encoded before, as for a broadcast.
";

fn circumstances(results: &Results) -> String {
    let mut text = String::from("## Machine, versions, commands\n\n");
    let mut runs =
        Table::new(["", "date", "machine", "compiler", "busy cores, before"]).with_words(4);
    for (part, run) in results.runs() {
        let busy = decimal(run.busy_cores, 2);
        runs.row([
            part.title().to_owned(),
            run.date.clone(),
            run.machine(),
            run.rustc.clone(),
            busy,
        ]);
    }
    text += &runs.to_string();
    text += "\n`scripts/numbers.sh` builds all programs, as a server is built that counts its nanoseconds \
             (`codegen-units = 1`, `lto = \"fat\"`), puts them on the `PATH`, and runs:\n\n```sh\n";
    for (_, run) in results.runs() {
        text += &format!("{}\n", run.command);
    }
    text += "```\n\n";
    text + &versions(results)
}

fn versions(results: &Results) -> String {
    let mut table = Table::new(["library", "version", "in memory", "as a server"]).with_words(4);
    for (library, version, started) in libraries(results) {
        let is_in_memory = results.peers.results.contender(library).is_some();
        let started: Vec<_> = started.iter().map(|command| format!("`{command}`")).collect();
        let mark = if is_in_memory { "yes" } else { "" };
        table.row([library, version, mark, &*started.join("<br>")]);
    }
    table.to_string()
}

/// Each library once: its version, and the commands that start its servers.
fn libraries(results: &Results) -> Vec<(&str, &str, Vec<&str>)> {
    let mut libraries: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for one in &results.peers.results.contenders {
        if let (Some(package), Some(version)) = (&one.package, &one.version)
            && *package == one.name
        {
            libraries.push((package, version, Vec::new()));
        }
    }
    for server in crate::losses::loads(results).into_iter().flat_map(|(_, load)| &load.servers) {
        let version = server.version.as_deref().unwrap_or_default();
        // `tungstenite-small` is tungstenite with other settings.
        let is_of = |library: &str| {
            let rest = server.name.strip_prefix(library);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        match libraries.iter_mut().find(|(library, ..)| is_of(library)) {
            Some((.., commands)) if commands.contains(&&*server.command) => {}
            Some((.., commands)) => commands.push(&server.command),
            None => libraries.push((&server.name, version, vec![&server.command])),
        }
    }
    libraries
}

/// The circumstances in a line, or in one for each part if they differ.
pub fn in_short(results: &Results) -> String {
    let runs = results.runs();
    let line = |run: &Run| format!("{}: {}, {}", run.date, run.machine(), run.compiler());
    let first = line(runs[0].1);
    if runs.iter().all(|(_, run)| line(run) == first) {
        return first;
    }
    let lines =
        runs.iter().map(|(part, run): &(Part, &Run)| format!("{}: {}", part.title(), line(run)));
    lines.collect::<Vec<_>>().join("; ")
}
