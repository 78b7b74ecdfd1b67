//! The shape of `src/` as a test: a module imports only from lower layers, each outside crate
//! enters at one place, and every file says what it is.
//!
//! The source is read as text, laid out by rustfmt: a statement takes a line or more, and modules
//! inside a file begin and end at the left margin.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the crate with its layer. A module may use those of lower layers and itself;
/// those of its own layer are siblings, and siblings never know each other.
const LAYERS: &[(&str, u8)] = &[
    ("input", 0),
    ("limits", 0),
    ("role", 1),
    ("wire", 1),
    ("http", 2),
    ("utf8", 2),
    ("decode", 3),
    ("outbox", 3),
    ("handshake", 4),
    ("websocket", 4),
    ("deflate", 5),
    ("lib", 6),
];

/// Where the crates that this one depends on may be named: the begin of a path under `src/`.
const ENTRIES: &[(&str, &str)] = &[
    ("base64", "handshake/mod.rs"),
    ("httparse", "http/"),
    ("sha1", "handshake/mod.rs"),
    ("simdutf8", "utf8.rs"),
    // An attribute on error types, which belong to every layer.
    ("thiserror", ""),
    ("zlib_rs", "deflate/"),
];

/// The most lines of a file in front of its tests.
const MAX_LINES: usize = 450;

/// One file under `src/`, by its path from there.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module at the root of the crate that the file belongs to.
    fn module(&self) -> &str {
        let name = self.path.split('/').next().unwrap_or_default();
        name.strip_suffix(".rs").unwrap_or(name)
    }

    /// How many modules deep the file is: `role.rs` and `wire/mod.rs` 1, `wire/mask.rs` 2.
    fn depth(&self) -> usize {
        match self.path.trim_end_matches(".rs").trim_end_matches("/mod") {
            "lib" => 0,
            path => path.split('/').count(),
        }
    }

    /// The code in front of the tests, without comments; each line with its number.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        lines.enumerate().filter_map(|(at, line)| {
            let code = if line.trim_start().starts_with("//") { "" } else { line };
            let code = code.split(" // ").next().unwrap_or_default();
            (!code.trim().is_empty()).then_some((at + 1, code))
        })
    }
}

/// Everything that is wrong with a file, each with the line and what to do about it.
fn faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    if !source.text.starts_with("//! ") {
        faults.push("does not begin with what it is: add a `//!` line at the top".to_owned());
    }
    if source.code().last().is_some_and(|(line, _)| line > MAX_LINES) {
        faults.push(format!("has more than {MAX_LINES} lines before its tests: split it"));
    }
    check_imports(source, &mut faults);
    check_outside_crates(source, &mut faults);
    check_let_chains(source, &mut faults);
    check_tests_are_last(source, &mut faults);
    faults.iter().map(|fault| format!("src/{}: {fault}", source.path)).collect()
}

fn check_imports(source: &Source, faults: &mut Vec<String>) {
    let module = source.module();
    let Some(layer) = layer_of(module) else {
        faults.push(format!("the module `{module}` has no layer: {ADD_A_LAYER}"));
        return;
    };
    for (line, used) in root_names(source) {
        match layer_of(&used) {
            _ if used == module => {}
            Some(other) if other < layer => {}
            Some(other) if other == layer => {
                faults.push(format!("line {line}: `{module}` uses its sibling `{used}`"));
            }
            Some(_) => {
                faults.push(format!("line {line}: `{module}` uses `{used}` of a higher layer"));
            }
            None => {
                let advice = format!("name the module it is in, or {ADD_A_LAYER}");
                faults.push(format!("line {line}: `crate::{used}` is no module: {advice}"));
            }
        }
    }
}

const ADD_A_LAYER: &str =
    "decide on its layer, and add it to LAYERS in tests/layers.rs and to lib.rs";

fn layer_of(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

/// What the code names at the root of the crate: after `crate::`, or after a `super::` that leads
/// there. A group such as `crate::{a, b}` names several.
fn root_names(source: &Source) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    let mut inline_depth = 0;
    let lines: Vec<(usize, &str)> = source.code().collect();
    for (at, &(number, line)) in lines.iter().enumerate() {
        if line == "}" {
            inline_depth = 0;
        }
        for (start, path) in paths(line) {
            let mut rest = line.get(start..).unwrap_or_default();
            let root_is_near = match path {
                "crate" => {
                    rest = rest.strip_prefix("crate::").unwrap_or_default();
                    true
                }
                "super" => {
                    let mut up = 0;
                    while let Some(behind) = rest.strip_prefix("super::") {
                        (rest, up) = (behind, up + 1);
                    }
                    up == source.depth() + inline_depth
                }
                _ => false,
            };
            if root_is_near {
                let further = lines.get(at + 1..).unwrap_or_default().iter().map(|(_, line)| *line);
                let statement: String = std::iter::once(rest).chain(further).collect();
                names.extend(first_names(&statement).map(|name| (number, name)));
            }
        }
        if line.ends_with('{') && line.split_whitespace().any(|word| word == "mod") {
            inline_depth = 1;
        }
    }
    names
}

/// Where a path begins on a line, with its first name.
fn paths(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices("::").filter_map(move |(end, _)| {
        let before = line.get(..end)?;
        let start = before.rfind(|character| !is_name(character)).map_or(0, |at| at + 1);
        let is_inside = before.get(..start)?.ends_with("::");
        (start < end && !is_inside).then_some((start, before.get(start..)?))
    })
}

/// The names that `statement` begins with: one, or those of a group.
fn first_names(statement: &str) -> impl Iterator<Item = String> {
    let group = statement.strip_prefix('{').map(|group| {
        let mut open = 1;
        let is_inside = |character: &char| {
            open += i32::from(*character == '{') - i32::from(*character == '}');
            open > 0
        };
        group.chars().take_while(is_inside).collect::<String>()
    });
    let statement = group.as_deref().unwrap_or(statement).to_owned();
    let mut open = 0;
    let mut parts = vec![String::new()];
    for character in statement.chars() {
        open += i32::from(character == '{') - i32::from(character == '}');
        match (group.is_some(), character) {
            (true, ',') if open == 0 => parts.push(String::new()),
            _ => parts.last_mut().expect("there is always one").push(character),
        }
    }
    parts.into_iter().filter_map(|part| {
        let is_name = |character: &char| character.is_alphanumeric() || *character == '_';
        let name: String = part.trim().chars().take_while(is_name).collect();
        (!name.is_empty()).then_some(name)
    })
}

fn check_outside_crates(source: &Source, faults: &mut Vec<String>) {
    for (line, code) in source.code() {
        for (_, path) in paths(code) {
            let entry = ENTRIES.iter().find(|(name, _)| *name == path);
            if let Some((name, place)) = entry {
                if !source.path.starts_with(place) {
                    faults.push(format!("line {line}: `{name}` may be named only in src/{place}"));
                }
            }
        }
    }
}

/// Let-chains compile with the toolchain at hand, but not with the `rust-version` of Cargo.toml.
fn check_let_chains(source: &Source, faults: &mut Vec<String>) {
    let lines: Vec<(usize, &str)> = source.code().collect();
    for (at, (number, line)) in lines.iter().enumerate() {
        if ["if ", "while ", "} else if "].iter().any(|begin| line.trim_start().starts_with(begin))
        {
            let behind = lines[at..].iter().map(|(_, line)| *line);
            if is_let_chain(behind) {
                faults.push(format!("line {number}: a let-chain, which Rust 1.85 does not know"));
            }
        }
    }
}

/// Whether the condition at the begin of `lines` joins a `let` to anything with `&&`.
fn is_let_chain<'s>(lines: impl Iterator<Item = &'s str>) -> bool {
    let mut condition = String::new();
    for line in lines {
        condition.push_str(line.trim());
        condition.push(' ');
        if line.ends_with('{') {
            break;
        }
    }
    let mut open = 0;
    let joined: String = condition
        .chars()
        .filter(|character| {
            open += i32::from(*character == '(') - i32::from(*character == ')');
            open == 0
        })
        .collect();
    joined.contains("&&") && format!(" {joined}").contains(" let ")
}

/// What comes behind the tests would not be looked at.
fn check_tests_are_last(source: &Source, faults: &mut Vec<String>) {
    let mut behind = source.text.lines().skip_while(|line| line.trim() != "#[cfg(test)]").skip(1);
    let Some(first) = behind.next() else { return };
    if first != "mod tests {" {
        faults.push(format!("has `{first}` for tests only: put it in `mod tests`"));
    } else if behind.skip_while(|line| *line != "}").count() > 1 {
        faults.push("has code behind its tests: move the tests to the end".to_owned());
    }
}

/// The dependencies in Cargo.toml, but for those of tests.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim()))
        .filter(|name| !name.starts_with('#'))
        .map(|name| name.replace('-', "_"))
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under `src/`.
fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut folders = vec![src.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of src") {
            let path: PathBuf = entry.expect("an entry of src").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&src).expect("under src").display().to_string();
                let text = fs::read_to_string(&path).expect("a source file");
                sources.push(Source { path: name.replace('\\', "/"), text });
            }
        }
    }
    sources
}

#[test]
fn every_file_keeps_to_its_layer() {
    let sources = sources();
    assert!(sources.len() > 20, "only {} files were found", sources.len());
    let faults: Vec<String> = sources.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_module_of_the_crate_has_its_layer() {
    let modules: BTreeSet<String> =
        sources().iter().map(|source| source.module().to_owned()).collect();
    let layers: BTreeSet<String> = LAYERS.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(modules, layers, "{ADD_A_LAYER}, or take it away there");
}

#[test]
fn every_dependency_has_its_place() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let places: BTreeSet<String> = ENTRIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let message = "decide which file a new dependency enters at, and add it to ENTRIES";
    assert_eq!(dependencies(&manifest), places, "{message}");
    for (name, place) in ENTRIES {
        let uses = |source: &Source| {
            source.path.starts_with(place)
                && source.code().any(|(_, code)| paths(code).any(|(_, path)| path == *name))
        };
        assert!(sources().iter().any(uses), "{name} is not used at src/{place}");
    }
}

/// The check must be able to fail: made-up files, and what is to be found in them.
#[test]
fn faults_are_found() {
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("wire/mask.rs", "use core::fmt;\nuse super::opcode::Opcode;\n", None),
        ("wire/mask.rs", "use crate::limits::Limits;\n", None),
        ("wire/mask.rs", "use crate::wire::Opcode;\nuse crate::input::Input;\n", None),
        ("wire/mask.rs", "use crate::role::Role;\n", Some("uses its sibling `role`")),
        ("wire/mask.rs", "use super::super::role::Role;\n", Some("sibling `role`")),
        ("wire/mod.rs", "use super::utf8::validate;\n", Some("`utf8` of a higher layer")),
        ("wire/mask.rs", "use crate::{limits, decode};\n", Some("`decode` of a higher layer")),
        ("wire/mask.rs", "use crate::{\n    limits::{Limits, decode},\n    input,\n};\n", None),
        ("wire/mask.rs", "use crate::{\n    limits,\n    outbox::Outbox,\n};\n", Some("`outbox`")),
        ("decode.rs", "fn f() -> crate::outbox::Outbox {}\n", Some("sibling `outbox`")),
        ("decode.rs", "    let a = b(crate::websocket::C);\n", Some("`websocket` of a higher")),
        ("decode.rs", "/// [`Outbox`](crate::outbox::Outbox)\nfn f() {}\n", None),
        ("decode.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::outbox;\n}\n", None),
        ("decode.rs", "use crate::Outbox;\n", Some("`crate::Outbox` is no module")),
        ("role.rs", "mod private {\n    use super::Server;\n}\n", None),
        ("role.rs", "mod private {\n    use super::super::wire::Opcode;\n}\n", Some("`wire`")),
        ("role.rs", "mod private {\n    use super::Server;\n}\nuse super::wire;\n", Some("`wire`")),
        ("lib.rs", "pub use websocket::WebSocket;\n", None),
        ("ferret.rs", "fn f() {}\n", Some("`ferret` has no layer: decide")),
        ("outbox/queue.rs", "use simdutf8::basic;\n", Some("`simdutf8` may be named only in")),
        ("utf8.rs", "use simdutf8::{basic, compat};\n", None),
        ("outbox/queue.rs", "let n = own_sha1::<u8>(my::sha1::len());\n", None),
        ("handshake/client.rs", "let a = base64::encode(b);\n", Some("`base64` may be named")),
        ("http/message.rs", "use httparse::Header;\n", None),
        ("decode.rs", "if let Some(a) = b && c {\n}\n", Some("line 3: a let-chain")),
        ("decode.rs", "    if a\n        && let Some(c) = d\n    {\n    }\n", Some("a let-chain")),
        ("decode.rs", "    while a && let Some(c) = d {\n    }\n", Some("a let-chain")),
        ("decode.rs", "    if let Some(a) = b {\n        let c = d && e;\n    }\n", None),
        ("decode.rs", "    if a && b {\n        let c = d;\n    }\n", None),
        ("decode.rs", "    if let Some(a) = b(c && d) {\n    }\n", None),
    ];
    for (path, code, expected) in cases {
        let text = format!("//! A file.\n\n{code}");
        let found = faults(&Source { path: (*path).to_owned(), text }).join("\n");
        match expected {
            None => assert_eq!(found, "", "in {path}:\n{code}"),
            Some(fault) => assert!(found.contains(fault), "{found:?} in {path}:\n{code}"),
        }
    }
}

#[test]
fn faults_of_a_whole_file_are_found() {
    let found = |text: String| faults(&Source { path: "decode.rs".to_owned(), text }).join("\n");
    assert!(found("fn f() {}\n".to_owned()).contains("does not begin"));
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(MAX_LINES));
    assert!(found(long).contains("more than 450 lines"));
    let tests = "    fn t() {}\n".repeat(600);
    let tests = format!("//! Tested.\nfn f() {{}}\n#[cfg(test)]\nmod tests {{\n{tests}");
    assert_eq!(found(tests.clone() + "}\n"), "");
    assert!(found(tests + "}\nfn f() {}\n").contains("behind its tests"));
    let helper = "//! Helped.\n#[cfg(test)]\nfn helper() {}\n".to_owned();
    assert!(found(helper).contains("for tests only"));
}
