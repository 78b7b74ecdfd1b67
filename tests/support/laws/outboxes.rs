//! What waits to be written (RFC 6455 §5.5.3, §6.1): whatever is queued and whatever a socket takes,
//! frames go out whole, in order and bounded, as the model says.

use std::io::{self, ErrorKind, IoSlice, Write};

use arbitrary::{Arbitrary, Unstructured};
use dormouse::{CloseCode, Limits, Outbox, Prepared, SendError, WebSocket};

use super::super::model::Model;
use super::super::outboxes::{drain, pong, receive_ping};
use super::super::sink::Answer;
use super::super::{BINARY, CLOSE, FIN, TEXT, close_body, frame, waiting};

/// The limit of every outbox here: a few frames of the larger acts.
const LIMIT: usize = 700;
/// So long is the message of a turn.
const SAID: u8 = 40;

#[derive(Arbitrary, Clone, Debug)]
pub enum Act {
    Text(u8),
    Shared(#[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(0..=300))] usize),
    Raw(u8),
    Pings(Vec<Vec<u8>>),
    Close,
    Advance(u16),
    /// Moves what waits in this outbox to the end of the other.
    Append,
    /// The turn of the other outbox with this one: it sends a message, and writes to a socket.
    Turn(Room),
    Clear,
}

/// A socket that takes so many bytes, in steps of so many, and then blocks, or fails.
#[derive(Arbitrary, Clone, Debug)]
pub struct Room {
    #[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(0..=600))]
    pub len: usize,
    #[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(1..=200))]
    pub step: usize,
    pub fails: bool,
}

pub fn target(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let keep = *u.choose(&[0, 64, 4096]).unwrap_or(&0);
    if let Ok(acts) = u.arbitrary::<Vec<_>>() {
        outboxes_are_their_models(keep, &acts);
    }
}

/// Two outboxes, one that keeps so much of its memory and one that does not, beside a naive model of
/// each. An act is the second one's if its first value is true.
pub fn outboxes_are_their_models(keep: u32, acts: &[(bool, Act)]) {
    let limits = Limits { outbox: LIMIT as u32, ..Limits::default() };
    let mut outboxes = [Outbox::new(&limits), Outbox::keeping(&limits, keep)];
    let mut models = [Model::default(), Model::default()];
    for (number, (second, act)) in acts.iter().enumerate() {
        let ([a, b], [model_a, model_b]) = (&mut outboxes, &mut models);
        match (act, second) {
            (Act::Append | Act::Turn(..), true) => perform_both(act, (a, b), (model_a, model_b)),
            (Act::Append | Act::Turn(..), false) => perform_both(act, (b, a), (model_b, model_a)),
            (_, true) => perform(act, number as u8, b, model_b),
            (_, false) => perform(act, number as u8, a, model_a),
        }
        for (out, model) in outboxes.iter().zip(&models) {
            let bytes = model.bytes();
            assert_eq!(waiting(out), model.shown(), "after {act:?}");
            assert_eq!((out.len(), out.is_empty()), (bytes.len(), bytes.is_empty()));
            assert!(out.slices().all(|slice| !slice.is_empty()), "an empty slice");
        }
    }
    let [out, _] = &mut outboxes;
    assert_eq!(drain(out, &[Answer::Takes(5), Answer::Takes(1)]), models[0].bytes());
}

fn perform(act: &Act, number: u8, out: &mut Outbox, model: &mut Model) {
    let mut ws = WebSocket::server(&Limits::default());
    let payload = |len: usize| vec![b'a' + number % 26; len];
    let (bytes, result) = match act {
        Act::Text(len) => {
            let text = String::from_utf8(payload(usize::from(*len))).expect("letters");
            (frame(FIN | TEXT, None, text.as_bytes()), ws.text(&text, out))
        }
        Act::Shared(len) => {
            let shared = Prepared::binary(&payload(*len));
            (frame(FIN | BINARY, None, &payload(*len)), ws.send(&shared, out))
        }
        Act::Raw(len) => {
            let bytes = payload(usize::from(*len));
            let result = out.push(&bytes);
            (bytes, result)
        }
        Act::Pings(bodies) => {
            for body in bodies {
                let body = body.get(..125).unwrap_or(body);
                receive_ping(&mut ws, body, out);
                model.push_pong(pong(body));
            }
            return;
        }
        Act::Close => {
            ws.close(CloseCode::NORMAL, "", out);
            return model.push(frame(CLOSE, None, &close_body(1000, "")));
        }
        Act::Advance(by) => {
            out.advance(usize::from(*by));
            return model.advance(usize::from(*by));
        }
        Act::Clear => {
            out.clear();
            return model.clear();
        }
        Act::Append | Act::Turn(..) => unreachable!("takes two outboxes"),
    };
    if bytes.is_empty() || model.counted() + bytes.len() <= LIMIT {
        assert_eq!(result, Ok(()));
        model.push(bytes);
    } else {
        assert_eq!(result, Err(SendError::Full));
    }
}

/// An act that takes two outboxes, of which the second one's bytes go behind those of the first.
fn perform_both(act: &Act, outboxes: (&mut Outbox, &mut Outbox), models: (&mut Model, &mut Model)) {
    let ((own, shared), (model, model_of_shared)) = (outboxes, models);
    let Act::Turn(Room { len: room, step, fails }) = *act else {
        return assert_eq!(own.append(shared), model.append(model_of_shared, LIMIT));
    };
    let mut out = own.sharing(shared);
    model_of_shared.clear();
    perform(&Act::Text(SAID), b't', &mut out, model);
    let before = model.bytes().len();
    assert_eq!(out.len(), before);
    let end = if fails { ErrorKind::BrokenPipe } else { ErrorKind::WouldBlock };
    let written = out.write_to(&mut Socket { left: room, step, end });
    model.advance(room);
    assert_eq!(written.is_ok(), !fails || room >= before);
    assert!(written.is_err() || written.is_ok_and(|written| written == room.min(before)));
}

/// Takes `left` bytes, at most `step` of them in a call, and then fails.
struct Socket {
    left: usize,
    step: usize,
    end: ErrorKind,
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(self.end.into());
        }
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        let taken = len.min(self.step).min(self.left);
        self.left -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
