//! The distinct counts of one kind, exact or approximate, in one thread.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Schema;
use datafusion::error::Result;

use super::codes::Codes;
use super::distinct_state::DistinctState;
use super::distinct_states::DistinctStates;
use super::filters::Filters;
use super::plan::Distinct;
use crate::datafusion_error::external;

/// The counts of one kind.
pub(super) struct Counts<S: DistinctState> {
    distinct: Arc<Distinct<S>>,
    /// One for each column that is counted.
    context: Arc<Vec<S::Context>>,
    filters: Filters,
    /// One for each count.
    sets: Vec<DistinctStates<S>>,
    /// Scratch: what each column has in a batch.
    found: Vec<ColumnIds<S::Id>>,
}

/// The ids of the values of a batch.
#[derive(Debug)]
struct ColumnIds<I> {
    ids: Vec<I>,
    /// The rows that have one, if not all do.
    rows: Option<NullBuffer>,
}

impl<S: DistinctState> Counts<S> {
    /// Counts that have seen nothing; `input` are the columns of batches.
    ///
    /// # Errors
    /// When a filter is not one over these columns.
    pub(super) fn new(
        distinct: &Arc<Distinct<S>>,
        context: &Arc<Vec<S::Context>>,
        input: &Schema,
    ) -> Result<Self> {
        let filters = distinct.counts.iter().map(|count| count.filter.as_ref());
        let sets = distinct.counts.iter().map(|count| DistinctStates::new(count.empty.clone()));
        let found = distinct.arguments.iter().map(|_| ColumnIds { ids: Vec::new(), rows: None });
        Ok(Self {
            distinct: Arc::clone(distinct),
            context: Arc::clone(context),
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
        self.filters.evaluate_all(batch)?;
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
                S::find(&self.context[at], &values, found.rows.as_ref(), &mut found.ids)
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
        let Self { distinct, context, filters, sets, found } = self;
        let counts = &distinct.counts;
        for (sets, count) in sets.iter_mut().zip(counts) {
            sets.grow(total);
            if count.filter.is_none() {
                let ColumnIds { ids, rows } = &found[count.argument];
                let context = &context[count.argument];
                sets.take(ids, rows.as_ref(), groups, context).map_err(external)?;
            }
        }
        filters
            .for_each(|row, count| {
                let argument = counts[count].argument;
                let ColumnIds { ids, rows } = &found[argument];
                if rows.as_ref().is_none_or(|rows| rows.is_valid(row)) {
                    sets[count].push(ids[row], groups.get(row), &context[argument])?;
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
            ours.merge(theirs, groups, &self.context[count.argument]).map_err(external)?;
        }
        Ok(())
    }

    /// Adds the sets of the first groups to those of coarser groups; `groups` says for each of them
    /// which of groups `0..total`.
    ///
    /// # Errors
    /// When sets cannot be united.
    pub(super) fn roll_up(&mut self, groups: &[usize], total: usize) -> Result<()> {
        for (sets, count) in self.sets.iter_mut().zip(&self.distinct.counts) {
            sets.grow(total);
            sets.roll_up(groups, &self.context[count.argument]).map_err(external)?;
        }
        Ok(())
    }

    /// For each count its sets, of groups `0..total`.
    ///
    /// # Errors
    /// When a set cannot take the values that wait for it.
    pub(super) fn into_sets(self, total: usize) -> Result<Vec<Vec<S>>> {
        let counts = self.sets.into_iter().zip(&self.distinct.counts).map(|(mut sets, count)| {
            sets.grow(total);
            sets.into_sets(&self.context[count.argument]).map_err(external)
        });
        counts.collect()
    }

    /// For each count its column, of groups `0..total`.
    ///
    /// # Errors
    /// When a set cannot be counted.
    pub(super) fn finish(self, total: usize) -> Result<Vec<ArrayRef>> {
        let counts = self.sets.into_iter().zip(&self.distinct.counts).map(|(mut sets, count)| {
            sets.grow(total);
            let counted = sets.finish(&self.context[count.argument]).map_err(external)?;
            let column: ArrayRef = Arc::new(Int64Array::from(counted));
            Ok(column)
        });
        counts.collect()
    }

    /// Heap bytes in use, without what all threads share.
    pub(super) fn size(&self) -> usize {
        self.sets.iter().map(DistinctStates::size).sum()
    }
}
