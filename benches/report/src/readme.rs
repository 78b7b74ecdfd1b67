//! The parts of `README.md` that are written here: those between `<!-- numbers: NAME -->` and
//! `<!-- /numbers -->`.

use std::path::Path;

use crate::benchmarks::in_short;
use crate::benchmarks::notifier::{between, with_unit};
use crate::figures::{count, size, tenths, times};
use crate::losses::{MemoryLoss, ServerLoss, server_comparisons};
use crate::markdown::{Table, filled, picture};
use crate::plots::Plot;
use crate::results::load::Case as LoadCase;
use crate::results::peers::{Case, Entry};
use crate::results::{DORMOUSE, Results};

const END: &str = "<!-- /numbers -->";

/// What writes a part.
type Part = fn(&Results) -> Result<String, String>;

const PARTS: [(&str, Part); 7] = [
    ("run", run),
    ("receive", receive),
    ("send", send),
    ("handshake", handshake),
    ("idle", idle),
    ("notifier", notifier),
    ("losses", losses),
];

/// The text with all its parts written anew.
///
/// # Errors
/// When a part is not there, or is not known, or has no end.
pub fn fill(text: &str, results: &Results, path: &Path) -> Result<String, String> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let mut whole = String::new();
    let mut rest = text;
    let mut found = Vec::new();
    while let Some((before, after)) = rest.split_once("<!-- numbers: ") {
        let (name, after) =
            after.split_once(" -->").ok_or_else(|| wrong("a marker does not end".into()))?;
        let (_, after) =
            after.split_once(END).ok_or_else(|| wrong(format!("{name} has no end")))?;
        let (name, part) = *PARTS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| wrong(format!("no numbers are called {name:?}")))?;
        check_unmarked(before).map_err(wrong)?;
        whole += &format!(
            "{before}<!-- numbers: {name} -->\n{}\n{END}",
            filled(&part(results)?).trim_end()
        );
        found.push(name);
        rest = after;
    }
    for (name, _) in PARTS {
        if found.iter().filter(|one| **one == name).count() != 1 {
            return Err(wrong(format!("the numbers {name:?} have to be there once")));
        }
    }
    check_unmarked(rest).map_err(wrong)?;
    Ok(whole + rest)
}

/// Outside the markers nobody writes what was measured: it would stay when it is no longer true.
fn check_unmarked(text: &str) -> Result<(), String> {
    const UNITS: [&str; 7] = [" ns", " us", " ms", " %", " GB/s", "/s ", " times"];
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let ends = UNITS.iter().flat_map(|unit| line.match_indices(unit));
        let follows_digit = |at: usize| line[..at].ends_with(|last: char| last.is_ascii_digit());
        if !is_code && ends.into_iter().any(|(at, _)| follows_digit(at)) {
            return Err(format!("a figure outside the markers: {line}"));
        }
    }
    Ok(())
}

fn run(results: &Results) -> Result<String, String> {
    Ok(format!("Measured {}.", in_short(results)))
}

fn receive(results: &Results) -> Result<String, String> {
    let kinds = [
        ("binary", "receive_binary"),
        ("ASCII", "receive_ascii"),
        ("multi-byte", "receive_multi_byte"),
    ];
    let table = sizes(results, "receiving a message, as a server; ns", &kinds)?;
    Ok(format!("{}\n{table}", shown(Plot::ReceiveBinary)))
}

fn send(results: &Results) -> Result<String, String> {
    let kinds = [("binary", "send_binary")];
    sizes(results, "sending a message, as a server; ns", &kinds)
}

/// The rows of `dormouse` over those it is compared with, for some groups of the same sizes.
fn sizes(results: &Results, title: &str, kinds: &[(&str, &str)]) -> Result<String, String> {
    let peers = &results.peers.results;
    let groups: Result<Vec<_>, _> =
        kinds.iter().map(|(kind, name)| Ok::<_, String>((*kind, peers.group(name)?))).collect();
    let groups = groups?;
    let (_, first) = groups.first().ok_or("there is no group")?;
    let sizes: Vec<usize> = first.cases.iter().map(|case| case.size).collect();
    let mut table =
        Table::new([title.to_owned()].into_iter().chain(sizes.iter().copied().map(size)));
    for (kind, group) in groups {
        let row = |name: String, cell: &dyn Fn(&Case) -> Option<String>| {
            let cases = sizes.iter().map(|size| group.cases.iter().find(|case| case.size == *size));
            let cells = cases.map(|case| case.and_then(cell).unwrap_or("-".into()));
            [name].into_iter().chain(cells).collect::<Vec<_>>()
        };
        let of = |case: &Case, name: &str| Some(tenths(case.of(name)?.fastest_ns));
        for own in peers.taking_part(group).filter(|one| one.is_dormouse()) {
            let cells = row(format!("{kind}: {}", own.name), &|case| of(case, &own.name));
            table.row_with(own.name == DORMOUSE, cells);
        }
        table.row(row("the fastest full peer".into(), &|case| {
            let best = peers.fastest_full(group, case)?;
            Some(format!("{}<br>{}", tenths(best.fastest_ns), best.contender))
        }));
        table.row(row(format!("*{}*", group.floor), &|case| of(case, &group.floor)));
    }
    Ok(table.to_string())
}

fn handshake(results: &Results) -> Result<String, String> {
    let peers = &results.peers.results;
    let group = peers.group("handshake")?;
    let case = group.cases.first().ok_or("the handshake has no case")?;
    let floor = case.of(&group.floor).ok_or("the handshake has no floor")?;
    let title = format!("handshake, as a server: {} in, the 101 out", size(case.size));
    let mut table = Table::new([&*title, "ns", "allocations", "times the floor"]);
    let mut rows: Vec<&Entry> = peers.full(group, case).chain(case.of(DORMOUSE)).collect();
    rows.sort_by(|one, other| one.fastest_ns.total_cmp(&other.fastest_ns));
    for entry in [floor].into_iter().chain(rows) {
        let is_floor = std::ptr::eq(entry, floor);
        let name =
            if is_floor { format!("*{}*", entry.contender) } else { entry.contender.clone() };
        let (ns, of_floor) = (tenths(entry.fastest_ns), times(entry.times(floor)));
        let cells = [name, ns, count(entry.allocations), of_floor];
        table.row_with(entry.contender == DORMOUSE, cells);
    }
    Ok(table.to_string())
}

fn idle(results: &Results) -> Result<String, String> {
    const SIZES: [u64; 2] = [32, 16 * 1024];
    let load = &results.idle.results;
    let cases: Result<Vec<_>, _> =
        SIZES.iter().map(|bytes| load.case("idle", &[("bytes", *bytes)])).collect();
    let cases = cases?;
    let after = SIZES.map(|bytes| format!("after an echo of {}", size(bytes as usize)));
    let title = "private memory of a server for an idle connection; bytes".to_owned();
    let mut table = Table::new([title].into_iter().chain(after));
    for server in &load.servers {
        let bytes =
            |case: &&LoadCase| case.quantity(&server.name, "user_bytes_per_connection")?.typical();
        let cells = cases.iter().map(|case| bytes(case).map_or("-".into(), tenths));
        let name = [server.name.clone()];
        table.row_with(server.name == DORMOUSE, name.into_iter().chain(cells));
    }
    let plots = [Plot::IdleMemory, Plot::Echo].map(shown);
    Ok(format!("{}\n{table}\n{}", plots[0], plots[1]))
}

fn shown(plot: Plot) -> String {
    picture(plot.name(), plot.title())
}

fn notifier(results: &Results) -> Result<String, String> {
    let mut table = Table::new(["the mail notifier under load", "measured"]);
    for figure in &results.notifier.results.figures {
        let mut cell = with_unit(figure.median(), &figure.unit);
        if let Some(range) = figure.range() {
            cell += &format!(" ({})", between(range, ""));
        }
        table.row([figure.what.clone(), cell]);
    }
    Ok(table.to_string())
}

fn losses(results: &Results) -> Result<String, String> {
    let peers = &results.peers.results;
    let losses = MemoryLoss::all(peers);
    let (main, others): (Vec<_>, Vec<_>) = losses.iter().partition(|loss| loss.is_of_main_row());
    let mut groups = Vec::new();
    for group in &peers.groups {
        let lost = main.iter().filter(|loss| loss.group.name == group.name).count();
        if lost > 0 {
            groups.push(format!("`{}` {lost} of {}", group.name, group.cases.len()));
        }
    }
    let cases: usize = peers.groups.iter().map(|group| group.cases.len()).sum();
    let mut text = format!("In memory a full peer is faster at {} of {cases} sizes", main.len());
    if !groups.is_empty() {
        text += &format!(" ({})", groups.join(", "));
    }
    if !others.is_empty() {
        text += &format!(", and at {} more than another row of `dormouse`", others.len());
    }
    let servers = (ServerLoss::all(results).len(), server_comparisons(results));
    text += &format!(
        ". As a server another library is better in {} of {} figures.",
        servers.0, servers.1
    );
    Ok(text)
}
