//! Units in which integer columns hold time.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// What an integer column counts since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeUnit {
    /// `s`
    Second,
    /// `ms`
    Millisecond,
    /// `us`
    Microsecond,
    /// `ns`
    Nanosecond,
}

impl TimeUnit {
    /// `value` in microseconds; nanoseconds are rounded down, towards the past, also before 1970.
    /// `None` when the result does not fit.
    #[must_use]
    pub const fn to_micros(self, value: i64) -> Option<i64> {
        match self {
            Self::Second => value.checked_mul(1_000_000),
            Self::Millisecond => value.checked_mul(1_000),
            Self::Microsecond => Some(value),
            Self::Nanosecond => Some(value.div_euclid(1_000)),
        }
    }

    /// A number with a fraction, `1700000000.25`, in microseconds; cut towards the past.
    #[must_use]
    pub fn float_to_micros(self, number: f64) -> Option<i64> {
        let micros = match self {
            Self::Second => number * 1e6,
            Self::Millisecond => number * 1e3,
            Self::Microsecond => number,
            Self::Nanosecond => number / 1e3,
        };
        // Beyond 2^53 the fraction of a microsecond is lost; beyond this the number is no date.
        (micros.abs() < 9e15).then(|| micros.floor() as i64)
    }

    /// A number as text in microseconds.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<i64> {
        let text = text.trim();
        match text.parse::<i64>() {
            Ok(number) => self.to_micros(number),
            Err(_) => self.float_to_micros(text.parse().ok()?),
        }
    }
}

/// `s`, `ms`, `us` or `ns`.
impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Second => "s",
            Self::Millisecond => "ms",
            Self::Microsecond => "us",
            Self::Nanosecond => "ns",
        })
    }
}

/// Reads `s ms us ns` and the full words, singular or plural.
impl FromStr for TimeUnit {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "s" | "second" | "seconds" => Ok(Self::Second),
            "ms" | "millisecond" | "milliseconds" => Ok(Self::Millisecond),
            "us" | "microsecond" | "microseconds" => Ok(Self::Microsecond),
            "ns" | "nanosecond" | "nanoseconds" => Ok(Self::Nanosecond),
            _ => Err(Error::input(format!("unknown time unit `{word}`"))
                .with("help", "use one of: s ms us ns second millisecond microsecond nanosecond")),
        }
    }
}
