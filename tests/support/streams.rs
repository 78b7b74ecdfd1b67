//! Random streams of frames: valid ones in every shape that §5 allows, and damaged ones.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::oracle::Reader;
use super::{
    BINARY, CLOSE, CONTINUATION, FIN, Form, PING, PONG, TEXT, close_body, frame, header_in_form,
};

/// How often a property is tried. `PROPTEST_CASES=2560` makes it ten times as often, for a long run.
pub fn config(cases: u32) -> ProptestConfig {
    let standard = ProptestConfig::default();
    let cases = cases.saturating_mul(standard.cases) / 256;
    ProptestConfig { cases, failure_persistence: None, ..standard }
}

/// A stream on its way to `reader`, who takes messages of up to `limit` bytes.
#[derive(Clone, Debug)]
pub struct Stream {
    pub reader: Reader,
    pub limit: usize,
    pub bytes: Vec<u8>,
}

/// Streams of a few hundred bytes at most, half of them damaged.
pub fn short_streams() -> impl Strategy<Value = Stream> {
    let len = prop_oneof![Just(0usize), 1..8usize, 8..40usize];
    streams(vec(steps(len, 0..=20), 0..8), prop_oneof![4 => Just(1 << 20), 1 => 0..40usize])
}

/// Streams with messages of every interesting size, half of them damaged.
pub fn long_streams() -> impl Strategy<Value = Stream> {
    let len = prop_oneof![
        2 => 0..300usize,
        2 => select(vec![0usize, 1, 124, 125, 126, 127, 128]),
        1 => select(vec![65_534usize, 65_535, 65_536, 65_537]),
        1 => 300..20_000usize,
    ];
    let limit =
        prop_oneof![3 => Just(1 << 20), 1 => 0..400usize, 1 => select(vec![65_535, 65_536])];
    streams(vec(steps(len, 0..=125), 0..8), limit)
}

/// Sizes of reads: also none, and never only none.
pub fn portions() -> impl Strategy<Value = Vec<usize>> {
    let portion = prop_oneof![4 => 0..6usize, 2 => 0..200usize, 1 => 0..5000usize];
    (vec(portion, 0..12), 1..40usize).prop_map(|(mut portions, last)| {
        portions.push(last);
        portions
    })
}

fn streams(
    steps: impl Strategy<Value = Vec<Step>>,
    limit: impl Strategy<Value = usize>,
) -> impl Strategy<Value = Stream> {
    let reader = select(vec![Reader::Server, Reader::Client]);
    let damages = prop_oneof![1 => Just(Vec::new()), 1 => vec(damage(), 1..3)];
    (reader, limit, steps, any::<u32>(), damages).prop_map(
        |(reader, limit, steps, seed, damages)| {
            let mut writer = Writer { reader, key: seed, bytes: Vec::new() };
            steps.iter().for_each(|step| writer.step(step));
            let mut bytes = writer.bytes;
            damages.iter().for_each(|damage| damage.apply(&mut bytes));
            Stream { reader, limit, bytes }
        },
    )
}

/// What a peer sends next.
#[derive(Clone, Debug)]
enum Step {
    /// A message, cut at `cuts` into fragments, each followed by its control frames.
    Message {
        first: u8,
        payload: Vec<u8>,
        cuts: Vec<Index>,
        between: Vec<Vec<Control>>,
    },
    Control(Control),
    /// A frame that is mostly wrong: any first byte, and a length in any form.
    Raw {
        first: u8,
        form: Form,
        payload: Vec<u8>,
        is_masked_wrongly: bool,
    },
}

type Control = (u8, Vec<u8>);

fn steps(
    len: impl Strategy<Value = usize>,
    control_len: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Step> {
    let payload = prop_oneof![
        10 => (vec(characters(), 1..12), len).prop_map(|(seed, len)| (TEXT, text_of(&seed, len))),
        8 => vec(any::<u8>(), 0..30).prop_map(|bytes| (BINARY, bytes)),
        1 => vec(any::<u8>(), 0..6).prop_map(|bytes| (TEXT, bytes)),
    ];
    let between = vec(vec(control(control_len.clone(), 1), 0..2), 0..3);
    let cuts = prop_oneof![Just(Vec::new()), vec(any::<Index>(), 0..5)];
    let message = (payload, cuts, between).prop_map(|((first, payload), cuts, between)| {
        Step::Message { first, payload, cuts, between }
    });
    let form = select(vec![Form::Short, Form::Medium, Form::Long]);
    let raw = (any::<u8>(), form, vec(any::<u8>(), 0..8), prop::bool::weighted(0.2)).prop_map(
        |(first, form, payload, is_masked_wrongly)| Step::Raw {
            first,
            form,
            payload,
            is_masked_wrongly,
        },
    );
    prop_oneof![20 => message, 6 => control(control_len, 3).prop_map(Step::Control), 1 => raw]
}

/// Characters of every length, with those at the edges of the lengths.
fn characters() -> impl Strategy<Value = char> {
    let edges = "\0a\u{7F}\u{80}é\u{7FF}\u{800}€\u{D7FF}\u{E000}\u{FFFF}\u{10000}🐭\u{10FFFF}";
    prop_oneof![4 => select(edges.chars().collect::<Vec<_>>()), 1 => any::<char>()]
}

/// Exactly `len` bytes of text: the characters again and again, and padding where none fits.
fn text_of(seed: &[char], len: usize) -> Vec<u8> {
    let mut text = String::with_capacity(len);
    for character in seed.iter().cycle() {
        if text.len() + character.len_utf8() > len {
            break;
        }
        text.push(*character);
    }
    text.extend(std::iter::repeat_n('x', len - text.len()));
    text.into_bytes()
}

/// A ping or a pong; a Close in `closes` of ten cases or so.
fn control(len: std::ops::RangeInclusive<usize>, closes: u32) -> impl Strategy<Value = Control> {
    let code = prop_oneof![
        3 => select(vec![1000u16, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999]),
        1 => select(vec![0u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]),
        1 => any::<u16>(),
    ];
    let reason = prop_oneof![Just(""), Just("bye"), Just("é€🐭")];
    let body = prop_oneof![
        1 => Just(Vec::new()),
        1 => vec(any::<u8>(), 1),
        6 => (code, reason).prop_map(|(code, reason)| close_body(code, reason)),
        1 => vec(any::<u8>(), 0..5).prop_map(|tail| [&[0x03, 0xE8], &tail[..]].concat()),
    ];
    prop_oneof![
        5 => (Just(PING), vec(any::<u8>(), len.clone())),
        4 => (Just(PONG), vec(any::<u8>(), len)),
        closes => (Just(CLOSE), body),
    ]
}

/// Puts frames on the wire, masked with ever new keys if a server is to read them.
struct Writer {
    reader: Reader,
    key: u32,
    bytes: Vec<u8>,
}

impl Writer {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Message { first, payload, cuts, between } => {
                self.message(*first, payload, cuts, between);
            }
            Step::Control((first, payload)) => self.frame(*first, payload),
            Step::Raw { first, form, payload, is_masked_wrongly } => {
                let key = self.next_key();
                let wrong_key = key.xor(Some([1, 2, 3, 4]));
                let key = if *is_masked_wrongly { wrong_key } else { key };
                let len = payload.len() as u64;
                self.bytes.extend(header_in_form(*first, key, len, *form));
                self.bytes.extend(payload);
            }
        }
    }

    fn message(&mut self, first: u8, payload: &[u8], cuts: &[Index], between: &[Vec<Control>]) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(payload.len());
        let mut start = 0;
        for (number, &end) in ends.iter().enumerate() {
            let opcode = if number == 0 { first } else { CONTINUATION };
            let fin = if number + 1 == ends.len() { FIN } else { 0 };
            self.frame(fin | opcode, &payload[start..end]);
            start = end;
            if fin == 0 {
                for (first, payload) in between.get(number).into_iter().flatten() {
                    self.frame(*first, payload);
                }
            }
        }
    }

    fn frame(&mut self, first: u8, payload: &[u8]) {
        let key = self.next_key();
        self.bytes.extend(frame(first, key, payload));
    }

    fn next_key(&mut self) -> Option<[u8; 4]> {
        self.key = self.key.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.reader == Reader::Server).then(|| self.key.to_be_bytes())
    }
}

/// What a broken peer or a broken line does to a stream.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Drop(Index, usize),
    Insert(Index, u8),
    Truncate(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        (any::<Index>(), 1..4usize).prop_map(|(at, count)| Damage::Drop(at, count)),
        any::<(Index, u8)>().prop_map(|(at, byte)| Damage::Insert(at, byte)),
        any::<Index>().prop_map(Damage::Truncate),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: &Index| at.index(bytes.len() + 1);
        match self {
            Self::Flip(at, bit) => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bit;
                }
            }
            Self::Drop(at, count) => {
                let at = place(at);
                bytes.drain(at..bytes.len().min(at + count));
            }
            Self::Insert(at, byte) => bytes.insert(place(at), *byte),
            Self::Truncate(at) => bytes.truncate(place(at)),
        }
    }
}
