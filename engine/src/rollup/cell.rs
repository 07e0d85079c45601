//! Cells, and how events are grouped into them.

use std::sync::Arc;

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

/// One thread's sink: groups events by cell.
pub(super) struct CellSink<'a, E: DistinctState> {
    aggregates: Arc<Aggregates<E>>,
    ids: Arc<Vec<E::Context>>,
    worker: Worker<E>,
    /// This thread's share of the heap bytes that the ids take.
    id_bytes: &'a (dyn Fn() -> usize + Sync),
    job: &'a JobContext<'a>,
    /// Bytes reported to the job.
    reported: usize,
}

impl<'a, E: DistinctState> CellSink<'a, E> {
    pub(super) fn new(
        aggregates: &Arc<Aggregates<E>>,
        ids: &Arc<Vec<E::Context>>,
        id_bytes: &'a (dyn Fn() -> usize + Sync),
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
        let size = self.worker.size() + (self.id_bytes)();
        let more = size.saturating_sub(self.reported);
        self.reported += more;
        self.job.reserve(more)
    }
}
