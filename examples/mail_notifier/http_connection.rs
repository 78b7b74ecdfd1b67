//! One HTTP connection that has a thread for itself: requests with bodies in, answers out.
//!
//! What comes after a request is kept for the next one. A request has to be there within a time,
//! however its bytes are spread.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use dormouse::http::{HeadError, HeadReader};
use dormouse::server::Answer;
use dormouse::{Input, Limits, Outbox};

/// The bytes of one read.
const SCRATCH: usize = 16 * 1024;
/// How long to wait for the peer to close after the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// A socket, and where its requests stand.
pub struct HttpConnection {
    socket: TcpStream,
    timeout: Duration,
    reader: HeadReader,
    out: Outbox,
    scratch: Vec<u8>,
    /// What of `scratch` has been read and not yet used.
    unread: Range<usize>,
    /// When the request that is being read has to be there.
    deadline: Instant,
    has_begun: bool,
}

impl HttpConnection {
    /// Takes a socket. `timeout` is for each request as a whole, for the pause before it, and for a
    /// peer that does not read.
    ///
    /// # Errors
    /// When the socket is broken already.
    pub fn new(socket: TcpStream, timeout: Duration) -> io::Result<Self> {
        let limits = Limits::default();
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(timeout))?;
        Ok(Self {
            socket,
            timeout,
            reader: HeadReader::new(&limits),
            out: Outbox::new(&limits),
            scratch: vec![0; SCRATCH],
            unread: 0..0,
            deadline: Instant::now() + timeout,
            has_begun: false,
        })
    }

    /// The next head, or why it is none; `None` when the peer has ended its side.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`], or when the connection is broken.
    pub fn head(&mut self) -> io::Result<Option<Result<Vec<u8>, HeadError>>> {
        self.deadline = Instant::now() + self.timeout;
        self.has_begun = !self.unread.is_empty();
        loop {
            let unread = self.scratch.get_mut(self.unread.clone()).unwrap_or_default();
            let mut input = Input::new(unread);
            let head = self.reader.next(&mut input).map(|head| head.map(Cow::into_owned));
            self.unread.start = self.unread.end - input.len();
            if let Some(head) = head.transpose() {
                return Ok(Some(head));
            }
            if self.read()? == 0 {
                return Ok(None);
            }
        }
    }

    /// The body that follows a head. Memory grows as it arrives.
    ///
    /// # Errors
    /// As [`head`](Self::head), and [`ErrorKind::UnexpectedEof`] when the peer ends its side.
    pub fn body(&mut self, len: usize, expects_continue: bool) -> io::Result<Vec<u8>> {
        // RFC 9110 §10.1.1: "A server MAY omit sending a 100 (Continue) response if it has already
        // received some or all of the content for the corresponding request"
        if expects_continue && len > 0 && self.unread.is_empty() {
            self.socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = Vec::new();
        loop {
            let wanted = self.unread.len().min(len - body.len());
            let end = self.unread.start + wanted;
            body.extend_from_slice(self.scratch.get(self.unread.start..end).unwrap_or_default());
            self.unread.start = end;
            if body.len() == len {
                return Ok(body);
            }
            if self.read()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whether some of the request is there.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Writes a whole answer.
    ///
    /// # Errors
    /// When the answer cannot be written, the peer does not read, or the connection is broken.
    pub fn send(&mut self, answer: Answer<'_>) -> io::Result<()> {
        answer.write(&mut self.out).map_err(io::Error::other)?;
        self.out.write_to(&mut self.socket)?;
        if self.out.is_empty() { Ok(()) } else { Err(ErrorKind::TimedOut.into()) }
    }

    /// Ends our side and waits a moment for the peer to end its own: closing a socket with unread
    /// bytes resets it, and a reset can overtake the answer.
    ///
    /// # Errors
    /// When the peer does not end, or the connection is broken. There is nothing left to do either
    /// way.
    pub fn end(mut self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)?;
        self.deadline = Instant::now() + LINGER;
        while self.read()? > 0 {}
        Ok(())
    }

    /// Reads once, when everything before is used; 0 when the peer has ended its side.
    fn read(&mut self) -> io::Result<usize> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.read(&mut self.scratch) {
                Ok(len) => {
                    self.unread = 0..len;
                    self.has_begun |= len > 0;
                    return Ok(len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // How the system says that the time is over.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::internal::Service;
    use crate::internal::tests::{KEY, MAIL, authorized, post, read, service, start};
    use crate::publish::tests::Notebook;

    #[test]
    fn requests_follow_each_other_in_any_split() {
        let running = start(|_| {});
        let bytes = format!("{}GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n{}", post(MAIL), post(MAIL));
        let whole = running.send(&bytes);
        assert_eq!(whole.matches("HTTP/1.1 202 ").count(), 2, "{whole}");
        assert_eq!(whole.matches("HTTP/1.1 200 ").count(), 1, "{whole}");
        let mut socket = running.connect();
        socket.set_nodelay(true).unwrap();
        bytes.bytes().for_each(|byte| socket.write_all(&[byte]).unwrap());
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read(&mut socket), whole);
        assert_eq!(running.published(), 4);
    }

    #[test]
    fn a_body_that_waits_to_be_asked_for_is_asked_for() {
        let running = start(|_| {});
        let expecting = |key: &str, version| {
            let mut socket = running.connect();
            let head = format!(
                "POST /publish HTTP/{version}\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\
                 Content-Length: {}\r\nExpect: 100-Continue\r\n\r\n",
                MAIL.len()
            );
            socket.write_all(head.as_bytes()).unwrap();
            socket
        };
        let mut socket = expecting(KEY, "1.1");
        let mut interim = [0; 25];
        socket.read_exact(&mut interim).unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        socket.write_all(MAIL.as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert!(read(&mut socket).starts_with("HTTP/1.1 202 "));

        assert!(read(&mut expecting("wrong", "1.1")).starts_with("HTTP/1.1 401 "));
        let mut socket = expecting(KEY, "1.0");
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read(&mut socket), "", "HTTP/1.0 knows no interim answers");
    }

    #[test]
    fn an_answer_is_not_lost_to_a_body_that_is_still_coming() {
        let running = start(|_| {});
        let body = " ".repeat(4 * 1024 * 1024);
        let head = format!("POST /publish HTTP/1.1\r\nHost: a\r\n{}\r\n", authorized(&body));
        let mut socket = running.connect();
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(body.as_bytes()).unwrap();
        assert!(read(&mut socket).starts_with("HTTP/1.1 413 "));
    }

    #[test]
    fn nothing_follows_a_body_that_was_not_read() {
        let running = start(|_| {});
        let inner = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
        for line in ["POST /publish", "GET /healthz"] {
            let fields = format!("Content-Length: {}\r\n", inner.len());
            let answer =
                running.send(&format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{inner}"));
            assert!(answer.contains("Connection: close\r\n"), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        }
        let close = inner.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let answer = running.send(&format!("{close}{inner}"));
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }

    /// What is answered to a client that has sent `bytes` before its time began to run.
    fn answer_in_time(bytes: &str) -> String {
        let service = Service {
            timeout: Duration::from_millis(20),
            ..service(Arc::new(Notebook::default()))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(bytes.as_bytes()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| service.serve(socket));
            let answer = read(&mut client);
            drop(client);
            answer
        })
    }

    #[test]
    fn a_request_has_to_be_there_in_time() {
        let cut = post(MAIL);
        for part in ["GET", "GET /metrics HTTP/1.1\r\n", &cut[..cut.len() - 1]] {
            assert!(answer_in_time(part).starts_with("HTTP/1.1 408 "), "{part}");
        }
        assert_eq!(answer_in_time(""), "", "nothing was asked");
        let answers = answer_in_time(&(post(MAIL) + "GET"));
        assert!(answers.starts_with("HTTP/1.1 202 "), "{answers}");
        assert!(answers.contains("HTTP/1.1 408 "), "{answers}");
        assert_eq!(start(|_| {}).send(&cut[..cut.len() - 1]), "", "the rest never comes");
    }

    #[test]
    fn a_byte_now_and_then_gains_no_time() {
        let running = start(|service| service.timeout = Duration::from_millis(250));
        let mut socket = running.connect();
        socket.write_all(b"GET /").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        // Each read waits for a moment. In time for all of them the other side has enough.
        let is_over = (0..1000).any(|_| {
            let answer = socket.read(&mut [0; 13]);
            answer.is_ok() || socket.write_all(b"x").is_err()
        });
        assert!(is_over);
    }
}
