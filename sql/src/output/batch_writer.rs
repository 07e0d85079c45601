//! What the formats of rows have in common: their interface, and their errors.

use std::io::{self, Write};

use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use engine::{Error, Kind, Result};
use parquet::errors::ParquetError;

/// Where output goes.
pub type Out<'a> = &'a mut (dyn Write + Send);

/// Writes rows batch by batch, so that output of any size needs little memory. No rows are omitted
/// and, but for tables on a terminal, no values rounded.
pub trait BatchWriter {
    /// Writes some rows.
    ///
    /// # Errors
    /// [`Kind::Io`] when writing fails; its source is the [`io::Error`], so that callers can detect
    /// a closed pipe. [`Kind::Input`] when the format does not support a column's type.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes the end, and returns a note if a table does not show values as they are.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn finish(self: Box<Self>) -> Result<Option<String>>;
}

/// NULL in the formats for people.
pub(super) const NULL: &str = "NULL";

/// The values of a batch as texts, row by row.
pub(super) fn cells(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null(NULL);
    let formatters = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unsupported_type)?;
    (0..batch.num_rows())
        .map(|row| {
            let cells = formatters.iter().map(|column| column.value(row).try_to_string());
            cells.collect::<Result<Vec<_>, _>>().map_err(unsupported_type)
        })
        .collect()
}

/// Which columns are numeric, and so right-aligned.
pub(super) fn numbers(schema: &Schema) -> Vec<bool> {
    let number = |data_type: &DataType| data_type.is_numeric();
    schema.fields().iter().map(|field| number(field.data_type())).collect()
}

/// Writes text.
///
/// # Errors
/// [`Kind::Io`] when writing fails.
pub(crate) fn put(out: Out<'_>, text: &str) -> Result<()> {
    out.write_all(text.as_bytes()).map_err(refused)
}

fn refused(cause: io::Error) -> Error {
    Error::new(Kind::Io, format!("cannot write the output: {cause}")).caused_by(cause)
}

/// Unwraps Arrow's error, so that callers can detect a closed pipe.
pub(crate) fn unsupported_type(cause: ArrowError) -> Error {
    match cause {
        ArrowError::IoError(_, cause) => refused(cause),
        cause => unsupported(&cause).caused_by(cause),
    }
}

/// Unwraps Parquet's error likewise.
pub(super) fn parquet_error(cause: ParquetError) -> Error {
    match cause {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => refused(*cause),
            Err(cause) => Error::input(format!("cannot write the output: {cause}")),
        },
        cause => unsupported(&cause).caused_by(cause),
    }
}

fn unsupported(cause: &dyn std::fmt::Display) -> Error {
    Error::input(format!("cannot write the output in this format: {cause}"))
        .with("help", "choose another format, or cast the column to text")
}
