//! Frames out of a stream of bytes, piece by piece (RFC 6455 §5.1, §5.2, §5.4).
//!
//! A [`Decoder`] takes the bytes of a connection in any portions and hands out unmasked pieces of
//! frames. It keeps 16 bytes and nothing on the heap: a header that is cut stays in these bytes, a
//! payload is never kept. It checks every rule about headers, masking and the order of fragments.
//!
//! Layer 3: no messages, no UTF-8, no replies, no limits; that is what
//! [`WebSocket`](crate::WebSocket) adds. Use a `Decoder` by itself to stream a message that need not
//! be whole in memory, or to pass frames on. Whoever passes them on leaves each control frame as it is,
//! and every other frame too, unless it has seen the handshake and knows every extension that was
//! negotiated in it (§5.4).
//!
//! ```
//! use dormouse::{Input, Server, decode::Decoder};
//!
//! let mut decoder = Decoder::<Server>::new();
//! let mut stream = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // "Hello", masked
//! let mut received = Vec::new();
//! for read in stream.chunks_mut(4) {
//!     let mut input = Input::new(read);
//!     while let Some(piece) = decoder.next(&mut input)? {
//!         received.extend_from_slice(piece.payload);
//!     }
//! }
//! assert_eq!(received, b"Hello");
//! # Ok::<(), dormouse::decode::FrameError>(())
//! ```

use core::marker::PhantomData;

use crate::input::Input;
use crate::role::Role;
use crate::wire::{FrameHeader, HeaderError, MAX_HEADER_LEN, Opcode, Rsv, mask};

/// A resumable decoder for what one side receives: [`Server`](crate::Server) or
/// [`Client`](crate::Client). 16 bytes, no heap.
///
/// After an error the stream has no frame boundaries any more, and the decoder is of no more use.
#[derive(Clone, Debug)]
pub struct Decoder<R> {
    state: State,
    /// The kind of the fragmented message in progress.
    message: Option<Opcode>,
    role: PhantomData<R>,
}

/// Where in the stream the next byte belongs. Byte arrays only, to take 15 bytes at any alignment.
#[derive(Clone, Debug)]
enum State {
    /// In front of a frame.
    Start,
    /// Inside a header, of which the first `len` bytes are here.
    Header { bytes: [u8; MAX_HEADER_LEN - 1], len: u8 },
    /// Inside a payload. The key begins with the byte for the next position.
    Payload { remaining: [u8; 8], key: [u8; 4], opcode: Opcode, fin: bool },
}

const _: () = assert!(size_of::<Decoder<crate::role::Server>>() <= 16);

/// A part of a frame, or all of it, unmasked.
///
/// There is one piece as soon as a header is complete, with what is there of the payload (perhaps
/// nothing), and one for each later input that holds more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'b> {
    /// The frame's opcode, as on the wire.
    pub opcode: Opcode,
    /// The kind of message the frame belongs to: text or binary also for a continuation; the opcode
    /// itself for a control frame.
    pub kind: Opcode,
    /// Whether the frame is the last one of its message (§5.4).
    pub fin: bool,
    /// Whether the piece is the first one of its frame.
    pub starts_frame: bool,
    /// The reserved bits of the frame; of the piece that starts it, and none in the others.
    pub rsv: Rsv,
    /// The unmasked bytes.
    pub payload: &'b [u8],
    /// How many bytes of the frame's payload are still to come, below 2^63; 0 in the last piece.
    pub remaining: u64,
}

/// Why a stream of frames is broken: what a header says cannot come here, or from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// §5.2: bytes that are no frame header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// §5.2: a reserved bit is set, and no extension that defines it here has been negotiated.
    #[error("reserved bit set without an extension")]
    ReservedBits,
    /// §5.1: "The server MUST close the connection upon receiving a frame that is not masked."
    #[error("unmasked frame from a client")]
    Unmasked,
    /// §5.1: "A client MUST close a connection if it detects a masked frame."
    #[error("masked frame from a server")]
    Masked,
    /// §5.4: a continuation frame while no fragmented message is in progress.
    #[error("continuation frame with nothing to continue")]
    UnexpectedContinuation,
    /// §5.4: a new text or binary frame before the last fragment of the message in progress.
    #[error("new message inside a fragmented one")]
    ExpectedContinuation,
}

impl<R: Role> Decoder<R> {
    /// A decoder in front of the first frame.
    pub const fn new() -> Self {
        Self { state: State::Start, message: None, role: PhantomData }
    }

    /// Whether the stream may end here: between two messages, and not inside a frame.
    pub const fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Start) && self.message.is_none()
    }

    /// Takes the next piece of a frame off `input`. No reserved bit may be set.
    ///
    /// `Ok(None)` means that all bytes are consumed and more are needed.
    ///
    /// # Errors
    ///
    /// What is wrong with the next header: the rules that its bytes alone decide are told as soon as
    /// they are broken, the others once the header is complete. Any partition of the stream into
    /// inputs gives the same error, after the same payload bytes.
    pub fn next<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Piece<'b>>, FrameError> {
        self.next_allowing(Rsv::NONE, input)
    }

    /// The same as [`next`](Self::next) with an extension that marks messages with reserved bits:
    /// the first frame of a message may have those of `allowed`.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next). A control frame or a continuation with a reserved bit is an error also
    /// if the bit is allowed (RFC 7692 §6).
    pub fn next_allowing<'b>(
        &mut self,
        allowed: Rsv,
        input: &mut Input<'b>,
    ) -> Result<Option<Piece<'b>>, FrameError> {
        if input.is_empty() {
            return Ok(None);
        }
        let (kept, kept_len) = match self.state {
            State::Start => ([0; MAX_HEADER_LEN - 1], 0),
            State::Header { bytes, len } => (bytes, usize::from(len)),
            State::Payload { remaining, key, opcode, fin } => {
                let kind = self.kind(opcode)?;
                let remaining = u64::from_ne_bytes(remaining);
                return Ok(Some(self.piece(Frame { opcode, kind, fin, remaining, key }, input)));
            }
        };
        let Some((header, header_len)) = self.header(kept, kept_len, input.peek())? else {
            input.take_rest();
            return Ok(None);
        };
        let frame = self.check(header, allowed)?;
        input.take(header_len.saturating_sub(kept_len));
        self.state = State::Start;
        let piece = self.piece(frame, input);
        Ok(Some(Piece { starts_frame: true, rsv: header.rsv, ..piece }))
    }

    /// Takes a message of at most `limit` bytes that is whole in one frame and whole in `input`, if
    /// that is what comes next: the way of nearly all messages. `None` leaves everything as it was,
    /// and [`next`](Self::next) tells what is there instead.
    #[inline]
    pub(crate) fn whole_message<'b>(
        &self,
        input: &mut Input<'b>,
        limit: u32,
    ) -> Option<(Opcode, &'b [u8])> {
        if !self.is_between_messages() {
            return None;
        }
        let (opcode, key, payload_len, header_len) =
            FrameHeader::parse_message(input.peek(), R::PEER_MASKS)?;
        if payload_len > u64::from(limit) {
            return None;
        }
        let frame_len = header_len.checked_add(usize::try_from(payload_len).ok()?)?;
        if frame_len > input.len() {
            return None;
        }
        let (_, payload) = input.take(frame_len).split_at_mut_checked(header_len)?;
        if R::PEER_MASKS {
            mask::apply(payload, key);
        }
        Some((opcode, payload))
    }

    /// Takes all of `input` if it is one byte in the middle of a data frame's payload, more is to come, and
    /// `keep` takes the byte. `false` leaves everything as it was.
    #[inline]
    pub(crate) fn middle_byte(
        &mut self,
        input: &mut Input<'_>,
        keep: impl FnOnce(u8) -> bool,
    ) -> bool {
        let [byte] = *input.peek() else { return false };
        let State::Payload { remaining, key, opcode, .. } = &mut self.state else { return false };
        let still = u64::from_ne_bytes(*remaining).saturating_sub(1);
        // Zeros if nothing is masked.
        let [key_byte, ..] = *key;
        if still == 0 || opcode.is_control() || !keep(byte ^ key_byte) {
            return false;
        }
        input.take_rest();
        *key = mask::advance(*key, 1);
        *remaining = still.to_ne_bytes();
        true
    }

    /// Takes all of `input` if it is the middle of a data frame's payload, and more is to come: the way of
    /// a message that arrives in many reads. Otherwise as [`whole_message`](Self::whole_message).
    #[inline]
    pub(crate) fn middle<'b>(&mut self, input: &mut Input<'b>) -> Option<Middle<'b>> {
        let State::Payload { remaining, key, opcode, fin } = &mut self.state else { return None };
        let still = u64::from_ne_bytes(*remaining).checked_sub(input.len() as u64)?;
        if still == 0 || opcode.is_control() {
            return None;
        }
        let payload = input.take_rest();
        if R::PEER_MASKS {
            mask::apply(payload, *key);
            *key = mask::advance(*key, payload.len());
        }
        *remaining = still.to_ne_bytes();
        Some(Middle { payload, remaining: still, fin: *fin })
    }

    /// Reads a header of which `kept_len` bytes came before. If it is still not complete, its bytes
    /// are kept: at most 13.
    fn header(
        &mut self,
        kept: [u8; MAX_HEADER_LEN - 1],
        kept_len: usize,
        new: &[u8],
    ) -> Result<Option<(FrameHeader, usize)>, FrameError> {
        let mut bytes = [0; MAX_HEADER_LEN];
        let (before_last, _) = bytes.split_at_mut(kept.len());
        before_last.copy_from_slice(&kept);
        for (place, byte) in bytes.iter_mut().skip(kept_len).zip(new) {
            *place = *byte;
        }
        let len = kept_len.saturating_add(new.len()).min(MAX_HEADER_LEN);
        let header = FrameHeader::parse(bytes.get(..len).unwrap_or_default())?;
        if header.is_none() {
            let [bytes @ .., _] = bytes;
            self.state = State::Header { bytes, len: len as u8 };
        }
        Ok(header)
    }

    /// Checks what a header says against role and context.
    #[inline]
    fn check(&self, header: FrameHeader, allowed: Rsv) -> Result<Frame, FrameError> {
        // §5.2: "If a nonzero value is received and none of the negotiated extensions defines the
        // meaning [...], the receiving endpoint MUST _Fail the WebSocket Connection_."
        if !header.rsv.is_none() {
            let starts_message = matches!(header.opcode, Opcode::Text | Opcode::Binary);
            if !starts_message || !allowed.has_all(header.rsv) {
                return Err(FrameError::ReservedBits);
            }
        }
        let key = match header.mask {
            Some(key) if R::PEER_MASKS => key,
            None if !R::PEER_MASKS => [0; 4],
            Some(_) => return Err(FrameError::Masked),
            None => return Err(FrameError::Unmasked),
        };
        Ok(Frame {
            opcode: header.opcode,
            kind: self.kind(header.opcode)?,
            fin: header.fin,
            remaining: header.payload_len,
            key,
        })
    }

    /// The kind of message that a frame belongs to, if it may come now.
    #[inline]
    fn kind(&self, opcode: Opcode) -> Result<Opcode, FrameError> {
        // §5.4: "The fragments of one message MUST NOT be interleaved between the fragments of
        // another message", and "Control frames [...] MAY be injected in the middle".
        match (opcode, self.message) {
            (Opcode::Continuation, kind) => kind.ok_or(FrameError::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(FrameError::ExpectedContinuation),
            (opcode, _) => Ok(opcode),
        }
    }

    /// Takes the payload that is there, and notes what comes after it.
    #[inline]
    fn piece<'b>(&mut self, frame: Frame, input: &mut Input<'b>) -> Piece<'b> {
        let Frame { opcode, kind, fin, remaining, key } = frame;
        let payload = input.take(usize::try_from(remaining).unwrap_or(usize::MAX));
        if R::PEER_MASKS {
            mask::apply(payload, key);
        }
        let remaining = remaining.saturating_sub(payload.len() as u64);
        if remaining > 0 {
            let key = mask::advance(key, payload.len());
            let remaining = remaining.to_ne_bytes();
            self.state = State::Payload { remaining, key, opcode, fin };
        } else {
            self.end_frame(opcode, kind, fin);
        }
        Piece { opcode, kind, fin, starts_frame: false, rsv: Rsv::NONE, payload, remaining }
    }

    #[inline]
    fn end_frame(&mut self, opcode: Opcode, kind: Opcode, fin: bool) {
        if !matches!(self.state, State::Start) {
            self.state = State::Start;
        }
        if !opcode.is_control() && (!fin || opcode == Opcode::Continuation) {
            self.message = if fin { None } else { Some(kind) };
        }
    }
}

impl<R: Role> Default for Decoder<R> {
    fn default() -> Self {
        Self::new()
    }
}

/// Some of a data frame's payload, neither the first nor the last.
pub(crate) struct Middle<'b> {
    pub(crate) payload: &'b [u8],
    pub(crate) remaining: u64,
    pub(crate) fin: bool,
}

/// A frame of which `remaining` bytes of payload are still to be read.
struct Frame {
    opcode: Opcode,
    kind: Opcode,
    fin: bool,
    remaining: u64,
    key: [u8; 4],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::{Client, Server};

    type Pieces = Vec<(Opcode, bool, Vec<u8>)>;

    /// All frames of a stream that comes in the given portions, and the error that ends it.
    fn decode<R: Role>(stream: &[u8], portion: usize) -> (Pieces, Option<FrameError>) {
        let mut decoder = Decoder::<R>::default();
        let mut frames: Pieces = Vec::new();
        let mut stream = stream.to_vec();
        for read in stream.chunks_mut(portion) {
            let mut input = Input::new(read);
            loop {
                match decoder.next(&mut input) {
                    Ok(Some(piece)) => {
                        if piece.starts_frame {
                            frames.push((piece.kind, piece.fin, Vec::new()));
                        }
                        frames.last_mut().unwrap().2.extend_from_slice(piece.payload);
                    }
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
            assert!(input.is_empty(), "every byte is consumed");
        }
        (frames, None)
    }

    #[track_caller]
    fn decodes<R: Role>(
        stream: &[u8],
        frames: &[(Opcode, bool, &[u8])],
        error: Option<FrameError>,
    ) {
        let frames: Pieces =
            frames.iter().map(|&(kind, fin, payload)| (kind, fin, payload.to_vec())).collect();
        for portion in 1..=stream.len() {
            assert_eq!(decode::<R>(stream, portion), (frames.clone(), error), "by {portion}");
        }
    }

    #[test]
    fn s5_7_examples() {
        use Opcode::*;
        decodes::<Client>(b"\x81\x05Hello", &[(Text, true, b"Hello")], None);
        decodes::<Client>(
            b"\x01\x03Hel\x80\x02lo",
            &[(Text, false, b"Hel"), (Text, true, b"lo")],
            None,
        );
        decodes::<Server>(
            b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            &[(Pong, true, b"Hello")],
            None,
        );
    }

    #[test]
    fn s5_4_control_frames_between_fragments() {
        use Opcode::*;
        decodes::<Client>(
            b"\x02\x01a\x89\x01p\x00\x00\x8a\x00\x80\x01b\x81\x00",
            &[
                (Binary, false, b"a"),
                (Ping, true, b"p"),
                (Binary, false, b""),
                (Pong, true, b""),
                (Binary, true, b"b"),
                (Text, true, b""),
            ],
            None,
        );
    }

    #[test]
    fn s5_4_fragments_out_of_order() {
        decodes::<Client>(b"\x80\x01a", &[], Some(FrameError::UnexpectedContinuation));
        decodes::<Client>(b"\x00\x00", &[], Some(FrameError::UnexpectedContinuation));
        let begun: (Opcode, bool, &[u8]) = (Opcode::Text, false, b"a");
        let error = Some(FrameError::ExpectedContinuation);
        decodes::<Client>(b"\x01\x01a\x81\x01b", &[begun], error);
        decodes::<Client>(b"\x01\x01a\x02\x01b", &[begun], error);
        let ended: (Opcode, bool, &[u8]) = (Opcode::Text, true, b"b");
        decodes::<Client>(
            b"\x01\x01a\x80\x01b\x80\x00",
            &[begun, ended],
            Some(FrameError::UnexpectedContinuation),
        );
    }

    #[test]
    fn s5_1_who_masks() {
        decodes::<Server>(b"\x81\x01a", &[], Some(FrameError::Unmasked));
        decodes::<Server>(b"\x88\x00", &[], Some(FrameError::Unmasked));
        decodes::<Client>(b"\x81\x81\0\0\0\0a", &[], Some(FrameError::Masked));
        decodes::<Client>(b"\x88\x80\0\0\0\0", &[], Some(FrameError::Masked));
    }

    #[test]
    fn s5_2_reserved_bits() {
        for bit in [0x40, 0x20, 0x10] {
            for opcode in [0x1, 0x2, 0x8, 0x9, 0xA] {
                let stream = [0x80 | bit | opcode, 0];
                decodes::<Client>(&stream, &[], Some(FrameError::ReservedBits));
            }
        }
    }

    #[test]
    fn s5_2_header_errors_pass_through() {
        let error = Some(FrameError::Header(HeaderError::NonMinimalLength));
        decodes::<Server>(b"\x82\xfe\0\x05\0\0\0\0hello", &[], error);
    }

    #[test]
    fn s5_2_the_largest_length_is_only_a_number() {
        let mut header = *b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04";
        let mut decoder = Decoder::<Server>::new();
        let mut input = Input::new(&mut header);
        let piece = decoder.next(&mut input).unwrap().unwrap();
        assert_eq!((piece.starts_frame, piece.remaining), (true, (1 << 63) - 1));
        assert!(!decoder.is_between_messages());
    }

    #[test]
    fn s5_4_between_messages() {
        let mut stream = *b"\x01\x01a\x80\x01b";
        let expected = [false, false, false, false, false, true];
        let mut decoder = Decoder::<Client>::new();
        assert!(decoder.is_between_messages());
        for (byte, expected) in stream.chunks_mut(1).zip(expected) {
            let mut input = Input::new(byte);
            while decoder.next(&mut input).unwrap().is_some() {}
            assert_eq!(decoder.is_between_messages(), expected);
        }
    }
}
