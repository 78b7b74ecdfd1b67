//! Answering: the opening handshake, and a compressed message.

use crate::contender::{Failure, Work};
use crate::job::{ACCEPT, Echo, PROTOCOL};
use crate::stream::Sink;

/// How many messages are answered to verify an adapter.
const VERIFIED: u32 = 3;

/// Somebody who answers the opening handshake.
pub trait Accepts {
    /// Whether the answer names the subprotocol.
    const SELECTS_PROTOCOL: bool = true;

    /// A server, before any connection.
    fn new() -> Self;

    /// Takes one connection from the request, which comes with one read, to a WebSocket that is ready.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the request is refused.
    fn accept(&mut self, sink: Sink) -> Result<(), Failure>;
}

/// The work of somebody who answers the opening handshake.
pub fn accepting<A: Accepts + 'static>() -> Box<dyn Work> {
    Box::new(Accepting { acceptor: A::new() })
}

struct Accepting<A> {
    acceptor: A,
}

impl<A: Accepts> Work for Accepting<A> {
    fn verify(&mut self) -> Result<usize, Failure> {
        let sink = Sink::recording();
        accept(&mut A::new(), 1, &sink)?;
        let answer = sink.take();
        check_answer(&answer, A::SELECTS_PROTOCOL.then_some(PROTOCOL))?;
        Ok(answer.len())
    }

    fn run(&mut self, times: u32) -> Result<(), Failure> {
        accept(&mut self.acceptor, times, &Sink::default())
    }
}

/// The one place that an acceptor is called at: it can be inlined here, and is not inlined further.
#[inline(never)]
fn accept(acceptor: &mut impl Accepts, times: u32, sink: &Sink) -> Result<(), Failure> {
    (0..times).try_for_each(|_| acceptor.accept(sink.clone()))
}

fn check_answer(answer: &[u8], protocol: Option<&str>) -> Result<(), Failure> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(answer).map_err(Failure::of)?;
    if status != httparse::Status::Complete(answer.len()) || response.code != Some(101) {
        return Err(Failure::new("the answer is not a 101 and nothing else"));
    }
    let value = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let is =
        |name: &str, due: &str| value(name).is_some_and(|value| value.eq_ignore_ascii_case(due));
    if !is("upgrade", "websocket") || !is("connection", "upgrade") {
        return Err(Failure::new("the answer does not upgrade"));
    }
    if value("sec-websocket-accept") != Some(ACCEPT) {
        return Err(Failure::new("the answer to the key is wrong"));
    }
    if value("sec-websocket-protocol") != protocol {
        return Err(Failure::new("the answer names another subprotocol"));
    }
    Ok(())
}

/// Somebody who inflates a text and sends it back deflated.
pub trait Echoes: Sized {
    /// A server whose handshake, with compression and without context, is over.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it does not agree to that.
    fn new(job: &Echo, sink: Sink) -> Result<Self, Failure>;

    /// Answers so many messages with themselves. If it is asynchronous, all of the loop is one task.
    ///
    /// # Errors
    ///
    /// [`Failure`] for anything but a text message.
    fn echo(&mut self, times: u32) -> Result<(), Failure>;
}

/// The work of somebody who answers compressed messages.
pub fn echoing<E: Echoes + 'static>(job: &Echo) -> Box<dyn Work> {
    let job = Echo { text: job.text.clone(), frame: job.frame.clone() };
    Box::new(Echoing { echo: E::new(&job, Sink::default()), job })
}

struct Echoing<E> {
    echo: Result<E, Failure>,
    job: Echo,
}

impl<E: Echoes> Work for Echoing<E> {
    fn verify(&mut self) -> Result<usize, Failure> {
        let sink = Sink::recording();
        let mut echo = E::new(&self.job, sink.clone())?;
        answer(&mut echo, VERIFIED)?;
        let frames = sink.take();
        self.job.check(&frames, VERIFIED as usize)?;
        Ok(frames.len() / VERIFIED as usize)
    }

    fn run(&mut self, times: u32) -> Result<(), Failure> {
        answer(self.echo.as_mut().map_err(|failure| failure.clone())?, times)
    }
}

/// As [`accept`].
#[inline(never)]
fn answer(echo: &mut impl Echoes, times: u32) -> Result<(), Failure> {
    echo.echo(times)
}
