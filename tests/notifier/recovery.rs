//! Nothing missed: what a client gets that was away.

use serde_json::{Value, json};

use crate::support::{Fixture, hello, mail, next_json, receive, unseen};

/// Four mails, with a `--recent` of three.
fn fixture() -> Fixture {
    let fixture = Fixture::with(&["--recent", "3"]);
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    for seq in 1..=4 {
        fixture.put("alice", &seq.to_string(), format!("Subject: {seq}\n\n").as_bytes());
        assert_eq!(next_json(&mut ws)["seq"], seq);
    }
    fixture
}

fn numbered(seq: u64, unseen: u64) -> Value {
    mail("alice", seq, unseen, "(unknown sender)", &seq.to_string())
}

/// The name of the numbering.
fn epoch(fixture: &Fixture) -> String {
    let mut ws = fixture.server.watch("alice");
    let tungstenite::Message::Text(text) = receive(&mut ws).unwrap() else { panic!() };
    serde_json::from_str::<Value>(&text).unwrap()["epoch"].as_str().unwrap().to_owned()
}

/// The answers to `since`, with a mail at the end that shows that there was nothing more.
fn since(fixture: &Fixture, query: &str, seq: u64) -> Vec<Value> {
    let mut ws = fixture.server.open(&format!("/ws?mailbox=alice&{query}"));
    assert_eq!(next_json(&mut ws), hello("alice", seq - 1, seq - 1));
    fixture.put("alice", &seq.to_string(), format!("Subject: {seq}\n\n").as_bytes());
    let mut messages = Vec::new();
    while messages.last() != Some(&numbered(seq, seq)) {
        messages.push(next_json(&mut ws));
    }
    messages.pop();
    messages
}

#[test]
fn exactly_what_was_missed() {
    let fixture = fixture();
    let epoch = epoch(&fixture);
    assert_eq!(since(&fixture, "since=2", 5), [numbered(3, 4), numbered(4, 4)]);
    assert_eq!(since(&fixture, &format!("since=5&epoch={epoch}"), 6), [Value::Null; 0]);
    let all = [numbered(4, 6), numbered(5, 6), numbered(6, 6)];
    assert_eq!(since(&fixture, &format!("epoch={epoch}&since=3"), 7), all);
}

#[test]
fn or_one_snapshot() {
    let fixture = fixture();
    let snapshot = |seq: u64| {
        let mails = (seq - 2..=seq)
            .map(|seq| json!({"seq": seq, "from": "(unknown sender)", "subject": seq.to_string()}));
        let mails: Vec<_> = mails.collect();
        json!({"type": "snapshot", "mailbox": "alice", "seq": seq, "unseen": seq, "mails": mails})
    };
    assert_eq!(since(&fixture, "since=0", 5), [snapshot(4)], "no longer kept");
    assert_eq!(since(&fixture, "since=9", 6), [snapshot(5)], "a number of the future");
    assert_eq!(since(&fixture, "since=6&epoch=other", 7), [snapshot(6)], "another numbering");
}

#[test]
fn a_number_has_to_be_one() {
    let fixture = Fixture::new();
    for query in ["since=", "since=-1", "since=x", "since=1&since=2", "since=99999999999999999999"]
    {
        assert_eq!(
            fixture.server.status(&format!("/ws?mailbox=alice&{query}"), ""),
            "400",
            "{query}"
        );
    }
}

#[test]
fn a_change_of_the_count_is_told_alone() {
    let fixture = fixture();
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 4, 4));
    let alice = fixture.root.path().join("alice");
    std::fs::rename(alice.join("new/1"), alice.join("cur/1:2,S")).unwrap();
    assert_eq!(next_json(&mut ws), unseen("alice", 4, 3));
    std::fs::remove_file(alice.join("new/2")).unwrap();
    assert_eq!(next_json(&mut ws), unseen("alice", 4, 2));
}
