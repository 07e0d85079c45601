//! The counts of different values of one kind, exact or approximate, in one thread.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Schema;
use datafusion::error::Result;

use super::filters::Filters;
use super::plan::Distinct;
use super::sets::Sets;
use crate::Result as Outcome;
use crate::events::{Codes, UserKeys};
use crate::operators::column::user_keys;
use crate::operators::external;
use crate::users::{Sketch, hash_int};

/// The set that a group is counted by.
pub(super) trait GroupSet: Clone + Debug + Send {
    /// What stands for a value in it.
    type Id: Copy + Debug + Default + Send;
    /// What all threads share about the values of a column.
    type Shared: Debug + Sync;

    /// Writes the id of each row's value; what those of other rows than `rows` are does not matter.
    ///
    /// # Errors
    /// When there are too many values.
    fn find(
        shared: &Self::Shared,
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<Self::Id>,
    ) -> Outcome<()>;

    /// Adds a value. `heap` changes by what [`size`](Self::size) changes.
    ///
    /// # Errors
    /// When there are too many values.
    fn push(&mut self, id: Self::Id, shared: &Self::Shared, heap: &mut usize) -> Outcome<()>;

    /// Adds everything in another set.
    ///
    /// # Errors
    /// When it is of another kind, or there are too many values.
    fn absorb(&mut self, other: Self, shared: &Self::Shared) -> Outcome<()>;

    /// How many different values are in it.
    ///
    /// # Errors
    /// When this cannot be told.
    fn count(self, shared: &Self::Shared) -> Outcome<u64>;

    /// Heap bytes in use.
    #[cfg(test)]
    fn size(&self) -> usize;
}

/// An approximate set, of hashes.
impl GroupSet for Sketch {
    type Id = u64;
    type Shared = ();

    fn find(
        (): &(),
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<u64>,
    ) -> Outcome<()> {
        found.clear();
        match user_keys(values)? {
            UserKeys::Ints(ints) => found.extend(ints.iter().map(|int| hash_int(*int))),
            users => {
                found.resize(values.len(), 0);
                let wanted = |row| rows.is_none_or(|rows| rows.is_valid(row));
                users.for_each(wanted, |row, key| {
                    found[row] = key.hash();
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, hash: u64, (): &(), heap: &mut usize) -> Outcome<()> {
        self.insert_counting(hash, heap);
        Ok(())
    }

    fn absorb(&mut self, mut other: Self, (): &()) -> Outcome<()> {
        if self.size() < other.size() {
            std::mem::swap(self, &mut other);
        }
        self.merge(&other)
    }

    fn count(self, (): &()) -> Outcome<u64> {
        Ok(self.estimate()?.users)
    }

    #[cfg(test)]
    fn size(&self) -> usize {
        self.size()
    }
}

/// The counts of one kind.
pub(super) struct Counts<S: GroupSet> {
    distinct: Arc<Distinct<S>>,
    /// One for each column that is counted.
    shared: Arc<Vec<S::Shared>>,
    filters: Filters,
    /// One for each count.
    sets: Vec<Sets<S>>,
    /// Scratch: what each column has in a batch.
    found: Vec<Found<S::Id>>,
}

/// The ids of the values of a batch.
#[derive(Debug)]
struct Found<I> {
    ids: Vec<I>,
    /// The rows that have one, if not all do.
    rows: Option<NullBuffer>,
}

impl<S: GroupSet> Counts<S> {
    /// Counts that have seen nothing; `input` are the columns of batches.
    ///
    /// # Errors
    /// When a filter is not one over these columns.
    pub(super) fn new(
        distinct: &Arc<Distinct<S>>,
        shared: &Arc<Vec<S::Shared>>,
        input: &Schema,
    ) -> Result<Self> {
        let filters = distinct.counts.iter().map(|count| count.filter.as_ref());
        let sets = distinct.counts.iter().map(|count| Sets::new(count.empty.clone()));
        let found = distinct.arguments.iter().map(|_| Found { ids: Vec::new(), rows: None });
        Ok(Self {
            distinct: Arc::clone(distinct),
            shared: Arc::clone(shared),
            filters: Filters::new(filters, input)?,
            sets: sets.collect(),
            found: found.collect(),
        })
    }

    /// Reads what is to be counted of a batch.
    ///
    /// # Errors
    /// When an expression fails.
    pub(super) fn read(&mut self, batch: &RecordBatch) -> Result<()> {
        self.filters.ask(batch)?;
        let Distinct { arguments, counts } = &*self.distinct;
        for (at, (argument, found)) in arguments.iter().zip(&mut self.found).enumerate() {
            let values = argument.evaluate(batch)?.into_array(batch.num_rows())?;
            // A value that no filter lets pass needs no id.
            let all = counts.iter().any(|count| count.argument == at && count.filter.is_none());
            let wanted = (!all).then(|| {
                NullBuffer::new(self.filters.passing_any(|count| counts[count].argument == at))
            });
            let rows = NullBuffer::union(wanted.as_ref(), values.logical_nulls().as_ref());
            found.rows = rows.filter(|rows| rows.null_count() > 0);
            if found.rows.as_ref().is_some_and(|rows| rows.null_count() == rows.len()) {
                // Also the column of NULLs without a type, in which nothing can be found.
                found.ids.clear();
                found.ids.resize(values.len(), S::Id::default());
            } else {
                S::find(&self.shared[at], &values, found.rows.as_ref(), &mut found.ids)
                    .map_err(external)?;
            }
        }
        Ok(())
    }

    /// Counts the rows that were read; there are groups `0..total`.
    ///
    /// # Errors
    /// When there are too many values.
    pub(super) fn take(&mut self, groups: &Codes<u32>, total: usize) -> Result<()> {
        let Self { distinct, shared, filters, sets, found } = self;
        let counts = &distinct.counts;
        for (sets, count) in sets.iter_mut().zip(counts) {
            sets.grow(total);
            if count.filter.is_none() {
                let Found { ids, rows } = &found[count.argument];
                let shared = &shared[count.argument];
                sets.take(ids, rows.as_ref(), groups, shared).map_err(external)?;
            }
        }
        filters
            .for_each(|row, count| {
                let argument = counts[count].argument;
                let Found { ids, rows } = &found[argument];
                if rows.as_ref().is_none_or(|rows| rows.is_valid(row)) {
                    sets[count].push(ids[row], groups.get(row), &shared[argument])?;
                }
                Ok(())
            })
            .map_err(external)
    }

    /// Adds the counts of another thread; `groups` says which of groups `0..total` each of its
    /// groups is here.
    ///
    /// # Errors
    /// When sets cannot be united.
    pub(super) fn merge(&mut self, other: Self, groups: &[usize], total: usize) -> Result<()> {
        let sets = self.sets.iter_mut().zip(other.sets);
        for ((ours, theirs), count) in sets.zip(&self.distinct.counts) {
            ours.grow(total);
            ours.merge(theirs, groups, &self.shared[count.argument]).map_err(external)?;
        }
        Ok(())
    }

    /// For each count its column, of groups `0..total`.
    ///
    /// # Errors
    /// When a set cannot tell how many are in it.
    pub(super) fn finish(self, total: usize) -> Result<Vec<ArrayRef>> {
        let counts = self.sets.into_iter().zip(&self.distinct.counts).map(|(mut sets, count)| {
            sets.grow(total);
            let counted = sets.finish(&self.shared[count.argument]).map_err(external)?;
            let column: ArrayRef = Arc::new(Int64Array::from(counted));
            Ok(column)
        });
        counts.collect()
    }

    /// Heap bytes in use, without what all threads share.
    pub(super) fn size(&self) -> usize {
        self.sets.iter().map(Sets::size).sum()
    }
}
