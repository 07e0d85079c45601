//! Collects the users of one file as lists of ids, one for every cell, to be written to the store.
//!
//! Nothing is deduplicated while reading: a list costs four bytes per event and is sorted once at
//! the end, which is cheaper than looking up every event in a set that is not in the cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;
use arrow::record_batch::RecordBatch;
use rayon::prelude::{IntoParallelIterator, ParallelIterator, ParallelSliceMut};

use super::cell::{Cell, CellSink, SharedBytes, cells};
use crate::distinct::{Aggregates, DistinctState, GroupedUsers};
use crate::scan::Sink;
use crate::store::{ActivityRow, Series, Store, StoredIds, UserId, WrittenFiles};
use crate::users::portable::encode;
use crate::users::shard_of;
use crate::{Error, JobContext, Result};

/// The users of a cell: an id for every event.
#[derive(Clone, Debug, Default)]
pub(super) struct UserList {
    /// Keys that are their own ids.
    keys: Vec<u32>,
    /// Ids that the store assigned.
    assigned: Vec<u32>,
}

impl DistinctState for UserList {
    type Id = UserId;
    type Context = Arc<StoredIds>;

    fn find(
        ids: &Self::Context,
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<UserId>,
    ) -> Result<()> {
        ids.find(values, rows, found)
    }

    #[inline]
    fn push(&mut self, id: UserId, _: &Self::Context, heap: &mut usize) -> Result<()> {
        let list = if id.assigned { &mut self.assigned } else { &mut self.keys };
        let before = list.capacity();
        list.push(id.number);
        *heap += (list.capacity() - before) * size_of::<u32>();
        Ok(())
    }

    fn absorb(&mut self, mut other: Self, _: &Self::Context) -> Result<()> {
        self.keys.append(&mut other.keys);
        self.assigned.append(&mut other.assigned);
        Ok(())
    }

    fn count(self, _: &Self::Context) -> Result<u64> {
        let lists = [self.keys, self.assigned].into_iter().map(|mut list| {
            list.sort_unstable();
            list.dedup();
            list.len() as u64
        });
        Ok(lists.sum())
    }

    fn size(&self) -> usize {
        (self.keys.capacity() + self.assigned.capacity()) * size_of::<u32>()
    }
}

/// Ids of one kind of the users of a cell, one for every event.
#[derive(Debug)]
pub(super) struct CellList {
    cell: Cell,
    /// Whether the store assigned them, or they are the keys.
    assigned: bool,
    numbers: Vec<u32>,
}

/// What all threads of an ingest share.
pub(super) struct IngestContext<'a> {
    pub(super) store: &'a Store,
    pub(super) aggregates: Arc<Aggregates<UserList>>,
    /// The ids of the one column of users.
    pub(super) ids: Arc<Vec<Arc<StoredIds>>>,
    /// The ids have a limit of their own.
    pub(super) id_bytes: SharedBytes<'a>,
    /// Bytes that one thread may hold before it writes its lists to the store.
    pub(super) max_thread_bytes: usize,
    /// Bytes that the ids may take.
    pub(super) max_id_bytes: usize,
    /// Gets the memory of the lists.
    pub(super) job: &'a JobContext<'a>,
    /// What was written down already.
    pub(super) written: Mutex<WrittenFiles>,
}

/// One thread's sink for one file.
pub(super) struct IngestSink<'a> {
    context: &'a IngestContext<'a>,
    source: &'a str,
    cells: CellSink<'a, UserList>,
    /// Events that were counted.
    events: u64,
}

impl<'a> IngestSink<'a> {
    pub(super) fn new(context: &'a IngestContext<'a>, source: &'a str) -> Result<Self> {
        let IngestContext { aggregates, ids, job, .. } = context;
        let cells = CellSink::new(aggregates, ids, &context.id_bytes, job)?;
        Ok(Self { context, source, cells, events: 0 })
    }

    /// All lists and the number of events, when everything was read.
    pub(super) fn finish(mut self) -> Result<(Vec<CellList>, u64)> {
        Ok((self.lists()?, self.events))
    }

    fn lists(&mut self) -> Result<Vec<CellList>> {
        let GroupedUsers { columns, exact, events, .. } = self.cells.take_groups()?;
        self.events += events.iter().sum::<u64>();
        let lists = cells(&columns)?.into_iter().zip(exact).flat_map(|(cell, users)| {
            let lists = [(false, users.keys), (true, users.assigned)];
            lists.map(|(assigned, numbers)| CellList { cell: cell.clone(), assigned, numbers })
        });
        Ok(lists.filter(|list| !list.numbers.is_empty()).collect())
    }

    /// Writes down what this thread holds, to be committed with the rest.
    fn spill(&mut self) -> Result<()> {
        let source = self.source;
        let lists = self.lists()?.into_iter().map(|list| (source, list)).collect();
        let (series, mut rows) = activity_rows(lists)?;
        let more = self.context.store.write(&series, &mut rows)?;
        let mut written = self.context.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.append(more);
        Ok(())
    }
}

impl Sink for IngestSink<'_> {
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        self.cells.take(batch)?;
        let ids = self.context.ids.iter();
        if ids.map(|ids| ids.size()).sum::<usize>() > self.context.max_id_bytes {
            let users: u64 = self.context.ids.iter().map(|ids| ids.len()).sum();
            return Err(Error::limit(format!("the ids of {users} users exceed the memory limit"))
                .with("help", "raise --memory-limit"));
        }
        match self.cells.size() > self.context.max_thread_bytes {
            true => self.spill(),
            false => Ok(()),
        }
    }
}

/// Lists, each with its source, as rows of the store.
pub(super) fn activity_rows(
    lists: Vec<(&str, CellList)>,
) -> Result<(Vec<Series>, Vec<ActivityRow>)> {
    let mut ids_by_series: HashMap<Series, u32> = HashMap::new();
    let mut series = Vec::new();
    let mut keyed: Vec<(u32, bool, crate::calendar::Day, Vec<u32>)> = Vec::new();
    for (source, CellList { cell, assigned, numbers }) in lists {
        let key =
            Series { source: source.to_owned(), event: cell.event, dimensions: cell.dimensions };
        let id = *ids_by_series.entry(key).or_insert_with_key(|key| {
            series.push(key.clone());
            series.len() as u32 - 1
        });
        keyed.push((id, assigned, cell.bucket, numbers));
    }
    keyed.par_sort_unstable_by_key(|(id, assigned, day, _)| (*id, *assigned, *day));
    // Lists of one cell that different threads have made become one.
    let mut merged: Vec<(u32, bool, crate::calendar::Day, Vec<u32>)> = Vec::new();
    for (id, assigned, day, mut numbers) in keyed {
        match merged.last_mut() {
            Some(last) if (last.0, last.1, last.2) == (id, assigned, day) => {
                last.3.append(&mut numbers);
            }
            _ => merged.push((id, assigned, day, numbers)),
        }
    }
    let rows: Result<Vec<Vec<ActivityRow>>> = merged
        .into_par_iter()
        .map(|(series, assigned, day, mut numbers)| {
            numbers.sort_unstable();
            let shard = |number: &u32| shard_of(*number, assigned);
            let mut distinct = Vec::new();
            numbers
                .chunk_by(|a, b| shard(a) == shard(b))
                .map(|numbers| {
                    distinct.clear();
                    distinct.extend_from_slice(numbers);
                    distinct.dedup();
                    Ok(ActivityRow {
                        shard: shard(&numbers[0]),
                        day,
                        series,
                        users: encode(&distinct)?,
                        user_count: distinct.len() as u64,
                        event_count: numbers.len() as u64,
                    })
                })
                .collect()
        })
        .collect();
    Ok((series, rows?.into_iter().flatten().collect()))
}
