//! The first rows of a file as texts, to guess what its columns mean.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ArrowReaderOptions;

use super::files::{EventFile, Format};
use super::parquet::ParquetFile;
use super::text;
use crate::Result;

/// A column of the first rows of a file, or a value below a column of objects.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its name, or the path to it: `context.traits.plan`.
    pub path: String,
    /// Its type in the file.
    pub data_type: DataType,
    /// Its values; `None` for nulls.
    pub values: Vec<Option<String>>,
}

/// The columns of the first rows of a file, at most `rows`, without lists and binary values.
///
/// # Errors
/// When the file is broken.
pub fn sample(file: &EventFile, rows: usize) -> Result<Vec<Sample>> {
    let first = match file.format {
        Format::Parquet => {
            let opened = ParquetFile::open(file, ArrowReaderOptions::new(), |schema| {
                Arc::new(schema.clone())
            })?;
            match opened.row_groups().is_empty() {
                true => None,
                false => opened.read(0, &|_| true)?.next().transpose()?,
            }
        }
        _ => text::read(file, &text::schema(file, &|_| true)?)?.next().transpose()?,
    };
    let mut samples = Vec::new();
    if let Some(batch) = first {
        let batch: RecordBatch = batch.slice(0, rows.min(batch.num_rows()));
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            add(field.name(), column, &mut samples);
        }
    }
    Ok(samples)
}

fn add(path: &str, values: &ArrayRef, samples: &mut Vec<Sample>) {
    if let Some(objects) = values.as_any().downcast_ref::<StructArray>() {
        for (field, values) in objects.fields().iter().zip(objects.columns()) {
            add(&format!("{path}.{}", field.name()), values, samples);
        }
        return;
    }
    let is_binary = values.data_type().is_binary();
    let texts = cast(values, &DataType::Utf8).ok().filter(|_| !is_binary);
    let texts = texts.filter(|_| !values.data_type().is_nested());
    let Some(texts) = texts else { return };
    let texts: &StringArray = texts.as_string();
    let values_of = texts.iter().map(|text| text.map(str::to_owned)).collect();
    let data_type = values.data_type().clone();
    samples.push(Sample { path: path.to_owned(), data_type, values: values_of });
}
