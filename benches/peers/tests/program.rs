//! The program as scripts use it: its status, its one line about a mistake, its JSON.

use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dormouse-peers")).args(arguments).output().unwrap()
}

#[test]
fn a_mistake_is_one_line_and_status_2() {
    for arguments in [&["--only", "nothing"][..], &["--rounds", "0"], &["--fast"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(output.stderr.iter().filter(|&&byte| byte == b'\n').count(), 1);
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_json_has_what_the_tables_show() {
    let path = std::env::temp_dir().join(format!("dormouse-peers-{}.json", std::process::id()));
    let path = path.to_str().unwrap();
    let output = run(&["--quick", "--rounds", "1", "--only", "handshake", "--json", path]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    std::fs::remove_file(path).unwrap();

    let tables = String::from_utf8(output.stdout).unwrap();
    let group = &json["groups"][0];
    assert_eq!(group["name"], "handshake");
    let results = group["cases"][0]["results"].as_array().unwrap();
    assert!(results.len() > 8, "the floor, dormouse and the peers");
    for result in results {
        let name = result["contender"].as_str().unwrap();
        assert!(tables.contains(name), "{name}");
        let (fastest, median) = (&result["fastest_ns"], &result["median_ns"]);
        assert!(fastest.as_f64().unwrap() > 0.0 && fastest.as_f64() <= median.as_f64(), "{name}");
        assert!(result["times_floor"]["fastest"].is_number(), "{name}");
    }
    let dormouse = results.iter().find(|result| result["contender"] == "dormouse").unwrap();
    assert_eq!(dormouse["times_dormouse"]["fastest"], 1.0);
    assert_eq!(dormouse["allocations"], 0.0);
    let tungstenite = results.iter().find(|result| result["contender"] == "tungstenite").unwrap();
    assert!(tungstenite["allocations"].as_f64().unwrap() >= 1.0, "allocations are counted");
}

#[test]
fn the_list_names_groups_and_contenders() {
    let output = run(&["--list"]);
    assert!(output.status.success());
    let list = String::from_utf8(output.stdout).unwrap();
    assert!(list.contains("receive_binary") && list.contains("tokio-websockets"));
}
