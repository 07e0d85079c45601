//! A stretch of days.

use std::fmt;

use super::Day;

/// The days from `start` to `end`, both inclusive.
///
/// With `end` before `start` it is empty: it contains nothing and has no days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// First day, inclusive.
    pub start: Day,
    /// Last day, inclusive.
    pub end: Day,
}

impl Period {
    /// The days from `start` to `end`, both inclusive.
    #[must_use]
    pub const fn new(start: Day, end: Day) -> Self {
        Self { start, end }
    }

    /// Number of days; one day has 1.
    #[must_use]
    pub fn days(self) -> u32 {
        u32::try_from(self.end.number() - self.start.number() + 1).unwrap_or(0)
    }

    /// Whether `day` is one of them.
    #[must_use]
    pub fn contains(self, day: Day) -> bool {
        self.start <= day && day <= self.end
    }
}

/// `2026-01-01..2026-01-31`; the second date is inclusive.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}
