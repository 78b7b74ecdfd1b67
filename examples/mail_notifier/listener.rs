//! The listening socket of a shard, the gate in front of it, and what happens when the process has
//! no file descriptor left.
//!
//! All shards listen at the same address (`SO_REUSEPORT`), and the kernel deals new connections out
//! to them. One that may not come in gets a fixed answer and no memory.
//!
//! A connection that cannot be accepted for want of a descriptor stays in the kernel's queue, and a
//! loop that tries again at once spins. So the process holds one descriptor in reserve: it is given
//! up to take the connection, tell it to come back later and close it. If even that fails, the
//! listener rests for a moment.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use dormouse::server::Refusal;
use dormouse::{Limits, Outbox};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::gate::Peer;
use crate::log;
use crate::server::Server;

/// How long the listener rests when nothing can be accepted.
const REST: Duration = Duration::from_millis(100);
/// `EMFILE` and `ENFILE`: the process or the system has no descriptor left.
const OUT_OF_DESCRIPTORS: [i32; 2] = [24, 23];
/// How many answers are made in advance, each with another time to come back.
const ANSWERS: u64 = 16;

/// The listening socket of a shard.
pub struct Listener {
    socket: TcpListener,
    rests_until: Option<Instant>,
    answers: Vec<Vec<u8>>,
    turned_away: usize,
    send_buffer: usize,
}

/// What came of an attempt to accept.
pub enum Accepted {
    /// It has passed the gate, and has to leave by it.
    Connection(TcpStream, Peer),
    /// This one did not work out; the next one may.
    Nobody,
    /// No more for now. The poller, or the end of the rest, tells when to come back.
    NoMore,
}

impl Listener {
    /// Wraps one of the sockets that [`bind`] made and tells `registry` about it.
    ///
    /// # Errors
    /// When the poller has no room.
    pub fn new(
        socket: std::net::TcpListener,
        server: &Server,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut socket = TcpListener::from_std(socket);
        socket.register(registry, token, Interest::READABLE)?;
        let answers = answers(server.settings.retry_after);
        let send_buffer = server.settings.send_buffer;
        Ok(Self { socket, rests_until: None, answers, turned_away: 0, send_buffer })
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
    pub fn accept(&mut self, server: &Server) -> Accepted {
        let mut reserve = server.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        let mut accepted = self.socket.accept();
        if accepted.as_ref().is_err_and(is_out_of_descriptors) && reserve.take().is_some() {
            accepted = self.socket.accept();
            if let Ok((socket, address)) = accepted {
                self.turn_away(socket, server, "descriptors", address);
                *reserve = File::open("/dev/null").ok();
                return Accepted::Nobody;
            }
        }
        if reserve.is_none() {
            *reserve = File::open("/dev/null").ok();
        }
        drop(reserve);
        match accepted {
            Ok((socket, address)) => self.admit(socket, address, server),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => Accepted::NoMore,
                ErrorKind::Interrupted | ErrorKind::ConnectionAborted => Accepted::Nobody,
                _ => self.rest_after(&error, server),
            },
        }
    }

    /// Asks the gate about a connection.
    fn admit(&mut self, socket: TcpStream, address: SocketAddr, server: &Server) -> Accepted {
        let peer = Peer::new(address.ip());
        if let Err(full) = server.gate.enter(peer, Instant::now()) {
            self.turn_away(socket, server, full.reason(), address);
            return Accepted::Nobody;
        }
        // Notices are small and rare: none should wait for the acknowledgement of another.
        let _ = socket.set_nodelay(true);
        if self.send_buffer > 0 {
            let _ = SockRef::from(&socket).set_send_buffer_size(self.send_buffer);
        }
        Accepted::Connection(socket, peer)
    }

    /// Answers with 503. All of this is courtesy: the connection ends whether or not it works.
    fn turn_away(
        &mut self,
        mut socket: TcpStream,
        server: &Server,
        reason: &'static str,
        address: SocketAddr,
    ) {
        server.refused(reason, &[("peer", &address.ip())]);
        self.turned_away = (self.turned_away + 1) % self.answers.len();
        let _ = socket.write(&self.answers[self.turned_away]);
        let _ = socket.shutdown(Shutdown::Write);
        // A request that is left unread would make the system reset the connection instead.
        let _ = socket.read(&mut [0; 2048]);
    }

    /// Leaves the queue alone for a moment: what fails now would fail again at once.
    fn rest_after(&mut self, error: &io::Error, server: &Server) -> Accepted {
        server.metrics.accept_errors.inc();
        log::warn("accept_failed", &[("error", error)]);
        self.rests_until = Some(Instant::now() + REST);
        Accepted::NoMore
    }
}

/// Makes `count` sockets that listen at `address` together.
///
/// # Errors
/// When the address is in use or not one of this host.
pub fn bind(
    address: SocketAddr,
    backlog: i32,
    count: usize,
) -> io::Result<Vec<std::net::TcpListener>> {
    // Whoever shares a port may share it with a second server that was started by mistake. A socket
    // that does not share finds that out.
    let address = listen(address, backlog, false)?.local_addr()?;
    (0..count).map(|_| listen(address, backlog, true)).collect()
}

fn listen(address: SocketAddr, backlog: i32, is_shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// The 503 answers: those who are turned away together are not to come back together.
fn answers(retry_after: Duration) -> Vec<Vec<u8>> {
    let shortest = retry_after.as_secs().max(1);
    let later = (0..ANSWERS).map(|at| shortest + shortest * at / ANSWERS);
    later
        .map(|seconds| {
            let mut out = Outbox::new(&Limits::default());
            let retry_after = u32::try_from(seconds).unwrap_or(u32::MAX);
            let _ = Refusal::Unavailable { retry_after }.write(&mut out);
            out.slices().flatten().copied().collect()
        })
        .collect()
}

/// Whether the process or the system has no descriptor left.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| OUT_OF_DESCRIPTORS.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_turned_away_come_back_at_different_times() {
        let answers = answers(Duration::from_secs(10));
        let after = |answer: &Vec<u8>| {
            let text = String::from_utf8(answer.clone()).unwrap();
            assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
            let line = text.lines().find_map(|line| line.strip_prefix("Retry-After: "));
            line.unwrap().parse::<u64>().unwrap()
        };
        let seconds: Vec<_> = answers.iter().map(after).collect();
        assert!(seconds.iter().all(|seconds| (10..20).contains(seconds)), "{seconds:?}");
        assert!(seconds.windows(2).any(|pair| pair[0] != pair[1]), "{seconds:?}");
    }

    #[test]
    fn a_port_is_shared_only_among_ourselves() {
        let ours = bind("127.0.0.1:0".parse().unwrap(), 16, 2).unwrap();
        let address = ours[0].local_addr().unwrap();
        assert_eq!(ours[1].local_addr().unwrap(), address);
        assert_eq!(bind(address, 16, 2).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
