//! What a server counts of itself, for Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use engine::{Error, Result};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::running::{Ending, Protocol};

/// Which statements.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    protocol: &'static str,
    outcome: &'static str,
}

/// Over which protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Over {
    protocol: &'static str,
}

/// Counters, gauges and histograms of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    statements: Family<Labels, Counter>,
    seconds: Family<Over, Histogram, fn() -> Histogram>,
    rows: Family<Over, Counter>,
    running: Gauge,
    connections: Family<Over, Gauge>,
    refused: Counter,
    memory: Gauge<u64, AtomicU64>,
    store_version: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("headcount");
        let statements = Family::default();
        registry.register("statements", "Statements that ended, by outcome", statements.clone());
        // From a millisecond to more than five minutes.
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.5, 15));
        let seconds = Family::new_with_constructor(buckets);
        let about = "Time from the arrival of a statement to its last row";
        registry.register_with_unit("statement", about, Unit::Seconds, seconds.clone());
        let rows = Family::default();
        registry.register("rows", "Rows sent", rows.clone());
        let running = Gauge::default();
        registry.register("running_statements", "Statements running", running.clone());
        let connections = Family::default();
        registry.register("connections", "Open connections", connections.clone());
        let refused = Counter::default();
        registry.register(
            "refused_connections",
            "Connections refused because of the limit",
            refused.clone(),
        );
        let memory = Gauge::default();
        let about = "Memory in use by statements";
        registry.register_with_unit("memory", about, Unit::Bytes, memory.clone());
        let store_version = Gauge::default();
        let about = "Version of the store; -1 if there is none";
        registry.register("store_version", about, store_version.clone());
        Self {
            registry,
            statements,
            seconds,
            rows,
            running,
            connections,
            refused,
            memory,
            store_version,
        }
    }
}

impl Metrics {
    pub(super) fn began(&self) {
        self.running.inc();
    }

    pub(super) fn ended(&self, protocol: Protocol, ending: Ending, time: Duration, rows: u64) {
        let protocol = protocol.name();
        self.running.dec();
        self.statements.get_or_create(&Labels { protocol, outcome: ending.name() }).inc();
        self.seconds.get_or_create(&Over { protocol }).observe(time.as_secs_f64());
        self.rows.get_or_create(&Over { protocol }).inc_by(rows);
    }

    pub(super) fn connected(&self, protocol: Protocol) {
        self.connections.get_or_create(&Over { protocol: protocol.name() }).inc();
    }

    pub(super) fn disconnected(&self, protocol: Protocol) {
        self.connections.get_or_create(&Over { protocol: protocol.name() }).dec();
    }

    pub(super) fn refused(&self) {
        self.refused.inc();
    }

    /// All of it in the text format of OpenMetrics, with these two as they are now.
    ///
    /// # Errors
    /// Never, as far as anybody knows.
    pub fn text(&self, memory: usize, store_version: Option<u64>) -> Result<String> {
        self.memory.set(memory as u64);
        let version = store_version.and_then(|version| i64::try_from(version).ok());
        self.store_version.set(version.unwrap_or(-1));
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .map_err(|cause| Error::internal("metrics cannot be written").caused_by(cause))?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Metrics;
    use crate::server::running::{Ending, Protocol};

    #[test]
    fn what_happened_is_told() {
        let metrics = Metrics::default();
        metrics.connected(Protocol::Postgres);
        metrics.began();
        metrics.ended(Protocol::Postgres, Ending::Done, Duration::from_millis(20), 7);
        metrics.began();
        metrics.ended(Protocol::Flight, Ending::OutOfTime, Duration::from_secs(3), 0);
        metrics.refused();
        let text = metrics.text(4096, Some(3)).unwrap();
        for line in [
            "headcount_statements_total{protocol=\"postgres\",outcome=\"done\"} 1",
            "headcount_statements_total{protocol=\"flight\",outcome=\"out_of_time\"} 1",
            "headcount_statement_seconds_count{protocol=\"postgres\"} 1",
            "headcount_rows_total{protocol=\"postgres\"} 7",
            "headcount_running_statements 0",
            "headcount_connections{protocol=\"postgres\"} 1",
            "headcount_refused_connections_total 1",
            "headcount_memory_bytes 4096",
            "headcount_store_version 3",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(metrics.text(0, None).unwrap().contains("headcount_store_version -1"));
    }
}
