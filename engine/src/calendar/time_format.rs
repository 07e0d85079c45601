//! What texts and numbers say about time: declared, or recognised from a sample.

use jiff::fmt::strtime;

use super::{TimeUnit, Zone, parse_instant};
use crate::{Error, Result};

/// How a column holds times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// Times by their type, and texts as [`parse_instant`] reads them.
    #[default]
    Standard,
    /// Numbers since 1970.
    Epoch(TimeUnit),
    /// Texts in a format of `strftime`, `%d.%m.%Y %H:%M`.
    Pattern(String),
    /// To be recognised from the values.
    Auto,
}

/// Dates in the forms of programs and spreadsheets. Those of which a text may be either are refused.
const DATES: [&str; 9] = [
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%b %d, %Y",
    "%d %b %Y",
    "%Y%m%d",
];
/// What may follow a date.
const TIMES: [&str; 8] = [
    "",
    " %H:%M",
    " %H:%M:%S%.f",
    " %I:%M %p",
    " %I:%M:%S %p",
    " %H:%M:%S%.f %z",
    "T%H:%M:%S%.f",
    "%H%M%S",
];
/// Forms with an order of their own: of mail, and of web servers.
const OTHERS: [&str; 3] =
    ["%a, %d %b %Y %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z", "%a %b %d %H:%M:%S %Y"];

impl TimeFormat {
    /// Checks a format of `strftime`.
    ///
    /// # Errors
    /// When it does not give a date.
    pub fn pattern(pattern: &str) -> Result<Self> {
        let day = jiff::civil::datetime(2026, 3, 15, 10, 20, 30, 0);
        let offset = jiff::tz::TimeZone::UTC;
        let text = day.to_zoned(offset).ok().and_then(|day| strtime::format(pattern, &day).ok());
        match text.and_then(|text| instant(pattern, &text, &Zone::utc())) {
            Some(_) => Ok(Self::Pattern(pattern.to_owned())),
            None => Err(Error::input(format!("`{pattern}` is not the format of a date"))
                .with("help", "write it as for `strftime`, as in `%d.%m.%Y %H:%M:%S`")),
        }
    }

    /// The format in which a sample of texts is written. Empty texts are ignored, and so are those
    /// that no format reads; the others must have one format.
    ///
    /// # Errors
    /// When there is none, or they can be read in two ways.
    pub fn recognise<'a>(sample: impl Iterator<Item = &'a str>) -> Result<Self> {
        let texts: Vec<&str> = sample.map(str::trim).filter(|text| !text.is_empty()).collect();
        if texts.is_empty() {
            return Ok(Self::Standard);
        }
        let utc = Zone::utc();
        let reads = |format: &Self, text: &str| format.parse(text, &utc).is_some();
        let units =
            [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        let dates =
            DATES.iter().flat_map(|date| TIMES.iter().map(move |time| format!("{date}{time}")));
        let patterns = dates.chain(OTHERS.iter().map(|other| (*other).to_owned()));
        let all = std::iter::once(Self::Standard)
            .chain(units.into_iter().map(Self::Epoch))
            .chain(patterns.map(Self::Pattern));
        // Of the formats that read the most, all must read the same.
        let counted = all.map(|format| {
            let count = match &format {
                Self::Epoch(unit) => texts.iter().filter(|text| is_epoch(text, *unit)).count(),
                other => texts.iter().filter(|text| reads(other, text)).count(),
            };
            (format, count)
        });
        let mut counted: Vec<(Self, usize)> = counted.filter(|(_, count)| *count > 0).collect();
        counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let most = counted.first().map_or(0, |(_, count)| *count);
        let mut best = counted.iter().filter(|(_, count)| *count == most).map(|(format, _)| format);
        let example = texts[0];
        match (best.next(), best.next()) {
            // Nothing that it reads means something else in another format.
            (Some(Self::Standard), _) => Ok(Self::Standard),
            (None, _) => Err(Error::input(format!("`{example}` is not recognised as a time"))
                .with(
                    "help",
                    "name the format: `time: {column: ..., format: \"%d.%m.%Y %H:%M\"}`",
                )),
            (Some(one), Some(other)) => Err(Error::input(format!(
                "times such as `{example}` can be read in two ways: as {one} and as {other}"
            ))
            .with("help", "name the right one with `format:` or `unit:` under `time:`")),
            (Some(one), None) => Ok(one.clone()),
        }
    }

    /// The instant of a text, in microseconds; texts without a zone are in `zone`.
    #[must_use]
    pub fn parse(&self, text: &str, zone: &Zone) -> Option<i64> {
        match self {
            Self::Standard | Self::Auto => parse_instant(text, zone),
            Self::Epoch(unit) => unit.parse(text),
            Self::Pattern(pattern) => instant(pattern, text.trim(), zone),
        }
    }
}

/// `%d.%m.%Y`, `ISO 8601`, `ms since 1970`
impl std::fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Standard => f.write_str("ISO 8601"),
            Self::Epoch(unit) => write!(f, "{unit} since 1970"),
            Self::Pattern(pattern) => f.write_str(pattern),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// Whether a number is a time between 1973 and 2286 in a unit; no number is one in two units.
fn is_epoch(text: &str, unit: TimeUnit) -> bool {
    let least = match unit {
        TimeUnit::Second => 1e8,
        TimeUnit::Millisecond => 1e11,
        TimeUnit::Microsecond => 1e14,
        TimeUnit::Nanosecond => 1e17,
    };
    let number =
        text.parse::<f64>().ok().filter(|_| text.starts_with(|c: char| c.is_ascii_digit()));
    number.is_some_and(|number| (least..100.0 * least).contains(&number))
}

/// What a text says in a format of `strftime`.
fn instant(pattern: &str, text: &str, zone: &Zone) -> Option<i64> {
    let parsed = strtime::parse(pattern, text).ok()?;
    let date = parsed.to_date().ok()?;
    let time = parsed.to_time().unwrap_or_default();
    // As ISO 8601, so that zones and skipped hours are treated in one way.
    let local = format!("{date}T{time}");
    match parsed.offset() {
        Some(offset) => {
            Some(parse_instant(&local, &Zone::utc())? - i64::from(offset.seconds()) * 1_000_000)
        }
        None => parse_instant(&local, zone),
    }
}

#[cfg(test)]
mod tests {
    use super::{TimeFormat, is_epoch};
    use crate::calendar::{TimeUnit, Zone, parse_instant};

    /// The texts are recognised, and the first of them is this instant.
    #[track_caller]
    fn check(texts: &[&str], format: &str, first: &str) {
        let found = TimeFormat::recognise(texts.iter().copied()).unwrap();
        assert_eq!(found.to_string(), format);
        let utc = Zone::utc();
        assert_eq!(found.parse(texts[0], &utc), Some(parse_instant(first, &utc).unwrap()));
    }

    #[track_caller]
    fn fails(texts: &[&str], message: &str) {
        let error = TimeFormat::recognise(texts.iter().copied()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn formats_are_recognised() {
        let noon = "2026-03-15T12:00:00Z";
        check(&[noon, "", "2026-03-16"], "ISO 8601", noon);
        check(&["1773576000"], "s since 1970", noon);
        check(&["1773576000.5", "1773576000"], "s since 1970", "2026-03-15T12:00:00.5Z");
        check(&["1773576000000"], "ms since 1970", noon);
        check(&["1773576000000000"], "us since 1970", noon);
        check(&["1773576000000000000"], "ns since 1970", noon);
        check(&["03/15/2026 12:00", "03/04/2026 08:30"], "%m/%d/%Y %H:%M", noon);
        check(&["15/03/2026 12:00:00", "03/04/2026 08:30:00"], "%d/%m/%Y %H:%M:%S%.f", noon);
        check(&["03/15/2026 12:00 PM"], "%m/%d/%Y %I:%M %p", noon);
        check(&["15.03.2026 12:00"], "%d.%m.%Y %H:%M", noon);
        check(&["2026/03/15 12:00:00.25"], "%Y/%m/%d %H:%M:%S%.f", "2026-03-15T12:00:00.25Z");
        check(&["Mar 15, 2026"], "%b %d, %Y", "2026-03-15T00:00:00Z");
        check(&["20260315"], "ISO 8601", "2026-03-15T00:00:00Z");
        check(&["20260315120000"], "%Y%m%d%H%M%S", noon);
        check(&["Sun, 15 Mar 2026 13:00:00 +0100"], "%a, %d %b %Y %H:%M:%S %z", noon);
        check(&["15/Mar/2026:12:00:00 +0000"], "%d/%b/%Y:%H:%M:%S %z", noon);
        // A few others are rejected later.
        check(&[noon, "unknown", "2026-03-16"], "ISO 8601", noon);
        assert_eq!(TimeFormat::recognise(["", " "].into_iter()).unwrap(), TimeFormat::Standard);
    }

    #[test]
    fn two_ways_are_none() {
        fails(&["03/04/2026"], "in two ways: as %m/%d/%Y and as %d/%m/%Y");
        fails(&["03-04-2026 10:00"], "in two ways");
        fails(
            &["1773576000", "1773576000000"],
            "in two ways: as s since 1970 and as ms since 1970",
        );
        fails(&["soon"], "`soon` is not recognised");
        fails(&["5"], "is not recognised");
    }

    #[test]
    fn local_times_are_in_their_zone() {
        let berlin = Zone::get("Europe/Berlin").unwrap();
        let format = TimeFormat::pattern("%d.%m.%Y %H:%M").unwrap();
        let expected = parse_instant("2026-07-01T10:00:00Z", &Zone::utc());
        assert_eq!(format.parse("01.07.2026 12:00", &berlin), expected);
        let format = TimeFormat::pattern("%d.%m.%Y %H:%M %z").unwrap();
        assert_eq!(format.parse("01.07.2026 12:00 +0200", &berlin), expected);
        assert_eq!(format.parse("31.06.2026 12:00 +0200", &berlin), None);
    }

    #[test]
    fn patterns_are_dates() {
        for pattern in ["%d", "%H:%M", "%Q%", "yyyy-mm-dd", ""] {
            assert!(TimeFormat::pattern(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn no_number_is_two_times() {
        let units =
            [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        for exponent in 0..20 {
            for digit in [1, 5, 9] {
                let text = format!("{digit}{}", "0".repeat(exponent));
                assert!(units.iter().filter(|unit| is_epoch(&text, **unit)).count() <= 1, "{text}");
            }
        }
        assert!(!is_epoch("inf", TimeUnit::Second));
    }
}
