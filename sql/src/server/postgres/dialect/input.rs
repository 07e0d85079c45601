//! Texts of dates, times and intervals as PostgreSQL reads them: the ISO forms, not the regional
//! ones.

use engine::calendar::Day;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// A date and time as written, and its offset from UTC if it has one, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) local: i64,
    pub(super) offset: Option<i64>,
}

/// Reads `2026-03-15`, `20260315`, `2026-03-15 13:00`, `2026-03-15T13:00:00.5+02:00` and similar.
pub(super) fn timestamp(text: &str) -> Option<Written> {
    let text = text.trim();
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim_start()),
        None => (text, ""),
    };
    let midnight = i64::from(date_only(date)?.number()) * DAY;
    if rest.is_empty() {
        return Some(Written { local: midnight, offset: None });
    }
    let (clock, zone) = match rest.find(['+', '-', 'Z', 'z', 'U', 'u']) {
        Some(at) => (rest[..at].trim_end(), Some(&rest[at..])),
        None => (rest, None),
    };
    let offset = match zone {
        None => None,
        Some(zone) => Some(offset(zone)?),
    };
    let since_midnight = if clock.is_empty() { 0 } else { time(clock)? };
    Some(Written { local: midnight.checked_add(since_midnight)?, offset })
}

/// Why a text is not read as a date or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// No date or clock has these numbers: `2026-02-30`, `25:00`.
    OutOfRange,
    /// PostgreSQL reads this form: `03/15/2026`, `Mar 15 2026`, `infinity`, `today`.
    OtherForm,
    Invalid,
}

/// Words in the forms of dates and times that PostgreSQL reads. Months and days of the week are
/// known by their first three letters.
const WORDS: [&str; 15] = [
    "infinity",
    "epoch",
    "now",
    "today",
    "tomorrow",
    "yesterday",
    "allballs",
    "bc",
    "ad",
    "am",
    "pm",
    "j",
    "t",
    "z",
    "utc",
];
const NAMES: [&str; 19] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mon",
    "tue", "wed", "thu", "fri", "sat", "sun",
];

/// Why [`timestamp`] or [`time`] did not read a text.
pub(super) fn unread(text: &str) -> Unread {
    let lower = text.trim().to_lowercase();
    let (date, clock) = match lower.split_once(['t', ' ']) {
        Some((date, clock)) => (date, clock.trim_start()),
        None if lower.contains(':') => ("", lower.as_str()),
        None => (lower.as_str(), ""),
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let lengths: Vec<usize> = date.split(['-', '/']).map(str::len).collect();
    let is_date = date.split(['-', '/']).all(is_number)
        && (lengths == [8] || matches!(lengths.as_slice(), [4, 1..=2, 1..=2]));
    let is_clock = clock.starts_with(|letter: char| letter.is_ascii_digit())
        && clock.bytes().all(|byte| byte.is_ascii_digit() || b":.+-z".contains(&byte));
    if is_date && (is_clock || clock.is_empty())
        || date.is_empty() && is_clock && clock.contains(':')
    {
        return Unread::OutOfRange;
    }
    let parts = lower.split(|letter: char| !letter.is_alphanumeric());
    let (numbers, words): (Vec<&str>, Vec<&str>) =
        parts.filter(|part| !part.is_empty()).partition(|part| is_number(part));
    let is_known = |word: &&str| {
        WORDS.contains(word) || word.get(..3).is_some_and(|start| NAMES.contains(&start))
    };
    match words.iter().all(is_known) && (!words.is_empty() || numbers.len() > 2) {
        true => Unread::OtherForm,
        false => Unread::Invalid,
    }
}

fn date_only(text: &str) -> Option<Day> {
    let number = |text: &str, most: usize| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= most;
        if is_number { text.parse::<i32>().ok() } else { None }
    };
    let (year, month, day) = if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        (number(&text[..4], 4)?, number(&text[4..6], 2)?, number(&text[6..], 2)?)
    } else {
        let separator = if text.contains('/') { '/' } else { '-' };
        let mut parts = text.splitn(3, separator);
        let year = parts.next().filter(|year| year.len() == 4)?;
        (number(year, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?)
    };
    Day::from_ymd(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?).ok()
}

/// Microseconds since midnight of `13:00`, `13:00:01` or `13:00:01.5`.
pub(super) fn time(text: &str) -> Option<i64> {
    let micros = clock(text)?;
    (micros <= DAY).then_some(micros)
}

/// `hours:minutes[:seconds[.fraction]]`, with any number of hours.
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let seconds = match parts.next() {
        Some(seconds) => decimal(seconds).filter(|_| !seconds.starts_with(['+', '-']))?,
        None => 0,
    };
    if minutes > 59 || seconds > 60 * SECOND {
        return None;
    }
    hours.checked_mul(HOUR)?.checked_add(minutes * MINUTE + seconds)
}

fn digits(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// A decimal number in millionths, rounded.
fn decimal(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut padded: String = fraction.chars().take(7).collect();
    while padded.len() < 7 {
        padded.push('0');
    }
    let fraction = (padded.parse::<i64>().ok()? + 5) / 10;
    Some(sign * whole.checked_mul(1_000_000)?.checked_add(fraction)?)
}

/// Microseconds east of UTC of `Z`, `UTC`, `+02`, `+0200` or `+02:00`.
pub(super) fn offset(text: &str) -> Option<i64> {
    if ["z", "utc"].contains(&text.to_lowercase().as_str()) {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let text = &text[1..];
    let (hours, minutes) = match text.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if text.len() == 4 => (text.get(..2)?, text.get(2..)?),
        None => (text, "0"),
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours <= 15 && minutes <= 59).then_some(sign * (hours * HOUR + minutes * MINUTE))
}

/// Months, days and microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) micros: i64,
}

impl Span {
    pub(super) fn negated(self) -> Option<Self> {
        let Self { months, days, micros } = self;
        Some(Self {
            months: months.checked_neg()?,
            days: days.checked_neg()?,
            micros: micros.checked_neg()?,
        })
    }
}

/// Reads `1 year 2 mons -3 days 04:05:06.7`, `36 hours`, `1.5 days`, `2 days ago` and ISO 8601's
/// `P1Y2M3DT4H5M6S`.
pub(super) fn interval(text: &str) -> Option<Span> {
    let text = text.trim().to_lowercase();
    if let Some(iso) = text.strip_prefix('p') {
        return iso_interval(iso);
    }
    let (text, sign) = match text.strip_suffix("ago") {
        Some(text) => (text.to_owned(), -1),
        None => (text, 1),
    };
    let mut span = Span::default();
    let mut words = split(&text).into_iter().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        let bare = word.trim_start_matches(['+', '-']);
        if bare.contains(':') {
            let negative = if word.starts_with('-') { -1 } else { 1 };
            span.micros = span.micros.checked_add(negative * clock(bare)?)?;
            continue;
        }
        // A number without a unit at the end counts seconds.
        let unit = words.next().unwrap_or_default();
        add(&mut span, decimal(&word)?, &unit)?;
    }
    Some(Span {
        months: sign * span.months,
        days: sign * span.days,
        micros: i64::from(sign) * span.micros,
    })
}

/// Numbers, clocks and units; a unit may follow its number without a space.
fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match word.find(|letter: char| letter.is_ascii_alphabetic()) {
            Some(at) if at > 0 => {
                words.push(word[..at].to_owned());
                words.push(word[at..].to_owned());
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Adds millionths of a unit. Fractions of months become days of 30, fractions of days time.
fn add(span: &mut Span, millionths: i64, unit: &str) -> Option<()> {
    const MILLION: i64 = 1_000_000;
    let unit = if unit == "ms" { "msec" } else { unit.strip_suffix('s').unwrap_or(unit) };
    let (months, days, micros) = match unit {
        "millennium" | "millennia" => (12_000, 0, 0),
        "century" | "centurie" | "c" => (1_200, 0, 0),
        "decade" => (120, 0, 0),
        "year" | "y" | "yr" => (12, 0, 0),
        "month" | "mon" => (1, 0, 0),
        "week" | "w" => (0, 7, 0),
        "day" | "d" => (0, 1, 0),
        "hour" | "h" | "hr" => (0, 0, HOUR),
        "minute" | "min" | "m" => (0, 0, MINUTE),
        "second" | "sec" | "" => (0, 0, SECOND),
        "millisecond" | "msec" => (0, 0, 1_000),
        "microsecond" | "usec" | "u" => (0, 0, 1),
        _ => return None,
    };
    let all_months = millionths.checked_mul(months)?;
    // PostgreSQL drops what a fraction of a year has beyond whole months.
    let month_rest = if months > 1 { 0 } else { all_months % MILLION };
    let all_days = millionths.checked_mul(days)?.checked_add(month_rest.checked_mul(30)?)?;
    let day_rest = (all_days % MILLION).checked_mul(DAY / MILLION)?;
    let time = i128::from(millionths) * i128::from(micros) / i128::from(MILLION);
    span.months = span.months.checked_add(i32::try_from(all_months / MILLION).ok()?)?;
    span.days = span.days.checked_add(i32::try_from(all_days / MILLION).ok()?)?;
    span.micros = span.micros.checked_add(day_rest)?.checked_add(i64::try_from(time).ok()?)?;
    Some(())
}

fn iso_interval(text: &str) -> Option<Span> {
    let mut span = Span::default();
    let (mut number, mut is_time, mut parts) = (String::new(), false, 0);
    for letter in text.chars() {
        match letter {
            't' if number.is_empty() => is_time = true,
            '0'..='9' | '.' | '-' | '+' => number.push(letter),
            unit => {
                let unit = match (unit, is_time) {
                    ('y', false) => "year",
                    ('m', false) => "month",
                    ('w', false) => "week",
                    ('d', false) => "day",
                    ('h', true) => "hour",
                    ('m', true) => "minute",
                    ('s', true) => "second",
                    _ => return None,
                };
                add(&mut span, decimal(&number)?, unit)?;
                number.clear();
                parts += 1;
            }
        }
    }
    (number.is_empty() && parts > 0).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::{
        DAY, HOUR, MINUTE, SECOND, Span, Unread, Written, interval, offset, time, timestamp, unread,
    };

    #[test]
    fn timestamps_are_read_as_written() {
        let day = 20_527 * DAY;
        let read = |text| timestamp(text).map(|Written { local, offset }| (local - day, offset));
        for (text, expected) in [
            ("2026-03-15", (0, None)),
            ("20260315", (0, None)),
            ("2026-3-15", (0, None)),
            ("2026/03/15 13:00", (13 * HOUR, None)),
            (" 2026-03-15T13:00:01.25Z ", (13 * HOUR + SECOND * 5 / 4, Some(0))),
            ("2026-03-15 13:00+02", (13 * HOUR, Some(2 * HOUR))),
            ("2026-03-15 13:00:00 -03:30", (13 * HOUR, Some(-3 * HOUR - 30 * MINUTE))),
            ("2026-03-15 24:00", (DAY, None)),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for text in
            ["", "2026", "2026-02-30", "26-03-15", "2026-03-15 25:00", "2026-03-15 13:00 CET"]
        {
            assert_eq!(timestamp(text), None, "{text}");
        }
        assert_eq!(
            (time("13:00:00.5"), time("13"), time("13:61")),
            (Some(13 * HOUR + SECOND / 2), None, None)
        );
        assert_eq!((offset("+0230"), offset("02")), (Some(2 * HOUR + 30 * MINUTE), None));
    }

    #[test]
    fn other_forms_and_impossible_dates_are_told_from_invalid_texts() {
        for text in ["2026-02-30", "20261301", "2026-03-15 25:00", "2026-03-15T24:30:00Z", "25:00"]
        {
            assert_eq!(unread(text), Unread::OutOfRange, "{text}");
        }
        for text in [
            "infinity",
            "-Infinity",
            "today",
            "now",
            "03.15.2026",
            "03/15/2026",
            "Mar 15 2026",
            "15 march 2026",
            "0044-03-15 BC",
            "allballs",
        ] {
            assert_eq!(unread(text), Unread::OtherForm, "{text}");
        }
        for text in ["", "x", "2026", "2026-03", "2026-03-15 x", "t1", "13"] {
            assert_eq!(unread(text), Unread::Invalid, "{text}");
        }
    }

    #[test]
    fn intervals_keep_their_fields() {
        let span = |months, days, micros| Some(Span { months, days, micros });
        for (text, expected) in [
            ("36 hours", span(0, 0, 36 * HOUR)),
            ("1 year 2 mons -3 days 04:05:06", span(14, -3, 4 * HOUR + 5 * MINUTE + 6 * SECOND)),
            ("1.5 days", span(0, 1, 12 * HOUR)),
            ("1.5 months", span(1, 15, 0)),
            ("1.5 years", span(18, 0, 0)),
            ("2 weeks", span(0, 14, 0)),
            ("90min", span(0, 0, 90 * MINUTE)),
            ("-00:30", span(0, 0, -30 * MINUTE)),
            ("1 day 2 hours ago", span(0, -1, -2 * HOUR)),
            ("P1Y2M3DT4H5M6S", span(14, 3, 4 * HOUR + 5 * MINUTE + 6 * SECOND)),
            ("PT36H", span(0, 0, 36 * HOUR)),
            ("1 day 2", span(0, 1, 2 * SECOND)),
        ] {
            assert_eq!(interval(text), expected, "{text}");
        }
        for text in ["", "hours", "1 fortnight", "P", "P1", "1 day x"] {
            assert_eq!(interval(text), None, "{text}");
        }
    }
}
