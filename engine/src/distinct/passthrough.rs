//! Aggregates other than distinct counts, computed by DataFusion's accumulators, in one thread.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::Schema;
use datafusion::error::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::codes::Codes;
use super::filters::Filters;
use super::plan::PassthroughAggregate;

/// DataFusion's accumulators.
pub(super) struct Passthrough {
    aggregates: Arc<Vec<PassthroughAggregate>>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    filters: Filters,
    /// Scratch: of each aggregate, its arguments in a batch and the rows that it counts.
    read: Vec<(Vec<ArrayRef>, Option<BooleanArray>)>,
    /// Scratch: the group of each row.
    rows: Vec<usize>,
}

impl Passthrough {
    /// Accumulators that have seen nothing.
    ///
    /// # Errors
    /// When one cannot be made.
    pub(super) fn new(aggregates: &Arc<Vec<PassthroughAggregate>>, input: &Schema) -> Result<Self> {
        let accumulators =
            aggregates.iter().map(|other| other.function.create_groups_accumulator());
        let filters = aggregates.iter().map(|other| other.filter.as_ref());
        Ok(Self {
            aggregates: Arc::clone(aggregates),
            accumulators: accumulators.collect::<Result<_>>()?,
            filters: Filters::new(filters, input)?,
            read: Vec::new(),
            rows: Vec::new(),
        })
    }

    /// Reads what is to be aggregated of a batch.
    ///
    /// # Errors
    /// When an expression fails.
    pub(super) fn read(&mut self, batch: &RecordBatch) -> Result<()> {
        self.filters.evaluate_all(batch)?;
        self.read.clear();
        for (at, other) in self.aggregates.iter().enumerate() {
            let values = other.arguments.iter();
            let values = values.map(|v| v.evaluate(batch)?.into_array(batch.num_rows()));
            let rows = other.filter.is_some().then(|| self.filters.passing_any(|one| one == at));
            let rows = rows.map(|rows| BooleanArray::new(rows, None));
            self.read.push((values.collect::<Result<_>>()?, rows));
        }
        Ok(())
    }

    /// Aggregates the `rows` rows that were read; there are groups `0..total`.
    ///
    /// # Errors
    /// When an accumulator fails.
    pub(super) fn take(&mut self, rows: usize, groups: &Codes<u32>, total: usize) -> Result<()> {
        if self.accumulators.is_empty() {
            return Ok(());
        }
        self.rows.clear();
        self.rows.extend((0..rows).map(|row| groups.get(row) as usize));
        for (accumulator, (values, filter)) in self.accumulators.iter_mut().zip(&self.read) {
            accumulator.update_batch(values, &self.rows, filter.as_ref(), total)?;
        }
        Ok(())
    }

    /// Merges the state of another thread; `groups` says which of groups `0..total` each of its groups
    /// is here.
    ///
    /// # Errors
    /// When states cannot be merged.
    pub(super) fn merge(&mut self, other: Self, groups: &[usize], total: usize) -> Result<()> {
        for (ours, mut theirs) in self.accumulators.iter_mut().zip(other.accumulators) {
            ours.merge_batch(&theirs.state(EmitTo::All)?, groups, total)?;
        }
        Ok(())
    }

    /// The states of all groups, of each aggregate, which starts again.
    ///
    /// # Errors
    /// When an accumulator fails.
    pub(super) fn take_states(&mut self) -> Result<Vec<Vec<ArrayRef>>> {
        let accumulators = self.accumulators.iter_mut().zip(&*self.aggregates);
        accumulators
            .map(|(accumulator, aggregate)| {
                let states = accumulator.state(EmitTo::All)?;
                *accumulator = aggregate.function.create_groups_accumulator()?;
                Ok(states)
            })
            .collect()
    }

    /// Merges states; `groups` says for each of them which of groups `0..total` it belongs to.
    ///
    /// # Errors
    /// When states cannot be merged.
    pub(super) fn merge_states(
        &mut self,
        states: &[Vec<ArrayRef>],
        groups: &[usize],
        total: usize,
    ) -> Result<()> {
        let mut accumulators = self.accumulators.iter_mut().zip(states);
        accumulators.try_for_each(|(ours, states)| ours.merge_batch(states, groups, total))
    }

    /// For each aggregate its column, of groups `0..total`.
    ///
    /// # Errors
    /// When an accumulator fails.
    pub(super) fn finish(self) -> Result<Vec<ArrayRef>> {
        self.accumulators.into_iter().map(|mut other| other.evaluate(EmitTo::All)).collect()
    }

    /// The same where there was no row: what each aggregate is of nothing, `total` times.
    ///
    /// # Errors
    /// When an accumulator cannot be made.
    pub(super) fn of_no_rows(&self, total: usize) -> Result<Vec<ArrayRef>> {
        let nothing =
            self.aggregates.iter().map(|other| other.function.create_accumulator()?.evaluate());
        nothing.map(|value| value?.to_array_of_size(total)).collect()
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        self.accumulators.iter().map(|accumulator| accumulator.size()).sum()
    }
}
