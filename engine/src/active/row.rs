//! One report row: the same columns in SQL, CSV, JSON and Parquet.

use std::num::NonZeroUsize;

use super::level::Level;
use super::node_filter::NodeFilter;
use crate::calendar::{Day, Period, Window};
use crate::words::words;

/// How a node above an action is rolled up. For every node max <= union <= sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Users who did anything in the node, each counted once.
    Union,
    /// The union of only those metrics that are flagged as the node's performance indicator.
    Indicator,
    /// The largest single action.
    Max,
    /// The sum of the actions: a user of three actions counts three.
    Sum,
}

/// Whether a number was observed or worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// Observed.
    Recorded,
    /// What was recorded, raised by what installations that do not report would add.
    Estimated,
    /// What would have been recorded if installations had behaved otherwise.
    Predicted,
    /// What is most likely to come.
    Forecast,
}

/// Whether users were counted or estimated by a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Count {
    /// Every user counted once; `users_low` and `users_high` equal `users`.
    Exact,
    /// Estimated; `users_low..=users_high` is a 95 % interval.
    Approx,
}

words!(Method, "method", Union = "union", Indicator = "indicator", Max = "max", Sum = "sum");
words!(
    Basis,
    "basis",
    Recorded = "recorded",
    Estimated = "estimated",
    Predicted = "predicted",
    Forecast = "forecast"
);
words!(Count, "count", Exact = "exact", Approx = "approx");

/// One row of a report. Columns that do not apply are `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportRow {
    /// The named window that the period belongs to.
    pub window: Window,
    /// First and last day, both inclusive, in the report's time zone.
    pub period: Period,
    /// Whether the data reaches past the period's end.
    pub complete: bool,
    /// What the row is a row of.
    pub level: Level,
    /// Key of the section, for levels section, stage, group and action.
    pub section: Option<String>,
    /// Key of the stage, for levels stage, group and action.
    pub stage: Option<String>,
    /// Key of the group, for levels group and action.
    pub group: Option<String>,
    /// Key path of the metric, for level action.
    pub metric: Option<String>,
    /// One value per `--by` dimension; `None` is the "All" row.
    pub by: Vec<Option<String>>,
    /// How the node was rolled up.
    pub method: Method,
    /// Observed or worked out.
    pub basis: Basis,
    /// Counted or estimated.
    pub count: Count,
    /// Users.
    pub users: u64,
    /// Lower end of the 95 % interval; equals `users` when exact.
    pub users_low: u64,
    /// Upper end of the 95 % interval; equals `users` when exact.
    pub users_high: u64,
    /// `users` of the period before; `None` where the data has no period before.
    pub previous_users: Option<u64>,
    /// Change against the period before in per cent; `None` where there is no period before or
    /// it had no users.
    pub change_pct: Option<f64>,
}

impl ReportRow {
    /// Heap bytes of its texts.
    pub(super) fn heap(&self) -> usize {
        let keys = [&self.section, &self.stage, &self.group, &self.metric];
        let texts = keys.into_iter().chain(&self.by).flatten();
        self.by.capacity() * size_of::<Option<String>>()
            + texts.map(String::capacity).sum::<usize>()
    }
}

/// The answer to one question, with what a reader needs to trust it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The window of every row.
    pub window: Window,
    /// IANA name of the time zone in which days are days.
    pub time_zone: String,
    /// Names of the `--by` dimensions; each row's `by` has one value for each.
    pub by: Vec<String>,
    /// So many values of each dimension have rows of their own; the others are one value together.
    /// `None` if there are no others.
    pub top: Option<NonZeroUsize>,
    /// The part of the tree that the report is about.
    pub nodes: NodeFilter,
    /// Day of the oldest event in the sources, or `None` without events.
    pub first_day: Option<Day>,
    /// Day on which the data ends: of the newest event, or the `--as-of` day.
    pub last_day: Option<Day>,
    /// Events that were read and counted, in the range of the report.
    pub events: u64,
    /// Pings that were counted, in the range of the report; `None` if the project has none.
    pub pings: Option<u64>,
    /// How the rows of a forecast were computed, if there are any.
    pub forecast: Option<String>,
    /// Display names by key: sections, stages, groups as (level, key) and metrics' descriptions.
    pub names: std::collections::BTreeMap<(Level, String), String>,
    /// The rows, by period start, level, then names.
    pub rows: Vec<ReportRow>,
}

impl Report {
    /// What is known of the report besides its rows.
    #[must_use]
    pub fn without_rows(&self) -> Self {
        Self {
            window: self.window,
            time_zone: self.time_zone.clone(),
            by: self.by.clone(),
            top: self.top,
            nodes: self.nodes.clone(),
            first_day: self.first_day,
            last_day: self.last_day,
            events: self.events,
            pings: self.pings,
            forecast: self.forecast.clone(),
            names: self.names.clone(),
            rows: Vec::new(),
        }
    }
}
