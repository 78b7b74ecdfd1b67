//! The mail source: watches `ROOT/USER/new` for every user and publishes what changes there.
//!
//! A mailbox is a folder of ROOT that has a folder `new`. Each file in `new` counts as unseen: a
//! mail reader that shows it moves it to `cur`. Mail that is there at the start is counted, not
//! announced.
//!
//! Events of the file system are only hints where to look: what counts is what is found there. So
//! an event that comes twice, late or not at all (the queue overflowed: everything is looked at
//! again) cannot make the count wrong. Folders are watched one by one instead of recursively,
//! because only then is it certain that a folder is watched *before* it is listed, and `tmp` is
//! spared.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bus::{Publisher, Update};
use crate::failure::{Context, Failure};
use crate::mail::Mail;
use crate::maildir::{self, is_hidden};
use crate::watch::{Hint, Watch, WatchError};

/// All mailboxes below one root, and the watches on them.
pub struct MailSource {
    root: PathBuf,
    watch: Watch,
    mailboxes: HashMap<Arc<str>, Mailbox>,
}

/// What is known of one mailbox.
#[derive(Default)]
struct Mailbox {
    exists: bool,
    seq: u64,
    /// The names of the files in `new`.
    unseen: HashSet<OsString>,
}

impl MailSource {
    /// Watches and counts all mailboxes below `root`.
    ///
    /// # Errors
    /// When `root` cannot be read or the system has no watches left. A single mailbox that cannot
    /// be read is a warning.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        let cannot_read = || format!("cannot read the mail root {}", root.display());
        let root = fs::canonicalize(root).context(cannot_read)?;
        let mut source = Self { root, watch: Watch::new()?, mailboxes: HashMap::new() };
        match source.watch.add(&source.root) {
            Err(WatchError::Other(error)) => return Err(error).context(cannot_read),
            Err(WatchError::NoWatchesLeft) => return Err(no_watches_left("the mail root")),
            Err(WatchError::Missing) | Ok(()) => {}
        }
        for user in source.users().context(cannot_read)? {
            source.watch_mailbox(&user)?;
            source.count(&user);
        }
        Ok(source)
    }

    /// The present state of every mailbox.
    pub fn updates(&self) -> impl Iterator<Item = Update> {
        self.mailboxes.iter().map(|(user, mailbox)| mailbox.update(user, None))
    }

    /// Publishes every change until nobody listens any more.
    pub fn run(mut self, publisher: &Publisher) {
        while let Some(hint) = self.watch.next() {
            if self.follow(&hint, publisher).is_err() {
                return;
            }
        }
    }

    /// Looks where a hint points to.
    fn follow(&mut self, hint: &Hint, publisher: &Publisher) -> io::Result<()> {
        let Hint::Paths { paths, are_new } = hint else { return self.look_everywhere(publisher) };
        for path in paths {
            let Ok(place) = path.strip_prefix(&self.root) else { continue };
            let place: Vec<_> = place.iter().collect();
            match place[..] {
                [] => self.look_everywhere(publisher)?,
                [user] => self.look_at_mailbox(user, publisher)?,
                [user, folder] if folder == "new" => self.look_at_mailbox(user, publisher)?,
                // Who writes in place, against the rules of Maildir, has only begun: more comes.
                [_, _, _] if *are_new && fs::metadata(path).is_ok_and(|file| file.len() == 0) => {}
                [user, folder, file] if folder == "new" => {
                    self.look_at_file(user, file, publisher)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Compares one file in `new` with what is known about it.
    fn look_at_file(
        &mut self,
        user: &OsStr,
        file: &OsStr,
        publisher: &Publisher,
    ) -> io::Result<()> {
        let Some((user, mailbox)) = known(&mut self.mailboxes, user) else { return Ok(()) };
        let path = self.root.join(&*user).join("new").join(file);
        match fs::metadata(&path) {
            Ok(found) if found.is_file() && !is_hidden(file) => {
                if mailbox.unseen.contains(file) {
                    return Ok(());
                }
                let update = mailbox.arrived(&user, file, &path);
                update.map_or(Ok(()), |update| publisher.publish(update))
            }
            _ if mailbox.unseen.remove(file) => publisher.publish(mailbox.update(&user, None)),
            _ => Ok(()),
        }
    }

    /// Watches a mailbox anew, since its folders may be other ones now, and looks at all its files.
    fn look_at_mailbox(&mut self, user: &OsStr, publisher: &Publisher) -> io::Result<()> {
        let Some(user) = mailbox_name(user) else { return Ok(()) };
        if let Err(failure) = self.watch_mailbox(&user) {
            eprintln!("mail_notifier: {failure}");
        }
        if !self.mailboxes.contains_key(&user) {
            // Nobody can watch it yet, so what it holds is counted like mail at the start.
            self.count(&user);
            return self
                .mailboxes
                .get(&user)
                .map_or(Ok(()), |new| publisher.publish(new.update(&user, None)));
        }
        let Some(mailbox) = self.mailboxes.get_mut(&user) else { return Ok(()) };
        let folder = self.root.join(&*user).join("new");
        let found = match maildir::list(&folder) {
            Ok(found) => found,
            Err(error) => {
                eprintln!("mail_notifier: cannot read {}: {error}", folder.display());
                return Ok(());
            }
        };
        let before = (mailbox.exists, mailbox.unseen.len());
        mailbox.exists = found.is_some();
        let found = found.unwrap_or_default();
        mailbox.unseen.retain(|file| found.contains(file));
        if before != (mailbox.exists, mailbox.unseen.len()) {
            publisher.publish(mailbox.update(&user, None))?;
        }
        let mut arrivals: Vec<_> =
            found.into_iter().filter(|file| !mailbox.unseen.contains(file)).collect();
        // Maildir names begin with the time of delivery.
        arrivals.sort_unstable();
        for file in arrivals {
            if let Some(update) = mailbox.arrived(&user, &file, &folder.join(&file)) {
                publisher.publish(update)?;
            }
        }
        Ok(())
    }

    /// Looks at all mailboxes, first at those that are gone: a renamed folder keeps its watch, and
    /// giving up the old name must not take the watch away from the new one.
    fn look_everywhere(&mut self, publisher: &Publisher) -> io::Result<()> {
        // Without a root there is nothing to watch, and its list is empty.
        let _ = self.watch.add(&self.root);
        let users = match self.users() {
            Ok(users) => users,
            Err(error) if error.kind() == ErrorKind::NotFound => HashSet::new(),
            Err(error) => {
                eprintln!("mail_notifier: cannot read the mail root: {error}");
                return Ok(());
            }
        };
        let gone: Vec<_> =
            self.mailboxes.keys().filter(|user| !users.contains(*user)).cloned().collect();
        for user in gone.into_iter().chain(users) {
            self.look_at_mailbox(OsStr::new(&*user), publisher)?;
        }
        Ok(())
    }

    /// Notes the files of a mailbox without announcing them, if it is one.
    fn count(&mut self, user: &Arc<str>) {
        let folder = self.root.join(&**user).join("new");
        match maildir::list(&folder) {
            Ok(Some(unseen)) => {
                let mailbox = Mailbox { exists: true, seq: unseen.len() as u64, unseen };
                self.mailboxes.insert(user.clone(), mailbox);
            }
            Ok(None) => {}
            Err(error) => eprintln!("mail_notifier: cannot read {}: {error}", folder.display()),
        }
    }

    /// The names of all folders in the root that could be mailboxes.
    fn users(&self) -> io::Result<HashSet<Arc<str>>> {
        let entries = fs::read_dir(&self.root)?.flatten();
        Ok(entries.filter_map(|entry| mailbox_name(&entry.file_name())).collect())
    }

    /// Watches the folder of a user, where `new` may come and go, and then `new`. What concerns
    /// only this user is a warning, and folders that are missing are none.
    fn watch_mailbox(&mut self, user: &str) -> Result<(), Failure> {
        let folder = self.root.join(user);
        let new = folder.join("new");
        if !folder.is_dir() {
            self.watch.remove(&new);
            self.watch.remove(&folder);
            return Ok(());
        }
        for folder in [folder, new] {
            match self.watch.add(&folder) {
                Ok(()) | Err(WatchError::Missing) => {}
                Err(WatchError::NoWatchesLeft) => return Err(no_watches_left(user)),
                Err(WatchError::Other(error)) => {
                    eprintln!("mail_notifier: cannot watch the mailbox {user}: {error}");
                }
            }
        }
        Ok(())
    }
}

impl Mailbox {
    /// Counts a mail and reads what to say about it; nothing if it is gone again.
    fn arrived(&mut self, user: &Arc<str>, file: &OsStr, path: &Path) -> Option<Update> {
        let mail = match Mail::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            mail => mail.unwrap_or_else(|_| Mail::unreadable()),
        };
        self.unseen.insert(file.to_owned());
        self.seq += 1;
        Some(self.update(user, Some(mail)))
    }

    fn update(&self, user: &Arc<str>, mail: Option<Mail>) -> Update {
        let (exists, seq, unseen) = (self.exists, self.seq, self.unseen.len() as u64);
        Update { mailbox: user.clone(), exists, seq, unseen, mail }
    }
}

/// The mailbox called `name`, if there is one.
fn known<'m>(
    mailboxes: &'m mut HashMap<Arc<str>, Mailbox>,
    name: &OsStr,
) -> Option<(Arc<str>, &'m mut Mailbox)> {
    let user = mailboxes.get_key_value(name.to_str()?)?.0.clone();
    mailboxes.get_mut(&user).map(|mailbox| (user, mailbox))
}

/// A name that a mailbox may have: text, since addresses carry it, and not hidden.
fn mailbox_name(name: &OsStr) -> Option<Arc<str>> {
    name.to_str().filter(|_| !is_hidden(name)).map(Arc::from)
}

/// The one trouble with watching that only the administrator can help with.
fn no_watches_left(place: &str) -> Failure {
    Failure::new(format!(
        "cannot watch {place}: no watches left, raise fs.inotify.max_user_watches"
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token, Waker};
    use tempfile::TempDir;

    use super::*;
    use crate::bus::{self, Subscriber};
    use crate::maildir::Letter;

    /// A mail root, and the reading end of the bus of its source.
    struct Fixture {
        root: TempDir,
        poll: Poll,
        bus: Subscriber,
        ready: Vec<Update>,
    }

    impl Fixture {
        fn new(prepare: impl FnOnce(&Path)) -> (Self, Vec<Update>) {
            let root = tempfile::tempdir().unwrap();
            prepare(root.path());
            let poll = Poll::new().unwrap();
            let (publisher, bus) = bus::bus(Waker::new(poll.registry(), Token(0)).unwrap());
            let source = MailSource::open(root.path()).unwrap();
            let mut found: Vec<_> = source.updates().collect();
            found.sort_by(|a, b| a.mailbox.cmp(&b.mailbox));
            std::thread::spawn(move || source.run(&publisher));
            (Self { root, poll, bus, ready: Vec::new() }, found)
        }

        fn path(&self, relative: &str) -> PathBuf {
            self.root.path().join(relative)
        }

        fn deliver(&self, user: &str, subject: &str) -> PathBuf {
            let letter =
                Letter { from: "Bob".into(), subject: subject.into(), text: String::new() };
            maildir::create(&self.path(user)).unwrap();
            maildir::deliver(&self.path(user), user, &letter).unwrap()
        }

        /// Waits for the next update and says what it says in a few words.
        fn next(&mut self) -> String {
            let mut events = Events::with_capacity(1);
            while self.ready.is_empty() {
                self.ready.extend(self.bus.updates());
                if self.ready.is_empty() {
                    self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
                    assert!(!events.is_empty(), "no update came");
                }
            }
            describe(&self.ready.remove(0))
        }

        /// Waits for an update that begins like this, whatever comes before it.
        fn wait_for(&mut self, state: &str) {
            while !self.next().starts_with(state) {}
        }
    }

    fn describe(update: &Update) -> String {
        let Update { mailbox, exists, seq, unseen, mail } = update;
        let what = match (exists, mail) {
            (false, _) => "gone",
            (true, None) => "-",
            (true, Some(mail)) => &mail.subject,
        };
        format!("{mailbox} {seq} {unseen} {what}")
    }

    #[test]
    fn mail_at_the_start_is_counted() {
        let (_fixture, found) = Fixture::new(|root| {
            for folder in ["alice/new/folder", "bob/new", "carol/cur", ".hidden/new"] {
                fs::create_dir_all(root.join(folder)).unwrap();
            }
            for file in ["alice/new/1", "alice/new/2", "alice/new/.hidden", "README"] {
                fs::write(root.join(file), "").unwrap();
            }
        });
        assert_eq!(found.iter().map(describe).collect::<Vec<_>>(), ["alice 2 2 -", "bob 0 0 -"]);
    }

    #[test]
    fn mail_arrives_is_read_and_is_removed() {
        let (mut fixture, _) = Fixture::new(|root| maildir::create(&root.join("alice")).unwrap());
        let first = fixture.deliver("alice", "one");
        assert_eq!(fixture.next(), "alice 1 1 one");
        let second = fixture.deliver("alice", "two");
        assert_eq!(fixture.next(), "alice 2 2 two");
        fs::rename(&first, fixture.path("alice/cur/1:2,S")).unwrap();
        assert_eq!(fixture.next(), "alice 2 1 -");
        fs::remove_file(second).unwrap();
        assert_eq!(fixture.next(), "alice 2 0 -");
        fixture.deliver("alice", "three");
        assert_eq!(fixture.next(), "alice 3 1 three");
    }

    #[test]
    fn other_ways_to_put_a_file_into_new() {
        let (mut fixture, _) = Fixture::new(|root| maildir::create(&root.join("alice")).unwrap());
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
        let (mut fixture, found) = Fixture::new(|_| {});
        assert!(found.is_empty());
        // Whether it is counted with the folder or announced after it depends on who is quicker.
        fixture.deliver("alice", "with the folder");
        fixture.wait_for("alice 1 1 ");
        fixture.deliver("alice", "after it");
        fixture.wait_for("alice 2 2 after it");

        fs::rename(fixture.path("alice"), fixture.path("bob")).unwrap();
        fixture.wait_for("alice 2 0 gone");
        fixture.wait_for("bob 2 2 ");
        fixture.deliver("bob", "under the new name");
        fixture.wait_for("bob 3 3 under the new name");

        fs::remove_dir_all(fixture.path("bob")).unwrap();
        fixture.wait_for("bob 3 0 gone");
        fixture.deliver("bob", "back again");
        fixture.wait_for("bob 4 1 ");
        fixture.deliver("bob", "and still watched");
        fixture.wait_for("bob 5 2 and still watched");
    }

    #[test]
    fn after_an_overflow_everything_is_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let poll = Poll::new().unwrap();
        let (publisher, bus) = bus::bus(Waker::new(poll.registry(), Token(0)).unwrap());
        for file in ["alice/new/1", "bob/new/1", "carol/new/1"] {
            fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
            fs::write(root.path().join(file), "Subject: old\n\n").unwrap();
        }
        let mut source = MailSource::open(root.path()).unwrap();
        fs::write(root.path().join("alice/new/2"), "Subject: new\n\n").unwrap();
        fs::remove_file(root.path().join("bob/new/1")).unwrap();
        fs::remove_dir_all(root.path().join("carol")).unwrap();
        // None of the events of these changes is read, as if they were lost.
        source.follow(&Hint::Everything, &publisher).unwrap();
        let mut said: Vec<_> = bus.updates().map(|update| describe(&update)).collect();
        said.sort_unstable();
        assert_eq!(said, ["alice 2 2 new", "bob 1 0 -", "carol 1 0 gone"]);
    }

    #[test]
    fn a_root_that_cannot_be_read_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [root.path().join("missing"), file] {
            let failure = MailSource::open(&path).err().unwrap().to_string();
            assert!(failure.starts_with("cannot read the mail root"), "{failure}");
            assert!(failure.contains(path.file_name().unwrap().to_str().unwrap()), "{failure}");
        }
    }
}
