//! The internal address, for publishers and monitors: `POST /publish`, `/metrics`, `/healthz` and
//! `/readyz`.
//!
//! Few connections come here, from machines that are known, so each has a thread. All the same each
//! is bounded: in number, in time, and in what it may send.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dormouse::http::{EMPTY_HEADER, HeadError, Request, Version};
use dormouse::server::{Answer, BadRequest, Refusal};
use prometheus::IntCounterVec;

use crate::bus::Bus;
use crate::http_connection::HttpConnection;
use crate::token::Key;
use crate::{log, publish};

/// A request with more fields than this is refused.
const MAX_FIELDS: usize = 64;
/// How long to rest when no connection can be accepted.
const REST: Duration = Duration::from_millis(100);

const TEXT: &str = "text/plain; charset=utf-8";
/// The format that Prometheus reads.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What this address needs of the rest of the server.
pub struct Service {
    pub bus: Arc<dyn Bus>,
    /// What publishers have to know. Without it nobody can publish.
    pub publish_key: Option<Key>,
    /// The largest body, in bytes.
    pub limit: usize,
    /// How many connections are served at a time.
    pub connections: usize,
    /// For one request as a whole, and for the pause before it.
    pub timeout: Duration,
    /// Makes the text of `/metrics`.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    pub is_ready: Box<dyn Fn() -> bool + Send + Sync>,
    /// Counts the requests to publish by their status.
    pub publishes: IntCounterVec,
}

/// Serves those who come to `listener` until the process ends; returns its address.
///
/// # Errors
/// When the system has no thread.
pub fn spawn(listener: TcpListener, service: Service) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let service = Arc::new(service);
    let accept = move || accept(&listener, &service);
    thread::Builder::new().name("internal".to_owned()).spawn(accept)?;
    Ok(address)
}

fn accept(listener: &TcpListener, service: &Arc<Service>) {
    // Each thread holds a copy, so the count tells how many there are.
    let places = Arc::new(());
    loop {
        let socket = match listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) => {
                log::warn("internal_accept_failed", &[("error", &error)]);
                thread::sleep(REST);
                continue;
            }
        };
        let count = Arc::strong_count(&places);
        let is_full = count > service.connections;
        // As many again are told that there is no room.
        if count > service.connections.saturating_mul(2) {
            log::warn("internal_full", &[("connections", &count)]);
            continue;
        }
        let (place, service) = (Arc::clone(&places), Arc::clone(service));
        let serve = move || {
            // What goes wrong with a connection ends only that connection.
            let _ = if is_full { service.turn_away(socket) } else { service.serve(socket) };
            drop(place);
        };
        // Without a thread for it, the connection is dropped with the closure.
        let _ = thread::Builder::new().name("internal".to_owned()).spawn(serve);
    }
}

/// What kind of refusal a status is, so that one does not hide the others in the log.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "key",
        404 => "no_mailbox",
        413 => "too_large",
        503 => "ending",
        _ => "malformed",
    }
}

/// An answer before it is written.
struct Reply {
    status: u16,
    fields: &'static [(&'static str, &'static str)],
    content_type: &'static str,
    body: Cow<'static, str>,
    /// Whether the connection ends with it.
    ends: bool,
}

impl Reply {
    fn new(status: u16, body: impl Into<Cow<'static, str>>) -> Self {
        Self { status, fields: &[], content_type: TEXT, body: body.into(), ends: false }
    }

    fn answer(&self) -> Answer<'_> {
        let answer = Answer::new(self.status).headers(self.fields);
        let answer = answer.content_type(self.content_type).body(self.body.as_bytes());
        if self.ends { answer.close() } else { answer }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self { ends: true, ..Self::new(refusal.status(), refusal.reason()) }
    }
}

impl Service {
    /// Answers the requests of one connection until one side has enough.
    pub fn serve(&self, socket: TcpStream) -> io::Result<()> {
        let peer = socket.peer_addr()?.ip();
        let mut connection = HttpConnection::new(socket, self.timeout)?;
        loop {
            let mut is_head = false;
            let reply = match connection.head() {
                Ok(None) => return Ok(()),
                Ok(Some(head)) => {
                    is_head = head.as_ref().is_ok_and(|head| head.starts_with(b"HEAD "));
                    self.reply(head.as_deref().map_err(|error| *error), &mut connection, peer)
                }
                Err(error) => Err(error),
            };
            let reply = match reply {
                Err(error) if error.kind() == ErrorKind::TimedOut && connection.has_begun() => {
                    Reply { ends: true, ..Reply::new(408, "the request took too long") }
                }
                reply => reply?,
            };
            let answer = reply.answer();
            connection.send(if is_head { answer.head_only() } else { answer })?;
            if reply.ends {
                return connection.end();
            }
        }
    }

    /// The answer where there are too many connections.
    fn turn_away(&self, socket: TcpStream) -> io::Result<()> {
        log::warn("internal_full", &[("connections", &self.connections)]);
        let mut connection = HttpConnection::new(socket, self.timeout)?;
        connection.send(Refusal::Unavailable { retry_after: 1 }.answer())?;
        connection.end()
    }

    /// The answer to one request.
    fn reply(
        &self,
        head: Result<&[u8], HeadError>,
        connection: &mut HttpConnection,
        peer: IpAddr,
    ) -> io::Result<Reply> {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let request = match head.and_then(|head| Request::parse(head, &mut fields)) {
            Ok(request) => request,
            Err(error) => return Ok(Refusal::from(error).into()),
        };
        // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1
        // request message that lacks a Host header field"
        if request.version() == Version::Http11 && request.host().is_none() {
            return Ok(Refusal::from(BadRequest::MissingHost).into());
        }
        let mut reply = match request.path() {
            "/publish" => self.publish(&request, connection, peer)?,
            path => {
                let reply = self.resource(path, request.method());
                // A body that nobody asked for would be taken for the next request.
                let ends = !matches!(request.fields().content_length(), Ok(None | Some(0)));
                Reply { ends, ..reply }
            }
        };
        reply.ends |= request.version() < Version::Http11
            || request.fields().has_token("Connection", "close");
        Ok(reply)
    }

    /// What monitors ask for.
    fn resource(&self, path: &str, method: &str) -> Reply {
        match (path, method) {
            ("/metrics", "GET" | "HEAD") => {
                Reply { content_type: METRICS, ..Reply::new(200, (self.metrics)()) }
            }
            ("/healthz", "GET" | "HEAD") => Reply::new(200, "alive\n"),
            ("/readyz", "GET" | "HEAD") if (self.is_ready)() => Reply::new(200, "ready\n"),
            ("/readyz", "GET" | "HEAD") => Reply::new(503, "not ready\n"),
            ("/metrics" | "/healthz" | "/readyz", _) => {
                Reply { fields: &[("Allow", "GET, HEAD")], ..Reply::new(405, "") }
            }
            _ => Reply::new(404, "there is nothing at this path"),
        }
    }

    /// Takes what a publisher sends, if it may.
    fn publish(
        &self,
        request: &Request<'_, '_>,
        connection: &mut HttpConnection,
        peer: IpAddr,
    ) -> io::Result<Reply> {
        let reply = match self.check(request) {
            Ok(len) => {
                // RFC 9110 §10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0
                // request MUST ignore that expectation."
                let expects_continue = request.version() >= Version::Http11
                    && request.fields().has_token("Expect", "100-continue");
                let body = connection.body(len, expects_continue)?;
                // What is published now would die with the process.
                let (status, answer) = if (self.is_ready)() {
                    publish::publish(&body, &*self.bus)
                } else {
                    publish::ending()
                };
                Reply { content_type: publish::JSON, ..Reply::new(status, answer) }
            }
            // The body stays where it is, so nothing else can be read from this connection.
            Err(refused) => Reply { ends: true, ..refused },
        };
        self.publishes.with_label_values(&[&reply.status.to_string()]).inc();
        if reply.status >= 400 {
            let fields: [(&str, &dyn Display); 3] =
                [("status", &reply.status), ("answer", &reply.body), ("peer", &peer)];
            log::warn_because("publish_refused", kind(reply.status), &fields);
        }
        Ok(reply)
    }

    /// The length of a body that may be read.
    fn check(&self, request: &Request<'_, '_>) -> Result<usize, Reply> {
        let Some(key) = &self.publish_key else {
            return Err(Reply::new(404, "this server was started without a publish key"));
        };
        if request.method() != "POST" {
            return Err(Reply { fields: &[("Allow", "POST")], ..Reply::new(405, "") });
        }
        if !is_authorized(request, key) {
            let fields = &[("WWW-Authenticate", "Bearer")];
            return Err(Reply { fields, ..Reply::new(401, "the publish key is missing or wrong") });
        }
        if !request.header("Content-Type").is_none_or(publish::is_json) {
            return Err(Reply::new(415, "the body has to be application/json"));
        }
        // RFC 9112 §6.3: "A server MAY reject a request that contains a message body but not a
        // Content-Length by responding with 411 (Length Required)."
        if request.header("Transfer-Encoding").is_some() {
            return Err(Reply::new(411, "the length of the body has to be declared"));
        }
        match request.fields().content_length() {
            Err(error) => Err(Refusal::from(error).into()),
            Ok(None) => Err(Reply::new(411, "the length of the body has to be declared")),
            Ok(Some(len)) => match usize::try_from(len) {
                Ok(len) if len <= self.limit => Ok(len),
                _ => Err(Reply::new(413, format!("the limit is {} bytes", self.limit))),
            },
        }
    }
}

/// Whether the request has the key as its only credentials: `Authorization: Bearer KEY`.
fn is_authorized(request: &Request<'_, '_>, key: &Key) -> bool {
    let mut values = request.headers("Authorization");
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    value.split_at_checked("Bearer ".len()).is_some_and(|(scheme, claimed)| {
        scheme.eq_ignore_ascii_case(b"Bearer ") && key.is(claimed.trim_ascii_start())
    })
}

#[cfg(test)]
pub mod tests;
