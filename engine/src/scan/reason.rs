//! Reasons for which rows are rejected.

use std::fmt;

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

    /// The key of a source in the project file that names the column at fault.
    pub fn key(self) -> &'static str {
        match self {
            Self::TimeMissing
            | Self::TimeUnreadable
            | Self::TimeBefore1970
            | Self::TimeAfterBound => "time",
            Self::UserMissing | Self::ScopeMissing => "user",
            Self::EventMissing => "event",
        }
    }

    /// What to do if the rows of a whole source are rejected for this reason.
    pub fn help(self) -> &'static str {
        match self {
            Self::TimeMissing => "under `time:` of the source, name the column with the time",
            Self::TimeUnreadable => {
                "under `time:` of the source, name a column with times; numbers need a unit: \
                 `time: {column: ts, unit: ms}` (s, ms, us or ns)"
            }
            Self::TimeBefore1970 => "check the column and its unit under `time:` of the source",
            Self::TimeAfterBound => {
                "check the column and its unit under `time:` of the source, and `no_events_after`"
            }
            Self::UserMissing => "under `user:` of the source, name the column with the user's key",
            Self::ScopeMissing => "under `user:` of the source, name the column with the scope",
            Self::EventMissing => {
                "under `event:` of the source, name the column with the event's name, or write \
                 `{const: page_view}` if all rows are the same event"
            }
        }
    }
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
