//! The results for the formats of [`output`](crate::output).
//!
//! Programs get `columns`, nothing rounded; people get `tables` and at the end the advice, in
//! HTML with `charts`.

mod charts;
mod columns;
mod page;
mod tables;

use engine::Result;

use super::measurement::Measured;
use crate::output::{Format, Out, document_text, put, write_batch};

/// Writes the figures. CSV, TSV, JSON and Parquet hold the figures only, the others the advice too;
/// `color` is for the terminal.
///
/// # Errors
/// [`Kind::Io`](engine::Kind::Io) when writing fails.
pub fn write(measured: &Measured, format: Format, out: Out<'_>, color: bool) -> Result<()> {
    match format {
        Format::Html => put(out, &page::render(measured)?),
        Format::Table | Format::Markdown => {
            put(out, &document_text(tables::document(measured), format, color, None))
        }
        _ => write_batch(format, &columns::record_batch(measured)?, out),
    }
}
