//! The rows of a report for the formats of [`output`](crate::output).
//!
//! There are two representations:
//!
//! | for | module | content |
//! |---|---|---|
//! | programs | `columns` | record batches with the columns of a report row, nothing rounded |
//! | people | `view` | a document: display names, thousands separators, the order of the tree |
//! | people | `page` | the same with charts, as HTML |

mod columns;
mod figures;
mod page;
mod view;
mod writer;

#[cfg(test)]
mod tests;

use engine::active::{Report, RowSink};
use engine::{JobContext, Result};

use crate::output::{Format, Out};

pub(crate) use figures::{change, period};

pub use columns::{record_batch, schema};
pub use writer::{Style, Writer};

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
