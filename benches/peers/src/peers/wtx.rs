//! `wtx`: its own stream traits, and buffers of its user.

use httparse::Header;
use wtx::collection::Vector;
use wtx::rng::{ChaCha20, Xorshift64, simple_seed};
use wtx::web_socket::compression::{Flate2, NegotiatedFlate2, WindowBits};
use wtx::web_socket::{
    Compression, CompressionLevel, DeflateConfig, Frame, OpCode, WebSocket, WebSocketAcceptor,
    WebSocketBuffer, WebSocketPayloadOrigin,
};

use crate::contender::{Contender, Failure, Work};
use crate::job::{Echo, Group, Job, Receive, Send, Side};
use crate::stream::{Feed, Nothing, Request, Sink, Stream, drive, repeat};
use crate::works::{
    Accepts, Echoes, FromStream, Seen, Sends, accepting, echoing, from_stream, sending,
};

/// The most that a header adds to a payload.
const HEADER: usize = 14;
const AGREED: Header<'_> = Header {
    name: "Sec-WebSocket-Extensions",
    value: b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
};
/// Frames are masked: what is "no masking" here is an extension.
const NO_MASKING: bool = false;

pub struct Wtx;

impl Contender for Wtx {
    fn name(&self) -> &'static str {
        "wtx"
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "asynchronous: polled by hand; the newest release that builds with the compiler of this \
             crate",
            "features optimization, crypto-aws-lc-rs (SHA-1 in C and assembler) and flate2",
            "its buffers have room for what arrives, and are shared by the handshakes of a thread",
            "a client takes its keys from its ChaCha20",
        ]
    }

    fn lacks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::Handshake => &["names no subprotocol in its answer"],
            _ => &[],
        }
    }

    fn remarks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::SendBinary | Group::SendText => {
                &["writes the payload where it is: nothing is copied"]
            }
            Group::SendClient => &["masks the payload where it is: its user's buffer is changed"],
            Group::Handshake => {
                &["does not look at Connection and Upgrade, nor at the form of the key"]
            }
            _ => &[],
        }
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        Some(match job {
            Job::Receive(job) => from_stream::<Receiver>(job),
            Job::Send(job) => match job.side {
                Side::Server => sending::<ServerSender>(job),
                Side::Client => sending::<ClientSender>(job),
            },
            Job::Accept => accepting::<Acceptor>(),
            Job::Echo(job) => echoing::<Echoer>(job),
        })
    }
}

fn weak_rng() -> Xorshift64 {
    Xorshift64::from(simple_seed())
}

struct Receiver {
    ws: WebSocket<(), Xorshift64, Stream<Feed>, WebSocketBuffer, false>,
    buffer: Vector<u8>,
}

impl FromStream for Receiver {
    fn new(job: &Receive, stream: Stream<Feed>) -> Result<Self, Failure> {
        let room = WebSocketBuffer::with_capacity(job.unit().len() + HEADER, 0, 0);
        let room = room.map_err(Failure::of)?;
        let ws = WebSocket::new((), NO_MASKING, weak_rng(), stream, room);
        Ok(Self { ws, buffer: Vector::new() })
    }

    fn receive(&mut self, messages: usize, seen: &mut Seen<'_>) -> Result<(), Failure> {
        repeat(messages, async || {
            let origin = WebSocketPayloadOrigin::Adaptive;
            let frame = self.ws.read_frame(&mut self.buffer, origin).await.map_err(Failure::of)?;
            match frame.op_code() {
                OpCode::Text => seen.text(frame.payload()),
                OpCode::Binary => seen.binary(frame.payload()),
                other => return Err(Failure::of(other)),
            }
            Ok(())
        })
    }
}

/// The two roles are types, so a macro has the adapter once for both.
macro_rules! sender {
    ($name:ident, $rng:ty, $new_rng:expr, $is_client:literal) => {
        struct $name {
            ws: WebSocket<(), $rng, Stream<Nothing>, WebSocketBuffer, $is_client>,
            opcode: OpCode,
            payload: &'static [u8],
            /// It asks for payloads that it may change; a client masks them where they are.
            own: Vec<u8>,
        }

        impl Sends for $name {
            fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
                let stream = Stream::new(Nothing, sink);
                let buffer = WebSocketBuffer::new();
                let ws = WebSocket::new((), NO_MASKING, $new_rng, stream, buffer);
                let opcode = if job.kind.is_text() { OpCode::Text } else { OpCode::Binary };
                Ok(Self { ws, opcode, payload: job.payload, own: job.payload.to_vec() })
            }

            fn send(&mut self, times: u32) -> Result<(), Failure> {
                repeat(times as usize, async || {
                    let mut frame = Frame::new_fin(self.opcode, &mut self.own[..]);
                    self.ws.write_frame(&mut frame).await.map_err(Failure::of)
                })
            }

            fn restore(&mut self) {
                self.own.copy_from_slice(self.payload);
            }
        }
    };
}

sender!(ServerSender, Xorshift64, weak_rng(), false);
sender!(ClientSender, ChaCha20, ChaCha20::from_key(rand::random()), true);

struct Acceptor {
    buffer: WebSocketBuffer,
}

impl Accepts for Acceptor {
    const SELECTS_PROTOCOL: bool = false;

    fn new() -> Self {
        Self { buffer: WebSocketBuffer::new() }
    }

    #[inline]
    fn accept(&mut self, sink: Sink) -> Result<(), Failure> {
        let acceptor = WebSocketAcceptor::default().wsb(&mut self.buffer);
        let stream = Stream::new(Request::default(), sink);
        let ws: wtx::Result<_> = drive(acceptor.accept(stream))?;
        std::hint::black_box(ws.map_err(Failure::of)?);
        Ok(())
    }
}

type Compressed = Option<NegotiatedFlate2>;

struct Echoer {
    ws: WebSocket<Compressed, Xorshift64, Stream<Feed>, WebSocketBuffer, false>,
    buffer: Vector<u8>,
}

impl Echoes for Echoer {
    fn new(job: &Echo, sink: Sink) -> Result<Self, Failure> {
        let flate2 = Flate2::from(DeflateConfig {
            client_max_window_bits: WindowBits::Fifteen,
            compression_level: CompressionLevel::One,
            server_max_window_bits: WindowBits::Fifteen,
        });
        let agreed = Compression::<false>::negotiate(flate2, [AGREED].iter());
        let stream = Stream::new(job.feed(), sink);
        let agreed = agreed.map_err(Failure::of)?;
        let ws = WebSocket::new(agreed, NO_MASKING, weak_rng(), stream, WebSocketBuffer::new());
        Ok(Self { ws, buffer: Vector::new() })
    }

    fn echo(&mut self, times: u32) -> Result<(), Failure> {
        repeat(times as usize, async || {
            let (mut common, mut reader, mut writer) = self.ws.split_mut();
            let origin = WebSocketPayloadOrigin::Adaptive;
            let frame = reader.read_frame(&mut self.buffer, &mut common, origin).await;
            let mut frame = frame.map_err(Failure::of)?;
            writer.write_frame(&mut common, &mut frame).await.map_err(Failure::of)
        })
    }
}
