//! One mail, as far as a notice needs it: who wrote, and about what.
//!
//! Mail comes from strangers. Whatever a file holds, the outcome is two short lines of printable
//! text: encoded words are decoded (RFC 2047), folded lines joined, control characters replaced.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use mail_parser::{Addr, HeaderName, Message, MessageParser};
use serde::Serialize;

/// How much of a file is read: enough for the headers of any honest mail, and a bound for the rest.
const MAX_HEADERS: u64 = 64 * 1024;
/// The longest text shown for one header, in characters.
pub const MAX_TEXT: usize = 200;

const NO_SENDER: &str = "(unknown sender)";
const NO_SUBJECT: &str = "(no subject)";

/// The sender and the subject of one mail, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mail {
    pub from: String,
    pub subject: String,
}

impl Mail {
    /// Reads the headers of the mail at `path`.
    ///
    /// # Errors
    /// When the file cannot be opened or read. Whatever it holds is no error: see [`Mail::parse`].
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut head = Vec::new();
        File::open(path)?.take(MAX_HEADERS).read_to_end(&mut head)?;
        Ok(Self::parse(head))
    }

    /// A mail of somebody who knows what its headers say. The text is bounded and made printable.
    pub fn new(from: &str, subject: &str) -> Self {
        Self { from: printable(from, NO_SENDER), subject: printable(subject, NO_SUBJECT) }
    }

    /// A mail that is there but cannot be read, so that it is at least announced.
    pub fn unreadable() -> Self {
        Self { from: NO_SENDER.to_owned(), subject: "(this mail cannot be read)".to_owned() }
    }

    /// Finds sender and subject in the beginning of a mail, or says that there are none.
    fn parse(mut head: Vec<u8>) -> Self {
        // The parser gives up on a header without a line end, which is how a cut one looks.
        head.extend_from_slice(b"\r\n\r\n");
        let message = MessageParser::new()
            .default_header_ignore()
            .header_address(HeaderName::From)
            .header_text(HeaderName::Subject)
            .parse_headers(&head);
        let from = message.as_ref().and_then(sender).unwrap_or_default();
        let subject = message.as_ref().and_then(Message::subject).unwrap_or_default();
        Self::new(&from, subject)
    }
}

/// The first address of `From`, written the way people write it: `Bob <bob@example.org>`.
fn sender(message: &Message) -> Option<String> {
    let Addr { name, address } = message.from()?.first()?;
    match (name, address) {
        (Some(name), Some(address)) => Some(format!("{name} <{address}>")),
        (Some(only), None) | (None, Some(only)) => Some(only.to_string()),
        (None, None) => None,
    }
}

/// One bounded line: white space collapsed, what cannot be seen replaced; `otherwise` if that
/// leaves nothing.
fn printable(text: &str, otherwise: &str) -> String {
    let mut line = String::new();
    let mut chars =
        text.split_whitespace().flat_map(|word| [" ", word]).flat_map(str::chars).skip(1);
    for char in chars.by_ref().take(MAX_TEXT) {
        line.push(if is_invisible(char) { char::REPLACEMENT_CHARACTER } else { char });
    }
    if chars.next().is_some() {
        line.push('…');
    }
    if line.is_empty() { otherwise.to_owned() } else { line }
}

/// Control characters, and those that reorder text so that a subject can pretend to be another.
pub fn is_invisible(char: char) -> bool {
    let reorders = [
        '\u{061C}'..='\u{061C}',
        '\u{200E}'..='\u{200F}',
        '\u{202A}'..='\u{202E}',
        '\u{2066}'..='\u{2069}',
    ];
    char.is_control() || reorders.iter().any(|range| range.contains(&char))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &[u8]) -> (String, String) {
        let Mail { from, subject } = Mail::parse(head.to_vec());
        (from, subject)
    }

    fn subject(head: &[u8]) -> String {
        parse(head).1
    }

    #[test]
    fn plain_headers() {
        let (from, subject) =
            parse(b"From: Bob <bob@example.org>\r\nSubject: Dinner\r\n\r\nAt seven?\r\n");
        assert_eq!(from, "Bob <bob@example.org>");
        assert_eq!(subject, "Dinner");
    }

    #[test]
    fn encoded_words_and_folding() {
        assert_eq!(
            subject(b"Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\n =?utf-8?B?IGF1cyBLw7ZsbiE=?=\n\n"),
            "Grüße aus Köln!"
        );
        assert_eq!(subject(b"Subject: =?ISO-8859-1?Q?caf=E9?= at nine\r\n\r\n"), "café at nine");
        assert_eq!(subject(b"Subject: =?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?=\r\n\r\n"), "テスト");
        assert_eq!(subject(b"Subject: one\r\n two\r\n\tthree\r\n\r\n"), "one two three");
        assert_eq!(
            parse(b"From: =?UTF-8?Q?J=C3=BCrgen?= <j@example.org>\n\n").0,
            "Jürgen <j@example.org>"
        );
    }

    #[test]
    fn senders_of_every_kind() {
        assert_eq!(parse(b"From: bob@example.org\n\n").0, "bob@example.org");
        assert_eq!(
            parse(b"From: \"Bob, the other\" <bob@example.org>\n\n").0,
            "Bob, the other <bob@example.org>"
        );
        assert_eq!(parse(b"From: a@example.org, b@example.org\n\n").0, "a@example.org");
        assert_eq!(parse(b"From:\n\n").0, NO_SENDER);
        assert_eq!(parse(b"Subject: x\n\n").0, NO_SENDER);
    }

    #[test]
    fn broken_mail_is_still_announced() {
        let nothing = (NO_SENDER.to_owned(), NO_SUBJECT.to_owned());
        assert_eq!(parse(b""), nothing);
        assert_eq!(parse(b"\r\n\r\nonly a body"), nothing);
        assert_eq!(parse(&[0; 300]), nothing);
        let junk: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        assert_eq!(parse(&junk), nothing);
    }

    #[test]
    fn the_line_is_bounded_and_printable() {
        let cut = subject(format!("Subject: {}", "ä".repeat(60_000)).as_bytes());
        assert_eq!(cut.chars().count(), MAX_TEXT + 1);
        assert!(cut.ends_with('…'));
        assert_eq!(subject(b"Subject: a\x1b[31mb\x00c\n\n"), "a\u{FFFD}[31mb\u{FFFD}c");
        assert_eq!(subject("Subject: =?UTF-8?B?4oCuZXhl?=\n\n".as_bytes()), "\u{FFFD}exe");
        assert_eq!(subject(b"Subject:    \n\n"), NO_SUBJECT);
    }
}
