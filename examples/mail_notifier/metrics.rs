//! What the server counts, for `/metrics` (in the text format of Prometheus) and for `/stats`.
//!
//! All shards count in the same places. On the way of a message nothing is counted one by one: a
//! publish adds up what it sent and reports it once.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use mio::Waker;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use serde::Serialize;

use crate::bus::{Bus, Change, Closed, Receipt, State, Subscriber};

/// With fewer connections than this the share of each would be mostly that of the whole program, so
/// as many are reckoned with.
const FEW: i64 = 1000;

/// Every series of the server.
pub struct Metrics {
    registry: Registry,
    began: Instant,
    /// The resident memory before the first connection.
    resident_before: u64,
    pub connections: IntGauge,
    pub watching: IntGauge,
    pub draining: IntGauge,
    pub upgrades: IntCounter,
    /// By reason.
    pub refusals: IntCounterVec,
    pub mails: IntCounter,
    pub frames_out: IntCounter,
    /// Notices that were left out, because the connection was behind and gets the latest state.
    pub coalesced: IntCounter,
    pub slow_closed: IntCounter,
    pub pings: IntCounter,
    /// By what was waited for.
    pub timeouts: IntCounterVec,
    pub accept_errors: IntCounter,
    /// Requests to publish, by the status of the answer.
    pub publishes: IntCounterVec,
    /// How long one turn of an event loop kept the next from beginning, in seconds.
    pub loop_lag: Histogram,
    resident: IntGauge,
    per_connection: IntGauge,
}

/// A few figures for the page.
#[derive(Serialize)]
struct Stats {
    uptime_seconds: u64,
    shards: usize,
    connections: i64,
    watching: i64,
    upgrades: u64,
    refusals: u64,
    mails: u64,
    frames_out: u64,
    coalesced: u64,
    slow_closed: u64,
    pings: u64,
    timeouts: u64,
    accept_errors: u64,
    resident_bytes: i64,
    resident_bytes_per_connection: i64,
    draining: bool,
}

impl Metrics {
    /// Everything at zero.
    ///
    /// # Errors
    /// When two series had the same name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("mail_notifier".to_owned()), None)?;
        let make = Maker(&registry);
        let lag = HistogramOpts::new("loop_lag_seconds", "Time of one turn of an event loop")
            .buckets(prometheus::exponential_buckets(0.000_1, 4.0, 10)?);
        let loop_lag = Histogram::with_opts(lag)?;
        registry.register(Box::new(loop_lag.clone()))?;
        Ok(Self {
            began: Instant::now(),
            resident_before: resident_bytes().unwrap_or_default(),
            connections: make.gauge("connections", "Open connections of any kind")?,
            watching: make.gauge("watching", "Open WebSockets")?,
            draining: make.gauge("draining", "1 while the server is ending")?,
            upgrades: make.counter("upgrades_total", "Requests that became a WebSocket")?,
            refusals: make.labelled(
                "refusals_total",
                "Connections and requests refused",
                "reason",
            )?,
            mails: make.counter("mails_total", "Mails that arrived")?,
            frames_out: make.counter("frames_out_total", "Notices sent")?,
            coalesced: make.counter("coalesced_total", "Notices left out for slow consumers")?,
            slow_closed: make.counter("slow_closed_total", "Consumers closed with 1008")?,
            pings: make.counter("pings_total", "Pings sent")?,
            timeouts: make.labelled(
                "timeouts_total",
                "Peers that did not make it in time",
                "phase",
            )?,
            accept_errors: make.counter("accept_errors_total", "Failures to accept")?,
            publishes: make.labelled("publishes_total", "Requests to publish", "status")?,
            loop_lag,
            resident: make.gauge("resident_bytes", "Resident memory of the process")?,
            per_connection: make.gauge(
                "resident_bytes_per_connection",
                "Resident memory added since the start, for each open connection, of 1000 at least",
            )?,
            registry,
        })
    }

    /// Says that the start is over: what comes now is memory of connections.
    pub fn end_start(&mut self) {
        self.resident_before = resident_bytes().unwrap_or_default();
    }

    /// The text for Prometheus.
    pub fn text(&self) -> String {
        self.read_memory();
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// The object for the page.
    pub fn stats(&self, shards: usize) -> String {
        self.read_memory();
        let stats = Stats {
            uptime_seconds: self.began.elapsed().as_secs(),
            shards,
            connections: self.connections.get(),
            watching: self.watching.get(),
            upgrades: self.upgrades.get(),
            refusals: total(&self.registry, "mail_notifier_refusals_total"),
            mails: self.mails.get(),
            frames_out: self.frames_out.get(),
            coalesced: self.coalesced.get(),
            slow_closed: self.slow_closed.get(),
            pings: self.pings.get(),
            timeouts: total(&self.registry, "mail_notifier_timeouts_total"),
            accept_errors: self.accept_errors.get(),
            resident_bytes: self.resident.get(),
            resident_bytes_per_connection: self.per_connection.get(),
            draining: self.draining.get() != 0,
        };
        serde_json::to_string(&stats).unwrap_or_default()
    }

    fn read_memory(&self) {
        // Without a descriptor for it, what was read before stands.
        let Some(resident) = resident_bytes() else { return };
        let connections = self.connections.get().max(FEW);
        let added =
            i64::try_from(resident.saturating_sub(self.resident_before)).unwrap_or(i64::MAX);
        self.resident.set(i64::try_from(resident).unwrap_or(i64::MAX));
        self.per_connection.set(added / connections);
    }
}

/// A bus that counts the mails that pass through it.
pub struct Counted<B> {
    bus: B,
    mails: IntCounter,
}

impl<B: Bus> Counted<B> {
    /// Counts the mails of `bus` in `mails`.
    pub fn new(bus: B, mails: IntCounter) -> Self {
        Self { bus, mails }
    }
}

impl<B: Bus> Bus for Counted<B> {
    fn publish(&self, changes: Vec<Change>) -> Result<Receipt, Closed> {
        let mails = changes.iter().filter(|change| matches!(change, Change::Mail { .. })).count();
        let receipt = self.bus.publish(changes)?;
        self.mails.inc_by(mails.saturating_sub(receipt.unknown) as u64);
        Ok(receipt)
    }

    fn subscribe(&self, waker: Arc<Waker>) -> (Vec<Arc<State>>, Subscriber) {
        self.bus.subscribe(waker)
    }

    fn epoch(&self) -> &str {
        self.bus.epoch()
    }
}

/// Makes series that are part of a registry.
struct Maker<'r>(&'r Registry);

impl Maker<'_> {
    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        let counter = IntCounter::new(name, help)?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn labelled(&self, name: &str, help: &str, label: &str) -> prometheus::Result<IntCounterVec> {
        let series = IntCounterVec::new(Opts::new(name, help), &[label])?;
        self.0.register(Box::new(series.clone()))?;
        Ok(series)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        let gauge = IntGauge::new(name, help)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }
}

/// The sum over all labels of a series.
fn total(registry: &Registry, name: &str) -> u64 {
    let families = registry.gather();
    let series = families.iter().filter(|family| family.name() == name);
    let counters = series.flat_map(|family| family.get_metric());
    counters.map(|metric| metric.get_counter().get_value() as u64).sum()
}

/// The resident memory of this process, if the system tells.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_and_the_figures_agree() {
        let metrics = Metrics::new().unwrap();
        metrics.mails.inc_by(7);
        metrics.refusals.with_label_values(&["origin"]).inc_by(2);
        metrics.refusals.with_label_values(&["rate"]).inc();
        metrics.loop_lag.observe(0.001);
        let text = metrics.text();
        for line in [
            "mail_notifier_mails_total 7",
            "mail_notifier_refusals_total{reason=\"origin\"} 2",
            "mail_notifier_loop_lag_seconds_count 1",
            "# TYPE mail_notifier_connections gauge",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
        }
        let stats: serde_json::Value = serde_json::from_str(&metrics.stats(2)).unwrap();
        assert_eq!((stats["mails"].as_u64(), stats["refusals"].as_u64()), (Some(7), Some(3)));
        assert_eq!((stats["shards"].as_u64(), stats["draining"].as_bool()), (Some(2), Some(false)));
        assert!(stats["resident_bytes"].as_u64().unwrap() > 100_000);
    }
}
