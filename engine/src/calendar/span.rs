//! `--from` and `--to`: a year, quarter, month, ISO week or day, by its first or its last day.

use super::day::digits;
use super::{Day, Period, Window};
use crate::{Error, Result};

/// The first day of `2026`, `2026-Q1`, `2026-01`, `2026-W12` (ISO week) or `2026-03-15`.
///
/// # Errors
/// When `text` is none of these forms or names something that does not exist, as `2026-13`.
pub fn first_day(text: &str) -> Result<Day> {
    span(text).map(|period| period.start)
}

/// The last day, inclusive, of what [`first_day`] reads.
///
/// # Errors
/// As [`first_day`].
pub fn last_day(text: &str) -> Result<Day> {
    span(text).map(|period| period.end)
}

fn span(text: &str) -> Result<Period> {
    if text.len() == 10 {
        return text.parse().map(|day| Period::new(day, day));
    }
    parts(text).ok_or_else(|| {
        let help = "write a year (2026), quarter (2026-Q1), month (2026-01), ISO week (2026-W12) \
                    or day (2026-03-15)";
        Error::input(format!("`{text}` is not a date")).with("help", help)
    })
}

/// The forms shorter than a day: four digits, then nothing, `-Qq`, `-mm` or `-Www`.
fn parts(text: &str) -> Option<Period> {
    let bytes = text.as_bytes();
    let year = digits(bytes.get(..4)?)?;
    let january = Day::from_ymd(year, 1, 1).ok()?;
    match &bytes[4..] {
        [] => Some(Window::Year.at(january)),
        [b'-', b'Q' | b'q', quarter @ b'1'..=b'4'] => {
            Some(Window::Quarter.at(Day::of_ymd(year, 3 * (quarter - b'0'), 1)))
        }
        [b'-', b'W' | b'w', week @ ..] if week.len() == 2 => iso_week(year, digits(week)?),
        [b'-', month @ ..] if month.len() == 2 => {
            Some(Window::Month.at(Day::from_ymd(year, digits(month)? as u8, 1).ok()?))
        }
        _ => None,
    }
}

/// ISO 8601 weeks belong to the year of their Thursday; week 1 is the one with 4 January.
fn iso_week(year: i32, week: i32) -> Option<Period> {
    let thursday_of_first = Window::Week.at(Day::of_ymd(year, 1, 4)).start.plus(3);
    let thursday = thursday_of_first.plus(7 * (week - 1));
    (week >= 1 && thursday.ymd().0 == year).then(|| Window::Week.at(thursday))
}
