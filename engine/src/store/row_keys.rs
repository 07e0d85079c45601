//! What the rows of the table `activity` are about, and their sets, as they are read.

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, DictionaryArray};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;

use super::activity::{LEADING_COLUMNS, Series};
use super::file::DataReader;
use crate::{Error, Result};

/// What the rows of a row group are about, without their users.
pub struct RowKeys {
    batch: RecordBatch,
    dimensions: usize,
}

/// Columns of [`RowKeys`] behind the dimensions.
const COUNTS: [&str; 2] = ["shard", "event_count"];

impl RowKeys {
    /// Reads it, with these dimensions, in their order.
    ///
    /// # Errors
    /// When the file is broken.
    pub fn read(file: &DataReader, group: usize, dimensions: &[String]) -> Result<Self> {
        let names = Self::columns(dimensions);
        let batch = file.read(group, &names)?;
        let columns =
            names.iter().map(|name| batch.schema_ref().index_of(name).map_err(Error::from));
        let batch = batch.project(&columns.collect::<Result<Vec<_>>>()?)?;
        let keys = Self { batch, dimensions: dimensions.len() };
        let nulls = |at: usize| keys.batch.column(at).logical_null_count();
        let count = keys.batch.num_columns();
        let needed = (0..LEADING_COLUMNS.len()).chain(count - COUNTS.len()..count);
        if needed.map(nulls).sum::<usize>() > 0 {
            return Err(file.broken("a row lacks a value"));
        }
        if let Some(row) = keys.signed_events().iter().position(|events| *events < 0) {
            return Err(file.broken(&format!(
                "row {row} of row group {group} has a negative number of events"
            )));
        }
        if keys.shards().iter().any(|shard| *shard < 0) {
            return Err(file.broken(&format!("row group {group} has a negative shard")));
        }
        Ok(keys)
    }

    /// The columns that are read for it.
    pub fn columns(dimensions: &[String]) -> Vec<&str> {
        let dimensions = dimensions.iter().map(String::as_str);
        LEADING_COLUMNS.into_iter().chain(dimensions).chain(COUNTS).collect()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The day of each row.
    pub fn days(&self) -> &[i32] {
        self.batch.column(0).as_primitive::<Date32Type>().values()
    }

    /// The shard of each row.
    pub fn shards(&self) -> &[i32] {
        self.count_column(2).as_primitive::<Int32Type>().values()
    }

    /// Events of a row.
    pub fn events(&self, row: usize) -> u64 {
        // Reading has refused negative ones.
        self.signed_events()[row].unsigned_abs()
    }

    fn signed_events(&self) -> &[i64] {
        self.count_column(1).as_primitive::<Int64Type>().values()
    }

    /// The texts that rows are about: source, event, dimensions.
    pub fn texts(&self) -> Vec<&DictionaryArray<Int32Type>> {
        let columns = &self.batch.columns()[1..3 + self.dimensions];
        columns.iter().map(|column| column.as_dictionary::<Int32Type>()).collect()
    }

    /// What a row is about.
    pub fn series(&self, row: usize) -> Series {
        let texts = self.texts();
        let text = |at: usize| {
            let (values, key) = (texts[at].values().as_string::<i32>(), texts[at].key(row)?);
            Some(values.value(key).to_owned())
        };
        // Reading has refused rows without a source or an event.
        let needed = |at: usize| {
            let (values, keys) = (texts[at].values().as_string::<i32>(), texts[at].keys());
            values.value(keys.value(row) as usize).to_owned()
        };
        let dimensions = (2..texts.len()).map(text).collect();
        Series { source: needed(0), event: needed(1), dimensions }
    }

    fn count_column(&self, from_end: usize) -> &ArrayRef {
        let columns = self.batch.columns();
        &columns[columns.len() - from_end]
    }
}

/// The sets of the rows of a row group, as they are stored.
///
/// # Errors
/// When the file is broken.
pub fn users(file: &DataReader, group: usize) -> Result<BinaryViewArray> {
    let batch = file.read(group, &["users"])?;
    let users = batch.column(0).as_binary_view_opt().filter(|users| users.null_count() == 0);
    users.cloned().ok_or_else(|| file.broken("a row without users"))
}

/// How many users the sets of the rows of a row group have, as the file says.
///
/// # Errors
/// When the file is broken.
pub(super) fn user_counts(file: &DataReader, group: usize) -> Result<Vec<u64>> {
    let broken = || file.broken("a row without a number of users");
    let batch = file.read(group, &["user_count"])?;
    let counts = batch.column(0).as_primitive_opt::<Int64Type>().ok_or_else(broken)?;
    let count = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
    counts.iter().map(|each| count(each).ok_or_else(broken)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::record_batch::RecordBatch;

    use super::{RowKeys, user_counts};
    use crate::calendar::Day;
    use crate::store::activity::in_memory;
    use crate::store::{ActivityRow, DataReader, Series};
    use crate::users::portable::encode;

    /// A store's rows of one user and one event, one of the counts negative.
    #[test]
    fn a_negative_count_is_an_error() {
        let series =
            [Series { source: "a".to_owned(), event: "b".to_owned(), dimensions: Vec::new() }];
        let users = encode(&[7]).unwrap();
        let row = ActivityRow {
            shard: 0,
            day: Day::new(20_000),
            series: 0,
            users,
            user_count: 1,
            event_count: 1,
        };
        let sound = in_memory(&[], &series, &mut [row]).unwrap();
        let names = ["day", "source", "event", "shard", "users", "user_count", "event_count"];
        let batch = sound.read(0, &names).unwrap();
        let with = |column: &str| {
            let at = batch.schema_ref().index_of(column).unwrap();
            let mut columns = batch.columns().to_vec();
            columns[at] = Arc::new(Int64Array::from(vec![-1])) as ArrayRef;
            DataReader::of_batches(vec![RecordBatch::try_new(batch.schema(), columns).unwrap()])
        };
        assert_eq!(RowKeys::read(&sound, 0, &[]).unwrap().events(0), 1);
        assert_eq!(user_counts(&sound, 0).unwrap(), [1]);
        assert!(RowKeys::read(&with("event_count"), 0, &[]).is_err());
        assert!(user_counts(&with("user_count"), 0).is_err());
    }
}
