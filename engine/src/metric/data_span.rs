//! What data there is of something.

use crate::calendar::{Day, Period};

/// How much data there is of something, and from when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSpan {
    /// The days of the oldest and of the newest.
    pub days: Period,
    /// How many events or values.
    pub count: u64,
}

impl DataSpan {
    /// Adds events or values of a day.
    pub fn add(span: &mut Option<Self>, day: Day, count: u64) {
        let span = span.get_or_insert(Self { days: Period::new(day, day), count: 0 });
        span.days = Period::new(span.days.start.min(day), span.days.end.max(day));
        span.count += count;
    }
}
