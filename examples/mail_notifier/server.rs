//! What all shards share: the settings, the rules, the counts, and whether the server is ending.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use dormouse::Limits;
use mio::Waker;

use crate::access::Rules;
use crate::bus::Bus;
use crate::gate::{Allowance, Gate};
use crate::log;
use crate::metrics::Metrics;
use crate::notice;
use crate::page::Page;
use crate::settings::Settings;

/// The longest message that a page may send: it has nothing to say.
const MAX_MESSAGE: u32 = 4 * 1024;
/// Room in an outbox for what is written besides the mails of one mailbox: the page.
const OUTBOX: u32 = 128 * 1024;

/// For how many connections a shard sets address space aside, at most. It can have more.
const MAX_TABLE: usize = 1 << 20;

/// The one server of a process.
pub struct Server {
    pub settings: Settings,
    pub limits: Limits,
    pub rules: Rules,
    pub bus: Arc<dyn Bus>,
    pub gate: Gate,
    pub metrics: Metrics,
    pub page: Page,
    /// One descriptor that is held back, so that those for whom there is none can be told. Who
    /// accepts holds the lock until it is back in its place, or another shard would take it.
    pub reserve: Mutex<Option<File>>,
    is_draining: AtomicBool,
    wakers: Mutex<Vec<Arc<Waker>>>,
}

impl Server {
    /// A server nobody has spoken to.
    pub fn new(settings: Settings, rules: Rules, bus: Arc<dyn Bus>, metrics: Metrics) -> Self {
        let kept = u32::try_from(settings.recent * notice::MAX_MAIL).unwrap_or(u32::MAX);
        let (message, head) = (MAX_MESSAGE, settings.head_limit);
        let limits = Limits { message, outbox: OUTBOX.saturating_add(kept), head };
        let allowance = Allowance {
            connections: settings.max_connections,
            per_peer: settings.max_per_address,
            rate: settings.accept_rate,
            burst: settings.accept_burst,
        };
        Self {
            gate: Gate::new(allowance, Instant::now()),
            reserve: Mutex::default(),
            is_draining: AtomicBool::new(false),
            wakers: Mutex::default(),
            page: Page::new(),
            settings,
            limits,
            rules,
            bus,
            metrics,
        }
    }

    /// Makes `waker` one of those that are woken when the server is to end.
    pub fn wake_on_drain(&self, waker: Arc<Waker>) {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
    }

    /// Begins the end: no new WebSockets, and a Close for those there are.
    ///
    /// # Errors
    /// When a shard cannot be woken.
    pub fn drain(&self) -> io::Result<()> {
        self.is_draining.store(true, Ordering::Release);
        self.metrics.draining.set(1);
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        // Every one, whatever becomes of the others.
        let woken = wakers.iter().map(|waker| waker.wake()).fold(Ok(()), Result::and);
        log::info("draining", &[("connections", &self.gate.count())]);
        woken
    }

    /// For how many connections each shard sets address space aside.
    pub fn table_len(&self) -> usize {
        self.settings.max_connections.min(MAX_TABLE)
    }

    /// Whether the server is ending.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Counts a refusal and writes it to the log.
    pub fn refused(&self, reason: &'static str, fields: &[(&str, &dyn Display)]) {
        self.metrics.refusals.with_label_values(&[reason]).inc();
        log::warn_because("refused", reason, fields);
    }
}

#[cfg(test)]
impl Server {
    /// A server that is open to everybody.
    pub fn for_tests(settings: Settings) -> Arc<Self> {
        let rules =
            Rules { access: crate::access::Access::Open, origins: settings.origins.clone() };
        let bus = Arc::new(crate::bus::LocalBus::new(settings.recent));
        let metrics = Metrics::new().expect("the names of the series differ");
        Arc::new(Self::new(settings, rules, bus, metrics))
    }
}
