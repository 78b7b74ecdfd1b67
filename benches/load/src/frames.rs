//! The messages, made beforehand, and the echoes that they expect.
//!
//! While load is made there is nothing to encode and nothing to decode: a few different messages go
//! round in a circle, and what comes back is compared byte by byte with what has to come back. A
//! message that is missing, doubled, altered, out of place or from another connection is seen.

use std::fmt::Write as _;

use dormouse::wire::{FrameHeader, MAX_HEADER_LEN, Opcode, Rsv, mask};

use crate::Result;

/// How many messages the circle has at least.
const CIRCLE: usize = 16;

/// The circle, twice over, so that as much as one round is one slice from everywhere.
pub struct Frames {
    circle: usize,
    message_len: usize,
    messages: Vec<u8>,
    echo_len: usize,
    echoes: Vec<u8>,
}

impl Frames {
    /// Messages of `size` bytes, of which as many as `depth` can be on their way.
    pub fn new(opcode: Opcode, size: usize, depth: usize) -> Self {
        let circle = depth.max(CIRCLE);
        let (mut messages, mut echoes) = (Vec::new(), Vec::new());
        for number in (0..circle).chain(0..circle) {
            let payload = payload(number, size);
            push_frame(&mut messages, opcode, Some(key(number)), &payload);
            push_frame(&mut echoes, opcode, None, &payload);
        }
        let (message_len, echo_len) = (messages.len() / circle / 2, echoes.len() / circle / 2);
        Self { circle, message_len, messages, echo_len, echoes }
    }

    /// The first message and its echo.
    pub fn first(&self) -> (&[u8], &[u8]) {
        (&self.messages[..self.message_len], &self.echoes[..self.echo_len])
    }
}

/// Text, so that it may go by either opcode, and different for each message.
fn payload(number: usize, size: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < size {
        // Writing into a string does not fail.
        let _ = write!(text, "{number:02} sleeps at {}; ", text.len());
    }
    text.truncate(size);
    text.into_bytes()
}

/// A key as good as a random one: no byte of it is zero, and each message has another.
fn key(number: usize) -> [u8; 4] {
    (0x9E37_79B9_u32.wrapping_mul(number as u32 + 1) | 0x0101_0101).to_be_bytes()
}

fn push_frame(to: &mut Vec<u8>, opcode: Opcode, key: Option<[u8; 4]>, payload: &[u8]) {
    let payload_len = payload.len() as u64;
    let header = FrameHeader { fin: true, rsv: Rsv::NONE, opcode, mask: key, payload_len };
    to.extend_from_slice(header.encode(&mut [0; MAX_HEADER_LEN]));
    let start = to.len();
    to.extend_from_slice(payload);
    if let Some(key) = key {
        mask::apply(&mut to[start..], key);
    }
}

/// What a connection has sent of the circle, and is to send.
#[derive(Default)]
pub struct Sending {
    at: usize,
    waiting: usize,
}

impl Sending {
    /// Begins with message number `first`, so that connections differ.
    pub fn from(first: usize, frames: &Frames) -> Self {
        Self { at: first % frames.circle * frames.message_len, waiting: 0 }
    }

    pub fn ask(&mut self, messages: usize, frames: &Frames) {
        self.waiting += messages * frames.message_len;
    }

    /// What to write next; nothing if nothing is asked for.
    pub fn bytes<'f>(&self, frames: &'f Frames) -> &'f [u8] {
        let round = frames.circle * frames.message_len;
        &frames.messages[self.at..self.at + self.waiting.min(round)]
    }

    pub fn advance(&mut self, written: usize, frames: &Frames) {
        self.waiting -= written;
        self.at = (self.at + written) % (frames.circle * frames.message_len);
    }
}

/// What a connection has received of the circle.
#[derive(Default)]
pub struct Receiving {
    at: usize,
    between: Between,
}

/// Pings and pongs may come between echoes, whose time is too short to answer them.
#[derive(Default, Clone, Copy)]
enum Between {
    #[default]
    Nothing,
    /// The second byte of a control frame is next.
    Length,
    /// So many bytes of a control frame are left.
    Payload(usize),
}

impl Receiving {
    /// Expects message number `first` first.
    pub fn from(first: usize, frames: &Frames) -> Self {
        Self { at: first % frames.circle * frames.echo_len, between: Between::Nothing }
    }

    /// Compares what came, and says how many echoes it has completed.
    ///
    /// # Errors
    /// When it is not what has to come.
    pub fn take(&mut self, mut bytes: &[u8], frames: &Frames) -> Result<usize> {
        let mut complete = 0;
        while let [first, rest @ ..] = bytes {
            match self.between {
                Between::Length => {
                    self.between = Between::Payload(usize::from(*first));
                    bytes = rest;
                }
                Between::Payload(0) => self.between = Between::Nothing,
                Between::Payload(left) => {
                    let len = left.min(bytes.len());
                    self.between = Between::Payload(left - len);
                    bytes = &bytes[len..];
                }
                Between::Nothing => {
                    let round = frames.circle * frames.echo_len;
                    let len = bytes.len().min(round);
                    if bytes[..len] == frames.echoes[self.at..self.at + len] {
                        let end = self.at + len;
                        complete += end / frames.echo_len - self.at / frames.echo_len;
                        self.at = end % round;
                        bytes = &bytes[len..];
                    } else {
                        (complete, bytes) = self.take_one(complete, bytes, frames)?;
                    }
                }
            }
        }
        Ok(complete)
    }

    /// As much as belongs to one frame.
    fn take_one<'b>(
        &mut self,
        complete: usize,
        bytes: &'b [u8],
        frames: &Frames,
    ) -> Result<(usize, &'b [u8])> {
        let in_frame = self.at % frames.echo_len;
        let len = bytes.len().min(frames.echo_len - in_frame);
        if bytes[..len] == frames.echoes[self.at..self.at + len] {
            let end = self.at + len;
            self.at = end % (frames.circle * frames.echo_len);
            return Ok((
                complete + usize::from(end.is_multiple_of(frames.echo_len)),
                &bytes[len..],
            ));
        }
        match bytes {
            // §5.5: ping and pong. From a server, the second byte is the length.
            [0x89 | 0x8A, rest @ ..] if in_frame == 0 => {
                self.between = Between::Length;
                Ok((complete, rest))
            }
            [0x88, ..] if in_frame == 0 => Err("the server has sent a Close".into()),
            _ => Err(unexpected(&bytes[..len], &frames.echoes[self.at..self.at + len])),
        }
    }
}

fn unexpected(came: &[u8], expected: &[u8]) -> Box<dyn std::error::Error> {
    let same = came.iter().zip(expected).take_while(|(came, expected)| came == expected).count();
    let shown = |bytes: &[u8]| bytes[same..bytes.len().min(same + 8)].escape_ascii().to_string();
    format!("not the echo: {} instead of {}", shown(came), shown(expected)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echoes(frames: &Frames, count: usize) -> Vec<u8> {
        frames.echoes.iter().copied().cycle().take(count * frames.echo_len).collect()
    }

    #[test]
    fn echoes_count_however_they_are_cut() {
        let frames = Frames::new(Opcode::Binary, 5, 1);
        let bytes = echoes(&frames, 40);
        for cut in [1, 3, 7, 64, 280] {
            let mut receiving = Receiving::from(0, &frames);
            let counts = bytes.chunks(cut).map(|chunk| receiving.take(chunk, &frames).unwrap());
            assert_eq!(counts.sum::<usize>(), 40, "cut into {cut}");
        }
    }

    #[test]
    fn control_frames_are_passed_over() {
        let frames = Frames::new(Opcode::Text, 200, 1);
        let echoes = echoes(&frames, 2);
        let (first, second) = echoes.split_at(frames.echo_len);
        let bytes = [b"\x89\x00", first, b"\x8A\x03abc", second].concat();
        for cut in [1, 2, 1000] {
            let mut receiving = Receiving::from(0, &frames);
            let counts = bytes.chunks(cut).map(|chunk| receiving.take(chunk, &frames).unwrap());
            assert_eq!(counts.sum::<usize>(), 2, "cut into {cut}");
        }
    }

    #[test]
    fn what_is_not_the_echo_is_seen() {
        let frames = Frames::new(Opcode::Binary, 32, 1);
        let good = echoes(&frames, 3);
        let take = |bytes: &[u8]| Receiving::from(0, &frames).take(bytes, &frames);
        let mut altered = good.clone();
        altered[2 * frames.echo_len + 20] ^= 1;
        let left_out = [&good[..frames.echo_len], &good[2 * frames.echo_len..]].concat();
        assert!(take(&good).is_ok());
        assert!(take(&altered).is_err());
        assert!(take(&left_out).is_err());
        assert!(take(b"\x88\x00").is_err());
        assert!(take(b"\x01\x20").is_err());
    }

    #[test]
    fn what_is_sent_goes_round() {
        let frames = Frames::new(Opcode::Binary, 16, 4);
        let mut sending = Sending::from(15, &frames);
        sending.ask(2, &frames);
        let two = sending.bytes(&frames);
        assert_eq!(two.len(), 2 * frames.message_len);
        assert_eq!(two[frames.message_len..], *frames.first().0);
        sending.advance(two.len(), &frames);
        assert!(sending.bytes(&frames).is_empty());
    }
}
