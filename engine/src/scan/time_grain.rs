//! The time grain of a scan, and the bucket of an instant.
//!
//! A window consists of whole buckets: a month needs only months, thirty trailing days need days.
//! The coarsest possible grain is the cheapest.

use std::ops::Range;

use crate::calendar::{Day, Period, Window, Zone};

/// The grain of time of a scan. Granules of one granularity never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeGrain {
    /// Calendar periods of this window.
    Calendar(Window),
    /// The last 28 days of every month; the days before belong to no bucket.
    MonthEnd,
}

impl TimeGrain {
    /// The coarsest grain that the window's periods are made of.
    pub fn of(window: Window) -> Self {
        match window {
            Window::Day | Window::Week | Window::Month | Window::Quarter | Window::Year => {
                Self::Calendar(window)
            }
            // Events are not counted in it.
            Window::Ping28d => Self::Calendar(Window::Month),
            Window::Last28dOfMonth => Self::MonthEnd,
            Window::Iso4w => Self::Calendar(Window::Week),
            Window::Trailing(_) | Window::Lagged28d => Self::Calendar(Window::Day),
        }
    }

    /// The bucket that holds the day, if any.
    pub fn bucket(self, day: Day) -> Option<Period> {
        match self {
            Self::Calendar(window) => window.partition(day),
            Self::MonthEnd => {
                Some(Window::Last28dOfMonth.at(day)).filter(|period| period.contains(day))
            }
        }
    }
}

/// Computes the bucket of an instant; rows in the same bucket as the last one cost two comparisons.
#[derive(Clone, Debug)]
pub struct TimeBucketer {
    grain: TimeGrain,
    zone: Zone,
    last: (Range<i64>, Option<Day>),
    known: Vec<(Range<i64>, Option<Day>)>,
}

impl TimeBucketer {
    /// Buckets of a grain in a zone.
    pub fn new(grain: TimeGrain, zone: &Zone) -> Self {
        Self { grain, zone: zone.clone(), last: (0..0, None), known: Vec::new() }
    }

    /// First day of the bucket that holds the instant (microseconds since the epoch), if any.
    #[inline]
    pub fn bucket(&mut self, micros: i64) -> Option<Day> {
        if !self.last.0.contains(&micros) {
            self.last = self.find(micros);
        }
        self.last.1
    }

    /// The instants around `micros` that share its bucket (or its lack of one).
    pub fn bounds(&mut self, micros: i64) -> Range<i64> {
        self.bucket(micros);
        self.last.0.clone()
    }

    fn find(&mut self, micros: i64) -> (Range<i64>, Option<Day>) {
        let at = self.known.partition_point(|(range, _)| range.end <= micros);
        if let Some(entry) = self.known.get(at).filter(|(range, _)| range.contains(&micros)) {
            return entry.clone();
        }
        let day = self.zone.day_of(micros);
        // A day outside every bucket is a stretch of its own.
        let (stretch, start) = match self.grain.bucket(day) {
            Some(bucket) => (bucket, Some(bucket.start)),
            None => (Period::new(day, day), None),
        };
        let range = self.zone.start_of(stretch.start)..self.zone.end_of(stretch.end);
        self.known.insert(at, (range.clone(), start));
        (range, start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::{TimeBucketer, TimeGrain};
    use crate::calendar::{Window, Zone};

    const SECOND: i64 = 1_000_000;

    proptest! {
        /// One bucketer for all instants in a row, so that its cache is used.
        #[test]
        fn the_bucketer_agrees_with_the_calendar(
            zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Apia"]),
            window in proptest::sample::select(vec![
                Window::Day, Window::Week, Window::Month, Window::Year, Window::Last28dOfMonth,
            ]),
            // Around the day that Apia skipped, and anywhere.
            near in proptest::collection::vec(1_324_000_000 * SECOND..1_326_500_000 * SECOND, 0..200),
            far in proptest::collection::vec(0..4_100_000_000 * SECOND, 0..50),
        ) {
            let zone = Zone::get(zone).unwrap();
            let grain = TimeGrain::of(window);
            let mut bucketer = TimeBucketer::new(grain, &zone);
            for instant in near.iter().chain(&far).chain(&near) {
                let day = zone.day_of(*instant);
                let expected = Some(window.at(day)).filter(|period| period.contains(day));
                prop_assert_eq!(bucketer.bucket(*instant), expected.map(|period| period.start));
                let bounds = bucketer.bounds(*instant);
                for inside in [bounds.start, bounds.end - 1] {
                    prop_assert_eq!(bucketer.bucket(inside), expected.map(|period| period.start));
                }
            }
        }
    }
}
