//! The results: a measurement for each counter and size, level or report.

use counters::Counter;
use engine::active::Level;
use engine::scan::Rejects;

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

/// The results.
#[derive(Clone, Debug)]
pub struct Measured {
    /// A description of the users: the project's, or synthetic ones.
    pub subject: String,
    /// Whether the users are those of a project.
    pub from_project: bool,
    /// How many users the sets were drawn from.
    pub users: u64,
    /// Sets drawn of each size.
    pub trials: u32,
    /// Seed of the random sets.
    pub seed: u64,
    /// The measurements: by size, then by level, then of whole reports.
    pub lines: Vec<Measurement>,
    /// For each counter of the engine's own, the sets of the project's nodes.
    pub nodes: Vec<(Counter, Vec<Node>)>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// Rows of the data that could not be counted.
    pub rejects: Rejects,
}

/// One node of the project in one period: its users, and the error of the estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// Users, exactly.
    pub users: u64,
    /// Estimate against users: 0.01 is one per cent too many.
    pub error: f64,
}
