//! The client, against an echo server and against servers that end badly.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use dormouse::http::{EMPTY_HEADER, HeadReader, Request};
use dormouse::server::Upgrade;
use dormouse::{Input, Limits, Outbox};

use super::{ACCEPTED, BOUND, SERVERS, Server, assert_fails, program, run};

#[test]
fn the_client_echoes_through_every_server() {
    for name in SERVERS {
        let server = Server::start(name);
        let url = format!("ws://{}/any?thing", server.address);
        let lines = format!("hello\n\nw\u{f6}rld\n{}\nlast\n", "x".repeat(1024 * 1024));
        let output = run("client", &[&url], lines.as_bytes());
        assert!(output.stdout == lines.as_bytes(), "{name}: {} bytes", output.stdout.len());
        assert_fails(&output, 0, "closed with 1000");
    }
}

#[test]
fn s5_6_a_line_that_is_not_utf8_ends_the_client_after_the_echoes_of_those_before() {
    let server = Server::start("echo_mio");
    let url = format!("ws://{}/", server.address);
    let before = "hello\n".repeat(1000);
    let lines = [before.as_bytes(), b"caf\xe9\nnever sent\n"].concat();
    let output = run("client", &[&url], &lines);
    assert!(output.stdout == before.as_bytes(), "{} bytes", output.stdout.len());
    assert_fails(&output, 1, "standard input, line 1001: ");
}

/// What the client says and how it ends when a server does `what` with its connection.
fn client_of(what: impl FnOnce(&mut TcpStream) -> io::Result<()>) -> Output {
    client_with(&[], what)
}

/// The same, with arguments.
pub fn client_with(
    arguments: &[&str],
    what: impl FnOnce(&mut TcpStream) -> io::Result<()>,
) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut command = Command::new(program("client"));
    command
        .arg(url)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // As long as it is open, the client has no reason of its own to end.
    let stdin = process.stdin.take();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    what(&mut stream).unwrap();
    drop(stream);
    let output = process.wait_with_output().unwrap();
    drop(stdin);
    output
}

fn accept(stream: &mut TcpStream) -> io::Result<()> {
    accept_with(stream, |_| None)
}

/// Shakes hands, with the answer of `choose` to what the client wants as extensions.
pub fn accept_with(
    stream: &mut TcpStream,
    choose: impl FnOnce(&Upgrade<'_, '_>) -> Option<String>,
) -> io::Result<()> {
    let mut reader = HeadReader::new(&Limits::default());
    let mut out = Outbox::new(&Limits::default());
    let mut scratch = [0; 4096];
    loop {
        let len = stream.read(&mut scratch)?;
        if let Some(head) = reader.next(&mut Input::new(&mut scratch[..len])).unwrap() {
            let mut headers = [EMPTY_HEADER; 16];
            let request = Request::parse(&head, &mut headers).unwrap();
            let upgrade = Upgrade::read(&request).unwrap();
            let extensions = choose(&upgrade);
            upgrade.accept().extensions(extensions.as_deref()).write(&mut out).unwrap();
            out.write_to(stream)?;
            return Ok(());
        }
    }
}

#[test]
fn the_close_code_becomes_message_and_status() {
    for (frame, status, named) in [
        (&b"\x88\x02\x03\xe8"[..], 0, "closed with 1000"),
        (b"\x88\x05\x03\xe9bye", 0, "closed with 1001: bye"),
        (b"\x88\x02\x03\xf3", 3, "closed with 1011"),
        (b"\x88\x06\x0f\xa0\x1b[2J", 3, "closed with 4000: \\u{1b}[2J"),
        (b"\x88\x00", 3, "closed without a code"),
        (b"\x81\x85\0\0\0\0Hello", 1, "1002"),
        (b"\x81\x02\xff\xff", 1, "1007"),
        (b"", 1, "without a Close"),
    ] {
        let output = client_of(|stream| {
            accept(stream)?;
            stream.write_all(frame)?;
            stream.shutdown(Shutdown::Write)?;
            io::copy(stream, &mut io::sink()).map(|_| ())
        });
        assert_fails(&output, status, named);
    }
}

#[test]
fn messages_are_printed_and_pings_answered() {
    let output = client_of(|stream| {
        accept(stream)?;
        stream.write_all(b"\x81\x05Hello\x89\x02hi\x82\x02\xff\xfe\x88\x02\x03\xe8")?;
        stream.shutdown(Shutdown::Write)?;
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers)?;
        assert_eq!(answers.len(), 8 + 8, "a masked pong and a masked Close");
        Ok(())
    });
    assert_eq!(output.stdout, b"Hello\n\xff\xfe\n");
    assert_fails(&output, 0, "closed with 1000");
}

#[test]
fn s4_1_a_refused_handshake_is_shown() {
    for (answer, named) in [
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nno\x1b[2J so",
            "404 Not Found: no\\u{1b}[2J so",
        ),
        ("HTTP/1.1 503 Busy\r\n\r\nlater", "503 Busy: later"),
        (&ACCEPTED.replace("s3p", "S3P"), "does not match the key"),
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n", "not an HTTP/1.1 answer"),
        ("", "closed the connection"),
    ] {
        let output = client_of(|stream| {
            stream.write_all(answer.as_bytes())?;
            stream.shutdown(Shutdown::Write)?;
            io::copy(stream, &mut io::sink()).map(|_| ())
        });
        assert_fails(&output, 1, named);
    }
}
