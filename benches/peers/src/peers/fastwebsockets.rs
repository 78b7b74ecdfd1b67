//! `fastwebsockets`: tokio's traits for frames, hyper for the opening handshake.

use fastwebsockets::upgrade::{is_upgrade_request, upgrade};
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket, WebSocketError};
use hyper::server::conn::http1::Builder;

use super::hyper::{accept, builder};
use crate::contender::{Contender, Failure, Work};
use crate::job::{Group, Job, Receive, Send, Side};
use crate::stream::{Feed, Nothing, Sink, Stream, repeat};
use crate::works::{Accepts, FromStream, Seen, Sends, accepting, from_stream, sending};

pub struct Fastwebsockets;

impl Contender for Fastwebsockets {
    fn name(&self) -> &'static str {
        "fastwebsockets"
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "asynchronous: polled by hand",
            "features simd and upgrade; the handshake is hyper's, without its Date",
            "receives through its FragmentCollector, without which it hands out fragments",
            "its read buffer of 8 KiB cannot be set; accepts frames that are not masked",
        ]
    }

    fn remarks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::SendBinary | Group::SendText => {
                &["writes payloads above 1 KiB where they are: nothing is copied"]
            }
            Group::SendClient => &["masks the payload where it is: its user's buffer is changed"],
            Group::Handshake => &["does not look at the form of the key"],
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
    ws: FragmentCollector<Stream<Feed>>,
}

impl FromStream for Receiver {
    fn new(_: &Receive, stream: Stream<Feed>) -> Result<Self, Failure> {
        Ok(Self { ws: FragmentCollector::new(WebSocket::after_handshake(stream, Role::Server)) })
    }

    fn receive(&mut self, messages: usize, seen: &mut Seen<'_>) -> Result<(), Failure> {
        repeat(messages, async || {
            let frame = self.ws.read_frame().await.map_err(Failure::of)?;
            match frame.opcode {
                OpCode::Text => seen.text(&frame.payload),
                OpCode::Binary => seen.binary(&frame.payload),
                _ => return Err(Failure::new("a frame that is no message")),
            }
            Ok(())
        })
    }
}

struct Sender {
    ws: WebSocket<Stream<Nothing>>,
    opcode: OpCode,
    side: Side,
    payload: &'static [u8],
    /// A client masks its payload where it is.
    own: Vec<u8>,
}

impl Sends for Sender {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let role = match job.side {
            Side::Server => Role::Server,
            Side::Client => Role::Client,
        };
        Ok(Self {
            ws: WebSocket::after_handshake(Stream::new(Nothing, sink), role),
            opcode: if job.kind.is_text() { OpCode::Text } else { OpCode::Binary },
            side: job.side,
            payload: job.payload,
            own: job.payload.to_vec(),
        })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        repeat(times as usize, async || {
            let payload = match self.side {
                Side::Server => Payload::Borrowed(self.payload),
                Side::Client => Payload::BorrowedMut(&mut self.own),
            };
            let frame = Frame::new(true, self.opcode, None, payload);
            self.ws.write_frame(frame).await.map_err(Failure::of)
        })
    }

    fn restore(&mut self) {
        self.own.copy_from_slice(self.payload);
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
            if is_upgrade_request(request) {
                upgrade(request)
            } else {
                Err(WebSocketError::InvalidUpgradeHeader)
            }
        })?;
        std::hint::black_box(ws.map_err(Failure::of)?);
        Ok(())
    }
}
