//! The obviously right outbox: a list of frames, one of which may be a pong that can be replaced
//! (RFC 6455 §5.5.3).

use dormouse::SendError;

/// So many pongs are frames like any other, from when nothing waits until nothing waits again.
pub const PONGS_IN_FULL: usize = 16;

/// What waits, frame by frame.
#[derive(Debug, Default)]
pub struct Model {
    frames: Vec<Waiting>,
    /// How many pongs were frames like any other since nothing waited.
    pongs_in_full: usize,
}

#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    is_replaceable: bool,
}

impl Model {
    /// All that waits, in order.
    pub fn bytes(&self) -> Vec<u8> {
        self.frames.iter().flat_map(|frame| frame.bytes.iter().copied()).collect()
    }

    /// What may be shown to a socket: all that will not be replaced any more.
    pub fn shown(&self) -> Vec<u8> {
        let shown = self.frames.iter().take_while(|frame| !frame.is_replaceable);
        shown.flat_map(|frame| frame.bytes.iter().copied()).collect()
    }

    /// How many bytes count against a limit: all but those of a pong that can be replaced.
    pub fn counted(&self) -> usize {
        let counted = self.frames.iter().filter(|frame| !frame.is_replaceable);
        counted.map(|frame| frame.bytes.len()).sum()
    }

    /// Whether a pong waits that can be replaced.
    pub fn has_replaceable_pong(&self) -> bool {
        self.frames.iter().any(|frame| frame.is_replaceable)
    }

    pub fn push(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.frames.push(Waiting { bytes, is_replaceable: false });
        }
    }

    pub fn push_pong(&mut self, bytes: Vec<u8>) {
        if self.pongs_in_full < PONGS_IN_FULL {
            self.pongs_in_full += 1;
            self.push(bytes);
        } else {
            self.push_replaceable(bytes);
        }
    }

    fn push_replaceable(&mut self, bytes: Vec<u8>) {
        match self.frames.iter_mut().find(|frame| frame.is_replaceable) {
            Some(pong) => pong.bytes = bytes,
            None => self.frames.push(Waiting { bytes, is_replaceable: true }),
        }
    }

    /// Takes bytes off the front; a pong that has come to the front stays.
    pub fn advance(&mut self, by: usize) {
        for _ in 0..by {
            let Some(front) = self.frames.first_mut() else { return };
            front.bytes.remove(0);
            if front.bytes.is_empty() {
                self.frames.remove(0);
            }
            match self.frames.first_mut() {
                Some(front) => front.is_replaceable = false,
                None => self.clear(),
            }
        }
    }

    /// Moves all of `other` here; of two pongs that can be replaced the newer one stays, in the place
    /// of the older. Nothing is moved behind something else if both together pass the limit.
    pub fn append(&mut self, other: &mut Self, limit: usize) -> Result<(), SendError> {
        if other.frames.is_empty() {
            return Ok(());
        }
        if !self.frames.is_empty() && self.counted() + other.counted() > limit {
            return Err(SendError::Full);
        }
        self.pongs_in_full += other.pongs_in_full;
        for frame in std::mem::take(other).frames {
            match frame.is_replaceable {
                true => self.push_replaceable(frame.bytes),
                false => self.push(frame.bytes),
            }
        }
        Ok(())
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
