//! `CONFORMANCE.md` as a test: the table of rules names only tests, cases, errors and words that exist,
//! has as many rows as were counted in RFC 6455, leaves out no error that a peer can cause, and has a
//! test or a case for each rule that the library obeys.
//!
//! As in `tests/layers.rs`, sources are read as text that rustfmt has laid out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

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

/// The cases that `tests/handshake_matrix.rs` and `tests/deflate_negotiation.rs` run; each is as good as
/// a test.
const CASES: &[&str] = &[
    "tests/data/handshakes/server.txt",
    "tests/data/handshakes/client.txt",
    "tests/data/handshakes/deflate.txt",
];

const HEADER: &str = "| # | section | who | rule | obeyed by | proved by |";

/// What the table may speak of.
struct Tree {
    /// The tests of each file, by its path from the root: `name`, or `tests::name` inside a source file,
    /// or the name of a case.
    tests: BTreeMap<String, BTreeSet<String>>,
    /// The variants of each public enum.
    variants: BTreeMap<String, BTreeSet<String>>,
    /// `Type::function` and `module::function`.
    functions: BTreeSet<String>,
    /// The documentation in each source file as one line.
    documentation: BTreeMap<String, String>,
}

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

impl Tree {
    fn read() -> Self {
        let files = files();
        let macros = test_macros(files.values());
        let (mut tests_of, mut documentation_of) = (BTreeMap::new(), BTreeMap::new());
        let (mut variants, mut functions) = (BTreeMap::new(), BTreeSet::new());
        for (path, text) in &files {
            let (code, inside) = text.split_once("\nmod tests {").unwrap_or((text, ""));
            let inside = tests(inside, &macros).into_iter().map(|name| format!("tests::{name}"));
            let tests = tests(code, &macros).into_iter().map(str::to_owned).chain(inside).collect();
            tests_of.insert(path.clone(), tests);
            if path.starts_with("src/") {
                documentation_of.insert(path.clone(), documentation(code));
                variants.extend(enums(code));
                functions.extend(function_names(path, code));
            }
        }
        for path in CASES {
            let text = fs::read_to_string(root().join(path)).expect("a file of cases");
            tests_of.insert((*path).to_owned(), cases(&text).map(str::to_owned).collect());
        }
        Self { tests: tests_of, variants, functions, documentation: documentation_of }
    }
}

/// Every file of source code, by its path from the root.
fn files() -> BTreeMap<String, String> {
    let mut folders = ["src", "tests", "examples"].map(|name| root().join(name)).to_vec();
    let mut files = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("under the root").display().to_string();
                let text = fs::read_to_string(&path).expect("a source file");
                files.insert(name.replace('\\', "/"), text);
            }
        }
    }
    files
}

/// The macros whose every line is a test.
fn test_macros<'t>(files: impl Iterator<Item = &'t String>) -> BTreeSet<&'t str> {
    let definitions = files.flat_map(|text| text.split("macro_rules! ").skip(1));
    let definitions = definitions.map(|text| text.split("\n}").next().unwrap_or_default());
    let makes_tests = |text: &&str| text.contains("#[test]\n") && text.contains("fn $name()");
    definitions.filter(makes_tests).map(first_name).collect()
}

/// The names of all tests in `text`: functions behind `#[test]`, and the lines of the macros that make
/// a test of each.
fn tests<'t>(text: &'t str, macros: &BTreeSet<&str>) -> BTreeSet<&'t str> {
    let mut tests = BTreeSet::new();
    let (mut is_test, mut case_indent) = (false, None);
    for line in text.lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let is_attribute = code.starts_with('#') || code.starts_with("//");
        if code == "#[test]" {
            is_test = true;
        } else if code.starts_with("#[ignore") {
            is_test = false;
        } else if !is_attribute {
            let name = code.strip_prefix("fn ").filter(|_| is_test).map(first_name);
            tests.extend(name.filter(|name| !name.is_empty()));
            is_test = false;
        }
        if let Some(name) = code.strip_suffix("! {") {
            case_indent = macros.contains(name).then_some(indent + 4);
        } else if case_indent.is_some_and(|case| indent < case && !code.is_empty()) {
            case_indent = None;
        } else if case_indent == Some(indent) {
            let case = code.split_once(':').map(|(name, _)| name);
            tests.extend(case.filter(|name| !name.is_empty() && *name == first_name(name)));
        }
    }
    tests
}

/// The names of the cases in `text`.
fn cases(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("case: "))
}

/// All documentation in `text` as one line.
fn documentation(text: &str) -> String {
    let lines = text.lines().map(str::trim_start);
    let lines = lines.filter_map(|line| line.strip_prefix("//!").or(line.strip_prefix("///")));
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The public enums with their variants.
fn enums(text: &str) -> impl Iterator<Item = (String, BTreeSet<String>)> {
    text.split("\npub enum ").skip(1).map(|text| {
        let lines = text.lines().skip(1).take_while(|line| *line != "}");
        let items = lines.filter_map(|line| line.strip_prefix("    "));
        let variants = items.filter(|item| item.starts_with(char::is_uppercase));
        (first_name(text).to_owned(), variants.map(|item| first_name(item).to_owned()).collect())
    })
}

/// The functions of a file, behind the name of the file and behind each name in the head of an `impl`.
fn function_names(path: &str, text: &str) -> BTreeSet<String> {
    let file = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    let impls = text.lines().filter(|line| line.starts_with("impl"));
    let owners = impls.flat_map(words).chain([file]);
    let function = |line| words(line).skip_while(|word| *word != "fn").nth(1);
    let functions: Vec<&str> = text.lines().filter_map(function).collect();
    let named = |owner| functions.iter().map(move |function| format!("{owner}::{function}"));
    owners.flat_map(named).collect()
}

/// The name that `code` begins with.
fn first_name(code: &str) -> &str {
    words(code).next().filter(|name| code.starts_with(name)).unwrap_or_default()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    line.split(move |character| !is_name(character)).filter(|word| !word.is_empty())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
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

#[test]
fn tests_are_told_from_what_looks_like_them() {
    let text = "#[test]\nfn one() {}\n\nfn helper() {}\n\nproptest! {\n    #![config]\n\n    #[test]\n    \
        #[cfg(unix)]\n    // Why.\n    fn two(a in b()) {}\n}\n\n// #[test]\nfn not_one() {}\n\n#[test]\n\
        #[ignore = \"slow\"]\nfn ignored() {}\n\ncases! {\n    three: 1 => 2;\n    // Why.\n    four:\n        \
        3 => 4;\n    five: [\n        six: 7,\n    ];\n}\n\nothers! {\n    eight: 1;\n}\n";
    let macros = BTreeSet::from(["cases"]);
    assert_eq!(tests(text, &macros), BTreeSet::from(["one", "two", "three", "four", "five"]));
    let files = files();
    assert_eq!(test_macros(files.values()), BTreeSet::from(["parses", "stories"]));
    let text = "# case: no\ncase: one-a\nabout: case: no\n| case: no\nwhen: more\ncase: b\n";
    assert!(cases(text).eq(["one-a", "b"]));
}
