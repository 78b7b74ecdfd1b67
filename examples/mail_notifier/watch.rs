//! Watching folders: where the file system may have changed.
//!
//! The system's events come from a thread of the `notify` crate and wait in a bounded queue. All
//! that is taken from them is where to look; when events got lost, that is everywhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};

use notify::event::{AccessKind, AccessMode, Flag, ModifyKind};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::failure::{Context, Failure};

/// How many events may wait; more than that, and everything is looked at.
const MAX_EVENTS: usize = 4096;

/// A set of watched folders. Folders in them are not watched with them.
pub struct Watch {
    watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
    overflowed: Arc<AtomicBool>,
}

/// Where to look.
#[derive(Debug)]
pub enum Hint {
    /// At what these paths lead to now.
    Paths {
        paths: Vec<PathBuf>,
        /// Whether a file was only just made, so that somebody may be about to write to it.
        are_new: bool,
    },
    /// At everything that is watched, and whether it still is.
    Everything,
}

/// Why a folder is not watched.
pub enum WatchError {
    /// There is no such folder, any more or yet.
    Missing,
    /// The system allows no further watches.
    NoWatchesLeft,
    /// Anything else, in the words of the system.
    Other(notify::Error),
}

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
        Ok(Self { watcher, events, overflowed })
    }

    /// Watches the folder that is at `path` now, which may be another one than that watched before.
    /// What changes from now on is hinted at.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub fn add(&mut self, path: &Path) -> Result<(), WatchError> {
        self.remove(path);
        let watched = self.watcher.watch(path, RecursiveMode::NonRecursive);
        watched.map_err(|error| match error.kind {
            ErrorKind::PathNotFound => WatchError::Missing,
            ErrorKind::MaxFilesWatch => WatchError::NoWatchesLeft,
            _ => WatchError::Other(error),
        })
    }

    /// Forgets the folder at `path`, if it was watched.
    pub fn remove(&mut self, path: &Path) {
        let _ = self.watcher.unwatch(path);
    }

    /// Waits until there is something to look at; `None` when the watching has ended.
    pub fn next(&self) -> Option<Hint> {
        let event = self.events.recv().ok()?;
        let overflowed = self.overflowed.swap(false, Ordering::SeqCst);
        match event {
            Ok(event) if !event.need_rescan() && !overflowed => {
                let are_new = matches!(event.kind, EventKind::Create(_));
                Some(Hint::Paths { paths: event.paths, are_new })
            }
            Ok(_) => Some(Hint::Everything),
            Err(error) => {
                eprintln!("mail_notifier: trouble watching for mail: {error}");
                Some(Hint::Everything)
            }
        }
    }
}

/// Whether an event says nothing about which files there are. Reading mail causes such events.
fn is_noise(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        EventKind::Modify(change) => matches!(change, ModifyKind::Metadata(_)),
        _ => false,
    }
}
