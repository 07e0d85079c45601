//! A civil day: a date without a time zone.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// A date of the Gregorian calendar, from [`Day::MIN`] (0001-01-01) to [`Day::MAX`] (9999-12-31).
///
/// It is held as days since 1970-01-01, so it orders, hashes and subtracts as a number. What
/// cannot fail by its signature stays at the nearest end of that range instead of leaving it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// 0001-01-01, a Monday.
    pub const MIN: Self = Self(-719_162);
    /// 9999-12-31, a Friday.
    pub const MAX: Self = Self(2_932_896);

    /// The day `number` days after 1970-01-01 (before it when negative); a number outside the
    /// supported range gives [`Day::MIN`] or [`Day::MAX`].
    #[must_use]
    pub const fn new(number: i32) -> Self {
        if number < Self::MIN.0 {
            Self::MIN
        } else if number > Self::MAX.0 {
            Self::MAX
        } else {
            Self(number)
        }
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The day with this year (1..=9999), month (1..=12) and day of the month (from 1).
    ///
    /// # Errors
    /// When there is no such day, as 2026-02-30.
    pub fn from_ymd(year: i32, month: u8, day: u8) -> Result<Self> {
        let reason = if !(1..=9999).contains(&year) {
            "the year must be from 0001 to 9999".to_owned()
        } else if !(1..=12).contains(&month) {
            "the month must be from 01 to 12".to_owned()
        } else if !(1..=month_length(year, month)).contains(&day) {
            format!("the days of {year:04}-{month:02} are 01 to {}", month_length(year, month))
        } else {
            return Ok(Self::of_ymd(year, month, day));
        };
        let message = format!("invalid date {year:04}-{month:02}-{day:02}");
        Err(Error::input(message).with("help", reason))
    }

    /// Year, month (1..=12) and day of the month (1..=31).
    ///
    /// After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`:
    /// years begin on 1 March, so that the leap day is the last one, and eras are 400 years.
    #[must_use]
    pub fn ymd(self) -> (i32, u8, u8) {
        let shifted = self.0 + 719_468; // days since 0000-03-01, never negative from MIN on
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i32::from(month <= 2);
        (year, month as u8, day as u8)
    }

    /// The day `days` later (earlier when negative); stays within [`Day::MIN`]..=[`Day::MAX`].
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self::new(self.0.saturating_add(days))
    }

    /// The inverse of [`Day::ymd`] for a date that is known to exist (same source,
    /// `days_from_civil`).
    pub(super) fn of_ymd(year: i32, month: u8, day: u8) -> Self {
        let year = year - i32::from(month <= 2);
        let era = year / 400;
        let year_of_era = year % 400;
        let march_month = (i32::from(month) + 9) % 12;
        let day_of_year = (153 * march_month + 2) / 5 + i32::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self::new(era * 146_097 + day_of_era - 719_468)
    }

    /// Days since the Monday of its ISO week, 0..=6.
    pub(super) fn weekday(self) -> i32 {
        (self.0 + 3).rem_euclid(7) // 1970-01-01 was a Thursday
    }
}

/// `2026-03-15`
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// As displayed: a failed test shows a date and not a number.
impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads `YYYY-MM-DD` and nothing else.
impl FromStr for Day {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = text.as_bytes();
        if bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-' {
            let parts = (digits(&bytes[..4]), digits(&bytes[5..7]), digits(&bytes[8..]));
            if let (Some(year), Some(month), Some(day)) = parts {
                return Self::from_ymd(year, month as u8, day as u8);
            }
        }
        let message = format!("`{text}` is not a date");
        Err(Error::input(message).with("help", "write dates as YYYY-MM-DD, such as 2026-03-15"))
    }
}

/// Days of a month, 28..=31.
pub(super) fn month_length(year: i32, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The value of up to nine ASCII digits; `None` when there is anything else, or nothing.
pub(super) fn digits(bytes: &[u8]) -> Option<i32> {
    if bytes.is_empty() || bytes.len() > 9 || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(bytes.iter().fold(0, |value, byte| value * 10 + i32::from(byte - b'0')))
}
