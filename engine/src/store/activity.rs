//! Rows of the table `activity`, and the Parquet files that hold them.
//!
//! A row is the set of users of one (day, source, event, dimension values) in one shard. Rows are
//! sorted by shard, month and the rest, and a row group ends where a shard or a month does (unless
//! it would be tiny): a query over some months reads only their row groups, and no two threads need
//! the same one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, DictionaryArray, Int32Array, Int64Array, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::checksums::finish;
use super::data_file::{DataFile, write};
use super::file::{DataReader, reading_type, text_type};
use crate::calendar::Day;
use crate::storage::Storage;
use crate::{Error, Result};

/// Columns that are no dimensions, in the order of the file around these.
pub(super) const LEADING_COLUMNS: [&str; 3] = ["day", "source", "event"];
/// Columns after the dimensions.
pub(super) const TRAILING_COLUMNS: [&str; 4] = ["shard", "users", "user_count", "event_count"];
/// A row group with fewer bytes of sets than this goes on into the next month or shard.
const MIN_GROUP_BYTES: usize = 256 << 10;
/// A data file has about this many bytes of sets at most.
const MAX_FILE_BYTES: usize = 32 << 20;

/// What a row is about, besides the day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// Name of the source.
    pub source: String,
    /// Name of the event.
    pub event: String,
    /// One value for each dimension of the store; `None` is "no value".
    pub dimensions: Vec<Option<String>>,
}

/// A row to be written.
#[derive(Clone, Debug)]
pub struct ActivityRow {
    /// Which users: [`shard_of`](crate::users::shard_of) any of them.
    pub shard: u32,
    /// The day.
    pub day: Day,
    /// Place in the list of series.
    pub series: u32,
    /// Portable Roaring bitmap of the users' numbers.
    pub users: Vec<u8>,
    /// How many users.
    pub user_count: u64,
    /// How many events of them.
    pub event_count: u64,
}

/// Columns of the table.
pub(super) fn schema(dimensions: &[String]) -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![Field::new("day", DataType::Date32, true), text("source"), text("event")];
    fields.extend(dimensions.iter().map(|name| text(name)));
    fields.push(Field::new("shard", DataType::Int32, true));
    fields.push(Field::new("users", DataType::Binary, true));
    fields.push(Field::new("user_count", DataType::Int64, true));
    fields.push(Field::new("event_count", DataType::Int64, true));
    Schema::new(fields)
}

/// Writes rows as data files, several at a time, as [`to_bytes`] does. Rows come back sorted.
///
/// # Errors
/// When the disk or the object store refuses.
pub(super) fn write_rows(
    storage: &Storage,
    dimensions: &[String],
    series: &[Series],
    rows: &mut [ActivityRow],
    level: i32,
    number: &(dyn Fn() -> String + Sync),
) -> Result<Vec<DataFile>> {
    sort(series, rows);
    let files: Vec<Range<usize>> = split_by_size(rows, MAX_FILE_BYTES.min(row_bytes(rows)));
    files
        .into_par_iter()
        .map(|range| {
            let rows = &rows[range];
            write(storage, to_bytes(dimensions, series, rows, level)?, stats(rows), number())
        })
        .collect()
}

/// Rows as the bytes of one data file, at this level of compression. They must be [sorted](sort).
fn to_bytes(
    dimensions: &[String],
    series: &[Series],
    rows: &[ActivityRow],
    level: i32,
) -> Result<Vec<u8>> {
    let broken = |cause: parquet::errors::ParquetError| {
        Error::internal(format!("cannot write a data file: {cause}"))
    };
    // Texts are handed over as dictionaries, and written as the texts they are.
    let schema = Arc::new(with_dictionaries(&schema(dimensions)));
    let options = ArrowWriterOptions::new()
        .with_properties(properties(level)?)
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&schema), options)
        .map_err(broken)?;
    let texts = Texts::new(dimensions.len(), series);
    for group in split_by_size(rows, MIN_GROUP_BYTES) {
        writer.write(&batch(&schema, &texts, &rows[group])?).map_err(broken)?;
        writer.flush().map_err(broken)?;
    }
    finish(writer).map_err(broken)
}

/// Rows as if they were in a file.
pub(super) fn in_memory(
    dimensions: &[String],
    series: &[Series],
    rows: &mut [ActivityRow],
) -> Result<DataReader> {
    sort(series, rows);
    let schema = Arc::new(with_dictionaries(&schema(dimensions)));
    let texts = Texts::new(dimensions.len(), series);
    let groups = split_by_size(rows, MIN_GROUP_BYTES).into_iter().map(|group| {
        let batch = batch(&schema, &texts, &rows[group])?;
        let fields = schema.fields().iter().map(|field| {
            Field::new(field.name(), reading_type(field.data_type()), field.is_nullable())
        });
        let columns = batch
            .columns()
            .iter()
            .map(|column| Ok(cast(column, &reading_type(column.data_type()))?));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(RecordBatch::try_new(schema, columns.collect::<Result<_>>()?)?)
    });
    Ok(DataReader::of_batches(groups.collect::<Result<_>>()?))
}

/// Sorts rows in the order of the files.
pub(super) fn sort(series: &[Series], rows: &mut [ActivityRow]) {
    let mut order: Vec<u32> = (0..series.len() as u32).collect();
    order.sort_unstable_by_key(|at| &series[*at as usize]);
    let mut ranks = vec![0u32; series.len()];
    for (rank, at) in order.into_iter().enumerate() {
        ranks[at as usize] = rank as u32;
    }
    rows.sort_unstable_by_key(|row| {
        (row.shard, month(row.day), ranks[row.series as usize], row.day)
    });
}

/// Number of the month of a day, for putting days of one month together.
fn month(day: Day) -> i32 {
    let (year, month, _) = day.ymd();
    year * 12 + i32::from(month)
}

/// Cuts sorted rows into ranges of at least `bytes` of sets, where a shard or a month ends.
fn split_by_size(rows: &[ActivityRow], bytes: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        let ends = at > start && {
            let before = &rows[at - 1];
            before.shard != row.shard || month(before.day) != month(row.day)
        };
        if ends && size >= bytes {
            ranges.push(start..at);
            (start, size) = (at, 0);
        }
        size += row.users.len();
    }
    if start < rows.len() {
        ranges.push(start..rows.len());
    }
    ranges
}

/// Bytes of sets for each thread's file; small files are not worth being many.
fn row_bytes(rows: &[ActivityRow]) -> usize {
    let all: usize = rows.iter().map(|row| row.users.len()).sum();
    (all / rayon::current_num_threads().max(1)).max(4 << 20)
}

fn stats(rows: &[ActivityRow]) -> String {
    let days = || rows.iter().map(|row| row.day);
    let shards = || rows.iter().map(|row| row.shard);
    match (days().min(), days().max(), shards().min(), shards().max()) {
        (Some(first), Some(last), Some(low), Some(high)) => format!(
            "{{\"numRecords\":{},\"minValues\":{{\"day\":\"{first}\",\"shard\":{low}}},\
             \"maxValues\":{{\"day\":\"{last}\",\"shard\":{high}}},\
             \"nullCount\":{{\"day\":0,\"shard\":0}}}}",
            rows.len()
        ),
        _ => "{\"numRecords\":0}".to_owned(),
    }
}

fn properties(level: i32) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(level).map_err(|cause| Error::internal(cause.to_string()))?;
    let mut properties = WriterProperties::builder()
        // Days, texts and shards: codes in runs, which are small as they are, and read sooner.
        .set_compression(Compression::UNCOMPRESSED)
        .set_max_row_group_row_count(None)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_column_dictionary_enabled("users".into(), false)
        .set_column_encoding("users".into(), Encoding::PLAIN)
        .set_column_statistics_enabled("users".into(), EnabledStatistics::None);
    // Small sets are much alike.
    for column in ["users", "user_count", "event_count"] {
        properties = properties.set_column_compression(column.into(), Compression::ZSTD(level));
    }
    Ok(properties.build())
}

fn with_dictionaries(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Field::new(field.name(), text_type(), true),
        _ => field.as_ref().clone(),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// The text columns of all series: their values, and for each series its value.
struct Texts(Vec<(ArrayRef, Vec<Option<i32>>)>);

impl Texts {
    fn new(dimensions: usize, series: &[Series]) -> Self {
        let column = |of: &dyn Fn(&Series) -> Option<&str>| -> (ArrayRef, Vec<Option<i32>>) {
            let mut codes: BTreeMap<&str, i32> = BTreeMap::new();
            for text in series.iter().filter_map(of) {
                codes.insert(text, 0);
            }
            for (at, code) in codes.values_mut().enumerate() {
                *code = at as i32;
            }
            let values: StringArray = codes.keys().map(|text| Some(*text)).collect();
            let keys = series.iter().map(|series| of(series).and_then(|t| codes.get(t).copied()));
            (Arc::new(values) as ArrayRef, keys.collect())
        };
        let mut columns = vec![
            column(&|series| Some(series.source.as_str())),
            column(&|series| Some(series.event.as_str())),
        ];
        for at in 0..dimensions {
            columns.push(column(&|series| series.dimensions.get(at)?.as_deref()));
        }
        Self(columns)
    }
}

fn batch(schema: &SchemaRef, texts: &Texts, rows: &[ActivityRow]) -> Result<RecordBatch> {
    let days: Date32Array = rows.iter().map(|row| Some(row.day.number())).collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(days)];
    for (values, keys) in &texts.0 {
        let keys: Int32Array = rows.iter().map(|row| keys[row.series as usize]).collect();
        columns.push(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(values))?));
    }
    let counts = |of: fn(&ActivityRow) -> u64| -> Result<ArrayRef> {
        let counts: Result<Int64Array, _> =
            rows.iter().map(|row| i64::try_from(of(row)).map(Some)).collect();
        Ok(Arc::new(counts.map_err(|_| Error::limit("a count beyond 2^63"))?))
    };
    columns.push(Arc::new(rows.iter().map(|r| Some(r.shard as i32)).collect::<Int32Array>()));
    columns.push(Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.users))));
    columns.push(counts(|row| row.user_count)?);
    columns.push(counts(|row| row.event_count)?);
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
