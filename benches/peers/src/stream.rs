//! What stands in for a socket: bytes that arrive, and a sink that takes everything at once.
//!
//! It is always ready, except where bytes come one by one: there a read that finds nothing comes
//! between any two, as it does on a socket. An asynchronous peer is polled by hand, with a waker that
//! does nothing, so no runtime is charged to it. What it pays for is copying the bytes of a read into
//! its own buffer.

use std::future::Future;
use std::hint::black_box;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::contender::Failure;
use crate::job::{Pace, REQUEST};

mod traits;

/// How often a task is polled before it counts as stuck: more often than bytes come one by one in a turn.
const PATIENCE: u32 = 1 << 28;

/// Runs `task` to its end, as a runtime would whose sockets are always ready. The first poll is part of
/// the caller's code; where bytes come one by one there are more.
///
/// # Errors
///
/// [`Failure`] if it has no end.
#[inline]
pub fn drive<T>(task: impl Future<Output = T>) -> Result<T, Failure> {
    let mut task = pin!(task);
    let mut context = Context::from_waker(Waker::noop());
    match task.as_mut().poll(&mut context) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => drive_on(task),
    }
}

#[cold]
#[inline(never)]
fn drive_on<T>(mut task: Pin<&mut impl Future<Output = T>>) -> Result<T, Failure> {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..PATIENCE {
        if let Poll::Ready(value) = task.as_mut().poll(&mut context) {
            return Ok(value);
        }
    }
    Err(Failure::new("waits for bytes that do not come"))
}

/// One task that takes `step` so many times: the loop of a server.
///
/// # Errors
///
/// [`Failure`] of the first step that fails, or if one has no end.
#[inline]
pub fn repeat(
    times: usize,
    mut step: impl AsyncFnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    drive(async {
        for _ in 0..times {
            step().await?;
        }
        Ok(())
    })?
}

/// Where the bytes of a stream come from.
pub trait Source {
    /// The bytes of one read into a buffer of `max` bytes. None if it would block.
    fn arrive(&mut self, max: usize) -> Option<&[u8]>;
}

/// Several units in turn, again and again. A unit is what arrives together; a read never brings bytes
/// of two.
pub struct Feed {
    units: Vec<Vec<u8>>,
    pace: Pace,
    unit: usize,
    at: usize,
    has_given: bool,
}

impl Feed {
    /// Units of at least one byte each, at least one of them.
    pub fn new(units: Vec<Vec<u8>>, pace: Pace) -> Self {
        Self { units, pace, unit: 0, at: 0, has_given: false }
    }

    /// The next unit, for those who parse it where it stands. What they make of it stays.
    #[inline]
    pub fn next_unit(&mut self) -> &mut [u8] {
        let unit = self.unit;
        self.advance();
        &mut self.units[unit]
    }

    #[inline]
    fn advance(&mut self) {
        self.unit += 1;
        if self.unit == self.units.len() {
            self.unit = 0;
        }
    }
}

impl Source for Feed {
    #[inline]
    fn arrive(&mut self, max: usize) -> Option<&[u8]> {
        let max = match self.pace {
            Pace::Whole => max,
            Pace::Bytewise if mem::replace(&mut self.has_given, false) => return None,
            Pace::Bytewise => {
                self.has_given = true;
                max.min(1)
            }
        };
        let (unit, from) = (self.unit, self.at);
        let len = self.units[unit].len();
        self.at = from.saturating_add(max).min(len);
        let to = self.at;
        if to == len {
            self.at = 0;
            self.advance();
        }
        Some(&self.units[unit][from..to])
    }
}

/// The request of a handshake, once.
#[derive(Default)]
pub struct Request {
    at: usize,
}

impl Source for Request {
    #[inline]
    fn arrive(&mut self, max: usize) -> Option<&[u8]> {
        let rest = &REQUEST[self.at..];
        let bytes = &rest[..rest.len().min(max)];
        self.at += bytes.len();
        (!bytes.is_empty()).then_some(bytes)
    }
}

/// Nothing ever arrives: for those who only send.
pub struct Nothing;

impl Source for Nothing {
    fn arrive(&mut self, _max: usize) -> Option<&[u8]> {
        None
    }
}

/// Takes everything that is written to it, and keeps nothing, unless it records.
#[derive(Clone, Default)]
pub struct Sink {
    recording: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Sink {
    /// A sink that records.
    pub fn recording() -> Self {
        Self { recording: Some(Arc::default()) }
    }

    /// What has been recorded since the last time.
    pub fn take(&self) -> Vec<u8> {
        self.recording.as_ref().map_or_else(Vec::new, |recording| {
            mem::take(&mut *recording.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Takes `bytes`.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        black_box(bytes.as_ptr());
        if let Some(recording) = &self.recording {
            let mut recorded = recording.lock().unwrap_or_else(PoisonError::into_inner);
            recorded.extend_from_slice(bytes);
        }
        bytes.len()
    }

    /// Takes all of `slices`.
    #[inline]
    pub fn write_slices(&mut self, slices: &[IoSlice<'_>]) -> usize {
        slices.iter().map(|slice| self.write(slice)).sum()
    }
}

impl io::Write for Sink {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(Sink::write(self, bytes))
    }

    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.write_slices(slices))
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A source and a sink together, for every kind of reader and writer that a peer asks for.
pub struct Stream<S> {
    source: S,
    sink: Sink,
}

impl<S> Stream<S> {
    /// A stream from `source` and into `sink`.
    pub fn new(source: S, sink: Sink) -> Self {
        Self { source, sink }
    }
}
