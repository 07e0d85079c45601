//! JSON: an array of objects, one per line, so that both a parser and a line tool can read it; or
//! the objects alone.
//!
//! Every object has every column, null included. Dates are `"2026-01-31"`.

use std::io::Write;

use arrow::error::ArrowError;
use arrow::json::writer::{JsonFormat, LineDelimited};
use arrow::json::{Writer, WriterBuilder};
use arrow::record_batch::RecordBatch;
use engine::Result;

use super::batch_writer::{BatchWriter, Out, unsupported_type};

/// Begins an array.
pub(crate) fn array<W: Write>(out: W) -> Writer<W, ObjectPerLine> {
    WriterBuilder::new().with_explicit_nulls(true).build(out)
}

/// Begins lines.
pub(super) fn lines(out: Out<'_>) -> Writer<Out<'_>, LineDelimited> {
    WriterBuilder::new().with_explicit_nulls(true).build(out)
}

impl<F: JsonFormat> BatchWriter for Writer<Out<'_>, F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Writer::write(self, batch).map_err(unsupported_type)
    }

    fn finish(mut self: Box<Self>) -> Result<Option<String>> {
        Writer::finish(&mut self).map_err(unsupported_type)?;
        Ok(None)
    }
}

/// The form of the array.
#[derive(Debug, Default)]
pub(crate) struct ObjectPerLine;

impl JsonFormat for ObjectPerLine {
    fn start_stream<W: Write>(&self, out: &mut W) -> Result<(), ArrowError> {
        Ok(out.write_all(b"[")?)
    }

    fn start_row<W: Write>(&self, out: &mut W, first: bool) -> Result<(), ArrowError> {
        Ok(out.write_all(if first { b"\n" } else { b",\n" })?)
    }

    fn end_stream<W: Write>(&self, out: &mut W) -> Result<(), ArrowError> {
        Ok(out.write_all(b"\n]\n")?)
    }
}
