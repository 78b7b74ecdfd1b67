//! The opening handshake as a matrix of cases, RFC 6455 §4: every rule broken alone, on both sides.
//!
//! The cases are text in `tests/data/handshakes`, for use with any library. Each is run in one read,
//! cut in two at every place (a long one at a sample of places), and byte by byte, and has to come out
//! the same.

mod support;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dormouse::client::Connect;
use dormouse::{Limits, Outbox};
use support::cases::{Case, Format, parse};
use support::handshakes::{HEAD, NONCE, Outcome, serve, verify};

const SERVER: &str = include_str!("data/handshakes/server.txt");
const CLIENT: &str = include_str!("data/handshakes/client.txt");

const SERVER_FORMAT: Format = Format {
    keys: &[
        "status",
        "answer",
        "without",
        "protocol",
        "leftover",
        "target",
        "path",
        "query",
        "host",
        "origin",
        "offers",
        "extensions",
        "dormouse",
    ],
    spelled: &["leftover"],
    lists: &["answer", "without"],
    verdicts: &["accepted", "other", "refused", "more"],
};

const CLIENT_FORMAT: Format = Format {
    keys: &[
        "offer-protocols",
        "offer-extensions",
        "interim",
        "protocol",
        "extensions",
        "leftover",
        "reason",
        "field",
        "body",
        "dormouse",
    ],
    spelled: &["leftover"],
    lists: &["field"],
    verdicts: &["accepted", "refused", "more"],
};

/// The keys that tell what the library shows of the head.
const SERVER_VIEW: &[&str] = &["target", "path", "query", "host", "origin", "offers", "extensions"];
const CLIENT_VIEW: &[&str] = &["interim", "protocol", "extensions", "reason", "field", "body"];

#[test]
fn s4_2_server() {
    let cases = server_cases();
    assert!(cases.len() >= 250, "{} cases", cases.len());
    report(&cases, |case| {
        let outcome = check(case, SERVER_VIEW, serve)?;
        if case.one("dormouse").is_some() { Ok(()) } else { check_answer(case, &outcome) }
    });
}

#[test]
fn s4_1_client() {
    let cases = client_cases();
    assert!(cases.len() >= 140, "{} cases", cases.len());
    report(&cases, |case| {
        let protocols: Vec<&str> =
            case.one("offer-protocols").map_or(Vec::new(), |list| list.split(", ").collect());
        let connect = Connect::new("server.example.com", "/chat").protocols(&protocols);
        let connect = connect.extensions(case.one("offer-extensions"));
        let mut out = Outbox::new(&Limits::default());
        let handshake = connect.write(NONCE, &mut out).map_err(|error| error.to_string())?;
        check(case, CLIENT_VIEW, |bytes, cuts| verify(&handshake, bytes, cuts)).map(|_| ())
    });
}

/// A rule of the library that no case is about is a rule that may be lost unnoticed.
#[test]
fn every_error_has_a_case() {
    let (server, client) = (server_cases(), client_cases());
    let (server, client) = (errors(&server), errors(&client));

    // A `HeadReader` gives whole heads only.
    let source = include_str!("../src/http/mod.rs");
    let both = server.union(&client).copied().collect();
    expect_all(&both, source, "HeadError", &["Incomplete", "Trailing"]);
    // The rest is for the embedder to decide.
    let source = include_str!("../src/handshake/server/refusal.rs");
    let decisions = ["Unauthorized", "Forbidden", "NotFound", "TooManyRequests", "Unavailable"];
    expect_all(&server, source, "Refusal", &decisions);
    expect_all(&server, source, "BadRequest", &[]);
    // The rest is found before the request is written.
    let source = include_str!("../src/handshake/client.rs");
    let before = ["Host", "Target", "Origin", "Protocols", "Extensions", "Field", "Send"];
    expect_all(&client, source, "ConnectError", &before);
}

#[test]
fn a_file_with_a_mistake_is_refused() {
    let good = "case: a\nabout: §1\n| G\\x20{\\#,*3}\\r\\{\\n\\\n|\nexpect: more\n";
    let cases = parse(good, &SERVER_FORMAT).expect("well-formed");
    assert_eq!(cases[0].bytes, b"G 0,1,2,\r{\n\r\n");
    for (from, to, mistake) in [
        ("case: a\n", "", "line 1: this stands before the first case"),
        ("expect: more", "expect: maybe", "line 5: `maybe` is no verdict"),
        ("expect: more", "verdict: more", "line 5: no case has a `verdict`"),
        ("expect: more\n", "", "line 1: case: a: a case has an `expect:` and an `about:`"),
        ("about: §1\n", "", "line 1: case: a: a case has an `expect:` and an `about:`"),
        ("about: §1", "about", "line 2: neither `key: value` nor `| bytes`"),
        ("expect: more", "expect: more\nexpect: more", "line 6: a second `expect`"),
        ("about: §1", "leftover: \\q", "line 2: `\\q` is no escape"),
        ("\\x20", "\\x2g", "line 3: `\\x2g` is no byte"),
        ("\\x20", "\\#", "line 3: `\\#` is no escape"),
        ("*3}", "*3", "line 3: `{` without `}`"),
        ("*3}", "}", "line 3: `{` without `*`"),
        ("*3}", "*}", "line 3: `` is no number"),
        ("| G", "|G", "line 3: a space belongs behind the bar"),
        ("|\n", "| \n", "line 4: white space at the end, which nobody sees: write \\s or \\t"),
        ("case: a", "when: never\ncase: a", "line 1: `when: never` needs a verdict and no bytes"),
    ] {
        assert!(good.contains(from));
        let result = parse(&good.replacen(from, to, 1), &SERVER_FORMAT).map(|_| ());
        assert_eq!(result, Err(mistake.to_owned()), "{from:?} -> {to:?}");
    }
    let twice = parse(&[good, good].concat(), &SERVER_FORMAT).map(|_| ());
    assert_eq!(twice, Err("line 6: case: a: there is another case of this name".to_owned()));
}

fn server_cases() -> Vec<Case> {
    parse(SERVER, &SERVER_FORMAT).unwrap_or_else(|mistake| panic!("server.txt: {mistake}"))
}

fn client_cases() -> Vec<Case> {
    parse(CLIENT, &CLIENT_FORMAT).unwrap_or_else(|mistake| panic!("client.txt: {mistake}"))
}

/// Runs every case, and names all that fail.
fn report(cases: &[Case], run: impl Fn(&Case) -> Result<(), String>) {
    let failures = cases.iter().filter_map(|case| {
        let run = catch_unwind(AssertUnwindSafe(|| run(case)));
        let why = run.unwrap_or_else(|_| Err("panics".to_owned())).err()?;
        Some(format!("{}: {why}", case.name))
    });
    let failures: Vec<String> = failures.collect();
    let (failed, all) = (failures.len(), cases.len());
    assert!(failures.is_empty(), "{failed} of {all} cases fail:\n{}", failures.join("\n"));
}

/// The names of the errors that `cases` end with.
fn errors(cases: &[Case]) -> BTreeSet<&str> {
    let outcomes = cases.iter().flat_map(|case| [Some(case.expected()), case.one("body")]);
    let outcomes =
        outcomes.flatten().map(|text| if text == "other" { "NotAnUpgrade" } else { text });
    outcomes.flat_map(|text| text.split(|it: char| !it.is_ascii_alphanumeric())).collect()
}

/// Asserts that each variant of the enum `name` in `source` is among `found`, but for `others`.
fn expect_all(found: &BTreeSet<&str>, source: &str, name: &str, others: &[&str]) {
    let start = format!("pub enum {name} {{\n");
    let (_, variants) = source.split_once(&start).expect("the enum is in this file");
    let (variants, _) = variants.split_once("\n}").expect("an enum ends");
    let lines = variants.lines().filter_map(|line| line.strip_prefix("    "));
    let lines = lines.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let variants = lines.filter_map(|line| line.split([',', '(', ' ']).next());
    let wrong: Vec<&str> =
        variants.filter(|variant| found.contains(variant) == others.contains(variant)).collect();
    assert!(wrong.is_empty(), "{name} has no case, or one against expectation: {wrong:?}");
}

/// Runs one case in every split, and compares what comes of it with what the file says.
fn check(
    case: &Case,
    view: &[&str],
    run: impl Fn(&[u8], &[usize]) -> Outcome,
) -> Result<Outcome, String> {
    let bytes = &case.bytes;
    let whole = run(bytes, &[]);
    same("verdict", &whole.verdict, case.one("dormouse").unwrap_or(case.expected()))?;
    if case.one("dormouse").is_none() {
        check_details(case, view, &whole)?;
    }
    for cut in cuts(bytes.len()) {
        let outcome = run(bytes, &[cut]);
        if outcome != whole {
            return Err(format!("cut at {cut}: {outcome:?}\n  in one read: {whole:?}"));
        }
    }
    let single = run(bytes, &(0..bytes.len()).collect::<Vec<_>>());
    if single != whole {
        return Err(format!("byte by byte: {single:?}\n  in one read: {whole:?}"));
    }
    Ok(whole)
}

/// What stays of the bytes, and what the library shows of the head.
fn check_details(case: &Case, view: &[&str], outcome: &Outcome) -> Result<(), String> {
    let (found, expected) = (&outcome.leftover, case.spelled("leftover"));
    same("leftover", &found.escape_ascii().to_string(), &expected.escape_ascii().to_string())?;
    for key in view {
        for expected in case.all(key) {
            let mut found = outcome.view.iter().filter(|(name, _)| name == key);
            if !found.clone().any(|(_, value)| value == expected) {
                let found = found.next().map(|(_, value)| value);
                return Err(format!("{key}: {found:?}, not {expected:?}"));
            }
        }
    }
    Ok(())
}

/// Every place to cut; of 2048 bytes and more only some, and those near the limit and the end.
fn cuts(len: usize) -> Vec<usize> {
    let is_sampled =
        |at: &usize| len < 2048 || at % 509 == 0 || at.abs_diff(HEAD) < 8 || len - at < 8;
    (0..=len).filter(is_sampled).collect()
}

/// The answer of the server as bytes, read without the library.
fn check_answer(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let answer = std::str::from_utf8(&outcome.answer).map_err(|error| error.to_string())?;
    if outcome.verdict == "more" {
        return same("answer", answer, "");
    }
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer has no end")?;
    let mut lines = head.split("\r\n");
    let line = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = line.and_then(|line| line.get(..4)).ok_or("no status line")?;
    let expected = case.one("status").ok_or("the case has no status")?;
    same("status", status, &format!("{expected} "))?;
    let fields: Option<Vec<(&str, &str)>> = lines.map(|line| line.split_once(": ")).collect();
    let fields = fields.ok_or("a line of the answer is no field")?;

    for expected in case.all("answer") {
        let (name, value) = expected.split_once(": ").ok_or("`answer:` has no value")?;
        let mut found = values(&fields, name);
        let has = |found: &str| found == value || found.split(", ").any(|it| it == value);
        if !found.next().is_some_and(has) || found.next().is_some() {
            return Err(format!("the answer needs {expected}:\n{answer}"));
        }
    }
    for name in case.all("without") {
        if values(&fields, name).next().is_some() {
            return Err(format!("the answer has {name}:\n{answer}"));
        }
    }
    let protocol = values(&fields, "Sec-WebSocket-Protocol").collect::<Vec<_>>().join(", ");
    same("protocol of the answer", &protocol, case.one("protocol").unwrap_or_default())?;
    let length = values(&fields, "Content-Length").collect::<Vec<_>>().join(", ");
    let is_accepted = outcome.verdict == "accepted";
    let expected = if is_accepted { String::new() } else { body.len().to_string() };
    same("Content-Length of the answer", &length, &expected)
}

fn values<'a>(fields: &[(&'a str, &'a str)], name: &str) -> impl Iterator<Item = &'a str> {
    fields.iter().filter(move |field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1)
}

fn same(what: &str, found: &str, expected: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}
