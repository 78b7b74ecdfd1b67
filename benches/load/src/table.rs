//! The results for people.

use std::fmt::Write as _;

use crate::arguments::Plan;
use crate::figures::{Better, Quantity};
use crate::machine::{self, Machine};
use crate::rounds::CaseResult;

/// A table for each case.
pub fn of(plan: &Plan, results: &[CaseResult]) -> String {
    let Machine { processor, cores, kernel } = machine::describe();
    let mut text = format!("{processor}, {cores} cores, Linux {kernel}");
    if let Some(cores) = plan.cores {
        push(&mut text, &format!("; server on core {}, load on core {}", cores.server, cores.load));
    }
    let rounds = match plan.rounds {
        1 => String::new(),
        rounds => format!("; medians of {rounds} rounds, below them the best one"),
    };
    let ratios = if plan.servers.len() > 1 { "; (ratio to the first)" } else { "" };
    push(&mut text, &format!("{rounds}{ratios}\n"));
    for result in results {
        push(&mut text, &format!("\n{}\n", result.case.title(plan)));
        push(&mut text, &aligned(&rows(plan, result)));
        push(&mut text, &remarks(plan, result));
    }
    text
}

fn push(text: &mut String, more: &str) {
    // Writing into a string does not fail.
    let _ = write!(text, "{more}");
}

fn rows(plan: &Plan, result: &CaseResult) -> Vec<Vec<String>> {
    let quantities = result.quantities();
    let heading = quantities.iter().map(|quantity| quantity.heading.to_owned());
    let mut rows = vec![[String::new()].into_iter().chain(heading).collect::<Vec<_>>()];
    for (server, spec) in plan.servers.iter().enumerate() {
        if result.servers[server].is_empty() {
            continue;
        }
        let cells = quantities.iter().map(|quantity| cell(result, server, quantity));
        rows.push([spec.name.clone()].into_iter().chain(cells).collect());
        if plan.rounds > 1 {
            let cells = quantities.iter().map(|quantity| best(result, server, quantity));
            rows.push([String::new()].into_iter().chain(cells).collect());
        }
    }
    // A head without a body says nothing.
    if rows.len() > 1 { rows } else { Vec::new() }
}

fn cell(result: &CaseResult, server: usize, quantity: &'static Quantity) -> String {
    let summary = result.summary(server, quantity);
    let Some(typical) = summary.typical() else { return "-".into() };
    let typical = number(typical, quantity.decimals);
    match summary.ratio.filter(|_| quantity.better != Better::Neither) {
        Some(ratio) => format!("{typical} ({ratio:.3})"),
        None => typical,
    }
}

fn best(result: &CaseResult, server: usize, quantity: &'static Quantity) -> String {
    let best = result.summary(server, quantity).best();
    best.map(|best| number(best, quantity.decimals)).unwrap_or_default()
}

fn remarks(plan: &Plan, result: &CaseResult) -> String {
    let servers = plan.servers.iter().zip(&result.servers);
    let remarked = servers.filter_map(|(spec, server)| Some((spec, server.remark.as_ref()?)));
    remarked.map(|(spec, remark)| format!("  {}: {remark}\n", spec.name)).collect()
}

/// With a comma between thousands.
fn number(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

/// Columns as wide as their widest cell: the first to the left, figures to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padded =
                if column == 0 { format!("  {cell:<width$}") } else { format!("  {cell:>width$}") };
            line.push_str(&padded);
        }
        push(&mut text, &format!("{}\n", line.trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas() {
        let shown = [(0.0, 0), (999.0, 0), (1234.5, 1), (-1234567.0, 0)];
        let shown = shown.map(|(value, decimals)| number(value, decimals));
        assert_eq!(shown, ["0", "999", "1,234.5", "-1,234,567"]);
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(aligned(&[row(["", "m/s"]), row(["a", "1,000"])]), "       m/s\n  a  1,000\n");
    }
}
