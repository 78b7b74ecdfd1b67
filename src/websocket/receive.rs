//! From pieces of frames to events: the receiving half of `WebSocket` (RFC 6455 §5.5, §6.2, §7.1).

use alloc::borrow::Cow;

use super::event::{Compressed, Event, MessageKind, Violation};
use super::{Phase, WebSocket};
use crate::decode::Piece;
use crate::input::Input;
use crate::outbox::Outbox;
use crate::role::Role;
use crate::utf8;
use crate::wire::Opcode;
use crate::wire::close::CloseFrame;

impl<R: Role> WebSocket<R> {
    /// Takes the next event off the bytes that were read.
    ///
    /// Call it until `Ok(None)`: then every byte is consumed, and what is left is to read more.
    /// Replies that the protocol asks for (pong, Close) are put in `out`, whatever its limit.
    ///
    /// The event borrows the buffer behind `input` if its frame arrived whole, so nothing is copied
    /// or allocated; a message that was cut by a read, or sent in fragments, is owned. Any partition
    /// of the stream into inputs gives the same events.
    ///
    /// # Errors
    ///
    /// What the peer did against the protocol or the limits, which a server should log. The Close
    /// frame with the right code is in `out`, the rest of `input` and all further input is ignored,
    /// and [`is_closed`](Self::is_closed) is true: flush and close the TCP connection (§7.1.7).
    #[inline(always)]
    pub fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Outbox,
    ) -> Result<Option<Event<'b>>, Violation> {
        // How every loop around this ends: callers have that inline.
        if input.is_empty() {
            Ok(None)
        } else if self.decoder.is_between_messages() {
            self.next_message(input, out)
        } else {
            self.next_in_middle(input, out)
        }
    }

    #[inline]
    fn next_message<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Outbox,
    ) -> Result<Option<Event<'b>>, Violation> {
        if self.phase == Phase::Closed {
            input.take_rest();
            return Ok(None);
        }
        match self.decoder.whole_message(input, self.limit) {
            Some((Opcode::Text, payload)) => match utf8::validate(payload) {
                Ok(text) => Ok(Some(Event::Text(Cow::Borrowed(text)))),
                Err(error) => Err(self.violated(error.into(), input, out)),
            },
            Some((_, payload)) => Ok(Some(Event::Binary(Cow::Borrowed(payload)))),
            None => self.next_in_parts(input, out),
        }
    }

    /// The way of a message that comes in many reads; few of them are anything but the middle of it. A
    /// single byte is what a peer sends that means to cost much.
    #[inline(never)]
    fn next_in_middle<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Outbox,
    ) -> Result<Option<Event<'b>>, Violation> {
        let Some(assembly) = &mut self.assembly else { return self.next_in_parts(input, out) };
        if self.decoder.middle_byte(input, |byte| assembly.push_byte(byte)) {
            return Ok(None);
        }
        self.next_in_longer_middle(input, out)
    }

    /// The rest of that way, apart from it so that a single byte does not pay for the registers of the XOR.
    #[inline(never)]
    fn next_in_longer_middle<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Outbox,
    ) -> Result<Option<Event<'b>>, Violation> {
        let Some(assembly) = &mut self.assembly else { return self.next_in_parts(input, out) };
        let Some(middle) = self.decoder.middle(input) else {
            return self.next_in_parts(input, out);
        };
        match assembly.middle(middle, self.limit) {
            Ok(()) => Ok(None),
            Err(violation) => Err(self.violated(violation, input, out)),
        }
    }

    /// Everything else: control frames, fragments, what was cut, and what breaks a rule.
    #[inline(never)]
    fn next_in_parts<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Outbox,
    ) -> Result<Option<Event<'b>>, Violation> {
        while self.phase != Phase::Closed {
            let event = match self.decoder.next_allowing(self.allowed, input) {
                Ok(Some(piece)) if piece.opcode.is_control() => self.control_part(piece, out),
                Ok(Some(piece)) if self.is_whole_compressed(&piece) => {
                    let (kind, payload) = (MessageKind::of(piece.kind), piece.payload.into());
                    Ok(Some(Event::Compressed(Compressed { kind, payload, limit: self.limit })))
                }
                Ok(Some(piece)) => self.data_part(piece),
                Ok(None) => return Ok(None),
                Err(error) => Err(error.into()),
            };
            match event {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(violation) => return Err(self.violated(violation, input, out)),
            }
        }
        input.take_rest();
        Ok(None)
    }

    /// Whether a piece is a whole message of a size that is allowed, which need not be put together.
    fn is_whole_compressed(&self, piece: &Piece<'_>) -> bool {
        let is_whole = piece.starts_frame && piece.fin && piece.remaining == 0;
        let limit = Compressed::limit_on_wire(self.limit);
        !piece.rsv.is_none() && is_whole && piece.payload.len() as u64 <= limit
    }

    /// Adds a piece to the message that it is a part of.
    fn data_part(&mut self, piece: Piece<'_>) -> Result<Option<Event<'static>>, Violation> {
        let event = self.assembly.get_or_insert_default().data(piece, self.limit)?;
        self.give_back();
        Ok(event)
    }

    /// Adds a piece to the control frame that it is a part of, if it is not the whole of it, and
    /// does what the frame asks for.
    fn control_part<'b>(
        &mut self,
        piece: Piece<'b>,
        out: &mut Outbox,
    ) -> Result<Option<Event<'b>>, Violation> {
        let opcode = piece.opcode;
        let payload = if piece.starts_frame && piece.remaining == 0 {
            Cow::Borrowed(piece.payload)
        } else {
            match self.assembly.get_or_insert_default().control(&piece) {
                Some(payload) => Cow::Owned(payload),
                None => return Ok(None),
            }
        };
        self.give_back();
        self.control_event(opcode, payload, out).map(Some)
    }

    /// Frees the assembly when nothing is in pieces any more.
    fn give_back(&mut self) {
        if self.assembly.as_ref().is_some_and(|assembly| assembly.is_empty()) {
            self.assembly = None;
        }
    }

    /// What a whole control frame means, with the reply that it asks for.
    fn control_event<'b>(
        &mut self,
        opcode: Opcode,
        payload: Cow<'b, [u8]>,
        out: &mut Outbox,
    ) -> Result<Event<'b>, Violation> {
        if opcode == Opcode::Close {
            let frame = match &payload {
                Cow::Borrowed(body) => CloseFrame::parse(body)?,
                Cow::Owned(body) => CloseFrame::parse(body)?.map(CloseFrame::into_owned),
            };
            self.answer_close(frame.as_ref(), out);
            return Ok(Event::Close(frame));
        }
        if opcode == Opcode::Pong {
            return Ok(Event::Pong(payload));
        }
        // §5.5.2: "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response,
        // unless it already received a Close frame."
        out.push_pong(self.header(Opcode::Pong, true, &payload), &payload);
        Ok(Event::Ping(payload))
    }

    fn answer_close(&mut self, frame: Option<&CloseFrame<'_>>, out: &mut Outbox) {
        // §5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame,
        // the endpoint MUST send a Close frame in response." It "typically echos the status code".
        if self.phase == Phase::Open {
            self.send_close(frame.map(|frame| frame.code), "", out);
        }
        self.shut();
    }

    /// §7.1.7: _Fail the WebSocket Connection_. The rest of what came is ignored.
    #[cold]
    fn violated(
        &mut self,
        violation: Violation,
        input: &mut Input<'_>,
        out: &mut Outbox,
    ) -> Violation {
        input.take_rest();
        self.fail(violation.close_code(), out);
        violation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::FrameError;
    use crate::{Client, CloseCode, Limits, Server};

    const KEY: [u8; 4] = [0, 0, 0, 0];

    fn server() -> (WebSocket<Server>, Outbox) {
        (WebSocket::server(&Limits::default()), Outbox::new(&Limits::default()))
    }

    fn client() -> (WebSocket<Client>, Outbox) {
        (WebSocket::client(&Limits::default(), || KEY), Outbox::new(&Limits::default()))
    }

    fn written(out: &Outbox) -> Vec<u8> {
        out.slices().flatten().copied().collect()
    }

    fn next<R: Role>(
        ws: &mut WebSocket<R>,
        bytes: &[u8],
        out: &mut Outbox,
    ) -> Result<Option<Event<'static>>, Violation> {
        let mut bytes = bytes.to_vec();
        ws.next(&mut Input::new(&mut bytes), out).map(|event| event.map(Event::into_owned))
    }

    fn close_event(code: CloseCode, reason: &str) -> Result<Option<Event<'_>>, Violation> {
        Ok(Some(Event::Close(Some(CloseFrame { code, reason: Cow::Borrowed(reason) }))))
    }

    #[test]
    fn s5_1_client_masks_with_the_callers_key() {
        let mut out = Outbox::new(&Limits::default());
        let mut ws = WebSocket::client(&Limits::default(), || [0x37, 0xfa, 0x21, 0x3d]);
        ws.text("Hello", &mut out).unwrap();
        assert_eq!(written(&out), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    }

    #[test]
    fn s5_5_2_ping_is_answered_with_its_payload() {
        let (mut ws, mut out) = client();
        let ping = next(&mut ws, b"\x89\x05Hello", &mut out);
        assert_eq!(ping, Ok(Some(Event::Ping(b"Hello".into()))));
        assert_eq!(written(&out), b"\x8a\x85\0\0\0\0Hello");
    }

    #[test]
    fn s5_5_2_ping_is_answered_after_a_close_was_sent_but_not_after_one_came() {
        let (mut ws, mut out) = client();
        ws.close(CloseCode::NORMAL, "", &mut out);
        next(&mut ws, b"\x89\x00", &mut out).unwrap();
        assert_eq!(written(&out), b"\x88\x82\0\0\0\0\x03\xe8\x8a\x80\0\0\0\0");
        next(&mut ws, b"\x88\x00", &mut out).unwrap();
        out.clear();
        assert_eq!(next(&mut ws, b"\x89\x00", &mut out), Ok(None));
        assert!(out.is_empty());
    }

    #[test]
    fn s5_5_3_a_pong_is_only_reported() {
        let (mut ws, mut out) = client();
        assert_eq!(next(&mut ws, b"\x8a\x01p", &mut out), Ok(Some(Event::Pong(b"p".into()))));
        assert!(out.is_empty());
    }

    #[test]
    fn s5_5_1_close_is_answered_with_its_code() {
        let (mut ws, mut out) = client();
        let close = next(&mut ws, b"\x88\x05\x0f\xa0bye", &mut out);
        assert_eq!(close, close_event(CloseCode::new(4000).unwrap(), "bye"));
        assert_eq!(written(&out), b"\x88\x82\0\0\0\0\x0f\xa0");
        assert!(ws.is_closed() && !ws.wants_read());
        assert_eq!(ws.end_of_stream(), Ok(()));
    }

    #[test]
    fn s5_5_1_close_without_a_code_is_answered_without_one() {
        let (mut ws, mut out) = server();
        assert_eq!(next(&mut ws, b"\x88\x80\0\0\0\0", &mut out), Ok(Some(Event::Close(None))));
        assert_eq!(written(&out), b"\x88\x00");
    }

    #[test]
    fn s5_5_1_close_crossing_close() {
        let (mut ws, mut out) = client();
        ws.close(CloseCode::GOING_AWAY, "lunch", &mut out);
        assert!(!ws.is_closed() && ws.wants_read());
        out.clear();
        let close = next(&mut ws, b"\x88\x02\x03\xe8", &mut out);
        assert_eq!(close, close_event(CloseCode::NORMAL, ""));
        assert!(ws.is_closed() && out.is_empty(), "the second Close is the answer to the first");
    }

    #[test]
    fn s5_5_1_data_still_comes_after_a_close_was_sent() {
        let (mut ws, mut out) = client();
        ws.close(CloseCode::NORMAL, "", &mut out);
        assert_eq!(next(&mut ws, b"\x82\x01a", &mut out), Ok(Some(Event::Binary(b"a".into()))));
    }

    #[test]
    fn s5_5_1_nothing_counts_after_the_close() {
        let (mut ws, mut out) = client();
        let mut bytes = *b"\x88\x00\x81\x01a\xff\xff";
        let mut input = Input::new(&mut bytes);
        assert_eq!(ws.next(&mut input, &mut out), Ok(Some(Event::Close(None))));
        assert_eq!(ws.next(&mut input, &mut out), Ok(None));
        assert!(input.is_empty(), "the rest is consumed");
    }

    #[test]
    fn s7_1_5_an_end_without_close_is_abnormal() {
        let (mut ws, _) = server();
        assert!(ws.end_of_stream().is_err());
        assert!(ws.is_closed());
    }

    #[test]
    fn s7_1_7_a_violation_sends_close_once_and_ignores_the_rest() {
        let (mut ws, mut out) = server();
        let mut bytes = *b"\x81\x01a\x81\x80\0\0\0\0";
        let mut input = Input::new(&mut bytes);
        let unmasked = Violation::Frame(FrameError::Unmasked);
        assert_eq!(ws.next(&mut input, &mut out), Err(unmasked));
        assert!(input.is_empty() && ws.is_closed());
        assert_eq!(written(&out), b"\x88\x02\x03\xea");
        assert_eq!(next(&mut ws, b"\x81\x01a", &mut out), Ok(None));
        assert_eq!(written(&out), b"\x88\x02\x03\xea");
    }

    #[test]
    fn s7_1_7_a_violation_after_close_sends_no_second_close() {
        let (mut ws, mut out) = server();
        ws.close(CloseCode::NORMAL, "", &mut out);
        out.clear();
        assert!(next(&mut ws, b"\x81\x01a", &mut out).is_err());
        assert!(out.is_empty() && ws.is_closed());
    }
}
