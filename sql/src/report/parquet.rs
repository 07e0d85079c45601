//! A Parquet file with one row group, compressed with zstd.
//!
//! Time zone and range of the data are in the file's key-value metadata under
//! `headcount.time_zone`, `headcount.first_day` and `headcount.last_day`.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use engine::active::Report;
use engine::{Error, Kind, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

/// The name of the writing program, without a version: an upgrade alone changes no bytes.
const CREATED_BY: &str = "headcount";

/// A report that is written batch by batch. Encoded columns are kept until the end, because the
/// file has one row group.
pub(super) struct File(ArrowWriter<Vec<u8>>);

impl File {
    /// Begins the file of a report with these columns.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`] when Parquet refuses a column.
    pub(super) fn new(columns: &SchemaRef, report: &Report) -> Result<Self> {
        let facts = [
            ("headcount.time_zone", Some(report.time_zone.clone())),
            ("headcount.first_day", report.first_day.map(|day| day.to_string())),
            ("headcount.last_day", report.last_day.map(|day| day.to_string())),
        ];
        let facts = facts
            .into_iter()
            .filter_map(|(key, value)| Some(KeyValue::new(key.to_owned(), Some(value?))))
            .collect();
        begin(columns, facts).map(Self)
    }

    /// Adds rows.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`] when Parquet refuses a column.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(internal)
    }

    /// Ends the file, and returns its bytes.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`] when Parquet refuses a column.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        self.0.into_inner().map_err(internal)
    }
}

/// A batch as the bytes of a Parquet file with these facts in its metadata.
///
/// # Errors
///
/// [`Kind::Internal`] when Parquet refuses a column.
pub(crate) fn encode(batch: &RecordBatch, facts: Vec<KeyValue>) -> Result<Vec<u8>> {
    let mut writer = begin(batch.schema_ref(), facts)?;
    writer.write(batch).map_err(internal)?;
    writer.into_inner().map_err(internal)
}

fn begin(columns: &SchemaRef, facts: Vec<KeyValue>) -> Result<ArrowWriter<Vec<u8>>> {
    let properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some(facts))
        .build();
    ArrowWriter::try_new(Vec::new(), SchemaRef::clone(columns), Some(properties)).map_err(internal)
}

fn internal(cause: ParquetError) -> Error {
    Error::new(Kind::Internal, "cannot write the report as Parquet").caused_by(cause)
}
