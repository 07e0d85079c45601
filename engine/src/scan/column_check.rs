//! Checks that a file has the columns its source names, in usable types.
//!
//! A scan stops at the first problem; here all are found, without reading a row.

use arrow::array::new_empty_array;
use arrow::datatypes::SchemaRef;

use super::files::{EventFile, Format};
use super::labels::LabelReader;
use super::parquet::ParquetFile;
use super::times::times;
use super::{Source, UserKeys, Value, text};
use crate::calendar::Zone;
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
    let named = columns(source);
    let wanted: Vec<String> = named.iter().map(|(_, column)| column.clone()).collect();
    let (names, schema): (Vec<String>, Option<SchemaRef>) = match file.format {
        Format::Parquet => {
            let opened = ParquetFile::of_source(file, source, &[])?;
            let names = opened.schema().fields().iter().map(|field| field.name().clone());
            (names.collect(), Some(SchemaRef::clone(opened.schema())))
        }
        _ => (text::columns(file, &wanted)?, None),
    };
    let column_problem = |(key, column): (String, String)| {
        let error = match (names.contains(&column), &schema) {
            (false, _) => file.missing_column(&column, &names),
            // Every column of a text file is a text.
            (true, None) => return None,
            (true, Some(schema)) => unusable(source, &key, schema, &column)
                .err()?
                .with("file", file.path.display())
                .with("column", &column),
        };
        Some(ColumnProblem { key, error })
    };
    Ok(named.into_iter().filter_map(column_problem).collect())
}

/// The columns of a Parquet file of a source, with their types.
///
/// # Errors
/// When the file is broken.
pub fn parquet_schema(source: &Source, file: &EventFile) -> Result<SchemaRef> {
    Ok(SchemaRef::clone(ParquetFile::of_source(file, source, &[])?.schema()))
}

/// The columns that a source names, each with the key that names it.
fn columns(source: &Source) -> Vec<(String, String)> {
    let mut columns = vec![("time".to_owned(), source.time.clone())];
    columns.push(("user".to_owned(), source.user.clone()));
    columns.extend(source.scope.clone().map(|column| ("user.scope".to_owned(), column)));
    let values = [("event", Some(&source.event)), ("deployment", source.deployment.as_ref())];
    for (key, value) in values {
        if let Some(Value::Column(column)) = value {
            columns.push((key.to_owned(), column.clone()));
        }
    }
    for (at, dimension) in source.dimensions.iter().enumerate() {
        columns.push((format!("dimensions[{at}]"), dimension.clone()));
    }
    columns
}

/// The error that rows of a column would end in, because of its type.
fn unusable(source: &Source, key: &str, schema: &SchemaRef, column: &str) -> Result<()> {
    let none = new_empty_array(schema.field_with_name(column)?.data_type());
    match key {
        "time" => times(&none, source, &Zone::utc()).map(drop),
        "user" => UserKeys::of(&none).map(drop),
        _ => LabelReader::default().read(&none, 0).map(drop),
    }
}
