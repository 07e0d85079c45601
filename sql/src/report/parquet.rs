//! A Parquet file with one row group, compressed with zstd.
//!
//! What a reader needs to trust the numbers stands in the file's key-value metadata under
//! `headcount.time_zone`, `headcount.first_day` and `headcount.last_day`.

use arrow::record_batch::RecordBatch;
use engine::active::Report;
use engine::{Error, Kind, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::columns::record_batch;

/// The name of the writing program, without a version: an upgrade alone changes no bytes.
const CREATED_BY: &str = "headcount";

/// The report as the bytes of a Parquet file.
///
/// # Errors
///
/// Those of [`record_batch`]; [`Kind::Internal`] when Parquet refuses a column.
pub(super) fn render(report: &Report) -> Result<Vec<u8>> {
    let batch = record_batch(report)?;
    let facts = [
        ("headcount.time_zone", Some(report.time_zone.clone())),
        ("headcount.first_day", report.first_day.map(|day| day.to_string())),
        ("headcount.last_day", report.last_day.map(|day| day.to_string())),
    ];
    let facts = facts
        .into_iter()
        .filter_map(|(key, value)| Some(KeyValue::new(key.to_owned(), Some(value?))))
        .collect();
    encode(&batch, facts)
}

/// A batch as the bytes of a Parquet file with these facts in its metadata.
///
/// # Errors
///
/// [`Kind::Internal`] when Parquet refuses a column.
pub(crate) fn encode(batch: &RecordBatch, facts: Vec<KeyValue>) -> Result<Vec<u8>> {
    let properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some(facts))
        .build();
    let internal = |cause: ParquetError| {
        Error::new(Kind::Internal, "the report cannot be written as Parquet").caused_by(cause)
    };
    let mut file = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).map_err(internal)?;
    writer.write(batch).map_err(internal)?;
    writer.close().map_err(internal)?;
    Ok(file)
}
