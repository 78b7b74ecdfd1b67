//! `yawc`: a stream and a sink of frames over tokio's traits, hyper for the opening handshake.

use bytes::Bytes;
use futures::SinkExt;
use hyper::server::conn::http1::Builder;
use yawc::{CompressionLevel, Frame, OpCode, Options, Role, WebSocket};

use super::hyper::{accept, builder};
use crate::contender::{Contender, Failure, Work};
use crate::job::{Echo, Group, Job, LEVEL, Receive, Send, Side};
use crate::stream::{Feed, Nothing, Sink, Stream, repeat};
use crate::works::{
    Accepts, Echoes, FromStream, Seen, Sends, accepting, echoing, from_stream, sending,
};

/// Its limits are exclusive, and its default is the size of the largest message here.
const LIMIT: usize = 4 * 1024 * 1024;
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

pub struct Yawc;

impl Contender for Yawc {
    fn name(&self) -> &'static str {
        "yawc"
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "asynchronous: polled by hand",
            "features simd and zlib; checks UTF-8, which it does not by default",
            "its buffers are as large as what arrives and what is sent",
            "sends payloads that live for ever, as `Bytes` that need no counting",
            "the handshake is hyper's, without its Date",
        ]
    }

    fn remarks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::Handshake => {
                &["does not look at Connection and Upgrade, nor at the form of the key"]
            }
            _ => &[],
        }
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        Some(match job {
            Job::Receive(job) => from_stream::<Receiver>(job),
            Job::Send(job) => sending::<Sender>(job),
            Job::Accept => accepting::<Acceptor>(),
            Job::Echo(job) => echoing::<Echoer>(job),
        })
    }
}

fn options() -> Options {
    Options::default().with_utf8().with_limits(LIMIT, 2 * LIMIT)
}

struct Receiver {
    ws: WebSocket<Stream<Feed>>,
}

impl FromStream for Receiver {
    fn new(job: &Receive, stream: Stream<Feed>) -> Result<Self, Failure> {
        let options = options().with_read_buffer_capacity(job.unit().len());
        let ws = WebSocket::from_stream(stream, Role::Server, options).map_err(Failure::of)?;
        Ok(Self { ws })
    }

    fn receive(&mut self, messages: usize, seen: &mut Seen<'_>) -> Result<(), Failure> {
        repeat(messages, async || {
            let frame = self.ws.next_frame().await.map_err(Failure::of)?;
            match frame.opcode() {
                OpCode::Text => seen.text(frame.payload()),
                OpCode::Binary => seen.binary(frame.payload()),
                _ => return Err(Failure::new("a frame that is no message")),
            }
            Ok(())
        })
    }
}

struct Sender {
    ws: WebSocket<Stream<Nothing>>,
    is_text: bool,
    payload: Bytes,
}

impl Sends for Sender {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let role = match job.side {
            Side::Server => Role::Server,
            Side::Client => Role::Client,
        };
        let options = options().with_write_buffer_capacity(job.frame(None).len() + 4);
        let stream = Stream::new(Nothing, sink);
        let ws = WebSocket::from_stream(stream, role, options).map_err(Failure::of)?;
        let payload = Bytes::from_static(job.payload);
        Ok(Self { ws, is_text: job.kind.is_text(), payload })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        repeat(times as usize, async || {
            let payload = self.payload.clone();
            let frame = if self.is_text { Frame::text(payload) } else { Frame::binary(payload) };
            self.ws.send(frame).await.map_err(Failure::of)
        })
    }
}

struct Acceptor {
    builder: Builder,
}

impl Accepts for Acceptor {
    fn new() -> Self {
        Self { builder: builder() }
    }

    #[inline]
    fn accept(&mut self, sink: Sink) -> Result<(), Failure> {
        let ws = accept(&self.builder, sink, |request| {
            WebSocket::upgrade_with_options(request, options())
        })?;
        std::hint::black_box(ws.map_err(Failure::of)?);
        Ok(())
    }
}

struct Echoer {
    ws: WebSocket<Stream<Feed>>,
}

impl Echoes for Echoer {
    fn new(job: &Echo, sink: Sink) -> Result<Self, Failure> {
        let options = options()
            .with_compression_level(CompressionLevel::new(LEVEL.into()))
            .server_no_context_takeover()
            .client_no_context_takeover();
        let stream = Stream::new(job.feed(), sink);
        let (role, agreed) = (Role::Server, Some(AGREED));
        let ws = WebSocket::from_stream_with_extensions(stream, role, agreed, options);
        Ok(Self { ws: ws.map_err(Failure::of)? })
    }

    fn echo(&mut self, times: u32) -> Result<(), Failure> {
        repeat(times as usize, async || {
            let frame = self.ws.next_frame().await.map_err(Failure::of)?;
            if frame.opcode() != OpCode::Text {
                return Err(Failure::new("a frame that is no text"));
            }
            self.ws.send(Frame::text(frame.into_payload())).await.map_err(Failure::of)
        })
    }
}
