//! `websocket-sans-io`: headers and masks, nothing else. What makes messages of them is its user's.

use std::io::IoSlice;

use websocket_sans_io::{
    FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEncoder, WebsocketFrameEvent,
};

use crate::contender::{Contender, Failure, Work};
use crate::job::{Group, Job, Receive, Send, Side};
use crate::stream::Sink;
use crate::works::{InPlace, Seen, Sends, in_place, sending};

pub struct WebsocketSansIo;

impl Contender for WebsocketSansIo {
    fn name(&self) -> &'static str {
        "websocket-sans-io"
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "parses in place, as dormouse does; masks with its default chunks of 32 bytes",
            "knows frames only: the adapter shows a payload that came in one piece, and puts one \
             together that came in several",
            "has no opening handshake and no compression",
        ]
    }

    fn lacks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::ReceiveBinary | Group::ReceiveBurst | Group::ReceiveBytewise => {
                &["checks nothing: no masks, control frames, lengths, fragments or limits"]
            }
            Group::ReceiveAscii | Group::ReceiveMultiByte => &[
                "checks nothing: no masks, control frames, lengths, fragments or limits",
                "does not check that text is UTF-8",
            ],
            Group::SendBinary | Group::SendText | Group::SendClient => {
                &["checks nothing: whether a Close was sent, whether the frame may come now"]
            }
            Group::Handshake | Group::EchoCompressed => &[],
        }
    }

    fn remarks(&self, group: Group) -> &'static [&'static str] {
        match group {
            Group::SendBinary | Group::SendText => {
                &["writes the payload where it is: nothing is copied"]
            }
            Group::SendClient => &["masks the payload where it is: its user's buffer is changed"],
            _ => &[],
        }
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        match job {
            Job::Receive(job) => Some(in_place::<Receiver>(job)),
            Job::Send(job) => Some(sending::<Sender>(job)),
            Job::Accept | Job::Echo(_) => None,
        }
    }
}

#[derive(Default)]
struct Receiver {
    decoder: WebsocketFrameDecoder,
    /// How long the payload of the current frame is, and what of it has not come.
    len: u64,
    left: u64,
    is_open: bool,
    /// The pieces of a payload that did not come in one.
    pieces: Vec<u8>,
}

impl InPlace for Receiver {
    fn new(_: &Receive) -> Self {
        Self::default()
    }

    #[inline(always)]
    fn parse(&mut self, read: &mut [u8], seen: &mut Seen<'_>) -> Result<(), Failure> {
        let (mut rest, mut whole): (&mut [u8], &[u8]) = (read, &[]);
        // The end of a frame takes no bytes, so it is asked for where it is due.
        while !rest.is_empty() || (self.is_open && self.left == 0) {
            let step = self.decoder.add_data(rest).map_err(Failure::of)?;
            let (taken, left) = rest.split_at_mut(step.consumed_bytes);
            rest = left;
            match &step.event {
                Some(WebsocketFrameEvent::Start { frame_info, .. }) => {
                    if !frame_info.is_reasonable() || !frame_info.fin {
                        return Err(Failure::of(frame_info));
                    }
                    (self.len, self.left) = (frame_info.payload_length, frame_info.payload_length);
                    self.is_open = true;
                    self.pieces.clear();
                    whole = &[];
                }
                Some(WebsocketFrameEvent::PayloadChunk { .. }) => {
                    self.left -= taken.len() as u64;
                    if taken.len() as u64 == self.len {
                        whole = taken;
                    } else {
                        self.pieces.extend_from_slice(taken);
                    }
                }
                Some(WebsocketFrameEvent::End { original_opcode, .. }) => {
                    self.is_open = false;
                    let payload = if self.pieces.is_empty() { whole } else { &self.pieces };
                    match original_opcode {
                        Opcode::Text => seen.text(payload),
                        Opcode::Binary => seen.binary(payload),
                        other => return Err(Failure::of(other)),
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

struct Sender {
    encoder: WebsocketFrameEncoder,
    frame: FrameInfo,
    side: Side,
    payload: &'static [u8],
    /// A client masks its payload where it is.
    own: Vec<u8>,
    sink: Sink,
}

impl Sends for Sender {
    fn new(job: &Send, sink: Sink) -> Result<Self, Failure> {
        let frame = FrameInfo {
            opcode: if job.kind.is_text() { Opcode::Text } else { Opcode::Binary },
            payload_length: job.payload.len() as u64,
            mask: None,
            fin: true,
            reserved: 0,
        };
        let (payload, own) = (job.payload, job.payload.to_vec());
        Ok(Self {
            encoder: WebsocketFrameEncoder::new(),
            frame,
            side: job.side,
            payload,
            own,
            sink,
        })
    }

    fn send(&mut self, times: u32) -> Result<(), Failure> {
        (0..times).for_each(|_| self.one());
        Ok(())
    }

    fn restore(&mut self) {
        self.own.copy_from_slice(self.payload);
    }
}

impl Sender {
    #[inline]
    fn one(&mut self) {
        self.frame.mask = (self.side == Side::Client).then(rand::random);
        let header = self.encoder.start_frame(&self.frame);
        let payload = if self.encoder.transform_needed() {
            self.encoder.transform_frame_payload(&mut self.own);
            &self.own
        } else {
            self.payload
        };
        self.sink.write_slices(&[IoSlice::new(&header), IoSlice::new(payload)]);
    }
}
