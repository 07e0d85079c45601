//! The rows of a report for the formats of [`output`](crate::output).
//!
//! There are these representations:
//!
//! | for | module | content |
//! |---|---|---|
//! | programs | `columns` | record batches with the columns of a report row, nothing rounded |
//! | people | `document`, `view` | a document: display names, thousands separators, the order of the tree |
//! | people | `pivot` | the same with periods across, and nodes down |
//! | people | `page` | the same with charts, as HTML |

mod columns;
mod document;
mod figures;
mod page;
mod pivot;
mod series;
mod style;
mod view;
mod writer;

#[cfg(test)]
mod tests;

use engine::active::{Report, RowSink};
use engine::{JobContext, Result};

use crate::output::{Format, Out};

pub(crate) use figures::{change, period};

pub use columns::{record_batch, schema};
pub use style::Style;
pub use writer::{Writer, default_top};

/// Writes a report whose rows are in memory.
///
/// # Errors
/// [`Kind::Io`](engine::Kind::Io) when writing fails. [`Kind::Limit`](engine::Kind::Limit) when a
/// number does not fit the column's type, or there are more rows than the format allows.
pub fn write(report: &Report, format: Format, out: Out<'_>, style: &Style) -> Result<()> {
    let job = JobContext::default();
    let mut writer = Writer::new(format, out, style, &job);
    writer.start(report)?;
    report.rows.iter().try_for_each(|row| writer.row(row.clone()))?;
    writer.finish()
}
