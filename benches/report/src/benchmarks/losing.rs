//! Where `dormouse` loses, and which aims it misses.

use crate::figures::{percent_more, size, tenths, three, times};
use crate::losses::{MemoryLoss, ServerLoss, server_comparisons};
use crate::markdown::{Table, bold};
use crate::results::Results;
use crate::targets::{Target, targets};

/// The two sections.
///
/// # Errors
/// When something that is aimed for was not measured.
pub fn section(results: &Results) -> Result<String, String> {
    let targets = targets(results)?;
    let mut text = String::from("## Where dormouse loses\n\n");
    text += "Found in the results by the program that writes this page.\n\n";
    text += &in_memory(results);
    text += &of_servers(results);
    text += &missed(&targets, results);
    text += "\n## Aims\n\nThe aims of the side-by-side, all of them.\n\n";
    text += &table(targets.iter());
    Ok(text)
}

fn in_memory(results: &Results) -> String {
    let peers = &results.peers.results;
    let losses = MemoryLoss::all(peers);
    let cases: usize = peers.groups.iter().map(|group| group.cases.len()).sum();
    let main = losses.iter().filter(|loss| loss.is_of_main_row()).count();
    let mut text = format!(
        "### In memory\n\nA full peer is faster than `dormouse` at {main} of {cases} sizes of all kinds of \
         work, by its fastest turn or by its median"
    );
    text += match losses.len() - main {
        0 => ".\n\n".to_owned(),
        1 => ", and at one more it is faster than another row of `dormouse`.\n\n".to_owned(),
        more => format!(", and at {more} more it is faster than another row of `dormouse`.\n\n"),
    }
    .as_str();
    let head = [
        "work",
        "size",
        "fastest full peer",
        "its ns",
        "dormouse ns",
        "dormouse takes",
        "by the medians",
        "other rows of dormouse",
    ];
    let mut table = Table::new(head);
    for loss in &losses {
        let variants: Vec<_> =
            loss.variants.iter().map(|(name, value)| variant(name, *value)).collect();
        table.row([
            format!("`{}`", loss.group.name),
            size(loss.case.size),
            loss.peer.contender.clone(),
            tenths(loss.peer.fastest_ns),
            tenths(loss.own.fastest_ns),
            marked(loss.times),
            marked(loss.times_by_median),
            variants.join("<br>"),
        ]);
    }
    if table.is_empty() { text } else { text + &table.to_string() + "\n" }
}

/// Without the name that all of them share.
fn variant(name: &str, value: f64) -> String {
    let name = name.strip_prefix("dormouse").unwrap_or(name).trim_start();
    format!("{name}: {}", marked(value))
}

/// In bold if it is a loss.
fn marked(value: f64) -> String {
    let text = format!("{} x", times(value));
    if value > 1.0 { bold(&text) } else { text }
}

fn of_servers(results: &Results) -> String {
    let losses = ServerLoss::all(results);
    let mut text = format!(
        "### As a server\n\nThe server with the most of an advantage is shown, by the medians of the rounds. \
         The difference is the middle one of those within a round. That is {} of {} comparisons.\n\n",
        losses.len(),
        server_comparisons(results)
    );
    let mut table = Table::new(["measurement", "", "server", "it has", "dormouse has", "which is"])
        .with_words(3);
    for loss in &losses {
        let shown = |quantity: Option<f64>| quantity.map_or_else(|| "-".into(), three);
        table.row([
            loss.case.title.clone(),
            loss.what.to_owned(),
            loss.peer.to_owned(),
            shown(loss.its.typical()),
            shown(loss.own.typical()),
            percent_more(loss.times),
        ]);
    }
    if !table.is_empty() {
        text += &format!("{table}\n");
    }
    text
}

fn missed(targets: &[Target], results: &Results) -> String {
    let missed: Vec<_> = targets.iter().filter(|target| !target.is_met).collect();
    let figures = results.notifier.results.figures.iter();
    let figures: Vec<_> = figures.filter(|figure| !figure.is_met()).collect();
    let mut text = format!("### Aims missed\n\n{} of {} aims", missed.len(), targets.len());
    text += &format!(
        " of the side-by-side, and {} of {} of [the mail notifier](#the-mail-notifier).\n\n",
        figures.len(),
        results.notifier.results.figures.len()
    );
    if !missed.is_empty() {
        text += &table(missed.into_iter());
    }
    if !figures.is_empty() {
        text += &format!("\n{}", super::notifier::table(figures.into_iter()));
    }
    text
}

fn table<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    let mut table = Table::new(["what", "aim", "is", ""]);
    for target in targets {
        let verdict = if target.is_met { "met" } else { "**missed**" };
        table.row([&*target.what, &target.aim, &target.is, verdict]);
    }
    table.to_string()
}
