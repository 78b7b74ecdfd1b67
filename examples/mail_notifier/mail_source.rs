//! The mail source: watches the mailboxes below one folder and publishes what changes in them.
//!
//! A mailbox is a folder of the mail root that has a folder `new`. Unseen are the mails in `new`
//! and those in `cur` that are not marked as seen. Mail that is there at the start is counted, not
//! announced, but the newest is kept for those who ask what they missed.
//!
//! Events of the file system are only hints where to look: what counts is what is found there. So
//! an event that comes twice, late or not at all (the queue overflowed: everything is looked at
//! again) cannot make the count wrong. An event about a file leads to that file alone, however many
//! others there are.
//!
//! Folders are watched one by one instead of recursively, because only then is it certain that a
//! folder is watched *before* it is listed. Only `new` and `cur` are: each mailbox takes two of the
//! watches that the system allows.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bus::{Bus, Closed};
use crate::failure::{Context, Failure};
use crate::mail_file::{self, Folder, MailFile};
use crate::mail_root::{MailRoot, mailbox_name};
use crate::mailbox::{Mailbox, SETTLE};
use crate::watch::{Cause, Hint, Watch, WatchError};

/// How many hints are followed before their outcome is published, if they keep coming.
const MAX_BATCH: usize = 1024;

/// A way to watch a folder: [`Watch::add`] or [`Watch::renew`].
type WatchFolder = fn(&mut Watch, &Path) -> Result<(), WatchError>;

/// All mailboxes below one root, and the watches on them.
pub struct MailSource {
    root: MailRoot,
    bus: Arc<dyn Bus>,
    /// How many mails of a mailbox are read when it is first heard of.
    recent: usize,
    watch: Watch,
    /// Every mailbox that there ever was.
    mailboxes: HashMap<Arc<str>, Mailbox>,
    /// Mailboxes that may have something to tell, in the order in which they were looked at.
    touched: Vec<Arc<str>>,
    /// Mailboxes with a mail that may have to be given up, and when.
    unsettled: VecDeque<(Instant, Arc<str>)>,
}

impl MailSource {
    /// Watches and counts all mailboxes below `root`, and publishes the counts, with the `recent`
    /// newest unseen mails of each.
    ///
    /// # Errors
    /// When `root` cannot be read or the system has no watches left. A single mailbox that cannot
    /// be read is a warning.
    pub fn open(root: &Path, bus: Arc<dyn Bus>, recent: usize) -> Result<Self, Failure> {
        let cannot_read = || format!("cannot read the mail root {}", root.display());
        let mut source = Self {
            root: MailRoot::new(root).context(cannot_read)?,
            bus,
            recent,
            watch: Watch::new()?,
            mailboxes: HashMap::new(),
            touched: Vec::new(),
            unsettled: VecDeque::new(),
        };
        match source.root.watch(&mut source.watch) {
            Err(WatchError::Missing) | Ok(()) => {}
            Err(error) => return Err(error).context(cannot_read),
        }
        for user in source.root.users().context(cannot_read)? {
            let watched = source.watch_mailbox(&user, Watch::add);
            if let Err(error @ WatchError::NoWatchesLeft) = watched {
                return Err(error).context(|| format!("cannot watch the mailbox {user}"));
            }
            source.read_mailbox(&user, watched);
        }
        source.publish().map_err(|Closed| Failure::new("nobody wants to know of mail".into()))?;
        Ok(source)
    }

    /// Publishes every change until nobody is there any more.
    pub fn run(mut self) {
        while self.turn().is_some() {}
    }

    /// Waits for hints, follows those that are there and publishes the outcome; none when it is
    /// over.
    fn turn(&mut self) -> Option<()> {
        let mut patience = self.patience(Instant::now());
        for _ in 0..MAX_BATCH {
            let Some(hint) = self.watch.next(patience).ok()? else {
                // Only now is it known what became of the mails that are away.
                self.settle(Instant::now());
                break;
            };
            self.follow(&hint);
            patience = Duration::ZERO;
        }
        self.check(Instant::now());
        self.publish().ok()
    }

    /// How long there is nothing to do if no hint comes.
    fn patience(&self, now: Instant) -> Duration {
        let check = self.root.next_check();
        let due = self.unsettled.front().map_or(check, |(due, _)| check.min(*due));
        due.saturating_duration_since(now)
    }

    /// Looks where a hint points to.
    fn follow(&mut self, hint: &Hint) {
        let Hint::Paths { paths, cause } = hint else { return self.look_everywhere() };
        let is_trifle = matches!(cause, Cause::Attributes);
        for path in paths {
            let Ok(place) = path.strip_prefix(self.root.path()) else { continue };
            match place.iter().collect::<Vec<_>>()[..] {
                // Other permissions matter where there were too few.
                [] if is_trifle && !self.root.is_in_trouble() => {}
                [user] | [user, _] if is_trifle && !self.is_in_trouble(user) => {}
                [_, _, _] if is_trifle => {}
                [] => self.look_everywhere(),
                [user] => self.look_at_mailbox(user),
                [user, folder] if Folder::named(folder).is_some() => self.look_at_mailbox(user),
                [_, _, _] => self.look_at_file(path, cause),
                _ => {}
            }
        }
    }

    /// Compares one file with what is known about it.
    fn look_at_file(&mut self, path: &Path, cause: &Cause) {
        let Some((user, file)) = mail_file(self.root.path(), path) else { return };
        // Who writes in place, against the rules of Maildir, has only begun: more comes.
        let is_made = matches!(cause, Cause::Made);
        if is_made && fs::metadata(path).is_ok_and(|found| found.len() == 0) {
            return;
        }
        let from = match cause {
            Cause::Moved { from } => mail_file(self.root.path(), from),
            _ => None,
        };
        let from = from.filter(|(other, _)| *other == user).map(|(_, from)| from);
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        let folder = self.root.path().join(user);
        if let Err(error) = mailbox.look_at(&folder, &file, from.as_ref()) {
            mailbox.trouble(&error);
        }
        self.touched.push(mailbox.name());
    }

    /// Watches a mailbox anew, since its folders may be other ones now, and looks at all its files.
    fn look_at_mailbox(&mut self, user: &OsStr) {
        let Some(user) = mailbox_name(user) else { return };
        let watched = self.watch_mailbox(&user, Watch::renew);
        self.read_mailbox(&user, watched);
    }

    /// Looks at all mailboxes, first at those that are gone: a renamed folder keeps its watch, and
    /// giving up the old name must not take the watch away from the new one.
    fn look_everywhere(&mut self) {
        // What cannot be watched is looked at from time to time.
        let _ = self.root.watch(&mut self.watch);
        let Some(users) = self.root.look() else { return };
        let gone: Vec<_> =
            self.mailboxes.keys().filter(|user| !users.contains(*user)).cloned().collect();
        for user in gone.into_iter().chain(users) {
            self.look_at_mailbox(OsStr::new(&*user));
        }
    }

    /// From time to time, looks everywhere if there is another root now and no event told, and
    /// otherwise at the mailboxes that could not be read.
    fn check(&mut self, now: Instant) {
        let is_time = now >= self.root.next_check();
        if self.root.needs_look(now) {
            self.look_everywhere();
        } else if is_time {
            // What became of them, no event has to tell: the trouble may have been further up.
            let troubled = self.mailboxes.iter().filter(|(_, mailbox)| mailbox.is_in_trouble());
            let troubled: Vec<_> = troubled.map(|(user, _)| user.clone()).collect();
            troubled.iter().for_each(|user| self.look_at_mailbox(OsStr::new(&**user)));
        }
    }

    /// Watches the folders that hold the mail of a user with `watch`, and as long as that fails the
    /// one that holds these: there they may come, or become readable. Folders that are missing are
    /// no error.
    fn watch_mailbox(&mut self, user: &str, watch: WatchFolder) -> Result<(), WatchError> {
        let path = self.root.path().join(user);
        let folders = Folder::ALL.map(|folder| path.join(folder.name()));
        if !path.is_dir() {
            folders.iter().chain([&path]).for_each(|folder| self.watch.remove(folder));
            return Ok(());
        }
        let mut watched = self.watch_all(&folders, watch);
        if watched.is_err() {
            // In this order: what comes before the first is done is found by the second.
            let above = self.watch.renew(&path);
            watched = above.and(self.watch_all(&folders, Watch::renew));
        }
        match watched {
            Ok(()) => self.watch.remove(&path),
            Err(WatchError::Missing) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Watches all of these folders, as far as possible, and returns the first error.
    fn watch_all(&mut self, folders: &[PathBuf], watch: WatchFolder) -> Result<(), WatchError> {
        let watched = folders.iter().map(|folder| watch(&mut self.watch, folder));
        watched.fold(Ok(()), Result::and)
    }

    /// Compares a mailbox with what is known about it. Of all that may be wrong with it, one thing
    /// is said.
    fn read_mailbox(&mut self, user: &Arc<str>, watched: Result<(), WatchError>) {
        let path = self.root.path().join(&**user);
        let found = mail_file::list(&path);
        if matches!(found, Ok(None)) && !self.mailboxes.contains_key(user) {
            return;
        }
        let new = || Mailbox::new(user.clone());
        let mailbox = self.mailboxes.entry(user.clone()).or_insert_with(new);
        self.touched.push(user.clone());
        match found {
            Ok(Some(unseen)) => mailbox.compare(&path, unseen, self.recent),
            Ok(None) => return mailbox.gone(),
            Err(error) => return mailbox.trouble(&error),
        }
        match watched {
            Ok(()) => mailbox.no_trouble(),
            Err(error) => mailbox.trouble(&error),
        }
    }

    fn is_in_trouble(&self, user: &OsStr) -> bool {
        let mailbox = user.to_str().and_then(|user| self.mailboxes.get(user));
        mailbox.is_some_and(Mailbox::is_in_trouble)
    }

    /// Gives up the mails that have been away for too long.
    fn settle(&mut self, now: Instant) {
        while let Some((_, user)) = self.unsettled.pop_front_if(|(due, _)| *due <= now) {
            if let Some(mailbox) = self.mailboxes.get_mut(&user) {
                mailbox.settle(now);
                self.touched.push(user);
            }
        }
    }

    /// Publishes what there is to tell.
    fn publish(&mut self) -> Result<(), Closed> {
        let due = Instant::now() + SETTLE;
        let mut changes = Vec::new();
        for user in self.touched.drain(..) {
            let Some(mailbox) = self.mailboxes.get_mut(&user) else { continue };
            mailbox.tell(&mut changes);
            if mailbox.is_unsettled() {
                self.unsettled.push_back((due, user));
            }
        }
        if changes.is_empty() { Ok(()) } else { self.bus.publish(changes).map(|_| ()) }
    }
}

/// The user and the file of a mail at `path`, if it is the path of one.
fn mail_file<'p>(root: &Path, path: &'p Path) -> Option<(&'p str, MailFile<'p>)> {
    let place: Vec<_> = path.strip_prefix(root).ok()?.iter().collect();
    let [user, folder, name] = place[..] else { return None };
    Some((user.to_str()?, MailFile::parse(Folder::named(folder)?, name)?))
}

#[cfg(test)]
mod tests;
