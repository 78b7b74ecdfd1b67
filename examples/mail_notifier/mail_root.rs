//! The mail root: the folder of all mailboxes, which may go and come back while the server runs.
//!
//! As long as it is there the system tells when it goes. When it is gone, the folder above it is
//! watched instead. What no event tells, such as a file system that is mounted there or a folder
//! further up that goes, is noticed by looking every [`CHECK`].

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::log;
use crate::mail_file::is_missing;
use crate::mailbox_name;
use crate::watch::{Watch, WatchError};

/// How often it is looked whether the root is still the same folder.
pub const CHECK: Duration = Duration::from_secs(10);

/// The folder of all mailboxes.
pub struct MailRoot {
    path: PathBuf,
    /// The device and the number of the folder that was there last.
    identity: Option<(u64, u64)>,
    checked: Instant,
    /// What was said about it, until it can be read again.
    trouble: Option<&'static str>,
}

impl MailRoot {
    /// The root at `path`, whatever that leads to later.
    ///
    /// # Errors
    /// When there is nothing at `path`.
    pub fn new(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        let identity = identity(&path);
        Ok(Self { path, identity, checked: Instant::now(), trouble: None })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all folders in the root that could be mailboxes.
    ///
    /// # Errors
    /// When not all of them can be read: a list of some would be taken for one of all.
    pub fn users(&self) -> io::Result<HashSet<Arc<str>>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(mailbox_name(&entry?.file_name())));
        names.filter_map(Result::transpose).collect()
    }

    /// Watches the root, or if it is missing the folder above it.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub fn watch(&self, watch: &mut Watch) -> Result<(), WatchError> {
        let mut watched = watch.renew(&self.path);
        let Some(parent) = self.path.parent() else { return watched };
        if watched.is_err() {
            let _ = watch.renew(parent);
            // It may have come back just before that.
            watched = watch.renew(&self.path);
        }
        if watched.is_ok() {
            watch.remove(parent);
        }
        watched
    }

    /// Looks at the root anew. Returns what [`users`](Self::users) does, and nobody if the root is
    /// missing; `None` if it cannot be read. Says so once, and once that it is back.
    pub fn look(&mut self) -> Option<HashSet<Arc<str>>> {
        self.identity = identity(&self.path);
        let root = self.path.display();
        match self.users() {
            Ok(users) => {
                if self.trouble.take().is_some() {
                    log::info("mail_root_back", &[("root", &root)]);
                }
                Some(users)
            }
            Err(error) => {
                let is_gone = is_missing(&error);
                let trouble = if is_gone { "mail_root_gone" } else { "mail_root_unreadable" };
                if self.trouble.replace(trouble) != Some(trouble) {
                    log::warn(trouble, &[("root", &root), ("error", &error)]);
                }
                is_gone.then(HashSet::new)
            }
        }
    }

    /// Whether the root is missing or could not be read.
    pub fn is_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// When to look whether the root needs a [`look`](Self::look).
    pub fn next_check(&self) -> Instant {
        self.checked + CHECK
    }

    /// Whether the root is another folder than before, or might be readable again. To be asked at
    /// any time; asks the file system only when it is time for that.
    pub fn needs_look(&mut self, now: Instant) -> bool {
        if now < self.next_check() {
            return false;
        }
        self.checked = now;
        self.is_in_trouble() || identity(&self.path) != self.identity
    }
}

/// The name of a folder as that of a mailbox, if a mailbox may be called like that.
pub fn mailbox_name(name: &OsStr) -> Option<Arc<str>> {
    name.to_str().filter(|name| mailbox_name::is_valid(name)).map(Arc::from)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|folder| (folder.dev(), folder.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_mailbox_has_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["alice", ".hidden", "a\nb", "b b"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let users = MailRoot::new(folder.path()).unwrap().users().unwrap();
        assert_eq!(users, HashSet::from(["alice".into(), "b b".into()]));
    }

    #[test]
    fn another_folder_in_its_place_is_noticed_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("mail"), folder.path().join("other"));
        fs::create_dir(&path).unwrap();
        let mut root = MailRoot::new(&path).unwrap();
        assert!(!root.needs_look(root.next_check()));

        fs::rename(&path, other).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!root.needs_look(root.next_check() - Duration::from_millis(1)));
        assert!(root.needs_look(root.next_check()));
        assert!(root.look().is_some());
        assert!(!root.needs_look(root.next_check()));
    }

    #[test]
    fn nobody_is_gone_from_a_root_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail");
        fs::create_dir(&path).unwrap();
        let mut root = MailRoot::new(&path).unwrap();
        fs::remove_dir(&path).unwrap();
        assert_eq!(root.look(), Some(HashSet::new()));
        std::os::unix::fs::symlink("mail", &path).unwrap();
        assert_eq!(root.look(), None);
        assert!(root.is_in_trouble());
        // It looks the same as long as it cannot be read.
        assert!(root.needs_look(root.next_check()));
        assert!(root.needs_look(root.next_check()));

        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(root.look(), Some(HashSet::new()));
        assert!(!root.is_in_trouble());
    }
}
