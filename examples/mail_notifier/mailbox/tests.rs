use tempfile::TempDir;

use super::*;
use crate::mail_file;

/// A mailbox on the disk, and what is known about it. Nothing is noticed by itself: a test says
/// where to look, and so in which order events come.
struct Fixture {
    folder: TempDir,
    mailbox: Mailbox,
}

impl Fixture {
    /// A mailbox with these mails, which were told.
    fn new(mails: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut fixture = Self { folder, mailbox: Mailbox::new("a".into()) };
        fixture.make();
        mails.iter().for_each(|mail| fixture.write(mail));
        fixture.compare();
        fixture.told();
        fixture
    }

    fn make(&self) {
        ["new", "cur"].iter().for_each(|name| fs::create_dir(self.path(name)).unwrap());
    }

    fn path(&self, relative: &str) -> std::path::PathBuf {
        self.folder.path().join(relative)
    }

    fn write(&self, file: &str) {
        fs::write(self.path(file), format!("Subject: {file}\n\n")).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn compare(&mut self) {
        let found = mail_file::list(self.folder.path()).unwrap();
        match found {
            Some(found) => self.mailbox.compare(self.folder.path(), found, 2),
            None => self.mailbox.gone(),
        }
    }

    /// Follows an event about a file.
    fn event(&mut self, file: &str) {
        self.mailbox.look_at(self.folder.path(), &parse(file), None).unwrap();
    }

    /// Follows the second event about a rename.
    fn moved(&mut self, from: &str, to: &str) {
        let (from, to) = (parse(from), parse(to));
        self.mailbox.look_at(self.folder.path(), &to, Some(&from)).unwrap();
    }

    fn settle(&mut self) {
        self.mailbox.settle(Instant::now() + SETTLE);
        assert!(!self.mailbox.is_unsettled());
    }

    /// What there is to tell, in short.
    fn told(&mut self) -> String {
        let mut changes = Vec::new();
        self.mailbox.tell(&mut changes);
        let told = changes.iter().map(|change| match change {
            Change::Mail { mail, unseen, .. } => {
                format!("{} {}", mail.subject, unseen.unwrap())
            }
            Change::Unseen { unseen, .. } | Change::Found { unseen, .. } => unseen.to_string(),
            Change::Gone { .. } => "gone".to_owned(),
        });
        told.collect::<Vec<_>>().join(", ")
    }
}

fn parse(file: &str) -> MailFile<'_> {
    let (folder, name) = file.split_once('/').unwrap();
    MailFile::parse(Folder::named(OsStr::new(folder)).unwrap(), OsStr::new(name)).unwrap()
}

#[test]
fn a_mail_is_read_and_becomes_unread() {
    let mut mailbox = Fixture::new(&["new/1", "new/2"]);
    for (from, to, expected) in [
        ("new/1", "cur/1:2,S", "1"),
        ("cur/1:2,S", "cur/1:2,RS", ""),
        ("cur/1:2,RS", "cur/1:2,R", "2"),
        ("cur/1:2,R", "cur/1:2,RT", "1"),
        ("cur/1:2,RT", "cur/1:2,", "2"),
        ("cur/1:2,", "cur/1;2,S", "1"),
        ("new/2", "cur/2:2,", ""),
        ("cur/2:2,", "cur/2:2,F", ""),
        ("cur/2:2,F", "cur/2:2,FS", "0"),
    ] {
        mailbox.rename(from, to);
        mailbox.event(from);
        assert_eq!(mailbox.told(), "", "after half of {from} -> {to}");
        mailbox.moved(from, to);
        assert_eq!(mailbox.told(), expected, "{from} -> {to}");
        mailbox.settle();
        assert_eq!(mailbox.told(), "", "{from} -> {to}");
    }
}

#[test]
fn a_mail_that_is_gone_counts_until_it_is_sure() {
    let mut mailbox = Fixture::new(&["new/1", "cur/2:2,", "cur/3:2,S"]);
    for (file, expected) in [("new/1", "1"), ("cur/2:2,", "0"), ("cur/3:2,S", "")] {
        fs::remove_file(mailbox.path(file)).unwrap();
        mailbox.event(file);
        assert_eq!(mailbox.told(), "");
        mailbox.mailbox.settle(Instant::now());
        assert_eq!(mailbox.told(), "");
        mailbox.settle();
        assert_eq!(mailbox.told(), expected, "{file}");
    }
}

#[test]
fn only_what_comes_to_new_is_announced() {
    let mut mailbox = Fixture::new(&[]);
    for (file, expected) in
        [("new/1", "new/1 1"), ("cur/2:2,", "2"), ("cur/3:2,S", ""), ("new/4:2,S", "new/4:2,S 3")]
    {
        mailbox.write(file);
        mailbox.event(file);
        assert_eq!(mailbox.told(), expected, "{file}");
        mailbox.event(file);
        assert_eq!(mailbox.told(), "", "{file}, twice");
    }
}

#[test]
fn a_batch_ends_with_the_right_count() {
    let mut mailbox = Fixture::new(&["new/1", "new/2"]);
    mailbox.write("new/3");
    mailbox.event("new/3");
    mailbox.rename("new/1", "cur/1:2,S");
    mailbox.moved("new/1", "cur/1:2,S");
    mailbox.write("new/4");
    mailbox.event("new/4");
    assert_eq!(mailbox.told(), "new/3 2, new/4 3");
}

#[test]
fn what_moves_within_the_mailbox_is_not_announced() {
    let mut mailbox = Fixture::new(&["cur/1:2,S", "cur/2:2,", "new/3", "new/4"]);
    for (from, to, expected) in [
        ("cur/1:2,S", "new/1", "4"),
        ("cur/2:2,", "new/2", ""),
        // Some programs give a mail another base name.
        ("new/3", "new/3,U=7:2,", ""),
        ("new/4", "cur/4,U=8:2,S", "3"),
    ] {
        mailbox.rename(from, to);
        mailbox.event(from);
        mailbox.moved(from, to);
        assert_eq!(mailbox.told(), expected, "{from} -> {to}");
        mailbox.settle();
        assert_eq!(mailbox.told(), "", "{from} -> {to}");
    }
}

#[test]
fn what_is_moved_on_at_once_is_announced() {
    let mut mailbox = Fixture::new(&[]);
    for (name, moved_to, expected) in [
        ("new/1", "cur/1:2,S", "cur/1:2,S 0"),
        ("new/2", "cur/2:2,", "cur/2:2, 1"),
        ("new/3", "cur/3:2,S", "cur/3:2,S 1"),
        ("new/4", "cur/4,U=1:2,", "cur/4,U=1:2, 2"),
    ] {
        mailbox.write(moved_to);
        // It was made in `new`, and moved before anybody looked.
        mailbox.event(name);
        mailbox.event(name);
        assert_eq!(mailbox.told(), "");
        mailbox.moved(name, moved_to);
        assert_eq!(mailbox.told(), expected);
        mailbox.event(moved_to);
        mailbox.settle();
        assert_eq!(mailbox.told(), "");
    }
    mailbox.event("new/5");
    mailbox.settle();
    assert_eq!(mailbox.told(), "", "it came and went");
    // What came to `cur` from elsewhere is not announced either way.
    mailbox.write("cur/6:2,F");
    mailbox.event("cur/6:2,");
    mailbox.moved("cur/6:2,", "cur/6:2,F");
    assert_eq!(mailbox.told(), "3");
}

#[test]
fn events_may_be_late() {
    let mut mailbox = Fixture::new(&["new/1"]);
    mailbox.rename("new/1", "cur/1:2,");
    mailbox.compare();
    mailbox.event("new/1");
    mailbox.settle();
    assert_eq!(mailbox.told(), "");
    mailbox.moved("new/1", "cur/1:2,");
    mailbox.rename("cur/1:2,", "cur/1:2,F");
    mailbox.event("cur/1:2,F");
    mailbox.event("cur/1:2,");
    mailbox.settle();
    assert_eq!(mailbox.told(), "");
}

#[test]
fn a_list_tells_what_events_did_not() {
    let mut mailbox = Fixture::new(&["new/1", "new/2", "new/3", "cur/4:2,S"]);
    ["7", "9", "5", "8", "6"].iter().for_each(|name| mailbox.write(&format!("new/{name}")));
    mailbox.rename("new/1", "cur/1:2,");
    mailbox.rename("new/2", "cur/2:2,S");
    fs::remove_file(mailbox.path("new/3")).unwrap();
    mailbox.compare();
    let arrivals = "new/5 4, new/6 5, new/7 6, new/8 7, new/9 8";
    assert_eq!(mailbox.told(), arrivals, "two others may be on their way");
    mailbox.settle();
    assert_eq!(mailbox.told(), "6");
}

#[test]
fn a_mailbox_goes_and_comes_back() {
    let mut mailbox = Fixture::new(&["new/1", "new/2"]);
    mailbox.rename("new", "old");
    mailbox.rename("cur", "other");
    mailbox.compare();
    assert_eq!(mailbox.told(), "gone");
    mailbox.event("new/2");
    mailbox.compare();
    assert_eq!(mailbox.told(), "");

    mailbox.make();
    mailbox.rename("old/2", "new/2");
    mailbox.write("new/3");
    mailbox.compare();
    assert_eq!(mailbox.told(), "1, new/3 2");
}

#[test]
fn links_that_lead_nowhere_are_no_mails() {
    let mut mailbox = Fixture::new(&[]);
    for (target, name) in [("nowhere", "new/1"), ("2", "new/2"), ("..", "new/3")] {
        std::os::unix::fs::symlink(target, mailbox.path(name)).unwrap();
        mailbox.event(name);
    }
    assert_eq!(mailbox.told(), "");
}

#[test]
fn what_cannot_be_known_changes_nothing() {
    let mut mailbox = Fixture::new(&["cur/1:2,"]);
    mailbox.rename("cur", "old");
    std::os::unix::fs::symlink("cur", mailbox.path("cur")).unwrap();
    assert!(mailbox.mailbox.look_at(mailbox.folder.path(), &parse("cur/1:2,"), None).is_err());
    mailbox.settle();
    assert_eq!(mailbox.told(), "");
}

#[test]
fn what_is_there_at_first_is_told_with_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture { folder, mailbox: Mailbox::new("a".into()) };
    fixture.make();
    ["new/1", "cur/3:2,S", "cur/2:2,", "new/4"].iter().for_each(|mail| fixture.write(mail));
    fixture.compare();
    let mut changes = Vec::new();
    fixture.mailbox.tell(&mut changes);
    let [Change::Found { unseen: 3, mails, .. }] = &changes[..] else { panic!("{changes:?}") };
    let subjects: Vec<_> = mails.iter().map(|mail| &*mail.subject).collect();
    assert_eq!(subjects, ["cur/2:2,", "new/4"]);
}
