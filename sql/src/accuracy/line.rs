//! The figures: one line for each counter and size, level or report.

use counters::Counter;
use engine::active::Level;

/// What the sets of a line are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Sets of one size, drawn at random.
    Size,
    /// The sets of a level: its nodes in all periods.
    Level(Level),
    /// All rows of a report, as `headcount report` counts them.
    Report,
}

impl Part {
    /// The word in the output's first column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Level(_) => "level",
            Self::Report => "report",
        }
    }
}

/// How far estimates are off, as shares of the exact count: 0.01 is one per cent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// Mean, without regard to the sign.
    pub mean: f64,
    /// 95 of 100 sets are off by no more.
    pub p95: f64,
    /// The largest.
    pub worst: f64,
    /// Share of the sets whose exact count lies within the stated 95 % interval; `None` where
    /// none is stated.
    pub inside: Option<f64>,
}

/// What was measured of one counter on some sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// What the sets are.
    pub part: Part,
    /// Who counted.
    pub counter: Counter,
    /// How many sets; those without users are left out.
    pub sets: u64,
    /// Users in a set: the size, or the mean.
    pub users: u64,
    /// Users in the largest set.
    pub largest: u64,
    /// How far off the estimates are.
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
