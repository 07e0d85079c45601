//! Named windows: the only rules by which days are gathered into periods.
//!
//! A window is declared by name and never written by hand: `BETWEEN day - 28 AND day` looks like
//! 28 days and is 29.

use std::fmt;
use std::str::FromStr;

use super::day::{digits, month_length};
use super::{Day, Period};
use crate::nearest::nearest;
use crate::{Error, Result};

/// Longest `trailing_<n>d`, in days: ten years and some.
const MAX_TRAILING_DAYS: u16 = 3660;

/// The windows whose name is one word; `trailing_<n>d` is the only one that is not.
const NAMED_WINDOWS: [(&str, Window); 9] = [
    ("day", Window::Day),
    ("week", Window::Week),
    ("month", Window::Month),
    ("quarter", Window::Quarter),
    ("year", Window::Year),
    ("last_28d_of_month", Window::Last28dOfMonth),
    ("iso_4w", Window::Iso4w),
    ("lagged_28d", Window::Lagged28d),
    ("ping_28d", Window::Ping28d),
];

const NAMES: &str = "day week month quarter year last_28d_of_month trailing_<n>d iso_4w lagged_28d \
                     ping_28d";

/// A rule that lays periods over the days. Every period is inclusive on both ends.
///
/// Periods are cut off at [`Day::MIN`] and [`Day::MAX`]; away from these they have full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// `day`: each day by itself.
    Day,
    /// `week`: ISO weeks, Monday to Sunday.
    Week,
    /// `month`: calendar months.
    Month,
    /// `quarter`: calendar quarters, from January.
    Quarter,
    /// `year`: calendar years.
    Year,
    /// `last_28d_of_month`: the last 28 days of each calendar month.
    Last28dOfMonth,
    /// `trailing_<n>d`: the n days (1..=3660) that end on the day itself.
    Trailing(u16),
    /// `iso_4w`: four whole ISO weeks, 28 days, Monday to Sunday.
    Iso4w,
    /// `lagged_28d`: the 28 days that end two days ago.
    Lagged28d,
    /// `ping_28d`: the 28 days that each installation counted for its last ping of a calendar month.
    /// Only pings have it; its periods are the months.
    Ping28d,
}

impl Window {
    /// The period of a report made on `day`.
    ///
    /// Calendar windows, `ping_28d` and `last_28d_of_month`: that of the day's week, month and so on (for the
    /// latter the day itself may lie before it). `trailing_<n>d`: ends on the day. `iso_4w`: the
    /// four weeks before the day's week, also on a Sunday. `lagged_28d`: ends two days earlier.
    #[must_use]
    pub fn at(self, day: Day) -> Period {
        let (year, month, _) = day.ymd();
        let months = |first: u8, last: u8| {
            let end = Day::of_ymd(year, last, month_length(year, last));
            Period::new(Day::of_ymd(year, first, 1), end)
        };
        let monday = -day.weekday();
        match self {
            Self::Day => Period::new(day, day),
            Self::Week => Period::new(day.plus(monday), day.plus(monday + 6)),
            Self::Month | Self::Ping28d => months(month, month),
            Self::Quarter => {
                let first = (month - 1) / 3 * 3 + 1;
                months(first, first + 2)
            }
            Self::Year => months(1, 12),
            Self::Last28dOfMonth => {
                let end = months(month, month).end;
                Period::new(end.plus(-27), end)
            }
            Self::Trailing(n) => Period::new(day.plus(1 - i32::from(n)), day),
            Self::Iso4w => Period::new(day.plus(monday - 28), day.plus(monday - 1)),
            Self::Lagged28d => Period::new(day.plus(-29), day.plus(-2)),
        }
    }

    /// The periods that a report over `range` has a row for, in order.
    ///
    /// Calendar windows and `last_28d_of_month`: every period (for the latter: every month's) that
    /// has a day of its unit in the range, whole, even where it reaches out of the range.
    /// `trailing_<n>d` and `lagged_28d`: [`Window::at`] each day of the range. `iso_4w`: the report
    /// is taken once per ISO week, so the four weeks that end on each Sunday of the range.
    #[must_use]
    pub fn periods(self, range: Period) -> Vec<Period> {
        let (first, last) = (range.start.number(), range.end.number());
        match self {
            Self::Trailing(_) | Self::Lagged28d => {
                (first..=last).map(|number| self.at(Day::new(number))).collect()
            }
            Self::Iso4w => (first + 6 - range.start.weekday()..=last)
                .step_by(7)
                .map(|sunday| Period::new(Day::new(sunday - 27), Day::new(sunday)))
                .collect(),
            _ => {
                let mut periods = Vec::new();
                let mut day = range.start;
                while day <= range.end {
                    let period = self.at(day);
                    periods.push(period);
                    if period.end == Day::MAX {
                        break; // there is no day to go on with
                    }
                    day = period.end.plus(1);
                }
                periods
            }
        }
    }

    /// The period of this window just before `period`, which must be one of this window.
    ///
    /// Calendar windows: the one that ends the day before. `last_28d_of_month`: that of the month
    /// before. `trailing_<n>d` and `lagged_28d`: a day earlier. `iso_4w`: a week earlier. The
    /// overlapping windows are compared step by step: most of their days are in both.
    #[must_use]
    pub fn previous(self, period: Period) -> Period {
        let earlier = |days: i32| Period::new(period.start.plus(-days), period.end.plus(-days));
        match self {
            Self::Trailing(_) | Self::Lagged28d => earlier(1),
            Self::Iso4w => earlier(7),
            Self::Last28dOfMonth => self.at(Window::Month.at(period.end).start.plus(-1)),
            _ => self.at(period.start.plus(-1)),
        }
    }

    /// The only period that contains `day`, for the calendar windows, whose periods tile the days.
    /// `None` for the others: their periods overlap, or leave days out (`last_28d_of_month`).
    #[must_use]
    pub fn partition(self, day: Day) -> Option<Period> {
        match self {
            Self::Day | Self::Week | Self::Month | Self::Quarter | Self::Year | Self::Ping28d => {
                Some(self.at(day))
            }
            Self::Last28dOfMonth | Self::Trailing(_) | Self::Iso4w | Self::Lagged28d => None,
        }
    }
}

/// The name: `month`, `trailing_28d`, `iso_4w` ...
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, NAMED_WINDOWS.iter().find(|(_, window)| window == self)) {
            (Self::Trailing(n), _) => f.pad(&format!("trailing_{n}d")),
            (_, Some((name, _))) => f.pad(name),
            (_, None) => Err(fmt::Error),
        }
    }
}

/// Reads a name as displayed; `trailing_<n>d` with n from 1 to 3660, without leading zeros.
impl FromStr for Window {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        if let Some((_, window)) = NAMED_WINDOWS.iter().find(|(known, _)| *known == name) {
            return Ok(*window);
        }
        let length = name.strip_prefix("trailing_").and_then(|rest| rest.strip_suffix('d'));
        if let Some(length) = length.filter(|digits| !digits.starts_with('0')).and_then(days) {
            return Ok(Self::Trailing(length));
        }
        let message = format!("unknown window `{name}`");
        Err(Error::input(message).with(
            "help",
            match suggestion(name) {
                Some(known) => format!("did you mean `{known}`? The windows are: {NAMES}"),
                None => format!("use one of: {NAMES}, with n from 1 to {MAX_TRAILING_DAYS}"),
            },
        ))
    }
}

/// A valid number of trailing days.
fn days(text: &str) -> Option<u16> {
    let days = u16::try_from(digits(text.as_bytes())?).ok()?;
    (1..=MAX_TRAILING_DAYS).contains(&days).then_some(days)
}

/// What was probably meant by `28d`, `trailing_28`, `monthly`, `mnth`.
fn suggestion(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let length: String = lower
        .trim_start_matches("trailing")
        .trim_end_matches("days")
        .trim_end_matches('d')
        .trim_matches(['_', '-', ' '])
        .to_owned();
    if let Some(length) = days(&length) {
        return Some(Window::Trailing(length).to_string());
    }
    let stem = lower.strip_suffix("ly").unwrap_or(&lower);
    nearest(stem, NAMED_WINDOWS.iter().map(|(known, _)| (*known).to_owned()))
}
