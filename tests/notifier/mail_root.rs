//! A mail root in a bad state: what the log says, and that the others miss nothing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Server, hello, mail, make_mailbox, next_json, program, unseen, wait_until};

/// A server with its log in a file, on a mail root that may be taken away.
struct Fixture {
    folder: TempDir,
    server: Server,
}

impl Fixture {
    fn new(prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("mail");
        ["alice", "bob"].iter().for_each(|user| make_mailbox(&root, user));
        prepare(&root);
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program());
        command.args(["127.0.0.1:0", "--demo", "--shards", "1", "--mail"]).arg(&root).stderr(log);
        Self { server: Server::start(&mut command), folder }
    }

    fn path(&self, relative: &str) -> PathBuf {
        let root = self.folder.path().join("mail");
        if relative.is_empty() { root } else { root.join(relative) }
    }

    fn put(&self, user: &str, name: &str) {
        let mail = format!("Subject: {name}\n\n");
        fs::write(self.path(&format!("{user}/tmp/{name}")), mail).unwrap();
        let new = self.path(&format!("{user}/new/{name}"));
        fs::rename(self.path(&format!("{user}/tmp/{name}")), new).unwrap();
    }

    /// The lines of the log with this word, without their time, when there are so many: a thread
    /// of its own writes them.
    fn log(&self, word: &str, count: usize) -> Vec<String> {
        let lines = || -> Vec<String> {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
            let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let lines = lines.filter(|line| line.contains(word));
            lines.map(|line| line.trim_end().split_once(' ').unwrap().1.to_owned()).collect()
        };
        wait_until("it is in the log", || lines().len() >= count);
        lines()
    }
}

fn told(mailbox: &str, seq: u64, count: u64, subject: &str) -> serde_json::Value {
    mail(mailbox, seq, count, "(unknown sender)", subject)
}

#[test]
fn the_root_disappears_and_comes_back() {
    let fixture = Fixture::new(|_| {});
    let mut ws = fixture.server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    fixture.put("alice", "1");
    assert_eq!(next_json(&mut ws), told("alice", 1, 1, "1"));

    let away = fixture.folder.path().join("away");
    fs::rename(fixture.path(""), &away).unwrap();
    wait_until("bob is gone", || fixture.server.status("/ws?mailbox=bob", "") == "404");
    // What is there instead is not said again.
    fs::write(fixture.path(""), "").unwrap();
    fs::remove_file(fixture.path("")).unwrap();
    // Mail that is delivered there while nobody can see it is announced when it is back.
    fs::write(away.join("alice/new/2"), "Subject: 2\n\n").unwrap();
    fs::rename(&away, fixture.path("")).unwrap();
    while next_json(&mut ws) != told("alice", 2, 2, "2") {}
    fixture.put("alice", "3");
    assert_eq!(next_json(&mut ws), told("alice", 3, 3, "3"));
    let mut bob = fixture.server.watch("bob");
    assert_eq!(next_json(&mut bob), hello("bob", 0, 0));

    let (gone, back) = (fixture.log("mail_root_gone", 1), fixture.log("mail_root_back", 1));
    assert_eq!((gone.len(), back.len()), (1, 1), "{gone:?} {back:?}");
    assert!(gone[0].starts_with("warn ") && gone[0].contains("/mail "), "{gone:?}");
    assert!(back[0].starts_with("info "), "{back:?}");
}

#[test]
fn a_mailbox_that_cannot_be_read_is_said_once() {
    let break_folder = |path: PathBuf| {
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink(&path, &path).unwrap();
    };
    let fixture = Fixture::new(|root| break_folder(root.join("alice/new")));
    assert_eq!(fixture.server.status("/ws?mailbox=alice", ""), "404");
    let mut ws = fixture.server.watch("bob");
    assert_eq!(next_json(&mut ws), hello("bob", 0, 0));
    break_folder(fixture.path("alice/cur"));
    break_folder(fixture.path("alice/tmp"));
    fs::write(fixture.path("bob/cur/1:2,"), "").unwrap();
    assert_eq!(next_json(&mut ws), unseen("bob", 0, 1));
    let said = fixture.log("mailbox_", 1);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("warn mailbox_unreadable mailbox=alice error="), "{said:?}");

    fs::remove_file(fixture.path("alice/cur")).unwrap();
    fs::create_dir(fixture.path("alice/cur")).unwrap();
    // In one step: a mailbox is gone while it has no `new`, and then its trouble is as well.
    let (whole, link) = (fixture.folder.path().join("whole"), fixture.folder.path().join("link"));
    fs::create_dir(&whole).unwrap();
    std::os::unix::fs::symlink(&whole, &link).unwrap();
    fs::rename(&link, fixture.path("alice/new")).unwrap();
    fs::write(fixture.path("bob/cur/2:2,"), "").unwrap();
    assert_eq!(next_json(&mut ws), unseen("bob", 0, 2));
    let mut alice = fixture.server.watch("alice");
    assert_eq!(next_json(&mut alice), hello("alice", 0, 0));
    let said = fixture.log("mailbox_", 2);
    assert_eq!(said[1..], ["info mailbox_back mailbox=alice"]);

    // The next trouble is another one.
    break_folder(fixture.path("alice/cur"));
    fs::write(fixture.path("bob/cur/3:2,"), "").unwrap();
    assert_eq!(next_json(&mut ws), unseen("bob", 0, 3));
    assert_eq!(fixture.log("mailbox_", 3).len(), 3);
}
