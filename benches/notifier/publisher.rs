//! A publisher: `POST /publish` on one connection to the internal address, again and again.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use dormouse::http::{EMPTY_HEADER, HeadReader, Response};
use dormouse::{Input, Limits};

use crate::BOUND;

/// How many changes go into one request where time does not matter.
pub const BATCH: usize = 500;

/// A connection for publishing.
pub struct Publisher {
    socket: TcpStream,
    /// The request as far as the length of its body.
    head: String,
    body: String,
}

impl Publisher {
    /// Connects to the internal address of a server.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn connect(address: SocketAddr, key: &str) -> io::Result<Self> {
        let head = format!(
            "POST /publish HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: "
        );
        Ok(Self { socket: connect(address)?, head, body: String::new() })
    }

    /// Says that mailboxes exist, each with `unseen` mails.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn declare(
        &mut self,
        mailboxes: &[String],
        unseen: u64,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        for batch in mailboxes.chunks(BATCH) {
            for mailbox in batch {
                self.add(format_args!(r#"{{"mailbox":"{mailbox}","unseen":{unseen}}}"#));
            }
            self.send()?;
        }
        Ok(())
    }

    /// Adds a mail to the next request. Neither the name nor the subject may need escapes.
    pub fn add_mail(&mut self, mailbox: &str, subject: &str) {
        self.add(format_args!(
            r#"{{"mailbox":"{mailbox}","from":"Bob <bob@example.org>","subject":"{subject}"}}"#
        ));
    }

    /// Publishes what was added.
    ///
    /// # Errors
    /// When the server does not take all of it.
    pub fn send(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.body.push(']');
        let request = format!("{}{}\r\n\r\n{}", self.head, self.body.len(), self.body);
        self.body.clear();
        self.socket.write_all(request.as_bytes())?;
        let (status, answer) = read_answer(&mut self.socket)?;
        let has_unknown = !answer.contains("\"unknown\":0");
        if status != 202 || has_unknown {
            return Err(format!("publishing was answered with {status}: {answer}").into());
        }
        Ok(())
    }

    fn add(&mut self, change: std::fmt::Arguments<'_>) {
        self.body.push(if self.body.is_empty() { '[' } else { ',' });
        // Writing to a string does not fail.
        let _ = self.body.write_fmt(change);
    }
}

/// The body of the answer to a request at the internal address.
///
/// # Errors
/// When there is none.
pub fn get(address: SocketAddr, path: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut socket = connect(address)?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    Ok(read_answer(&mut socket)?.1)
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, BOUND)?;
    socket.set_read_timeout(Some(BOUND))?;
    socket.set_write_timeout(Some(BOUND))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// The status and the body of one answer.
fn read_answer(socket: &mut TcpStream) -> Result<(u16, String), Box<dyn Error + Send + Sync>> {
    let mut scratch = [0; 4096];
    let mut reader = HeadReader::new(&Limits::default());
    loop {
        let len = socket.read(&mut scratch)?;
        if len == 0 {
            return Err("the server closed the connection instead of answering".into());
        }
        let mut input = Input::new(&mut scratch[..len]);
        let Some(head) = reader.next(&mut input)? else { continue };
        let mut headers = [EMPTY_HEADER; 16];
        let response = Response::parse(&head, &mut headers)?;
        let body_len = response.fields().content_length()?.ok_or("an answer without length")?;
        let mut body = input.take_rest().to_vec();
        let missing = body_len.saturating_sub(body.len() as u64);
        socket.take(missing).read_to_end(&mut body)?;
        return Ok((response.status(), String::from_utf8_lossy(&body).into_owned()));
    }
}
