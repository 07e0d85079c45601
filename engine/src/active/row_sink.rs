//! Receives the rows of a report, and reports their memory to the job in steps.

use super::row::ReportRow;
use crate::{JobContext, Result};

/// Bytes that are reported together.
const REPORT_STEP: usize = 64 << 10;

/// Adds up heap bytes and reports them.
pub(super) struct MemoryReporter<'a> {
    job: &'a JobContext<'a>,
    unreported: usize,
}

impl<'a> MemoryReporter<'a> {
    pub(super) fn new(job: &'a JobContext<'a>) -> Self {
        Self { job, unreported: 0 }
    }

    /// Adds bytes that are about to be taken.
    ///
    /// # Errors
    /// The error of the job, if it refuses them.
    pub(super) fn add(&mut self, bytes: usize) -> Result<()> {
        self.unreported += bytes;
        if self.unreported < REPORT_STEP {
            return Ok(());
        }
        self.job.reserve(std::mem::take(&mut self.unreported))
    }
}

/// Takes the rows of a report one by one, in their order.
pub trait RowSink {
    /// Called once, before the rows: the report without its rows.
    ///
    /// # Errors
    /// Any error ends the answer.
    fn start(&mut self, report: &super::Report) -> Result<()>;

    /// Called with every row.
    ///
    /// # Errors
    /// Any error ends the answer.
    fn row(&mut self, row: ReportRow) -> Result<()>;
}

/// Keeps all rows, and reports their memory.
pub struct CollectedRows<'a> {
    /// The rows so far.
    pub rows: Vec<ReportRow>,
    memory: MemoryReporter<'a>,
}

impl<'a> CollectedRows<'a> {
    /// No rows yet; their memory is reported to `job`.
    pub fn new(job: &'a JobContext<'a>) -> Self {
        Self { rows: Vec::new(), memory: MemoryReporter::new(job) }
    }
}

impl std::fmt::Debug for CollectedRows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectedRows").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl RowSink for CollectedRows<'_> {
    fn start(&mut self, _: &super::Report) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, row: ReportRow) -> Result<()> {
        if self.rows.len() == self.rows.capacity() {
            let more = self.rows.len().max(64);
            self.memory.add(more * size_of::<ReportRow>())?;
            self.rows.reserve_exact(more);
        }
        self.memory.add(row.heap())?;
        self.rows.push(row);
        Ok(())
    }
}
