//! A compressed message, and what has to come back.

use dormouse::deflate::{Deflater, Inflater};
use dormouse::{Event, Input, Limits, Outbox, WebSocket};

use super::{BUFFERS, Pace};
use crate::contender::Failure;
use crate::stream::Feed;

/// The level of everybody who answers: the fastest that compresses.
pub const LEVEL: u8 = 1;
/// The level of the message that arrives: what browsers send.
const ARRIVING_LEVEL: u8 = 6;
const WINDOW_BITS: u8 = 15;

/// A compressed text to answer with itself.
pub struct Echo {
    /// What it inflates to.
    pub text: String,
    /// What arrives: one frame of a client, with a key of zeros, so that it can be unmasked in place
    /// again and again.
    pub frame: Vec<u8>,
}

impl Echo {
    pub(super) fn new(size: usize) -> Self {
        let text = json(size);
        let frame = deflated(&text);
        Self { text, frame }
    }

    /// What arrives.
    pub fn feed(&self) -> Feed {
        Feed::new(vec![self.frame.clone(); BUFFERS], Pace::Whole)
    }

    /// What stands in the frame, without its header.
    pub fn payload(&self) -> &[u8] {
        let extended = if self.frame[1] & 0x7f == 126 { 2 } else { 0 };
        &self.frame[2 + extended + 4..]
    }

    /// Whether `frames`, as a server has written them, are this text `times` times, compressed and
    /// without context.
    ///
    /// # Errors
    ///
    /// [`Failure`] if they are anything else.
    pub fn check(&self, frames: &[u8], times: usize) -> Result<(), Failure> {
        let limits = Limits::default();
        let mut ws = WebSocket::client(&limits, || [0; 4]);
        ws.allow_compressed();
        let (mut inflater, mut room) = (Inflater::new(false), Vec::new());
        let (mut out, mut bytes) = (Outbox::new(&limits), frames.to_vec());
        let mut input = Input::new(&mut bytes);
        let mut count = 0;
        while let Some(event) = ws.next(&mut input, &mut out).map_err(Failure::of)? {
            if !matches!(event, Event::Compressed(_)) {
                return Err(Failure::new("the answer is not compressed"));
            }
            match inflater.inflate(event, &mut room).map_err(Failure::of)? {
                Event::Text(text) if text == self.text => count += 1,
                _ => return Err(Failure::new("the answer is another message")),
            }
        }
        if count == times {
            Ok(())
        } else {
            Err(Failure::new(format!("{count} answers to {times} messages")))
        }
    }
}

/// An array of the kind that a mail notifier sends, blanks at its end up to `size`.
fn json(size: usize) -> String {
    const NAMES: [&str; 6] = ["Ada", "Grace", "Edsger", "Barbara", "Donald", "Frances"];
    let mut text = String::new();
    let mut number: u32 = 17;
    loop {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let seq = number >> 12;
        let name = NAMES[seq as usize % NAMES.len()];
        let mail = format!(
            r#"{{"seq":{seq},"from":"{name} <{}@example.org>","subject":"Report {}","unseen":{}}}"#,
            name.to_lowercase(),
            seq % 997,
            seq % 31,
        );
        if text.len() + mail.len() + 2 > size {
            let blanks = " ".repeat(size - text.len() - 1);
            return text + &blanks + "]";
        }
        text.push(if text.is_empty() { '[' } else { ',' });
        text += &mail;
    }
}

/// The frame of a client that compresses as a browser does.
fn deflated(text: &str) -> Vec<u8> {
    let limits = Limits::default();
    let (mut ws, mut out) = (WebSocket::client(&limits, || [0; 4]), Outbox::new(&limits));
    ws.allow_compressed();
    let mut deflater = Deflater::with_level(false, WINDOW_BITS, ARRIVING_LEVEL);
    let sent = deflater.text(&mut ws, text, &mut Vec::new(), &mut out);
    debug_assert!(sent.is_ok());
    out.slices().collect::<Vec<_>>().concat()
}
