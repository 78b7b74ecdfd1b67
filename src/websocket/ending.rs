//! How a connection ends, from this side or from the other one (RFC 6455 §7).

use super::{AbnormalClosure, Phase, Sending, WebSocket};
use crate::outbox::Outbox;
use crate::role::Role;
use crate::wire::close::{self, CloseCode};
use crate::wire::{MAX_CONTROL_PAYLOAD, Opcode};

impl<R: Role> WebSocket<R> {
    /// Starts the closing handshake (§7.1.2): queues a Close with a code and a reason.
    ///
    /// A reason above 123 bytes is cut, never inside a code point. The Close goes behind what is
    /// queued, also if the outbox is full. Afterwards no data can be sent; events still come until
    /// the peer's own Close, for which the embedder sets a deadline. After a first Close, sent or
    /// answered, this does nothing.
    ///
    /// ```
    /// # use dormouse::{CloseCode, Limits, Outbox, WebSocket};
    /// # let (mut ws, mut out) = (WebSocket::server(&Limits::default()), Outbox::new(&Limits::default()));
    /// ws.close(CloseCode::GOING_AWAY, "maintenance", &mut out);
    /// assert!(ws.is_closing() && !ws.is_closed());
    /// assert_eq!(out.slices().collect::<Vec<_>>(), [b"\x88\x0d\x03\xe9maintenance"]);
    ///
    /// // A code of the application's own is checked while it compiles.
    /// const KICKED: CloseCode = CloseCode::new(4001).unwrap();
    /// ```
    pub fn close(&mut self, code: CloseCode, reason: &str, out: &mut Outbox) {
        self.start_closing(Some(code), reason, out);
    }

    /// The same with neither a code nor a reason, which the peer is told as 1005 (§7.1.5).
    pub fn close_without_code(&mut self, out: &mut Outbox) {
        self.start_closing(None, "", out);
    }

    fn start_closing(&mut self, code: Option<CloseCode>, reason: &str, out: &mut Outbox) {
        if self.phase == Phase::Open {
            self.send_close(code, reason, out);
            self.phase = Phase::CloseSent;
        }
    }

    /// _Fails the WebSocket Connection_ (§7.1.7) for a reason that lies in the data of a message: queues
    /// a Close with `code`, and ignores what comes after.
    ///
    /// For what only the embedder can judge, such as a message that does not inflate; to say goodbye,
    /// use [`close`](Self::close). After a Close, this sends no second one.
    pub fn fail(&mut self, code: CloseCode, out: &mut Outbox) {
        if self.phase == Phase::Open {
            self.send_close(Some(code), "", out);
        }
        self.shut();
    }

    /// Tells that the peer has ended its stream: a read returned 0 bytes, or failed.
    ///
    /// A message in pieces is dropped with its memory.
    ///
    /// # Errors
    ///
    /// [`AbnormalClosure`] (§7.1.5: close code 1006) if the connection was still open: neither had
    /// both sides sent a Close, nor had a violation ended it, which [`next`](Self::next) has told.
    pub fn end_of_stream(&mut self) -> Result<(), AbnormalClosure> {
        let closed = self.is_closed();
        self.shut();
        if closed { Ok(()) } else { Err(AbnormalClosure) }
    }

    /// Whether bytes from the peer still matter: until both sides have sent a Close, or the
    /// connection has failed.
    #[inline]
    pub fn wants_read(&self) -> bool {
        !self.is_closed()
    }

    /// Whether the WebSocket is closed: the closing handshake is complete, or the connection failed.
    ///
    /// Write what is in the outbox, then close the TCP connection. §7.1.1 has the server close it
    /// first, and a client wait for that. A server should shut down its writing half, and read until
    /// the peer has done the same or a short deadline is over: closing a socket with unread bytes
    /// resets it, and the reset can overtake the Close frame.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether this side has sent a Close and waits for the peer's.
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.phase == Phase::CloseSent
    }

    pub(super) fn send_close(&mut self, code: Option<CloseCode>, reason: &str, out: &mut Outbox) {
        let mut buffer = [0; MAX_CONTROL_PAYLOAD];
        let body: &[u8] = match code {
            Some(code) => close::encode_body(code, reason, &mut buffer),
            None => &[],
        };
        out.push_close(self.header(Opcode::Close, true, body), body);
        self.sending = Sending::Closed;
    }

    /// Ends the connection on this side: ignores what comes, and gives the memory back.
    pub(super) fn shut(&mut self) {
        self.phase = Phase::Closed;
        self.sending = Sending::Closed;
        self.assembly = None;
    }
}
