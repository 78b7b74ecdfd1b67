//! The mailboxes as the event loop knows them: the latest state of each, and who watches it.
//!
//! The watchers of a mailbox form a linked list through one table that is indexed by connection.
//! So watching costs 12 bytes and no allocation per connection, however the connections are spread:
//! millions of mailboxes with one watcher each, or one mailbox with all of them. Each shard has a
//! table of its own, and the states in it are shared.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bus::State;

/// The end of a list, and the mailbox of a connection that watches none.
const NONE: u32 = u32::MAX;

/// Names a mailbox for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxId(u32);

/// All mailboxes that have existed since the start, and who watches them.
#[derive(Default)]
pub struct Mailboxes {
    ids: HashMap<Arc<str>, MailboxId>,
    records: Vec<Record>,
    links: Vec<Link>,
}

/// One mailbox: its state and the ends of the list of its watchers.
struct Record {
    state: Arc<State>,
    first: u32,
    last: u32,
}

/// Where one connection stands.
#[derive(Clone, Copy)]
struct Link {
    mailbox: u32,
    previous: u32,
    next: u32,
}

impl Link {
    const FREE: Self = Self { mailbox: NONE, previous: NONE, next: NONE };
}

impl Mailboxes {
    /// No mailboxes yet, and address space for so many connections. It becomes memory where it is
    /// used; a table that grows by copying itself leaves holes behind.
    pub fn for_connections(count: usize) -> Self {
        Self { links: Vec::with_capacity(count), ..Self::default() }
    }

    /// The mailbox called `name`, while it exists.
    pub fn find(&self, name: &str) -> Option<MailboxId> {
        self.ids.get(name).copied().filter(|id| self.record(*id).state.exists)
    }

    /// The state of a mailbox.
    pub fn state(&self, id: MailboxId) -> &State {
        &self.record(id).state
    }

    /// Takes over the state of a mailbox, which may be a new one, and gives back the one before.
    pub fn apply(&mut self, state: Arc<State>) -> (MailboxId, Option<Arc<State>>) {
        if let Some(&id) = self.ids.get(&state.mailbox) {
            let before = std::mem::replace(&mut self.records[id.0 as usize].state, state);
            return (id, Some(before));
        }
        let id = MailboxId(self.records.len() as u32);
        self.ids.insert(state.mailbox.clone(), id);
        self.records.push(Record { state, first: NONE, last: NONE });
        (id, None)
    }

    /// Lets connection `key` watch a mailbox; it must not watch one already.
    pub fn watch(&mut self, id: MailboxId, key: usize) {
        if key >= self.links.len() {
            self.links.resize(key + 1, Link::FREE);
        }
        let record = &mut self.records[id.0 as usize];
        let previous = std::mem::replace(&mut record.last, key as u32);
        self.links[key] = Link { mailbox: id.0, previous, next: NONE };
        match previous {
            NONE => record.first = key as u32,
            previous => self.links[previous as usize].next = key as u32,
        }
    }

    /// Ends the watch of connection `key`, if it has one.
    pub fn unwatch(&mut self, key: usize) {
        let Some(link) = self.links.get_mut(key) else { return };
        let Link { mailbox, previous, next } = std::mem::replace(link, Link::FREE);
        if mailbox == NONE {
            return;
        }
        match previous {
            NONE => self.records[mailbox as usize].first = next,
            previous => self.links[previous as usize].next = next,
        }
        match next {
            NONE => self.records[mailbox as usize].last = previous,
            next => self.links[next as usize].previous = previous,
        }
    }

    /// The mailbox that connection `key` watches.
    pub fn watched_by(&self, key: usize) -> Option<MailboxId> {
        self.links.get(key).map(|link| link.mailbox).filter(|id| *id != NONE).map(MailboxId)
    }

    /// The connection that has watched a mailbox for the longest time;
    /// [`next_watcher`](Self::next_watcher) leads to the others. In the order in which they came, the
    /// system finds their sockets quicker.
    pub fn first_watcher(&self, id: MailboxId) -> Option<usize> {
        follow(self.record(id).first)
    }

    /// The connection that began to watch the same mailbox after `key` did.
    pub fn next_watcher(&self, key: usize) -> Option<usize> {
        self.links.get(key).and_then(|link| follow(link.next))
    }

    /// An id is only made by `apply`, together with its record.
    fn record(&self, id: MailboxId) -> &Record {
        &self.records[id.0 as usize]
    }
}

/// The connection that a link leads to.
fn follow(key: u32) -> Option<usize> {
    (key != NONE).then_some(key as usize)
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn state(name: &str, exists: bool, seq: u64) -> Arc<State> {
        let (mailbox, recent) = (name.into(), Vec::new());
        Arc::new(State { mailbox, exists, seq, unseen: seq, recent })
    }

    fn watchers(mailboxes: &Mailboxes, id: MailboxId) -> Vec<usize> {
        iter::successors(mailboxes.first_watcher(id), |key| mailboxes.next_watcher(*key)).collect()
    }

    #[test]
    fn watchers_come_and_go_in_any_order() {
        for gone in 0..3 {
            let mut mailboxes = Mailboxes::default();
            let alice = mailboxes.apply(state("alice", true, 0)).0;
            let bob = mailboxes.apply(state("bob", true, 0)).0;
            (0..3).for_each(|key| mailboxes.watch(alice, key));
            mailboxes.watch(bob, 7);
            mailboxes.unwatch(gone);
            mailboxes.unwatch(gone);
            mailboxes.unwatch(99);
            let left: Vec<_> = (0..3).filter(|key| *key != gone).collect();
            assert_eq!(watchers(&mailboxes, alice), left);
            assert_eq!(watchers(&mailboxes, bob), [7]);
            assert_eq!(mailboxes.watched_by(gone), None);
            mailboxes.watch(bob, gone);
            assert_eq!(watchers(&mailboxes, bob), [7, gone]);
            assert_eq!(mailboxes.watched_by(gone), Some(bob));
        }
    }

    #[test]
    fn a_mailbox_keeps_its_id() {
        let mut mailboxes = Mailboxes::default();
        let (alice, before) = mailboxes.apply(state("alice", true, 1));
        assert_eq!(before, None);
        assert_eq!(
            mailboxes.apply(state("alice", false, 1)),
            (alice, Some(state("alice", true, 1)))
        );
        assert_eq!(mailboxes.find("alice"), None);
        assert_eq!(mailboxes.apply(state("alice", true, 2)).0, alice);
        assert_eq!(mailboxes.find("alice"), Some(alice));
        assert_eq!(mailboxes.state(alice).seq, 2);
    }
}
