//! Values separated by commas or tabs, with a header: null is an empty field, an empty text is `""`.

use arrow::record_batch::RecordBatch;
use engine::{Error, Kind, Result};

use crate::results::Delimited;

/// The batch as CSV text.
///
/// # Errors
///
/// [`Kind::Internal`] for a column that has no text form.
pub(crate) fn render(batch: &RecordBatch) -> Result<String> {
    delimited(batch, ',')
}

/// The batch as text with tabs between the values.
///
/// # Errors
///
/// As [`render`].
pub(crate) fn render_tsv(batch: &RecordBatch) -> Result<String> {
    delimited(batch, '\t')
}

fn delimited(batch: &RecordBatch, separator: char) -> Result<String> {
    let mut text = String::new();
    let delimited = Delimited::new(separator);
    delimited.head(batch.schema_ref(), &mut text);
    delimited.rows(batch, &mut text).map_err(|cause| {
        Error::new(Kind::Internal, "a column of the report has no text form").caused_by(cause)
    })?;
    Ok(text)
}
