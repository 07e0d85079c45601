//! What a data set consists of.

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Number of rows, as asked for.
    pub events: u64,
    /// Number of Parquet files of events.
    pub files: usize,
    /// Their size together, in bytes.
    pub bytes: u64,
    /// The months, in order.
    pub months: Vec<Month>,
}

/// One month of a [`Summary`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Month {
    /// Its first day, as in `2025-01-01`.
    pub period_start: String,
    /// People who did anything in the month.
    pub users: u64,
    /// Events that happened in the month.
    pub events: u64,
}
