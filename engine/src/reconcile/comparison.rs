//! A metric in a month, in events and in pings.

use crate::calendar::{Day, Period, Window};
use crate::words::words;

/// A metric in a month.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The first day of the month.
    pub month: Day,
    /// The path in pings.
    pub key_path: String,
    /// The last 28 days of the month.
    pub days: Period,
    /// Whether the events reach past them.
    pub complete: bool,
    /// Users of the events in these days; `None` if the metric is not counted from events, or there are
    /// none in these days.
    pub events: Option<i64>,
    /// When the ping was recorded, in microseconds since 1970.
    pub recorded_at: i64,
    /// The version that sent it.
    pub version: Option<String>,
    /// The same as major * 100 + minor.
    pub major_minor: Option<i64>,
    /// The valid value of the ping.
    pub pings: Option<i64>,
    /// What the ping counts: `iso_4w` or `lagged_28d`.
    pub ping_window: Window,
    /// The days that the ping counts.
    pub ping_days: Period,
    /// Users of the events in these days.
    pub events_in_ping_days: Option<i64>,
    /// Why the two differ, or cannot be compared.
    pub cause: Cause,
    /// The same for people; empty if they are equal.
    pub explanation: String,
}

impl Comparison {
    /// Pings minus events.
    pub fn difference(&self) -> Option<i64> {
        Some(self.pings? - self.events?)
    }

    /// The difference in per cent of the events; `None` if these are 0.
    pub fn difference_pct(&self) -> Option<f64> {
        let events = self.events.filter(|events| *events > 0)?;
        Some(self.difference()? as f64 / events as f64 * 100.0)
    }
}

/// Why two numbers differ, or cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// They do not differ.
    Equal,
    /// The ping counts other days, in which the events have its number.
    Window,
    /// The same, but for the error of the counters that the ping is from.
    SketchError,
    /// Days of the events are missing.
    Incomplete,
    /// The metric is not counted from events.
    NotCounted,
    /// The version is older than all that are known to have the metric.
    MissingInVersion,
    /// The ping does not have the key.
    NotSent,
    /// The value of the ping is no valid number.
    NotMeasured,
    /// None of these.
    Unexplained,
}

words!(
    Cause,
    "cause",
    Equal = "equal",
    Window = "window",
    SketchError = "sketch_error",
    Incomplete = "incomplete",
    NotCounted = "not_counted",
    MissingInVersion = "missing_in_version",
    NotSent = "not_sent",
    NotMeasured = "not_measured",
    Unexplained = "unexplained"
);
