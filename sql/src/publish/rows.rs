//! The rows of several windows as one table.

use engine::active::{Report, ReportRow, RowSink};
use engine::{Error, JobContext, Result};

use crate::output::Format;
use crate::report::{Style, Writer};

/// Name of the table, and of dbt's model of it.
pub(crate) const TABLE: &str = "active_users";

/// Collects rows as a Parquet file with a column for each dimension. A window that does not know a
/// dimension has the rows over all its values.
pub(crate) struct TableRows<'a> {
    writer: Writer<'a>,
    by: &'a [String],
    /// The place of each dimension of the current report in `by`.
    places: Vec<usize>,
    rows: u64,
}

impl<'a> TableRows<'a> {
    /// Writes to `bytes`; `job` accounts for the memory of rows.
    pub(crate) fn new(
        bytes: &'a mut Vec<u8>,
        by: &'a [String],
        style: &'a Style,
        job: &'a JobContext<'a>,
    ) -> Self {
        let writer = Writer::new(Format::Parquet, bytes, style, job);
        Self { writer, by, places: Vec::new(), rows: 0 }
    }

    /// Ends the file, and returns the number of rows.
    ///
    /// # Errors
    /// When a number does not fit its column.
    pub(crate) fn finish(self) -> Result<u64> {
        self.writer.finish()?;
        Ok(self.rows)
    }
}

impl RowSink for TableRows<'_> {
    fn start(&mut self, report: &Report) -> Result<()> {
        let place = |name: &String| {
            self.by.iter().position(|known| known == name).ok_or_else(|| {
                Error::internal(format!("a report has the dimension `{name}`, and the table not"))
            })
        };
        self.places = report.by.iter().map(place).collect::<Result<_>>()?;
        self.writer.start(&Report { by: self.by.to_vec(), ..report.without_rows() })
    }

    fn row(&mut self, mut row: ReportRow) -> Result<()> {
        let mut by = vec![None; self.by.len()];
        for (place, value) in self.places.iter().zip(std::mem::take(&mut row.by)) {
            by[*place] = value;
        }
        row.by = by;
        self.rows += 1;
        self.writer.row(row)
    }
}
