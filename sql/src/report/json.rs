//! JSON: an array of objects, one per line, so that both a parser and a line tool can read it.
//!
//! Every column stands in every object, null included. Dates are `"2026-01-31"`.

use arrow::json::WriterBuilder;
use arrow::record_batch::RecordBatch;
use engine::{Error, Kind, Result};

use crate::results::json::ObjectPerLine;

/// The batch as JSON text.
///
/// # Errors
///
/// [`Kind::Internal`] for a column that has no JSON form.
pub(crate) fn render(batch: &RecordBatch) -> Result<Vec<u8>> {
    if batch.num_rows() == 0 {
        return Ok(b"[]\n".to_vec());
    }
    let internal = |cause| {
        Error::new(Kind::Internal, "a column of the report has no JSON form").caused_by(cause)
    };
    let mut json = Vec::new();
    let mut writer =
        WriterBuilder::new().with_explicit_nulls(true).build::<_, ObjectPerLine>(&mut json);
    writer.write(batch).map_err(internal)?;
    writer.finish().map_err(internal)?;
    drop(writer);
    Ok(json)
}
