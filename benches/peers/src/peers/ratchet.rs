//! `ratchet_rs`: only its compression, for which it is known.

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue};
use ratchet_rs::deflate::{Deflate, DeflateConfig, DeflateExtProvider};
use ratchet_rs::{ExtensionProvider, Message, PayloadType, Role, WebSocket, WebSocketConfig};

use crate::contender::{Contender, Failure, Work};
use crate::job::{Echo, Group, Job};
use crate::stream::{Feed, Sink, Stream, repeat};
use crate::works::{Echoes, echoing};

const OFFER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

pub struct Ratchet;

impl Contender for Ratchet {
    fn name(&self) -> &'static str {
        "ratchet_rs"
    }

    fn notes(&self) -> &'static [&'static str] {
        &["asynchronous: polled by hand", "its default is level 1 without context; zlib in C"]
    }

    fn lacks(&self, _: Group) -> &'static [&'static str] {
        &["does not check that text is UTF-8"]
    }

    fn work(&self, job: &Job) -> Option<Box<dyn Work>> {
        match job {
            Job::Echo(job) => Some(echoing::<Echoer>(job)),
            _ => None,
        }
    }
}

struct Echoer {
    ws: WebSocket<Stream<Feed>, Deflate>,
    message: BytesMut,
}

impl Echoes for Echoer {
    fn new(job: &Echo, sink: Sink) -> Result<Self, Failure> {
        let provider = DeflateExtProvider::with_config(DeflateConfig::default());
        let mut headers = HeaderMap::new();
        headers.insert("sec-websocket-extensions", HeaderValue::from_static(OFFER));
        let agreed = provider.negotiate_server(&headers).map_err(Failure::of)?;
        let deflate = agreed.map(|(deflate, _)| deflate);
        let stream = Stream::new(job.feed(), sink);
        let config = WebSocketConfig::default();
        let ws = WebSocket::from_upgraded(config, stream, deflate, BytesMut::new(), Role::Server);
        Ok(Self { ws, message: BytesMut::new() })
    }

    fn echo(&mut self, times: u32) -> Result<(), Failure> {
        repeat(times as usize, async || {
            self.message.clear();
            match self.ws.read(&mut self.message).await.map_err(Failure::of)? {
                Message::Text => {}
                other => return Err(Failure::of(other)),
            }
            self.ws.write(&self.message, PayloadType::Text).await.map_err(Failure::of)
        })
    }
}
