//! What the public port serves: the page, the WebSockets, and how the server is.

use std::time::{SystemTime, UNIX_EPOCH};

use dormouse::Outbox;
use dormouse::http::{EMPTY_HEADER, Request, Version};
use dormouse::server::{Answer, BadRequest, Refusal, Upgrade};
use mio::net::TcpStream;

use crate::access::Denial;
use crate::compression;
use crate::mailboxes::{MailboxId, Mailboxes};
use crate::notice::Known;
use crate::server::Server;

/// Browsers send about 15 fields; a request with more than this is refused.
const MAX_FIELDS: usize = 64;

/// What became of a request. The answer is in the outbox either way.
#[derive(Debug)]
pub enum Served {
    /// The connection is a WebSocket now, for the notices of this mailbox; `known` is what the page
    /// says that it has, if it was here before.
    Watches { mailbox: MailboxId, known: Option<Known>, takes_compressed: bool },
    /// The answer is complete: the connection ends with it.
    Answered,
}

/// Answers the request in `head`, which came from `socket`.
pub fn serve(
    head: &[u8],
    socket: &TcpStream,
    mailboxes: &Mailboxes,
    server: &Server,
    out: &mut Outbox,
) -> Served {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let answer = match Request::parse(head, &mut fields) {
        Err(error) => {
            server.refused("head", &[("error", &error)]);
            Refusal::from(error).answer()
        }
        Ok(request) if request.path() == "/ws" => match upgrade(&request, mailboxes, server, out) {
            Ok(served) => return served,
            Err(refused) => {
                let peer = socket.peer_addr().map(|peer| peer.ip().to_string());
                let peer = peer.unwrap_or_else(|_| "gone".to_owned());
                server.refused(refused.reason(), &[("peer", &peer)]);
                refused.answer()
            }
        },
        Ok(request) => return resource(&request, server, out),
    };
    send(answer, head.starts_with(b"HEAD "), out)
}

/// The answer to a peer whose request was not complete in time.
pub fn too_late() -> Answer<'static> {
    Answer::new(408).body(b"the request took too long").close()
}

/// Why a request does not become a WebSocket.
enum Refused {
    /// By the rules about who may watch what.
    Denied(Denial),
    /// The mailbox does not exist.
    NoMailbox,
    /// The server is ending.
    Draining { retry_after: u32 },
}

impl Refused {
    fn reason(&self) -> &'static str {
        match self {
            Self::Denied(denial) => denial.reason(),
            Self::NoMailbox => "no_mailbox",
            Self::Draining { .. } => "draining",
        }
    }

    fn answer(self) -> Answer<'static> {
        match self {
            Self::Denied(denial) => denial.answer(),
            Self::NoMailbox => Answer::new(404).body(b"there is no such mailbox").close(),
            Self::Draining { retry_after } => Refusal::Unavailable { retry_after }.answer(),
        }
    }
}

/// Makes the request a WebSocket, if it may be one.
fn upgrade(
    request: &Request<'_, '_>,
    mailboxes: &Mailboxes,
    server: &Server,
    out: &mut Outbox,
) -> Result<Served, Refused> {
    let upgrade = Upgrade::read(request).map_err(|refusal| Refused::Denied(refusal.into()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let admitted = server.rules.admit(&upgrade, now.as_secs()).map_err(Refused::Denied)?;
    if server.is_draining() {
        return Err(Refused::Draining { retry_after: later(server) });
    }
    let mailbox = mailboxes.find(&admitted.mailbox).ok_or(Refused::NoMailbox)?;
    let is_same = admitted.epoch.is_none_or(|epoch| epoch == server.bus.epoch());
    let known = |since| if is_same { Known::Until(since) } else { Known::OtherEpoch };
    let agreed = server.settings.deflate.then(|| compression::agree(&upgrade)).flatten();
    let accept = upgrade.accept().protocol(admitted.protocol).extensions(agreed.as_deref());
    // The outbox of a new connection has room.
    accept.write(out).map_err(|_| Refused::Draining { retry_after: later(server) })?;
    let (known, takes_compressed) = (admitted.since.map(known), agreed.is_some());
    Ok(Served::Watches { mailbox, known, takes_compressed })
}

/// In how many seconds to come back. Those who are sent away together are not to come back together.
fn later(server: &Server) -> u32 {
    let shortest = server.settings.retry_after.as_secs().clamp(1, u64::from(u32::MAX / 2)) as u32;
    rand::random_range(shortest..=2 * shortest)
}

/// Answers a request for anything but a WebSocket.
fn resource(request: &Request<'_, '_>, server: &Server, out: &mut Outbox) -> Served {
    let is_head = request.method() == "HEAD";
    // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1
    // request message that lacks a Host header field"
    if request.version() == Version::Http11 && request.host().is_none() {
        return send(Refusal::from(BadRequest::MissingHost).answer(), is_head, out);
    }
    let fresh = [("Cache-Control", "no-store")];
    let text = |status, body| Answer::new(status).headers(&fresh).body(body);
    let (stats, fields);
    let answer = match request.path() {
        "/" => {
            fields = server.page.fields();
            server.page.answer().headers(&fields)
        }
        "/stats" => {
            stats = server.metrics.stats(server.settings.shards);
            text(200, stats.as_bytes()).content_type("application/json")
        }
        "/healthz" => text(200, &b"alive\n"[..]),
        "/readyz" if server.is_draining() => text(503, b"the server is ending\n"),
        "/readyz" => text(200, b"ready\n"),
        // There is no icon, and browsers need not ask again.
        "/favicon.ico" => Answer::new(204).headers(&[("Cache-Control", "max-age=86400")]),
        _ => return send(Refusal::NotFound.answer(), is_head, out),
    };
    let is_read = matches!(request.method(), "GET" | "HEAD");
    let read_only =
        || Answer::new(405).headers(&[("Allow", "GET, HEAD")]).body(b"this can only be read");
    send(if is_read { answer } else { read_only() }.close(), is_head, out)
}

/// Queues an answer, without its body for a HEAD request. Without room in the outbox there is nothing
/// to be said; the connection ends all the same.
fn send(answer: Answer<'_>, is_head: bool, out: &mut Outbox) -> Served {
    let _ = if is_head { answer.head_only() } else { answer }.write(out);
    Served::Answered
}
