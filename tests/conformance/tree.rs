//! What there is in the tree for the table to speak of: tests, cases, errors, functions, documentation.
//!
//! As in `tests/layers.rs`, sources are read as text that rustfmt has laid out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The cases that `tests/handshake_matrix.rs` and `tests/deflate_negotiation.rs` run; each is as good as
/// a test.
const CASES: &[&str] = &[
    "tests/data/handshakes/server.txt",
    "tests/data/handshakes/client.txt",
    "tests/data/handshakes/deflate.txt",
];

/// What the table may speak of.
pub struct Tree {
    /// The tests of each file, by its path from the root: `name`, or `tests::name` inside a source file,
    /// or the name of a case.
    pub tests: BTreeMap<String, BTreeSet<String>>,
    /// The variants of each public enum.
    pub variants: BTreeMap<String, BTreeSet<String>>,
    /// `Type::function` and `module::function`.
    pub functions: BTreeSet<String>,
    /// The documentation in each source file as one line.
    pub documentation: BTreeMap<String, String>,
}

impl Tree {
    pub fn read() -> Self {
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
pub fn first_name(code: &str) -> &str {
    words(code).next().filter(|name| code.starts_with(name)).unwrap_or_default()
}

pub fn words(line: &str) -> impl Iterator<Item = &str> {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    line.split(move |character| !is_name(character)).filter(|word| !word.is_empty())
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
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
