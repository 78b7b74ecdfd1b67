//! The listening socket, and what happens when the process has no file descriptor left.
//!
//! A connection that cannot be accepted stays in the kernel's queue, and a loop that tries again at
//! once spins. So one descriptor is held in reserve: it is given up to take the connection, tell it
//! to come back later and close it. If even that fails, the listener rests for a moment.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use dormouse::server::Refusal;
use dormouse::{Limits, Outbox};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

/// How long the listener rests when nothing can be accepted.
const REST: Duration = Duration::from_millis(100);
/// `EMFILE` and `ENFILE`: the process or the system has no descriptor left.
const OUT_OF_DESCRIPTORS: [i32; 2] = [24, 23];

/// A listening socket with a descriptor in reserve.
pub struct Listener {
    socket: TcpListener,
    reserve: Option<File>,
    rests_until: Option<Instant>,
    /// Whether the last attempt failed, so that a long trouble is reported once.
    is_in_trouble: bool,
}

/// What came of an attempt to accept.
pub enum Accepted {
    Connection(TcpStream),
    /// This one did not work out; the next one may.
    Nobody,
    /// No more for now. The poller, or the end of the rest, tells when to come back.
    NoMore,
}

impl Listener {
    /// Listens at `address` and tells `registry` about it.
    ///
    /// # Errors
    /// When the address is in use or not one of this host.
    pub fn bind(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut socket = TcpListener::bind(address)?;
        socket.register(registry, token, Interest::READABLE)?;
        Ok(Self { socket, reserve: reserve(), rests_until: None, is_in_trouble: false })
    }

    /// The address with the port that the system chose.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// How long the listener still rests, if it does.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        self.rests_until.map(|until| until.saturating_duration_since(now))
    }

    /// Ends a rest that is over; tells whether it has just ended.
    pub fn end_rest(&mut self, now: Instant) -> bool {
        let is_over = self.rests_until.is_some_and(|until| until <= now);
        if is_over {
            self.rests_until = None;
        }
        is_over
    }

    /// Takes the next connection.
    pub fn accept(&mut self) -> Accepted {
        let mut accepted = self.socket.accept();
        if accepted.as_ref().is_err_and(is_out_of_descriptors) && self.reserve.take().is_some() {
            accepted = self.socket.accept();
            if let Ok((socket, _)) = accepted {
                turn_away(socket);
                self.reserve = reserve();
                return Accepted::Nobody;
            }
        }
        if self.reserve.is_none() {
            self.reserve = reserve();
        }
        match accepted {
            Ok((socket, _)) => {
                self.is_in_trouble = false;
                // Notices are small and rare: none should wait for the acknowledgement of another.
                let _ = socket.set_nodelay(true);
                Accepted::Connection(socket)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => Accepted::NoMore,
                ErrorKind::Interrupted | ErrorKind::ConnectionAborted => Accepted::Nobody,
                _ => self.rest_after(&error),
            },
        }
    }

    /// Leaves the queue alone for a moment: what fails now would fail again at once.
    fn rest_after(&mut self, error: &io::Error) -> Accepted {
        if !std::mem::replace(&mut self.is_in_trouble, true) {
            eprintln!("mail_notifier: cannot accept connections: {error}");
        }
        self.rests_until = Some(Instant::now() + REST);
        Accepted::NoMore
    }
}

/// Answers with 503. All of this is courtesy: the connection ends whether or not it works.
fn turn_away(mut socket: TcpStream) {
    let mut out = Outbox::new(&Limits::default());
    let _ = Refusal::Unavailable { retry_after: 10 }.write(&mut out);
    let _ = out.write_to(&mut socket);
    let _ = socket.shutdown(Shutdown::Write);
    // A request that is left unread would make the system reset the connection instead.
    let _ = socket.read(&mut [0; 2048]);
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| OUT_OF_DESCRIPTORS.contains(&code))
}
