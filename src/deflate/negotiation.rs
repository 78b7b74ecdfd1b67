//! What both sides agree on in the opening handshake.
//!
//! RFC 7692 §5, §7.1. Layer 5.

use alloc::string::String;
use core::mem::replace;

use super::{Deflater, Inflater, MAX_BITS, MIN_BITS};
use crate::handshake::client::Accepted;
use crate::handshake::server::Upgrade;
use crate::http::Extension;

/// §7: the registered name.
const NAME: &str = "permessage-deflate";

const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// §7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
const BITS: [(&str, u8); 8] =
    [("8", 8), ("9", 9), ("10", 10), ("11", 11), ("12", 12), ("13", 13), ("14", 14), ("15", 15)];

/// What a side wants of permessage-deflate. The default is the frugal one: no context is kept between
/// messages on either side, so that an idle connection costs nothing.
///
/// A server:
///
/// ```
/// use dormouse::deflate::{Deflater, Inflater, Policy};
/// use dormouse::http::{EMPTY_HEADER, Request};
/// use dormouse::server::Upgrade;
/// use dormouse::{Limits, Outbox, WebSocket};
///
/// # let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
/// #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
/// #     Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
/// # let mut headers = [EMPTY_HEADER; 16];
/// # let upgrade = Upgrade::read(&Request::parse(head, &mut headers)?)?;
/// # let limits = Limits::default();
/// # let mut out = Outbox::new(&limits);
/// let agreed = Policy::default().accept(&upgrade);
/// let answer = agreed.map(|agreed| agreed.answer());
/// upgrade.accept().extensions(answer.as_deref()).write(&mut out)?;
/// let mut ws = WebSocket::server(&limits);
/// if agreed.is_some() {
///     ws.allow_compressed();
/// }
/// # let bytes: Vec<u8> = out.slices().flatten().copied().collect();
/// # assert!(String::from_utf8(bytes)?.contains("\r\nSec-WebSocket-Extensions: permessage-deflate; \
/// #     server_no_context_takeover; client_no_context_takeover\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether this side may keep its context from one message that it sends to the next: they become
    /// smaller, and each connection costs about 370 KiB more. Default: no.
    pub send_takeover: bool,
    /// Whether the peer may keep its context: each connection costs about 46 KiB more. Default: no.
    pub receive_takeover: bool,
    /// The window to compress with is of at most `2^send_window_bits` bytes, from 9 to 15; what is
    /// beyond stands for the nearest of them. Default: 15.
    pub send_window_bits: u8,
    /// The window that the peer is asked to compress with, as `send_window_bits`. Default: 15.
    pub receive_window_bits: u8,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            send_takeover: false,
            receive_takeover: false,
            send_window_bits: MAX_BITS,
            receive_window_bits: MAX_BITS,
        }
    }
}

/// What both sides have agreed on, as one of them sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    send: Direction,
    receive: Direction,
    /// Whether the answer limits the window of the client.
    limits_client: bool,
    /// Whether the client has asked for a limit on the window of the server.
    limits_server: bool,
}

/// How the messages of one direction are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Direction {
    takeover: bool,
    bits: u8,
}

/// §5.1, §7.1: a server answered with something that does not fit the offer. The client has to give up
/// the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer does not fit the offer of permessage-deflate")]
pub struct BadAnswer;

impl Policy {
    /// A server's choice: the first offer that it can meet (§5), or `None` if there is none. An offer
    /// with a parameter that is unknown, repeated or malformed is one that cannot be met (§7.1).
    pub fn accept(&self, upgrade: &Upgrade<'_, '_>) -> Option<Agreed> {
        let mut offers = upgrade.extensions().filter(|offer| offer.name() == NAME);
        let policy = self.within_bounds();
        offers.find_map(|offer| policy.meet(Params::read(&offer)?))
    }

    /// A client's offer, for [`Connect::extensions`](crate::client::Connect::extensions).
    pub fn offer(&self) -> String {
        let Self { send_window_bits, receive_window_bits, .. } = self.within_bounds();
        let mut offer = String::from(NAME);
        flag(&mut offer, SERVER_NO_TAKEOVER, !self.receive_takeover);
        flag(&mut offer, CLIENT_NO_TAKEOVER, !self.send_takeover);
        let smaller = |bits: u8| (bits < MAX_BITS).then_some(bits);
        window(&mut offer, SERVER_BITS, smaller(receive_window_bits));
        // §7.1.2.2: without this parameter a server may not ask for a smaller window.
        flag(&mut offer, CLIENT_BITS, smaller(send_window_bits).is_none());
        window(&mut offer, CLIENT_BITS, smaller(send_window_bits));
        offer
    }

    /// What a server has answered to [`offer`](Self::offer); `None` if it does not compress.
    ///
    /// # Errors
    ///
    /// [`BadAnswer`]: a parameter that is unknown, repeated, malformed or does not fit the offer, or
    /// several answers. The client gives up the connection (§5.1).
    pub fn confirm(&self, accepted: &Accepted<'_, '_>) -> Result<Option<Agreed>, BadAnswer> {
        let mut answers = accepted.extensions().filter(|answer| answer.name() == NAME);
        let Some(answer) = answers.next() else { return Ok(None) };
        let params = Params::read(&answer).filter(|_| answers.next().is_none()).ok_or(BadAnswer)?;
        // §7.1.1.1: "A server accepts [...] by including the "server_no_context_takeover" extension
        // parameter in the corresponding extension negotiation response"
        if !params.server_no_takeover && !self.receive_takeover {
            return Err(BadAnswer);
        }
        let Self { send_window_bits, receive_window_bits, .. } = self.within_bounds();
        let server = match params.server_bits {
            Some(bits) if bits <= receive_window_bits => bits,
            None if receive_window_bits == MAX_BITS => MAX_BITS,
            _ => return Err(BadAnswer),
        };
        // §7.1.2.2: in an answer the parameter has a value, one that the offer allows.
        let client = match params.client_bits {
            Some(Some(bits)) if bits <= send_window_bits => bits,
            None => send_window_bits,
            Some(_) => return Err(BadAnswer),
        };
        let takeover = self.send_takeover && !params.client_no_takeover;
        Ok(Some(Agreed {
            send: Direction { takeover, bits: client },
            receive: Direction { takeover: !params.server_no_takeover, bits: server },
            limits_client: params.client_bits.is_some(),
            limits_server: params.server_bits.is_some(),
        }))
    }

    /// With windows that the codec has.
    fn within_bounds(&self) -> Self {
        Self {
            send_window_bits: self.send_window_bits.clamp(MIN_BITS, MAX_BITS),
            receive_window_bits: self.receive_window_bits.clamp(MIN_BITS, MAX_BITS),
            ..*self
        }
    }

    /// What a server does about one offer, if it can meet it.
    fn meet(&self, offer: Params) -> Option<Agreed> {
        let send_bits = self.send_window_bits.min(offer.server_bits.unwrap_or(MAX_BITS));
        if send_bits < MIN_BITS {
            return None;
        }
        // §7.1.2.2: the answer may limit the client only if the offer says that it can be limited.
        let most = offer.client_bits.map(|bits| bits.unwrap_or(MAX_BITS));
        let receive_bits = self.receive_window_bits.min(most.unwrap_or(MAX_BITS));
        Some(Agreed {
            send: Direction {
                takeover: self.send_takeover && !offer.server_no_takeover,
                bits: send_bits,
            },
            receive: Direction {
                takeover: self.receive_takeover && !offer.client_no_takeover,
                bits: receive_bits,
            },
            limits_client: most.is_some() && receive_bits < MAX_BITS,
            limits_server: offer.server_bits.is_some(),
        })
    }
}

impl Agreed {
    /// The server's answer, for [`Accept::extensions`](crate::server::Accept::extensions).
    pub fn answer(&self) -> String {
        let mut answer = String::from(NAME);
        // §7.1.1: both may be answered also if they were not offered.
        flag(&mut answer, SERVER_NO_TAKEOVER, !self.send.takeover);
        flag(&mut answer, CLIENT_NO_TAKEOVER, !self.receive.takeover);
        window(&mut answer, SERVER_BITS, self.limits_server.then_some(self.send.bits));
        window(&mut answer, CLIENT_BITS, self.limits_client.then_some(self.receive.bits));
        answer
    }

    /// Whether this side keeps its context: then the connection needs a [`Deflater`] of its own.
    pub fn send_takeover(&self) -> bool {
        self.send.takeover
    }

    /// Whether the peer keeps its context: then the connection needs an [`Inflater`] of its own.
    pub fn receive_takeover(&self) -> bool {
        self.receive.takeover
    }

    /// The size of this side's window is `2^send_window_bits` bytes.
    pub fn send_window_bits(&self) -> u8 {
        self.send.bits
    }

    /// What inflates the messages of the peer.
    pub fn inflater(&self) -> Inflater {
        Inflater::new(self.receive.takeover)
    }

    /// What compresses the messages of this side.
    pub fn deflater(&self) -> Deflater {
        Deflater::new(self.send.takeover, self.send.bits)
    }
}

/// The parameters of an offer or an answer (§7.1).
#[derive(Clone, Copy, Default)]
struct Params {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// With a value or, in an offer, without one.
    client_bits: Option<Option<u8>>,
}

impl Params {
    /// `None` if one of them is unknown, comes twice, or has a value where it may not, or a wrong one.
    fn read(extension: &Extension<'_>) -> Option<Self> {
        let mut params = Self::default();
        for (name, value) in extension.params() {
            let known = value.map(|value| BITS.iter().find(|known| known.0 == value));
            let bits = known.map(|known| Some(known?.1));
            let is_repeated = match (name, bits) {
                (SERVER_NO_TAKEOVER, None) => replace(&mut params.server_no_takeover, true),
                (CLIENT_NO_TAKEOVER, None) => replace(&mut params.client_no_takeover, true),
                (SERVER_BITS, Some(Some(bits))) => params.server_bits.replace(bits).is_some(),
                (CLIENT_BITS, None) => params.client_bits.replace(None).is_some(),
                (CLIENT_BITS, Some(Some(bits))) => params.client_bits.replace(Some(bits)).is_some(),
                _ => return None,
            };
            if is_repeated {
                return None;
            }
        }
        Some(params)
    }
}

/// Adds a parameter without a value, if there is to be one.
fn flag(list: &mut String, name: &str, is_set: bool) {
    if is_set {
        list.push_str("; ");
        list.push_str(name);
    }
}

/// Adds a parameter with the bits of a window, if there is to be one.
fn window(list: &mut String, name: &str, bits: Option<u8>) {
    let value = bits.and_then(|bits| BITS.iter().find(|known| known.1 == bits));
    if let Some((value, _)) = value {
        flag(list, name, true);
        list.push('=');
        list.push_str(value);
    }
}
