//! The server's metrics, for Prometheus.

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

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// PostgreSQL's.
    Postgres,
    /// Arrow Flight SQL.
    Flight,
    /// HTTP.
    Http,
}

impl Protocol {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Flight => "flight",
            Self::Http => "http",
        }
    }
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All rows were sent.
    Done,
    /// It was only planned; its rows are requested separately.
    Planned,
    /// It failed.
    Failed,
    /// It exceeded the time limit.
    TimedOut,
    /// It was cancelled because of the memory it used.
    OutOfMemory,
    /// It was cancelled, or the client stopped reading.
    Cancelled,
}

impl Outcome {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Planned => "planned",
            Self::Failed => "failed",
            Self::TimedOut => "out_of_time",
            Self::OutOfMemory => "out_of_memory",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Labels of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatementLabels {
    protocol: &'static str,
    outcome: &'static str,
}

/// The label of a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabel {
    protocol: &'static str,
}

/// Counters, gauges and histograms of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    statements: Family<StatementLabels, Counter>,
    seconds: Family<ProtocolLabel, Histogram, fn() -> Histogram>,
    rows: Family<ProtocolLabel, Counter>,
    running: Gauge,
    connections: Family<ProtocolLabel, Gauge>,
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
    pub(super) fn statement_started(&self) {
        self.running.inc();
    }

    pub(super) fn statement_ended(
        &self,
        protocol: Protocol,
        outcome: Outcome,
        time: Duration,
        rows: u64,
    ) {
        let protocol = protocol.name();
        self.running.dec();
        self.statements.get_or_create(&StatementLabels { protocol, outcome: outcome.name() }).inc();
        self.seconds.get_or_create(&ProtocolLabel { protocol }).observe(time.as_secs_f64());
        self.rows.get_or_create(&ProtocolLabel { protocol }).inc_by(rows);
    }

    pub(super) fn connected(&self, protocol: Protocol) {
        self.connections.get_or_create(&ProtocolLabel { protocol: protocol.name() }).inc();
    }

    pub(super) fn disconnected(&self, protocol: Protocol) {
        self.connections.get_or_create(&ProtocolLabel { protocol: protocol.name() }).dec();
    }

    pub(super) fn refused(&self) {
        self.refused.inc();
    }

    /// All metrics in the OpenMetrics text format, with the given current values.
    ///
    /// # Errors
    /// When a metric cannot be encoded.
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

    use super::{Metrics, Outcome, Protocol};

    #[test]
    fn metrics_are_rendered() {
        let metrics = Metrics::default();
        metrics.connected(Protocol::Postgres);
        metrics.statement_started();
        metrics.statement_ended(Protocol::Postgres, Outcome::Done, Duration::from_millis(20), 7);
        metrics.statement_started();
        metrics.statement_ended(Protocol::Flight, Outcome::TimedOut, Duration::from_secs(3), 0);
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
