//! CSV and NDJSON files: every column is read as text, so that nothing is guessed about types.

use std::io::BufReader;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::json;
use arrow::record_batch::RecordBatch;

use super::csv::CsvFile;
use super::files::{EventFile, Format};
use super::numbers::JsonNumberReader;
use super::parquet::BATCH_ROWS;
use crate::Result;

/// Rows of an NDJSON file that are searched for the names of its columns before all are.
const SAMPLE_ROWS: usize = 1_000;

/// Batches of a text file.
pub type Batches<'a> = Box<dyn Iterator<Item = Result<RecordBatch>> + 'a>;

/// Names of the columns of a text file: the header of a CSV file, the keys in an NDJSON file.
///
/// The keys are those of its first thousand lines; where one that is `wanted` is not among them,
/// those of all lines.
///
/// # Errors
/// When the file cannot be read.
pub fn columns(file: &EventFile, wanted: &[String]) -> Result<Vec<String>> {
    match file.format {
        Format::Csv { delimiter } => Ok(CsvFile::open(file, delimiter)?.names),
        _ => {
            let keys = |rows| -> Result<Vec<String>> {
                let reader = BufReader::new(file.open_text()?);
                Ok(match json::reader::infer_json_schema(reader, rows) {
                    Ok((schema, _)) => schema.fields().iter().map(|f| f.name().clone()).collect(),
                    // A key changes its type, or a line is broken. The reader reports the latter,
                    // and ignores the former for keys that are not requested.
                    Err(_) => wanted.to_vec(),
                })
            };
            let first = keys(Some(SAMPLE_ROWS))?;
            // A key may be rare: before it is called missing the whole file is searched.
            if wanted.iter().all(|column| first.contains(column)) { Ok(first) } else { keys(None) }
        }
    }
}

/// Reads some columns of a text file, from its beginning to its end, each as `Utf8`. JSON numbers
/// come in their plain form: `2.0` as `2`.
///
/// Those of a CSV file come in the order of the file, and only those that it has.
///
/// # Errors
/// When the file cannot be opened; broken content is an error of the batch it stands in.
pub fn read<'a>(file: &'a EventFile, columns: &[String]) -> Result<Batches<'a>> {
    match file.format {
        Format::Csv { delimiter } => Ok(Box::new(CsvFile::open(file, delimiter)?.batches(columns))),
        _ => {
            let fields = columns.iter().map(|name| Field::new(name, DataType::Utf8, true));
            let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            let reader = json::ReaderBuilder::new(schema)
                .with_coerce_primitive(true)
                .with_batch_size(BATCH_ROWS)
                .build(JsonNumberReader::new(file.open_text()?))
                .map_err(|cause| file.broken(&cause))?;
            Ok(Box::new(reader.map(move |batch| batch.map_err(|cause| file.broken(&cause)))))
        }
    }
}
