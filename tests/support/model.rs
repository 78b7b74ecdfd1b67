//! The obviously right outbox: a list of frames, one of which may be a pong that can be replaced
//! (RFC 6455 §5.5.3).

/// What waits, frame by frame.
#[derive(Debug, Default)]
pub struct Model {
    frames: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    is_whole_pong: bool,
}

impl Model {
    /// All that waits, in order.
    pub fn bytes(&self) -> Vec<u8> {
        self.frames.iter().flat_map(|frame| frame.bytes.iter().copied()).collect()
    }

    /// Whether `len` more bytes fit; a pong that can be replaced does not count.
    pub fn has_room(&self, len: usize, limit: usize) -> bool {
        let counted = self.frames.iter().filter(|frame| !frame.is_whole_pong);
        counted.map(|frame| frame.bytes.len()).sum::<usize>() + len <= limit
    }

    pub fn push(&mut self, bytes: Vec<u8>) {
        self.frames.push(Waiting { bytes, is_whole_pong: false });
    }

    pub fn push_pong(&mut self, bytes: Vec<u8>) {
        match self.frames.iter_mut().find(|frame| frame.is_whole_pong) {
            Some(pong) => pong.bytes = bytes,
            None => self.frames.push(Waiting { bytes, is_whole_pong: true }),
        }
    }

    /// Takes bytes off the front; a pong of which a part is gone stays.
    pub fn advance(&mut self, by: usize) {
        for _ in 0..by {
            let Some(front) = self.frames.first_mut() else { return };
            front.is_whole_pong = false;
            front.bytes.remove(0);
            if front.bytes.is_empty() {
                self.frames.remove(0);
            }
        }
    }

    /// Moves all of `other` here; of two pongs the newer one stays, in the place of the older.
    pub fn append(&mut self, other: &mut Self) {
        for frame in other.frames.drain(..) {
            match frame.is_whole_pong {
                true => self.push_pong(frame.bytes),
                false => self.push(frame.bytes),
            }
        }
    }

    pub fn clear(&mut self) {
        self.frames.clear();
    }
}
