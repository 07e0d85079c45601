//! Weeks of pings, and the months that they fall into.

use std::ops::Range;

use crate::calendar::{YearMonth, date};

/// Days of a week.
const WEEK: i32 = 7;
/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// The weeks from the first day of the first month until some days after the last month. Every
/// installation has one ping in each.
pub(crate) struct Weeks {
    /// The first day.
    start: i32,
    /// The first day of each month, that of the month after them, and of one more.
    months: Vec<i32>,
    /// Number of weeks.
    pub(crate) count: u32,
}

impl Weeks {
    pub(crate) fn new(first: YearMonth, months: u32) -> Self {
        let start = first.first_day();
        // Every installation has a ping after the end of the last month, so that it is complete.
        let days = first.plus(months).first_day() + WEEK - start;
        let months = (0..months + 2).map(|at| first.plus(at).first_day()).collect();
        Self { start, months, count: days.unsigned_abs().div_ceil(WEEK.unsigned_abs()) }
    }

    /// Number of complete months; the next one is incomplete.
    pub(crate) fn months(&self) -> usize {
        self.months.len() - 2
    }

    /// The first day of a month, as in `2025-01-01`.
    pub(crate) fn month_name(&self, month: usize) -> String {
        date(self.months[month])
    }

    /// The days of a month.
    pub(crate) fn month_days(&self, month: usize) -> Range<i32> {
        self.months[month]..self.months[month + 1]
    }

    /// The month of a day.
    pub(crate) fn month_of(&self, day: i32) -> usize {
        self.months.partition_point(|first| *first <= day) - 1
    }

    /// A day of a week, by its number from 0 to 6; day 0 is the weekday of the first day.
    pub(crate) const fn day(&self, week: u32, day: u32) -> i32 {
        self.start + WEEK * week as i32 + day as i32
    }

    /// The instant at which a week ends, in seconds from 1970-01-01.
    pub(crate) const fn end(&self, week: u32) -> i64 {
        self.day(week + 1, 0) as i64 * DAY
    }
}

/// An instant in seconds from 1970-01-01, with a whole number of hours as its offset from UTC:
/// `2025-01-07T04:12:09Z` or `2025-01-07T06:12:09.000+02:00`.
pub(crate) fn instant(seconds: i64, offset: i64) -> String {
    let local = seconds + offset * 3_600;
    let (day, second) = (date(local.div_euclid(DAY) as i32), local.rem_euclid(DAY));
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let time = format!("{day}T{hour:02}:{minute:02}:{second:02}");
    match offset {
        0 => time + "Z",
        _ => format!("{time}.000{}{:02}:00", if offset < 0 { '-' } else { '+' }, offset.abs()),
    }
}

/// An instant as file names begin with it: `20250107T041209Z`.
pub(crate) fn file_time(seconds: i64) -> String {
    instant(seconds, 0).replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::{Weeks, file_time, instant};
    use crate::calendar::YearMonth;

    #[test]
    fn the_last_month_is_complete_and_the_next_is_not() {
        for (first, months) in [((2025, 1), 1), ((2024, 2), 12), ((2026, 2), 1), ((1999, 12), 30)] {
            let weeks = Weeks::new(YearMonth { year: first.0, month: first.1 }, months);
            for day in 0..7 {
                let last = weeks.day(weeks.count - 1, day);
                assert_eq!(weeks.month_of(last), months as usize, "{first:?} {months} {day}");
                assert!(weeks.month_days(months as usize).contains(&last));
            }
            assert_eq!(weeks.month_of(weeks.day(0, 0)), 0);
        }
    }

    #[test]
    fn instants_as_texts() {
        assert_eq!(instant(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(instant(-1, 2), "1970-01-01T01:59:59.000+02:00");
        assert_eq!(instant(3_600, -5), "1969-12-31T20:00:00.000-05:00");
        assert_eq!(file_time(1_736_223_129), "20250107T041209Z");
    }
}
