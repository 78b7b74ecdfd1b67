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
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = spawn(listener, service).unwrap();
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
