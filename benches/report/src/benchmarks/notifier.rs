//! The tables of the mail notifier.

use crate::figures::three;
use crate::markdown::Table;
use crate::results::notifier::{Figure, Notifier, Target};

/// The whole section.
pub fn section(notifier: &Notifier) -> String {
    let runs = notifier.figures.iter().map(|figure| figure.values.len()).max().unwrap_or(0);
    let runs =
        if runs == 1 { "One run".into() } else { format!("Medians of {runs} runs, and the range") };
    format!(
        "## The mail notifier\n\n`examples/mail_notifier` under load, and what an operator would ask of it. \
         {runs}.\n\n{}",
        table(notifier.figures.iter())
    )
}

/// Figures beside their targets.
pub fn table<'a>(figures: impl Iterator<Item = &'a Figure>) -> String {
    let figures: Vec<_> = figures.collect();
    let has_runs = figures.iter().any(|figure| figure.range().is_some());
    let head = ["what", "is", "in all runs", "aim", ""];
    let shown = |column: usize| has_runs || head[column] != "in all runs";
    let row = |cells: [String; 5]| -> Vec<String> {
        let cells = cells.into_iter().enumerate().filter(|(column, _)| shown(*column));
        cells.map(|(_, cell)| cell).collect()
    };
    let mut table = Table::new(row(head.map(str::to_owned)));
    for figure in figures {
        let verdict = if figure.is_met() { "met" } else { "**missed**" };
        let range = figure.range().map_or_else(String::new, |range| between(range, &figure.unit));
        let is = with_unit(figure.median(), &figure.unit);
        table.row(row([figure.what.clone(), is, range, aim(figure), verdict.to_owned()]));
    }
    table.to_string()
}

/// The lowest and the highest of some figures.
pub fn between((low, high): (f64, f64), unit: &str) -> String {
    format!("{} to {}", three(low), with_unit(high, unit))
}

/// A figure with its unit.
pub fn with_unit(value: f64, unit: &str) -> String {
    let space = if unit.is_empty() { "" } else { " " };
    format!("{}{space}{unit}", three(value))
}

fn aim(figure: &Figure) -> String {
    match figure.target {
        Target::AtMost(limit) => format!("at most {limit}"),
        Target::AtLeast(limit) => format!("at least {limit}"),
    }
}
