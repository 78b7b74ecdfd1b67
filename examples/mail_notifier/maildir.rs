//! Delivering to a Maildir mailbox so that nobody sees half a mail.
//!
//! A mail is written to `tmp` under a name that nobody else uses and then renamed to `new`: the
//! rename is atomic, so whoever watches `new` finds whole mails only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mail_parser::DateTime;

/// The longest encoded word of RFC 2047, section 2, and with it a comfortable line.
const MAX_ENCODED_WORD: usize = 75;

/// A mail to deliver. No text in it may contain control characters, except the line ends of `text`.
pub struct Letter {
    pub from: String,
    pub subject: String,
    pub text: String,
}

/// Makes the three folders of the mailbox at `path`, as far as they are missing.
///
/// # Errors
/// Whatever the file system refuses.
pub fn create(path: &Path) -> io::Result<()> {
    ["tmp", "cur", "new"].iter().try_for_each(|folder| fs::create_dir_all(path.join(folder)))
}

/// Delivers `letter` to the mailbox at `path` for `user` and returns the file it became.
///
/// # Errors
/// Whatever the file system refuses. Nothing is left behind then, neither in `tmp` nor in `new`.
pub fn deliver(path: &Path, user: &str, letter: &Letter) -> io::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A process delivers one mail, so time and process id make the name unique on this host.
    let name = format!(
        "{}.M{}P{}.{}",
        now.as_secs(),
        now.subsec_micros(),
        std::process::id(),
        host_name()
    );
    let (unfinished, finished) = (path.join("tmp").join(&name), path.join("new").join(&name));
    let head = head(user, letter, now.as_secs(), &name);
    let outcome = write_new(&unfinished, &[&head, &crlf(&letter.text)])
        .and_then(|()| fs::rename(&unfinished, &finished));
    if outcome.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    outcome.map(|()| finished)
}

/// Writes a file that must not exist yet and makes sure that it is on the disk.
fn write_new(path: &Path, parts: &[&str]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    for part in parts {
        file.write_all(part.as_bytes())?;
    }
    file.sync_all()
}

fn head(user: &str, letter: &Letter, now: u64, id: &str) -> String {
    let (from, subject) = (encode_sender(&letter.from), encode_words(&letter.subject));
    let date = DateTime::from_timestamp(now.try_into().unwrap_or(i64::MAX)).to_rfc822();
    format!(
        "From: {from}\r\nTo: {}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{id}>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n",
        encode_words(user)
    )
}

/// Encodes the name in `Name <address>` and leaves the address alone.
fn encode_sender(from: &str) -> String {
    match from.rsplit_once('<') {
        Some((name, address)) => format!("{} <{address}", encode_words(name.trim_end())),
        None => encode_words(from),
    }
}

/// Text as a header carries it: as it is, or if it is long or not ASCII as encoded words
/// (RFC 2047).
fn encode_words(text: &str) -> String {
    let is_plain = text.bytes().all(|b| (b' '..=b'~').contains(&b)) && !text.contains("=?");
    if is_plain && text.len() < MAX_ENCODED_WORD - "Subject: ".len() {
        return text.to_owned();
    }
    let (open, close) = ("=?UTF-8?Q?", "?=");
    let mut encoded = open.to_owned();
    let mut room = MAX_ENCODED_WORD - open.len() - close.len();
    for char in text.chars() {
        let letters = quote(char);
        // RFC 2047, section 5: a character of several bytes must not be spread over two words.
        if letters.len() > room {
            encoded.push_str(close);
            encoded.push_str("\r\n ");
            encoded.push_str(open);
            room = MAX_ENCODED_WORD - open.len() - close.len();
        }
        room -= letters.len();
        encoded.push_str(&letters);
    }
    encoded.push_str(close);
    encoded
}

/// One character in the Q encoding (RFC 2047, section 4.2), safe in every kind of header.
fn quote(char: char) -> String {
    match char {
        ' ' => "_".to_owned(),
        'a'..='z' | 'A'..='Z' | '0'..='9' => char.to_string(),
        _ => char.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("={byte:02X}")).collect(),
    }
}

/// Text with the line ends of mail, and one at the end.
fn crlf(text: &str) -> String {
    text.lines().map(|line| format!("{line}\r\n")).collect()
}

/// The host in a mail's file name; its two special characters are written as the format asks.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.replace('/', "\\057").replace(':', "\\072"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mail;

    fn letter(from: &str, subject: &str) -> Letter {
        Letter {
            from: from.to_owned(),
            subject: subject.to_owned(),
            text: "Hello.\nBye.".to_owned(),
        }
    }

    #[test]
    fn what_is_delivered_is_read_back() {
        let root = tempfile::tempdir().unwrap();
        let long = "Ünïcödé and \"quotes\", =?signs?= and more ".repeat(4);
        for (from, subject) in [
            ("Bob <bob@example.org>", "Dinner"),
            ("bob@example.org", "Grüße"),
            ("Jürgen, Büro <j@example.org>", long.trim()),
        ] {
            let mailbox = root.path().join("alice");
            create(&mailbox).unwrap();
            let path = deliver(&mailbox, "alice", &letter(from, subject)).unwrap();
            assert!(path.starts_with(mailbox.join("new")));
            let mail = Mail::read(&path).unwrap();
            assert_eq!((mail.from.as_str(), mail.subject.as_str()), (from, subject));
            assert_eq!(fs::read_dir(mailbox.join("tmp")).unwrap().count(), 0);
        }
    }

    #[test]
    fn lines_stay_short_and_ascii() {
        let text = head("alice", &letter("Bob <bob@example.org>", &"語".repeat(150)), 0, "id");
        assert!(text.is_ascii());
        assert!(text.lines().all(|line| line.len() <= 78 + "Subject: ".len()), "{text}");
        assert!(text.contains("Date: Thu, 1 Jan 1970 00:00:00 "), "{text}");
    }

    #[test]
    fn a_refused_delivery_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        assert!(deliver(root.path(), "alice", &letter("a", "b")).is_err());
        assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
    }
}
