//! Events of one file become lists of user numbers, one for every cell: what the store is made of.
//!
//! Nothing is deduplicated on the way: a list costs four bytes an event and is sorted once, in the
//! end, which is cheaper than looking up every event in a set that is not in the cache.

use std::collections::HashMap;
use std::sync::Mutex;

use super::CellInterner;
use super::cell::{Cell, Cells, NO_CELL};
use super::queue::Queue;
use crate::events::{Batch, Scan, ScanObserver, Sink};
use crate::store::{PARTS, People, Row, Series, Store, Written, encode, shard_of};
use crate::users::Key;
use crate::{Error, Result};
use rayon::prelude::{IntoParallelIterator, ParallelIterator, ParallelSliceMut};

/// Bytes that an event in a list takes, with the room that a growing list leaves.
const EVENT: usize = 6;
/// Bytes that a cell takes before it has any users.
const CELL: usize = 200;

/// The users of one cell: one number for every event.
#[derive(Debug)]
pub(super) struct List {
    pub(super) cell: Cell,
    /// Whether the store gave the numbers, or they are the keys.
    pub(super) given: bool,
    pub(super) numbers: Vec<u32>,
}

/// What all threads of an ingest share.
pub(super) struct Shared<'a> {
    pub(super) store: &'a Store,
    pub(super) people: &'a People,
    /// Bytes that one thread may hold before it writes down what it has.
    pub(super) room: usize,
    /// Bytes that the numbering may take.
    pub(super) most_people: usize,
    /// Is told what the lists take.
    pub(super) observer: &'a dyn ScanObserver,
    /// What was written down already.
    pub(super) written: Mutex<Written>,
}

/// One thread's sink for one file.
pub(super) struct Gather<'a> {
    shared: &'a Shared<'a>,
    source: &'a str,
    scan: &'a Scan,
    cell_interner: &'a CellInterner<'a>,
    cells: Cells<'a>,
    /// For each scope of the scan its code in the numbering; 0 is no scope.
    scopes: Vec<u32>,
    own: Vec<Vec<u32>>,
    given: Vec<Vec<u32>>,
    queues: Vec<Queue>,
    held: usize,
    /// Events that were counted.
    pub(super) events: u64,
}

impl<'a> Gather<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        source: &'a str,
        scan: &'a Scan,
        cell_interner: &'a CellInterner<'a>,
    ) -> Self {
        Self {
            shared,
            source,
            scan,
            cell_interner,
            cells: Cells::new(cell_interner, scan),
            scopes: vec![0],
            own: Vec::new(),
            given: Vec::new(),
            queues: (0..PARTS).map(|_| Queue::default()).collect(),
            held: 0,
            events: 0,
        }
    }

    /// All lists, when everything was read.
    pub(super) fn finish(mut self) -> Result<(Vec<List>, u64)> {
        for part in 0..PARTS {
            self.flush(part)?;
        }
        Ok((self.lists()?, self.events))
    }

    fn lists(&mut self) -> Result<Vec<List>> {
        let cells = self.cell_interner.known(self.scan);
        let mut lists = Vec::new();
        for (given, all) in [(false, &mut self.own), (true, &mut self.given)] {
            for (at, numbers) in all.drain(..).enumerate().filter(|(_, list)| !list.is_empty()) {
                let cell = cells.get(at).and_then(Option::clone);
                let cell = cell.ok_or_else(|| Error::internal("a cell without a name"))?;
                lists.push(List { cell, given, numbers });
            }
        }
        self.held = 0;
        Ok(lists)
    }

    fn flush(&mut self, part: usize) -> Result<()> {
        let Self { queues, given, shared, .. } = self;
        if queues[part].is_empty() {
            return Ok(());
        }
        let mut numbering = shared.people.part(part);
        queues[part].number(&mut numbering, |cell, place| {
            push(given, cell, People::number(part, place)?);
            Ok(())
        })?;
        if numbering.size() > shared.most_people / PARTS {
            return Err(Error::limit(format!(
                "the ids of more than {} users exceed the memory limit",
                u64::from(numbering.len()) * PARTS as u64
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
        let (series, mut rows) = rows(lists)?;
        let more = self.shared.store.write(&series, &mut rows)?;
        let written = &self.shared.written;
        written.lock().unwrap_or_else(std::sync::PoisonError::into_inner).append(more);
        Ok(())
    }
}

impl Sink for Gather<'_> {
    fn take(&mut self, batch: &Batch) -> Result<()> {
        self.cells.find(batch)?;
        let Self { cells, own, queues, scopes, scan, shared, events, .. } = self;
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
                    push(own, cell, number);
                    return Ok(());
                }
                let scope = if scope == 0 { 0 } else { known(scopes, scan, shared, scope)? };
                queues[People::part_of(key.hash())].push(cell, scope, key);
                Ok(())
            },
        )?;
        *events += counted;
        self.held += counted as usize * EVENT;
        self.shared.observer.reserve(counted as usize * EVENT)?;
        for part in 0..PARTS {
            if self.queues[part].is_full() {
                self.flush(part)?;
            }
        }
        let cells = self.own.len().max(self.given.len());
        if cells * CELL > self.shared.room {
            return Err(Error::limit(
                "the combinations of dimension values exceed the memory limit",
            )
            .with(
                "help",
                "list fewer dimensions under `store: {dimensions: [...]}`, or raise --memory-limit",
            ));
        }
        if self.held + cells * CELL > self.shared.room { self.spill() } else { Ok(()) }
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

/// The numbering's code of a scope of the scan.
fn known(scopes: &mut Vec<u32>, scan: &Scan, shared: &Shared<'_>, scope: u32) -> Result<u32> {
    while scopes.len() <= scope as usize {
        let label = scan.scopes.label(scopes.len() as u32);
        let label = label.ok_or_else(|| Error::internal("a scope without a name"))?;
        scopes.push(shared.people.scope(&label));
    }
    Ok(scopes[scope as usize])
}

/// Lists, each with its source, as rows of the store.
pub(super) fn rows(lists: Vec<(&str, List)>) -> Result<(Vec<Series>, Vec<Row>)> {
    let mut places: HashMap<Series, u32> = HashMap::new();
    let mut series = Vec::new();
    let mut keyed: Vec<(u32, bool, crate::calendar::Day, Vec<u32>)> = Vec::new();
    for (source, List { cell, given, numbers }) in lists {
        let about =
            Series { source: source.to_owned(), event: cell.event, dimensions: cell.dimensions };
        let place = *places.entry(about).or_insert_with_key(|about| {
            series.push(about.clone());
            series.len() as u32 - 1
        });
        keyed.push((place, given, cell.bucket, numbers));
    }
    keyed.par_sort_unstable_by_key(|(place, given, day, _)| (*place, *given, *day));
    // Lists of one cell that different threads have made become one.
    let mut whole: Vec<(u32, bool, crate::calendar::Day, Vec<u32>)> = Vec::new();
    for (place, given, day, mut numbers) in keyed {
        match whole.last_mut() {
            Some(last) if (last.0, last.1, last.2) == (place, given, day) => {
                last.3.append(&mut numbers);
            }
            _ => whole.push((place, given, day, numbers)),
        }
    }
    let rows: Result<Vec<Vec<Row>>> = whole
        .into_par_iter()
        .map(|(series, given, day, mut numbers)| {
            numbers.sort_unstable();
            let shard = |number: &u32| shard_of(*number, given);
            let mut distinct = Vec::new();
            numbers
                .chunk_by(|a, b| shard(a) == shard(b))
                .map(|numbers| {
                    distinct.clear();
                    distinct.extend_from_slice(numbers);
                    distinct.dedup();
                    Ok(Row {
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
