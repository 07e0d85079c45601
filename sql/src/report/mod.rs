//! Writes a report in every format that people and programs ask for.
//!
//! Two roads, each with one source of truth:
//!
//! | for | goes through | formats |
//! |---|---|---|
//! | programs | [`record_batch`]: the columns of a report row, nothing rounded | CSV, TSV, JSON, Parquet |
//! | people | `reading`: display names, thousands separators, the order of the tree | table, Markdown, HTML |
//!
//! No clock, no randomness and no terminal in here: the same report gives the same bytes.

mod columns;
pub(crate) mod csv;
pub(crate) mod figures;
mod format;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod parquet;
mod reading;
mod table;
mod writer;

#[cfg(test)]
mod tests;

use std::io::Write;

use engine::Result;
use engine::active::{Report, RowSink};

pub use columns::{record_batch, schema};
pub use format::Format;
pub use writer::Writer;

/// What a report looks like where the format leaves room.
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
/// [`Kind::Io`](engine::Kind::Io) when `out` refuses; its source is the [`std::io::Error`], so that
/// a closed pipe can be told from a full disk. [`Kind::Limit`](engine::Kind::Limit) when a number
/// does not fit the column's type, or there are more rows than the format may have.
pub fn write(report: &Report, format: Format, out: &mut dyn Write, style: &Style) -> Result<()> {
    let nobody = |_: u64, _: u64| ();
    let mut writer = Writer::new(format, out, style, &nobody);
    writer.start(report)?;
    report.rows.iter().try_for_each(|row| writer.row(row.clone()))?;
    writer.finish()
}
