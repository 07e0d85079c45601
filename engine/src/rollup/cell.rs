//! Cells, and how events are grouped into them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;

use crate::calendar::Day;
use crate::distinct::{Aggregates, DistinctState, GroupedUsers, Worker};
use crate::scan::Sink;
use crate::{Error, JobContext, Result};

/// One cell of the roll-up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// First day of the bucket.
    pub bucket: Day,
    /// Name of the event.
    pub event: String,
    /// One value for each dimension of the scan; `None` is "no value".
    pub dimensions: Vec<Option<String>>,
}

/// The cells of groups, from their columns: period, event, dimensions.
///
/// # Errors
/// When the columns are not those.
pub(super) fn cells(columns: &[ArrayRef]) -> Result<Vec<Cell>> {
    let wrong = || Error::internal("cells without a period or an event");
    let [periods, labels @ ..] = columns else { return Err(wrong()) };
    let periods = periods.as_primitive_opt::<Int32Type>().ok_or_else(wrong)?;
    let labels: Option<Vec<_>> = labels.iter().map(|label| label.as_string_opt::<i32>()).collect();
    let labels = labels.ok_or_else(wrong)?;
    let Some((events, dimensions)) = labels.split_first() else { return Err(wrong()) };
    let cell = |row: usize| Cell {
        bucket: Day::new(periods.value(row)),
        event: events.value(row).to_owned(),
        dimensions: dimensions
            .iter()
            .map(|values| values.is_valid(row).then(|| values.value(row).to_owned()))
            .collect(),
    };
    Ok((0..periods.len()).map(cell).collect())
}

/// Heap bytes that several threads share, of which each reports what the others have not.
pub(super) struct SharedBytes<'a> {
    size: &'a (dyn Fn() -> usize + Sync),
    reported: AtomicUsize,
}

impl<'a> SharedBytes<'a> {
    /// Bytes of which none is reported.
    pub(super) fn new(size: &'a (dyn Fn() -> usize + Sync)) -> Self {
        Self { size, reported: AtomicUsize::new(0) }
    }

    /// How much they have grown since the last call.
    pub(super) fn growth(&self) -> usize {
        let now = (self.size)();
        now.saturating_sub(self.reported.fetch_max(now, Ordering::Relaxed))
    }
}

/// One thread's sink: groups events by cell.
pub(super) struct CellSink<'a, E: DistinctState> {
    aggregates: Arc<Aggregates<E>>,
    ids: Arc<Vec<E::Context>>,
    worker: Worker<E>,
    /// The heap bytes of the ids, which all threads share.
    id_bytes: &'a SharedBytes<'a>,
    job: &'a JobContext<'a>,
    /// Bytes reported to the job.
    reported: usize,
}

impl<'a, E: DistinctState> CellSink<'a, E> {
    pub(super) fn new(
        aggregates: &Arc<Aggregates<E>>,
        ids: &Arc<Vec<E::Context>>,
        id_bytes: &'a SharedBytes<'a>,
        job: &'a JobContext<'a>,
    ) -> Result<Self> {
        let worker = Worker::new(aggregates, ids)?;
        let (aggregates, ids) = (Arc::clone(aggregates), Arc::clone(ids));
        Ok(Self { aggregates, ids, worker, id_bytes, job, reported: 0 })
    }

    /// Heap bytes of the groups of this thread.
    pub(super) fn size(&self) -> usize {
        self.worker.size()
    }

    /// Takes out all groups.
    pub(super) fn take_groups(&mut self) -> Result<GroupedUsers<E>> {
        let next = Worker::new(&self.aggregates, &self.ids)?;
        self.reported = 0;
        Ok(std::mem::replace(&mut self.worker, next).into_groups()?)
    }

    /// The groups of all threads.
    pub(super) fn merged(sinks: Vec<Self>) -> Result<Option<GroupedUsers<E>>> {
        let mut workers = sinks.into_iter().map(|sink| sink.worker);
        let Some(mut merged) = workers.next() else { return Ok(None) };
        workers.try_for_each(|worker| merged.merge(worker))?;
        Ok(Some(merged.into_groups()?))
    }
}

impl<E: DistinctState> Sink for CellSink<'_, E> {
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        self.worker.take(batch)?;
        let more = self.worker.size().saturating_sub(self.reported);
        self.reported += more;
        self.job.reserve(more + self.id_bytes.growth())
    }
}
