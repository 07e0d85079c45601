//! Calendar arithmetic in UTC, in the proleptic Gregorian calendar.

/// Microseconds of one hour.
pub(crate) const HOUR: i64 = 3_600_000_000;
/// Microseconds of one day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct YearMonth {
    /// The year.
    pub(crate) year: i32,
    /// The month, 1..=12.
    pub(crate) month: u32,
}

impl YearMonth {
    /// The month `n` months later.
    pub(crate) const fn plus(self, n: u32) -> Self {
        let months = self.month - 1 + n;
        Self { year: self.year + (months / 12) as i32, month: months % 12 + 1 }
    }

    /// Days from 1970-01-01 to the first day of the month.
    ///
    /// The years are counted from March, so that the leap day is the last of its year (Hinnant,
    /// "chrono-Compatible Low-Level Date Algorithms").
    pub(crate) const fn first_day(self) -> i32 {
        let year = if self.month > 2 { self.year } else { self.year - 1 };
        let month_from_march = (self.month as i32 + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5;
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        year * 365 + leap_days + day_of_year - 719_468
    }

    /// The name of the month, as in `2025-01`.
    pub(crate) fn name(self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }

    /// The first day of the month, as in `2025-01-01`.
    pub(crate) fn first_date(self) -> String {
        format!("{:04}-{:02}-01", self.year, self.month)
    }
}

/// A day counted from 1970-01-01, as in `2025-01-31` (Hinnant, as above).
pub(crate) fn date(day: i32) -> String {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i32::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

/// The day of the week, Monday = 0, of a day counted from 1970-01-01 (a Thursday).
pub(crate) const fn weekday(day: i32) -> usize {
    (day + 3).rem_euclid(7) as usize
}

#[cfg(test)]
mod tests {
    use super::{YearMonth, date, weekday};

    #[test]
    fn months_start_on_the_right_day() {
        // (year, month, days from 1970-01-01, days in the month, day of the week)
        for (year, month, first, days, day) in [
            (1970, 1, 0, 31, 3),
            (1972, 2, 761, 29, 1),
            (2000, 2, 10_988, 29, 1),
            (2025, 1, 20_089, 31, 2),
            (2026, 3, 20_513, 31, 6),
            (2100, 2, 47_513, 28, 0),
        ] {
            let it = YearMonth { year, month };
            let length = it.plus(1).first_day() - it.first_day();
            assert_eq!((it.first_day(), length), (first, days), "{}", it.name());
            assert_eq!(weekday(first), day, "{}", it.name());
        }
    }

    #[test]
    fn days_have_dates() {
        for (day, expected) in
            [(-1, "1969-12-31"), (0, "1970-01-01"), (11_016, "2000-02-29"), (20_454, "2026-01-01")]
        {
            assert_eq!(date(day), expected);
        }
        for month in 0..2_400 {
            let month = YearMonth { year: 1950, month: 1 }.plus(month);
            assert_eq!(date(month.first_day()), month.first_date());
        }
    }

    #[test]
    fn months_add_over_the_year() {
        let start = YearMonth { year: 2025, month: 11 };
        assert_eq!(start.plus(2), YearMonth { year: 2026, month: 1 });
        assert_eq!(start.plus(25).first_date(), "2027-12-01");
    }
}
