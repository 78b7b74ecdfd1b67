//! Drives the library with a stream of bytes in any portions.

use dormouse::decode::{Decoder, FrameError};
use dormouse::wire::Opcode;
use dormouse::{CloseCode, Event, Input, Limits, Outbox, Role, WebSocket};

use super::oracle::{Reader, Story};
use super::{ZERO_KEY, waiting};

/// What a connection of this kind does about `bytes` that come in `portions`, which are taken in
/// turn until there are no more bytes.
pub fn run(bytes: &[u8], reader: Reader, limit: usize, portions: &[usize]) -> Story {
    let limits = Limits { message: limit as u32, ..Limits::default() };
    match reader {
        Reader::Server => run_socket(WebSocket::server(&limits), bytes, portions),
        Reader::Client => run_socket(WebSocket::client(&limits, || ZERO_KEY), bytes, portions),
    }
}

/// The same for a connection that has negotiated permessage-deflate. `inflate` makes a message of what
/// is compressed, or tells the code that answers it.
pub fn run_compressed(
    inflate: &mut Inflate<'_>,
    bytes: &[u8],
    reader: Reader,
    limit: usize,
    portions: &[usize],
) -> Story {
    let limits = Limits { message: limit as u32, ..Limits::default() };
    match reader {
        Reader::Server => {
            let mut ws = WebSocket::server(&limits);
            ws.allow_compressed();
            run_inflating(inflate, ws, bytes, portions)
        }
        Reader::Client => {
            let mut ws = WebSocket::client(&limits, || ZERO_KEY);
            ws.allow_compressed();
            run_inflating(inflate, ws, bytes, portions)
        }
    }
}

/// Makes an event one of a plain connection.
pub type Inflate<'i> = dyn FnMut(Event<'_>) -> Result<Event<'static>, CloseCode> + 'i;

fn run_socket<R: Role>(ws: WebSocket<R>, bytes: &[u8], portions: &[usize]) -> Story {
    run_inflating(&mut plain, ws, bytes, portions)
}

fn plain(event: Event<'_>) -> Result<Event<'static>, CloseCode> {
    Ok(event.into_owned())
}

fn run_inflating<R: Role>(
    inflate: &mut Inflate<'_>,
    mut ws: WebSocket<R>,
    bytes: &[u8],
    portions: &[usize],
) -> Story {
    let mut story = Story::default();
    let mut out = Outbox::new(&Limits::default());
    for mut read in cut(bytes, portions) {
        story.read(&mut ws, &mut read, &mut out, inflate);
    }
    story
}

/// For every byte the story so far: what is known after 1 byte, after 2 bytes, and so on.
pub fn run_by_the_byte(bytes: &[u8], reader: Reader, limit: usize, mut each: impl FnMut(&Story)) {
    let limits = Limits { message: limit as u32, ..Limits::default() };
    match reader {
        Reader::Server => step_socket(WebSocket::server(&limits), bytes, &mut each),
        Reader::Client => step_socket(WebSocket::client(&limits, || ZERO_KEY), bytes, &mut each),
    }
}

fn step_socket<R: Role>(mut ws: WebSocket<R>, bytes: &[u8], each: &mut impl FnMut(&Story)) {
    let mut story = Story::default();
    let mut out = Outbox::new(&Limits::default());
    for &byte in bytes {
        story.read(&mut ws, &mut [byte], &mut out, &mut plain);
        each(&story);
    }
}

impl Story {
    /// One read, drained as the documentation says; what is replied is written at once.
    fn read<R: Role>(
        &mut self,
        ws: &mut WebSocket<R>,
        read: &mut [u8],
        out: &mut Outbox,
        inflate: &mut Inflate<'_>,
    ) {
        let was_closed = ws.is_closed();
        let mut input = Input::new(read);
        loop {
            let next = ws.next(&mut input, out);
            self.replies.extend(waiting(out));
            out.clear();
            match next {
                Ok(Some(event)) => {
                    assert!(!was_closed, "an event after the end: {event:?}");
                    match inflate(event) {
                        Ok(event) => self.events.push(event),
                        Err(code) => {
                            ws.fail(code, out);
                            assert_eq!(self.spoiled.replace(code.get()), None);
                        }
                    }
                }
                Ok(None) => break,
                Err(violation) => {
                    assert!(!was_closed, "a violation after the end: {violation:?}");
                    assert_eq!(self.violation.replace(violation), None);
                }
            }
        }
        self.replies.extend(waiting(out));
        out.clear();
        assert!(input.is_empty(), "every byte is consumed");
        let has_failed = self.violation.is_some() || self.spoiled.is_some();
        let has_ended = has_failed || matches!(self.events.last(), Some(Event::Close(_)));
        assert_eq!(ws.is_closed(), has_ended);
        assert_eq!(ws.wants_read(), !has_ended);
    }
}

/// A frame as far as it has come: kind, FIN, payload, and what is missing of it.
pub type Frame = (Opcode, bool, Vec<u8>, u64);

/// The frames of a stream out of a bare `Decoder`, joined from its pieces.
pub fn decode<R: Role>(bytes: &[u8], portions: &[usize]) -> (Vec<Frame>, Option<FrameError>) {
    let mut decoder = Decoder::<R>::new();
    let mut frames: Vec<Frame> = Vec::new();
    for mut read in cut(bytes, portions) {
        let mut input = Input::new(&mut read);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(piece)) => {
                    if piece.starts_frame {
                        frames.push((piece.kind, piece.fin, Vec::new(), 0));
                    }
                    let (kind, fin, payload, missing) = frames.last_mut().expect("a frame began");
                    assert_eq!((*kind, *fin), (piece.kind, piece.fin), "a frame keeps its kind");
                    payload.extend_from_slice(piece.payload);
                    *missing = piece.remaining;
                }
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(input.is_empty(), "every byte is consumed");
    }
    (frames, None)
}

/// `bytes` in owned portions of the given sizes, in turn.
pub fn cut<'a>(bytes: &'a [u8], portions: &'a [usize]) -> impl Iterator<Item = Vec<u8>> + 'a {
    assert!(portions.iter().any(|&portion| portion > 0), "the stream would never end");
    let mut rest = bytes;
    portions.iter().cycle().map_while(move |&portion| {
        let (read, behind) = rest.split_at(portion.min(rest.len()));
        let ended = rest.is_empty();
        rest = behind;
        (!ended).then(|| read.to_vec())
    })
}
