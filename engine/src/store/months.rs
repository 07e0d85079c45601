//! Rows of the table `months`: the users of any event in a month, in one shard.
//!
//! The table can be computed from `activity`; it is stored because monthly users are the most
//! frequent query, and would need the union of all sets of the month.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BinaryViewArray, Date32Array, Int32Array, Int64Array,
};
use arrow::datatypes::{DataType, Date32Type, Field, Int32Type, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::activity::ActivityRow;
use super::file::DataReader;
use crate::calendar::{Day, Window};
use crate::users::{ShardBitset, portable};
use crate::{Error, Result};

/// Columns that say what a row is about.
const COLUMNS: [&str; 3] = ["month", "shard", "user_count"];

/// Users of one shard in one month.
#[derive(Clone, Debug)]
pub struct MonthRow {
    /// First day of the month.
    pub month: Day,
    /// Which users.
    pub shard: u32,
    /// How many.
    pub user_count: u64,
    /// Row group and row of the set.
    pub position: (usize, usize),
}

/// Columns of the table.
pub(super) fn schema() -> Schema {
    Schema::new(vec![
        Field::new("month", DataType::Date32, true),
        Field::new("shard", DataType::Int32, true),
        Field::new("users", DataType::Binary, true),
        Field::new("user_count", DataType::Int64, true),
    ])
}

/// The months of sorted rows of `activity`, as one batch for each month of each shard.
pub(super) fn of_rows(rows: &[ActivityRow]) -> Result<Vec<RecordBatch>> {
    let month = |row: &ActivityRow| Window::Month.at(row.day).start;
    let chunks: Vec<&[ActivityRow]> =
        rows.chunk_by(|a, b| a.shard == b.shard && month(a) == month(b)).collect();
    chunks
        .into_par_iter()
        .filter_map(|rows| Some((rows.first()?, rows)))
        .map(|(first, rows)| {
            let mut bitset = ShardBitset::default();
            for row in rows {
                bitset.add(&row.users)?;
            }
            let users = portable::encode(&bitset.ids(first.shard))?;
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Date32Array::from(vec![month(first).number()])),
                Arc::new(Int32Array::from(vec![first.shard as i32])),
                Arc::new(BinaryArray::from_iter_values([users])),
                Arc::new(Int64Array::from(vec![bitset.len() as i64])),
            ];
            Ok(RecordBatch::try_new(Arc::new(schema()), columns)?)
        })
        .collect()
}

/// What the rows of each file of the table are about.
///
/// # Errors
/// When a file is broken.
pub fn months(files: &[DataReader]) -> Result<Vec<Vec<MonthRow>>> {
    let groups = files.iter().flat_map(|file| (0..file.groups()).map(move |group| (file, group)));
    DataReader::fetch_ahead(groups, &COLUMNS)?;
    let read = |file: &DataReader| -> Result<Vec<MonthRow>> {
        let groups = (0..file.groups()).into_par_iter().map(|group| read_group(file, group));
        Ok(groups.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    };
    files.iter().map(read).collect()
}

fn read_group(file: &DataReader, group: usize) -> Result<Vec<MonthRow>> {
    let batch = file.read(group, &COLUMNS)?;
    let broken = || file.broken("a row lacks a value or has a negative one");
    let column = |at: usize| -> Result<&ArrayRef> {
        let column = batch.column(at);
        if column.null_count() > 0 { Err(broken()) } else { Ok(column) }
    };
    let month = column(0)?.as_primitive_opt::<Date32Type>().ok_or_else(broken)?;
    let shard = column(1)?.as_primitive_opt::<Int32Type>().ok_or_else(broken)?;
    let count = column(2)?.as_primitive_opt::<Int64Type>().ok_or_else(broken)?;
    let rows = 0..batch.num_rows();
    rows.map(|row| {
        Ok(MonthRow {
            month: Day::new(month.value(row)),
            shard: u32::try_from(shard.value(row)).map_err(|_| broken())?,
            user_count: u64::try_from(count.value(row)).map_err(|_| broken())?,
            position: (group, row),
        })
    })
    .collect()
}

/// Batches of the table as if they were in a file.
pub(super) fn in_memory(batches: Vec<RecordBatch>) -> Result<DataReader> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("month", DataType::Date32, true),
        Field::new("shard", DataType::Int32, true),
        Field::new("users", DataType::BinaryView, true),
        Field::new("user_count", DataType::Int64, true),
    ]));
    let groups = batches.into_iter().map(|batch| {
        let mut columns = batch.columns().to_vec();
        let users = columns[2].as_binary_opt::<i32>();
        let users = users.ok_or_else(|| Error::internal("a set that is not binary"))?;
        columns[2] = Arc::new(users.iter().collect::<BinaryViewArray>());
        Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
    });
    Ok(DataReader::of_batches(groups.collect::<Result<_>>()?))
}
