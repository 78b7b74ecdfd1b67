//! `CONFORMANCE.md` as a test: the table of rules names only tests, cases, errors and words that exist,
//! has as many rows as were counted in RFC 6455, leaves out no error that a peer can cause, and has a
//! test or a case for each rule that the library obeys.

mod tree;

use std::collections::BTreeSet;
use std::fs;

use tree::{Tree, root};

/// The sections of RFC 6455 §4, §5, §7 and §8 in which something MUST be, and how many sentences say
/// so. A sentence with two of these words counts once.
const SENTENCES: &[(&str, usize)] = &[
    ("§4.1", 35),
    ("§4.2.1", 1),
    ("§4.2.2", 10),
    ("§4.3", 1),
    ("§4.4", 1),
    ("§5.1", 4),
    ("§5.2", 9),
    ("§5.3", 3),
    ("§5.4", 10),
    ("§5.5", 1),
    ("§5.5.1", 6),
    ("§5.5.2", 1),
    ("§5.6", 1),
    ("§5.8", 1),
    ("§7.1.2", 1),
    ("§7.1.7", 3),
    ("§7.2.1", 2),
    ("§7.2.2", 1),
    ("§7.4.1", 3),
    ("§8.1", 1),
];

/// The enums whose every variant is something that a peer can cause, or an answer to it.
const OF_PEERS: &[&str] = &[
    "Violation",
    "FrameError",
    "HeaderError",
    "CloseError",
    "HeadError",
    "BadRequest",
    "Refusal",
    "ConnectError",
    "InflateError",
];

const HEADER: &str = "| # | section | who | rule | obeyed by | proved by |";

/// One rule.
struct Row<'t> {
    line: usize,
    number: &'t str,
    section: &'t str,
    who: Vec<&'t str>,
    rule: &'t str,
    by: &'t str,
    proofs: Vec<&'t str>,
}

impl Row<'_> {
    /// Whether it is one of the sentences that are counted: `36`, not `36.5` or `+`.
    fn is_sentence(&self) -> bool {
        !self.number.is_empty() && self.number.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whether the library does something about it.
    fn is_library_duty(&self) -> bool {
        self.who.iter().any(|who| ["server", "client", "both"].contains(who))
    }

    /// Whether somebody outside has to do something about it, and has to be told.
    fn is_duty_of_others(&self) -> bool {
        self.who.iter().any(|who| ["embedder", "other"].contains(who))
    }
}

/// Everything that is wrong with the table, each with its line.
fn faults(table: &str, tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    let rows = rows(table, &mut faults);
    check_count(table, &rows, &mut faults);
    for row in &rows {
        let mut of_row = Vec::new();
        check_who(row, &mut of_row);
        check_proofs(row, tree, &mut of_row);
        check_names(row, tree, &mut of_row);
        check_quotations(row, tree, &mut of_row);
        let place = |fault| format!("CONFORMANCE.md:{}: rule {}: {fault}", row.line, row.number);
        faults.extend(of_row.into_iter().map(place));
    }
    check_every_error_is_named(&rows, tree, &mut faults);
    faults
}

fn rows<'t>(table: &'t str, faults: &mut Vec<String>) -> Vec<Row<'t>> {
    let mut rows = Vec::new();
    let mut is_inside = false;
    for (at, line) in table.lines().enumerate() {
        is_inside = line == HEADER || is_inside && line.starts_with('|');
        if !is_inside || line == HEADER || line.starts_with("|---") {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, section, who, rule, by, proofs] = cells[..] else {
            faults.push(format!("CONFORMANCE.md:{}: not a row of six cells: {line}", at + 1));
            continue;
        };
        let who = who.split(", ").collect();
        let proofs = spans(proofs).map(|(span, _)| span).collect();
        rows.push(Row { line: at + 1, number, section, who, rule, by, proofs });
    }
    rows
}

/// What stands between backticks, each with what follows it.
fn spans(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts: Vec<&str> = cell.split('`').collect();
    let pairs: Vec<(&str, &str)> = parts
        .chunks(2)
        .zip(parts.chunks(2).skip(1))
        .map(|(code, next)| (code[1], next[0]))
        .collect();
    pairs.into_iter()
}

/// The sentences are numbered without a gap, each section has as many as the RFC, and the front of the
/// table says so.
fn check_count(table: &str, rows: &[Row<'_>], faults: &mut Vec<String>) {
    let mut last = 0;
    for row in rows {
        let line = row.line;
        if row.is_sentence() {
            last += 1;
            if row.number != last.to_string() {
                faults
                    .push(format!("CONFORMANCE.md:{line}: rule {} is in place {last}", row.number));
            }
        } else if row.number != "+" && !row.number.starts_with(&format!("{last}.")) {
            faults.push(format!("CONFORMANCE.md:{line}: {} is no step of {last}", row.number));
        }
    }
    let total: usize = SENTENCES.iter().map(|(_, count)| count).sum();
    if !table.contains(&format!("**{total} sentences**")) {
        faults.push(format!("CONFORMANCE.md does not say that there are **{total} sentences**"));
    }
    let section = |row: &Row<'_>| row.section.split(' ').next().unwrap_or_default().to_owned();
    let sentences: Vec<String> = rows.iter().filter(|row| row.is_sentence()).map(section).collect();
    for (name, expected) in SENTENCES {
        let count = sentences.iter().filter(|section| section == name).count();
        if count != *expected {
            faults.push(format!("{name} has {expected} sentences with a MUST, the table {count}"));
        }
        if !table.contains(&format!("| {name} | {expected} |")) {
            faults.push(format!("the front of the table does not count {expected} for {name}"));
        }
    }
    for section in sentences {
        if !SENTENCES.iter().any(|(name, _)| *name == section) {
            faults.push(format!("{section} has no sentence with a MUST that counts"));
        }
    }
}

fn check_who(row: &Row<'_>, faults: &mut Vec<String>) {
    for who in &row.who {
        if !["server", "client", "both", "embedder", "other"].contains(who) {
            faults.push(format!("`{who}` is nobody who can be bound"));
        }
    }
    if row.rule.is_empty() {
        faults.push("does not say what the rule is".to_owned());
    }
}

/// A rule that the library obeys has a proof, and every test and every case that is named exists.
fn check_proofs(row: &Row<'_>, tree: &Tree, faults: &mut Vec<String>) {
    if row.is_library_duty() && row.proofs.is_empty() {
        faults.push("the library obeys it and no test proves it".to_owned());
    }
    for proof in &row.proofs {
        let Some((path, name)) = proof.split_once("::") else {
            faults.push(format!("`{proof}` is not `file::test`"));
            continue;
        };
        match tree.tests.get(path) {
            None => faults.push(format!("`{proof}`: there is no file {path}")),
            Some(tests) if !tests.contains(name) => {
                faults.push(format!("`{proof}`: {path} has no such test or case"));
            }
            Some(_) => {}
        }
    }
}

/// Every `Enum::Variant`, `Type::function` and `module::function` that is named exists.
fn check_names(row: &Row<'_>, tree: &Tree, faults: &mut Vec<String>) {
    for (span, _) in spans(row.by) {
        let Some((owner, name)) = span.split_once("::") else { continue };
        let is_there = match tree.variants.get(owner) {
            Some(variants) if name.starts_with(char::is_uppercase) => variants.contains(name),
            _ => tree.functions.contains(span),
        };
        if !is_there {
            faults.push(format!("`{span}` is not in src/"));
        }
    }
}

/// Whoever outside the library is bound by a rule is told so in its documentation, in the words that
/// the table quotes.
fn check_quotations(row: &Row<'_>, tree: &Tree, faults: &mut Vec<String>) {
    let mut quotations = 0;
    for (path, rest) in spans(row.by).filter(|(span, _)| span.starts_with("src/")) {
        let quotation = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let Some((words, _)) = quotation else {
            faults.push(format!("{path} without the words that it is named for"));
            continue;
        };
        quotations += 1;
        if !tree.documentation.get(path).is_some_and(|text| text.contains(words)) {
            faults.push(format!("the documentation in {path} does not say \"{words}\""));
        }
    }
    if row.is_duty_of_others() && quotations == 0 {
        faults.push("no documentation is quoted that tells them".to_owned());
    }
}

fn check_every_error_is_named(rows: &[Row<'_>], tree: &Tree, faults: &mut Vec<String>) {
    let named: BTreeSet<&str> =
        rows.iter().flat_map(|row| spans(row.by)).map(|(span, _)| span).collect();
    for name in OF_PEERS {
        let Some(variants) = tree.variants.get(*name) else {
            faults.push(format!("there is no enum {name} in src/"));
            continue;
        };
        for variant in variants {
            let variant = format!("{name}::{variant}");
            if !named.contains(variant.as_str()) {
                faults.push(format!("{variant} obeys no rule of the table: which one is it for?"));
            }
        }
    }
}

fn table() -> String {
    fs::read_to_string(root().join("CONFORMANCE.md")).expect("CONFORMANCE.md")
}

#[test]
fn the_table_is_true_and_complete() {
    let faults = faults(&table(), &Tree::read());
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The check must be able to fail: the table with one change each, and what is to be found then.
#[test]
fn faults_of_the_table_are_found() {
    let (table, tree) = (table(), Tree::read());
    for (from, to, expected) in [
        ("**95 sentences**", "**94 sentences**", "that there are **95 sentences**"),
        ("| §5.1 | 4 |", "| §5.1 | 3 |", "does not count 4 for §5.1"),
        ("\n| 50 |", "\n| 51 |", "rule 51 is in place 50"),
        ("\n| 36.5 |", "\n| 35.5 |", "35.5 is no step of 36"),
        ("\n| 95 | §8.1 |", "\n| + | §8.1 |", "§8.1 has 1 sentences with a MUST, the table 0"),
        ("\n| 95 | §8.1 |", "\n| 95 | §8.2 |", "§8.2 has no sentence"),
        ("| §5.1 | server | mask no frame", "| §5.1 | all | mask no frame", "`all` is nobody"),
        ("| mask no frame |", "| |", "does not say what the rule is"),
        ("| mask no frame |", "| mask | no frame |", "not a row of six cells"),
        (" `tests/handshake_answers.rs::s4_2_2_the_answer` |", " |", "no test proves it"),
        ("::protocol-that-was-not-offered`", "::protocol-that-was`", "has no such test or case"),
        ("/client.txt::status-of-two-digits`", "/server.txt::status-of-two-digits`", "no such"),
        ("/server.txt::key-missing`", "/servers.txt::key-missing`", "there is no file tests/data"),
        ("::s5_5_1_nothing_is_sent_after_a_close`", "::plain`", "has no such test or case"),
        ("/sections.rs::", "/section.rs::", "there is no file tests/section.rs"),
        ("mask.rs::tests::s5_3_every", "mask.rs::s5_3_ever", "has no such test or case"),
        ("`FrameError::Masked`", "`FrameError::Masks`", "`FrameError::Masks` is not in src/"),
        ("`FrameError::Masked`", "`FrameError`", "FrameError::Masked obeys no rule"),
        ("`Connect::write`", "`Connect::writes`", "`Connect::writes` is not in src/"),
        ("`mask::apply`", "`masks::apply`", "`masks::apply` is not in src/"),
        ("\"One at a time.\"", "\"Two at a time.\"", "does not say \"Two at a time.\""),
        (" \"One at a time.\"", "", "without the words"),
        ("`src/handshake/client.rs` \"One at a time.\"", "", "no documentation is quoted"),
        ("`InflateError::TooBig`", "`InflateError`", "InflateError::TooBig obeys no rule"),
        (
            "/deflate.txt::both-can-be-met`",
            "/deflate.txt::both-can-be`",
            "has no such test or case",
        ),
    ] {
        assert!(table.contains(from), "the table has no {from:?}");
        let found = faults(&table.replacen(from, to, 1), &tree).join("\n");
        assert!(found.contains(expected), "{found:?} for {from:?} => {to:?}");
    }
}
