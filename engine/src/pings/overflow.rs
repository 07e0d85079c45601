//! Numbers of the tables that are unknown because they, or what they are computed from, are above
//! 2^63 - 1.

use std::fmt;

use super::share::Share;
use super::tables::PingTables;
use crate::calendar::Day;

/// The numbers of a table that are above 2^63 - 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// The name of the table.
    pub table: &'static str,
    /// In how many rows.
    pub rows: usize,
    /// The metric of the first of them.
    pub key_path: String,
    /// The month of the first of them.
    pub month: Day,
    /// Whether it is too many seats, and not the values of the metric.
    pub is_of_seats: bool,
}

impl PingTables {
    /// Numbers that are too large, by table.
    pub fn overflows(&self) -> Vec<Overflow> {
        let recorded = self.recorded.iter().filter(|row| row.recorded.is_none());
        let estimates = self.estimates.iter().filter(|row| row.total.is_none());
        let predictions = self.predictions.iter().filter(|row| {
            row.predicted.is_none() && (row.recorded.is_none() || !row.share.is_zero())
        });
        let seats = |share| share == Share::TooLarge;
        let first = |table, rows: &mut dyn Iterator<Item = (Day, usize, bool)>| {
            let (month, metric, is_of_seats) = rows.next()?;
            let key_path = self.metrics.list[metric].key_path.clone();
            Some(Overflow { table, rows: 1 + rows.count(), key_path, month, is_of_seats })
        };
        [
            first("ping_recorded", &mut recorded.map(|row| (row.month, row.metric, false))),
            first(
                "ping_estimates",
                &mut estimates.map(|row| (row.month, row.metric, seats(row.share))),
            ),
            first(
                "ping_predictions",
                &mut predictions.map(|row| (row.month, row.metric, seats(row.share))),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// What is unknown, and how to find the cause.
impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, rows, key_path, month, .. } = self;
        let rows = match rows {
            1 => "1 row".to_owned(),
            rows => format!("{rows} rows"),
        };
        write!(
            f,
            "NULL in {rows} of {table} stands for numbers above 2^63 - 1, the first for {key_path} in \
             {month}; correct the largest "
        )?;
        if self.is_of_seats {
            return write!(
                f,
                "numbers of seats: SELECT * FROM ping_population WHERE month = '{month}' \
                 ORDER BY seats DESC LIMIT 5"
            );
        }
        let key_path = key_path.replace('\'', "''");
        write!(
            f,
            "values: SELECT * FROM ping_values WHERE key_path = '{key_path}' ORDER BY value DESC \
             LIMIT 5"
        )
    }
}
