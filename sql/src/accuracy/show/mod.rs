//! Writes the results in every format of reports.
//!
//! Programs get [`columns`], nothing rounded; people get the [`tables`], pictures ([`page`]), and
//! at the end the advice.

mod chart;
mod columns;
mod page;
mod pictures;
mod tables;

use std::io::Write;

use engine::{Error, Kind, Result};

use super::Measured;
use crate::report::{Format, Style, csv, json, parquet};

/// Writes the figures; text formats are UTF-8 with `\n` at the end of every line. CSV, TSV, JSON
/// and Parquet hold the figures only, the others the advice too.
///
/// # Errors
/// [`Kind::Io`] when `out` refuses; its source is the [`std::io::Error`].
pub fn write(
    measured: &Measured,
    format: Format,
    out: &mut dyn Write,
    style: &Style,
) -> Result<()> {
    let bytes = match format {
        Format::Table => tables::terminal(measured, style).into_bytes(),
        Format::Markdown => tables::markdown(measured).into_bytes(),
        Format::Csv => csv::render(&columns::record_batch(measured)?)?.into_bytes(),
        Format::Tsv => csv::render_tsv(&columns::record_batch(measured)?)?.into_bytes(),
        Format::Json => json::render(&columns::record_batch(measured)?)?,
        Format::Parquet => parquet::encode(&columns::record_batch(measured)?, Vec::new())?,
        Format::Html => page::render(measured)?.into_bytes(),
    };
    out.write_all(&bytes).and_then(|()| out.flush()).map_err(|cause| {
        let message = format!("cannot write the results: {cause}");
        Error::new(Kind::Io, message).caused_by(cause)
    })
}
