//! What the port serves: the page at `/` and the WebSockets at `/ws?mailbox=NAME`.

use dormouse::Outbox;
use dormouse::http::{EMPTY_HEADER, Request, Version};
use dormouse::server::{Answer, BadRequest, Refusal, Upgrade};

use crate::mailboxes::{MailboxId, Mailboxes};

/// Browsers send about 15 fields; a request with more than this is refused.
const MAX_FIELDS: usize = 64;

/// A file of the page.
struct File {
    path: &'static str,
    content_type: &'static str,
    body: &'static str,
}

const FILES: [File; 3] = [
    File {
        path: "/",
        content_type: "text/html; charset=utf-8",
        body: include_str!("page/page.html"),
    },
    File {
        path: "/page.css",
        content_type: "text/css; charset=utf-8",
        body: include_str!("page/page.css"),
    },
    File {
        path: "/page.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("page/page.js"),
    },
];

/// Only what this server itself serves may run or be connected to, and no other site may frame it.
const PAGE_FIELDS: [(&str, &str); 4] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("Cache-Control", "no-cache"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
];

/// What became of a request. The answer is in the outbox either way.
#[derive(Debug, PartialEq, Eq)]
pub enum Served {
    /// The connection is a WebSocket now, for the notices of this mailbox.
    Watches(MailboxId),
    /// The answer is complete: the connection ends with it.
    Answered,
}

/// Answers the request in `head`.
pub fn serve(head: &[u8], mailboxes: &Mailboxes, out: &mut Outbox) -> Served {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let answer = match Request::parse(head, &mut fields) {
        Err(error) => Refusal::from(error).answer(),
        Ok(request) if request.path() == "/ws" => match admit(&request, mailboxes) {
            Ok((upgrade, mailbox)) if upgrade.accept().write(out).is_ok() => {
                return Served::Watches(mailbox);
            }
            Ok(_) => Refusal::Unavailable { retry_after: 1 }.answer(),
            Err(denial) => denial.answer(),
        },
        Ok(request) => file(&request),
    };
    let is_head = head.starts_with(b"HEAD ");
    let answer = if is_head { answer.head_only() } else { answer };
    // Without room in the outbox there is nothing to be said; the connection ends all the same.
    let _ = answer.write(out);
    Served::Answered
}

/// Why a request does not become a WebSocket.
enum Denial {
    /// By the rules of the handshake.
    Refused(Refusal),
    /// The query does not name a mailbox.
    MailboxName,
    /// The mailbox does not exist.
    NoMailbox,
}

impl Denial {
    fn answer(self) -> Answer<'static> {
        match self {
            Self::Refused(refusal) => refusal.answer(),
            Self::MailboxName => Answer::new(400).body(b"which mailbox? /ws?mailbox=NAME").close(),
            Self::NoMailbox => Answer::new(404).body(b"there is no such mailbox").close(),
        }
    }
}

/// Whether the request may become a WebSocket, and for which mailbox.
fn admit<'h, 'b>(
    request: &Request<'h, 'b>,
    mailboxes: &Mailboxes,
) -> Result<(Upgrade<'h, 'b>, MailboxId), Denial> {
    let upgrade = Upgrade::read(request).map_err(Denial::Refused)?;
    if !is_same_origin(&upgrade) {
        return Err(Denial::Refused(Refusal::Forbidden));
    }
    let name = mailbox_name(request.query().unwrap_or_default()).ok_or(Denial::MailboxName)?;
    let mailbox = mailboxes.find(&name).ok_or(Denial::NoMailbox)?;
    Ok((upgrade, mailbox))
}

/// The page, as far as the request asks for it in a way that can be answered.
fn file(request: &Request) -> Answer<'static> {
    // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1
    // request message that lacks a Host header field"
    if request.version() == Version::Http11 && request.host().is_none() {
        return Refusal::from(BadRequest::MissingHost).answer();
    }
    let file = FILES.iter().find(|file| file.path == request.path());
    if file.is_none() && request.path() != "/favicon.ico" {
        return Refusal::NotFound.answer();
    }
    let answer = match (request.method(), file) {
        ("GET" | "HEAD", Some(file)) => Answer::new(200)
            .content_type(file.content_type)
            .headers(&PAGE_FIELDS)
            .body(file.body.as_bytes()),
        // There is no icon, and browsers need not ask again.
        ("GET" | "HEAD", None) => Answer::new(204).headers(&[("Cache-Control", "max-age=86400")]),
        _ => Answer::new(405).headers(&[("Allow", "GET, HEAD")]).body(b"this can only be read"),
    };
    answer.close()
}

/// Whether the connection comes from this server's own page, or from a program that is no browser.
///
/// Browsers let every page open WebSockets to every server. So without this check any web site
/// could read the notices of whoever visits it.
fn is_same_origin(upgrade: &Upgrade) -> bool {
    let Some(origin) = upgrade.origin() else { return true };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let (Some(authority), Some(host)) = (authority, upgrade.request().host()) else { return false };
    authority.as_bytes().eq_ignore_ascii_case(host)
}

/// The mailbox that a query asks for: one name, which is the name of one folder.
fn mailbox_name(query: &str) -> Option<String> {
    let mut names = query.split('&').filter_map(|pair| pair.strip_prefix("mailbox="));
    let name = percent_decode(names.next()?)?;
    let is_folder = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    (is_folder && names.next().is_none()).then_some(name)
}

/// Decodes a value the way forms encode it: `+` for a space, `%` and two digits for any other byte.
fn percent_decode(value: &str) -> Option<String> {
    let mut bytes = value.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? * 16 + hex_digit(bytes.next()?)?,
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use dormouse::Limits;

    use super::*;
    use crate::bus::Update;

    const HANDSHAKE: &str = "Host: localhost:9001\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    /// Serves one request, with a mailbox "alice" and one "al ice"; returns the answer as text.
    fn request(line: &str, fields: &str) -> String {
        let mut mailboxes = Mailboxes::default();
        let mut out = Outbox::new(&Limits::default());
        for name in ["alice", "al ice"] {
            mailboxes.apply(Update {
                mailbox: name.into(),
                exists: true,
                seq: 0,
                unseen: 0,
                mail: None,
            });
        }
        let served =
            serve(format!("{line} HTTP/1.1\r\n{fields}\r\n").as_bytes(), &mailboxes, &mut out);
        let answer = String::from_utf8(out.slices().flatten().copied().collect()).unwrap();
        assert_eq!(served != Served::Answered, answer.starts_with("HTTP/1.1 101 "), "{answer}");
        answer
    }

    fn status(line: &str, fields: &str) -> u16 {
        request(line, fields)[9..12].parse().unwrap()
    }

    #[test]
    fn the_page_and_its_files() {
        let host = "Host: localhost:9001\r\n";
        let page = request("GET /?mailbox=alice", host);
        assert!(page.starts_with("HTTP/1.1 200 "));
        for expected in [
            "Content-Type: text/html",
            "Content-Security-Policy: ",
            "Connection: close",
            "<!doctype html>",
        ] {
            assert!(page.contains(expected), "{expected}");
        }
        let head = request("HEAD /", host);
        assert!(head.ends_with("\r\n\r\n") && !head.contains("Content-Length: 0"), "{head}");
        for target in ["/nothing", "/ws"] {
            assert!(request(&format!("HEAD {target}"), host).ends_with("\r\n\r\n"), "{target}");
        }
        assert_eq!(status("GET /page.js", host), 200);
        assert_eq!(status("GET /page.css", host), 200);
        assert_eq!(status("GET /favicon.ico", host), 204);
        assert_eq!(status("GET /nothing", host), 404);
        assert_eq!(status("POST /nothing", host), 404);
        assert_eq!(status("GET /page.js/", host), 404);
        assert!(request("POST /", host).contains("Allow: GET, HEAD\r\n"));
        assert_eq!(status("GET /", ""), 400);
        assert_eq!(status("GET /", "no colon\r\n"), 400);
        assert_eq!(status("GET /", &"x: y\r\n".repeat(100)), 431);
    }

    #[test]
    fn s4_2_2_the_mailbox_decides() {
        for (query, expected) in [
            ("?mailbox=alice", 101),
            ("?mailbox=%61lice", 101),
            ("?other=1&mailbox=al+ice", 101),
            ("?mailbox=al%20ice", 101),
            ("?mailbox=bob", 404),
            ("", 400),
            ("?mailbox=", 400),
            ("?mailbox=..", 400),
            ("?mailbox=.%2e", 400),
            ("?mailbox=..%2Falice", 400),
            ("?mailbox=alice%2Fnew", 400),
            ("?mailbox=alice%00", 400),
            ("?mailbox=alice%", 400),
            ("?mailbox=alice%+1", 400),
            ("?mailbox=%ff", 400),
            ("?mailbox=alice&mailbox=alice", 400),
        ] {
            assert_eq!(status(&format!("GET /ws{query}"), HANDSHAKE), expected, "{query}");
        }
        let plain = request("GET /ws?mailbox=alice", "Host: localhost:9001\r\n");
        assert!(
            plain.starts_with("HTTP/1.1 426 ") && plain.contains("Connection: Upgrade, close\r\n")
        );
    }

    #[test]
    fn s10_2_other_origins_are_refused() {
        for (origin, expected) in [
            ("http://localhost:9001", 101),
            ("https://LOCALHOST:9001", 101),
            ("http://localhost", 403),
            ("http://localhost:9001.example.org", 403),
            ("null", 403),
        ] {
            let fields = format!("{HANDSHAKE}Origin: {origin}\r\n");
            assert_eq!(status("GET /ws?mailbox=alice", &fields), expected, "{origin}");
        }
    }
}
