//! The slow and obviously right reader that the library is compared with: the whole stream is one
//! vector, every rule of RFC 6455 stands where the RFC reads it, nothing is resumed. With compression,
//! the rules of RFC 7692 §6 stand beside them.

use dormouse::decode::FrameError;
use dormouse::utf8::InvalidUtf8;
use dormouse::wire::{HeaderError, Opcode};
use dormouse::{CloseCode, CloseError, CloseFrame, Event, Violation};

use super::driver::Frame;
use super::inflate::{Naive, Spoiled};
use super::{CLOSE, FIN, PONG, RSV1, ZERO_KEY, close_body, frame};

/// Which side reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Server,
    Client,
}

/// All that a connection does about a stream of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    pub events: Vec<Event<'static>>,
    /// Everything that goes back to the peer, if it is written at once.
    pub replies: Vec<u8>,
    pub violation: Option<Violation>,
    /// Why a compressed message could not be inflated, as the code that it is answered with.
    pub spoiled: Option<u16>,
}

/// Reads all of `bytes`, for a `reader` that takes messages of up to `limit` bytes.
pub fn read(bytes: &[u8], reader: Reader, limit: usize) -> Story {
    read_with(None, bytes, reader, limit)
}

/// The same for a reader that has negotiated permessage-deflate.
pub fn read_compressed(naive: &mut Naive, bytes: &[u8], reader: Reader, limit: usize) -> Story {
    read_with(Some(naive), bytes, reader, limit)
}

fn read_with(naive: Option<&mut Naive>, bytes: &[u8], reader: Reader, limit: usize) -> Story {
    let mut story = Story::default();
    match read_frames(naive, bytes, reader, limit, &mut story) {
        Ok(()) => {}
        Err(End::Violation(violation)) => {
            let code = close_code(&violation);
            story.replies.extend(reply(reader, CLOSE, &close_body(code, "")));
            story.violation = Some(violation);
        }
        Err(End::Spoiled(code)) => {
            story.replies.extend(reply(reader, CLOSE, &close_body(code, "")));
            story.spoiled = Some(code);
        }
    }
    story
}

/// What ends a connection.
enum End {
    Violation(Violation),
    Spoiled(u16),
}

impl<E: Into<Violation>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Violation(error.into())
    }
}

/// A message so far.
struct Message {
    kind: u8,
    is_compressed: bool,
    bytes: Vec<u8>,
}

fn read_frames(
    mut naive: Option<&mut Naive>,
    bytes: &[u8],
    reader: Reader,
    limit: usize,
    story: &mut Story,
) -> Result<(), End> {
    let mut rest = bytes;
    let mut message: Option<Message> = None;
    let mut empty_fragments = 0;
    let allowed = if naive.is_some() { RSV1 } else { 0 };
    while let Some(header) = read_header(rest).map_err(FrameError::from)? {
        let (fin, opcode) = (header.first & FIN != 0, header.first & 0x0F);
        check_frame(&header, reader, allowed, message.is_some())?;
        let (payload, behind) = header.payload(&rest[header.len..]);
        let is_whole = payload.len() as u64 == header.payload_len;
        rest = behind;

        if opcode >= 0x8 {
            if is_whole {
                answer_control(opcode, &payload, reader, story)?;
            }
            if opcode == 0x8 || !is_whole {
                return Ok(());
            }
            continue;
        }

        let is_compressed = header.first & RSV1 != 0;
        let mut so_far =
            message.take().unwrap_or(Message { kind: opcode, is_compressed, bytes: Vec::new() });
        // The limit is for what a message is; compressed, it may be larger than that.
        let most = if so_far.is_compressed { limit + limit / 8 + 64 } else { limit };
        if so_far.bytes.len() as u64 + header.payload_len > most as u64 {
            return Err(Violation::MessageTooBig.into());
        }
        if !fin && header.payload_len == 0 {
            empty_fragments += 1;
            if empty_fragments > 128 {
                return Err(Violation::TooManyEmptyFragments.into());
            }
        }
        so_far.bytes.extend(payload);
        let ends = fin && is_whole;
        if so_far.kind == 0x1 && !so_far.is_compressed {
            check_text(&so_far.bytes, ends)?;
        }
        if ends {
            empty_fragments = 0;
            story.events.push(so_far.event(naive.as_deref_mut(), limit)?);
        } else {
            message = Some(so_far);
        }
        if !is_whole {
            return Ok(());
        }
    }
    Ok(())
}

/// What a control frame is, and what goes back for it.
fn answer_control(
    opcode: u8,
    payload: &[u8],
    reader: Reader,
    story: &mut Story,
) -> Result<(), CloseError> {
    story.events.push(read_control(opcode, payload)?);
    story.replies.extend(match opcode {
        0x9 => reply(reader, PONG, payload),
        0x8 => reply(reader, CLOSE, payload.get(..2).unwrap_or_default()),
        _ => Vec::new(),
    });
    Ok(())
}

impl Message {
    /// What a whole message is, inflated if that is needed.
    fn event(self, naive: Option<&mut Naive>, limit: usize) -> Result<Event<'static>, End> {
        let bytes = match naive {
            Some(naive) if self.is_compressed => {
                let inflated = naive.message(&self.bytes, limit);
                inflated.map_err(|spoiled| match spoiled {
                    Spoiled::Data => End::Spoiled(1007),
                    Spoiled::TooBig => End::Spoiled(1009),
                })?
            }
            _ => self.bytes,
        };
        match self.kind {
            // RFC 6455 §8.1, of what is inflated.
            0x1 => match String::from_utf8(bytes) {
                Ok(text) => Ok(Event::Text(text.into())),
                Err(_) => Err(End::Spoiled(1007)),
            },
            _ => Ok(Event::Binary(bytes.into())),
        }
    }
}

/// The frames of a stream, as far as they have come, until one that cannot be.
pub fn frames(bytes: &[u8], reader: Reader) -> (Vec<Frame>, Option<FrameError>) {
    let mut frames: Vec<Frame> = Vec::new();
    let mut rest = bytes;
    let mut message = None;
    loop {
        let header = match read_header(rest) {
            Ok(Some(header)) => header,
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error.into())),
        };
        if let Err(error) = check_frame(&header, reader, 0, message.is_some()) {
            return (frames, Some(error));
        }
        let (fin, opcode) = (header.first & FIN != 0, header.first & 0x0F);
        let kind = if opcode == 0x0 { message.unwrap_or(opcode) } else { opcode };
        if opcode < 0x8 {
            message = (!fin).then_some(kind);
        }
        let (payload, behind) = header.payload(&rest[header.len..]);
        let missing = header.payload_len - payload.len() as u64;
        frames.push((Opcode::from_bits(kind).expect("a known opcode"), fin, payload, missing));
        rest = behind;
    }
}

struct Header {
    first: u8,
    key: Option<[u8; 4]>,
    payload_len: u64,
    len: usize,
}

impl Header {
    /// What has arrived of the payload (§5.3), and what comes behind it.
    fn payload<'b>(&self, arrived: &'b [u8]) -> (Vec<u8>, &'b [u8]) {
        let len = arrived.len().min(usize::try_from(self.payload_len).unwrap());
        let (masked, behind) = arrived.split_at(len);
        let key = self.key.unwrap_or([0; 4]);
        let payload = masked.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]);
        (payload.collect(), behind)
    }
}

/// §5.2, byte after byte; `None` if the header is not all there.
fn read_header(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let opcode = first & 0x0F;
    if ![0x0, 0x1, 0x2, 0x8, 0x9, 0xA].contains(&opcode) {
        return Err(HeaderError::UnknownOpcode(opcode));
    }
    if opcode >= 0x8 && first & FIN == 0 {
        return Err(HeaderError::FragmentedControl);
    }
    let Some(&second) = bytes.get(1) else { return Ok(None) };
    let short = second & 0x7F;
    if opcode >= 0x8 && short > 125 {
        return Err(HeaderError::ControlTooLong);
    }
    let extended = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(extended_bytes) = bytes.get(2..2 + extended) else { return Ok(None) };
    let payload_len = match extended {
        0 => u64::from(short),
        _ => extended_bytes.iter().fold(0, |len, &byte| len << 8 | u64::from(byte)),
    };
    if payload_len >= 1 << 63 {
        return Err(HeaderError::LengthOverflow);
    }
    if extended == 2 && payload_len < 126 || extended == 8 && payload_len < 65536 {
        return Err(HeaderError::NonMinimalLength);
    }
    let len = 2 + extended;
    if second & 0x80 == 0 {
        return Ok(Some(Header { first, key: None, payload_len, len }));
    }
    let Some(key) = bytes.get(len..len + 4) else { return Ok(None) };
    Ok(Some(Header { first, key: Some(key.try_into().unwrap()), payload_len, len: len + 4 }))
}

/// §5.1, §5.2 and §5.4: what a header may not say to this reader at this place. RFC 7692 §6: of the
/// reserved bits, those of `allowed` may be in the first frame of a message.
fn check_frame(
    header: &Header,
    reader: Reader,
    allowed: u8,
    in_message: bool,
) -> Result<(), FrameError> {
    let reserved = header.first & 0x70;
    if reserved & !allowed != 0 || reserved != 0 && !matches!(header.first & 0x0F, 0x1 | 0x2) {
        return Err(FrameError::ReservedBits);
    }
    match (reader, header.key) {
        (Reader::Server, None) => return Err(FrameError::Unmasked),
        (Reader::Client, Some(_)) => return Err(FrameError::Masked),
        _ => {}
    }
    match (header.first & 0x0F, in_message) {
        (0x0, false) => Err(FrameError::UnexpectedContinuation),
        (0x1 | 0x2, true) => Err(FrameError::ExpectedContinuation),
        _ => Ok(()),
    }
}

/// §5.5: the event of a whole control frame.
pub fn read_control(opcode: u8, payload: &[u8]) -> Result<Event<'static>, CloseError> {
    Ok(match (opcode, payload) {
        (0x9, _) => Event::Ping(payload.to_vec().into()),
        (0xA, _) => Event::Pong(payload.to_vec().into()),
        (_, []) => Event::Close(None),
        (_, [_]) => return Err(CloseError::OneByteBody),
        (_, [high, low, reason @ ..]) => {
            let number = u16::from(*high) * 256 + u16::from(*low);
            // §7.4: the codes that are defined for the wire, registered with IANA, or private.
            if !(1000..5000).contains(&number)
                || (1016..3000).contains(&number)
                || [1004, 1005, 1006, 1015].contains(&number)
            {
                return Err(CloseError::InvalidCode(number));
            }
            let Ok(reason) = String::from_utf8(reason.to_vec()) else {
                return Err(CloseError::InvalidReason);
            };
            let code = CloseCode::new(number).expect("a valid code has a value");
            Event::Close(Some(CloseFrame { code, reason: reason.into() }))
        }
    })
}

/// §8.1: a text is invalid as soon as no further bytes could make it valid.
fn check_text(so_far: &[u8], ends: bool) -> Result<(), InvalidUtf8> {
    match std::str::from_utf8(so_far) {
        Ok(_) => Ok(()),
        Err(error) if error.error_len().is_none() && !ends => Ok(()),
        Err(_) => Err(InvalidUtf8),
    }
}

/// §7.4.1.
fn close_code(violation: &Violation) -> u16 {
    match violation {
        Violation::Text(_) | Violation::Close(CloseError::InvalidReason) => 1007,
        Violation::Frame(_) | Violation::Close(_) => 1002,
        Violation::MessageTooBig => 1009,
        Violation::TooManyEmptyFragments => 1008,
        other => panic!("the oracle has no code for {other:?}"),
    }
}

fn reply(reader: Reader, first: u8, payload: &[u8]) -> Vec<u8> {
    let key = match reader {
        Reader::Server => None,
        Reader::Client => Some(ZERO_KEY),
    };
    frame(first, key, payload)
}
