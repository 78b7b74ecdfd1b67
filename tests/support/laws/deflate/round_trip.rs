//! What a `Deflater` sends is what an `Inflater` receives (RFC 7692 §7.2).

use arbitrary::{Arbitrary, Unstructured};
use dormouse::deflate::{Deflater, Inflater};
use dormouse::{Client, Event, Limits, Outbox, Prepared, Role, SendError, Server, WebSocket};
use flate2::Decompress;

use super::super::super::driver::run_compressed;
use super::super::super::inflate::Naive;
use super::super::super::oracle::Reader;
use super::super::super::{KEY, waiting};
use super::super::portions;
use super::super::streams::WHOLE;
use super::stretch;

/// What an outbox holds here: a few of the larger messages.
const OUTBOX: u32 = 2000;

/// Messages end when they are longer than this.
const MOST: usize = 10_000;

/// Messages up to this size are taken.
const LIMIT: usize = 1 << 20;

/// What the sending side has chosen.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Setting {
    pub takeover: bool,
    #[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(8..=16))]
    pub bits: u8,
    pub level: u8,
    pub threshold: u8,
}

#[derive(Arbitrary, Clone, Debug)]
pub enum Act {
    Text(Message),
    Binary(Message),
    /// Compressed or plain, whichever comes out.
    Prepared(Message),
    /// Sent without the deflater.
    Plain(String),
    Ping(u8),
    /// All that waits is written.
    Write,
}

/// A seed, again and again, with something between that is never the same.
#[derive(Arbitrary, Clone, Debug)]
pub struct Message {
    seed: String,
    times: u8,
    noise: u8,
}

impl Message {
    fn text(&self) -> String {
        let mut text = String::new();
        let mut state = u32::from(self.noise);
        for _ in 0..self.times {
            if text.len() > MOST {
                break;
            }
            text.push_str(&self.seed);
            for _ in 0..self.noise % 16 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push(char::from(b' ' + (state >> 24) as u8 % 95));
            }
        }
        text
    }
}

pub fn target(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let (Ok(setting), Ok(is_server)) = (u.arbitrary(), u.arbitrary::<bool>()) else { return };
    let Ok(portions) = portions(&mut u) else { return };
    let Ok(acts) = u.arbitrary::<Vec<Act>>() else { return };
    let limits = Limits { outbox: OUTBOX, ..Limits::default() };
    if is_server {
        let ws = WebSocket::<Server>::server(&limits);
        let send =
            |ws: &mut WebSocket<Server>, shared: &Prepared, out: &mut Outbox| ws.send(shared, out);
        what_is_sent_arrives(ws, send, Reader::Client, setting, &acts, &portions);
    } else {
        let ws = WebSocket::<Client>::client(&limits, || KEY);
        let send = |_: &mut WebSocket<Client>, _: &Prepared, _: &mut Outbox| Err(SendError::Closed);
        what_is_sent_arrives(ws, send, Reader::Server, setting, &acts, &portions);
    }
}

/// What was sent without an error arrives, in order and as it was, and nothing else; no message refers
/// to more than the window that was agreed; and others can inflate it.
fn what_is_sent_arrives<R: Role>(
    mut ws: WebSocket<R>,
    send: impl Fn(&mut WebSocket<R>, &Prepared, &mut Outbox) -> Result<(), SendError>,
    reader: Reader,
    setting: Setting,
    acts: &[Act],
    portions: &[usize],
) {
    let mut out = Outbox::new(&Limits { outbox: OUTBOX, ..Limits::default() });
    let Setting { takeover, bits, level, threshold } = setting;
    let deflater = Deflater::with_level(takeover, bits, level);
    let mut deflater = deflater.threshold(usize::from(threshold));
    let (mut room, mut stream, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    for act in acts.iter().take(60) {
        let (event, result) = match act {
            Act::Text(message) => {
                let text = message.text();
                let result = deflater.text(&mut ws, &text, &mut room, &mut out);
                (Event::Text(text.into()), result)
            }
            Act::Binary(message) => {
                let bytes = message.text().into_bytes();
                let result = deflater.binary(&mut ws, &bytes, &mut room, &mut out);
                (Event::Binary(bytes.into()), result)
            }
            Act::Prepared(message) => {
                let text = message.text();
                let shared = deflater.prepare_text(&text, &mut room);
                (Event::Text(text.into()), send(&mut ws, &shared, &mut out))
            }
            Act::Plain(text) => (Event::Text(text.clone().into()), ws.text(text, &mut out)),
            Act::Ping(byte) => (Event::Ping(vec![*byte].into()), ws.ping(&[*byte], &mut out)),
            Act::Write => {
                stream.extend(waiting(&out));
                out.clear();
                continue;
            }
        };
        if result.is_ok() {
            sent.push(event);
        }
    }
    stream.extend(waiting(&out));
    arrives(setting, reader, &stream, &sent, portions);
}

fn arrives(
    setting: Setting,
    reader: Reader,
    stream: &[u8],
    sent: &[Event<'_>],
    portions: &[usize],
) {
    let takeover = setting.takeover;
    let mut naive = Naive::new(takeover);
    let mut other = Decompress::new(false);
    for portions in [WHOLE, portions, &[1]] {
        let (mut inflater, mut room) = (Inflater::new(takeover), Vec::new());
        let mut inflate = |event: Event<'_>| {
            if let (Event::Compressed(message), true) = (&event, portions == WHOLE) {
                let bytes = naive.message(&message.payload, LIMIT).expect("a message in order");
                if !takeover {
                    other.reset(false);
                }
                assert_eq!(stretch(&mut other, &message.payload, bytes.len()), bytes);
            }
            let event = inflater.inflate(event, &mut room).map(Event::into_owned);
            event.map_err(|error| error.close_code())
        };
        let story = run_compressed(&mut inflate, stream, reader, LIMIT, portions);
        assert_eq!(story.events, sent, "in {portions:?} with {setting:?}");
        assert_eq!((story.violation, story.spoiled), (None, None));
    }
    // §7.1.2: "an endpoint [...] MUST NOT use" a larger window than was agreed.
    let window = 1 << setting.bits;
    assert!(naive.reach <= window, "refers back {} bytes with {setting:?}", naive.reach);
}
