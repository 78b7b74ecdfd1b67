//! What the connections of one shard use in turn: one desk, at which one connection sits at a time.

use std::sync::Arc;

use dormouse::Outbox;

use crate::compression::Compressor;
use crate::deadlines::Deadlines;
use crate::mailboxes::Mailboxes;
use crate::metrics::Metrics;
use crate::server::Server;

/// One read, for all connections of a shard.
const SCRATCH_LEN: usize = 16 * 1024;
/// What the outbox of a shard keeps for the next answer.
const KEPT_LEN: u32 = 64 * 1024;

/// The desk of a shard.
pub struct Desk {
    pub server: Arc<Server>,
    pub mailboxes: Mailboxes,
    pub deadlines: Deadlines,
    pub scratch: Vec<u8>,
    pub out: Outbox,
    pub compressor: Compressor,
    pub tally: Tally,
}

/// What was done since the last report.
#[derive(Default)]
pub struct Tally {
    pub frames: u64,
    pub coalesced: u64,
    pub pings: u64,
}

impl Desk {
    /// A desk nobody has used.
    pub fn new(server: Arc<Server>) -> Self {
        Self {
            mailboxes: Mailboxes::for_connections(server.table_len()),
            deadlines: Deadlines::new(server.table_len()),
            scratch: vec![0; SCRATCH_LEN],
            out: Outbox::keeping(&server.limits, KEPT_LEN),
            compressor: Compressor::default(),
            tally: Tally::default(),
            server,
        }
    }
}

impl Tally {
    /// Adds it to what the other shards did, and begins anew.
    pub fn report(&mut self, metrics: &Metrics) {
        let Self { frames, coalesced, pings } = std::mem::take(self);
        for (count, series) in [
            (frames, &metrics.frames_out),
            (coalesced, &metrics.coalesced),
            (pings, &metrics.pings),
        ] {
            if count > 0 {
                series.inc_by(count);
            }
        }
    }
}
