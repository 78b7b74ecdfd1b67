//! `websocketz`: embedded-io's traits and buffers of its user, nothing on the heap.

use std::convert::Infallible;

use rand::rngs::ThreadRng;
use websocketz::http::Header;
use websocketz::options::AcceptOptions;
use websocketz::{Message as Received, WebSocket, next};

use crate::contender::{Contender, Failure, Work};
use crate::job::{Group, Job, PROTOCOL, Receive, Send, Side};
use crate::stream::{Feed, Nothing, Request, Sink, Stream, drive, repeat};
use crate::works::{Accepts, FromStream, Seen, Sends, accepting, from_stream, sending};

/// The most that a header adds to a payload.
const HEADER: usize = 14;
const MAX_HEADERS: usize = 32;
/// What it reads with at least: in a buffer that is full after each message it would have to move the
/// nothing that is left.
const READ_BUFFER: usize = 16 * 1024;

pub struct Websocketz;

impl Contender for Websocketz {
    fn name(&self) -> &'static str {
        "websocketz"
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "asynchronous: polled by hand",
            "its buffers are fixed and given by the adapter, for reading 16 KiB or what arrives together \
             if that is more; a larger message ends the connection",
            "a client takes its keys from rand's thread generator",
        ]
    }

    fn remarks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::Handshake => &[
                "does not look at Connection and Upgrade, nor at the form of the key",
                "answers with a fixed subprotocol, without looking at the list of the client",
            ],
            _ => &[],
        }
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        match job {
            Job::Receive(job) => Some(from_stream::<Receiver>(job)),
            Job::Send(job) => Some(sending::<Sender>(job)),
            Job::Accept => Some(accepting::<Acceptor>()),
            Job::Echo(_) => None,
        }
    }
}

/// A buffer for the rest of the program: the peer borrows its buffers, and a contender lives as long as
/// the program.
fn buffer(len: usize) -> &'static mut [u8] {
    vec![0; len].leak()
}

struct Receiver {
    ws: WebSocket<'static, Stream<Feed>, ThreadRng>,
}

impl FromStream for Receiver {
    fn new(job: &Receive, stream: Stream<Feed>) -> Result<Self, Failure> {
        let (read, write) = (buffer(job.unit().len().max(READ_BUFFER)), buffer(HEADER));
        let fragments = buffer(job.payload.len());
        Ok(Self { ws: WebSocket::server(stream, rand::rng(), read, write, fragments) })
    }

    fn receive(&mut self, messages: usize, seen: &mut Seen<'_>) -> Result<(), Failure> {
        repeat(messages, async || {
            let ws = &mut self.ws;
            match next!(ws) {
                Some(Ok(Received::Text(text))) => seen.text(text.as_bytes()),
                Some(Ok(Received::Binary(bytes))) => seen.binary(bytes),
                other => return Err(Failure::of(other)),
            }
            Ok(())
        })
    }
}

struct Sender {
    ws: WebSocket<'static, Stream<Nothing>, ThreadRng>,
    is_text: bool,
    payload: &'static [u8],
    text: &'static str,
}

impl Sends for Sender {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let (stream, rng) = (Stream::new(Nothing, sink), rand::rng());
        let write = buffer(HEADER + job.payload.len());
        let ws = match job.side {
            Side::Server => WebSocket::server(stream, rng, buffer(HEADER), write, &mut []),
            Side::Client => WebSocket::client(stream, rng, buffer(HEADER), write, &mut []),
        };
        Ok(Self { ws, is_text: job.kind.is_text(), payload: job.payload, text: job.text() })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        repeat(times as usize, async || {
            let message = if self.is_text {
                Received::Text(self.text)
            } else {
                Received::Binary(self.payload)
            };
            self.ws.send(message).await.map_err(Failure::of)
        })
    }
}

struct Acceptor {
    read: Vec<u8>,
    write: Vec<u8>,
}

impl Accepts for Acceptor {
    fn new() -> Self {
        Self { read: vec![0; 2048], write: vec![0; 1024] }
    }

    #[inline]
    fn accept(&mut self, sink: Sink) -> Result<(), Failure> {
        let headers = [Header { name: "Sec-WebSocket-Protocol", value: PROTOCOL.as_bytes() }];
        let options = AcceptOptions::default().with_headers(&headers);
        let stream = Stream::new(Request::default(), sink);
        let (read, write) = (&mut self.read, &mut self.write);
        let ws = WebSocket::accept::<MAX_HEADERS>(options, stream, (), read, write, &mut []);
        let ws: Result<_, websocketz::error::Error<Infallible>> = drive(ws)?;
        std::hint::black_box(ws.map_err(Failure::of)?);
        Ok(())
    }
}
