//! Collects the users of one file as lists of ids, one for every cell, to be written to the store.
//!
//! Nothing is deduplicated while reading: a list costs four bytes per event and is sorted once at
//! the end, which is cheaper than looking up every event in a set that is not in the cache.

use std::collections::HashMap;
use std::sync::Mutex;

use super::CellInterner;
use super::cell::{Cell, CellFinder, NO_CELL};
use super::key_queue::KeyQueue;
use crate::events::{Batch, Scan, ScanObserver, Sink};
use crate::store::{ActivityRow, PARTS, Series, Store, StoredIds, WrittenFiles};
use crate::users::portable::encode;
use crate::users::{Key, shard_of};
use crate::{Error, Result};
use rayon::prelude::{IntoParallelIterator, ParallelIterator, ParallelSliceMut};

/// Bytes that an event in a list takes, with the room that a growing list leaves.
const BYTES_PER_EVENT: usize = 6;
/// Bytes that a cell takes before it has any users.
const BYTES_PER_CELL: usize = 200;

/// The users of one cell: one number for every event.
#[derive(Debug)]
pub(super) struct CellList {
    pub(super) cell: Cell,
    /// Whether the store gave the numbers, or they are the keys.
    pub(super) assigned: bool,
    pub(super) numbers: Vec<u32>,
}

/// What all threads of an ingest share.
pub(super) struct IngestContext<'a> {
    pub(super) store: &'a Store,
    pub(super) ids: &'a StoredIds,
    /// Bytes that one thread may hold before it writes its lists to the store.
    pub(super) max_thread_bytes: usize,
    /// Bytes that the ids may take.
    pub(super) max_id_bytes: usize,
    /// Gets the memory of the lists.
    pub(super) observer: &'a dyn ScanObserver,
    /// What was written down already.
    pub(super) written: Mutex<WrittenFiles>,
}

/// One thread's sink for one file.
pub(super) struct IngestSink<'a> {
    context: &'a IngestContext<'a>,
    source: &'a str,
    scan: &'a Scan,
    interner: &'a CellInterner<'a>,
    cells: CellFinder<'a>,
    /// For each scope of the scan its code in the store; 0 is no scope.
    scopes: Vec<u32>,
    key_lists: Vec<Vec<u32>>,
    assigned: Vec<Vec<u32>>,
    queues: Vec<KeyQueue>,
    held_bytes: usize,
    /// Events that were counted.
    pub(super) events: u64,
}

impl<'a> IngestSink<'a> {
    pub(super) fn new(
        context: &'a IngestContext<'a>,
        source: &'a str,
        scan: &'a Scan,
        interner: &'a CellInterner<'a>,
    ) -> Self {
        Self {
            context,
            source,
            scan,
            interner,
            cells: CellFinder::new(interner, scan),
            scopes: vec![0],
            key_lists: Vec::new(),
            assigned: Vec::new(),
            queues: (0..PARTS).map(|_| KeyQueue::default()).collect(),
            held_bytes: 0,
            events: 0,
        }
    }

    /// All lists, when everything was read.
    pub(super) fn finish(mut self) -> Result<(Vec<CellList>, u64)> {
        for part in 0..PARTS {
            self.flush(part)?;
        }
        Ok((self.lists()?, self.events))
    }

    fn lists(&mut self) -> Result<Vec<CellList>> {
        let cells = self.interner.cells(self.scan);
        let mut lists = Vec::new();
        for (assigned, all) in [(false, &mut self.key_lists), (true, &mut self.assigned)] {
            for (at, numbers) in all.drain(..).enumerate().filter(|(_, list)| !list.is_empty()) {
                let cell = cells.get(at).and_then(Option::clone);
                let cell = cell.ok_or_else(|| Error::internal("a cell without a name"))?;
                lists.push(CellList { cell, assigned, numbers });
            }
        }
        self.held_bytes = 0;
        Ok(lists)
    }

    fn flush(&mut self, part: usize) -> Result<()> {
        let Self { queues, assigned, context, .. } = self;
        if queues[part].is_empty() {
            return Ok(());
        }
        let mut dictionary = context.ids.part(part);
        queues[part].assign_ids(&mut dictionary, |cell, id| {
            push(assigned, cell, StoredIds::id(part, id)?);
            Ok(())
        })?;
        if dictionary.size() > context.max_id_bytes / PARTS {
            return Err(Error::limit(format!(
                "the ids of more than {} users exceed the memory limit",
                u64::from(dictionary.len()) * PARTS as u64
            ))
            .with("help", "raise --memory-limit"));
        }
        Ok(())
    }

    /// Writes down what this thread holds, to be committed with the rest.
    fn spill(&mut self) -> Result<()> {
        for part in 0..PARTS {
            self.flush(part)?;
        }
        let source = self.source;
        let lists = self.lists()?.into_iter().map(|list| (source, list)).collect();
        let (series, mut rows) = activity_rows(lists)?;
        let more = self.context.store.write(&series, &mut rows)?;
        let written = &self.context.written;
        written.lock().unwrap_or_else(std::sync::PoisonError::into_inner).append(more);
        Ok(())
    }
}

impl Sink for IngestSink<'_> {
    fn take(&mut self, batch: &Batch) -> Result<()> {
        self.cells.find(batch)?;
        let Self { cells, key_lists, queues, scopes, scan, context, events, .. } = self;
        let rows = &cells.rows;
        let mut counted = 0;
        batch.users.for_each(
            |row| rows[row] != NO_CELL,
            |row, key| {
                counted += 1;
                let (cell, scope) = (rows[row], batch.scopes.get(row));
                if let (Key::Int(int), 0) = (key, scope)
                    && let Ok(number) = u32::try_from(int)
                {
                    push(key_lists, cell, number);
                    return Ok(());
                }
                let scope = if scope == 0 { 0 } else { store_scope(scopes, scan, context, scope)? };
                queues[StoredIds::part_of(key.hash())].push(cell, scope, key);
                Ok(())
            },
        )?;
        *events += counted;
        self.held_bytes += counted as usize * BYTES_PER_EVENT;
        self.context.observer.reserve(counted as usize * BYTES_PER_EVENT)?;
        for part in 0..PARTS {
            if self.queues[part].is_full() {
                self.flush(part)?;
            }
        }
        let cells = self.key_lists.len().max(self.assigned.len());
        if cells * BYTES_PER_CELL > self.context.max_thread_bytes {
            return Err(Error::limit(
                "the combinations of dimension values exceed the memory limit",
            )
            .with(
                "help",
                "list fewer dimensions under `store: {dimensions: [...]}`, or raise --memory-limit",
            ));
        }
        if self.held_bytes + cells * BYTES_PER_CELL > self.context.max_thread_bytes {
            self.spill()
        } else {
            Ok(())
        }
    }
}

#[inline]
fn push(lists: &mut Vec<Vec<u32>>, cell: u32, number: u32) {
    let at = cell as usize;
    if at >= lists.len() {
        lists.resize_with(at + 1, Vec::new);
    }
    lists[at].push(number);
}

/// The store's code of a scope of the scan.
fn store_scope(
    scopes: &mut Vec<u32>,
    scan: &Scan,
    context: &IngestContext<'_>,
    scope: u32,
) -> Result<u32> {
    while scopes.len() <= scope as usize {
        let label = scan.scopes.label(scopes.len() as u32);
        let label = label.ok_or_else(|| Error::internal("a scope without a name"))?;
        scopes.push(context.ids.scope(&label));
    }
    Ok(scopes[scope as usize])
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
