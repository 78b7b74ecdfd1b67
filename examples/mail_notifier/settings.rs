//! How the server is set up. `flags` has the flag for each of these, and what it is good for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::origin::Origins;

/// What can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where browsers connect.
    pub address: SocketAddr,
    /// Whether everybody may watch every mailbox. There is a `token_key` otherwise.
    pub demo: bool,
    pub token_key: Option<PathBuf>,
    pub origins: Origins,
    /// The Maildir tree.
    pub mail: Option<PathBuf>,
    /// Where publishers and monitors connect.
    pub internal: Option<SocketAddr>,
    pub publish_key: Option<PathBuf>,
    /// Whether clients that offer it are sent compressed notices.
    pub deflate: bool,
    /// How many event loops there are: at least one.
    pub shards: usize,
    /// How many mails of each mailbox are kept.
    pub recent: usize,
    /// In bytes.
    pub head_limit: u32,
    pub handshake_timeout: Duration,
    pub close_timeout: Duration,
    pub stall_timeout: Duration,
    /// Zero: never.
    pub ping: Duration,
    pub drain: Duration,
    pub max_connections: usize,
    pub max_per_address: usize,
    /// Connections in a second.
    pub accept_rate: u32,
    pub accept_burst: u32,
    pub retry_after: Duration,
    pub reads_per_turn: usize,
    pub accepts_per_turn: usize,
    pub backlog: i32,
    /// In bytes. Zero: what the system gives.
    pub send_buffer: usize,
    /// In bytes.
    pub publish_limit: usize,
    pub publish_connections: usize,
    pub publish_timeout: Duration,
}

impl Default for Settings {
    /// What holds unless a flag says otherwise, before it is known how many cores and descriptors
    /// there are.
    fn default() -> Self {
        Self {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001),
            demo: false,
            token_key: None,
            origins: Origins::SameHost,
            mail: None,
            internal: None,
            publish_key: None,
            deflate: false,
            shards: 0,
            recent: 20,
            head_limit: 8 * 1024,
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            ping: Duration::from_secs(60),
            drain: Duration::from_secs(10),
            max_connections: 100_000,
            max_per_address: 1_000,
            accept_rate: 5_000,
            accept_burst: 10_000,
            retry_after: Duration::from_secs(10),
            reads_per_turn: 8,
            accepts_per_turn: 64,
            backlog: 4096,
            send_buffer: 0,
            publish_limit: 1024 * 1024,
            publish_connections: 16,
            publish_timeout: Duration::from_secs(10),
        }
    }
}
