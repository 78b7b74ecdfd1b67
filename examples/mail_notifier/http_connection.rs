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
