//! The tables of the comparison in memory.

use crate::figures::{count, size, tenths, times};
use crate::markdown::{Table, bold, picture};
use crate::plots::Plot;
use crate::results::DORMOUSE;
use crate::results::peers::{Case, Contender, Entry, Group, Peers};

/// From this size on it says something how many bytes go through.
const WORTH_GIGABYTES: usize = 1024;

/// All groups.
pub fn section(peers: &Peers) -> String {
    let settings = &peers.settings;
    let mut text = format!(
        "## In memory\n\nNo sockets: bytes are in memory, and what is written stays there. {} rounds with \
         turns of about {} ms. Messages come from {} buffers in turn, so that not all is in the nearest \
         cache. `dormouse-peers --only NAME` measures one of the groups.\n\nBelow, *x floor* \
         and *x dormouse* are ratios of the fastest turns. Allocations are for each message, in brackets \
         the bytes they ask for.\n",
        settings.rounds,
        settings.nanoseconds_of_a_turn as f64 / 1e6,
        settings.buffers
    );
    for group in &peers.groups {
        text += &of_group(peers, group);
    }
    text
}

fn of_group(peers: &Peers, group: &Group) -> String {
    let mut text =
        format!("\n### {}\n\n`{}`, over {}.", sentence(&group.title), group.name, group.floor);
    let lacking = group.about.iter().filter(|about| !about.lacks.is_empty());
    let lacking: Vec<_> = lacking.map(|about| &*about.contender).collect();
    if !lacking.is_empty() {
        text += &format!(
            " \\* not full peers, see [what is not comparable](#what-is-not-comparable): {}.",
            lacking.join(", ")
        );
    }
    text += "\n\n";
    if let Some(plot) = Plot::of_group(&group.name) {
        text += &format!("{}\n", picture(plot.name(), plot.title()));
    }
    match &group.cases[..] {
        [case] => text + &single(peers, group, case),
        _ => text + &several(peers, group),
    }
}

/// A table for each quantity.
fn several(peers: &Peers, group: &Group) -> String {
    let all: Vec<&Case> = group.cases.iter().collect();
    let mut tables = vec![
        table(peers, group, &all, "ns, fastest<br>median", |_, entry| {
            format!("{}<br>{}", tenths(entry.fastest_ns), tenths(entry.median_ns))
        }),
        table(peers, group, &all, "x floor<br>x dormouse", |case, entry| {
            ratios(group, case, entry).join("<br>")
        }),
    ];
    let is_large = |case: &&Case| case.size >= WORTH_GIGABYTES;
    let large: Vec<&Case> = group.cases.iter().filter(is_large).collect();
    if group.receives() && group.name != "receive_bytewise" && !large.is_empty() {
        tables.push(table(peers, group, &large, "GB/s", |case, entry| {
            // Bytes in a nanosecond are gigabytes in a second.
            times(case.size as f64 / entry.fastest_ns)
        }));
    }
    let mut entries = group.cases.iter().flat_map(|case| &case.results);
    tables.push(if entries.all(|entry| entry.allocations == 0.0) {
        "Nobody allocates anything.\n".into()
    } else {
        table(peers, group, &all, "allocations (bytes)", |_, entry| allocations(entry))
    });
    tables.join("\n")
}

/// A row for each contender, a column for each of `cases`.
fn table(
    peers: &Peers,
    group: &Group,
    cases: &[&Case],
    title: &str,
    cell: impl Fn(&Case, &Entry) -> String,
) -> String {
    let sizes = cases.iter().map(|case| size(case.size));
    let mut table = Table::new([title.to_owned()].into_iter().chain(sizes));
    for contender in peers.taking_part(group) {
        let cells = cases.iter().map(|case| {
            let entry = case.of(&contender.name);
            entry.map_or_else(|| "-".into(), |entry| cell(case, entry))
        });
        let name = marked(group, contender);
        table.row_with(is_main(contender), [name].into_iter().chain(cells));
    }
    table.to_string()
}

/// One table with a column for each quantity.
fn single(peers: &Peers, group: &Group, case: &Case) -> String {
    let head = [
        "",
        "fastest, ns",
        "median, ns",
        "x floor",
        "x dormouse",
        "allocations (bytes)",
        "bytes written",
    ];
    let mut table = Table::new(head);
    for contender in peers.taking_part(group) {
        let Some(entry) = case.of(&contender.name) else { continue };
        let [of_floor, of_dormouse] = ratios(group, case, entry);
        table.row_with(
            is_main(contender),
            [
                marked(group, contender),
                tenths(entry.fastest_ns),
                tenths(entry.median_ns),
                of_floor,
                of_dormouse,
                allocations(entry),
                entry.written_bytes.to_string(),
            ],
        );
    }
    table.to_string()
}

fn ratios(group: &Group, case: &Case, entry: &Entry) -> [String; 2] {
    [&*group.floor, DORMOUSE].map(|base| {
        let base = case.of(base);
        base.map_or_else(|| "-".into(), |base| times(entry.times(base)))
    })
}

fn allocations(entry: &Entry) -> String {
    if entry.allocations == 0.0 {
        return "0".into();
    }
    format!("{} ({})", count(entry.allocations), count(entry.allocated_bytes))
}

fn is_main(contender: &Contender) -> bool {
    contender.name == DORMOUSE
}

fn marked(group: &Group, contender: &Contender) -> String {
    let mark = if group.lacks_of(&contender.name).is_empty() { "" } else { " \\*" };
    let name =
        if contender.is_floor { format!("*{}*", contender.name) } else { contender.name.clone() };
    name + mark
}

fn sentence(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What each contender runs with, and what it leaves to its user.
pub fn not_comparable(peers: &Peers) -> String {
    let mut text = format!(
        "## What is not comparable\n\nHow each library runs in memory, and what it does not do. An \
         asynchronous library is polled by hand: it pays for its futures, but for no runtime. Compression \
         is at level {}; those who compress through flate2{} have {} there. In brackets the kinds of work \
         of which something is said.\n\n",
        peers.settings.level_of_compression,
        peers.settings.flate2.as_ref().map_or_else(String::new, |version| format!(" {version}")),
        peers.settings.zlib_of_flate2
    );
    for contender in peers.contenders.iter().filter(|contender| !contender.is_floor) {
        let version = contender.version.as_deref().unwrap_or_default();
        text += &format!("- {} {version}\n", bold(&contender.name));
        for note in &contender.notes {
            text += &format!("  - {note}\n");
        }
        for (what, groups) in said(peers, |group| group.lacks_of(&contender.name)) {
            text += &format!("  - \\* {what} ({groups})\n");
        }
        for (what, groups) in said(peers, |group| group.remarks_on(&contender.name)) {
            text += &format!("  - {what} ({groups})\n");
        }
    }
    text
}

/// What is said in some groups, once, with their names.
fn said<'a>(peers: &'a Peers, of: impl Fn(&'a Group) -> &'a [String]) -> Vec<(&'a str, String)> {
    let mut said: Vec<(&str, String)> = Vec::new();
    for group in &peers.groups {
        for what in of(group) {
            match said.iter_mut().find(|(known, _)| known == what) {
                Some((_, groups)) => *groups += &format!(", `{}`", group.name),
                None => said.push((what, format!("`{}`", group.name))),
            }
        }
    }
    said
}
