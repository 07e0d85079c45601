//! Writes reports in every format.
//!
//! There are two representations:
//!
//! | for | goes through | formats |
//! |---|---|---|
//! | programs | [`record_batch`]: the columns of a report row, nothing rounded | CSV, TSV, JSON, Parquet |
//! | people | `view`: display names, thousands separators, the order of the tree | table, Markdown, HTML |
//!
//! The output depends on the report only, not on clock, randomness or terminal: the same report
//! gives the same bytes.

mod columns;
pub(crate) mod csv;
pub(crate) mod figures;
mod format;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod parquet;
mod table;
mod view;
mod writer;

#[cfg(test)]
mod tests;

use std::io::Write;

use engine::Result;
use engine::active::{Report, RowSink};

pub use columns::{record_batch, schema};
pub use format::Format;
pub use writer::Writer;

/// Presentation options.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// Colours in the terminal table, as ANSI escape sequences.
    pub color: bool,
    /// Width of the terminal in columns: long names wrap to fit it. `None` never wraps.
    pub width: Option<u16>,
    /// The heading of the formats for people; when empty, the window's own ("Monthly active
    /// users").
    pub title: String,
}

/// Writes the report; text formats are UTF-8 with `\n` at the end of every line.
///
/// # Errors
///
/// [`Kind::Io`](engine::Kind::Io) when writing fails; its source is the [`std::io::Error`], so that
/// callers can detect a closed pipe. [`Kind::Limit`](engine::Kind::Limit) when a number does not
/// fit the column's type, or there are more rows than the format allows.
pub fn write(report: &Report, format: Format, out: &mut dyn Write, style: &Style) -> Result<()> {
    let no_progress = |_: u64, _: u64| ();
    let mut writer = Writer::new(format, out, style, &no_progress);
    writer.start(report)?;
    report.rows.iter().try_for_each(|row| writer.row(row.clone()))?;
    writer.finish()
}
