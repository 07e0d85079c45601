//! A Parquet file, compressed with zstd. A row group has up to 1,048,576 rows, which are kept in
//! memory, encoded, until it is complete.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use engine::Result;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::batch_writer::{BatchWriter, Out, parquet_error};

/// The name of the writing program, without a version: an upgrade alone changes no bytes.
const CREATED_BY: &str = "headcount";

/// Begins a file with these columns; `metadata` becomes the file's key-value metadata.
pub(super) fn writer<'a>(
    schema: &SchemaRef,
    metadata: Vec<(&'static str, String)>,
    out: Out<'a>,
) -> Result<ArrowWriter<Out<'a>>> {
    let metadata =
        metadata.into_iter().map(|(key, value)| KeyValue::new(key.to_owned(), Some(value)));
    let properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(metadata.collect()))
        .build();
    ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties)).map_err(parquet_error)
}

impl BatchWriter for ArrowWriter<Out<'_>> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        ArrowWriter::write(self, batch).map_err(parquet_error)
    }

    fn finish(self: Box<Self>) -> Result<Option<String>> {
        self.close().map_err(parquet_error)?;
        Ok(None)
    }
}
