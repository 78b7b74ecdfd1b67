//! A connection of either side, for what has to hold for servers and clients alike.

use dormouse::{
    AbnormalClosure, Client, CloseCode, Input, Limits, Outbox, SendError, Server, Violation,
    WebSocket,
};

use super::{KEY, ZERO_KEY, frame, header};

/// What the heap of a connection is made of, in bytes on a 64-bit machine, besides the bytes of its
/// messages. The box of a message in pieces:
pub const ASSEMBLY: isize = 64;
/// The first bytes of its buffer.
pub const SMALLEST: isize = 16;
/// A control frame in pieces: up to 125 bytes in a buffer that doubles.
pub const CONTROL: isize = 2 * 125;
/// One of a few bytes.
pub const SHORT_CONTROL: isize = 8;
/// The two boxes of a queue.
pub const QUEUE: isize = 128;
/// A Close with a code, in a buffer with room for the longest header.
pub const CLOSE_FRAME: isize = 2 + 14;
/// Sixteen pongs in full and one that can be replaced, each with room for the longest header, and the
/// first places of the list that says where the last one belongs.
pub const PONGS: isize = 17 * (125 + 14) + 4 * 32;

/// The side that is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Server,
    Client,
}

pub const BOTH: &[Side] = &[Side::Server, Side::Client];

impl Side {
    /// What masks the frames that come to this side (§5.1).
    pub fn key(self) -> Option<[u8; 4]> {
        (self == Self::Server).then_some(KEY)
    }

    /// A frame on its way to this side.
    pub fn frame(self, first: u8, payload: &[u8]) -> Vec<u8> {
        frame(first, self.key(), payload)
    }

    /// The header of one that declares `len` bytes.
    pub fn header(self, first: u8, len: u64) -> Vec<u8> {
        header(first, self.key(), len)
    }
}

/// A `WebSocket` of either side with an outbox of its own.
pub struct Connection {
    ws: Either,
    pub out: Outbox,
}

enum Either {
    Server(WebSocket<Server>),
    Client(WebSocket<Client>),
}

/// The same call on whichever side it is.
macro_rules! either {
    ($connection:expr, $ws:ident => $call:expr) => {
        match &mut $connection.ws {
            Either::Server($ws) => $call,
            Either::Client($ws) => $call,
        }
    };
}

impl Connection {
    pub fn new(side: Side, limits: &Limits) -> Self {
        let ws = match side {
            Side::Server => Either::Server(WebSocket::server(limits)),
            Side::Client => Either::Client(WebSocket::client(limits, || ZERO_KEY)),
        };
        Self { ws, out: Outbox::new(limits) }
    }

    /// Takes all that one read has brought, and says how many events there were. They are dropped.
    pub fn read(&mut self, read: &mut [u8]) -> Result<usize, Violation> {
        let mut input = Input::new(read);
        let mut events = 0;
        while either!(self, ws => ws.next(&mut input, &mut self.out))?.is_some() {
            events += 1;
        }
        assert!(input.is_empty(), "every byte is consumed");
        Ok(events)
    }

    pub fn binary(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        either!(self, ws => ws.binary(bytes, &mut self.out))
    }

    pub fn close(&mut self) {
        either!(self, ws => ws.close(CloseCode::NORMAL, "", &mut self.out));
    }

    pub fn end_of_stream(&mut self) -> Result<(), AbnormalClosure> {
        either!(self, ws => ws.end_of_stream())
    }

    pub fn is_closed(&mut self) -> bool {
        either!(self, ws => ws.is_closed())
    }

    /// The server's side, for what only servers do.
    pub fn server(&mut self) -> (&mut WebSocket<Server>, &mut Outbox) {
        match &mut self.ws {
            Either::Server(ws) => (ws, &mut self.out),
            Either::Client(_) => panic!("only servers do this"),
        }
    }
}
