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

/// Serves `address` until the process ends; returns it with the port that was picked.
///
/// # Errors
/// When the address is in use or not one of this host.
pub fn spawn(address: SocketAddr, service: Service) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
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
pub mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, Shutdown};
    use std::sync::atomic::{AtomicBool, Ordering};

    use prometheus::Opts;

    use super::*;
    use crate::publish::tests::Notebook;

    pub const KEY: &str = "0123456789abcdef0123456789abcdef";
    pub const MAIL: &str = r#"{"mailbox":"alice","from":"Bob","subject":"Hi"}"#;
    const ACCEPTED: &str = r#"{"accepted":1,"unknown":0}"#;

    /// A running service, and what came through it.
    pub struct Running {
        address: SocketAddr,
        bus: Arc<Notebook>,
    }

    /// A service as the tests need it.
    pub fn service(bus: Arc<Notebook>) -> Service {
        Service {
            bus,
            publish_key: Key::new(KEY.as_bytes()).ok(),
            limit: 1000,
            connections: 4,
            timeout: Duration::from_secs(10),
            metrics: Box::new(|| "mails 7\n".to_owned()),
            is_ready: Box::new(|| true),
            publishes: IntCounterVec::new(Opts::new("publishes", "help"), &["status"]).unwrap(),
        }
    }

    pub fn start(change: impl FnOnce(&mut Service)) -> Running {
        let bus = Arc::new(Notebook::default());
        let mut service = service(bus.clone());
        change(&mut service);
        let address = spawn(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), service).unwrap();
        Running { address, bus }
    }

    impl Running {
        pub fn connect(&self) -> TcpStream {
            let socket = TcpStream::connect(self.address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            socket
        }

        /// Everything that is answered on one connection, to its end.
        pub fn send(&self, bytes: &str) -> String {
            let mut socket = self.connect();
            socket.write_all(bytes.as_bytes()).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            read(&mut socket)
        }

        /// The status of the answer to one request, and its body.
        fn request(&self, line: &str, fields: &str, body: &str) -> (u16, String) {
            let answer = self.send(&format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}"));
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            (head[9..12].parse().unwrap(), body.to_owned())
        }

        pub fn published(&self) -> usize {
            self.bus.published.lock().unwrap().len()
        }
    }

    /// What comes until the other side ends.
    pub fn read(socket: &mut TcpStream) -> String {
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    pub fn authorized(body: &str) -> String {
        format!("Authorization: Bearer {KEY}\r\nContent-Length: {}\r\n", body.len())
    }

    pub fn post(body: &str) -> String {
        format!("POST /publish HTTP/1.1\r\nHost: a\r\n{}\r\n{body}", authorized(body))
    }

    #[test]
    fn monitors_are_answered() {
        static IS_READY: AtomicBool = AtomicBool::new(true);
        let running = start(|service| {
            service.publish_key = None;
            service.is_ready = Box::new(|| IS_READY.load(Ordering::Relaxed));
        });
        assert_eq!(running.request("GET /metrics", "", ""), (200, "mails 7\n".to_owned()));
        assert_eq!(running.request("GET /healthz?x", "", "").0, 200);
        assert_eq!(running.request("GET /readyz", "", "").0, 200);
        IS_READY.store(false, Ordering::Relaxed);
        assert_eq!(running.request("GET /readyz", "", "").0, 503);
        assert_eq!(running.request("GET /healthz", "", "").0, 200);
        assert_eq!(running.request("HEAD /metrics", "", ""), (200, String::new()));
        assert_eq!(running.request("POST /metrics", "", "").0, 405);
        assert_eq!(running.request("GET /nothing", "", "").0, 404);
        assert_eq!(running.request("POST /publish", &authorized(MAIL), MAIL).0, 404);
        assert!(running.send("GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert!(running.send("\x16\x03\x01").starts_with("HTTP/1.1 400 "));
        assert!(running.send("GET /metrics HTTP/1.0\r\n\r\n").contains("Connection: close\r\n"));
        assert_eq!(running.request("GET /", &"a: b\r\n".repeat(64), "").0, 431);
    }

    #[test]
    fn a_mail_is_published() {
        let running = start(|_| {});
        let (status, answer) = running.request("POST /publish", &authorized(MAIL), MAIL);
        assert_eq!((status, answer.as_str()), (202, ACCEPTED));
        for media_type in ["application/json", "Application/JSON; charset=utf-8"] {
            let fields = format!("{}Content-Type: {media_type}\r\n", authorized(MAIL));
            assert_eq!(running.request("POST /publish", &fields, MAIL).0, 202, "{media_type}");
        }
        assert_eq!(running.published(), 3);
    }

    #[test]
    fn only_who_knows_the_key_may_publish() {
        let running = start(|_| {});
        let long = "Authorization: Bearer 0123456789abcdef0123456789abcdef0\r\n";
        let twice = format!("Authorization: Bearer {KEY}\r\n").repeat(2);
        let bare = format!("Authorization: {KEY}\r\n");
        let digest = format!("Authorization: Digest {KEY}\r\n");
        for fields in ["", "Authorization: Bearer\r\n", long, &twice, &bare, &digest] {
            let fields = format!("{fields}Content-Length: {}\r\n", MAIL.len());
            assert_eq!(running.request("POST /publish", &fields, MAIL).0, 401, "{fields}");
        }
        let fields = authorized(MAIL).replace("Bearer ", "bearer  ");
        assert_eq!(running.published(), 0);
        assert_eq!(running.request("POST /publish", &fields, MAIL).0, 202);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let running = start(|_| {});
        let key = format!("Authorization: Bearer {KEY}\r\n");
        for (line, fields, status) in [
            ("GET /publish", "", 405),
            ("HEAD /publish", "", 405),
            ("PUT /publish", "Content-Length: 2\r\n", 405),
            ("POST /publish", "", 411),
            ("POST /publish", "Transfer-Encoding: chunked\r\n", 411),
            ("POST /publish", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", 411),
            ("POST /publish", "Content-Length: 2, 3\r\n", 400),
            ("POST /publish", "Content-Length: x\r\n", 400),
            ("POST /publish", "Content-Length: 1001\r\n", 413),
            ("POST /publish", "Content-Length: 18446744073709551615\r\n", 413),
            ("POST /publish", "Content-Length: 2\r\nContent-Type: text/plain\r\n", 415),
            ("POST /publish", "Content-Length: 2\r\nContent-Type: application/jsonp\r\n", 415),
            ("POST /publish", "Content-Length: 2\r\n", 400),
            ("POST /publish", "Content-Length: 0\r\n", 400),
        ] {
            let fields = format!("{key}{fields}");
            assert_eq!(running.request(line, &fields, "{}").0, status, "{line} {fields}");
        }
        assert_eq!(running.published(), 0);
        let body = format!("{MAIL}{}", " ".repeat(1000 - MAIL.len()));
        assert_eq!(running.request("POST /publish", &authorized(&body), &body).0, 202);
    }

    #[test]
    fn connections_are_bounded() {
        let running = start(|service| service.connections = 2);
        let mut sockets: Vec<_> = (0..6).map(|_| running.connect()).collect();
        let (served, turned_away) = sockets.split_at_mut(2);
        let (told, dropped) = turned_away.split_at_mut(2);
        for socket in told {
            assert!(read(socket).starts_with("HTTP/1.1 503 "));
        }
        for socket in dropped {
            assert_eq!(socket.read(&mut [0]).ok().unwrap_or_default(), 0);
        }
        for socket in served {
            socket.write_all(post(MAIL).as_bytes()).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            assert!(read(socket).starts_with("HTTP/1.1 202 "));
        }
        assert_eq!(running.published(), 2);
    }
}
