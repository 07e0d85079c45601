//! The measurements: one for each counter and size, level or report.

use counters::Counter;
use engine::active::Level;

/// The kind of sets of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKind {
    /// Sets of one size, drawn at random.
    Size,
    /// The sets of a level: its nodes in all periods.
    Level(Level),
    /// All rows of a report, as `headcount report` counts them.
    Report,
}

impl SetKind {
    /// The value of the output's first column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Level(_) => "level",
            Self::Report => "report",
        }
    }
}

/// Relative errors of estimates: 0.01 is one per cent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// Mean of the absolute errors.
    pub mean: f64,
    /// 95th percentile of the absolute errors.
    pub p95: f64,
    /// The largest absolute error.
    pub worst: f64,
    /// Share of the sets whose exact count is in the 95 % interval; `None` for counters without
    /// intervals.
    pub inside: Option<f64>,
}

/// The results of one counter on some sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// The kind of sets.
    pub part: SetKind,
    /// The counter.
    pub counter: Counter,
    /// Number of sets with users.
    pub sets: u64,
    /// Users in a set: the size, or the mean.
    pub users: u64,
    /// Users in the largest set.
    pub largest: u64,
    /// Errors of the estimates.
    pub errors: Errors,
    /// The mean error for the union of two such sets; `None` if there was none.
    pub merged: Option<f64>,
    /// Bytes in memory: of a set on average, or of everything behind a report.
    pub memory: f64,
    /// Bytes as stored, of a set on average; `None` for reports.
    pub stored: Option<f64>,
    /// Microseconds to fill a set, or to answer the whole report; the median.
    pub fill: f64,
    /// Microseconds to make the union of two sets; the median. `None` if there was none.
    pub merge: Option<f64>,
}
