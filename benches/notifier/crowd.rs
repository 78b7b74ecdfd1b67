//! Many sockets at once: who has something to read is read until nothing is left.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const EVENTS_PER_TURN: usize = 1024;
const SCRATCH_LEN: usize = 64 * 1024;

/// Lets all of them read.
pub fn everybody(_: usize) -> bool {
    true
}

/// Connected sockets, numbered in the order in which they came.
pub struct Crowd {
    poll: Poll,
    events: Events,
    sockets: Vec<TcpStream>,
    scratch: Vec<u8>,
}

impl Crowd {
    /// Nobody.
    ///
    /// # Errors
    /// When the system has no poller.
    pub fn new() -> io::Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(EVENTS_PER_TURN));
        Ok(Self { poll, events, sockets: Vec::new(), scratch: vec![0; SCRATCH_LEN] })
    }

    /// Adds a socket.
    ///
    /// # Errors
    /// When the poller has no room.
    pub fn add(&mut self, socket: std::net::TcpStream) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        let token = Token(self.sockets.len());
        self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
        self.sockets.push(socket);
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Waits for bytes and hands out what comes: the number of the socket, and the bytes of one read.
    /// No bytes mean that the server has closed. Of those that may not read it takes no notice; they
    /// have to be [`read`](Self::read) once they may.
    ///
    /// # Errors
    /// What the poller says.
    pub fn turn(
        &mut self,
        patience: Duration,
        may_read: impl Fn(usize) -> bool,
        mut got: impl FnMut(usize, &mut [u8]),
    ) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            let Token(index) = event.token();
            if may_read(index) {
                read_all(&mut self.sockets[index], &mut self.scratch, |bytes| got(index, bytes));
            }
        }
        Ok(())
    }

    /// Reads one socket without being told that there is something.
    pub fn read(&mut self, index: usize, got: impl FnMut(&mut [u8])) {
        read_all(&mut self.sockets[index], &mut self.scratch, got);
    }
}

/// Reads until nothing is left. A read that does not fill the buffer has emptied the socket, and what
/// comes later, be it the end, is told anew.
fn read_all(socket: &mut TcpStream, scratch: &mut [u8], mut got: impl FnMut(&mut [u8])) {
    loop {
        match socket.read(scratch) {
            Ok(len) => {
                got(&mut scratch[..len]);
                if len < scratch.len() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A reset is one of the ways to close.
            Err(_) => return got(&mut []),
        }
    }
}
