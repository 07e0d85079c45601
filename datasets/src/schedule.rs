//! When events happen: how many in each hour, and the time of each one.
//!
//! Events are numbered in order of time. The number alone gives the time, so any range of events
//! can be made without the ones before it.

use std::ops::Range;

use crate::calendar::{DAY, HOUR, YearMonth, weekday};
use crate::random::unit;

/// Weight of each hour of the day, UTC: two working days overlap in the afternoon.
const HOUR_WEIGHTS: [u64; 24] = [
    28, 24, 22, 22, 26, 34, 50, 72, 92, 100, 98, 90, 88, 104, 116, 118, 112, 98, 84, 74, 66, 56,
    44, 34,
];
/// Weight of each day of the week, from Monday.
const WEEKDAY_WEIGHTS: [u64; 7] = [98, 104, 105, 102, 90, 36, 33];
/// Weight of each month: a dip in August, a deeper one in December.
const MONTH_WEIGHTS: [u64; 12] = [97, 100, 103, 100, 98, 97, 92, 84, 101, 105, 102, 80];
/// Growth from one month to the next, in thousandths of the first month.
const MONTHLY_GROWTH_PERMILLE: u64 = 15;

/// The time of every event.
pub(crate) struct Schedule {
    /// The first instant, in microseconds from 1970-01-01 UTC.
    start: i64,
    /// For each hour the number of the first event in it or after it, then the number of events.
    first: Vec<u64>,
    months: Vec<Month>,
    /// The position of the month that each day belongs to.
    month_of_day: Vec<u16>,
}

struct Month {
    name: YearMonth,
    /// Its hours, counted from the start.
    hours: Range<usize>,
}

impl Schedule {
    /// Spreads `events` over `months` calendar months from `start`.
    pub(crate) fn new(start: YearMonth, months: u32, events: u64) -> Self {
        let mut weights = Vec::new();
        let mut month_of_day = Vec::new();
        let mut spans = Vec::new();
        for at in 0..months {
            let name = start.plus(at);
            let first_hour = weights.len();
            let season = MONTH_WEIGHTS[name.month as usize - 1]
                * (1_000 + MONTHLY_GROWTH_PERMILLE * u64::from(at));
            for day in name.first_day()..name.plus(1).first_day() {
                month_of_day.push(at as u16);
                weights
                    .extend(HOUR_WEIGHTS.map(|hour| season * WEEKDAY_WEIGHTS[weekday(day)] * hour));
            }
            spans.push(Month { name, hours: first_hour..weights.len() });
        }
        // Rounding the running total, not each hour, makes the sum exact.
        let total: u128 = weights.iter().map(|w| u128::from(*w)).sum();
        let mut sum = 0_u128;
        let mut first = vec![0];
        for weight in weights {
            sum += u128::from(weight);
            first.push((u128::from(events) * sum / total) as u64);
        }
        Self { start: i64::from(start.first_day()) * DAY, first, months: spans, month_of_day }
    }

    /// Number of months.
    pub(crate) const fn months(&self) -> usize {
        self.months.len()
    }

    /// Number of days.
    pub(crate) const fn days(&self) -> usize {
        self.month_of_day.len()
    }

    /// The first instant, in microseconds from 1970-01-01 UTC.
    pub(crate) const fn start(&self) -> i64 {
        self.start
    }

    /// The calendar month at this position.
    pub(crate) fn name(&self, month: usize) -> YearMonth {
        self.months[month].name
    }

    /// The numbers of the events of a month.
    pub(crate) fn events(&self, month: usize) -> Range<u64> {
        let hours = &self.months[month].hours;
        self.first[hours.start]..self.first[hours.end]
    }

    /// The position of the month that a day, counted from the start, belongs to.
    pub(crate) fn month_of_day(&self, day: usize) -> usize {
        usize::from(self.month_of_day[day])
    }

    /// A clock positioned at the event with number `event`.
    pub(crate) fn clock(&self, event: u64) -> EventClock<'_> {
        let hour = self.first.partition_point(|first| *first <= event).saturating_sub(1);
        EventClock { schedule: self, hour }
    }
}

/// Gives the times of events in rising order of their numbers.
pub(crate) struct EventClock<'a> {
    schedule: &'a Schedule,
    hour: usize,
}

impl EventClock<'_> {
    /// The time of an event, in microseconds from 1970-01-01 UTC. `event` is not smaller than in
    /// the call before. Times do not fall as events rise, whatever the random `bits` are.
    pub(crate) fn time(&mut self, event: u64, bits: u64) -> i64 {
        let first = &self.schedule.first;
        while first[self.hour + 1] <= event {
            self.hour += 1;
        }
        let (from, to) = (first[self.hour], first[self.hour + 1]);
        let step = HOUR as f64 / (to - from) as f64;
        let offset = ((event - from) as f64 + unit(bits)) * step;
        // Rounding may reach the end of the hour, which belongs to the next one.
        self.schedule.start + self.hour as i64 * HOUR + (offset as i64).min(HOUR - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::calendar::{DAY, HOUR, YearMonth};
    use crate::random::mix;

    const START: YearMonth = YearMonth { year: 2025, month: 1 };

    #[test]
    fn every_event_has_its_month() {
        for events in [1, 2, 59, 1_000, 1_000_003] {
            let schedule = Schedule::new(START, 14, events);
            let mut next = 0;
            for month in 0..schedule.months() {
                assert_eq!(schedule.events(month).start, next);
                next = schedule.events(month).end;
            }
            assert_eq!(next, events);
        }
    }

    #[test]
    fn times_rise_and_do_not_depend_on_where_the_clock_starts() {
        let schedule = Schedule::new(START, 2, 50_000);
        let mut clock = schedule.clock(0);
        let times: Vec<i64> = (0..50_000).map(|i| clock.time(i, mix(i))).collect();
        assert!(times.is_sorted());
        for month in 0..2 {
            let first_hour = i64::from(schedule.name(month).first_day()) * DAY;
            let end = i64::from(schedule.name(month).plus(1).first_day()) * DAY;
            assert!(schedule.events(month).all(|i| (first_hour..end).contains(&times[i as usize])));
        }
        for event in [1, 17, 25_000, 49_999] {
            assert_eq!(schedule.clock(event).time(event, mix(event)), times[event as usize]);
        }
    }

    #[test]
    fn weekends_nights_and_december_are_quiet() {
        let schedule = Schedule::new(START, 12, 1_200_000);
        let count = |month| {
            let events = schedule.events(month);
            let name = schedule.name(month);
            let days = name.plus(1).first_day() - name.first_day();
            (events.end - events.start) / days as u64
        };
        // Per day, because months differ in length.
        assert!(count(11) * 100 < count(10) * 90, "{} {}", count(11), count(10));
        assert!(count(7) * 100 < count(8) * 95);
        assert!(count(9) > count(2), "there is growth from March to October");
        let mut clock = schedule.clock(0);
        let mut weekend = 0;
        let mut night = 0;
        for event in 0..100_000 {
            let time = clock.time(event, 0);
            weekend += u32::from(crate::calendar::weekday((time / DAY) as i32) >= 5);
            night += u32::from(time % DAY < 6 * HOUR);
        }
        assert!((5_000..20_000).contains(&weekend), "{weekend} of 100,000 at weekends");
        assert!((5_000..15_000).contains(&night), "{night} of 100,000 before six");
    }
}
