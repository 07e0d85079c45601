//! Comma-separated values with a header: null is an empty field, an empty text is `""`.

use arrow::record_batch::RecordBatch;
use engine::{Error, Kind, Result};

use crate::results::Delimited;

/// The batch as CSV text.
///
/// # Errors
///
/// [`Kind::Internal`] for a column that has no text form.
pub(crate) fn render(batch: &RecordBatch) -> Result<String> {
    let mut csv = String::new();
    let delimited = Delimited::new(',');
    delimited.head(batch.schema_ref(), &mut csv);
    delimited.rows(batch, &mut csv).map_err(|cause| {
        Error::new(Kind::Internal, "a column of the report has no text form").caused_by(cause)
    })?;
    Ok(csv)
}
