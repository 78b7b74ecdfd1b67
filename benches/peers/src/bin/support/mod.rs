//! What the echo servers of the peers share: the command line, the listener, and what to do with
//! messages for those whose WebSocket is a stream and a sink.
//!
//! All run on one thread, because that is what is compared. Their connections are excused from
//! tokio's cooperative budget, as the peers' own examples do it.

#![allow(dead_code, reason = "not every server uses all of it")]

use std::env;
use std::future::Future;
use std::io::{self, Write as _};
use std::mem;
use std::net::SocketAddr;
use std::process::ExitCode;

use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::broadcast;
use tokio::task::unconstrained;

/// How many messages make a batch at most.
const BATCH: usize = 32;

/// What a server can be asked for besides its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flag {
    /// The smallest buffers that make sense, for connections that sleep.
    Small,
    /// All messages that have arrived are answered before anything is written.
    Batched,
    /// What one says, everybody hears.
    Room,
}

impl Flag {
    fn name(self) -> &'static str {
        match self {
            Self::Small => "--small",
            Self::Batched => "--batched",
            Self::Room => "--room",
        }
    }
}

/// The flags that were given.
#[derive(Clone, Default)]
pub struct Flags(Vec<Flag>);

impl Flags {
    pub fn has(&self, flag: Flag) -> bool {
        self.0.contains(&flag)
    }
}

/// Reads `[FLAG...] [ADDR]`, listens, and serves every connection until the process is ended.
pub fn run<S, C>(known: &[Flag], serve: S) -> ExitCode
where
    S: FnOnce(Flags) -> C,
    C: Serve,
{
    let (flags, address) = match arguments(known) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            let known: String = known.iter().map(|flag| format!("[{}] ", flag.name())).collect();
            eprintln!("{wrong}; usage: {known}[ADDR]   (default 127.0.0.1:9001)");
            return ExitCode::from(2);
        }
    };
    let runtime = runtime::Builder::new_current_thread().enable_io().build();
    match runtime.and_then(|runtime| runtime.block_on(listen(address, serve(flags)))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(known: &[Flag]) -> Result<(Flags, SocketAddr), String> {
    let (mut flags, mut address) = (Flags::default(), None);
    for word in env::args().skip(1) {
        if let Some(flag) = known.iter().find(|flag| flag.name() == word) {
            flags.0.push(*flag);
        } else if address.is_none() {
            address =
                Some(word.parse().map_err(|_| format!("{word:?} is no address with a port"))?);
        } else {
            return Err(format!("one argument too many: {word:?}"));
        }
    }
    let address: SocketAddr = address.unwrap_or_else(|| ([127, 0, 0, 1], 9001).into());
    if address.ip().is_loopback() { Ok((flags, address)) } else { Err("not on loopback".into()) }
}

/// Something that serves a connection.
pub trait Serve {
    fn serve(&self, socket: TcpStream) -> impl Future<Output = ()> + Send + 'static;
}

impl<F: Fn(TcpStream) -> R, R: Future<Output = ()> + Send + 'static> Serve for F {
    fn serve(&self, socket: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        self(socket)
    }
}

async fn listen(address: SocketAddr, server: impl Serve) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    // Accepted sockets inherit it, which saves a call for each.
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(unconstrained(server.serve(socket)));
    }
}

/// A message of a peer's.
pub trait Message: Clone + Send + 'static {
    /// Whether it is text or binary.
    fn is_data(&self) -> bool;
}

/// What is done with messages.
#[derive(Clone)]
pub enum Habit<M> {
    Usual,
    Batched,
    Room(broadcast::Sender<M>),
}

impl<M: Message> Habit<M> {
    pub fn of(flags: &Flags) -> Self {
        if flags.has(Flag::Room) {
            Self::Room(broadcast::channel(1024).0)
        } else if flags.has(Flag::Batched) {
            Self::Batched
        } else {
            Self::Usual
        }
    }

    /// Talks until the connection ends, in whichever way.
    pub async fn talk<S, E>(self, ws: S)
    where
        S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    {
        // How a connection ends is of no interest here.
        let _ = match self {
            Self::Usual => echo(ws).await,
            Self::Batched => echo_batched(ws).await,
            Self::Room(room) => stay(ws, room).await,
        };
    }
}

/// Each message is answered and written before the next one is looked at.
async fn echo<S, M, E>(mut ws: S) -> Result<(), E>
where
    M: Message,
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_data() {
            ws.send(message).await?;
        }
    }
    Ok(())
}

/// Whatever has arrived is taken, up to a bound, and then all of it is answered and written. Some
/// peers write what is pending whenever they are asked for the next message, so that comes first.
async fn echo_batched<S, M, E>(mut ws: S) -> Result<(), E>
where
    M: Message,
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    // Empty while nothing arrives, and then it has no memory.
    let mut batch = Vec::new();
    while let Some(first) = ws.next().await {
        let mut next = Some(Some(first));
        while let Some(Some(message)) = next {
            batch.push(message?);
            next = if batch.len() < BATCH { ws.next().now_or_never() } else { None };
        }
        for message in mem::take(&mut batch) {
            if message.is_data() {
                ws.feed(message).await?;
            }
        }
        ws.flush().await?;
    }
    Ok(())
}

/// Says what it receives to the room, and sends what is said there.
async fn stay<S, M, E>(mut ws: S, room: broadcast::Sender<M>) -> Result<(), E>
where
    M: Message,
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut heard = room.subscribe();
    loop {
        tokio::select! {
            message = ws.next() => match message.transpose()? {
                // At least this connection listens, so it does not fail.
                Some(message) if message.is_data() => drop(room.send(message)),
                Some(_) => {}
                None => return Ok(()),
            },
            message = heard.recv() => match message {
                Ok(message) => ws.send(message).await?,
                // Whoever has missed something has to come again.
                Err(_) => return Ok(()),
            },
        }
    }
}
