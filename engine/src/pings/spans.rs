//! Since when pings have values of which metrics.

use super::metrics::Kind;
use super::tables::PingTables;
use crate::calendar::Zone;
use crate::metric::DataSpan;

impl PingTables {
    /// The values of each metric path in pings, by its index: how many, and the UTC days of the first
    /// and of the last. Counted are valid numbers, and of a metric whose value is not a number all
    /// but null and the numbers that stand for a failure.
    pub fn spans(&self) -> Vec<Option<DataSpan>> {
        let mut spans = vec![None; self.metrics.list.len()];
        for ping in &self.collection.pings {
            let day = Zone::utc().day_of(ping.recorded_at);
            for (code, content) in self.collection.values(ping) {
                let (Some(index), Some((kind, _))) =
                    (self.metrics.index(code), self.metrics.kind(code, content))
                else {
                    continue;
                };
                let is_data = match self.metrics.list[index].is_number {
                    true => kind == Kind::Valid,
                    false => matches!(
                        kind,
                        Kind::String | Kind::Boolean | Kind::NotANumber | Kind::Fraction
                    ),
                };
                if is_data {
                    DataSpan::add(&mut spans[index], day, 1);
                }
            }
        }
        spans
    }
}
