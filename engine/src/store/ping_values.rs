//! Rows of the table `ping_values`, and the Parquet files that hold them.
//!
//! A row is what stands at one key path of one upload. Rows are sorted by key path and upload, and
//! uploads that were written together are numbered by installation and time; a row group holds few
//! key paths and says which. So one metric over all months is read without the others.

use std::collections::BTreeSet;
use std::ops::{Bound, Range};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, Int64Array, StringArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::checksums::finish;
use super::content::{code_of_kind, kind_of_code};
use super::data_file::{DataFile, write};
use super::file::{DataReader, text_type};
use crate::storage::Storage;
use crate::{Error, Result};

/// Its columns, in their order.
const COLUMNS: [&str; 4] = ["key_path", "upload", "value", "kind"];
/// A row group ends with the key path that brings it to so many rows.
const MIN_GROUP_ROWS: usize = 1 << 15;
/// Rows of a row group at most.
const MAX_GROUP_ROWS: usize = 1 << 17;
/// A data file ends with the row group that brings it to so many rows.
pub(super) const FILE_ROWS: usize = 1 << 22;

/// Values in the order of the table.
#[derive(Debug, Default)]
pub struct SortedValues {
    /// Key paths, sorted, each with the end of its rows.
    pub paths: Vec<(String, usize)>,
    /// The number of the upload of each row, above `first_upload`; ascending within a key path.
    pub uploads: Vec<u32>,
    /// What is added to `uploads`.
    pub first_upload: u64,
    /// The [code](super::Content::code) of each row.
    pub codes: Vec<i64>,
}

/// Columns of the table.
pub(super) fn schema() -> Schema {
    let types = [DataType::Utf8, DataType::Int64, DataType::Int64, DataType::Utf8];
    let fields = COLUMNS.into_iter().zip(types);
    Schema::new(fields.map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>())
}

/// The same, as they are handed over: key paths as dictionaries, which are written as texts.
fn writing_schema() -> SchemaRef {
    let mut fields = schema().fields().to_vec();
    fields[0] = Arc::new(Field::new(COLUMNS[0], text_type(), true));
    Arc::new(Schema::new(fields))
}

/// Writes values as data files, several at a time.
///
/// # Errors
/// When the disk or the object store refuses.
pub(super) fn write_rows(
    storage: &Storage,
    values: &SortedValues,
    level: i32,
    number: &(dyn Fn() -> String + Sync),
) -> Result<Vec<DataFile>> {
    let mut files: Vec<Vec<Range<usize>>> = Vec::new();
    for group in values.groups() {
        match files.last_mut() {
            Some(file) if group.end - file[0].start <= FILE_ROWS => file.push(group),
            _ => files.push(vec![group]),
        }
    }
    let write = |groups: Vec<Range<usize>>| {
        let (bytes, stats) = values.file(&groups, level)?;
        write(storage, bytes, stats, number())
    };
    files.into_par_iter().map(write).collect()
}

impl SortedValues {
    /// Cuts the rows into row groups: mostly where a key path ends.
    fn groups(&self) -> Vec<Range<usize>> {
        let mut groups = Vec::new();
        let mut start = 0;
        for (_, end) in &self.paths {
            while end - start > MAX_GROUP_ROWS {
                groups.push(start..start + MAX_GROUP_ROWS);
                start += MAX_GROUP_ROWS;
            }
            if end - start >= MIN_GROUP_ROWS {
                groups.push(start..*end);
                start = *end;
            }
        }
        if start < self.codes.len() {
            groups.push(start..self.codes.len());
        }
        groups
    }

    /// Indexes of the key paths of some rows.
    fn paths_of(&self, rows: &Range<usize>) -> Range<usize> {
        let first = self.paths.partition_point(|(_, end)| *end <= rows.start);
        let last = self.paths.partition_point(|(_, end)| *end < rows.end);
        first..last + 1
    }

    fn batch(&self, rows: Range<usize>) -> Result<RecordBatch> {
        let paths = self.paths_of(&rows);
        let mut keys = Vec::with_capacity(rows.len());
        for (key, (_, end)) in (0..).zip(&self.paths[paths.clone()]) {
            keys.resize((*end).min(rows.end) - rows.start, key);
        }
        let texts = self.paths[paths].iter().map(|(path, _)| path);
        let texts = Arc::new(StringArray::from_iter_values(texts));
        let paths = DictionaryArray::<Int32Type>::try_new(Int32Array::from(keys), texts)?;
        let first = self.first_upload as i64;
        let uploads = self.uploads[rows.clone()].iter().map(|upload| first + i64::from(*upload));
        let codes = &self.codes[rows];
        let values = codes.iter().map(|code| (*code >= 0).then_some(*code));
        let kinds = codes.iter().map(|code| kind_of_code(*code));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(paths),
            Arc::new(Int64Array::from_iter_values(uploads)),
            Arc::new(values.collect::<Int64Array>()),
            Arc::new(kinds.collect::<StringArray>()),
        ];
        Ok(RecordBatch::try_new(writing_schema(), columns)?)
    }

    /// The bytes of a data file, and its statistics.
    fn file(&self, groups: &[Range<usize>], level: i32) -> Result<(Vec<u8>, String)> {
        let broken =
            |cause: ParquetError| Error::internal(format!("cannot write a data file: {cause}"));
        let (Some(first), Some(last)) = (groups.first(), groups.last()) else {
            return Err(Error::internal("an empty data file"));
        };
        let options = ArrowWriterOptions::new()
            .with_properties(properties(level).map_err(broken)?)
            .with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), writing_schema(), options)
            .map_err(broken)?;
        for group in groups {
            writer.write(&self.batch(group.clone())?).map_err(broken)?;
            writer.flush().map_err(broken)?;
        }
        let paths = self.paths_of(&(first.start..last.end));
        let stats = format!(
            "{{\"numRecords\":{},\"minValues\":{{\"key_path\":{}}},\"maxValues\":{{\"key_path\":{}}},\
             \"nullCount\":{{\"key_path\":0,\"upload\":0}}}}",
            last.end - first.start,
            json_text(&self.paths[paths.start].0),
            json_text(&self.paths[paths.end - 1].0),
        );
        Ok((finish(writer).map_err(broken)?, stats))
    }
}

fn properties(level: i32) -> Result<WriterProperties, ParquetError> {
    let level = Compression::ZSTD(ZstdLevel::try_new(level)?);
    Ok(WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_max_row_group_row_count(None)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(None)
        .set_offset_index_disabled(true)
        .set_column_dictionary_enabled(COLUMNS[1].into(), false)
        .set_column_encoding(COLUMNS[1].into(), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(COLUMNS[2].into(), false)
        .set_column_encoding(COLUMNS[2].into(), Encoding::DELTA_BINARY_PACKED)
        .set_column_compression(COLUMNS[2].into(), level)
        .build())
}

/// A text as JSON.
fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            '\0'..='\u{1f}' => json.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => json.push(letter),
        }
    }
    json.push('"');
    json
}

/// The key paths and uploads of the rows of a row group.
#[derive(Debug)]
pub struct ValueKeys {
    paths: DictionaryArray<Int32Type>,
    uploads: Int64Array,
}

impl ValueKeys {
    fn of(file: &DataReader, batch: &RecordBatch) -> Result<Self> {
        let broken = || file.broken("a value without a key path or upload");
        let column = |at: usize| batch.column_by_name(COLUMNS[at]).ok_or_else(broken);
        let paths = column(0)?.as_dictionary_opt::<Int32Type>().ok_or_else(broken)?.clone();
        let uploads = column(1)?.as_primitive_opt::<Int64Type>().ok_or_else(broken)?.clone();
        let is_sound = paths.logical_null_count() == 0
            && paths.values().as_string_opt::<i32>().is_some()
            && uploads.null_count() == 0
            && uploads.values().iter().all(|upload| *upload >= 0);
        if is_sound { Ok(Self { paths, uploads }) } else { Err(broken()) }
    }

    /// Key paths by index.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        // Checked when it was read.
        self.paths.values().as_string::<i32>().iter().map(Option::unwrap_or_default)
    }

    /// The index of the key path, and the upload of each row.
    pub fn rows(&self) -> impl Iterator<Item = (usize, u64)> {
        let paths = self.paths.keys().values().iter().map(|path| *path as usize);
        paths.zip(self.uploads.values().iter().map(|upload| upload.unsigned_abs()))
    }
}

/// The rows of a row group.
#[derive(Debug)]
pub struct ValueGroup {
    /// What they are about.
    pub keys: ValueKeys,
    /// Their [codes](super::Content::code).
    pub codes: Vec<i64>,
}

impl ValueGroup {
    /// Reads a row group of a data file.
    ///
    /// # Errors
    /// When the file is broken.
    pub(super) fn read(file: &DataReader, group: usize) -> Result<Self> {
        let batch = &file.read(group, &COLUMNS)?;
        let broken = || file.broken("a value that is neither an integer nor of a known kind");
        let column = |at: usize| batch.column_by_name(COLUMNS[at]).ok_or_else(broken);
        let values = column(2)?.as_primitive_opt::<Int64Type>().ok_or_else(broken)?;
        let kinds = column(3)?.as_dictionary_opt::<Int32Type>().ok_or_else(broken)?;
        let texts = kinds.values().as_string_opt::<i32>().ok_or_else(broken)?;
        let codes_of_kinds = texts.iter().map(|text| code_of_kind(text?));
        let codes_of_kinds = codes_of_kinds.map(|code| code.ok_or_else(broken));
        let codes_of_kinds = codes_of_kinds.collect::<Result<Vec<i64>>>()?;
        let code = |row: usize| match (values.is_valid(row), kinds.key(row)) {
            (true, None) if values.value(row) >= 0 => Ok(values.value(row)),
            (false, Some(kind)) => Ok(codes_of_kinds[kind]),
            _ => Err(broken()),
        };
        let codes = (0..batch.num_rows()).map(code).collect::<Result<Vec<i64>>>()?;
        Ok(Self { keys: ValueKeys::of(file, batch)?, codes })
    }
}

/// The data files of the table, opened.
#[derive(Debug)]
pub struct ValueFiles {
    readers: Vec<DataReader>,
    /// Row groups: the indexes of the file, and of the row group in it.
    groups: Vec<(usize, usize)>,
}

impl ValueFiles {
    /// The row groups of opened data files.
    pub(super) fn new(readers: Vec<DataReader>) -> Self {
        let groups = readers.iter().enumerate();
        let groups =
            groups.flat_map(|(file, reader)| (0..reader.groups()).map(move |at| (file, at)));
        Self { groups: groups.collect(), readers }
    }

    /// The row groups that can have one of some key paths, or all, in the order of the files.
    pub fn groups(&self, key_paths: Option<&BTreeSet<String>>) -> Vec<usize> {
        let may_have = |at: &usize| {
            let Some(key_paths) = key_paths else { return true };
            let (file, group) = self.groups[*at];
            let Some((low, high)) = self.readers[file].text_bounds(group, COLUMNS[0]) else {
                return true;
            };
            let bounds = (Bound::Included(low), Bound::Included(high));
            low <= high && key_paths.range::<str, _>(bounds).next().is_some()
        };
        (0..self.groups.len()).filter(may_have).collect()
    }

    /// Fetches row groups that will be read, if they lie in an object store.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn fetch_ahead(&self, groups: &[usize]) -> Result<()> {
        let places = groups.iter().map(|at| self.groups[*at]);
        let wanted = places.map(|(file, group)| (&self.readers[file], group));
        DataReader::fetch_ahead(wanted, &COLUMNS)
    }

    /// Reads what the rows of a row group are about.
    ///
    /// # Errors
    /// When the file is broken.
    pub fn keys(&self, at: usize) -> Result<ValueKeys> {
        let (file, group) = self.groups[at];
        let file = &self.readers[file];
        ValueKeys::of(file, &file.read(group, &COLUMNS[..2])?)
    }

    /// Reads a row group.
    ///
    /// # Errors
    /// When the file is broken.
    pub fn read(&self, at: usize) -> Result<ValueGroup> {
        let (file, group) = self.groups[at];
        ValueGroup::read(&self.readers[file], group)
    }
}
