//! One file for each peer, in the order of the tables.

mod dormouse;
mod fastwebsockets;
mod hyper;
#[cfg(feature = "c-zlib")]
mod ratchet;
mod soketto;
mod tokio_websockets;
mod tungstenite;
mod websocket_sans_io;
mod websocketz;
mod wtx;
mod yawc;

use crate::contender::Contender;

/// The name that figures are given as a multiple of.
pub const DORMOUSE: &str = "dormouse";

/// The same with the bytes of a read copied first.
pub const COPIED: &str = "dormouse + copy";

/// `dormouse` and its peers.
pub fn all() -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(dormouse::Dormouse),
        Box::new(dormouse::Copied),
        Box::new(dormouse::PreparedOnce),
        Box::new(dormouse::Direct),
        Box::new(tungstenite::Tungstenite),
        Box::new(fastwebsockets::Fastwebsockets),
        Box::new(tokio_websockets::TokioWebsockets),
        Box::new(soketto::Soketto),
        Box::new(websocket_sans_io::WebsocketSansIo),
        Box::new(websocketz::Websocketz),
        Box::new(yawc::Yawc),
        Box::new(wtx::Wtx),
        #[cfg(feature = "c-zlib")]
        Box::new(ratchet::Ratchet),
    ]
}
