//! What the server says to a page: small JSON objects, one in each text message.
//!
//! ```json
//! {"type":"hello","mailbox":"alice","seq":1,"unseen":1,"epoch":"5f0c"}
//! {"type":"mail","mailbox":"alice","seq":2,"unseen":2,"from":"Bob <b@example.org>","subject":"Hi"}
//! {"type":"unseen","mailbox":"alice","seq":2,"unseen":1}
//! {"type":"snapshot","mailbox":"alice","seq":3,"unseen":2,"mails":[{"seq":3,"from":"","subject":""}]}
//! ```
//! `hello` opens every connection. `mail` follows for each mail that arrives, `unseen` when only the
//! count changed, because mail was read or deleted elsewhere. `snapshot` takes the place of messages
//! that were missed: it has the last mails, the oldest first. `seq` is the number of the last mail
//! and rises by one with each; the numbers of another `epoch` mean other mails.

use serde::Serialize;

use crate::bus::State;
use crate::mail::{MAX_TEXT, Mail};
use crate::mailbox_name::MAX_NAME;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Notice<'a> {
    Hello { mailbox: &'a str, seq: u64, unseen: u64, epoch: &'a str },
    Mail { mailbox: &'a str, seq: u64, unseen: u64, from: &'a str, subject: &'a str },
    Unseen { mailbox: &'a str, seq: u64, unseen: u64 },
    Snapshot { mailbox: &'a str, seq: u64, unseen: u64, mails: Vec<Numbered<'a>> },
}

#[derive(Serialize)]
struct Numbered<'a> {
    seq: u64,
    from: &'a str,
    subject: &'a str,
}

/// The most bytes that one mail takes, in a message of its own or in a snapshot: two texts as long as
/// `mail` lets them be with every character as long as JSON makes one, the name of the mailbox, and
/// the names of the fields.
pub const MAX_MAIL: usize = 2 * 4 * (MAX_TEXT + 1) + 2 * MAX_NAME + 256;

/// Up to where a page knows its mailbox.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// The mail with this number and those before it.
    Until(u64),
    /// Numbers that mean nothing here.
    OtherEpoch,
}

/// The first message of a connection: where the mailbox stands.
pub fn hello(state: &State, epoch: &str) -> String {
    let State { mailbox, seq, unseen, .. } = state;
    json(&Notice::Hello { mailbox, seq: *seq, unseen: *unseen, epoch })
}

/// What to say when one state follows another; nothing if nobody can tell the difference.
pub fn change(before: &State, now: &State) -> Option<String> {
    let State { mailbox, seq, unseen, .. } = now;
    match now.recent.last() {
        Some(last) if now.seq == before.seq + 1 => Some(mail(now, now.seq, last)),
        _ if now.seq != before.seq => Some(snapshot(now)),
        _ if now.unseen != before.unseen => {
            Some(json(&Notice::Unseen { mailbox, seq: *seq, unseen: *unseen }))
        }
        _ => None,
    }
}

/// The last mails in one message.
pub fn snapshot(state: &State) -> String {
    let State { mailbox, seq, unseen, .. } = state;
    let mails = numbered(state).map(|(seq, mail)| {
        let Mail { from, subject } = mail;
        Numbered { seq, from, subject }
    });
    json(&Notice::Snapshot { mailbox, seq: *seq, unseen: *unseen, mails: mails.collect() })
}

/// What a page has missed: each mail in a message of its own if all of them are still kept, and one
/// snapshot if not.
pub fn missed(state: &State, known: Known) -> Vec<String> {
    match known {
        Known::Until(seq) if seq <= state.seq && state.seq - seq <= state.recent.len() as u64 => {
            let missed = numbered(state).filter(|(number, _)| *number > seq);
            missed.map(|(seq, missed)| mail(state, seq, missed)).collect()
        }
        _ => vec![snapshot(state)],
    }
}

/// The kept mails with their numbers.
fn numbered(state: &State) -> impl Iterator<Item = (u64, &Mail)> {
    let before = state.seq - state.recent.len() as u64;
    (before + 1..).zip(state.recent.iter().map(AsRef::as_ref))
}

fn mail(state: &State, seq: u64, mail: &Mail) -> String {
    let (mailbox, unseen) = (&state.mailbox, state.unseen);
    json(&Notice::Mail { mailbox, seq, unseen, from: &mail.from, subject: &mail.subject })
}

/// Strings and numbers always have a JSON form, so the empty object is never seen.
fn json(notice: &Notice) -> String {
    serde_json::to_string(notice).unwrap_or_else(|_| "{}".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A mailbox whose last mails have these subjects.
    fn state(seq: u64, subjects: &[&str]) -> State {
        let mail =
            |subject: &&str| Arc::new(Mail { from: "Bob".into(), subject: (*subject).into() });
        let recent = subjects.iter().map(mail).collect();
        State { mailbox: "alice".into(), exists: true, seq, unseen: 4, recent }
    }

    #[test]
    fn the_documented_form() {
        let before = state(1, &[]);
        let now = state(2, &["\"Hi\""]);
        assert_eq!(
            hello(&now, "5f0c"),
            r#"{"type":"hello","mailbox":"alice","seq":2,"unseen":4,"epoch":"5f0c"}"#
        );
        assert_eq!(
            change(&before, &now).unwrap(),
            r#"{"type":"mail","mailbox":"alice","seq":2,"unseen":4,"from":"Bob","subject":"\"Hi\""}"#
        );
        assert_eq!(
            snapshot(&now),
            r#"{"type":"snapshot","mailbox":"alice","seq":2,"unseen":4,"mails":["#.to_owned()
                + r#"{"seq":2,"from":"Bob","subject":"\"Hi\""}]}"#
        );
        let read = State { unseen: 3, ..now.clone() };
        assert_eq!(
            change(&now, &read).unwrap(),
            r#"{"type":"unseen","mailbox":"alice","seq":2,"unseen":3}"#
        );
        assert_eq!(change(&now, &now), None);
    }

    #[test]
    fn exactly_what_was_missed_or_one_snapshot() {
        let now = state(9, &["seven", "eight", "nine"]);
        let subjects = |known| {
            let messages = missed(&now, known).into_iter();
            let short = messages.map(|message| {
                let value: serde_json::Value = serde_json::from_str(&message).unwrap();
                let subject = value["subject"].as_str().unwrap_or_default();
                format!("{} {} {subject}", value["type"].as_str().unwrap(), value["seq"])
            });
            short.collect::<Vec<_>>()
        };
        assert_eq!(subjects(Known::Until(9)), [""; 0]);
        assert_eq!(subjects(Known::Until(8)), ["mail 9 nine"]);
        let all = ["mail 7 seven", "mail 8 eight", "mail 9 nine"];
        assert_eq!(subjects(Known::Until(6)), all);
        for known in [Known::Until(5), Known::Until(0), Known::Until(10), Known::OtherEpoch] {
            assert_eq!(subjects(known), ["snapshot 9 "], "{known:?}");
        }
    }

    #[test]
    fn the_stated_size_is_enough() {
        let text = "\u{10FFFF}".repeat(MAX_TEXT + 1);
        let mut now = state(u64::MAX / 2, &[]);
        now.mailbox = "\"".repeat(MAX_NAME).into();
        let empty = snapshot(&now).len();
        let mail = Arc::new(Mail { from: text.clone(), subject: text });
        now.recent = std::iter::repeat_n(mail, 7).collect();
        assert!(snapshot(&now).len() <= empty + 7 * MAX_MAIL);
        let each = missed(&now, Known::Until(now.seq - 7));
        // With the longest header of a frame.
        assert!(each.len() == 7 && each.iter().all(|text| text.len() + 14 <= MAX_MAIL));
    }
}
