//! `POST /publish`: mail from programs, sent with a real `curl`.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{
    Fixture, PUBLISH_KEY as KEY, Server, exchange, get, hello, mail, next_json, program,
    skip_without, unseen, wait_until,
};

struct Publisher {
    fixture: Fixture,
}

impl Publisher {
    fn new(arguments: &[&str]) -> Self {
        Self { fixture: Fixture::publishing(arguments) }
    }

    fn server(&self) -> &Server {
        &self.fixture.server
    }

    /// The status and the body of the answer to what `curl` sends.
    fn curl(&self, key: &str, body: &str) -> (u16, Value) {
        let mut curl = Command::new("curl");
        let url = format!("http://{}/publish", self.server().internal.unwrap());
        curl.args([
            "--silent",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
            "--json",
            "@-",
        ]);
        curl.args(["--header", &format!("Authorization: Bearer {key}"), &url]);
        let mut process = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        // A server that refuses does not read everything.
        let _ = std::io::Write::write_all(&mut stdin, body.as_bytes());
        drop(stdin);
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let (body, status) = said.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

#[test]
fn what_is_published_arrives() {
    let Some(()) = skip_without(&["curl"]) else { return };
    let publisher = Publisher::new(&[]);
    let mut ws = publisher.server().watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    let one = json!({"mailbox": "alice", "from": "Bob <b@example.org>", "subject": "Dinner"});
    assert_eq!(publisher.curl(KEY, &one.to_string()), (202, json!({"accepted": 1, "unknown": 0})));
    assert_eq!(next_json(&mut ws), mail("alice", 1, 1, "Bob <b@example.org>", "Dinner"));

    let several = json!([
        {"mailbox": "alice", "from": "Eve", "subject": "a\u{0}b", "unseen": 7},
        {"mailbox": "nobody", "from": "Eve", "subject": "lost"},
        {"mailbox": "alice", "unseen": 3},
        {"mailbox": "carol", "unseen": 5},
    ]);
    let answer = publisher.curl(KEY, &several.to_string());
    assert_eq!(answer, (202, json!({"accepted": 3, "unknown": 1})));
    assert_eq!(next_json(&mut ws), mail("alice", 2, 7, "Eve", "a\u{fffd}b"));
    assert_eq!(next_json(&mut ws), unseen("alice", 2, 3));
    // A mailbox that no folder stands for.
    let mut carol = publisher.server().watch("carol");
    assert_eq!(next_json(&mut carol), hello("carol", 5, 5));
    assert_eq!(publisher.server().metric("mails_total"), 2.0);
}

#[test]
fn what_cannot_be_published_is_named_and_changes_nothing() {
    let Some(()) = skip_without(&["curl"]) else { return };
    let publisher = Publisher::new(&["--publish-limit", "2K"]);
    let mut ws = publisher.server().watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    let mail = r#"{"mailbox":"alice","from":"Bob","subject":"never"}"#;
    let large = format!("[{}]", vec![mail; 100].join(","));
    for (key, body, expected) in [
        ("wrong-key-of-more-than-thirty-two-bytes", mail, 401),
        (KEY, "", 400),
        (KEY, "{", 400),
        (KEY, r#"{"mailbox":"alice"}"#, 400),
        (KEY, r#"{"mailbox":"../alice","from":"Bob","subject":"never"}"#, 400),
        (KEY, r#"{"mailbox":"a/b","unseen":1}"#, 400),
        (KEY, r#"{"mailbox":"nobody","from":"Bob","subject":"never"}"#, 404),
        (KEY, &format!(r#"[{mail},{{"mailbox":7}}]"#), 400),
        (KEY, &large, 413),
    ] {
        assert_eq!(publisher.curl(key, body).0, expected, "{body:.80}");
    }
    let index = publisher.curl(KEY, &format!(r#"[{mail},{{"mailbox":7}}]"#)).1;
    assert_eq!(index["index"], 1, "{index}");
    let last = r#"{"mailbox":"alice","from":"Bob","subject":"the only one"}"#;
    assert_eq!(publisher.curl(KEY, last).0, 202);
    assert_eq!(next_json(&mut ws)["subject"], "the only one");
}

#[test]
fn the_internal_address_tells_how_the_server_is() {
    let publisher = Publisher::new(&[]);
    let internal = publisher.server().internal.unwrap();
    for path in ["/healthz", "/readyz"] {
        assert!(exchange(internal, &get(path)).starts_with("HTTP/1.1 200 "), "{path}");
    }
    let text = exchange(internal, &get("/metrics"));
    let series = text.lines().filter(|line| line.starts_with("# TYPE mail_notifier_"));
    // Those with labels are there once there is something to count.
    assert!((13..=16).contains(&series.count()), "{text}");
}

#[test]
fn without_a_key_nobody_publishes() {
    let fixture = Fixture::with(&["--internal", "127.0.0.1:0"]);
    let request = get("/publish").replacen("GET", "POST", 1);
    let answer = exchange(fixture.server.internal.unwrap(), &request);
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let mut command = Command::new(program());
    command.args([
        "127.0.0.1:0",
        "--demo",
        "--internal",
        "127.0.0.1:0",
        "--publish-key",
        "/nowhere",
    ]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
}

#[test]
fn while_it_ends_nothing_is_taken_that_would_be_lost() {
    let Some(()) = skip_without(&["curl"]) else { return };
    let publisher = Publisher::new(&["--drain", "10m"]);
    let mut ws = publisher.server().watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    publisher.server().signal("TERM");
    wait_until("it drains", || publisher.server().metric("draining") == 1.0);
    let mail = r#"{"mailbox":"alice","from":"Bob","subject":"too late"}"#;
    assert_eq!(publisher.curl(KEY, mail).0, 503);
    assert_eq!(publisher.server().metric("publishes_total{status=\"503\"}"), 1.0);
}
