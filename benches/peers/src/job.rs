//! What the contenders are asked to do: groups, sizes, payloads and frames, the same for everybody.

use dormouse::wire::{FrameHeader, MAX_HEADER_LEN, Opcode, Rsv, mask};

use crate::stream::Feed;

mod compressed;

pub use compressed::{Echo, LEVEL};

/// The request of a Chromium, for the handshake.
pub const REQUEST: &[u8] =
    include_bytes!("../../../tests/data/upgrade-requests/chromium.http").as_slice();
/// What the answer to [`REQUEST`] has to hold.
pub const ACCEPT: &str = "VMieI0OLzP3XVSNJezS2k6Wq2X0=";
/// The subprotocol that the server selects from those of [`REQUEST`].
pub const PROTOCOL: &str = "mail.v1";

/// How many buffers are received into in turn: a buffer that was stored to a moment ago would
/// measure the processor's store buffer instead.
pub const BUFFERS: usize = 16;

const SIZES: &[usize] = &[0, 16, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024];
const BURST_SIZES: &[usize] = &[0, 16, 125, 1024];
const BYTEWISE_SIZES: &[usize] = &[125, 1024];
/// How many messages come with one read of a burst.
const BURST: usize = 16;
const BINARY_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Jobs that differ only in the size of their messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// A server receives binary messages, each with a read of its own.
    ReceiveBinary,
    /// The same with ASCII text.
    ReceiveAscii,
    /// The same with text of two and three bytes a character.
    ReceiveMultiByte,
    /// A server receives sixteen binary messages with one read.
    ReceiveBurst,
    /// A server receives a binary message byte by byte.
    ReceiveBytewise,
    /// A server sends a binary message, and flushes.
    SendBinary,
    /// The same with ASCII text.
    SendText,
    /// A client sends a binary message, masked, and flushes.
    SendClient,
    /// A server answers an opening handshake.
    Handshake,
    /// A server inflates a message, and sends it back deflated.
    EchoCompressed,
}

impl Group {
    /// Every group, in the order in which they run.
    pub const ALL: [Self; 10] = [
        Self::ReceiveBinary,
        Self::ReceiveAscii,
        Self::ReceiveMultiByte,
        Self::ReceiveBurst,
        Self::ReceiveBytewise,
        Self::SendBinary,
        Self::SendText,
        Self::SendClient,
        Self::Handshake,
        Self::EchoCompressed,
    ];

    /// The name that selects it: `--only NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReceiveBinary => "receive_binary",
            Self::ReceiveAscii => "receive_ascii",
            Self::ReceiveMultiByte => "receive_multi_byte",
            Self::ReceiveBurst => "receive_burst",
            Self::ReceiveBytewise => "receive_bytewise",
            Self::SendBinary => "send_binary",
            Self::SendText => "send_text",
            Self::SendClient => "send_client",
            Self::Handshake => "handshake",
            Self::EchoCompressed => "echo_compressed",
        }
    }

    /// What the figures are about.
    pub fn title(self) -> &'static str {
        match self {
            Self::ReceiveBinary => "a server receives one masked binary message with one read",
            Self::ReceiveAscii => "a server receives one masked ASCII text with one read",
            Self::ReceiveMultiByte => "a server receives one masked multi-byte text with one read",
            Self::ReceiveBurst => {
                "a server receives sixteen masked binary messages with one read, for each"
            }
            Self::ReceiveBytewise => {
                "a server receives one masked binary message byte by byte, for each byte"
            }
            Self::SendBinary => "a server sends one binary message, and flushes",
            Self::SendText => "a server sends one ASCII text, and flushes",
            Self::SendClient => "a client sends one binary message with a random key, and flushes",
            Self::Handshake => "a server reads the request of a Chromium and writes the 101",
            Self::EchoCompressed => {
                "a server inflates a text, and sends it back deflated, no context kept"
            }
        }
    }

    /// The one of the floors that figures are given as a multiple of.
    pub fn floor(self) -> &'static str {
        match self {
            Self::ReceiveBinary | Self::ReceiveBurst | Self::ReceiveBytewise => "XOR in place",
            Self::ReceiveAscii | Self::ReceiveMultiByte => "XOR + simdutf8",
            Self::SendBinary | Self::SendText => "copy and write",
            Self::SendClient => "copy, XOR and write",
            Self::Handshake => "httparse + sha1 + base64",
            Self::EchoCompressed => "zlib-rs alone",
        }
    }

    /// Whether messages are received.
    pub fn receives(self) -> bool {
        matches!(
            self,
            Self::ReceiveBinary
                | Self::ReceiveAscii
                | Self::ReceiveMultiByte
                | Self::ReceiveBurst
                | Self::ReceiveBytewise
        )
    }

    /// Its jobs, the smallest first.
    pub fn jobs(self) -> Vec<Job> {
        self.sizes().iter().map(|&size| self.job(size, 0)).collect()
    }

    /// The sizes of its messages in bytes, the smallest first.
    pub fn sizes(self) -> &'static [usize] {
        match self {
            Self::ReceiveBurst => BURST_SIZES,
            Self::ReceiveBytewise => BYTEWISE_SIZES,
            Self::Handshake => const { &[REQUEST.len()] },
            Self::EchoCompressed => &[1024],
            _ => SIZES,
        }
    }

    /// Its job with messages of `size` bytes. A payload to send begins `offset` bytes into its
    /// allocation: where bytes lie decides how fast they are copied.
    pub fn job(self, size: usize, offset: usize) -> Job {
        match self {
            Self::ReceiveBinary => Job::Receive(Receive::new(Kind::Binary, size, 1, Pace::Whole)),
            Self::ReceiveAscii => Job::Receive(Receive::new(Kind::Ascii, size, 1, Pace::Whole)),
            Self::ReceiveMultiByte => {
                Job::Receive(Receive::new(Kind::MultiByte, size, 1, Pace::Whole))
            }
            Self::ReceiveBurst => {
                Job::Receive(Receive::new(Kind::Binary, size, BURST, Pace::Whole))
            }
            Self::ReceiveBytewise => {
                Job::Receive(Receive::new(Kind::Binary, size, 1, Pace::Bytewise))
            }
            Self::SendBinary => Job::Send(Send::new(Kind::Binary, size, offset, Side::Server)),
            Self::SendText => Job::Send(Send::new(Kind::Ascii, size, offset, Side::Server)),
            Self::SendClient => Job::Send(Send::new(Kind::Binary, size, offset, Side::Client)),
            Self::Handshake => Job::Accept,
            Self::EchoCompressed => Job::Echo(Echo::new(size)),
        }
    }
}

/// What there is to do.
pub enum Job {
    /// Receive messages.
    Receive(Receive),
    /// Send a message.
    Send(Send),
    /// Answer an opening handshake.
    Accept,
    /// Answer a compressed message with itself.
    Echo(Echo),
}

impl Job {
    /// The bytes of a message, or of the request: what the columns of a table say.
    pub fn size(&self) -> usize {
        match self {
            Self::Receive(job) => job.payload.len(),
            Self::Send(job) => job.payload.len(),
            Self::Accept => REQUEST.len(),
            Self::Echo(job) => job.text.len(),
        }
    }

    /// By how much the time of one go is divided: the messages of a burst, or the bytes of a frame
    /// that is fed byte by byte.
    pub fn parts(&self) -> usize {
        match self {
            Self::Receive(job) if job.pace == Pace::Bytewise => job.unit().len(),
            Self::Receive(job) => job.messages,
            _ => 1,
        }
    }
}

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes.
    Binary,
    /// Text of one byte a character.
    Ascii,
    /// Text of one, two and three bytes a character.
    MultiByte,
}

impl Kind {
    /// Whether it goes as a text message.
    pub fn is_text(self) -> bool {
        self != Self::Binary
    }

    fn opcode(self) -> Opcode {
        if self.is_text() { Opcode::Text } else { Opcode::Binary }
    }

    /// A binary payload is masked and unmasked in turn where that is done in place. Text has to stay
    /// text, so its key is zero, which is the same work.
    fn key(self) -> [u8; 4] {
        if self.is_text() { [0; 4] } else { BINARY_KEY }
    }

    fn payload(self, len: usize) -> Vec<u8> {
        match self {
            Self::Binary => (0..len).map(|i| (i * 31) as u8).collect(),
            Self::Ascii => b"a mouse asleep, ".iter().copied().cycle().take(len).collect(),
            Self::MultiByte => {
                let text = "соня спит зимой, ヤマネは冬眠する ";
                let mut text: Vec<u8> = text.bytes().cycle().take(len).collect();
                while std::str::from_utf8(&text).is_err() {
                    text.pop();
                }
                text.resize(len, b'.');
                text
            }
        }
    }
}

/// How the bytes of a read come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// All with one read.
    Whole,
    /// Each with a read of its own, and nothing after it but "would block".
    Bytewise,
}

impl Pace {
    /// The most that one read brings.
    pub fn step(self) -> usize {
        match self {
            Self::Whole => usize::MAX,
            Self::Bytewise => 1,
        }
    }
}

/// Messages to receive as a server.
pub struct Receive {
    /// What they are made of.
    pub kind: Kind,
    /// What each of them holds.
    pub payload: Vec<u8>,
    /// How many come together.
    pub messages: usize,
    /// How their bytes come.
    pub pace: Pace,
}

impl Receive {
    fn new(kind: Kind, size: usize, messages: usize, pace: Pace) -> Self {
        Self { kind, payload: kind.payload(size), messages, pace }
    }

    /// The masking key of every frame.
    pub fn key(&self) -> [u8; 4] {
        self.kind.key()
    }

    /// The frames that come together.
    pub fn unit(&self) -> Vec<u8> {
        frame(self.kind.opcode(), Some(self.key()), Rsv::NONE, &self.payload).repeat(self.messages)
    }

    /// What arrives.
    pub fn feed(&self) -> Feed {
        Feed::new(vec![self.unit(); BUFFERS], self.pace)
    }
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Unmasked.
    Server,
    /// Masked with a new key each time.
    Client,
}

/// A message to send.
pub struct Send {
    /// What it is made of.
    pub kind: Kind,
    /// What it holds. It lives as long as the program, so that those who take `Bytes` get them for
    /// nothing.
    pub payload: &'static [u8],
    /// Who sends it.
    pub side: Side,
}

impl Send {
    fn new(kind: Kind, size: usize, offset: usize, side: Side) -> Self {
        let mut bytes = vec![0; offset];
        bytes.extend(kind.payload(size));
        Self { kind, payload: &bytes.leak()[offset..], side }
    }

    /// The payload of a text message.
    pub fn text(&self) -> &'static str {
        std::str::from_utf8(self.payload).unwrap_or_default()
    }

    /// The frame that has to come out, if it is masked with `key`.
    pub fn frame(&self, key: Option<[u8; 4]>) -> Vec<u8> {
        frame(self.kind.opcode(), key, Rsv::NONE, self.payload)
    }
}

/// One frame with all of a message.
fn frame(opcode: Opcode, key: Option<[u8; 4]>, rsv: Rsv, payload: &[u8]) -> Vec<u8> {
    let payload_len = payload.len() as u64;
    let header = FrameHeader { fin: true, rsv, opcode, mask: key, payload_len };
    let mut frame = header.encode(&mut [0; MAX_HEADER_LEN]).to_vec();
    let payload_at = frame.len();
    frame.extend_from_slice(payload);
    if let Some(key) = key {
        mask::apply(&mut frame[payload_at..], key);
    }
    frame
}
