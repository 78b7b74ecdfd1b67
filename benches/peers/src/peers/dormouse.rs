//! `dormouse`: in place, out of a copy, and with a frame that was encoded before.

use std::hint::black_box;
use std::mem::MaybeUninit;

use dormouse::deflate::{Deflater, Inflater};
use dormouse::http::{HeadReader, Request};
use dormouse::server::Upgrade;
use dormouse::{Client, Event, Input, Limits, Outbox, Prepared, Server, WebSocket};

use crate::contender::{Contender, Failure, Work};
use crate::job::{Echo, Job, Kind, LEVEL, PROTOCOL, REQUEST, Receive, Send, Side};
use crate::stream::{Feed, Sink};
use crate::works::{
    Accepts, Echoes, InPlace, Seen, Sends, accepting, copied, echoing, in_place, sending,
};

const WINDOW_BITS: u8 = 15;

/// As it is meant to be used: it parses the thread's read buffer where the read has left it.
pub struct Dormouse;

impl Contender for Dormouse {
    fn name(&self) -> &'static str {
        super::DORMOUSE
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "features simdutf8 and deflate",
            "parses in place: the frames arrive in the read buffer, as a read leaves them there",
            "sends through one outbox per thread, which keeps its memory",
            "as a client, takes its keys from rand's thread generator",
        ]
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        Some(match job {
            Job::Receive(job) => in_place::<Receiver>(job),
            Job::Send(job) => match job.side {
                Side::Server => sending::<Sender<Server>>(job),
                Side::Client => sending::<Sender<Client>>(job),
            },
            Job::Accept => accepting::<Acceptor<false>>(),
            Job::Echo(job) => echoing::<Echoer<false>>(job),
        })
    }
}

/// The same when the bytes of a read first have to be copied into its read buffer, as they have to be
/// for those who read from a stream.
pub struct Copied;

impl Contender for Copied {
    fn name(&self) -> &'static str {
        super::COPIED
    }

    fn package(&self) -> Option<&'static str> {
        Some("dormouse")
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "the bytes of each read are copied into its read buffer first, and that is timed: the row \
           to compare with those who read from a stream",
        ]
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        match job {
            Job::Receive(job) => Some(copied::<Receiver>(job)),
            Job::Accept => Some(accepting::<Acceptor<true>>()),
            Job::Echo(job) => Some(echoing::<Echoer<true>>(job)),
            Job::Send(_) => None,
        }
    }
}

/// A broadcast: the frame was encoded once, and each connection sends it.
pub struct PreparedOnce;

impl Contender for PreparedOnce {
    fn name(&self) -> &'static str {
        "dormouse prepared"
    }

    fn package(&self) -> Option<&'static str> {
        Some("dormouse")
    }

    fn notes(&self) -> &'static [&'static str] {
        &["the frame was encoded before, as for a broadcast, and is only referred to: the row to \
           compare with those who write the payload where it is"]
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        match job {
            Job::Send(job) if job.side == Side::Server => Some(sending::<PreparedSender>(job)),
            _ => None,
        }
    }
}

/// Straight to the socket: the payload is written where it is, as with `write_text` and `write_binary`.
pub struct Direct;

impl Contender for Direct {
    fn name(&self) -> &'static str {
        "dormouse direct"
    }

    fn package(&self) -> Option<&'static str> {
        Some("dormouse")
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "writes past the outbox, a payload of up to 125 B with its header in one piece and a longer one where it is: the row to compare with those who write it where it is",
        ]
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        match job {
            Job::Send(job) if job.side == Side::Server => Some(sending::<DirectSender>(job)),
            _ => None,
        }
    }
}

/// One for all connections of a thread: it keeps its memory, as servers are told to have it.
fn thread_outbox() -> Outbox {
    let limits = Limits::default();
    Outbox::keeping(&limits, limits.outbox)
}

struct Receiver {
    ws: WebSocket<Server>,
    out: Outbox,
}

impl InPlace for Receiver {
    fn new(_: &Receive) -> Self {
        let limits = Limits::default();
        Self { ws: WebSocket::server(&limits), out: Outbox::new(&limits) }
    }

    #[inline(always)]
    fn parse(&mut self, read: &mut [u8], seen: &mut Seen<'_>) -> Result<(), Failure> {
        let mut input = Input::new(read);
        while let Some(event) = self.ws.next(&mut input, &mut self.out).map_err(Failure::of)? {
            match event {
                Event::Text(text) => seen.text(text.as_bytes()),
                Event::Binary(bytes) => seen.binary(&bytes),
                _ => return Err(Failure::new("an event that is no message")),
            }
        }
        Ok(())
    }
}

struct Sender<R> {
    ws: WebSocket<R>,
    out: Outbox,
    kind: Kind,
    payload: &'static [u8],
    text: &'static str,
    sink: Sink,
}

impl<R: dormouse::Role> Sender<R> {
    fn with(ws: WebSocket<R>, job: &Send, sink: Sink) -> Self {
        Self {
            ws,
            out: thread_outbox(),
            kind: job.kind,
            payload: job.payload,
            text: job.text(),
            sink,
        }
    }

    #[inline]
    fn one(&mut self) -> Result<(), Failure> {
        match self.kind {
            Kind::Binary => self.ws.binary(self.payload, &mut self.out),
            Kind::Ascii | Kind::MultiByte => self.ws.text(self.text, &mut self.out),
        }
        .map_err(Failure::of)?;
        self.out.write_to(&mut self.sink).map_err(Failure::of)?;
        Ok(())
    }
}

impl Sends for Sender<Server> {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        Ok(Self::with(WebSocket::server(&Limits::default()), job, sink))
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        (0..times).try_for_each(|_| self.one())
    }
}

impl Sends for Sender<Client> {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        Ok(Self::with(WebSocket::client(&Limits::default(), rand::random), job, sink))
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        (0..times).try_for_each(|_| self.one())
    }
}

struct PreparedSender {
    ws: WebSocket<Server>,
    out: Outbox,
    frame: Prepared,
    sink: Sink,
}

impl Sends for PreparedSender {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let frame = match job.kind {
            Kind::Binary => Prepared::binary(job.payload),
            Kind::Ascii | Kind::MultiByte => Prepared::text(job.text()),
        };
        let ws = WebSocket::server(&Limits::default());
        Ok(Self { ws, out: thread_outbox(), frame, sink })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        for _ in 0..times {
            self.ws.send(&self.frame, &mut self.out).map_err(Failure::of)?;
            self.out.write_to(&mut self.sink).map_err(Failure::of)?;
        }
        Ok(())
    }
}

struct DirectSender(Sender<Server>);

impl Sends for DirectSender {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let mut sender = Sender::with(WebSocket::server(&Limits::default()), job, sink);
        // That of the connection, where nothing waits.
        sender.out = Outbox::new(&Limits::default());
        Ok(Self(sender))
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        let Sender { ws, out, kind, payload, text, sink } = &mut self.0;
        for _ in 0..times {
            match kind {
                Kind::Binary => ws.write_binary(payload, out, sink),
                Kind::Ascii | Kind::MultiByte => ws.write_text(text, out, sink),
            }
            .map_err(Failure::of)?;
        }
        Ok(())
    }
}

struct Acceptor<const COPIES: bool> {
    limits: Limits,
    scratch: Vec<u8>,
    out: Outbox,
}

impl<const COPIES: bool> Accepts for Acceptor<COPIES> {
    fn new() -> Self {
        Self { limits: Limits::default(), scratch: REQUEST.to_vec(), out: thread_outbox() }
    }

    #[inline]
    fn accept(&mut self, mut sink: Sink) -> Result<(), Failure> {
        if COPIES {
            self.scratch.copy_from_slice(black_box(REQUEST));
        }
        let mut input = Input::new(black_box(&mut self.scratch));
        let head = HeadReader::new(&self.limits).next(&mut input).map_err(Failure::of)?;
        let head = head.ok_or_else(|| Failure::new("the head is not complete"))?;
        let mut headers = [const { MaybeUninit::uninit() }; 64];
        let request = Request::parse_uninit(&head, &mut headers).map_err(Failure::of)?;
        let upgrade = Upgrade::read(&request).map_err(Failure::of)?;
        let protocol = upgrade.select_protocol(&[PROTOCOL]);
        upgrade.accept().protocol(protocol).write(&mut self.out).map_err(Failure::of)?;
        self.out.write_to(&mut sink).map_err(Failure::of)?;
        black_box(WebSocket::server(&self.limits));
        Ok(())
    }
}

struct Echoer<const COPIES: bool> {
    ws: WebSocket<Server>,
    out: Outbox,
    inflater: Inflater,
    deflater: Deflater,
    inflated: Vec<u8>,
    deflated: Vec<u8>,
    feed: Feed,
    scratch: Vec<u8>,
    sink: Sink,
}

impl<const COPIES: bool> Echoes for Echoer<COPIES> {
    fn new(job: &Echo, sink: Sink) -> Result<Self, Failure> {
        let mut ws = WebSocket::server(&Limits::default());
        ws.allow_compressed();
        Ok(Self {
            ws,
            out: thread_outbox(),
            inflater: Inflater::new(false),
            deflater: Deflater::with_level(false, WINDOW_BITS, LEVEL),
            inflated: Vec::new(),
            deflated: Vec::new(),
            feed: job.feed(),
            scratch: job.frame.clone(),
            sink,
        })
    }

    fn echo(&mut self, times: u32) -> Result<(), Failure> {
        (0..times).try_for_each(|_| self.one())
    }
}

impl<const COPIES: bool> Echoer<COPIES> {
    fn one(&mut self) -> Result<(), Failure> {
        let mut read = self.feed.next_unit();
        if COPIES {
            self.scratch.copy_from_slice(read);
            read = &mut self.scratch;
        }
        let mut input = Input::new(read);
        while let Some(event) = self.ws.next(&mut input, &mut self.out).map_err(Failure::of)? {
            match self.inflater.inflate(event, &mut self.inflated).map_err(Failure::of)? {
                Event::Text(text) => self
                    .deflater
                    .text(&mut self.ws, &text, &mut self.deflated, &mut self.out)
                    .map_err(Failure::of)?,
                _ => return Err(Failure::new("an event that is no text")),
            }
        }
        self.out.write_to(&mut self.sink).map_err(Failure::of)?;
        Ok(())
    }
}
