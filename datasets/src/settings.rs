//! What to make.

use std::path::PathBuf;

use crate::calendar::YearMonth;
use crate::error::{Error, Result};
use crate::ids::Ids;

/// What to make. The same settings (other than `out` and `overwrite`) give the same bytes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// Number of rows, exactly. At least 1. Default: 1,000,000.
    pub events: u64,
    /// Number of people who exist, `1..=2^32`. Not all of them are active. Default: 50,000.
    pub users: u64,
    /// Number of calendar months, `1..=1200`. Default: 12.
    pub months: u32,
    /// Chooses one of the many data sets with these settings. Default: 1.
    pub seed: u64,
    /// The first month, as (year, month), from 1970 to 2200. Default: (2025, 1).
    pub start: (i32, u32),
    /// The form of the user keys. Default: dense.
    pub ids: Ids,
    /// Whether every installation gives out its own keys, so that the same key at two
    /// installations is two people. Default: no, a key is one person everywhere.
    pub scoped: bool,
    /// Number of Parquet files for each month, `1..=1000`. Default: 1.
    pub files_per_month: u32,
    /// Most rows in one row group of a file, `1,000..=100,000,000`. Each thread holds one encoded
    /// row group in memory. Default: 1,048,576 (2^20).
    pub rows_per_group: u64,
    /// Share of events, from 0 to 0.5, that arrive up to 72 hours after they happened. They lie
    /// where they arrived: files are then not in time order, and the last three days of a month
    /// have rows in the files of the next. Default: 0, and files are in time order.
    pub late: f64,
    /// The folder to make. It must be missing or empty, unless `overwrite` is set.
    pub out: PathBuf,
    /// Whether an earlier data set in `out` may be replaced. Default: no.
    pub overwrite: bool,
}

impl Settings {
    /// The default settings for a data set in the folder `out`.
    pub fn new(out: impl Into<PathBuf>) -> Self {
        Self {
            events: 1_000_000,
            users: 50_000,
            months: 12,
            seed: 1,
            start: (2025, 1),
            ids: Ids::Dense,
            scoped: false,
            files_per_month: 1,
            rows_per_group: 1 << 20,
            late: 0.0,
            out: out.into(),
            overwrite: false,
        }
    }

    /// Refuses values out of range.
    pub(crate) fn check(&self) -> Result<()> {
        let (year, month) = self.start;
        ensure("events", self.events, 1..=1 << 50, "1 to 2^50")?;
        ensure("users", self.users, 1..=1 << 32, "1 to 2^32")?;
        ensure("months", self.months, 1..=1200, "1 to 1200")?;
        ensure("start year", year, 1970..=2200, "1970 to 2200")?;
        ensure("start month", month, 1..=12, "1 to 12")?;
        ensure("files_per_month", self.files_per_month, 1..=1000, "1 to 1000")?;
        let rows = "1,000 to 100,000,000";
        ensure("rows_per_group", self.rows_per_group, 1_000..=100_000_000, rows)?;
        ensure("late", self.late, 0.0..=0.5, "0 to 0.5")
    }

    /// The first month.
    pub(crate) const fn first_month(&self) -> YearMonth {
        YearMonth { year: self.start.0, month: self.start.1 }
    }
}

pub(crate) fn ensure<T: PartialOrd + ToString>(
    name: &'static str,
    value: T,
    range: std::ops::RangeInclusive<T>,
    expected: &'static str,
) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::Setting { name, value: value.to_string(), expected })
}
