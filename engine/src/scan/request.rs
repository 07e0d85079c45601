//! What a scan reads, what takes its batches, and what it returns.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::record_batch::RecordBatch;

use super::{Rejects, TimeGrain};
use crate::calendar::Zone;
use crate::{JobContext, Result};

/// The column of a batch with the first day of each row's bucket of time.
pub const PERIOD: &str = "period";
/// The column of a batch with the name of each row's event.
pub const EVENT: &str = "event";
/// The column of a batch with each row's user key.
pub const USER: &str = "user";

/// Takes the batches of one thread.
pub trait Sink: Send {
    /// Takes a batch of valid rows, with these columns:
    ///
    /// * the first day of the row's bucket of time, [`Day::number`](crate::calendar::Day::number);
    /// * the name of the event, and the value of every dimension or null: text or a dictionary of
    ///   text, never empty;
    /// * the user key, in one of the forms of [`UserKeys`]. If keys of any source belong to a
    ///   scope, it is a struct of the scope (null if there is none) and the key.
    ///
    /// The types of text and keys are those of the file, and may differ between batches.
    ///
    /// # Errors
    /// Any error ends the scan.
    fn take(&mut self, batch: &RecordBatch) -> Result<()>;
}

/// What to read, and the time grain and zone.
pub struct Request<'a> {
    /// Zone in which days are days.
    pub zone: &'a Zone,
    /// Grain of time.
    pub grain: TimeGrain,
    /// Instants (microseconds) to count; rows outside are skipped, not rejected.
    pub range: Range<i64>,
    /// Rows at or after this instant are rejected; if `None`, those after the year 9999.
    pub bound: Option<i64>,
    /// Names of the events to pass on, each with the name under which it is; rows of other events are
    /// only tallied. `None` is all events, under their own names.
    pub counted: Option<&'a BTreeMap<String, String>>,
    /// The job that the scan is part of.
    pub job: &'a JobContext<'a>,
}

/// Range of the data and rejected rows of a scan.
#[derive(Clone, Debug, Default)]
pub struct ScanSummary {
    /// Oldest instant of all good rows, in the range or not.
    pub first: Option<i64>,
    /// Newest instant of all good rows, in the range or not.
    pub last: Option<i64>,
    /// Rows rejected.
    pub rejects: Rejects,
    /// Rows in the range by the name of an event that is not counted.
    pub unmapped: BTreeMap<String, u64>,
}

impl ScanSummary {
    pub(super) fn widen(&mut self, first: Option<i64>, last: Option<i64>) {
        self.first = [self.first, first].into_iter().flatten().min();
        self.last = [self.last, last].into_iter().flatten().max();
    }
}
