//! Sockets that take what a script says, and no more.

use std::io::{self, ErrorKind, IoSlice, Write};

/// One answer to a `write`.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// Takes at most so many bytes.
    Takes(usize),
    Fails(ErrorKind),
}

/// Gives the answers of a script in turn, and `WouldBlock` when it is over.
#[derive(Debug, Default)]
pub struct Scripted {
    answers: std::collections::VecDeque<Answer>,
    /// All that was taken.
    pub taken: Vec<u8>,
    /// How many calls there were, also those that failed.
    pub calls: usize,
}

impl Scripted {
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: answers.into_iter().collect(), ..Self::default() }
    }

    fn answer(&mut self) -> io::Result<usize> {
        self.calls += 1;
        match self.answers.pop_front() {
            Some(Answer::Takes(bytes)) => Ok(bytes),
            Some(Answer::Fails(kind)) => Err(kind.into()),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let most = self.answer()?;
        let before = self.taken.len();
        self.taken.extend(slices.iter().flat_map(|slice| slice.iter()).take(most));
        Ok(self.taken.len() - before)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
