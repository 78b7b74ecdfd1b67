//! Many connections on a poller: who has something to read is read until nothing is left, and what is
//! to be sent to one of them goes out in one write.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddrV4;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Result;
use crate::client::Opening;
use crate::frames::{Frames, Receiving, Sending};

const EVENTS_PER_TURN: usize = 1024;
const SCRATCH: usize = 64 * 1024;

/// Open connections, numbered in the order in which they came.
pub struct Crowd {
    poll: Poll,
    events: Events,
    peers: Vec<Peer>,
    frames: Frames,
    scratch: Vec<u8>,
}

struct Peer {
    socket: TcpStream,
    sending: Sending,
    receiving: Receiving,
}

/// Which message a connection sends and expects first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// Each another one, so that what goes to the wrong connection is seen.
    Own,
    /// All the same one, because all are to receive what one sends.
    Same,
}

impl Crowd {
    /// Opens `count` connections.
    ///
    /// # Errors
    /// When the server refuses one.
    pub fn open(
        to: SocketAddrV4,
        path: &str,
        count: usize,
        first: First,
        frames: Frames,
    ) -> Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(EVENTS_PER_TURN));
        let opening = Opening::new(to, path)?;
        let mut peers = Vec::with_capacity(count);
        for index in 0..count {
            let socket = opening.open(to, index)?;
            socket.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(socket);
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut socket, Token(index), both)?;
            let first = if first == First::Own { index } else { 0 };
            let sending = Sending::from(first, &frames);
            let receiving = Receiving::from(first, &frames);
            peers.push(Peer { socket, sending, receiving });
        }
        Ok(Self { poll, events, peers, frames, scratch: vec![0; SCRATCH] })
    }

    /// Has a connection send so many further messages.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn ask(&mut self, index: usize, messages: usize) -> Result<()> {
        let peer = &mut self.peers[index];
        peer.sending.ask(messages, &self.frames);
        peer.write(&self.frames)
    }

    /// Waits for echoes. `got` is told the number of a connection and how many have come there, and
    /// answers how many messages that connection is to send next.
    ///
    /// # Errors
    /// When a connection is gone, or something else than an echo has come.
    pub fn turn(
        &mut self,
        patience: Duration,
        mut got: impl FnMut(usize, usize) -> usize,
    ) -> Result<()> {
        let Self { poll, events, peers, frames, scratch } = self;
        match poll.poll(events, Some(patience)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &*events {
            let Token(index) = event.token();
            let peer = &mut peers[index];
            if event.is_readable() {
                let echoes = peer.read(frames, scratch)?;
                if echoes > 0 {
                    peer.sending.ask(got(index, echoes), frames);
                }
            }
            peer.write(frames)?;
        }
        Ok(())
    }
}

impl Peer {
    /// Reads until nothing is left, and says how many echoes that has completed. A read that does not
    /// fill the buffer has emptied the socket; what comes later is told anew.
    fn read(&mut self, frames: &Frames, scratch: &mut [u8]) -> Result<usize> {
        let mut echoes = 0;
        loop {
            match self.socket.read(scratch) {
                Ok(0) => return Err("the server has closed a connection".into()),
                Ok(len) => {
                    echoes += self.receiving.take(&scratch[..len], frames)?;
                    if len < scratch.len() {
                        return Ok(echoes);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(echoes),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes what is to be sent, or as much as the socket takes: it tells when it takes more.
    fn write(&mut self, frames: &Frames) -> Result<()> {
        loop {
            let bytes = self.sending.bytes(frames);
            if bytes.is_empty() {
                return Ok(());
            }
            match self.socket.write(bytes) {
                Ok(written) => self.sending.advance(written, frames),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
