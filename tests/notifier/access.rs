//! Who may watch what: tokens, origins, and what the log says about those who may not.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use tempfile::{NamedTempFile, TempDir};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;

use crate::support::{
    HANDSHAKE, Server, body, hello, make_mailbox, next_json, program, run, wait_until,
};

/// A server that asks for tokens, on a mail root with alice and bob.
struct Guarded {
    server: Server,
    key: NamedTempFile,
    _root: TempDir,
}

impl Guarded {
    fn new(arguments: &[&str]) -> Self {
        let (key, root) = (key_file(7), tempfile::tempdir().unwrap());
        for user in ["alice", "bob"] {
            make_mailbox(root.path(), user);
        }
        let mut command = Command::new(program());
        command.arg("127.0.0.1:0").arg("--token-key").arg(key.path());
        command.arg("--mail").arg(root.path()).args(arguments).stderr(Stdio::piped());
        Self { server: Server::start(&mut command), key, _root: root }
    }

    fn token(&self, user: &str, expires: &str) -> String {
        token(&self.key, user, expires)
    }

    /// The status of a request for a WebSocket, with a query and further fields.
    fn status(&self, query: &str, fields: &str) -> String {
        self.server.status(&format!("/ws?{query}"), fields)
    }

    /// Ends the server; what it has written to the log.
    fn into_log(mut self) -> String {
        let stderr = self.server.process.stderr.take().unwrap();
        self.server.signal("TERM");
        assert!(self.server.process.wait().unwrap().success());
        let lines = BufReader::new(stderr).lines().map(Result::unwrap);
        lines.map(|line| line + "\n").collect()
    }
}

fn key_file(byte: u8) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), [byte; 32]).unwrap();
    file
}

/// What the subcommand prints.
fn token(key: &NamedTempFile, user: &str, expires: &str) -> String {
    let key = key.path().to_str().unwrap();
    let output = run(&["token", user, "--token-key", key, "--expires", expires]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_token_comes_as_cookie_subprotocol_or_query() {
    let guarded = Guarded::new(&[]);
    let token = guarded.token("alice", "1h");
    let address = guarded.server.address;

    let mut ws = guarded.server.open(&format!("/ws?token={token}"));
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));

    let mut with_cookie = format!("ws://{address}/ws?mailbox=alice").into_client_request().unwrap();
    let cookie = HeaderValue::from_str(&format!("theme=dark; mail_token={token}")).unwrap();
    with_cookie.headers_mut().insert("Cookie", cookie);
    let (mut ws, _) = tungstenite::client(with_cookie, guarded.server.connect()).unwrap();
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));

    let mut with_protocol = format!("ws://{address}/ws").into_client_request().unwrap();
    let protocols = HeaderValue::from_str(&format!("mail.v1, token.{token}")).unwrap();
    with_protocol.headers_mut().insert("Sec-WebSocket-Protocol", protocols);
    let (mut ws, answer) = tungstenite::client(with_protocol, guarded.server.connect()).unwrap();
    assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "mail.v1");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
}

#[test]
fn a_token_alone_is_no_subprotocol_to_agree_on() {
    let guarded = Guarded::new(&[]);
    let field = format!("Sec-WebSocket-Protocol: token.{}\r\n", guarded.token("alice", "1h"));
    let answer = guarded.server.exchange(&format!("GET /ws HTTP/1.1\r\n{HANDSHAKE}{field}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(body(&answer), "offer two subprotocols: mail.v1, token.TOKEN");
    assert!(guarded.into_log().contains(" warn refused reason=protocol peer=127.0.0.1\n"));
}

#[test]
fn s10_5_without_a_valid_token_nobody_watches() {
    let guarded = Guarded::new(&[]);
    let valid = guarded.token("alice", "1h");
    let (expired, other) = (guarded.token("alice", "1s"), token(&key_file(8), "alice", "1h"));
    wait_until("it expires", || guarded.status(&format!("token={expired}"), "") == "401");
    let (_, signature) = valid.rsplit_once('.').unwrap();
    let (claim, _) = guarded
        .token("bob", "1h")
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    for (query, expected) in [
        (format!("token={valid}"), "101"),
        (format!("token={valid}&mailbox=alice"), "101"),
        ("mailbox=alice".to_owned(), "401"),
        (format!("token={expired}"), "401"),
        (format!("token={other}"), "401"),
        (format!("token={claim}.{signature}"), "401"),
        ("token=nonsense".to_owned(), "401"),
        (format!("token={valid}&mailbox=bob"), "403"),
        (format!("token={valid}&mailbox=..%2Fbob"), "400"),
        (format!("token={}", guarded.token("carol", "1h")), "404"),
    ] {
        assert_eq!(guarded.status(&query, ""), expected, "{query}");
    }
    let log = guarded.into_log();
    for reason in [
        "no_token",
        "expired",
        "forged",
        "malformed_token",
        "other_mailbox",
        "mailbox_name",
        "no_mailbox",
    ] {
        assert!(
            log.contains(&format!(" warn refused reason={reason} peer=127.0.0.1\n")),
            "{reason}: {log}"
        );
    }
    assert!(!log.contains(&valid) && !log.contains(signature), "a token in the log");
}

#[test]
fn s10_2_the_origin_is_checked_before_the_token() {
    let guarded = Guarded::new(&["--origin", "https://mail.example.org"]);
    let query = format!("token={}", guarded.token("alice", "1h"));
    for (origin, expected) in [
        ("", "101"),
        ("Origin: https://mail.example.org\r\n", "101"),
        ("Origin: https://evil.example.org\r\n", "403"),
        ("Origin: http://mail.example.org\r\n", "403"),
        ("Origin: http://localhost\r\n", "403"),
        ("Origin: null\r\n", "403"),
    ] {
        assert_eq!(guarded.status(&query, origin), expected, "{origin}");
    }
    assert_eq!(guarded.status("", "Origin: https://evil.example.org\r\n"), "403");
    assert!(guarded.into_log().contains(" warn refused reason=origin peer=127.0.0.1\n"));
}

#[test]
fn what_repeats_is_counted_in_the_log() {
    let guarded = Guarded::new(&[]);
    for _ in 0..20 {
        assert_eq!(guarded.status("mailbox=alice", ""), "401");
    }
    let log = guarded.into_log();
    assert_eq!(log.matches("refused reason=no_token peer").count(), 5, "{log}");
    assert!(log.contains(" warn refused reason=no_token repeated=15\n"), "{log}");
}
