//! What compressed messages are, whatever the reads, and what they cost (RFC 7692 §6, §7.2.2).

use arbitrary::{Arbitrary, Unstructured};
use dormouse::Event;
use dormouse::deflate::{InflateError, Inflater};
use flate2::FlushCompress;

use super::super::super::driver::run_compressed;
use super::super::super::inflate::{Naive, Spoiled};
use super::super::super::oracle::{self, Reader};
use super::super::super::{BINARY, CONTINUATION, FIN, PING, RSV1, TEXT, frame};
use super::super::portions;
use super::super::streams::WHOLE;
use super::{squeeze, squeezer};

/// The first room for a message (see `Inflater`).
const FIRST_ROOM: usize = 4096;

/// A connection with compression gives the same events, replies and end in `portions`, byte by byte and
/// at once, and those are the oracle's. Whatever it was asked to inflate, the room stays within `limit`.
pub fn any_partition(
    takeover: bool,
    reader: Reader,
    limit: usize,
    bytes: &[u8],
    portions: &[usize],
) {
    let by_the_book = oracle::read_compressed(&mut Naive::new(takeover), bytes, reader, limit);
    for portions in [WHOLE, portions, &[1]] {
        let (mut inflater, mut room) = (Inflater::new(takeover), Vec::new());
        let mut inflate = |event: Event<'_>| {
            let event = inflater.inflate(event, &mut room).map(Event::into_owned);
            assert!(room.capacity() <= limit, "{} bytes of room", room.capacity());
            event.map_err(|error| error.close_code())
        };
        let story = run_compressed(&mut inflate, bytes, reader, limit, portions);
        assert_eq!(story, by_the_book, "in {portions:?}");
    }
}

/// One message by itself: the bytes and the error are those of the naive inflater, also in a room that
/// another connection has left, with whatever is in it, and with a higher limit.
pub fn one_message(payload: &[u8], limit: usize) {
    let by_the_book = Naive::new(false).message(payload, limit);
    let bytes = frame(FIN | RSV1 | BINARY, None, payload);
    for used in [0, limit / 2 + 1, 3 * FIRST_ROOM] {
        let (mut inflater, mut room) = (Inflater::new(false), vec![0xAA; used]);
        let mut error = None;
        let mut inflate = |event: Event<'_>| {
            let inflated = inflater.inflate(event, &mut room).map(Event::into_owned);
            inflated.inspect_err(|&wrong| error = Some(wrong)).map_err(|error| error.close_code())
        };
        let story = run_compressed(&mut inflate, &bytes, Reader::Client, limit, WHOLE);
        let error = error.map(|error| match error {
            InflateError::TooBig => Spoiled::TooBig,
            _ => Spoiled::Data,
        });
        match (&by_the_book, story.violation) {
            (_, Some(_)) => assert!(payload.len() > limit + limit / 8 + 64),
            (Ok(bytes), None) => {
                assert_eq!(story.events, [Event::Binary(bytes.as_slice().into())]);
            }
            (Err(spoiled), None) => assert_eq!(error, Some(*spoiled)),
        }
        assert!(room.len() <= limit.max(used));
    }
}

/// The longest message here: more than a room and less than a second.
const MOST: usize = 10_000;

/// What a peer sends next.
#[derive(Arbitrary, Debug)]
enum Step {
    Plain(String),
    Compressed {
        is_text: bool,
        bytes: Bytes,
        form: Form,
        cuts: Vec<u8>,
        ping: bool,
    },
    Ping(u8),
    /// Any first byte.
    Raw(u8, Vec<u8>),
}

/// Bytes that are worth compressing: some, again and again.
#[derive(Arbitrary, Debug)]
struct Bytes {
    seed: String,
    times: u8,
}

/// What a peer makes of them.
#[derive(Arbitrary, Debug)]
enum Form {
    /// As §7.2.1 has it, with a window of its own or that of the messages before.
    Flushed { level: u8, keeps_window: bool },
    /// Blocks that are flushed one by one (§7.2.3.5).
    Blocks { level: u8, size: u8 },
    /// A last block with BFINAL (§7.2.3.4), and the byte that belongs behind it, or none.
    Finished { level: u8, has_byte: bool },
    /// Stored as it is (§7.2.3.3).
    Stored { is_final: bool },
    /// In front of all this, and cut behind.
    Damaged { flip: u16, cut: u8 },
    /// Other bytes.
    Any(Vec<u8>),
}

pub fn target(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let limit = *u.choose(&[1 << 14, 0, 1, 5, 125, 1000, 4095, 4096, 5000]).unwrap_or(&0);
    let reader = *u.choose(&[Reader::Server, Reader::Client]).unwrap_or(&Reader::Server);
    let Ok(takeover) = u.arbitrary() else { return };
    let Ok(portions) = portions(&mut u) else { return };
    one_message(u.peek_bytes(u.len()).unwrap_or_default(), limit);
    let Ok(steps) = u.arbitrary::<Vec<Step>>() else { return };
    let mut writer = Writer { reader, squeezer: squeezer(6), bytes: Vec::new() };
    for step in steps.iter().take(12) {
        writer.step(step);
    }
    any_partition(takeover, reader, limit, &writer.bytes, &portions);
}

struct Writer {
    reader: Reader,
    squeezer: flate2::Compress,
    bytes: Vec<u8>,
}

impl Writer {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Plain(text) => self.frame(FIN | TEXT, text.as_bytes()),
            Step::Ping(byte) => self.frame(PING, &[*byte]),
            Step::Raw(first, payload) => self.frame(*first, payload),
            Step::Compressed { is_text, bytes, form, cuts, ping } => {
                let times = usize::from(bytes.times).min(MOST / bytes.seed.len().max(1));
                let payload = self.payload(bytes.seed.repeat(times).as_bytes(), form);
                let opcode = if *is_text { TEXT } else { BINARY };
                self.message(opcode | RSV1, &payload, cuts, *ping);
            }
        }
    }

    fn payload(&mut self, bytes: &[u8], form: &Form) -> Vec<u8> {
        let flushed = |squeezer: &mut flate2::Compress| {
            let mut payload = squeeze(squeezer, bytes, FlushCompress::Sync);
            let end = payload.split_off(payload.len().saturating_sub(4));
            if end == [0x00, 0x00, 0xff, 0xff] { payload } else { [payload, end].concat() }
        };
        match form {
            Form::Flushed { keeps_window: true, .. } => flushed(&mut self.squeezer),
            Form::Flushed { level, .. } => flushed(&mut squeezer(*level)),
            Form::Blocks { level, size } => {
                let mut squeezer = squeezer(*level);
                let blocks = bytes.chunks(usize::from(*size) + 1);
                let blocks = blocks.map(|block| squeeze(&mut squeezer, block, FlushCompress::Sync));
                blocks.chain([vec![0x00]]).collect::<Vec<_>>().concat()
            }
            Form::Finished { level, has_byte } => {
                let mut payload = squeeze(&mut squeezer(*level), bytes, FlushCompress::Finish);
                payload.extend(has_byte.then_some(0x00));
                payload
            }
            Form::Stored { is_final } => {
                let blocks = bytes.chunks(0xffff).map(|block| {
                    let len = (block.len() as u16).to_le_bytes();
                    [&[u8::from(*is_final)], &len[..], &len.map(|byte| !byte), block].concat()
                });
                blocks.chain([vec![0x00]]).collect::<Vec<_>>().concat()
            }
            Form::Damaged { flip, cut } => {
                let mut payload = flushed(&mut squeezer(6));
                let at = usize::from(flip >> 3) % payload.len().max(1);
                payload.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << (flip & 7));
                payload.truncate(payload.len().saturating_sub(usize::from(cut % 8)));
                payload
            }
            Form::Any(bytes) => bytes.clone(),
        }
    }

    /// A message in fragments, with pings between them.
    fn message(&mut self, opcode: u8, payload: &[u8], cuts: &[u8], ping: bool) {
        let (mut opcode, mut rest) = (opcode, payload);
        for &cut in cuts {
            let (fragment, behind) = rest.split_at(rest.len().min(usize::from(cut)));
            self.frame(opcode, fragment);
            (opcode, rest) = (CONTINUATION, behind);
            if ping {
                self.frame(PING, b"between");
            }
        }
        self.frame(FIN | opcode, rest);
    }

    fn frame(&mut self, first: u8, payload: &[u8]) {
        let key = (self.reader == Reader::Server).then_some([1, 2, 3, self.bytes.len() as u8]);
        self.bytes.extend(frame(first, key, payload));
    }
}
