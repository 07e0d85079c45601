//! JSON: an array of objects, one per line, so that both a parser and a line tool can read it.
//!
//! Every object has every column, null included. Dates are `"2026-01-31"`.

use arrow::error::ArrowError;
use arrow::json::{Writer, WriterBuilder};
use arrow::record_batch::RecordBatch;
use engine::{Error, Kind, Result};

use crate::results::json::ObjectPerLine;

/// The batch as JSON text.
///
/// # Errors
///
/// [`Kind::Internal`] for a column that has no JSON form.
pub(crate) fn render(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut body = Body::default();
    body.write(batch)?;
    body.finish()
}

/// JSON text that is written batch by batch.
pub(crate) struct Body {
    writer: Writer<Vec<u8>, ObjectPerLine>,
    has_rows: bool,
}

impl Default for Body {
    fn default() -> Self {
        Self {
            writer: WriterBuilder::new().with_explicit_nulls(true).build(Vec::new()),
            has_rows: false,
        }
    }
}

impl Body {
    /// Adds the rows of a batch.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`] for a column that has no JSON form.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.has_rows = true;
        self.writer.write(batch).map_err(unsupported_type)
    }

    /// Bytes that were written and not taken.
    pub(crate) fn size(&self) -> usize {
        self.writer.get_ref().capacity()
    }

    /// Takes what was written so far.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.get_mut())
    }

    /// Ends the array, and returns what was not taken.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`] when the writer is broken.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        if !self.has_rows {
            return Ok(b"[]\n".to_vec());
        }
        self.writer.finish().map_err(unsupported_type)?;
        Ok(self.writer.into_inner())
    }
}

fn unsupported_type(cause: ArrowError) -> Error {
    Error::new(Kind::Internal, "a column of the report has no JSON form").caused_by(cause)
}
