//! Rows that cannot be counted, by reason.

use std::collections::BTreeMap;
use std::fmt;

use crate::calendar::Day;

/// Why a row was not counted. A row with several faults has the first of them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No time.
    TimeMissing,
    /// The time is not one.
    TimeUnreadable,
    /// The time is before 1970-01-01T00:00:00Z, the usual trace of a clock that was never set.
    TimeBefore1970,
    /// The time is after the project's `no_events_after`.
    TimeAfterBound,
    /// No user, or an empty text.
    UserMissing,
    /// User keys are scoped, and the row has no scope.
    ScopeMissing,
    /// No event name, or an empty one.
    EventMissing,
}

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Self; 7] = [
        Self::TimeMissing,
        Self::TimeUnreadable,
        Self::TimeBefore1970,
        Self::TimeAfterBound,
        Self::UserMissing,
        Self::ScopeMissing,
        Self::EventMissing,
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TimeMissing => "no time",
            Self::TimeUnreadable => "unreadable time",
            Self::TimeBefore1970 => "time before 1970",
            Self::TimeAfterBound => "time after no_events_after",
            Self::UserMissing => "no user",
            Self::ScopeMissing => "no scope for the user",
            Self::EventMissing => "no event name",
        })
    }
}

/// Numbers of rejected rows by source and reason, with the first file (by name) of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejects {
    counts: BTreeMap<(String, Reason), (u64, String)>,
    /// Of those whose time is good, the days, if the scan kept days apart.
    days: BTreeMap<(Reason, Day), u64>,
}

impl Rejects {
    /// Counts `rows` more.
    pub fn add(&mut self, source: &str, reason: Reason, file: &str, rows: u64) {
        if rows == 0 {
            return;
        }
        let entry =
            self.counts.entry((source.to_owned(), reason)).or_insert_with(|| (0, file.to_owned()));
        entry.0 += rows;
        if file < entry.1.as_str() {
            file.clone_into(&mut entry.1);
        }
    }

    /// Notes that a rejected row has a good time, on this day.
    pub fn add_day(&mut self, reason: Reason, day: Day) {
        *self.days.entry((reason, day)).or_default() += 1;
    }

    /// `(reason, day, rows)` of the rows that [`add_day`](Self::add_day) was told of.
    pub fn days(&self) -> impl Iterator<Item = (Reason, Day, u64)> {
        self.days.iter().map(|((reason, day), rows)| (*reason, *day, *rows))
    }

    /// Adds the counts of another part of the scan.
    pub fn merge(&mut self, other: &Self) {
        for ((source, reason), (rows, file)) in &other.counts {
            self.add(source, *reason, file, *rows);
        }
        for (key, rows) in &other.days {
            *self.days.entry(*key).or_default() += rows;
        }
    }

    /// Rejected rows in all.
    pub fn total(&self) -> u64 {
        self.counts.values().map(|(rows, _)| rows).sum()
    }

    /// `(source, reason, rows, first file)`, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Reason, u64, &str)> {
        self.counts.iter().map(|((s, r), (n, file))| (s.as_str(), *r, *n, file.as_str()))
    }
}
