//! New connections, also when there are no descriptors left for them.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use dormouse::server::Refusal;
use dormouse::{Limits, Outbox};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{SockRef, TcpKeepalive};

/// How many may wait to be accepted: when a server comes back, all of its clients do.
const BACKLOG: i32 = 4096;
/// How long to leave the listener alone when it cannot accept at all.
const PAUSE: Duration = Duration::from_millis(100);
/// When somebody who was turned away may come back, in seconds.
const RETRY_AFTER: u32 = 10;
/// A peer that says nothing for so long is asked by the kernel whether it is still there. It costs
/// no memory, unlike pings; a peer that cannot be reached any more is closed after that.
const KEEPALIVE: Duration = Duration::from_secs(120);

/// A listener that neither spins nor falls silent at the limit of descriptors.
///
/// There, a connection can neither be accepted nor refused, and stays in the queue of the listener.
/// So one descriptor is kept in reserve: giving it up lets one connection in, which gets its answer
/// and is closed. If even that does not help, the listener is left alone for a moment.
pub struct Acceptor {
    listener: TcpListener,
    reserve: Option<File>,
    /// An edge-triggered listener has said that somebody waits, and will not say it again.
    has_waiting: bool,
    paused_until: Option<Instant>,
}

impl Acceptor {
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        // Accepted sockets inherit these, which saves two calls for each.
        let options = SockRef::from(&listener);
        options.set_tcp_nodelay(true)?;
        options.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        // It listens already; this makes the queue longer.
        options.listen(BACKLOG)?;
        Ok(Self { listener, reserve: reserve(), has_waiting: false, paused_until: None })
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Remembers that the poller has told of somebody who waits.
    pub fn wake(&mut self) {
        self.has_waiting = true;
    }

    /// Whether it is worth trying to accept now.
    pub fn is_ready(&self) -> bool {
        self.has_waiting && self.paused_until.is_none_or(|until| until <= Instant::now())
    }

    /// When the listener is to be tried again, if it is left alone.
    pub fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Tries once. `None` means that nobody waits, or that somebody was turned away.
    pub fn accept(&mut self) -> Option<TcpStream> {
        self.paused_until = None;
        match self.listener.accept() {
            Ok((socket, _)) => return Some(socket),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => self.has_waiting = false,
                io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                _ => self.turn_one_away(),
            },
        }
        None
    }

    fn turn_one_away(&mut self) {
        let turned_away = self.reserve.take().is_some() && self.answer_one();
        self.reserve = reserve();
        if !turned_away {
            self.paused_until = Some(Instant::now() + PAUSE);
        }
    }

    fn answer_one(&self) -> bool {
        let Ok((mut socket, _)) = self.listener.accept() else { return false };
        let mut out = Outbox::new(&Limits::default());
        let busy = Refusal::Unavailable { retry_after: RETRY_AFTER };
        if busy.write(&mut out).is_ok() && out.write_to(&mut socket).is_ok() {
            // A request that is here already is taken, so that closing does not reset the connection
            // before the answer is read. Waiting for one would cost what there is none of.
            let _ = socket.shutdown(Shutdown::Write);
            let _ = socket.read(&mut [0; 4096]);
        }
        true
    }
}

/// Something that has a descriptor and does nothing with it.
fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

impl Source for Acceptor {
    fn register(&mut self, registry: &Registry, token: Token, on: Interest) -> io::Result<()> {
        self.listener.register(registry, token, on)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, on: Interest) -> io::Result<()> {
        self.listener.reregister(registry, token, on)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.listener.deregister(registry)
    }
}
