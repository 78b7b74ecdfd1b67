//! What receiving cannot do without.

use std::hint::black_box;

use crate::contender::{Failure, Work};
use crate::job::{Kind, Receive};
use crate::stream::Feed;
use crate::works::{InPlace, Seen};

/// Where the payloads of a unit stand. A floor knows; it parses nothing.
struct Layout {
    kind: Kind,
    header: usize,
    payload: usize,
}

impl Layout {
    fn new(job: &Receive) -> Self {
        let payload = job.payload.len();
        Self { kind: job.kind, header: job.unit().len() / job.messages - payload, payload }
    }

    #[inline]
    fn frame(&self) -> usize {
        self.header + self.payload
    }

    #[inline]
    fn show(&self, payload: &[u8], seen: &mut Seen<'_>) {
        if self.kind.is_text() { seen.text(payload) } else { seen.binary(payload) }
    }
}

/// Copies each read once, and looks at nothing.
pub struct Memcpy {
    feed: Feed,
    scratch: Vec<u8>,
}

impl Memcpy {
    /// The work for `job`.
    pub fn new(job: &Receive) -> Self {
        Self { feed: job.feed(), scratch: vec![0; job.unit().len()] }
    }

    #[inline]
    fn copy(&mut self) -> &[u8] {
        self.scratch.copy_from_slice(self.feed.next_unit());
        black_box(self.scratch.as_ptr());
        &self.scratch
    }
}

impl Work for Memcpy {
    fn verify(&mut self) -> Result<usize, Failure> {
        let first = self.copy().to_vec();
        if self.copy() == first { Ok(0) } else { Err(Failure::new("the copy differs")) }
    }

    fn run(&mut self, times: u32) -> Result<(), Failure> {
        for _ in 0..times {
            self.copy();
        }
        Ok(())
    }
}

/// Unmasks each payload where it stands, and validates it if it is text.
pub struct Xor {
    layout: Layout,
    key: [u8; 4],
}

impl InPlace for Xor {
    fn new(job: &Receive) -> Self {
        Self { layout: Layout::new(job), key: job.key() }
    }

    #[inline(always)]
    fn parse(&mut self, read: &mut [u8], seen: &mut Seen<'_>) -> Result<(), Failure> {
        let mut rest = read;
        while let Some((frame, others)) = rest.split_at_mut_checked(self.layout.frame()) {
            let payload = &mut frame[self.layout.header..];
            xor_in_place(payload, self.key);
            if self.layout.kind.is_text() {
                simdutf8::basic::from_utf8(payload).map_err(Failure::of)?;
            }
            self.layout.show(payload, seen);
            rest = others;
        }
        Ok(())
    }
}

/// Unmasks one byte after the other into the place where the message is put together.
pub struct XorBytes {
    layout: Layout,
    key: [u8; 4],
    message: Vec<u8>,
    at: usize,
}

impl InPlace for XorBytes {
    fn new(job: &Receive) -> Self {
        let layout = Layout::new(job);
        let message = Vec::with_capacity(layout.payload);
        Self { layout, key: job.key(), message, at: 0 }
    }

    #[inline(always)]
    fn parse(&mut self, read: &mut [u8], seen: &mut Seen<'_>) -> Result<(), Failure> {
        for byte in read {
            if let Some(at) = self.at.checked_sub(self.layout.header) {
                self.message.push(*byte ^ self.key[at & 3]);
            }
            self.at += 1;
            if self.at == self.layout.frame() {
                self.layout.show(&self.message, seen);
                self.message.clear();
                self.at = 0;
            }
        }
        Ok(())
    }
}

/// The plainest loop that compilers turn into vector code.
#[inline]
pub fn xor_in_place(bytes: &mut [u8], key: [u8; 4]) {
    let word = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let (words, rest) = bytes.as_chunks_mut();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
