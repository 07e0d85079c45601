//! Checks that a file has the columns its source names, in usable types.
//!
//! A scan stops at the first problem; here all are found, without reading a row.

use arrow::array::new_empty_array;
use arrow::datatypes::{DataType, Schema, SchemaRef};

use super::file_columns::FileColumns;
use super::files::{EventFile, Format};
use super::labels::LabelReader;
use super::parquet::ParquetFile;
use super::times::times;
use super::{Source, UserKeys, text};
use crate::calendar::{TimeFormat, TimeUnit, Zone};
use crate::{Error, Result};

/// Something that a source says of its columns and that does not hold for a file.
#[derive(Debug)]
pub struct ColumnProblem {
    /// Where the source says it: `time`, `dimensions[1]`.
    pub key: String,
    /// What is wrong, and in which file.
    pub error: Error,
}

/// Everything in a source's words that does not hold for a file.
///
/// # Errors
/// When the file is broken.
pub fn column_problems(source: &Source, file: &EventFile) -> Result<Vec<ColumnProblem>> {
    let schema = file_schema(source, file)?;
    let mut parts = vec![("where".to_owned(), Vec::new())];
    parts.extend(source.values().into_iter().map(|(key, value)| (key, vec![value])));
    let unfiltered = Source { filter: None, ..source.clone() };
    let problem = |(key, values): (String, Vec<_>)| {
        let source = if values.is_empty() { source } else { &unfiltered };
        let found = FileColumns::new(source, &values, file, &schema).and_then(|columns| {
            let Some(value) = values.first().filter(|value| value.is_read()) else { return Ok(()) };
            usable(source, &key, columns.data_type(value)?).map_err(|error| {
                error.with("file", file.path.display()).with("column", value.text())
            })
        });
        Some(ColumnProblem { key, error: found.err()? })
    };
    Ok(parts.into_iter().filter_map(problem).collect())
}

/// The columns of a file of a source, with their types.
///
/// # Errors
/// When the file is broken.
pub fn file_schema(source: &Source, file: &EventFile) -> Result<SchemaRef> {
    match file.format {
        Format::Parquet => {
            Ok(SchemaRef::clone(ParquetFile::of_source(file, source, &[])?.schema()))
        }
        _ => text::schema(file, &|schema| is_complete(source, file, schema)),
    }
}

/// Whether columns have everything that a source names.
pub fn is_complete(source: &Source, file: &EventFile, schema: &Schema) -> bool {
    let values: Vec<_> = source.values().into_iter().map(|(_, value)| value).collect();
    FileColumns::new(source, &values, file, schema).is_ok()
}

/// Whether rows with values of this type can be used; otherwise the error in which they would end.
fn usable(source: &Source, key: &str, data_type: &DataType) -> Result<()> {
    let none = new_empty_array(data_type);
    match key {
        // What is recognised from values may be anything as long as there are none.
        "time" if source.time_format == TimeFormat::Auto => {
            times(&none, &TimeFormat::Epoch(TimeUnit::Second), source, &Zone::utc()).map(drop)
        }
        "time" => times(&none, &source.time_format, source, &Zone::utc()).map(drop),
        "user" => UserKeys::of(&none).map(drop),
        _ => LabelReader::default().read(&none, |_| 0).map(drop),
    }
}
