//! Receiving: in place, from a copy, or out of a stream.

use std::hint::black_box;

use crate::contender::{Failure, Work};
use crate::job::Receive;
use crate::stream::{Feed, Sink, Stream};

/// How many units are received to verify an adapter: less than there are buffers, so that none has been
/// unmasked twice.
const VERIFIED: usize = 3;

/// What came out. One type for verifying and for timing, so that a peer's code is called, and can be
/// inlined, at one place.
#[derive(Default)]
pub struct Seen<'a> {
    messages: usize,
    bytes: usize,
    /// What every message has to be, while that is verified.
    due: Option<&'a Receive>,
    wrong: usize,
}

impl Seen<'_> {
    /// Takes a text message.
    #[inline]
    pub fn text(&mut self, payload: &[u8]) {
        self.message(true, payload);
    }

    /// Takes a binary message.
    #[inline]
    pub fn binary(&mut self, payload: &[u8]) {
        self.message(false, payload);
    }

    #[inline]
    fn message(&mut self, is_text: bool, payload: &[u8]) {
        self.messages += 1;
        self.bytes += payload.len();
        black_box(payload.as_ptr());
        if let Some(due) = self.due {
            let is_right = is_text == due.kind.is_text() && payload == due.payload;
            self.wrong += usize::from(!is_right);
        }
    }
}

/// Somebody who parses bytes where they stand.
pub trait InPlace {
    /// A server whose handshake is over.
    fn new(job: &Receive) -> Self;

    /// Takes the bytes of one read, and shows each message that they complete.
    ///
    /// # Errors
    ///
    /// [`Failure`] for anything but a message.
    fn parse(&mut self, read: &mut [u8], seen: &mut Seen<'_>) -> Result<(), Failure>;
}

/// Somebody who reads into a buffer of their own.
pub trait FromStream: Sized {
    /// A server whose handshake is over.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there can be none.
    fn new(job: &Receive, stream: Stream<Feed>) -> Result<Self, Failure>;

    /// Reads until there have been so many messages, and shows each: the loop of a server that has
    /// nothing else to do. If it is asynchronous, all of the loop is one task.
    ///
    /// # Errors
    ///
    /// [`Failure`] for anything but a message.
    fn receive(&mut self, messages: usize, seen: &mut Seen<'_>) -> Result<(), Failure>;
}

/// The work of somebody who parses in place, on the bytes as a read has left them.
pub fn in_place<P: InPlace + 'static>(job: &Receive) -> Box<dyn Work> {
    receiving(job, PlaceReceiver::<P>::new)
}

/// The same with every read copied into one scratch buffer first: what others pay for a read out of
/// memory.
pub fn copied<P: InPlace + 'static>(job: &Receive) -> Box<dyn Work> {
    receiving(job, CopyReceiver::<P>::new)
}

/// The work of somebody who reads from a stream.
pub fn from_stream<P: FromStream + 'static>(job: &Receive) -> Box<dyn Work> {
    receiving(job, StreamReceiver::<P>::new)
}

/// Receives one unit after the other. A loop is not inlined into those that verify and time, so that
/// what it calls is called once, as in a server, and can be inlined there.
trait Receiver {
    fn units(&mut self, units: usize, seen: &mut Seen<'_>) -> Result<(), Failure>;
}

fn receiving<R: Receiver + 'static>(
    job: &Receive,
    new: fn(&Receive) -> Result<R, Failure>,
) -> Box<dyn Work> {
    let job = Receive { payload: job.payload.clone(), ..*job };
    Box::new(Receiving { receiver: new(&job), new, job })
}

struct Receiving<R> {
    receiver: Result<R, Failure>,
    new: fn(&Receive) -> Result<R, Failure>,
    job: Receive,
}

impl<R: Receiver> Work for Receiving<R> {
    fn verify(&mut self) -> Result<usize, Failure> {
        let mut receiver = (self.new)(&self.job)?;
        let mut seen = Seen { due: Some(&self.job), ..Seen::default() };
        receiver.units(VERIFIED, &mut seen)?;
        let (Seen { messages, wrong, .. }, due) = (seen, VERIFIED * self.job.messages);
        if (messages, wrong) == (due, 0) {
            Ok(0)
        } else {
            Err(Failure::new(format!("{messages} messages of {due} came, {wrong} were wrong")))
        }
    }

    fn run(&mut self, times: u32) -> Result<(), Failure> {
        let receiver = self.receiver.as_mut().map_err(|failure| failure.clone())?;
        let mut seen = Seen::default();
        receiver.units(times as usize, &mut seen)?;
        let Seen { messages, bytes, .. } = seen;
        let due = times as usize * self.job.messages;
        if (messages, bytes) == (due, due * self.job.payload.len()) {
            Ok(())
        } else {
            Err(Failure::new(format!("{messages} messages of {due} came while timed")))
        }
    }
}

struct PlaceReceiver<P> {
    parser: P,
    feed: Feed,
    /// How many bytes come at a time.
    step: usize,
}

impl<P: InPlace> PlaceReceiver<P> {
    fn new(job: &Receive) -> Result<Self, Failure> {
        Ok(Self { parser: P::new(job), feed: job.feed(), step: job.pace.step() })
    }
}

impl<P: InPlace> Receiver for PlaceReceiver<P> {
    #[inline(never)]
    fn units(&mut self, units: usize, seen: &mut Seen<'_>) -> Result<(), Failure> {
        for _ in 0..units {
            for read in self.feed.next_unit().chunks_mut(self.step) {
                self.parser.parse(read, seen)?;
            }
        }
        Ok(())
    }
}

struct CopyReceiver<P> {
    parser: P,
    feed: Feed,
    step: usize,
    scratch: Vec<u8>,
}

impl<P: InPlace> CopyReceiver<P> {
    fn new(job: &Receive) -> Result<Self, Failure> {
        let (feed, step, scratch) = (job.feed(), job.pace.step(), job.unit());
        Ok(Self { parser: P::new(job), feed, step, scratch })
    }
}

impl<P: InPlace> Receiver for CopyReceiver<P> {
    #[inline(never)]
    fn units(&mut self, units: usize, seen: &mut Seen<'_>) -> Result<(), Failure> {
        for _ in 0..units {
            for bytes in self.feed.next_unit().chunks(self.step) {
                let read = &mut self.scratch[..bytes.len()];
                read.copy_from_slice(bytes);
                self.parser.parse(read, seen)?;
            }
        }
        Ok(())
    }
}

struct StreamReceiver<P> {
    peer: P,
    messages: usize,
}

impl<P: FromStream> StreamReceiver<P> {
    fn new(job: &Receive) -> Result<Self, Failure> {
        let stream = Stream::new(job.feed(), Sink::default());
        Ok(Self { peer: P::new(job, stream)?, messages: job.messages })
    }
}

impl<P: FromStream> Receiver for StreamReceiver<P> {
    #[inline(never)]
    fn units(&mut self, units: usize, seen: &mut Seen<'_>) -> Result<(), Failure> {
        self.peer.receive(units * self.messages, seen)
    }
}
