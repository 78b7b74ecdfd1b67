//! Watching folders: where the file system may have changed.
//!
//! The system's events come from a thread of the `notify` crate and wait in a bounded queue. All
//! that is taken from them is where to look; when events got lost, that is everywhere.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, Flag, ModifyKind, RenameMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::failure::{Context, Failure};
use crate::log;

/// How many events may wait; more than that, and everything is looked at.
const MAX_EVENTS: usize = 4096;
/// How many files that were moved away are remembered until it is known where to.
const MAX_DEPARTURES: usize = 64;

/// A set of watched folders. Folders in them are not watched with them.
pub struct Watch {
    watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
    overflowed: Arc<AtomicBool>,
    /// The first halves of renames, by the number that they share with the second.
    departures: VecDeque<(usize, PathBuf)>,
}

/// Where to look.
#[derive(Debug)]
pub enum Hint {
    /// At what these paths lead to now.
    Paths { paths: Vec<PathBuf>, cause: Cause },
    /// At everything that is watched, and whether it still is.
    Everything,
}

/// What somebody did there, as far as that matters.
#[derive(Debug)]
pub enum Cause {
    /// Made it, and may be about to write to it.
    Made,
    /// Moved it there from this other path, which was hinted at before.
    Moved {
        from: PathBuf,
    },
    /// Changed its permissions, or another thing that is not its content.
    Attributes,
    Other,
}

/// Why a folder is not watched.
#[derive(Debug)]
pub enum WatchError {
    /// There is no such folder, any more or yet.
    Missing,
    /// The system allows no further watches: the one trouble that only the administrator can help
    /// with.
    NoWatchesLeft,
    /// Anything else, in the words of the system.
    Other(notify::Error),
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no such folder"),
            Self::NoWatchesLeft => {
                f.write_str("no watches left, raise fs.inotify.max_user_watches")
            }
            Self::Other(error) => error.fmt(f),
        }
    }
}

/// There will be no further hints.
#[derive(Debug)]
pub struct Ended;

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When the system offers no watching.
    pub fn new() -> Result<Self, Failure> {
        let (sender, events) = mpsc::sync_channel(MAX_EVENTS);
        let overflowed = Arc::new(AtomicBool::new(false));
        let lost = overflowed.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.as_ref().is_ok_and(is_noise) || sender.try_send(event).is_ok() {
                return;
            }
            lost.store(true, Ordering::SeqCst);
            // If the queue has just been emptied, this wakes its reader; if not, it is awake.
            let _ = sender.try_send(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        })
        .context(|| "cannot watch for mail".to_owned())?;
        Ok(Self { watcher, events, overflowed, departures: VecDeque::new() })
    }

    /// Watches the folder at `path`, which was not watched before. What changes from now on is
    /// hinted at.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub fn add(&mut self, path: &Path) -> Result<(), WatchError> {
        let watched = self.watcher.watch(path, RecursiveMode::NonRecursive);
        watched.map_err(|error| match error.kind {
            ErrorKind::PathNotFound => WatchError::Missing,
            ErrorKind::MaxFilesWatch => WatchError::NoWatchesLeft,
            // Without the path, which whoever hears of the error has already said.
            kind => WatchError::Other(notify::Error::new(kind)),
        })
    }

    /// Watches the folder that is at `path` now, which may be another one than that watched before.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub fn renew(&mut self, path: &Path) -> Result<(), WatchError> {
        self.remove(path);
        self.add(path)
    }

    /// Forgets the folder at `path`, if it was watched.
    pub fn remove(&mut self, path: &Path) {
        let _ = self.watcher.unwatch(path);
    }

    /// Waits at most so long until there is something to look at.
    ///
    /// # Errors
    /// [`Ended`]: the watching has ended.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Hint>, Ended> {
        let event = match self.events.recv_timeout(patience) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => return Err(Ended),
        };
        let overflowed = self.overflowed.swap(false, Ordering::SeqCst);
        match event {
            Ok(event) if !event.need_rescan() && !overflowed => Ok(Some(self.hint(event))),
            Ok(_) => Ok(Some(Hint::Everything)),
            Err(error) => {
                log::warn("watch_trouble", &[("error", &error)]);
                Ok(Some(Hint::Everything))
            }
        }
    }

    fn hint(&mut self, event: Event) -> Hint {
        let cause = match event.kind {
            EventKind::Create(_) => Cause::Made,
            EventKind::Modify(ModifyKind::Metadata(_)) => Cause::Attributes,
            EventKind::Modify(ModifyKind::Name(mode)) => self.renamed(mode, &event),
            _ => Cause::Other,
        };
        Hint::Paths { paths: event.paths, cause }
    }

    /// Joins the two halves of a rename. Those of several renames at a time may be mixed, so the
    /// system numbers them.
    fn renamed(&mut self, mode: RenameMode, event: &Event) -> Cause {
        let (Some(number), Some(path)) = (event.tracker(), event.paths.first()) else {
            return Cause::Other;
        };
        if mode == RenameMode::From {
            self.departures.truncate(MAX_DEPARTURES - 1);
            self.departures.push_front((number, path.clone()));
            return Cause::Other;
        }
        let departure = self.departures.iter().position(|(other, _)| *other == number);
        let from = departure.and_then(|at| self.departures.remove(at));
        from.map_or(Cause::Other, |(_, from)| Cause::Moved { from })
    }
}

/// Whether an event says nothing about which files there are, or nothing that another one does not
/// say. Reading mail causes such events.
fn is_noise(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        // The summary of two events that were there already: see `Watch::renamed`.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => event.tracker().is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_watched_is_named_by_who_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("circle");
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let error = Watch::new().unwrap().add(&path).unwrap_err().to_string();
        assert!(!error.contains("circle"), "{error}");
    }
}
