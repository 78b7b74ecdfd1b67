//! Sending one message, up to the write.

use crate::contender::{Failure, Work};
use crate::job::{Send, Side};
use crate::stream::Sink;

/// How many messages are sent to verify an adapter.
const VERIFIED: usize = 2;

/// Somebody who sends.
pub trait Sends: Sized {
    /// One side of a connection whose handshake is over.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there can be none.
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure>;

    /// Sends the job's message so many times, and each time writes all of it. If it is asynchronous,
    /// all of the loop is one task.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not sent.
    fn send(&mut self, times: u32) -> Result<(), Failure>;

    /// Puts the payload back for those who mask it where it stands. Not timed.
    fn restore(&mut self) {}
}

/// The work of somebody who sends.
pub fn sending<S: Sends + 'static>(job: &Send) -> Box<dyn Work> {
    let job = Send { ..*job };
    Box::new(Sending { sender: S::new(&job, Sink::default()), job })
}

struct Sending<S> {
    sender: Result<S, Failure>,
    job: Send,
}

impl<S: Sends> Work for Sending<S> {
    fn verify(&mut self) -> Result<usize, Failure> {
        let sink = Sink::recording();
        let mut sender = S::new(&self.job, sink.clone())?;
        let mut written = 0;
        for _ in 0..VERIFIED {
            sender.restore();
            send(&mut sender, 1)?;
            let frame = sink.take();
            let key = match self.job.side {
                Side::Server => None,
                Side::Client => Some(key_of(&frame)?),
            };
            if frame != self.job.frame(key) {
                return Err(Failure::new("the frame is not the one that has to be sent"));
            }
            written = frame.len();
        }
        Ok(written)
    }

    fn run(&mut self, times: u32) -> Result<(), Failure> {
        send(self.sender.as_mut().map_err(|failure| failure.clone())?, times)
    }
}

/// The one place that a sender is called at: it can be inlined here, and is not inlined further.
#[inline(never)]
fn send(sender: &mut impl Sends, times: u32) -> Result<(), Failure> {
    sender.send(times)
}

/// The masking key in a frame.
fn key_of(frame: &[u8]) -> Result<[u8; 4], Failure> {
    let extended = match frame.get(1).map(|len| len & 0x7f) {
        Some(127) => 8,
        Some(126) => 2,
        _ => 0,
    };
    frame
        .get(2 + extended..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or_else(|| Failure::new("the frame has no key"))
}
