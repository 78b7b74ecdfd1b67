//! `tungstenite`: blocking readers and writers, which an embedder may make non-blocking.

use std::io;

use bytes::Bytes;
use tungstenite::handshake::server::{ErrorResponse, Request as Head, Response};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message as Received, Utf8Bytes, WebSocket, accept_hdr_with_config};

use super::hyper::select_protocol;
use crate::contender::{Contender, Failure, Work};
use crate::job::{Group, Job, Receive, Send, Side};
use crate::stream::{Feed, Nothing, Request, Sink, Stream};
use crate::works::{Accepts, FromStream, Seen, Sends, accepting, from_stream, sending};

/// What a connection reads with before it has seen a message.
const READ_BUFFER: usize = 4096;

pub struct Tungstenite;

impl Contender for Tungstenite {
    fn name(&self) -> &'static str {
        "tungstenite"
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "its read buffer is as large as what arrives: it zeroes the rest of it before each read, \
             so that its default of 128 KiB costs small messages microseconds",
            "sends payloads that live for ever, as `Bytes` that need no counting",
        ]
    }

    fn remarks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::Handshake => &["the subprotocol is selected in its callback"],
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

struct Receiver {
    ws: WebSocket<Stream<Feed>>,
}

impl FromStream for Receiver {
    fn new(job: &Receive, stream: Stream<Feed>) -> Result<Self, Failure> {
        let config = WebSocketConfig::default().read_buffer_size(job.unit().len());
        Ok(Self { ws: WebSocket::from_raw_socket(stream, Role::Server, Some(config)) })
    }

    fn receive(&mut self, messages: usize, seen: &mut Seen<'_>) -> Result<(), Failure> {
        let mut left = messages;
        while left > 0 {
            match self.ws.read() {
                Ok(Received::Text(text)) => seen.text(text.as_bytes()),
                Ok(Received::Binary(bytes)) => seen.binary(&bytes),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => continue,
                other => return Err(Failure::of(other)),
            }
            left -= 1;
        }
        Ok(())
    }
}

struct Sender {
    ws: WebSocket<Stream<Nothing>>,
    message: Received,
}

impl Sends for Sender {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let role = match job.side {
            Side::Server => Role::Server,
            Side::Client => Role::Client,
        };
        let message = if job.kind.is_text() {
            Received::Text(Utf8Bytes::from_static(job.text()))
        } else {
            Received::Binary(Bytes::from_static(job.payload))
        };
        let ws = WebSocket::from_raw_socket(Stream::new(Nothing, sink), role, None);
        Ok(Self { ws, message })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        (0..times).try_for_each(|_| self.ws.send(self.message.clone()).map_err(Failure::of))
    }
}

struct Acceptor;

impl Accepts for Acceptor {
    fn new() -> Self {
        Self
    }

    #[inline]
    fn accept(&mut self, sink: Sink) -> Result<(), Failure> {
        let stream = Stream::new(Request::default(), sink);
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let ws = accept_hdr_with_config(stream, answer, Some(config)).map_err(Failure::of)?;
        std::hint::black_box(ws);
        Ok(())
    }
}

#[expect(clippy::result_large_err, reason = "the peer asks for this signature")]
fn answer(request: &Head, mut response: Response) -> Result<Response, ErrorResponse> {
    select_protocol(request.headers(), response.headers_mut());
    Ok(response)
}
