//! What publishers send: mails and counts in JSON, and what they are told about them.
//!
//! ```text
//! {"mailbox":"alice","from":"Bob <bob@example.org>","subject":"Dinner"}      a mail
//! {"mailbox":"alice","from":"Bob <bob@example.org>","subject":"x","unseen":3} and how many there are
//! {"mailbox":"alice","unseen":3}                                             a mailbox, made if new
//! [{..},{..}]                                                                several, in this order
//! ```
//! All of a body is published, or nothing.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::json;

use crate::bus::{Bus, Change, Receipt};
use crate::mail::Mail;
use crate::mailbox_name;

/// The media type of what is sent and answered.
pub const JSON: &str = "application/json";

/// Publishes the changes in `body`. The outcome is the status of the answer and a JSON object.
pub fn publish(body: &[u8], bus: &dyn Bus) -> (u16, String) {
    let mut batch = Batch::default();
    if let Err(error) = batch.read(body) {
        let error = error.to_string();
        let object = match batch.at {
            Some(index) => json!({ "error": error, "index": index }),
            None => json!({ "error": error }),
        };
        return (400, object.to_string());
    }
    let is_single_mail = !batch.is_array && matches!(batch.changes[..], [Change::Mail { .. }]);
    match bus.publish(batch.changes) {
        Ok(Receipt { unknown: 1.., .. }) if is_single_mail => {
            (404, json!({ "error": "there is no such mailbox" }).to_string())
        }
        Ok(Receipt { accepted, unknown }) => {
            (202, json!({ "accepted": accepted, "unknown": unknown }).to_string())
        }
        Err(_) => ending(),
    }
}

/// The outcome while the server ends: nothing was published.
pub fn ending() -> (u16, String) {
    (503, json!({ "error": "the server is ending" }).to_string())
}

/// Whether a media type is JSON, whatever its parameters.
pub fn is_json(media_type: &[u8]) -> bool {
    let name = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(JSON.as_bytes())
}

/// The changes of one body.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    is_array: bool,
    /// Which element of an array is being read. The first bad one, after an error.
    at: Option<usize>,
}

impl Batch {
    fn read(&mut self, body: &[u8]) -> serde_json::Result<()> {
        let mut json = serde_json::Deserializer::from_slice(body);
        self.deserialize(&mut json)?;
        json.end()
    }
}

/// Reads element by element, so that the first bad one ends it, and nothing is held twice.
impl<'de> DeserializeSeed<'de> for &mut Batch {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Batch {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a mailbox, or an array of such objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        One(&mut self.changes).visit_map(object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        self.is_array = true;
        self.at = Some(0);
        while elements.next_element_seed(One(&mut self.changes))?.is_some() {
            self.at = Some(self.changes.len());
        }
        self.at = None;
        Ok(())
    }
}

/// Reads one change to the end of those before it. An [`Element`] alone would also be read from an
/// array of values without names.
struct One<'b>(&'b mut Vec<Change>);

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a mailbox")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let element = Element::deserialize(MapAccessDeserializer::new(object))?;
        self.0.push(element.change().map_err(A::Error::custom)?);
        Ok(())
    }
}

/// One object. Names that are not known are refused: most likely they are misspelt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Element {
    mailbox: String,
    from: Option<String>,
    subject: Option<String>,
    /// Nobody has more, and no sum of it overflows.
    unseen: Option<u32>,
}

impl Element {
    fn change(self) -> Result<Change, &'static str> {
        if !mailbox_name::is_valid(&self.mailbox) {
            return Err("this is not a name for a mailbox");
        }
        let (mailbox, unseen) = (self.mailbox.into(), self.unseen.map(u64::from));
        match (self.from, self.subject, unseen) {
            (Some(from), Some(subject), unseen) => {
                Ok(Change::Mail { mailbox, mail: Mail::new(&from, &subject), unseen })
            }
            (None, None, Some(unseen)) => Ok(Change::Unseen { mailbox, unseen }),
            (None, None, None) => Err("neither a mail (from, subject) nor a count (unseen)"),
            _ => Err("a mail has both from and subject"),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::sync::{Arc, Mutex};

    use mio::Waker;

    use super::*;
    use crate::bus::{Closed, State, Subscriber};

    /// A bus on which everybody is known but "nobody", and which the mailbox "end" ends.
    #[derive(Default)]
    pub struct Notebook {
        pub published: Mutex<Vec<Change>>,
    }

    impl Bus for Notebook {
        fn publish(&self, changes: Vec<Change>) -> Result<Receipt, Closed> {
            let mut receipt = Receipt::default();
            let mut published = self.published.lock().unwrap();
            for change in changes {
                match &change {
                    Change::Mail { mailbox, .. } if &**mailbox == "end" => return Err(Closed),
                    Change::Mail { mailbox, .. } if &**mailbox == "nobody" => receipt.unknown += 1,
                    _ => receipt.accepted += 1,
                }
                published.push(change);
            }
            Ok(receipt)
        }

        fn subscribe(&self, _: Arc<Waker>) -> (Vec<Arc<State>>, Subscriber) {
            unreachable!("nobody listens")
        }

        fn epoch(&self) -> &str {
            "test"
        }
    }

    fn mail(mailbox: &str, from: &str, subject: &str, unseen: Option<u64>) -> Change {
        let mail = Mail { from: from.to_owned(), subject: subject.to_owned() };
        Change::Mail { mailbox: mailbox.into(), mail, unseen }
    }

    fn unseen(mailbox: &str, unseen: u64) -> Change {
        Change::Unseen { mailbox: mailbox.into(), unseen }
    }

    /// The answer, and what was published.
    fn publish_text(body: &str) -> ((u16, String), Vec<Change>) {
        let bus = Notebook::default();
        let answer = publish(body.as_bytes(), &bus);
        (answer, bus.published.into_inner().unwrap())
    }

    #[track_caller]
    fn accepted(body: &str, answer: &str, changes: Vec<Change>) {
        assert_eq!(publish_text(body), ((202, answer.to_owned()), changes), "{body}");
    }

    #[test]
    fn a_mail_or_a_count() {
        let one = r#"{"accepted":1,"unknown":0}"#;
        accepted(
            r#"{"mailbox":"alice","from":"Bob","subject":"Grüße"}"#,
            one,
            vec![mail("alice", "Bob", "Grüße", None)],
        );
        accepted(
            r#" { "unseen" : 3, "subject":"", "from":"Bob", "mailbox":"al ice" } "#,
            one,
            vec![mail("al ice", "Bob", "(no subject)", Some(3))],
        );
        accepted(r#"{"mailbox":"alice","unseen":0}"#, one, vec![unseen("alice", 0)]);
        let most = r#"{"mailbox":"nobody","unseen":4294967295,"from":null}"#;
        accepted(most, one, vec![unseen("nobody", u32::MAX.into())]);
    }

    #[test]
    fn several_in_their_order() {
        accepted("[]", r#"{"accepted":0,"unknown":0}"#, vec![]);
        accepted(
            r#"[{"mailbox":"bob","unseen":1},{"mailbox":"nobody","from":"a","subject":"b"},
                {"mailbox":"bob","from":"c","subject":"d"}]"#,
            r#"{"accepted":2,"unknown":1}"#,
            vec![unseen("bob", 1), mail("nobody", "a", "b", None), mail("bob", "c", "d", None)],
        );
        let changes = vec![mail("nobody", "a", "b", None)];
        let body = r#"[{"mailbox":"nobody","from":"a","subject":"b"}]"#;
        accepted(body, r#"{"accepted":0,"unknown":1}"#, changes);
    }

    #[test]
    fn text_is_bounded_and_printable() {
        let long = "x".repeat(300);
        let body = json!({ "mailbox": "a", "from": "B\u{1b}[31m\r\nob", "subject": long });
        let (_, changes) = publish_text(&body.to_string());
        let cut = format!("{}…", "x".repeat(200));
        assert_eq!(changes, [mail("a", "B\u{FFFD}[31m ob", &cut, None)]);
    }

    #[test]
    fn a_single_mail_for_nobody_and_a_bus_that_ended() {
        let ((status, answer), _) =
            publish_text(r#"{"mailbox":"nobody","from":"a","subject":"b"}"#);
        assert_eq!((status, answer.as_str()), (404, r#"{"error":"there is no such mailbox"}"#));
        let ((status, _), _) = publish_text(r#"{"mailbox":"end","from":"a","subject":"b"}"#);
        assert_eq!(status, 503);
    }

    #[test]
    fn nothing_of_a_bad_body_is_published() {
        let good = r#"{"mailbox":"alice","unseen":1}"#;
        for (element, reason) in [
            ("", ""),
            ("{", ""),
            ("1", "an object with a mailbox"),
            ("{}", "missing field `mailbox`"),
            (r#"{"mailbox":"alice"}"#, "neither a mail"),
            (r#"{"mailbox":"alice","from":"a"}"#, "both from and subject"),
            (r#"{"mailbox":"alice","subject":"a","unseen":1}"#, "both from and subject"),
            (r#"{"mailbox":"../alice","unseen":1}"#, "not a name"),
            (r#"{"mailbox":"","unseen":1}"#, "not a name"),
            (r#"{"mailbox":"a\u0000","unseen":1}"#, "not a name"),
            (r#"{"mailbox":"alice","unseen":-1}"#, "invalid value"),
            (r#"{"mailbox":"alice","unseen":1.5}"#, "invalid type"),
            (r#"{"mailbox":"alice","unseen":4294967296}"#, "invalid value"),
            (r#"{"mailbox":"alice","unseeen":1}"#, "unknown field `unseeen`"),
            (r#"{"mailbox":"alice","unseen":1,"unseen":2}"#, "duplicate field"),
            (r#"{"mailbox":"alice","from":"\ud800","subject":"a"}"#, "hex escape"),
            ("[", "an object with a mailbox"),
            (r#"["alice",null,null,3]"#, "an object with a mailbox"),
            (&"[".repeat(500_000), "an object with a mailbox"),
        ] {
            for (body, index) in [
                (element.to_owned(), None),
                (format!("[{good},{good},{element}]"), Some(2)),
                (format!("[{good},{element}"), Some(1)),
            ] {
                let ((status, answer), changes) = publish_text(&body);
                assert_eq!((status, changes), (400, vec![]), "{body}");
                let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
                let error = answer["error"].as_str().unwrap();
                assert!(error.contains(reason) || index.is_none(), "{body}: {error}");
                if !element.starts_with('[') {
                    assert_eq!(answer.get("index").and_then(|at| at.as_u64()), index, "{body}");
                }
            }
        }
        for body in
            ["[] x", r#"{"mailbox":"alice","unseen":1}x"#, "\"alice\"", "null", "\u{feff}[]"]
        {
            let ((status, answer), changes) = publish_text(body);
            assert_eq!((status, changes), (400, vec![]), "{body}");
            assert!(!answer.contains("index"), "{answer}");
        }
        assert_eq!(publish(b"{\"mailbox\":\"\xff\",\"unseen\":1}", &Notebook::default()).0, 400);
    }
}
