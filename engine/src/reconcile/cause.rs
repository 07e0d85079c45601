//! Likely causes of a difference between events and pings, with an explanation for people.

use super::comparison::{Cause, Comparison};
use super::event_counts::EventCounts;
use crate::metric::Metric;
use crate::pings::{Edition, Kind, PingTables};

/// Largest error of the counters of Redis in 95 of 100 cases, in parts of the number: 1.96 times their
/// standard error of 0.81 % (documentation of the command PFCOUNT).
const REDIS_ERROR: f64 = 1.96 * 0.0081;

/// The cause, and what to say about it. `sent` is what the ping has.
pub(super) fn cause(
    comparison: &Comparison,
    metric: &Metric,
    sent: Option<(Kind, Option<i64>)>,
    counts: &EventCounts,
    tables: &PingTables,
) -> (Cause, String) {
    if let Err(reason) = metric.counted() {
        return (Cause::NotCounted, format!("not counted from events: {reason}"));
    }
    if !metric.valid.contains(comparison.days.end) {
        let day = comparison.days.end;
        return (Cause::NotCounted, format!("not counted from events: not valid on {day}"));
    }
    match (sent, comparison.pings) {
        (None, _) => not_sent(comparison, tables),
        (Some((kind, _)), None) => {
            (Cause::NotMeasured, format!("the value of the ping is no number: {}", kind.as_str()))
        }
        (Some(_), Some(pings)) => numbers(comparison, pings, metric, counts),
    }
}

/// The ping does not have the key.
fn not_sent(comparison: &Comparison, tables: &PingTables) -> (Cause, String) {
    let version = comparison.major_minor;
    let place = tables.metrics.place(&comparison.key_path);
    // The SaaS installation runs pre-releases, which others rarely do: their versions are those of the
    // releases that follow.
    let window = place.and_then(|metric| tables.windows.get(metric, Edition::Ee, false));
    let shown = |version: i64| format!("{}.{}", version / 100, version % 100);
    match (version, window) {
        (Some(version), Some((first, _))) if version < first => (
            Cause::MissingInVersion,
            format!(
                "version {} does not have the metric; the first known to have it is {}",
                shown(version),
                shown(first)
            ),
        ),
        (Some(version), _) => {
            (Cause::NotSent, format!("the ping of version {} does not have it", shown(version)))
        }
        (None, _) => (Cause::NotSent, "the ping does not have it".to_owned()),
    }
}

/// The ping has a number, and the metric is counted from events.
fn numbers(
    comparison: &Comparison,
    pings: i64,
    metric: &Metric,
    counts: &EventCounts,
) -> (Cause, String) {
    let Comparison { days, events, ping_window, ping_days, events_in_ping_days, .. } = comparison;
    if *events == Some(pings) {
        return (Cause::Equal, String::new());
    }
    let in_ping_days = match events_in_ping_days {
        Some(users) => {
            format!("the ping counts {ping_days} ({ping_window}), in which the events have {users}")
        }
        None => format!("the ping counts {ping_days} ({ping_window})"),
    };
    if *events_in_ping_days == Some(pings) {
        return (Cause::Window, in_ping_days);
    }
    let is_redis = matches!(metric.data_source.as_deref(), Some("redis_hll" | "internal_events"));
    let is_close = |users: i64| {
        let error = (pings - users).unsigned_abs() as f64 / users as f64;
        users > 0 && error <= REDIS_ERROR
    };
    if is_redis && events_in_ping_days.is_some_and(is_close) {
        let error = 100.0 * REDIS_ERROR;
        let explanation = format!("{in_ping_days}; counters of Redis may be off by {error:.1} %");
        return (Cause::SketchError, explanation);
    }
    match counts.gap(*days).or_else(|| counts.gap(*ping_days)) {
        Some(gap) => (Cause::Incomplete, format!("{gap}; {in_ping_days}")),
        None => (Cause::Unexplained, in_ping_days),
    }
}
