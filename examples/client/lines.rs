//! Standard input, line by line, beside an event loop.
//!
//! Standard input cannot be polled on every system and for every kind of file. So a thread of its own
//! waits for lines, and wakes the loop when there is one.

use std::io::{self, BufRead as _, Read as _};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread;

use mio::Waker;

/// The longest line to send, in bytes, with its end.
pub const MAX_LINE: usize = 64 * 1024 * 1024;
/// How many lines are read ahead.
const MAX_WAITING: usize = 16;

pub enum Line {
    /// A line without its end.
    Text(String),
    /// Nothing comes any more.
    End,
    /// Standard input cannot be read, or is not UTF-8, from the line with this number on.
    Failed(u64, io::Error),
}

/// The lines that have been read.
pub struct Lines {
    receiver: Receiver<Line>,
    /// A waker that is gone wakes nobody, not even for what it was called for before.
    _waker: Arc<Waker>,
}

impl Lines {
    /// Starts to read standard input. `waker` is called after each line.
    ///
    /// # Errors
    ///
    /// The system refuses a thread.
    pub fn new(waker: Waker) -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(MAX_WAITING);
        let waker = Arc::new(waker);
        let their_waker = Arc::clone(&waker);
        // Nobody waits for the thread: it may sit in a read that never ends.
        thread::Builder::new().spawn(move || read_lines(&sender, &their_waker))?;
        Ok(Self { receiver, _waker: waker })
    }

    /// The next line if it is there.
    pub fn next(&self) -> Option<Line> {
        match self.receiver.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Line::End),
        }
    }
}

fn read_lines(sender: &SyncSender<Line>, waker: &Waker) {
    for number in 1.. {
        let line = read_line(number);
        let is_last = !matches!(line, Line::Text(_));
        // Without a reader there is nobody to tell.
        if sender.send(line).is_err() || waker.wake().is_err() || is_last {
            return;
        }
    }
}

fn read_line(number: u64) -> Line {
    let mut line = String::new();
    match io::stdin().lock().take(MAX_LINE as u64).read_line(&mut line) {
        Ok(0) => Line::End,
        Ok(MAX_LINE) if !line.ends_with('\n') => {
            Line::Failed(number, io::Error::other("it is too long"))
        }
        Ok(_) => {
            let ended = line
                .strip_suffix('\n')
                .map_or(line.len(), |line| line.strip_suffix('\r').unwrap_or(line).len());
            line.truncate(ended);
            Line::Text(line)
        }
        Err(error) => Line::Failed(number, error),
    }
}
