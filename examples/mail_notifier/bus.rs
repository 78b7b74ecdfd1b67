//! The bus between storage and the servers: what happened to a mailbox, on its way to whom it
//! concerns.
//!
//! Sources publish a [`Change`]; the bus numbers it and gives every subscriber the whole [`State`]
//! that it leads to. A state is immutable and shared, so that a mailbox costs each subscriber no
//! more than a pointer, and a later one replaces an earlier one.
//!
//! [`LocalBus`] is the one for a single process. What a broker has to do to stand in its place is
//! the trait [`Bus`] and nothing else: to put changes in one order for everybody, and to know the
//! state of each mailbox.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use crate::mail::Mail;

/// How many states may wait for one subscriber.
const MAX_WAITING: usize = 64;

/// What happened to a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A mail arrived. `unseen` is the count after it, or one more than before if the source does
    /// not know.
    Mail { mailbox: Arc<str>, mail: Mail, unseen: Option<u64> },
    /// The mailbox exists and holds so many unseen mails. Makes one that was not known.
    Unseen { mailbox: Arc<str>, unseen: u64 },
    /// The same, with the newest of these mails, the oldest of them first: they take the last
    /// numbers of a mailbox that was not known.
    Found { mailbox: Arc<str>, unseen: u64, mails: Vec<Mail> },
    /// The mailbox is gone.
    Gone { mailbox: Arc<str> },
}

impl Change {
    fn mailbox(&self) -> &Arc<str> {
        match self {
            Self::Mail { mailbox, .. }
            | Self::Unseen { mailbox, .. }
            | Self::Found { mailbox, .. }
            | Self::Gone { mailbox } => mailbox,
        }
    }
}

/// The state of one mailbox after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub mailbox: Arc<str>,
    /// Whether there is such a mailbox at the moment.
    pub exists: bool,
    /// The number of the last mail: it rises by one with each, and begins with the unseen mails
    /// that the mailbox held when it was first heard of.
    pub seq: u64,
    pub unseen: u64,
    /// The last mails, the oldest first. The last of them has the number `seq`.
    pub recent: Vec<Arc<Mail>>,
}

impl State {
    /// A mailbox that was not known, with the newest of its unseen mails.
    fn new(mailbox: &Arc<str>, unseen: u64, newest: &[Mail]) -> Self {
        let recent = newest.iter().cloned().map(Arc::new).collect();
        Self { mailbox: mailbox.clone(), exists: true, seq: unseen, unseen, recent }
    }
}

/// Carries changes from those who notice them to those who tell the browsers.
pub trait Bus: Send + Sync {
    /// Hands over changes in their order; waits while a subscriber is behind. Mail for a mailbox
    /// that does not exist is counted and dropped.
    ///
    /// # Errors
    /// [`Closed`]: nobody is there any more, so there is no use in publishing.
    fn publish(&self, changes: Vec<Change>) -> Result<Receipt, Closed>;

    /// All mailboxes as they are now, and a queue of every state that follows. `waker` is woken
    /// when the queue is no longer empty.
    fn subscribe(&self, waker: Arc<Waker>) -> (Vec<Arc<State>>, Subscriber);

    /// Names the numbering of mails. It is another one when numbers may mean other mails.
    fn epoch(&self) -> &str;
}

/// What became of published changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    pub accepted: usize,
    /// Mails for mailboxes that do not exist.
    pub unknown: usize,
}

/// Every subscriber is gone.
#[derive(Clone, Copy, Debug)]
pub struct Closed;

/// A bus within one process.
pub struct LocalBus {
    /// How many mails of each mailbox are kept for those who were away.
    recent: usize,
    epoch: String,
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    states: HashMap<Arc<str>, Arc<State>>,
    subscribers: Vec<Sender>,
    is_closed: bool,
}

impl LocalBus {
    /// A bus that keeps the last `recent` mails of each mailbox.
    pub fn new(recent: usize) -> Self {
        let epoch = format!("{:x}", rand::random::<u64>());
        Self { recent, epoch, shared: Mutex::default() }
    }

    /// No code of ours panics while it holds the lock, and the states are whole at any time.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bus for LocalBus {
    fn publish(&self, changes: Vec<Change>) -> Result<Receipt, Closed> {
        let mut receipt = Receipt::default();
        // The lock is held while a queue is full, so that all subscribers see the same order.
        let mut shared = self.lock();
        for change in changes {
            let is_mail = matches!(change, Change::Mail { .. });
            let Some(state) = shared.follow(change, self.recent) else {
                receipt.unknown += usize::from(is_mail);
                continue;
            };
            receipt.accepted += 1;
            shared.send(&state)?;
        }
        Ok(receipt)
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn subscribe(&self, waker: Arc<Waker>) -> (Vec<Arc<State>>, Subscriber) {
        let (states, receiver) = mpsc::sync_channel(MAX_WAITING);
        let is_awake = Arc::new(AtomicBool::new(false));
        let mut shared = self.lock();
        shared.subscribers.push(Sender { states, waker, is_awake: is_awake.clone() });
        (shared.states.values().cloned().collect(), Subscriber { states: receiver, is_awake })
    }
}

impl Shared {
    /// The state that a change leads to; none if it concerns a mailbox that does not exist.
    fn follow(&mut self, change: Change, kept: usize) -> Option<Arc<State>> {
        let before = self.states.get(change.mailbox());
        let mut state = match (before, &change) {
            (Some(state), Change::Unseen { .. } | Change::Found { .. }) => State::clone(state),
            (Some(state), _) if state.exists => State::clone(state),
            (None, Change::Unseen { mailbox, unseen }) => State::new(mailbox, *unseen, &[]),
            (None, Change::Found { mailbox, unseen, mails }) => {
                let newest = mails.len().min(kept).min(usize::try_from(*unseen).unwrap_or(kept));
                State::new(mailbox, *unseen, &mails[mails.len() - newest..])
            }
            _ => return None,
        };
        match change {
            Change::Mail { mail, unseen, .. } => {
                state.seq += 1;
                state.unseen = unseen.unwrap_or(state.unseen + 1);
                let forgotten = (state.recent.len() + 1).saturating_sub(kept);
                state.recent.push(Arc::new(mail));
                state.recent.drain(..forgotten);
            }
            Change::Unseen { unseen, .. } | Change::Found { unseen, .. } => {
                (state.exists, state.unseen) = (true, unseen);
            }
            Change::Gone { .. } => (state.exists, state.unseen) = (false, 0),
        }
        let state = Arc::new(state);
        self.states.insert(state.mailbox.clone(), state.clone());
        Some(state)
    }

    /// Gives a state to everybody. Before the first subscriber there is nobody to miss it.
    fn send(&mut self, state: &Arc<State>) -> Result<(), Closed> {
        let had_subscribers = !self.subscribers.is_empty();
        self.subscribers.retain(|subscriber| subscriber.send(state.clone()));
        self.is_closed |= had_subscribers && self.subscribers.is_empty();
        if self.is_closed { Err(Closed) } else { Ok(()) }
    }
}

/// The bus's end of the queue of one subscriber.
struct Sender {
    states: SyncSender<Arc<State>>,
    waker: Arc<Waker>,
    /// Whether the subscriber was woken and has not yet come to look.
    is_awake: Arc<AtomicBool>,
}

impl Sender {
    /// Whether somebody is there to take it.
    fn send(&self, state: Arc<State>) -> bool {
        self.states.send(state).is_ok() && self.wake().is_ok()
    }

    /// Many states cost one system call as long as they come faster than they are taken.
    fn wake(&self) -> std::io::Result<()> {
        if self.is_awake.swap(true, Ordering::AcqRel) { Ok(()) } else { self.waker.wake() }
    }
}

/// The subscriber's end.
pub struct Subscriber {
    states: Receiver<Arc<State>>,
    is_awake: Arc<AtomicBool>,
}

impl Subscriber {
    /// Begins to look at what is there: what comes from now on wakes again.
    pub fn begin(&self) {
        // A swap, so that it is not put behind the look at the queue.
        self.is_awake.swap(false, Ordering::AcqRel);
    }

    /// The next state; none if there is none for the moment.
    pub fn next(&self) -> Option<Arc<State>> {
        self.states.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;

    fn mail(mailbox: &str, subject: &str, unseen: Option<u64>) -> Change {
        let mail = Mail { from: "Bob".into(), subject: subject.into() };
        Change::Mail { mailbox: mailbox.into(), mail, unseen }
    }

    fn unseen(mailbox: &str, unseen: u64) -> Change {
        Change::Unseen { mailbox: mailbox.into(), unseen }
    }

    fn states(subscriber: &Subscriber) -> impl Iterator<Item = Arc<State>> {
        subscriber.begin();
        std::iter::from_fn(|| subscriber.next())
    }

    fn describe(state: &State) -> String {
        let State { mailbox, exists, seq, unseen, recent } = state;
        let subjects: Vec<_> = recent.iter().map(|mail| &*mail.subject).collect();
        let exists = if *exists { "" } else { " gone" };
        format!("{mailbox} {seq} {unseen} {}{exists}", subjects.join("+"))
    }

    /// A bus that keeps two mails, somebody who listens, and what that is woken with.
    fn bus() -> (LocalBus, Subscriber, Poll) {
        let (bus, poll) = (LocalBus::new(2), Poll::new().unwrap());
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (states, subscriber) = bus.subscribe(waker);
        assert!(states.is_empty());
        (bus, subscriber, poll)
    }

    #[test]
    fn mails_are_numbered_and_the_last_ones_kept() {
        let (bus, subscriber, _poll) = bus();
        let changes = vec![
            unseen("alice", 3),
            mail("alice", "a", None),
            mail("alice", "b", Some(9)),
            mail("alice", "c", None),
            unseen("alice", 1),
            Change::Gone { mailbox: "alice".into() },
            unseen("alice", 0),
        ];
        assert_eq!(bus.publish(changes).unwrap(), Receipt { accepted: 7, unknown: 0 });
        let states: Vec<_> = states(&subscriber).map(|state| describe(&state)).collect();
        let expected = [
            "alice 3 3 ",
            "alice 4 4 a",
            "alice 5 9 a+b",
            "alice 6 10 b+c",
            "alice 6 1 b+c",
            "alice 6 0 b+c gone",
            "alice 6 0 b+c",
        ];
        assert_eq!(states, expected);
    }

    #[test]
    fn a_mailbox_is_found_with_its_newest_mails() {
        let (bus, subscriber, _poll) = bus();
        let found = |unseen, subjects: &str| Change::Found {
            mailbox: "alice".into(),
            unseen,
            mails: subjects
                .chars()
                .map(|c| Mail { from: "Bob".into(), subject: c.into() })
                .collect(),
        };
        bus.publish(vec![found(9, "abc"), found(8, "xyz"), mail("alice", "d", None)]).unwrap();
        let states: Vec<_> = states(&subscriber).map(|state| describe(&state)).collect();
        assert_eq!(states, ["alice 9 9 b+c", "alice 9 8 b+c", "alice 10 9 c+d"]);
    }

    #[test]
    fn mail_for_nobody_is_counted() {
        let (bus, subscriber, _poll) = bus();
        let changes = vec![mail("bob", "a", None), unseen("bob", 0), mail("bob", "b", None)];
        assert_eq!(bus.publish(changes).unwrap(), Receipt { accepted: 2, unknown: 1 });
        bus.publish(vec![Change::Gone { mailbox: "bob".into() }]).unwrap();
        let receipt = bus.publish(vec![mail("bob", "c", None)]).unwrap();
        assert_eq!(receipt, Receipt { accepted: 0, unknown: 1 });
        assert_eq!(states(&subscriber).count(), 3);
    }

    #[test]
    fn who_comes_later_gets_the_states_of_now() {
        let (bus, _subscriber, poll) = bus();
        bus.publish(vec![unseen("alice", 1), mail("alice", "a", None)]).unwrap();
        drop(poll);
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (found, late) = bus.subscribe(waker);
        assert_eq!(found.iter().map(|state| describe(state)).collect::<Vec<_>>(), ["alice 2 2 a"]);
        assert_eq!(states(&late).count(), 0);
    }

    #[test]
    fn many_states_wake_once_and_none_is_overlooked() {
        let (bus, subscriber, mut poll) = bus();
        let mut events = Events::with_capacity(8);
        for round in 1..4 {
            bus.publish(vec![unseen("alice", round); MAX_WAITING]).unwrap();
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert_eq!(events.iter().count(), 1, "woken in round {round}");
            assert_eq!(states(&subscriber).count(), MAX_WAITING);
        }
    }

    #[test]
    fn without_anybody_there_is_no_use() {
        let bus = LocalBus::new(2);
        assert!(bus.publish(vec![unseen("alice", 1)]).is_ok(), "before anybody came");
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        drop(bus.subscribe(waker));
        assert!(bus.publish(vec![unseen("alice", 1)]).is_err());
    }
}
