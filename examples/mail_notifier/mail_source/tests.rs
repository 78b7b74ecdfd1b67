use std::path::PathBuf;

use mio::{Events, Poll, Token, Waker};
use tempfile::TempDir;

use super::*;
use crate::bus::{LocalBus, State, Subscriber};
use crate::mail_root::CHECK;
use crate::maildir::{self, Letter};

/// A mail root, its source, and somebody who listens to the bus.
struct Fixture {
    root: TempDir,
    poll: Poll,
    subscriber: Subscriber,
    ready: Vec<String>,
    /// The number of the last mail of each mailbox.
    seqs: HashMap<Arc<str>, u64>,
    /// The source, until it runs on a thread of its own.
    source: Option<MailSource>,
}

impl Fixture {
    /// The source of a root `mail` in a folder of its own, not running yet.
    fn new(prepare: impl FnOnce(&Path)) -> (Self, Vec<String>) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("above/mail")).unwrap();
        prepare(&root.path().join("above/mail"));
        let poll = Poll::new().unwrap();
        let bus = Arc::new(LocalBus::new(20));
        let source = MailSource::open(&root.path().join("above/mail"), bus.clone(), 20).unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (states, subscriber) = bus.subscribe(waker);
        let (ready, seqs) = (Vec::new(), HashMap::new());
        let mut fixture = Self { root, poll, subscriber, ready, seqs, source: Some(source) };
        let mut found: Vec<_> = states.iter().map(|state| fixture.describe(state)).collect();
        found.sort_unstable();
        (fixture, found)
    }

    /// The same, running.
    fn run(prepare: impl FnOnce(&Path)) -> (Self, Vec<String>) {
        let (mut fixture, found) = Self::new(prepare);
        fixture.start();
        (fixture, found)
    }

    fn start(&mut self) {
        let source = self.source.take().unwrap();
        std::thread::spawn(move || source.run());
    }

    /// Follows an event of one's own.
    fn follow(&mut self, path: &str, cause: Cause) {
        let hint = Hint::Paths { paths: vec![self.path(path)], cause };
        self.source.as_mut().unwrap().follow(&hint);
    }

    fn path(&self, relative: &str) -> PathBuf {
        let root = self.root.path().join("above/mail");
        if relative.is_empty() { root } else { root.join(relative) }
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Delivers a mail and returns its name.
    fn deliver(&self, user: &str, subject: &str) -> String {
        let letter = Letter { from: "Bob".into(), subject: subject.into(), text: String::new() };
        maildir::create(&self.path(user)).unwrap();
        let path = maildir::deliver(&self.path(user), user, &letter).unwrap();
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Waits for the next state, but not until the root is checked, and says what it says in a few words.
    fn next(&mut self) -> String {
        let mut events = Events::with_capacity(1);
        while self.ready.is_empty() {
            self.collect();
            if self.ready.is_empty() {
                self.poll.poll(&mut events, Some(CHECK / 2)).unwrap();
                assert!(!events.is_empty(), "nothing came");
            }
        }
        self.ready.remove(0)
    }

    fn collect(&mut self) {
        self.subscriber.begin();
        let states: Vec<_> = std::iter::from_fn(|| self.subscriber.next()).collect();
        for state in states {
            let line = self.describe(&state);
            self.ready.push(line);
        }
    }

    /// Waits for a state that begins like this, whatever comes before it.
    fn wait_for(&mut self, state: &str) {
        while !self.next().starts_with(state) {}
    }

    /// What the source, which does not run, says of what it noticed so far; sorted.
    fn said(&mut self) -> Vec<String> {
        assert!(self.source.as_mut().unwrap().publish().is_ok());
        self.collect();
        self.ready.sort_unstable();
        std::mem::take(&mut self.ready)
    }

    fn describe(&mut self, state: &State) -> String {
        let State { mailbox, exists, seq, unseen, recent } = state;
        let before = self.seqs.insert(mailbox.clone(), *seq);
        let what = match recent.last() {
            _ if !exists => "gone",
            Some(mail) if before != Some(*seq) => &mail.subject,
            _ => "-",
        };
        format!("{mailbox} {seq} {unseen} {what}")
    }
}

fn alice(root: &Path) {
    maildir::create(&root.join("alice")).unwrap();
}

#[test]
fn mail_at_the_start_is_counted() {
    let (_fixture, found) = Fixture::run(|root| {
        for folder in ["alice/new/folder", "alice/cur", "bob/new", "carol/cur", ".hidden/new"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["alice/new/1", "alice/new/.2", "alice/cur/3:2,", "alice/cur/4:2,S", "file"] {
            fs::write(root.join(file), "").unwrap();
        }
    });
    assert_eq!(found, ["alice 2 2 (no subject)", "bob 0 0 -"]);
}

#[test]
fn mail_arrives_is_read_and_is_removed() {
    let (mut fixture, _) = Fixture::run(alice);
    let one = fixture.deliver("alice", "one");
    assert_eq!(fixture.next(), "alice 1 1 one");
    let two = fixture.deliver("alice", "two");
    assert_eq!(fixture.next(), "alice 2 2 two");
    let (new, cur) = (format!("alice/new/{one}"), format!("alice/cur/{one}"));
    fixture.rename(&new, &format!("{cur}:2,"));
    fixture.rename(&format!("{cur}:2,"), &format!("{cur}:2,S"));
    assert_eq!(fixture.next(), "alice 2 1 -");
    fixture.rename(&format!("{cur}:2,S"), &format!("{cur}:2,R"));
    assert_eq!(fixture.next(), "alice 2 2 -");
    fs::remove_file(fixture.path(&format!("alice/new/{two}"))).unwrap();
    assert_eq!(fixture.next(), "alice 2 1 -");
    fixture.deliver("alice", "three");
    assert_eq!(fixture.next(), "alice 3 2 three");
}

#[test]
fn mail_that_is_moved_on_at_once_is_announced_once() {
    let (mut fixture, _) = Fixture::run(alice);
    for count in 1..=100 {
        let name = fixture.deliver("alice", &format!("mail {count}"));
        fixture.rename(&format!("alice/new/{name}"), &format!("alice/cur/{name}:2,"));
        assert_eq!(fixture.next(), format!("alice {count} {count} mail {count}"));
    }
}

#[test]
fn other_ways_to_put_a_file_into_new() {
    let (mut fixture, _) = Fixture::run(alice);
    fs::write(fixture.path("alice/tmp/1"), "Subject: linked\n\n").unwrap();
    fs::hard_link(fixture.path("alice/tmp/1"), fixture.path("alice/new/1")).unwrap();
    assert_eq!(fixture.next(), "alice 1 1 linked");
    fs::write(fixture.path("alice/new/2"), "Subject: written in place\n\n").unwrap();
    assert_eq!(fixture.next(), "alice 2 2 written in place");
    fs::write(fixture.path("alice/new/3"), "").unwrap();
    assert_eq!(fixture.next(), "alice 3 3 (no subject)");
    fs::create_dir(fixture.path("alice/new/folder")).unwrap();
    fs::write(fixture.path("alice/new/.hidden"), "Subject: hidden\n\n").unwrap();
    fixture.deliver("alice", "the last");
    assert_eq!(fixture.next(), "alice 4 4 the last");
}

#[test]
fn mailboxes_come_and_go() {
    let (mut fixture, found) = Fixture::run(|_| {});
    assert!(found.is_empty());
    // Whether it is counted with the folder or announced after it depends on who is quicker.
    fixture.deliver("alice", "with the folder");
    fixture.wait_for("alice 1 1 ");
    fixture.deliver("alice", "after it");
    fixture.wait_for("alice 2 2 after it");

    fixture.rename("alice", "bob");
    fixture.wait_for("alice 2 0 gone");
    fixture.wait_for("bob 2 2 ");
    fixture.deliver("bob", "under the new name");
    fixture.wait_for("bob 3 3 under the new name");

    fs::remove_dir_all(fixture.path("bob")).unwrap();
    fixture.wait_for("bob 3 0 gone");
    fixture.deliver("bob", "back again");
    fixture.wait_for("bob 4 1 back again");
    fixture.deliver("bob", "and still watched");
    fixture.wait_for("bob 5 2 and still watched");
}

#[test]
fn a_folder_cur_that_comes_later_is_watched() {
    let (mut fixture, _) = Fixture::run(|root| fs::create_dir_all(root.join("alice/new")).unwrap());
    fs::create_dir(fixture.path("alice/cur")).unwrap();
    let name = fixture.deliver("alice", "one");
    assert_eq!(fixture.next(), "alice 1 1 one");
    fixture.rename(&format!("alice/new/{name}"), &format!("alice/cur/{name}:2,S"));
    assert_eq!(fixture.next(), "alice 1 0 -");
    fixture.rename(&format!("alice/cur/{name}:2,S"), &format!("alice/cur/{name}:2,"));
    assert_eq!(fixture.next(), "alice 1 1 -");
}

#[test]
fn the_root_goes_and_comes_back() {
    let (mut fixture, _) = Fixture::run(|root| {
        alice(root);
        fs::write(root.join("alice/new/1"), "Subject: old\n\n").unwrap();
    });
    let away = fixture.root.path().join("away");
    fs::rename(fixture.path(""), &away).unwrap();
    assert_eq!(fixture.next(), "alice 1 0 gone");
    fs::write(away.join("alice/new/2"), "Subject: meanwhile\n\n").unwrap();
    fs::rename(away, fixture.path("")).unwrap();
    assert_eq!(fixture.next(), "alice 1 1 -");
    assert_eq!(fixture.next(), "alice 2 2 meanwhile");

    fs::remove_dir_all(fixture.path("")).unwrap();
    fixture.wait_for("alice 2 0 gone");
    fixture.deliver("alice", "all new");
    fixture.wait_for("alice 3 1 all new");
    fixture.deliver("alice", "and watched");
    fixture.wait_for("alice 4 2 and watched");
}

#[test]
fn without_any_event_the_root_is_checked() {
    let (mut fixture, _) = Fixture::new(alice);
    let check = |fixture: &mut Fixture, expected: &[&str]| {
        let due = fixture.source.as_ref().unwrap().root.next_check();
        for (now, expected) in [(due - Duration::from_millis(1), &[][..]), (due, expected)] {
            fixture.source.as_mut().unwrap().check(now);
            assert_eq!(fixture.said(), expected);
        }
    };
    let (above, elsewhere) = (fixture.root.path().join("above"), fixture.root.path().join("b"));
    fs::rename(&above, &elsewhere).unwrap();
    check(&mut fixture, &["alice 0 0 gone"]);
    check(&mut fixture, &[]);
    fs::rename(&elsewhere, &above).unwrap();
    check(&mut fixture, &["alice 0 0 -"]);
}

#[test]
fn a_mailbox_in_trouble_is_looked_at_from_time_to_time() {
    let (mut fixture, _) = Fixture::new(alice);
    fixture.deliver("alice", "while it could not be read");
    let source = fixture.source.as_mut().unwrap();
    source.mailboxes.get_mut("alice").unwrap().trouble(&"in this test");
    let due = source.root.next_check();
    source.check(due);
    assert!(!source.mailboxes["alice"].is_in_trouble());
    source.publish().unwrap();
    assert_eq!(fixture.said(), ["alice 1 1 while it could not be read"]);
}

#[test]
fn after_an_overflow_everything_is_looked_at() {
    let (mut fixture, _) = Fixture::new(|root| {
        for file in ["alice/new/1", "bob/new/1", "carol/new/1"] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "Subject: old\n\n").unwrap();
        }
    });
    fs::write(fixture.path("alice/new/2"), "Subject: new\n\n").unwrap();
    fs::remove_file(fixture.path("bob/new/1")).unwrap();
    fs::remove_dir_all(fixture.path("carol")).unwrap();
    // None of the events of these changes is read, as if they were lost.
    fixture.source.as_mut().unwrap().follow(&Hint::Everything);
    assert_eq!(fixture.said(), ["alice 2 2 new", "carol 1 0 gone"]);
    fixture.source.as_mut().unwrap().settle(Instant::now() + SETTLE);
    assert_eq!(fixture.said(), ["bob 1 0 -"]);
}

#[test]
fn after_an_overflow_a_mailbox_has_another_name() {
    let (mut fixture, _) = Fixture::new(alice);
    fixture.rename("alice", "bob");
    let source = fixture.source.as_mut().unwrap();
    // This takes until the thread that reads the events has read all.
    for _ in 0..2 {
        source.watch.remove(Path::new("/nowhere"));
    }
    while source.watch.next(Duration::ZERO).unwrap().is_some() {}
    source.follow(&Hint::Everything);
    assert_eq!(fixture.said(), ["alice 0 0 gone", "bob 0 0 -"]);
    fixture.start();
    fixture.deliver("bob", "under the new name");
    assert_eq!(fixture.next(), "bob 1 1 under the new name");
}

#[test]
fn folders_that_are_replaced_are_watched() {
    let (mut fixture, _) = Fixture::run(alice);
    let one = fixture.deliver("alice", "one");
    assert_eq!(fixture.next(), "alice 1 1 one");
    let seen = format!("alice/cur/{one}:2,S");
    fixture.rename("alice/cur", "alice/old cur");
    fixture.rename("alice/new", "alice/old new");
    assert_eq!(fixture.next(), "alice 1 0 gone");
    fs::create_dir(fixture.path("alice/new")).unwrap();
    fixture.wait_for("alice 1 0 -");
    let two = fixture.deliver("alice", "two");
    assert_eq!(fixture.next(), "alice 2 1 two");
    fixture.rename(&format!("alice/new/{two}"), &format!("alice/cur/{two}:2,S"));
    assert_eq!(fixture.next(), "alice 2 0 -");
    fixture.rename(&format!("alice/old new/{one}"), &seen);
    fixture.rename(&seen, &format!("alice/cur/{one}:2,"));
    assert_eq!(fixture.next(), "alice 2 1 -");
}

#[test]
fn an_event_about_a_file_leads_to_that_file_alone() {
    let (mut fixture, _) = Fixture::new(alice);
    for file in ["1", "2"] {
        fs::write(fixture.path("alice/new").join(file), "Subject: s\n\n").unwrap();
    }
    fixture.follow("alice/new/2", Cause::Other);
    assert_eq!(fixture.said(), ["alice 1 1 s"]);
    for path in ["", "alice", "alice/new", "alice/new/1"] {
        fixture.follow(path, Cause::Attributes);
        assert!(fixture.said().is_empty(), "{path}");
    }
    fixture.follow("alice/new", Cause::Other);
    assert_eq!(fixture.said(), ["alice 2 2 s"]);
}

#[test]
fn a_file_that_was_just_made_may_not_be_written_yet() {
    let (mut fixture, _) = Fixture::new(alice);
    fs::write(fixture.path("alice/new/1"), "").unwrap();
    fixture.follow("alice/new/1", Cause::Made);
    assert!(fixture.said().is_empty());
    fs::write(fixture.path("alice/new/1"), "Subject: written\n\n").unwrap();
    fixture.follow("alice/new/1", Cause::Other);
    assert_eq!(fixture.said(), ["alice 1 1 written"]);
}

#[test]
fn a_mail_with_another_base_name_is_not_announced_again() {
    let (mut fixture, _) = Fixture::run(alice);
    let name = fixture.deliver("alice", "one");
    assert_eq!(fixture.next(), "alice 1 1 one");
    fixture.rename(&format!("alice/new/{name}"), &format!("alice/new/{name},U=1:2,"));
    // What comes from another mailbox is new here.
    fs::create_dir_all(fixture.path("bob/new")).unwrap();
    assert_eq!(fixture.next(), "bob 0 0 -");
    fixture.rename(&format!("alice/new/{name},U=1:2,"), "bob/new/2");
    assert_eq!(fixture.next(), "bob 1 1 one");
    assert_eq!(fixture.next(), "alice 1 0 -");
}

#[test]
fn a_mailbox_that_cannot_be_read_is_found_when_it_can() {
    let (mut fixture, found) = Fixture::run(|root| {
        fs::create_dir_all(root.join("alice/new")).unwrap();
        std::os::unix::fs::symlink("cur", root.join("alice/cur")).unwrap();
        maildir::create(&root.join("bob")).unwrap();
    });
    assert_eq!(found, ["bob 0 0 -"]);
    fixture.deliver("bob", "for bob");
    assert_eq!(fixture.next(), "bob 1 1 for bob");
    fs::remove_file(fixture.path("alice/cur")).unwrap();
    assert_eq!(fixture.next(), "alice 0 0 -");
    fixture.deliver("alice", "for alice");
    assert_eq!(fixture.next(), "alice 1 1 for alice");
}

#[test]
fn a_root_that_cannot_be_read_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [root.path().join("missing"), file] {
        let failure = MailSource::open(&path, Arc::new(LocalBus::new(1)), 1).err().unwrap();
        let failure = failure.to_string();
        assert!(failure.starts_with("cannot read the mail root"), "{failure}");
        assert!(failure.contains(path.file_name().unwrap().to_str().unwrap()), "{failure}");
    }
}
