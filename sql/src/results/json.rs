//! JSON: an array of objects, one per line, so that both a parser and a line tool can read it; or
//! the objects alone.
//!
//! Every object has every column, null included. Dates are `"2026-01-31"`.

use std::io::Write;

use arrow::error::ArrowError;
use arrow::json::writer::{JsonFormat, LineDelimited};
use arrow::json::{Writer, WriterBuilder};

use super::Out;

/// Writes an array.
pub(super) type Array<'a> = Writer<Out<'a>, ObjectPerLine>;

/// Writes lines.
pub(super) type Lines<'a> = Writer<Out<'a>, LineDelimited>;

/// Begins an array.
pub(super) fn array(out: Out<'_>) -> Array<'_> {
    WriterBuilder::new().with_explicit_nulls(true).build(out)
}

/// Begins lines.
pub(super) fn lines(out: Out<'_>) -> Lines<'_> {
    WriterBuilder::new().with_explicit_nulls(true).build(out)
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
