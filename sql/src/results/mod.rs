//! Writes query results in every format, batch by batch, so that results of any size need little
//! memory.
//!
//! Numbers are not rounded and no rows are omitted. Only the table shortens values that are wider
//! than the terminal, with a note.

mod delimited;
mod format;
pub(crate) mod json;
mod markdown;
pub(crate) mod printable;
mod table;

use std::io::{self, Write};

use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use engine::{Error, Kind, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

pub use format::Format;

pub(crate) use delimited::Delimited;

/// Where results go.
pub type Out<'a> = &'a mut (dyn Write + Send);

/// Writes one result.
pub struct Writer<'a>(WriterState<'a>);

enum WriterState<'a> {
    Table(table::Table, Out<'a>),
    Delimited(Delimited, Out<'a>),
    Json(json::Array<'a>),
    Ndjson(json::Lines<'a>),
    Markdown(Out<'a>),
    Parquet(Box<ArrowWriter<Out<'a>>>),
}

impl<'a> Writer<'a> {
    /// Begins a result with these columns. `width` is that of the terminal in characters; `None`
    /// cuts nothing.
    ///
    /// # Errors
    /// When writing fails, or the format does not support a column's type.
    pub fn new(
        format: Format,
        schema: &SchemaRef,
        width: Option<usize>,
        out: Out<'a>,
    ) -> Result<Self> {
        Ok(Self(match format {
            Format::Table => WriterState::Table(table::Table::new(schema, width), out),
            Format::Csv | Format::Tsv => {
                let delimited = Delimited::new(if format == Format::Csv { ',' } else { '\t' });
                let mut head = String::new();
                delimited.head(schema, &mut head);
                put(out, &head)?;
                WriterState::Delimited(delimited, out)
            }
            Format::Json => WriterState::Json(json::array(out)),
            Format::Ndjson => WriterState::Ndjson(json::lines(out)),
            Format::Markdown => {
                put(out, &markdown::head(schema))?;
                WriterState::Markdown(out)
            }
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_created_by("headcount".to_owned())
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .build();
                let writer = ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties));
                WriterState::Parquet(Box::new(writer.map_err(parquet_error)?))
            }
        }))
    }

    /// Writes some rows.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.0 {
            WriterState::Table(table, out) => put(out, &table.rows(cells(batch, NULL)?)),
            WriterState::Delimited(delimited, out) => {
                let starts: Vec<usize> = (0..batch.num_rows()).step_by(AT_ONCE).collect();
                let texts: Result<Vec<String>, ArrowError> = starts
                    .into_par_iter()
                    .map(|start| {
                        let mut text = String::new();
                        let rows = AT_ONCE.min(batch.num_rows() - start);
                        delimited.rows(&batch.slice(start, rows), &mut text)?;
                        Ok(text)
                    })
                    .collect();
                texts.map_err(unsupported_type)?.iter().try_for_each(|text| put(out, text))
            }
            WriterState::Json(writer) => writer.write(batch).map_err(unsupported_type),
            WriterState::Ndjson(writer) => writer.write(batch).map_err(unsupported_type),
            WriterState::Markdown(out) => put(out, &markdown::rows(&cells(batch, NULL)?)),
            WriterState::Parquet(writer) => writer.write(batch).map_err(parquet_error),
        }
    }

    /// Ends the result, and returns a note if something was cut.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn finish(self) -> Result<Option<String>> {
        match self.0 {
            WriterState::Table(mut table, out) => {
                put(out, &table.end())?;
                return Ok(table.note());
            }
            WriterState::Json(mut writer) => writer.finish().map_err(unsupported_type)?,
            WriterState::Ndjson(mut writer) => writer.finish().map_err(unsupported_type)?,
            WriterState::Parquet(writer) => {
                writer.close().map_err(parquet_error)?;
            }
            WriterState::Delimited(..) | WriterState::Markdown(_) => {}
        }
        Ok(None)
    }
}

/// Rows that a thread formats at once.
const AT_ONCE: usize = 1024;

/// NULL in the formats for people.
const NULL: &str = "NULL";

/// The values of a batch as texts, row by row.
fn cells(batch: &RecordBatch, null: &str) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null(null);
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
fn numbers(schema: &Schema) -> Vec<bool> {
    let number = |data_type: &DataType| data_type.is_numeric();
    schema.fields().iter().map(|field| number(field.data_type())).collect()
}

fn put(out: &mut dyn Write, text: &str) -> Result<()> {
    out.write_all(text.as_bytes()).map_err(refused)
}

fn refused(cause: io::Error) -> Error {
    Error::new(Kind::Io, format!("cannot write the result: {cause}")).caused_by(cause)
}

/// Unwraps Arrow's error, so that callers can detect a closed pipe.
fn unsupported_type(cause: ArrowError) -> Error {
    match cause {
        ArrowError::IoError(_, cause) => refused(cause),
        cause => Error::input(format!("cannot write the result in this format: {cause}"))
            .with("help", "choose another format, or cast the column to text")
            .caused_by(cause),
    }
}

fn parquet_error(cause: ParquetError) -> Error {
    match cause {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => refused(*cause),
            Err(cause) => Error::input(format!("cannot write the result: {cause}")),
        },
        cause => Error::input(format!("cannot write the result as Parquet: {cause}"))
            .with("help", "choose another format, or cast the column to text")
            .caused_by(cause),
    }
}

#[cfg(test)]
mod tests;
