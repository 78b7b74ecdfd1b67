//! What the server says to a page: small JSON objects, one in each text message.
//!
//! ```json
//! {"type":"hello","mailbox":"alice","seq":1,"unseen":1}
//! {"type":"mail","mailbox":"alice","seq":2,"unseen":2,"from":"Bob <b@example.org>","subject":"Hi"}
//! ```
//! `hello` opens every connection, `mail` follows for each mail that arrives. `unseen` is how many
//! mails wait in `new`; `seq` is the number of the last mail, which rises by one with each and
//! begins with the mails that this process found at its start. A page that is slow to read gets
//! only the latest: a gap in `seq` says how many mails it was not told about.

use serde::Serialize;

use crate::bus::Update;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Notice<'a> {
    Hello { mailbox: &'a str, seq: u64, unseen: u64 },
    Mail { mailbox: &'a str, seq: u64, unseen: u64, from: &'a str, subject: &'a str },
}

/// The first message of a connection: where the mailbox stands.
pub fn hello(latest: &Update) -> String {
    let Update { mailbox, seq, unseen, .. } = latest;
    json(&Notice::Hello { mailbox, seq: *seq, unseen: *unseen })
}

/// The message about the last mail; none while there has been no mail since the start.
pub fn mail(latest: &Update) -> Option<String> {
    let Update { mailbox, seq, unseen, mail, .. } = latest;
    let mail = mail.as_ref()?;
    let (from, subject) = (&mail.from, &mail.subject);
    Some(json(&Notice::Mail { mailbox, seq: *seq, unseen: *unseen, from, subject }))
}

/// Strings and numbers always have a JSON form, so the empty object is never seen.
fn json(notice: &Notice) -> String {
    serde_json::to_string(notice).unwrap_or_else(|_| "{}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mail;

    #[test]
    fn the_documented_form() {
        let mut latest =
            Update { mailbox: "alice".into(), exists: true, seq: 1, unseen: 1, mail: None };
        assert_eq!(hello(&latest), r#"{"type":"hello","mailbox":"alice","seq":1,"unseen":1}"#);
        assert_eq!(mail(&latest), None);
        latest.mail = Some(Mail { from: "Bob <b@example.org>".into(), subject: "\"Hi\"".into() });
        let expected = r#"{"type":"mail","mailbox":"alice","seq":1,"unseen":1,"#.to_owned()
            + r#""from":"Bob <b@example.org>","subject":"\"Hi\""}"#;
        assert_eq!(mail(&latest), Some(expected));
    }
}
