//! Writes reports, query results and measurements in every format.
//!
//! | what | goes through | formats and files |
//! |---|---|---|
//! | rows | [`BatchWriter`]: record batches, nothing rounded | `csv` (and TSV), `json` (and NDJSON), `parquet`; of queries also `table` and `markdown` |
//! | reports and measurements for people | `Document`: a title, facts and tables of texts | `terminal`, `markdown` |
//! | the same with charts | `html::Page` | `html` |
//!
//! [`Format`] lists the formats. A new one for rows is a variant of it, a file with a
//! [`BatchWriter`], and a line in [`writer`]. What the rows mean is not known here: `report` and
//! `accuracy` have the columns and the words.
//!
//! Text is UTF-8 with `\n` at the end of every line. The bytes depend on what is written only, not
//! on clock or environment.

mod batch_writer;
mod csv;
mod document;
mod expanded;
mod fitted;
mod format;
pub(crate) mod html;
pub(crate) mod json;
mod markdown;
mod parquet;
mod table;
mod terminal;
pub(crate) mod text;
mod widths;

#[cfg(test)]
mod tests;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use engine::{Error, Result};

pub use batch_writer::{BatchWriter, Out};
pub use format::Format;

pub(crate) use batch_writer::{put, unsupported_type};
pub(crate) use document::{Cell, Column, Document, Grid, Head, Role, Row, Section};
pub(crate) use terminal::{GAP, RULE_END};

/// Options that some formats use.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Width of the terminal in characters, for tables; `None` for files and pipes.
    pub width: Option<usize>,
    /// Tables with one line for each value.
    pub expanded: bool,
    /// Facts about the rows by key, for Parquet.
    pub metadata: Vec<(&'static str, String)>,
}

/// Begins the output of batches with these columns.
///
/// # Errors
/// When writing fails; when the format does not support a column's type, or is not one of rows.
pub fn writer<'a>(
    format: Format,
    schema: &SchemaRef,
    options: Options,
    out: Out<'a>,
) -> Result<Box<dyn BatchWriter + 'a>> {
    Ok(match format {
        Format::Table => match (options.expanded, options.width) {
            (true, width) => Box::new(expanded::Expanded::new(schema, width, out)),
            (false, Some(width)) => Box::new(fitted::Fitted::new(schema, width, out)),
            (false, None) => Box::new(table::Table::new(schema, out)),
        },
        Format::Csv => Box::new(csv::Writer::new(',', schema, out)?),
        Format::Tsv => Box::new(csv::Writer::new('\t', schema, out)?),
        Format::Json => Box::new(json::array(out)),
        Format::Ndjson => Box::new(json::lines(out)),
        Format::Markdown => Box::new(markdown::Writer::new(schema, out)?),
        Format::Parquet => Box::new(parquet::writer(schema, options.metadata, out)?),
        Format::Html => return Err(Error::internal("rows alone are no page")),
    })
}

/// Writes one batch as a whole.
///
/// # Errors
/// As [`writer`].
pub(crate) fn write_batch(format: Format, batch: &RecordBatch, out: Out<'_>) -> Result<()> {
    let mut writer = writer(format, batch.schema_ref(), Options::default(), out)?;
    writer.write(batch)?;
    writer.finish().map(|_| ())
}

/// A document as Markdown, or else as text for a terminal, with or without colours, and for a
/// terminal of this `width`.
pub(crate) fn document_text(
    document: Document<'_>,
    format: Format,
    color: bool,
    width: Option<usize>,
) -> String {
    match format {
        Format::Markdown => markdown::document(document),
        _ => terminal::document(document, color, width),
    }
}
