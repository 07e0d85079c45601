//! What fleet to make.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::calendar::YearMonth;
use crate::error::{Error, Result};
use crate::settings::ensure;

/// What fleet to make. The same settings (other than `out` and `overwrite`) give the same bytes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FleetSettings {
    /// Number of installations, with those that never send a ping, `1..=100,000`. Default: 1,000.
    pub installations: u32,
    /// Number of complete calendar months, `1..=120`. Pings go on for some days of the month after
    /// them. Default: 12.
    pub months: u32,
    /// Chooses one of the many fleets with these settings. Default: 1.
    pub seed: u64,
    /// The first month, as (year, month), from 1970 to 2200. Default: (2025, 1).
    pub start: (i32, u32),
    /// About how many key paths a ping has, `200..=20,000`. Default: 1,300.
    pub keys: u32,
    /// Which installations do not send pings. Default: random.
    pub nonresponse: Nonresponse,
    /// The folder to make. It must be missing or empty, unless `overwrite` is set.
    pub out: PathBuf,
    /// Whether an earlier data set in `out` may be replaced. Default: no.
    pub overwrite: bool,
}

/// Which installations do not send pings, or only sometimes. On average these are as many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nonresponse {
    /// All are equally likely not to.
    #[default]
    Random,
    /// The more users an installation has, the less likely it is to send pings.
    Biased,
}

impl Nonresponse {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Random, Self::Biased];

    /// The name used in settings: `random` or `biased`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Biased => "biased",
        }
    }
}

impl fmt::Display for Nonresponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Nonresponse {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| Error::Setting {
            name: "nonresponse",
            value: text.to_owned(),
            expected: "random or biased",
        })
    }
}

impl FleetSettings {
    /// The default settings for a fleet in the folder `out`.
    pub fn new(out: impl Into<PathBuf>) -> Self {
        Self {
            installations: 1_000,
            months: 12,
            seed: 1,
            start: (2025, 1),
            keys: 1_300,
            nonresponse: Nonresponse::Random,
            out: out.into(),
            overwrite: false,
        }
    }

    /// Refuses values out of range.
    pub(crate) fn check(&self) -> Result<()> {
        let (year, month) = self.start;
        ensure("installations", self.installations, 1..=100_000, "1 to 100,000")?;
        ensure("months", self.months, 1..=120, "1 to 120")?;
        ensure("start year", year, 1970..=2200, "1970 to 2200")?;
        ensure("start month", month, 1..=12, "1 to 12")?;
        ensure("keys", self.keys, 200..=20_000, "200 to 20,000")
    }

    /// The first month.
    pub(crate) const fn first_month(&self) -> YearMonth {
        YearMonth { year: self.start.0, month: self.start.1 }
    }
}
