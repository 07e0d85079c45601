//! Time zones: where an instant becomes a civil day and a civil time becomes an instant.
//!
//! # What a day is
//! A day of a zone is everything from the first instant at which its clocks show that date (or a
//! later one) up to the first instant of the next day. So days are half-open, follow each other
//! without a hole, and later instants never have earlier days, which lets sorted files and
//! row-group statistics be used without looking at every row.
//!
//! Where clocks have been set back across midnight (America/St_Johns until 2011: 00:01 became
//! 23:01) the repeated hour shows the old date again; it belongs to the new day, which had already
//! begun. A date that a zone left out (Pacific/Apia 2011-12-30) is a day without instants: it
//! starts where the next one does.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

use super::Day;
use crate::nearest::nearest;
use crate::{Error, Result};

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// An IANA time zone. Its rules are compiled into the program; the machine's are never read.
#[derive(Clone)]
pub struct Zone {
    name: String,
    rules: TimeZone,
    /// Microseconds east of UTC, when that never changes.
    fixed: Option<i64>,
}

impl Zone {
    /// The zone with this IANA name, as `Europe/Berlin` or `UTC`; case does not matter.
    ///
    /// # Errors
    /// When there is no such zone; the error suggests a similar name where there is one.
    pub fn get(name: &str) -> Result<Self> {
        let database = TimeZoneDatabase::bundled();
        match database.get(name) {
            Ok(rules) if !rules.is_unknown() => Ok(Self::new(rules)),
            _ => Err(Error::input(format!("unknown time zone `{name}`")).with(
                "help",
                match nearest(name, database.available().map(|known| known.to_string())) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "use an IANA name such as UTC or Europe/Berlin".to_owned(),
                },
            )),
        }
    }

    /// Coordinated Universal Time.
    #[must_use]
    pub fn utc() -> Self {
        Self::new(TimeZone::UTC)
    }

    /// The IANA name in its usual spelling.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first instant of `day`, in microseconds since the epoch.
    ///
    /// When midnight was skipped it is the instant at which the clocks jumped past it; when
    /// midnight came twice it is the first one; when the whole day was skipped it is the start of
    /// the next day.
    #[must_use]
    pub fn start_of(&self, day: Day) -> i64 {
        let midnight = i64::from(day.number()) * MICROS_PER_DAY;
        let (before, after) = self.offsets(midnight);
        if after <= before {
            return midnight - before;
        }
        // Midnight was skipped. The jump lies after `early`, at which clocks show less than
        // midnight, and not after `late`, at which they show midnight or more.
        let mut early = (midnight - after) / MICROS_PER_SECOND;
        let mut late = (midnight - before) / MICROS_PER_SECOND;
        while early + 1 < late {
            let middle = early + (late - early) / 2;
            let instant = middle * MICROS_PER_SECOND;
            if instant + self.offset(instant) < midnight {
                early = middle;
            } else {
                late = middle;
            }
        }
        late * MICROS_PER_SECOND
    }

    /// The first instant after `day`: the start of the next one, also where the calendar has none.
    #[must_use]
    pub fn end_of(&self, day: Day) -> i64 {
        match day == Day::MAX {
            true => self.start_of(day) + MICROS_PER_DAY,
            false => self.start_of(day.plus(1)),
        }
    }

    /// The day that contains the instant `micros` (microseconds since the epoch): the latest day
    /// with `start_of(day) <= micros`, within [`Day::MIN`]..=[`Day::MAX`].
    #[must_use]
    pub fn day_of(&self, micros: i64) -> Day {
        let shown = day_of_local(micros.saturating_add(self.offset(micros)));
        let mut day = shown;
        if self.fixed.is_none() {
            // The clocks may show a date again after the next day has begun.
            while day < Day::MAX && self.start_of(day.plus(1)) <= micros {
                day = day.plus(1);
            }
        }
        day
    }

    /// The instant at which this zone's clocks show `local_micros`, a civil time given in
    /// microseconds as if it were UTC.
    ///
    /// The rule is RFC 5545's, also known as "compatible": a time that was skipped is read with
    /// the offset before the jump (02:30 becomes 03:30), a time that came twice is the first one.
    #[must_use]
    pub fn instant_of_local(&self, local_micros: i64) -> i64 {
        let (before, _) = self.offsets(local_micros);
        local_micros.saturating_sub(before)
    }

    /// As [`instant_of_local`](Self::instant_of_local), but a time that came twice is the second
    /// one, as in PostgreSQL.
    #[must_use]
    pub fn last_instant_of_local(&self, local_micros: i64) -> i64 {
        let (before, after) = self.offsets(local_micros);
        local_micros.saturating_sub(before.min(after))
    }

    /// Microseconds east of UTC at an instant.
    #[must_use]
    pub fn offset(&self, instant: i64) -> i64 {
        match self.fixed {
            Some(offset) => offset,
            None => micros(self.rules.to_offset(timestamp(instant))),
        }
    }

    /// Microseconds east of UTC before and after the change of offset that makes a civil time
    /// happen never (before < after) or twice (before > after); equal where nothing changes.
    fn offsets(&self, local_micros: i64) -> (i64, i64) {
        if let Some(offset) = self.fixed {
            return (offset, offset);
        }
        let local = Offset::UTC.to_datetime(timestamp(local_micros));
        match self.rules.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => (micros(offset), micros(offset)),
            AmbiguousOffset::Gap { before, after } | AmbiguousOffset::Fold { before, after } => {
                (micros(before), micros(after))
            }
        }
    }

    fn new(rules: TimeZone) -> Self {
        let name = rules.iana_name().unwrap_or("UTC").to_owned();
        let fixed = rules.to_fixed_offset().ok().map(micros);
        Self { name, rules, fixed }
    }
}

/// Zones are equal when their names are: all rules come from one database.
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name).finish()
    }
}

/// The date shown by a clock that stands at `local_micros`.
pub(super) fn day_of_local(local_micros: i64) -> Day {
    let number = local_micros.div_euclid(MICROS_PER_DAY);
    // i64 microseconds are some 292,000 years, so the number of days always fits.
    Day::new(number as i32)
}

fn micros(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * MICROS_PER_SECOND
}

/// Only for looking up offsets: beyond the time line of `jiff`, which ends on 9999-12-30, the
/// offset is the one at its end.
fn timestamp(micros: i64) -> Timestamp {
    let end = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(end)
}
