//! `tokio-websockets`: a stream and a sink of messages over tokio's traits.

use futures::SinkExt;
use futures::StreamExt;
use http::HeaderValue;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_websockets::{
    ClientBuilder, Message as Received, Payload, ServerBuilder, WebSocketStream,
};

use crate::contender::{Contender, Failure, Work};
use crate::job::{Group, Job, PROTOCOL, Receive, Send, Side};
use crate::stream::{Feed, Nothing, Request, Sink, Stream, drive, repeat};
use crate::works::{Accepts, FromStream, Seen, Sends, accepting, from_stream, sending};

pub struct TokioWebsockets;

impl Contender for TokioWebsockets {
    fn name(&self) -> &'static str {
        "tokio-websockets"
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "asynchronous: polled by hand",
            "feature aws_lc_rs, its fastest SHA-1, which is C and assembler; rand for keys",
            "its read buffer of 8 KiB cannot be set",
            "sends payloads that live for ever, as `Bytes` that need no counting",
        ]
    }

    fn remarks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::SendBinary | Group::SendText => {
                &["writes the payload where it is: nothing is copied"]
            }
            Group::Handshake => &[
                "does not look at the form of the key",
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

struct Receiver {
    ws: WebSocketStream<Stream<Feed>>,
}

impl FromStream for Receiver {
    fn new(_: &Receive, stream: Stream<Feed>) -> Result<Self, Failure> {
        Ok(Self { ws: ServerBuilder::new().serve(stream) })
    }

    fn receive(&mut self, messages: usize, seen: &mut Seen<'_>) -> Result<(), Failure> {
        repeat(messages, async || {
            let message = self.ws.next().await.ok_or_else(|| Failure::new("the end"))?;
            let message = message.map_err(Failure::of)?;
            if message.is_text() {
                seen.text(message.as_payload());
            } else if message.is_binary() {
                seen.binary(message.as_payload());
            } else {
                return Err(Failure::of(message));
            }
            Ok(())
        })
    }
}

struct Sender {
    ws: WebSocketStream<Stream<Nothing>>,
    message: Received,
}

impl Sends for Sender {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let stream = Stream::new(Nothing, sink);
        let ws = match job.side {
            Side::Server => ServerBuilder::new().serve(stream),
            Side::Client => ClientBuilder::new().take_over(stream),
        };
        let message = if job.kind.is_text() {
            Received::text(Payload::from(job.text()))
        } else {
            Received::binary(Payload::from(job.payload))
        };
        Ok(Self { ws, message })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        repeat(times as usize, async || {
            self.ws.send(self.message.clone()).await.map_err(Failure::of)
        })
    }
}

struct Acceptor {
    server: ServerBuilder,
}

impl Accepts for Acceptor {
    fn new() -> Self {
        let protocol = HeaderValue::from_static(PROTOCOL);
        let server = ServerBuilder::new().add_header(SEC_WEBSOCKET_PROTOCOL, protocol);
        Self { server: server.unwrap_or_default() }
    }

    #[inline]
    fn accept(&mut self, sink: Sink) -> Result<(), Failure> {
        let stream = Stream::new(Request::default(), sink);
        std::hint::black_box(drive(self.server.accept(stream))?.map_err(Failure::of)?);
        Ok(())
    }
}
