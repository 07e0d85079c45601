//! Exact cells: sets of user numbers, by shard.

use std::sync::{Mutex, PoisonError};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::cell::{CellFinder, UNCOUNTED};
use super::key_queue::KeyQueue;
use super::{CellInterner, CellUsers, UserExpr, evaluate};
use crate::events::{Batch, Request, Scan, ScanObserver, ScanSummary, Sink};
use crate::users::{IdDictionary, Key, SetBuilder, UserSet};
use crate::{Error, Result};

/// Number of shards that users are spread over.
pub const SHARDS: usize = 64;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
/// A thread hands numbers over to a shard when it holds this many for it.
const FLUSH_LEN: usize = 4 * 1024;
/// Integer keys serve as their own numbers if they are below this many times the rows ...
const DENSE_PER_ROW: u64 = 8;
/// ... or below this in any case.
const MIN_DENSE_LIMIT: u64 = 1 << 20;

/// The exact users of all cells.
#[derive(Debug)]
pub struct ExactSets {
    shards: Vec<Shard>,
    /// Whether keys are their own numbers, and nothing is numbered.
    dense: bool,
}

#[derive(Debug)]
struct Shard {
    dictionary: IdDictionary,
    sets: Vec<UserSet>,
}

/// A shard while the scan fills it.
#[derive(Debug, Default)]
struct ShardBuilder {
    dictionary: IdDictionary,
    sets: SetBuilders,
    /// Bytes reported to the observer.
    reported: usize,
}

/// Sets of cells while the scan fills them.
#[derive(Debug, Default)]
struct SetBuilders {
    sets: Vec<SetBuilder>,
    /// Heap bytes of the sets.
    heap: usize,
}

impl ExactSets {
    /// Users of an expression.
    pub fn count(&self, expr: &UserExpr) -> u64 {
        self.shards.iter().map(|shard| shard.count(expr)).sum()
    }

    /// For each shard, its set of a cell; numbers mean nothing beyond their shard.
    pub fn of(&self, shard: usize, cell: u32) -> Option<&UserSet> {
        self.shards[shard].sets.get(cell as usize)
    }

    /// The set of an expression in a shard.
    pub(super) fn evaluated(&self, shard: usize, expr: &UserExpr) -> UserSet {
        evaluate(expr, |cell| self.of(shard, cell))
    }

    /// Whether keys are their own numbers.
    pub(super) fn is_dense(&self) -> bool {
        self.dense
    }

    /// The key behind a number of a shard, where keys are their own numbers.
    pub(super) fn dense_key(shard: usize, local: u32) -> u32 {
        let page = (local >> 16) << SHARD_BITS | shard as u32;
        page << 16 | (local & 0xffff)
    }

    /// The id dictionary of each shard.
    pub(super) fn dictionaries(&self) -> impl Iterator<Item = &IdDictionary> {
        self.shards.iter().map(|shard| &shard.dictionary)
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        let sets = |shard: &Shard| {
            shard.sets.capacity() * size_of::<UserSet>()
                + shard.sets.iter().map(UserSet::size).sum::<usize>()
        };
        self.shards.iter().map(|shard| shard.dictionary.size() + sets(shard)).sum()
    }
}

impl Shard {
    fn count(&self, expr: &UserExpr) -> u64 {
        let set = |cell: u32| self.sets.get(cell as usize);
        match expr.as_slice() {
            [] => 0,
            // A single cell is counted without a copy.
            [term] if term.len() == 1 && term[0].len() == 1 => {
                set(term[0][0]).map_or(0, UserSet::len)
            }
            _ => evaluate(expr, set).len(),
        }
    }
}

impl SetBuilders {
    #[inline]
    fn insert(&mut self, cell: u32, number: u32) {
        let at = cell as usize;
        if at >= self.sets.len() {
            self.sets.resize_with(at + 1, SetBuilder::default);
        }
        self.sets[at].push(number, &mut self.heap);
    }

    /// Heap bytes in use.
    fn size(&self) -> usize {
        self.heap + self.sets.capacity() * size_of::<SetBuilder>()
    }
}

impl ShardBuilder {
    /// Reports the growth since the last report.
    fn report_memory(&mut self, observer: &dyn ScanObserver) -> Result<()> {
        let size = self.sets.size() + self.dictionary.size();
        let more = size.saturating_sub(self.reported);
        self.reported += more;
        observer.reserve(more)
    }

    fn finish(self) -> Shard {
        let sets = self.sets.sets.into_iter().map(SetBuilder::finish);
        Shard { dictionary: self.dictionary, sets: sets.collect() }
    }
}

pub(super) fn build(
    scan: &Scan,
    request: &Request<'_>,
    interner: &CellInterner<'_>,
) -> Result<(CellUsers, Vec<Vec<u64>>, ScanSummary)> {
    let shards: Vec<Mutex<ShardBuilder>> = (0..SHARDS).map(|_| Mutex::default()).collect();
    let limit = MIN_DENSE_LIMIT.max(scan.known_rows().saturating_mul(DENSE_PER_ROW));
    let largest = scan.largest_user().filter(|largest| u64::from(*largest) < limit);
    let (sinks, summary) = scan.run(request, || ExactSink {
        cells: CellFinder::new(interner, scan),
        shards: &shards,
        observer: request.observer,
        largest,
        buffers: (0..SHARDS).map(|_| ShardBuffer::default()).collect(),
    })?;
    let mut tallies = Vec::new();
    for mut sink in sinks {
        for shard in 0..SHARDS {
            sink.flush(shard)?;
        }
        tallies.push(sink.cells.tally);
    }
    let shards = shards
        .into_par_iter()
        .map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner).finish());
    let sets = ExactSets { shards: shards.collect(), dense: largest.is_some() };
    Ok((CellUsers::Exact(sets), tallies, summary))
}

/// One thread's sink: sorts users by shard and hands them over in handfuls.
struct ExactSink<'a> {
    cells: CellFinder<'a>,
    shards: &'a [Mutex<ShardBuilder>],
    observer: &'a dyn ScanObserver,
    /// The largest key, if keys are their own numbers.
    largest: Option<u32>,
    buffers: Vec<ShardBuffer>,
}

/// Users on their way to one shard.
#[derive(Default)]
struct ShardBuffer {
    /// (cell, number within the shard): keys that are their own numbers.
    numbers: Vec<(u32, u32)>,
    /// Keys that get a number.
    queue: KeyQueue,
}

impl ShardBuffer {
    fn is_full(&self) -> bool {
        self.numbers.len() >= FLUSH_LEN || self.queue.is_full()
    }
}

impl Sink for ExactSink<'_> {
    fn take(&mut self, batch: &Batch) -> Result<()> {
        self.cells.find(batch)?;
        let Self { cells, buffers, largest, .. } = self;
        let rows = &cells.rows;
        // Also true for rows to skip: `NO_CELL` has the bit set.
        let wanted = |row: usize| rows[row] & UNCOUNTED == 0;
        match *largest {
            Some(largest) => batch.users.for_each(wanted, |row, key| {
                let Key::Int(key) = key else {
                    return Err(Error::internal("a dense key that is not an integer"));
                };
                let number = u32::try_from(key).ok().filter(|number| *number <= largest);
                let number = number.ok_or_else(|| {
                    Error::input(format!(
                        "the user key {key} is above the maximum in the file's statistics"
                    ))
                    .with("help", "the file is corrupt; write it again")
                })?;
                // Shards take turns with pages of 65,536 numbers, so that a set keeps its pages.
                let page = number >> 16;
                let shard = page as usize % SHARDS;
                let local = (page >> SHARD_BITS) << 16 | (number & 0xffff);
                buffers[shard].numbers.push((rows[row], local));
                Ok(())
            })?,
            None => batch.users.for_each(wanted, |row, key| {
                let shard = (key.hash() >> (u64::BITS - SHARD_BITS)) as usize;
                buffers[shard].queue.push(rows[row], batch.scopes.get(row), key);
                Ok(())
            })?,
        }
        for shard in 0..SHARDS {
            if self.buffers[shard].is_full() {
                self.flush(shard)?;
            }
        }
        Ok(())
    }
}

impl ExactSink<'_> {
    fn flush(&mut self, shard: usize) -> Result<()> {
        let buffer = &mut self.buffers[shard];
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let ShardBuilder { dictionary, sets, .. } = &mut *shard;
        for (cell, number) in buffer.numbers.drain(..) {
            sets.insert(cell, number);
        }
        buffer.queue.assign_ids(dictionary, |cell, number| {
            sets.insert(cell, number);
            Ok(())
        })?;
        shard.report_memory(self.observer)
    }
}
