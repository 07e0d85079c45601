//! A data file opened for reading, and rows in memory that read like one.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::AsArray;
use arrow::compute::{concat_batches, max, min};
use arrow::datatypes::{DataType, Date32Type, Field, Int32Type, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::checksums::{Checksums, check_footer, footer_in};
use super::data_file::DataFile;
use crate::storage::{Chunks, Storage, column_ranges, footer};
use crate::{Error, Result};

/// A data file, opened.
#[derive(Clone, Debug)]
pub struct DataReader {
    input: Input,
    /// Those of its columns, if it was written with any.
    checksums: Option<Arc<Checksums>>,
    /// What was fetched before it is read.
    prefetched: Arc<Mutex<HashMap<FetchKey, Chunks>>>,
}

/// A row group, and the byte ranges to read of it.
type FetchKey = (usize, Vec<Range<u64>>);

#[derive(Clone, Debug)]
enum Input {
    Stored(Storage, DataFile, ArrowReaderMetadata),
    /// Row groups.
    Memory(Vec<RecordBatch>),
}

impl DataReader {
    /// Opens a file.
    ///
    /// # Errors
    /// When it is not there, or broken.
    pub(super) fn open(storage: &Storage, file: &DataFile) -> Result<Self> {
        let failed = |cause: ParquetError| broken(&storage.address(&file.name), &cause.to_string());
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let fetch = |ranges: &[Range<u64>]| {
            let chunks = storage.fetch(&file.name, file.size, ranges)?;
            // Checked before it is used; if it is incomplete, more is fetched.
            let end = chunks.fetched().last().and_then(|(_, end)| footer_in(end));
            end.map_or(Ok(None), |end| check_footer(&file.name, end)).map_err(failed)?;
            Ok(chunks)
        };
        let plain = footer(file.size, &options, fetch)?.map_err(failed)?;
        let fields = plain.schema().fields().iter().map(|field| {
            Field::new(field.name(), reading_type(field.data_type()), field.is_nullable())
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = ArrowReaderOptions::new().with_schema(schema);
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options);
        let metadata = metadata.map_err(failed)?;
        let checksums = match Checksums::of_footer(&file.name) {
            None => None,
            Some(_) => Some(Arc::new(Checksums::of(metadata.metadata()).map_err(failed)?)),
        };
        Ok(Self { checksums, ..Self::of(Input::Stored(storage.clone(), file.clone(), metadata)) })
    }

    /// Row groups that are in no file yet.
    pub(super) fn of_batches(groups: Vec<RecordBatch>) -> Self {
        Self::of(Input::Memory(groups))
    }

    fn of(input: Input) -> Self {
        Self { input, checksums: None, prefetched: Arc::default() }
    }

    /// Number of row groups.
    pub fn groups(&self) -> usize {
        match &self.input {
            Input::Stored(_, _, metadata) => metadata.metadata().num_row_groups(),
            Input::Memory(groups) => groups.len(),
        }
    }

    /// Smallest and largest value of a column of 32-bit integers or days in a row group;
    /// everything if the file does not say.
    pub fn bounds(&self, group: usize, column: &str) -> (i32, i32) {
        let known = match &self.input {
            Input::Stored(_, _, metadata) => bounds(metadata.metadata().row_group(group), column),
            Input::Memory(groups) => {
                groups[group].column_by_name(column).and_then(|column| match column.data_type() {
                    DataType::Date32 => {
                        let days = column.as_primitive::<Date32Type>();
                        Some((min(days)?, max(days)?))
                    }
                    _ => {
                        let numbers = column.as_primitive_opt::<Int32Type>()?;
                        Some((min(numbers)?, max(numbers)?))
                    }
                })
            }
        };
        known.unwrap_or((i32::MIN, i32::MAX))
    }

    /// Least and greatest value of a column of texts in a row group of a file; `None` if the file
    /// does not say.
    pub(super) fn text_bounds(&self, group: usize, column: &str) -> Option<(&str, &str)> {
        let Input::Stored(_, _, metadata) = &self.input else { return None };
        let columns = metadata.metadata().row_group(group).columns();
        let column = columns.iter().find(|c| c.column_path().parts() == [column])?;
        match column.statistics()? {
            Statistics::ByteArray(statistics) => Some((
                std::str::from_utf8(statistics.min_bytes_opt()?).ok()?,
                std::str::from_utf8(statistics.max_bytes_opt()?).ok()?,
            )),
            _ => None,
        }
    }

    /// Some columns of a row group, in the order of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, group: usize, columns: &[&str]) -> Result<RecordBatch> {
        let batch = match &self.input {
            Input::Stored(storage, file, metadata) => {
                self.decode(storage, file, metadata, group, columns)?
            }
            Input::Memory(groups) => {
                let fields = groups[group].schema_ref().fields().iter().enumerate();
                let wanted = fields.filter(|(_, f)| columns.contains(&f.name().as_str()));
                groups[group].project(&wanted.map(|(at, _)| at).collect::<Vec<_>>())?
            }
        };
        match columns.iter().find(|name| batch.column_by_name(name).is_none()) {
            None => Ok(batch),
            Some(name) => Err(self.broken(&format!("the column `{name}` is missing"))),
        }
    }

    /// Fetches some columns of row groups of one table that will be read next, all at the same
    /// time, if they lie in an object store; each waits in memory until it is [read](Self::read).
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn fetch_ahead<'a>(
        groups: impl Iterator<Item = (&'a Self, usize)>,
        columns: &[&str],
    ) -> Result<()> {
        let mut wanted = Vec::new();
        for (reader, group) in groups {
            if let Input::Stored(storage, file, metadata) = &reader.input
                && storage.local_folder().is_none()
            {
                let (_, fetch_ranges) = fetch_ranges(metadata, group, columns);
                wanted.push((reader, storage, file, group, fetch_ranges));
            }
        }
        let Some((_, storage, ..)) = wanted.first() else { return Ok(()) };
        let ranges = wanted
            .iter()
            .map(|(_, _, f, _, fetch_ranges)| (f.name.as_str(), f.size, &**fetch_ranges));
        let fetched = storage.fetch_many(&ranges.collect::<Vec<_>>())?;
        for ((reader, _, _, group, fetch_ranges), chunks) in wanted.into_iter().zip(fetched) {
            let mut prefetched = reader.prefetched.lock().unwrap_or_else(PoisonError::into_inner);
            prefetched.insert((group, fetch_ranges), chunks);
        }
        Ok(())
    }

    /// Bytes that have to be fetched to read a column of a row group; none on this machine.
    pub fn to_fetch(&self, group: usize, column: &str) -> u64 {
        match &self.input {
            Input::Stored(storage, _, metadata) if storage.local_folder().is_none() => {
                fetch_ranges(metadata, group, &[column])
                    .1
                    .iter()
                    .map(|part| part.end - part.start)
                    .sum()
            }
            _ => 0,
        }
    }

    /// The error for a file that cannot be trusted.
    pub fn broken(&self, what: &str) -> Error {
        match &self.input {
            Input::Stored(storage, file, _) => broken(&storage.address(&file.name), what),
            Input::Memory(_) => broken("(memory)", what),
        }
    }

    fn decode(
        &self,
        storage: &Storage,
        data: &DataFile,
        metadata: &ArrowReaderMetadata,
        group: usize,
        columns: &[&str],
    ) -> Result<RecordBatch> {
        let failed = |cause: ParquetError| self.broken(&cause.to_string());
        let (mask, fetch_ranges) = fetch_ranges(metadata, group, columns);
        let key = (group, fetch_ranges);
        let prefetched =
            self.prefetched.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let chunks = match prefetched {
            Some(chunks) => chunks,
            None => storage.fetch(&data.name, data.size, &key.1)?,
        };
        if let Some(checksums) = &self.checksums {
            for (start, bytes) in chunks.fetched() {
                checksums.check(*start, bytes).map_err(failed)?;
            }
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata.clone());
        let rows = usize::try_from(metadata.metadata().row_group(group).num_rows())
            .map_err(|_| self.broken("a row group with a negative number of rows"))?;
        let reader = builder
            .with_projection(mask)
            .with_row_groups(vec![group])
            .with_batch_size(rows.max(1))
            .build()
            .map_err(failed)?;
        let mut batches = Vec::new();
        for batch in reader {
            batches.push(batch.map_err(|cause| self.broken(&cause.to_string()))?);
        }
        let read: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if read != rows {
            return Err(self.broken(&format!("a row group of {rows} rows returned {read}")));
        }
        match (batches.len(), batches.first()) {
            (1, _) => Ok(batches.remove(0)),
            (_, Some(first)) => Ok(concat_batches(&first.schema(), &batches)?),
            (_, None) => Err(self.broken("an empty row group")),
        }
    }
}

/// Some columns of a row group, and their byte ranges.
fn fetch_ranges(
    metadata: &ArrowReaderMetadata,
    group: usize,
    columns: &[&str],
) -> (ProjectionMask, Vec<Range<u64>>) {
    let fields = metadata.schema().fields().iter().enumerate();
    let wanted = fields.filter(|(_, f)| columns.contains(&f.name().as_str()));
    let mask = ProjectionMask::roots(metadata.parquet_schema(), wanted.map(|(at, _)| at));
    let ranges = column_ranges(metadata.metadata().row_group(group), &mask);
    (mask, ranges)
}

fn bounds(group: &RowGroupMetaData, column: &str) -> Option<(i32, i32)> {
    let column = group.columns().iter().find(|c| c.column_path().parts() == [column])?;
    match column.statistics()? {
        Statistics::Int32(statistics) => Some((*statistics.min_opt()?, *statistics.max_opt()?)),
        _ => None,
    }
}

/// The type in which a column is read: texts as dictionaries, sets without copying them.
pub(super) fn reading_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 => text_type(),
        DataType::Binary => DataType::BinaryView,
        other => other.clone(),
    }
}

/// Texts, as they are read and written.
pub(super) fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn broken(address: &str, what: &str) -> Error {
    Error::input(format!("corrupt data file: {what}")).with("file", address).with(
        "help",
        "run `headcount store verify` to list everything that is corrupt, and ingest into a new \
         store",
    )
}
