//! The bus between storage and the servers: what changed in a mailbox, on its way to whom it
//! concerns.
//!
//! The mail source publishes from a thread of its own, the event loop is woken and takes what is
//! there. The queue is bounded: a loop that falls behind slows the source down, which can afford to
//! wait because the file system keeps the truth.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};

use mio::Waker;

use crate::mail::Mail;

/// How many updates may wait for the event loop.
const MAX_WAITING: usize = 1024;

/// The state of one mailbox after a change. It is whole, so a later update replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub mailbox: Arc<str>,
    /// Whether the mailbox has a folder for new mail at the moment.
    pub exists: bool,
    /// The number of the last mail: it rises by one with each.
    pub seq: u64,
    /// How many mails wait in `new`.
    pub unseen: u64,
    /// The mail that arrived, when that was the change.
    pub mail: Option<Mail>,
}

/// Makes a bus whose reader is woken by `waker`.
pub fn bus(waker: Waker) -> (Publisher, Subscriber) {
    let (sender, receiver) = mpsc::sync_channel(MAX_WAITING);
    (Publisher { sender, waker }, Subscriber { receiver })
}

/// The end of the mail source.
pub struct Publisher {
    sender: SyncSender<Update>,
    waker: Waker,
}

impl Publisher {
    /// Hands over one update; waits while the queue is full.
    ///
    /// # Errors
    /// When there is no reader any more or it cannot be woken: no use in publishing then.
    pub fn publish(&self, update: Update) -> io::Result<()> {
        // Each update before has woken the reader, so a full queue does not stay full for long.
        self.sender.send(update).map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.waker.wake()
    }
}

/// The end of the event loop.
pub struct Subscriber {
    receiver: Receiver<Update>,
}

impl Subscriber {
    /// Takes the updates that are there, and no more than the queue can hold.
    pub fn updates(&self) -> impl Iterator<Item = Update> {
        self.receiver.try_iter().take(MAX_WAITING)
    }
}
