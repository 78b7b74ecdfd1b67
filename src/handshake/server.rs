//! The server's side of the opening handshake.
//!
//! RFC 6455 §4.2. Layer 4: one request in, one answer out; no state is kept. TLS, where there is any,
//! comes before: every byte of the handshake and after it goes through TLS (§4.2.2).
//!
//! | file | what lives there |
//! |---|---|
//! | `upgrade` | [`Upgrade`]: the rules of §4.2.1, and what the client asks for |
//! | `protocols` | the subprotocols that the client offers |
//! | `accept` | [`Accept`]: the 101 answer |
//! | `refusal` | [`Refusal`]: every other answer to an upgrade request |
//! | `answer` | [`Answer`]: any HTTP response, for a port that also serves pages |
//!
//! ```
//! use dormouse::http::{EMPTY_HEADER, HeadReader, Request};
//! use dormouse::server::{Refusal, Upgrade};
//! use dormouse::{Input, Limits, Outbox};
//!
//! /// `None` asks for more bytes, `true` says that the connection speaks WebSocket from here on.
//! fn handshake(
//!     reader: &mut HeadReader,
//!     input: &mut Input<'_>,
//!     out: &mut Outbox,
//! ) -> Result<Option<bool>, Box<dyn std::error::Error>> {
//!     let head = match reader.next(input) {
//!         Ok(Some(head)) => head,
//!         Ok(None) => return Ok(None),
//!         Err(error) => {
//!             Refusal::from(error).write(out)?;
//!             return Ok(Some(false));
//!         }
//!     };
//!     let mut headers = [EMPTY_HEADER; 64];
//!     let upgrade = Request::parse(&head, &mut headers)
//!         .map_err(Refusal::from)
//!         .and_then(|request| Upgrade::read(&request));
//!     match upgrade {
//!         Ok(upgrade) if upgrade.origin() != Some("https://example.com") => {
//!             Refusal::Forbidden.write(out)?;
//!             Ok(Some(false))
//!         }
//!         Ok(upgrade) => {
//!             let protocol = upgrade.protocols().find(|protocol| *protocol == "mail.v1");
//!             upgrade.accept().protocol(protocol).headers(&[("Server", "mail")]).write(out)?;
//!             Ok(Some(true))
//!         }
//!         Err(refusal) => {
//!             refusal.write(out)?;
//!             Ok(Some(false))
//!         }
//!     }
//! }
//!
//! let limits = Limits::default();
//! let mut out = Outbox::new(&limits);
//! let mut scratch = *b"GET / HTTP/1.1\r\nHost: example.com\r\nOrigin: https://example.com\r\n\
//!     Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mail.v1\r\n\r\n";
//! let mut input = Input::new(&mut scratch);
//! let accepted = handshake(&mut HeadReader::new(&limits), &mut input, &mut out)?;
//! assert_eq!(accepted, Some(true));
//!
//! let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mail.v1\r\n\
//!     Server: mail\r\n\r\n";
//! assert_eq!(out.slices().collect::<Vec<_>>().concat(), answer.as_bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accept;
mod answer;
mod protocols;
mod refusal;
mod upgrade;

pub use accept::{Accept, AcceptError};
pub use answer::{Answer, AnswerError};
pub use refusal::{BadRequest, Refusal};
pub use upgrade::Upgrade;
