//! From mail to message: what a WebSocket is told, and what not.

use std::fs;

use crate::support::{Fixture, hello, mail, make_mailbox, next_json, unseen};

#[test]
fn hello_then_each_mail() {
    let fixture = Fixture::new();
    let mut first = fixture.server.watch("alice");
    let mut other = fixture.server.watch("bob");
    assert_eq!(next_json(&mut first), hello("alice", 0, 0));
    assert_eq!(next_json(&mut other), hello("bob", 0, 0));

    fixture.deliver("alice", &["--from", "Bob <bob@example.org>", "--subject", "Grüße", "Hello!"]);
    assert_eq!(next_json(&mut first), mail("alice", 1, 1, "Bob <bob@example.org>", "Grüße"));

    let mut second = fixture.server.watch("alice");
    assert_eq!(next_json(&mut second), hello("alice", 1, 1));
    fixture.put("alice", "1", b"From: Eve <eve@example.org>\r\nSubject: two\r\n\r\n");
    for ws in [&mut first, &mut second] {
        assert_eq!(next_json(ws), mail("alice", 2, 2, "Eve <eve@example.org>", "two"));
    }

    // The other mailbox was told nothing of all this.
    fixture.put("bob", "1", b"From: x@example.org\nSubject: for bob\n\n");
    assert_eq!(next_json(&mut other), mail("bob", 1, 1, "x@example.org", "for bob"));
}

#[test]
fn every_shard_tells_its_watchers() {
    let fixture = Fixture::with(&["--shards", "3"]);
    let mut watchers: Vec<_> = (0..12).map(|_| fixture.server.watch("alice")).collect();
    for ws in &mut watchers {
        assert_eq!(next_json(ws), hello("alice", 0, 0));
    }
    fixture.put("alice", "1", b"Subject: for all\n\n");
    fixture.put("alice", "2", b"Subject: again\n\n");
    for ws in &mut watchers {
        assert_eq!(next_json(ws)["subject"], "for all");
        assert_eq!(next_json(ws)["subject"], "again");
    }
}

#[test]
fn mail_of_every_kind_is_shown_sensibly() {
    let fixture = Fixture::new();
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    let long = format!("Subject: {}\n", "x".repeat(5_000_000));
    let cut = format!("{}…", "x".repeat(200));
    let (nobody, nothing) = ("(unknown sender)", "(no subject)");
    let mails: [(&[u8], &str, &str); 8] = [
        (b"From: =?ISO-8859-1?Q?Andr=E9?= <a@example.org>\n\n", "André <a@example.org>", nothing),
        (b"Subject: =?UTF-8?B?w6TDtg==?=\r\n =?UTF-8?Q?_=C3=BC?=\r\n\r\n", nobody, "äö ü"),
        (b"Subject: folded\r\n\tline\r\n\r\n", nobody, "folded line"),
        (b"Subject: <b>\"quoted\"</b>\n\n", nobody, "<b>\"quoted\"</b>"),
        (b"", nobody, nothing),
        (b"\0\xff\xfe\n\n\0", nobody, nothing),
        (b"Subject: no end of the line", nobody, "no end of the line"),
        (long.as_bytes(), nobody, &cut),
    ];
    for (seq, (bytes, from, subject)) in (1..).zip(mails) {
        fixture.put("alice", &seq.to_string(), bytes);
        assert_eq!(next_json(&mut ws), mail("alice", seq, seq, from, subject));
    }
}

#[test]
fn the_count_follows_what_vanishes() {
    let fixture = Fixture::new();
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    for (seq, name) in (1..).zip(["1", "2", "3"]) {
        fixture.put("alice", name, b"Subject: s\n\n");
        assert_eq!(next_json(&mut ws), mail("alice", seq, seq, "(unknown sender)", "s"));
    }
    let alice = fixture.root.path().join("alice");
    fs::rename(alice.join("new/1"), alice.join("cur/1:2,S")).unwrap();
    assert_eq!(next_json(&mut ws), unseen("alice", 3, 2));
    fs::remove_file(alice.join("new/2")).unwrap();
    assert_eq!(next_json(&mut ws), unseen("alice", 3, 1));
    std::os::unix::fs::symlink("nowhere", alice.join("new/dangling")).unwrap();
    fs::create_dir(alice.join("new/folder")).unwrap();
    fixture.put("alice", "4", b"Subject: last\n\n");
    assert_eq!(next_json(&mut ws), mail("alice", 4, 2, "(unknown sender)", "last"));

    // The whole mailbox goes and comes back under the eyes of the connection.
    fs::remove_dir_all(&alice).unwrap();
    while next_json(&mut ws) != unseen("alice", 4, 0) {}
    fixture.put("bob", "1", b"Subject: a sign\n\n");
    let mut bob = fixture.server.watch("bob");
    while next_json(&mut bob)["seq"] != 1 {}
    assert_eq!(fixture.server.status("/ws?mailbox=alice", ""), "404");
    make_mailbox(fixture.root.path(), "alice");
    fixture.put("alice", "5", b"Subject: back\n\n");
    assert_eq!(next_json(&mut ws), mail("alice", 5, 1, "(unknown sender)", "back"));
}

#[test]
fn mailboxes_that_come_later_are_found() {
    let fixture = Fixture::new();
    assert_eq!(fixture.server.status("/ws?mailbox=carol", ""), "404");
    let mut alice = fixture.server.watch("alice");
    assert_eq!(next_json(&mut alice), hello("alice", 0, 0));
    make_mailbox(fixture.root.path(), "carol");
    fixture.put("alice", "1", b"Subject: a sign that carol is known\n\n");
    assert_eq!(next_json(&mut alice)["seq"], 1);

    let mut carol = fixture.server.watch("carol");
    assert_eq!(next_json(&mut carol), hello("carol", 0, 0));
    fixture.deliver("carol", &[]);
    assert_eq!(next_json(&mut carol), mail("carol", 1, 1, "Bob <bob@example.org>", "Hello"));
}
