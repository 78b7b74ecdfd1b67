//! From a few results to every file: what is in the tables, what is told of losses, what is refused.

use std::fs;
use std::path::Path;

use dormouse_report::keep::keep;
use dormouse_report::plots::{Plot, Scheme};
use dormouse_report::results::run::Run;
use dormouse_report::results::{Part, Results};
use dormouse_report::{Result, tree};
use roxmltree::{Document, Node};
use serde_json::{Value, json};
use tempfile::TempDir;

const NAMES: [&str; 7] = ["losses", "run", "receive", "send", "handshake", "idle", "notifier"];

/// A tree with the results of `tests/data`, and a README with markers only.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(TempDir::new().unwrap());
        fs::create_dir_all(tree.path("benches/results")).unwrap();
        for part in Part::ALL {
            let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(part.file());
            fs::copy(data, tree.result(part)).unwrap();
        }
        let parts = NAMES.map(|name| format!("<!-- numbers: {name} -->\n<!-- /numbers -->\n"));
        tree.write(
            "README.md",
            &format!("# A crate of 32 bytes\n\n{}", parts.join("\nWords.\n\n")),
        );
        tree
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn result(&self, part: Part) -> std::path::PathBuf {
        tree::results(self.0.path()).join(part.file())
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Changes the results of a part.
    fn change(&self, part: Part, change: impl FnOnce(&mut Value)) {
        let text = fs::read_to_string(self.result(part)).unwrap();
        let mut value = serde_json::from_str(&text).unwrap();
        change(&mut value);
        fs::write(self.result(part), value.to_string()).unwrap();
    }

    fn results(&self) -> Result<Results> {
        Results::read(&tree::results(self.0.path()))
    }

    fn generate(&self) -> Result<Vec<(std::path::PathBuf, String)>> {
        tree::generate(self.0.path(), &self.results()?)
    }

    fn file(&self, path: &str) -> String {
        let files = self.generate().unwrap();
        files.into_iter().find(|(name, _)| name == Path::new(path)).unwrap().1
    }

    fn check(&self) -> std::result::Result<(), String> {
        tree::check(self.0.path(), &self.generate().unwrap()).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refuses(&self, words: &[&str]) {
        let error = self.generate().map(drop).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)) && !error.contains('\n'), "{error}");
    }
}

/// The figures of a contender for a size.
fn entry<'a>(peers: &'a mut Value, group: &str, size: u64, contender: &str) -> &'a mut Value {
    fn find(list: &mut Value, is_it: impl Fn(&Value) -> bool) -> &mut Value {
        list.as_array_mut().unwrap().iter_mut().find(|one| is_it(one)).unwrap()
    }
    let group = find(&mut peers["results"]["groups"], |one| one["name"] == group);
    let case = find(&mut group["cases"], |one| one["size"] == size);
    find(&mut case["results"], |one| one["contender"] == contender)
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|one| one == line), "{line}\nis not in\n{text}");
}

fn section<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

#[test]
fn benchmarks_have_every_figure() {
    let text = Tree::new().file("BENCHMARKS.md");
    has(&text, "| **dormouse** | **9.2**<br>**9.3** | **26.1**<br>**26.2** | **349**<br>**357** |");
    has(&text, "| tokio-websockets | 81.7<br>83.8 | 95.5<br>96.7 | 580<br>583 |");
    has(&text, "| websocket-sans-io \\* | 39.6<br>41.0 | 65.8<br>65.9 | 401<br>418 |");
    has(&text, "| tungstenite | 10.8<br>4.14 | 4.88<br>3.92 | 3.13<br>3.14 |");
    has(&text, "| GB/s | 1 KiB | 16 KiB |");
    has(&text, "| tungstenite | 2,533 | 2,582 | 6.97 | 5.17 | 36 (18,450) | 162 |");
    has(&text, "| tungstenite-small | 2,656 (648) | 4,165 (1.028) |");
    has(&text, "- fastwebsockets: not offered: in /room nobody hears the others");
    has(&text, "measure peers");
}

#[test]
fn losses_are_found_in_the_results() {
    let tree = Tree::new();
    let losses = |tree: &Tree| {
        let text = tree.file("BENCHMARKS.md");
        section(&text, "## Where dormouse loses", "### Aims missed").to_owned()
    };
    let before = losses(&tree);
    let own = "22,440 | **374 x** | **378 x** | prepared: 0.25 x<br>direct: 0.16 x |";
    has(&before, &format!("| `send_binary` | 1 MiB | tokio-websockets | 60.0 | {own}"));
    assert!(!before.contains("`receive_binary` | 1 KiB"), "{before}");
    assert!(!before.contains("websocket-sans-io"), "it is no full peer: {before}");

    tree.change(Part::Peers, |peers| {
        entry(peers, "receive_binary", 1024, "tungstenite")["fastest_ns"] = json!(20.0);
        entry(peers, "receive_binary", 1024, "websocket-sans-io")["fastest_ns"] = json!(1.0);
    });
    let row = "| `receive_binary` | 1 KiB | tungstenite | 20.0 | 26.1 | **1.31 x** | 0.32 x | + copy: **2.02 x** |";
    has(&losses(&tree), row);

    tree.change(Part::Load, |load| {
        let upgrade = &mut load["results"]["results"][0];
        assert_eq!(upgrade["measurement"], "upgrade");
        upgrade["servers"]["yawc"]["server_cpu_us_each"]["rounds"] = json!([1.0, 1.0]);
    });
    assert!(losses(&tree).contains("| upgrade: 64 at a time | processor time, us | yawc |"));

    tree.change(Part::Bare, |bare| {
        let upgrade = &mut bare["results"]["results"][0];
        upgrade["servers"]["floor-again"]["server_cpu_us_each"]["rounds"] = json!([1.0, 1.0]);
    });
    assert!(
        !losses(&tree).contains("floor"),
        "the floor is nobody's loss, however often it is there"
    );
    assert!(losses(&tree).contains(" of 18 comparisons."), "{}", losses(&tree));
}

#[test]
fn aims_that_are_missed_are_told() {
    let tree = Tree::new();
    let missed = |tree: &Tree| {
        let text = tree.file("BENCHMARKS.md");
        section(&text, "### Aims missed", "## Aims\n").to_owned()
    };
    let before = missed(&tree);
    let floor = "dormouse, of httparse + sha1 + base64 | at most 1.15 | 1.348 | **missed** |";
    has(&before, &format!("| `handshake` 598 B, {floor}"));
    assert!(before.contains("by the time until the last has it | 94.7 %"), "{before}");
    assert!(!before.contains("`receive_b"), "{before}");

    tree.change(Part::Peers, |peers| {
        entry(peers, "receive_binary", 16384, "XOR in place")["fastest_ns"] = json!(300.0);
        entry(peers, "receive_bytewise", 125, "dormouse")["fastest_ns"] = json!(8.5);
    });
    let after = missed(&tree);
    let floor = "dormouse, of XOR in place | at most 1.15 | 1.165 | **missed** |";
    has(&after, &format!("| `receive_binary` 16 KiB, {floor}"));
    let each = "dormouse, ns for each byte | at most 8 | 8.500 | **missed** |";
    has(&after, &format!("| `receive_bytewise` 125 B, {each}"));

    let rate = "upgrade: 64 at a time, dormouse, of the rate of the bare loop";
    assert!(!after.contains(rate), "{after}");
    tree.change(Part::Bare, |bare| {
        let upgrade = &mut bare["results"]["results"][0];
        upgrade["servers"]["dormouse"]["upgrades_per_second"]["ratio_to_first"] = json!(0.9);
    });
    has(&missed(&tree), &format!("| {rate} | at least 0.97 | 0.900 | **missed** |"));
}

#[test]
fn the_readme_is_filled_between_markers_only() {
    let tree = Tree::new();
    let text = tree.file("README.md");
    assert!(
        text.starts_with(
            "# A crate of 32 bytes\n\n<!-- numbers: losses -->\nIn memory a full peer"
        )
    );
    assert_eq!(text.matches("\nWords.\n").count(), NAMES.len() - 1);
    has(&text, "Measured 2026-11-22: Some Processor, 2 cores, Linux 6.1, rustc 1.95.0.");
    has(&text, "| **binary: dormouse** | **9.2** | **26.1** | **349** |");
    has(
        &text,
        "| the fastest full peer | 38.2<br>tungstenite | 80.5<br>websocketz | 580<br>tokio-websockets |",
    );
    has(&text, "| **dormouse** | **115** | **116** |");
    tree.write("README.md", &text);
    assert_eq!(tree.file("README.md"), text, "filling it again changes nothing");
}

#[test]
fn a_readme_with_wrong_markers_is_refused() {
    let tree = Tree::new();
    let text = tree.read("README.md");
    tree.write("README.md", &text.replace("numbers: idle", "numbers: nothing"));
    tree.refuses(&["README.md", "nothing"]);
    tree.write("README.md", &text.replace("<!-- numbers: idle -->\n<!-- /numbers -->\n", ""));
    tree.refuses(&["README.md", "idle"]);
    tree.write("README.md", text.strip_suffix("<!-- /numbers -->\n").unwrap());
    tree.refuses(&["README.md", "notifier"]);
    tree.write("README.md", &text.replace("Words.", "It takes 12 ns."));
    tree.refuses(&["README.md", "It takes 12 ns."]);
}

#[test]
fn plots_are_complete_by_themselves() {
    let results = Tree::new().results().unwrap();
    for plot in Plot::ALL {
        for scheme in Scheme::ALL {
            let text = plot.draw(&results, scheme).unwrap();
            let svg = Document::parse(&text).unwrap();
            let all: Vec<Node> = svg.descendants().filter(Node::is_element).collect();
            let words = |name| all.iter().find(|one| one.has_tag_name(name)).unwrap().text();
            assert!(words("title").is_some_and(|title| title == plot.title()));
            assert!(words("desc").is_some_and(|text| text.contains("dormouse")), "{text}");
            for element in &all {
                assert!(!["image", "script", "style", "a"].contains(&element.tag_name().name()));
                for attribute in element.attributes() {
                    let value = attribute.value();
                    assert!(!value.contains("url(") && !value.contains("NaN"), "{value}");
                }
                let x = element.attribute("x").map_or(0.0, |x| x.parse().unwrap());
                assert!((0.0..800.0).contains(&x), "{} is outside at {x}", plot.name());
            }
            assert!(all.iter().any(|one| one.text() == Some("dormouse")), "{}", plot.name());
        }
    }
}

#[test]
fn what_is_edited_by_hand_is_found() {
    let tree = Tree::new();
    tree::write(tree.0.path(), &tree.generate().unwrap()).unwrap();
    tree.check().unwrap();
    for (path, from, to) in [
        ("README.md", "38.2<br>", "98.2<br>"),
        ("BENCHMARKS.md", "2,533", "2,530"),
        ("docs/plots/send-dark.svg", "22,440", "2,440"),
    ] {
        let text = tree.read(path);
        assert!(text.contains(from), "{path}");
        tree.write(path, &text.replacen(from, to, 1));
        assert!(tree.check().unwrap_err().contains(path));
        tree.write(path, &text);
    }
    tree.change(Part::Peers, |peers| {
        entry(peers, "receive_binary", 16, "dormouse")["fastest_ns"] = json!(2.0);
    });
    let error = tree.check().unwrap_err();
    let all = ["README.md", "BENCHMARKS.md", "receive-binary-light.svg", "receive-binary-dark.svg"];
    assert!(all.iter().all(|path| error.contains(path)), "{error}");
    assert!(!error.contains("send-light.svg"), "{error}");
}

#[test]
fn a_plot_that_nobody_writes_is_found() {
    let tree = Tree::new();
    tree::write(tree.0.path(), &tree.generate().unwrap()).unwrap();
    tree.write("docs/plots/old-light.svg", "");
    assert!(tree.check().unwrap_err().contains("old-light.svg"));
}

#[test]
fn results_may_tell_more_but_not_less() {
    let tree = Tree::new();
    let text = tree.file("BENCHMARKS.md");
    tree.change(Part::Peers, |peers| {
        peers["more"] = json!(1);
        entry(peers, "handshake", 598, "dormouse")["more"] = json!([1]);
    });
    tree.change(Part::Load, |load| {
        let upgrade = &mut load["results"]["results"][0]["servers"]["yawc"];
        upgrade["more"] = json!({"than": "is known"});
        upgrade["server_cpu_us_each"]["more"] = json!(true);
    });
    assert_eq!(tree.file("BENCHMARKS.md"), text);
}

#[test]
fn what_is_missing_is_refused() {
    let without = |part: Part, change: &dyn Fn(&mut Value), words: &[&str]| {
        let tree = Tree::new();
        tree.change(part, |value| change(value));
        tree.refuses(words);
    };
    let remove = |value: &mut Value, field: &str| {
        value.as_object_mut().unwrap().remove(field).unwrap();
    };
    let figures =
        |peers: &mut Value| remove(entry(peers, "handshake", 598, "tungstenite"), "median_ns");
    without(Part::Peers, &figures, &["peers.json", "median_ns"]);
    let version = |peers: &mut Value| remove(&mut peers["results"]["contenders"][0], "version");
    without(Part::Peers, &version, &["peers.json", "version"]);
    let asserting =
        |peers: &mut Value| peers["results"]["settings"]["has_assertions"] = json!(true);
    without(Part::Peers, &asserting, &["peers.json", "--release"]);
    let format = |peers: &mut Value| peers["results"]["format"] = json!(2);
    without(Part::Peers, &format, &["peers.json", "format 2"]);
    let run = |idle: &mut Value| remove(&mut idle["run"], "command");
    without(Part::Idle, &run, &["idle.json", "command"]);
    let server = |load: &mut Value| remove(&mut load["results"]["results"][0]["servers"], "yawc");
    without(Part::Load, &server, &["load.json", "upgrade", "yawc"]);
    let ratio = |load: &mut Value| {
        remove(
            &mut load["results"]["results"][0]["servers"]["yawc"]["server_cpu_us_each"],
            "ratio_to_first",
        );
    };
    without(Part::Load, &ratio, &["load.json", "ratio_to_first"]);
    let own = |load: &mut Value| {
        load["results"]["results"][0]["servers"]["dormouse"] = json!({"failed": "it broke"});
    };
    without(Part::Broadcast, &own, &["broadcast.json", "it broke"]);

    let tree = Tree::new();
    fs::remove_file(tree.result(Part::Notifier)).unwrap();
    tree.refuses(&["notifier.json", "scripts/numbers.sh"]);
}

#[test]
fn what_a_program_writes_is_kept() {
    let tree = Tree::new();
    let run = Run {
        date: "2026-01-31".into(),
        processor: "P".into(),
        cores: 2,
        kernel: "Linux 1".into(),
        rustc: "rustc 1.95.0".into(),
        busy_cores: 0.0,
        command: "bench".into(),
    };
    let written = |name: &str, value: f64| {
        let figure = json!({"part": "a", "name": name, "what": "w", "unit": "B", "more": 1,
            "value": value, "target": {"at_most": 2.0}});
        json!({"format": 1, "figures": [figure]}).to_string()
    };
    let files = [("one", 1.0), ("two", 5.123_456), ("three", 2.0)];
    let files = files.map(|(path, value)| {
        tree.write(path, &written("b", value));
        tree.path(path)
    });
    let folder = tree::results(tree.0.path());
    keep(Part::Notifier, &files, run.clone(), &folder).unwrap();
    let results = tree.results().unwrap();
    assert_eq!(results.notifier.run, run);
    let figure = &results.notifier.results.figures[0];
    assert_eq!(figure.values, [1.0, 5.123, 2.0]);
    assert_eq!((figure.median(), figure.range(), figure.is_met()), (2.0, Some((1.0, 5.123)), true));

    tree.write("two", &written("c", 1.0));
    let error = keep(Part::Notifier, &files, run.clone(), &folder).unwrap_err();
    assert_eq!(error.to_string(), "b is not in every run");
    let error = keep(Part::Peers, &files[..1], run, &folder).unwrap_err().to_string();
    assert!(error.contains("one: missing field"), "{error}");
}

#[test]
fn what_nobody_reads_is_left_out() {
    let tree = Tree::new();
    let (text, before) = (tree.file("BENCHMARKS.md"), tree.results().unwrap());
    tree.change(Part::Load, |load| *load = load["results"].take());
    let written = tree.path("written.json");
    fs::rename(tree.result(Part::Load), &written).unwrap();
    let is_aside = r#""better":null,"rounds":["#;
    assert!(fs::read_to_string(&written).unwrap().contains(&format!("{is_aside}0.0")));
    keep(Part::Load, &[written], before.load.run, &tree::results(tree.0.path())).unwrap();
    let kept = fs::read_to_string(tree.result(Part::Load)).unwrap();
    assert!(kept.contains(&format!("{is_aside}]")) && !kept.contains(&format!("{is_aside}0.0")));
    assert_eq!(tree.file("BENCHMARKS.md"), text);
}
