//! Mail that real programs deliver, read and move, while somebody watches the mailbox: maildrop and
//! procmail, and the tools of mblaze.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Fixture, hello, mail, next_json, skip_without, unseen};

/// Runs a program to its end, gives it `input`, and returns what it prints.
fn run(command: &mut Command, input: &str) -> String {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Delivers with maildrop, which wants its instructions in a file that nobody else can write to.
fn maildrop(mailbox: &Path, mail: &str) {
    let instructions = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(instructions.path(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(instructions.path(), format!("to \"{}\"\n", mailbox.display())).unwrap();
    run(Command::new("maildrop").arg(instructions.path()), mail);
}

/// Delivers with procmail, which takes a path with a slash at its end for a Maildir mailbox.
fn procmail(mailbox: &Path, mail: &str) {
    let default = format!("DEFAULT={}/", mailbox.display());
    run(Command::new("procmail").args([&default, "/dev/null"]).env("HOME", "/"), mail);
}

fn letter(from: &str, subject: &str) -> String {
    format!("From: {from}\nTo: alice@example.org\nSubject: {subject}\n\nHello.\n")
}

/// Delivers mails with an agent, and looks at what those who watch are told.
fn delivers(agent: impl Fn(&Path, &str)) {
    let fixture = Fixture::new();
    let (mut alice, mut bob) = (fixture.server.watch("alice"), fixture.server.watch("bob"));
    assert_eq!(next_json(&mut alice), hello("alice", 0, 0));
    assert_eq!(next_json(&mut bob), hello("bob", 0, 0));
    let sender = "Bob <bob@example.org>";
    for (seq, (header, subject)) in (1..).zip([
        ("Dinner at seven?", "Dinner at seven?"),
        ("=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\n =?UTF-8?Q?_aus_K=C3=B6ln?=", "Grüße aus Köln"),
        ("=?ISO-8859-1?B?Y2Fm6Q==?=", "café"),
    ]) {
        agent(&fixture.root.path().join("alice"), &letter(sender, header));
        assert_eq!(next_json(&mut alice), mail("alice", seq, seq, sender, subject));
    }
    agent(&fixture.root.path().join("bob"), &letter("eve@example.org", "for bob"));
    assert_eq!(next_json(&mut bob), mail("bob", 1, 1, "eve@example.org", "for bob"));

    // A large mail, and behind it another one: each is told once.
    let large = letter(sender, "large") + &"All work and no play.\n".repeat(200_000);
    agent(&fixture.root.path().join("alice"), &large);
    agent(&fixture.root.path().join("alice"), &letter(sender, "the last"));
    assert_eq!(next_json(&mut alice), mail("alice", 4, 4, sender, "large"));
    assert_eq!(next_json(&mut alice), mail("alice", 5, 5, sender, "the last"));
}

#[test]
fn maildrop_delivers() {
    let Some(()) = skip_without(&["maildrop"]) else { return };
    delivers(maildrop);
}

#[test]
fn procmail_delivers() {
    let Some(()) = skip_without(&["procmail"]) else { return };
    delivers(procmail);
}

#[test]
fn agents_deliver_at_the_same_time() {
    let Some(()) = skip_without(&["maildrop", "procmail"]) else { return };
    let fixture = Fixture::new();
    let mailbox = fixture.root.path().join("alice");
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    let agents = [("maildrop", maildrop as fn(&Path, &str)), ("procmail", procmail)];
    std::thread::scope(|scope| {
        for (name, agent) in agents {
            let mailbox = &mailbox;
            scope.spawn(move || {
                for number in 1..=20 {
                    agent(mailbox, &letter("bob@example.org", &format!("{name} {number}")));
                }
            });
        }
    });
    let mut expected = [1, 1];
    for seq in 1..=40 {
        let told = next_json(&mut ws);
        let subject = told["subject"].as_str().unwrap();
        let agent = agents.iter().position(|(name, _)| subject.starts_with(name)).unwrap();
        let subject = format!("{} {}", agents[agent].0, expected[agent]);
        assert_eq!(told, mail("alice", seq, seq, "bob@example.org", &subject));
        expected[agent] += 1;
    }
}

#[test]
fn a_reader_shows_flags_and_moves_mail() {
    let Some(()) = skip_without(&["maildrop", "minc", "mflag", "mrefile"]) else { return };
    let fixture = Fixture::new();
    let (alice, bob) = (fixture.root.path().join("alice"), fixture.root.path().join("bob"));
    let mut ws = fixture.server.watch("alice");
    let mut other = fixture.server.watch("bob");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    assert_eq!(next_json(&mut other), hello("bob", 0, 0));
    let sender = "bob@example.org";
    for seq in 1..=3 {
        maildrop(&alice, &letter(sender, "s"));
        assert_eq!(next_json(&mut ws), mail("alice", seq, seq, sender, "s"));
    }
    let flag = |flag: &str, mail: &str| run(Command::new("mflag").args([flag, mail]), "");

    // The reader opens the mailbox: its mails go to `cur`, and nobody has seen them yet.
    let mails = run(Command::new("minc").arg(&alice), "");
    let mails: Vec<_> = mails.lines().collect();
    assert_eq!(mails.len(), 3, "{mails:?}");
    assert!(mails.iter().all(|mail| Path::new(mail).starts_with(alice.join("cur"))), "{mails:?}");
    let renamed = |mail: &str, flags: &str| format!("{mail}{flags}");
    flag("-S", mails[0]);
    assert_eq!(next_json(&mut ws), unseen("alice", 3, 2));
    flag("-R", &renamed(mails[0], "S"));
    flag("-F", mails[1]);
    flag("-S", &renamed(mails[1], "F"));
    assert_eq!(next_json(&mut ws), unseen("alice", 3, 1));
    flag("-s", &renamed(mails[1], "FS"));
    assert_eq!(next_json(&mut ws), unseen("alice", 3, 2));
    flag("-T", &renamed(mails[1], "F"));
    assert_eq!(next_json(&mut ws), unseen("alice", 3, 1));

    // What is filed in another mailbox is no new mail there.
    run(Command::new("mrefile").arg(mails[2]).arg(&bob), "");
    assert_eq!(next_json(&mut ws), unseen("alice", 3, 0));
    assert_eq!(next_json(&mut other), unseen("bob", 0, 1));
    maildrop(&alice, &letter(sender, "after all that"));
    assert_eq!(next_json(&mut ws), mail("alice", 4, 1, sender, "after all that"));
}
