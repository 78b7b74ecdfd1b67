//! What is known of one mailbox on the disk: its unseen mails, and what of that is not yet told.
//!
//! The halves of a rename are two events, and a file may have another name again when an event
//! about it is followed. So a mail that is no longer where it was is *away* before it is gone: for a
//! moment it still counts, and if it turns up under another name then nothing has happened. For the
//! same reason a mail that came to `new` and is no longer there is announced when it turns up.
//!
//! Only unseen mails are remembered, since most mailboxes hold many more that were seen.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bus::Change;
use crate::listener::is_out_of_descriptors;
use crate::log;
use crate::mail::Mail;
use crate::mail_file::{Folder, MailFile, Place, by_age, is_missing};

/// How long a mail may be between two names. The events of a rename come together, but it may take
/// a busy system that long to hand both of them over.
pub const SETTLE: Duration = Duration::from_millis(100);

/// One mailbox, whether it exists at the moment or not.
pub struct Mailbox {
    name: Arc<str>,
    exists: bool,
    /// Whether it exists or once did.
    is_known: bool,
    /// Whether it was said that this mailbox cannot be read.
    is_in_trouble: bool,
    /// The unseen mails, by base name. Those of a mailbox that is gone are kept, so that they are
    /// known again should it come back.
    unseen: HashMap<Box<OsStr>, Place>,
    away: HashMap<Box<OsStr>, Away>,
    /// The newest of the mails that were there when the mailbox was first heard of, to go along
    /// with the first count.
    newest: Vec<Mail>,
    /// Mails to announce.
    arrivals: Vec<Mail>,
    /// The count that was told last; none if nobody knows that the mailbox exists.
    told: Option<u64>,
}

/// A mail of which it is not known where it is.
#[derive(Clone, Copy)]
struct Away {
    since: Instant,
    /// Whether it was unseen before.
    counts: bool,
    is_announced: bool,
}

impl Mailbox {
    /// A mailbox that does not exist yet.
    pub fn new(name: Arc<str>) -> Self {
        Self {
            name,
            exists: false,
            is_known: false,
            is_in_trouble: false,
            unseen: HashMap::new(),
            away: HashMap::new(),
            newest: Vec::new(),
            arrivals: Vec::new(),
            told: None,
        }
    }

    pub fn name(&self) -> Arc<str> {
        self.name.clone()
    }

    /// Compares one file of the mailbox at `path` with what is known about it. `from` is the name
    /// in this mailbox that it was moved from, if that is known.
    ///
    /// # Errors
    /// When it cannot be known whether the file is there. Nothing is changed then.
    pub fn look_at(
        &mut self,
        path: &Path,
        file: &MailFile,
        from: Option<&MailFile>,
    ) -> io::Result<()> {
        if !self.exists {
            return Ok(());
        }
        if let Some(from) = from {
            self.rename(from, file);
        }
        let place = file.unseen();
        // Most mails in `cur` were seen long ago.
        if place.is_none()
            && !self.unseen.contains_key(file.base)
            && !self.away.contains_key(file.base)
        {
            return Ok(());
        }
        let path = path.join(file.path());
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => self.found(&path, file, place),
            // If there is at least something, it is a link that leads nowhere.
            Err(error) if !is_missing(&error) && fs::symlink_metadata(&path).is_err() => {
                return Err(error);
            }
            _ => self.missed(file),
        }
        Ok(())
    }

    /// Compares the mailbox with a list of its unseen mails. What such a list holds when the
    /// mailbox is first heard of is counted, not announced, but for so many `recent` ones it is kept
    /// what they are.
    pub fn compare(&mut self, path: &Path, found: HashMap<Box<OsStr>, Place>, recent: usize) {
        let (existed, was_known) = (self.exists, self.is_known);
        (self.exists, self.is_known) = (true, true);
        if !was_known {
            self.newest = newest(path, &found, recent);
            self.unseen = found;
            return;
        }
        let missing = self.unseen.extract_if(|base, _| !found.contains_key(base));
        let missing: Vec<_> = missing.map(|(base, _)| (base, Away::counted())).collect();
        if existed {
            self.away.extend(missing);
        } else {
            // There were no events that could still be to come.
            self.away.clear();
        }
        let mut unknown: Vec<_> = found
            .into_iter()
            .filter(|(base, place)| self.unseen.get(base) != Some(place))
            .collect();
        unknown.sort_unstable_by(|(a, _), (b, _)| by_age(a, b));
        for (base, place) in unknown {
            let file = place.file(&base);
            self.found(&path.join(file.path()), &file, Some(place.clone()));
        }
    }

    /// Notes that the mailbox is gone.
    pub fn gone(&mut self) {
        (self.exists, self.is_in_trouble) = (false, false);
        self.arrivals.clear();
    }

    /// Gives up the mails that have been away for too long.
    pub fn settle(&mut self, now: Instant) {
        self.away.retain(|_, away| now < away.since + SETTLE);
    }

    /// Whether there is a mail to give up later.
    pub fn is_unsettled(&self) -> bool {
        !self.away.is_empty()
    }

    /// Whether the mailbox cannot be read.
    pub fn is_in_trouble(&self) -> bool {
        self.is_in_trouble
    }

    /// Says that the mailbox cannot be read, once.
    pub fn trouble(&mut self, error: &dyn Display) {
        if !self.is_in_trouble {
            log::warn("mailbox_unreadable", &[("mailbox", &self.name), ("error", error)]);
        }
        self.is_in_trouble = true;
    }

    /// Notes that the mailbox can be read.
    pub fn no_trouble(&mut self) {
        if std::mem::take(&mut self.is_in_trouble) {
            log::info("mailbox_back", &[("mailbox", &self.name)]);
        }
    }

    /// Adds what there is to tell.
    pub fn tell(&mut self, changes: &mut Vec<Change>) {
        let mailbox = || self.name.clone();
        if !self.exists {
            changes.extend(self.told.take().map(|_| Change::Gone { mailbox: mailbox() }));
            return;
        }
        let away = self.away.values().filter(|away| away.counts).count();
        let count = (self.unseen.len() + away) as u64;
        let before = count.saturating_sub(self.arrivals.len() as u64);
        if self.told.is_none() || (self.arrivals.is_empty() && self.told != Some(count)) {
            changes.push(match std::mem::take(&mut self.newest) {
                mails if mails.is_empty() => Change::Unseen { mailbox: mailbox(), unseen: before },
                mails => Change::Found { mailbox: mailbox(), unseen: before, mails },
            });
        }
        for (unseen, mail) in (before + 1..).zip(self.arrivals.drain(..)) {
            // A mail that was seen before anybody could be told does not count any more.
            let unseen = Some(unseen.min(count));
            changes.push(Change::Mail { mailbox: mailbox(), mail, unseen });
        }
        self.told = Some(count);
    }

    /// Gives what is known of one name to another one. So a mail is not announced again by whoever
    /// gives it another base name, as programs do that keep a number in it.
    fn rename(&mut self, from: &MailFile, to: &MailFile) {
        let was_unseen = self.unseen.get(from.base).is_some_and(|place| from.is_at(place));
        if was_unseen {
            self.unseen.remove(from.base);
        }
        let away =
            self.away.remove(from.base).unwrap_or(Away { counts: was_unseen, ..Away::counted() });
        self.away.insert(to.base.into(), away);
    }

    /// A file that is there, at this place if nobody has seen it.
    fn found(&mut self, path: &Path, file: &MailFile, place: Option<Place>) {
        let is_new = match self.away.get(file.base) {
            Some(away) => !away.is_announced,
            // What comes straight to `cur` was moved there from another mailbox.
            None => file.folder == Folder::New && !self.unseen.contains_key(file.base),
        };
        if is_new {
            match Mail::read(path) {
                Err(error) if is_missing(&error) => return self.missed(file),
                // A matter of the process and not of the mail, which is looked at again.
                Err(error) if is_out_of_descriptors(&error) => return self.trouble(&error),
                Err(error) => {
                    let file: [(&str, &dyn Display); 2] =
                        [("file", &path.display()), ("error", &error)];
                    log::warn("mail_unreadable", &file);
                    self.arrivals.push(Mail::unreadable());
                }
                Ok(mail) => self.arrivals.push(mail),
            }
        }
        self.away.remove(file.base);
        match place {
            Some(place) => self.unseen.insert(file.base.into(), place),
            None => self.unseen.remove(file.base),
        };
    }

    /// A file that is not there, any more or yet.
    fn missed(&mut self, file: &MailFile) {
        match self.unseen.get(file.base) {
            Some(place) if file.is_at(place) => {
                self.unseen.remove(file.base);
                self.away.insert(file.base.into(), Away::counted());
            }
            None if file.folder == Folder::New => {
                // It came and went on before anybody looked.
                let away = Away { counts: false, is_announced: false, ..Away::counted() };
                self.away.entry(file.base.into()).or_insert(away);
            }
            _ => {}
        }
    }
}

impl Away {
    /// An unseen mail that is no longer where it was.
    fn counted() -> Self {
        Self { since: Instant::now(), counts: true, is_announced: true }
    }
}

/// The newest of the mails in the mailbox at `path`, the oldest of them first.
fn newest(path: &Path, found: &HashMap<Box<OsStr>, Place>, count: usize) -> Vec<Mail> {
    let mut found: Vec<_> = found.iter().collect();
    found.sort_unstable_by(|(a, _), (b, _)| by_age(a, b));
    let found = found.split_off(found.len().saturating_sub(count));
    let read =
        found.into_iter().map(|(base, place)| Mail::read(&path.join(place.file(base).path())));
    // What is gone again will be missed in its turn.
    let is_there = |mail: &io::Result<_>| !mail.as_ref().is_err_and(is_missing);
    read.filter(is_there).map(|mail| mail.unwrap_or_else(|_| Mail::unreadable())).collect()
}

#[cfg(test)]
mod tests;
