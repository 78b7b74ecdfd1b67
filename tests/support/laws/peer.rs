//! The same stream given to an implementation of other makers: tungstenite.
//!
//! Both have to see the same messages and to come to the same verdict. Where they differ, a sentence
//! of RFC 6455 has to decide it: [`Difference`] lists every case, and there are no others.

use std::io::{self, Read, Write};

use arbitrary::{Arbitrary, Unstructured};
use dormouse::decode::FrameError;
use dormouse::wire::HeaderError;
use dormouse::{CloseCode, CloseError, CloseFrame, Event, Violation};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

use super::super::driver::run;
use super::super::oracle::{Reader, Story};
use super::super::{FIN, Form, frame, header_in_form};
use super::streams::WHOLE;

/// Messages up to this size are taken.
const LIMIT: usize = 1 << 16;

/// Where the two differ, and the sentence by which dormouse is right or free to do as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// tungstenite takes a length in a longer form than it needs, also that of a control frame. §5.2:
    /// "in all cases, the minimal number of bytes MUST be used to encode the length".
    NonMinimalLength,
    /// tungstenite reports a Close with a code that must not be sent as a Close with 1002. §7.4.1:
    /// such a code "MUST NOT be set as a status code in a Close control frame by an endpoint".
    CloseCode,
    /// tungstenite counts 1014 as a code that must not be sent. §7.4.2: codes of 1000-2999 are for
    /// the protocol and its extensions; IANA has registered 1014 as "Bad Gateway".
    BadGateway,
    /// tungstenite judges whole frames, and this one is not all there. §8.1 and §7.1.7 let an
    /// endpoint fail the connection as soon as it finds the data invalid.
    ToldEarlier,
    /// tungstenite takes empty fragments without end. §10.4: "implementations that have [...]
    /// limitations regarding the frame size or total message size after reassembly from multiple
    /// frames MUST protect themselves against exceeding those limits".
    EmptyFragments,
}

/// What the other one says about a stream.
#[derive(Debug)]
struct Verdict {
    messages: Vec<Event<'static>>,
    is_violation: bool,
}

/// Both say the same about `bytes`, but for the differences that are listed. Returns the one that it is.
pub fn both_agree(reader: Reader, bytes: &[u8]) -> Option<Difference> {
    let ours = run(bytes, reader, LIMIT, WHOLE);
    let theirs = ask(reader, bytes);
    if ours.events == theirs.messages && ours.violation.is_some() == theirs.is_violation {
        return None;
    }
    let difference = name(&ours, &theirs, &Shape::of(bytes));
    assert!(difference.is_some(), "{ours:?} but {theirs:?}");
    difference
}

/// Which of the differences it is, if it is one: what both say has to fit, and the stream has to have
/// what the difference is about.
fn name(ours: &Story, theirs: &Verdict, shape: &Shape) -> Option<Difference> {
    let is_beginning = theirs.messages.starts_with(&ours.events);
    let is_same = theirs.messages == ours.events;
    let theirs_before_close = match theirs.messages.split_last() {
        Some((Event::Close(Some(close)), before)) if is_replaced(close) => Some(before),
        _ => None,
    };
    match ours.violation {
        Some(Violation::Frame(FrameError::Header(
            HeaderError::NonMinimalLength | HeaderError::ControlTooLong,
        ))) if shape.has_long_form && is_beginning => Some(Difference::NonMinimalLength),
        Some(Violation::TooManyEmptyFragments) if shape.empty_fragments > 128 => {
            is_beginning.then_some(Difference::EmptyFragments)
        }
        Some(Violation::Close(CloseError::InvalidCode(_)))
            if theirs_before_close == Some(&ours.events) =>
        {
            Some(Difference::CloseCode)
        }
        Some(_) => (is_same && !theirs.is_violation && shape.ends_inside_a_frame)
            .then_some(Difference::ToldEarlier),
        None => {
            let (last, before) = ours.events.split_last()?;
            let Event::Close(Some(close)) = last else { return None };
            let is_bad_gateway = close.code.get() == 1014 && theirs_before_close == Some(before);
            is_bad_gateway.then_some(Difference::BadGateway)
        }
    }
}

/// The Close that tungstenite reports in the place of one with a code that it does not know.
fn is_replaced(close: &CloseFrame<'_>) -> bool {
    close.code == CloseCode::PROTOCOL_ERROR && close.reason == "Protocol violation"
}

/// What there is in a stream, frame by frame, whatever else is wrong with it.
#[derive(Default)]
struct Shape {
    /// A length stands in a longer form than it needs.
    has_long_form: bool,
    empty_fragments: usize,
    ends_inside_a_frame: bool,
}

impl Shape {
    fn of(mut bytes: &[u8]) -> Self {
        let mut shape = Self::default();
        while let Some((&first, rest)) = bytes.split_first() {
            match shape.frame(first, rest) {
                Some(behind) => bytes = behind,
                None => {
                    shape.ends_inside_a_frame = true;
                    break;
                }
            }
        }
        shape
    }

    /// Notes one frame and returns what is behind it, if it is all there.
    fn frame<'b>(&mut self, first: u8, rest: &'b [u8]) -> Option<&'b [u8]> {
        let (&second, rest) = rest.split_first()?;
        let (len, least, rest) = match second & 0x7F {
            126 => {
                let (len, rest) = rest.split_first_chunk()?;
                (u64::from(u16::from_be_bytes(*len)), 126, rest)
            }
            127 => {
                let (len, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*len), 65_536, rest)
            }
            len => (len.into(), 0, rest),
        };
        self.has_long_form |= len < least;
        let key = if second & 0x80 == 0 { 0 } else { 4 };
        let behind = rest.get(key..)?.get(usize::try_from(len).ok()?..)?;
        self.empty_fragments += usize::from(len == 0 && first & FIN == 0);
        Some(behind)
    }
}

/// A socket that has `bytes` and then its end, and that takes everything.
struct Socket<'b>(&'b [u8]);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ask(reader: Reader, bytes: &[u8]) -> Verdict {
    let role = match reader {
        Reader::Server => Role::Server,
        Reader::Client => Role::Client,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let mut ws = WebSocket::from_raw_socket(Socket(bytes), role, Some(config));
    let mut verdict = Verdict { messages: Vec::new(), is_violation: false };
    loop {
        let event = match ws.read() {
            Ok(Message::Text(text)) => Event::Text(text.as_str().to_owned().into()),
            Ok(Message::Binary(bytes)) => Event::Binary(bytes.to_vec().into()),
            Ok(Message::Ping(bytes)) => Event::Ping(bytes.to_vec().into()),
            Ok(Message::Pong(bytes)) => Event::Pong(bytes.to_vec().into()),
            Ok(Message::Close(close)) => {
                verdict.messages.push(Event::Close(close.map(|close| CloseFrame {
                    code: CloseCode::new(close.code.into()).expect("a code that both take"),
                    reason: close.reason.as_str().to_owned().into(),
                })));
                return verdict;
            }
            Ok(Message::Frame(_)) => unreachable!("is never read"),
            Err(error) => {
                let is_end = matches!(
                    error,
                    Error::Protocol(
                        tungstenite::error::ProtocolError::ResetWithoutClosingHandshake
                    )
                );
                verdict.is_violation = !is_end;
                return verdict;
            }
        };
        verdict.messages.push(event);
    }
}

/// One frame, good unless `twist` says otherwise.
#[derive(Arbitrary, Debug)]
struct Sent {
    kind: Kind,
    is_last: bool,
    payload: Vec<u8>,
    key: [u8; 4],
    twist: Option<Twist>,
}

#[derive(Arbitrary, Debug)]
enum Kind {
    Text(String),
    Binary,
    Continuation,
    Ping,
    Pong,
    Close { code: u16, reason: String },
}

/// What is wrong with a frame.
#[derive(Arbitrary, Debug)]
enum Twist {
    /// Another first byte.
    First(u8),
    /// A length in the 16-bit or in the 64-bit form.
    Form(bool),
    /// Masked where it must not be, or the reverse.
    Mask,
    /// More declared than comes, or less.
    Length(u64),
}

/// Frames, and then a byte that is changed and an end that is cut off.
#[derive(Arbitrary, Debug)]
struct Sending {
    is_for_server: bool,
    frames: Vec<Sent>,
    flip: Option<(u16, u8)>,
    cut: Option<u16>,
}

pub fn target(bytes: &[u8]) {
    let Ok(sending) = Unstructured::new(bytes).arbitrary::<Sending>() else { return };
    let reader = if sending.is_for_server { Reader::Server } else { Reader::Client };
    both_agree(reader, &sending.bytes(reader));
    both_agree(reader, bytes);
}

impl Sending {
    fn bytes(&self, reader: Reader) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.frames.iter().flat_map(|sent| sent.bytes(reader)).collect();
        if let Some((at, bits)) = self.flip
            && let Some(byte) = bytes.get_mut(usize::from(at))
        {
            *byte ^= bits;
        }
        bytes.truncate(self.cut.map_or(usize::MAX, usize::from));
        bytes
    }
}

impl Sent {
    fn bytes(&self, reader: Reader) -> Vec<u8> {
        let (opcode, payload) = match &self.kind {
            Kind::Text(text) => (0x1, text.as_bytes().to_vec()),
            Kind::Binary => (0x2, self.payload.clone()),
            Kind::Continuation => (0x0, self.payload.clone()),
            Kind::Ping => (0x9, self.control_payload()),
            Kind::Pong => (0xA, self.control_payload()),
            Kind::Close { code, reason } => {
                let body = [&code.to_be_bytes(), reason.as_bytes()].concat();
                (0x8, if reason.len() <= 123 { body } else { Vec::new() })
            }
        };
        let fin = if self.is_last || opcode >= 0x8 { FIN } else { 0 };
        let key = (reader == Reader::Server).then_some(self.key);
        let other_key = key.xor(Some(self.key));
        let len = payload.len() as u64;
        match &self.twist {
            None => frame(fin | opcode, key, &payload),
            Some(Twist::First(first)) => frame(*first, key, &payload),
            Some(Twist::Mask) => frame(fin | opcode, other_key, &payload),
            Some(Twist::Form(is_long)) => {
                let form = if *is_long { Form::Long } else { Form::Medium };
                [header_in_form(fin | opcode, key, len, form), payload].concat()
            }
            Some(Twist::Length(len)) => {
                [super::super::header(fin | opcode, key, *len), payload].concat()
            }
        }
    }

    fn control_payload(&self) -> Vec<u8> {
        self.payload.get(..125).unwrap_or(&self.payload).to_vec()
    }
}
