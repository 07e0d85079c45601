//! What one thread knows: its groups, and for each of them its sets and accumulators.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use datafusion::common::internal_datafusion_err;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::aggregates::{PhysicalGroupBy, evaluate_group_by};

use super::codes::Coder;
use super::filters::{Filters, TOGETHER, passing_any};
use super::groups::Groups;
use super::numbers::Numbers;
use super::plan::{Aggregates, Exact};
use super::sets::Sets;
use crate::events::Codes;
use crate::operators::external;

/// The state of one thread.
pub(super) struct Worker {
    /// Whether it has seen a row.
    started: bool,
    aggregates: Arc<Aggregates>,
    /// One for each column that is counted exactly; shared with the other threads.
    numbers: Arc<Vec<Numbers>>,
    coders: Vec<Coder>,
    groups: Groups,
    /// One for each exact count.
    sets: Vec<Sets>,
    /// Filters, those of the exact counts first.
    filters: Vec<Filters>,
    /// The exact counts that have a filter.
    filtered: Vec<usize>,
    others: Vec<Box<dyn GroupsAccumulator>>,
    /// Scratch: the numbers of a batch, by column.
    found: Vec<Vec<u32>>,
    /// Scratch: the group of each row.
    rows: Vec<usize>,
    /// The memory that all this has been granted.
    granted: Vec<MemoryReservation>,
}

impl Worker {
    /// A thread that has seen nothing.
    ///
    /// # Errors
    /// When a group column or an aggregate cannot be served.
    pub(super) fn new(aggregates: &Arc<Aggregates>, numbers: &Arc<Vec<Numbers>>) -> Result<Self> {
        let group_by = &aggregates.group_by;
        let fields = aggregates.schema.fields().iter();
        let mut expressions = group_by.input_exprs();
        // The number of the grouping set is a column too; `evaluate_group_by` makes it.
        expressions.extend(group_by.output_exprs().into_iter().skip(expressions.len()));
        let coders: Result<Vec<Coder>> = expressions
            .iter()
            .zip(fields)
            .map(|(expr, field)| Coder::new(expr, field.data_type()))
            .collect();
        let others: Result<Vec<_>> = aggregates
            .others
            .iter()
            .map(|other| other.function.create_groups_accumulator())
            .collect();
        let with_filter = |(_, exact): &(usize, &Exact)| exact.filter.is_some();
        let filtered = aggregates.exact.iter().enumerate().filter(with_filter).map(|(at, _)| at);
        let filters: Vec<_> = aggregates
            .exact
            .iter()
            .filter_map(|exact| exact.filter.as_ref())
            .chain(aggregates.others.iter().filter_map(|other| other.filter.as_ref()))
            .collect();
        let filters = filters.chunks(TOGETHER).map(|part| Filters::new(part, &aggregates.input));
        Ok(Self {
            started: false,
            aggregates: Arc::clone(aggregates),
            numbers: Arc::clone(numbers),
            coders: coders?,
            groups: Groups::new(expressions.len()),
            sets: aggregates.exact.iter().map(|_| Sets::default()).collect(),
            filters: filters.collect::<Result<_>>()?,
            filtered: filtered.collect(),
            others: others?,
            found: numbers.iter().map(|_| Vec::new()).collect(),
            rows: Vec::new(),
            granted: Vec::new(),
        })
    }

    /// Counts a batch.
    ///
    /// # Errors
    /// When an expression fails.
    pub(super) fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.started = true;
        self.take_rows(batch)
    }

    /// Keeps granted memory until the worker is gone.
    pub(super) fn hold(&mut self, granted: MemoryReservation) {
        self.granted.push(granted);
    }

    fn take_rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let aggregates = Arc::clone(&self.aggregates);
        let evaluate =
            |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(batch)?.into_array(batch.num_rows());
        // Out of the way while the groups are found.
        let mut filters = std::mem::take(&mut self.filters);
        for part in &mut filters {
            part.ask(batch)?;
        }
        for (at, argument) in aggregates.arguments.iter().enumerate() {
            let exact = &aggregates.exact;
            let all = exact.iter().any(|exact| exact.argument == at && exact.filter.is_none());
            // A value that no filter lets pass needs no number.
            let wanted = (!all).then(|| {
                let places = self.filtered.iter().enumerate();
                let here = places.filter(|(_, place)| exact[**place].argument == at);
                passing_any(&filters, here.map(|(filter, _)| filter))
            });
            self.numbers[at]
                .find(&evaluate(argument)?, wanted.as_ref(), &mut self.found[at])
                .map_err(external)?;
        }
        let mut next = self.filtered.len()..;
        let others: Vec<(Vec<ArrayRef>, Option<BooleanArray>)> = aggregates
            .others
            .iter()
            .map(|other| {
                let values = other.arguments.iter().map(evaluate).collect::<Result<_>>()?;
                let filter = other.filter.as_ref().and_then(|_| next.next());
                let rows = filter.map(|filter| passing_any(&filters, std::iter::once(filter)));
                Ok((values, rows.map(|rows| BooleanArray::new(rows, None))))
            })
            .collect::<Result<_>>()?;
        self.for_each_grouping(batch, |worker, groups| {
            let total = worker.groups.len();
            for (sets, exact) in worker.sets.iter_mut().zip(&aggregates.exact) {
                sets.grow(total);
                if exact.filter.is_none() {
                    sets.take(&worker.found[exact.argument], groups);
                }
            }
            worker.take_filtered(&filters, groups);
            if others.is_empty() {
                return Ok(());
            }
            worker.rows.clear();
            worker.rows.extend((0..batch.num_rows()).map(|row| groups.get(row) as usize));
            for (accumulator, (values, filter)) in worker.others.iter_mut().zip(&others) {
                accumulator.update_batch(values, &worker.rows, filter.as_ref(), total)?;
            }
            Ok(())
        })?;
        self.filters = filters;
        Ok(())
    }

    /// Counts the rows that pass the filters of exact counts.
    fn take_filtered(&mut self, filters: &[Filters], groups: &Codes<u32>) {
        let exact = &self.aggregates.exact;
        for (part, places) in filters.iter().zip(self.filtered.chunks(TOGETHER)) {
            let of_others = u64::MAX.checked_shl(places.len() as u32).unwrap_or(0);
            for (row, passing) in part.passing().iter().enumerate() {
                let mut left = passing & !of_others;
                while left != 0 {
                    let place = places[left.trailing_zeros() as usize];
                    let number = self.found[exact[place].argument][row];
                    self.sets[place].push(number, groups.get(row));
                    left &= left - 1;
                }
            }
        }
    }

    /// Finds the groups of a batch, for each grouping set once.
    fn for_each_grouping(
        &mut self,
        batch: &RecordBatch,
        mut each: impl FnMut(&mut Self, &Codes<u32>) -> Result<()>,
    ) -> Result<()> {
        let aggregates = Arc::clone(&self.aggregates);
        let group_by = &aggregates.group_by;
        if !group_by.has_grouping_set() {
            let codes: Vec<Codes<u32>> =
                self.coders.iter_mut().map(|coder| coder.codes(batch)).collect::<Result<_>>()?;
            let groups = self.groups.find(&codes, batch.num_rows()).map_err(external)?;
            return each(self, &groups);
        }
        for columns in evaluate_group_by(group_by, batch)? {
            let groups = self.groups_of(&columns)?;
            each(self, &groups)?;
        }
        Ok(())
    }

    /// Finds the groups that are there without a row: of every grouping set without columns the
    /// whole.
    fn find_wholes(&mut self) -> Result<()> {
        let aggregates = Arc::clone(&self.aggregates);
        let group_by = &aggregates.group_by;
        let (nulls, sets) = (group_by.null_expr().to_vec(), group_by.groups().to_vec());
        let nothing = PhysicalGroupBy::new(nulls.clone(), nulls, sets, true);
        let one_row = RecordBatch::try_new_with_options(
            Arc::new(Schema::empty()),
            Vec::new(),
            &RecordBatchOptions::new().with_row_count(Some(1)),
        )?;
        let all = evaluate_group_by(&nothing, &one_row)?;
        for (columns, set) in all.iter().zip(group_by.groups()) {
            if set.iter().all(|is_null| *is_null) {
                self.groups_of(columns)?;
            }
        }
        Ok(())
    }

    /// The groups of rows whose group columns are known.
    fn groups_of(&mut self, columns: &[ArrayRef]) -> Result<Codes<u32>> {
        let codes: Vec<Codes<u32>> = self
            .coders
            .iter_mut()
            .zip(columns)
            .map(|(coder, column)| Ok(Codes::Rows(coder.codes_of(column)?)))
            .collect::<Result<_>>()?;
        self.groups.find(&codes, columns.first().map_or(0, Array::len)).map_err(external)
    }

    /// Adds everything that another thread knows.
    ///
    /// # Errors
    /// When the states of its accumulators cannot be merged.
    pub(super) fn merge(&mut self, mut other: Self) -> Result<()> {
        self.granted.append(&mut other.granted);
        if !self.started {
            other.granted = std::mem::take(&mut self.granted);
            *self = other;
            return Ok(());
        }
        if !other.started {
            return Ok(());
        }
        let columns = other.group_columns()?;
        let theirs = other.groups.len();
        let rows: Vec<usize> = match self.groups_of(&columns)? {
            Codes::Rows(groups) => groups.iter().map(|group| *group as usize).collect(),
            Codes::All(group) => vec![group as usize; theirs],
        };
        let total = self.groups.len();
        for (ours, theirs) in self.sets.iter_mut().zip(std::mem::take(&mut other.sets)) {
            ours.grow(total);
            ours.merge(theirs, &rows);
        }
        for (ours, theirs) in self.others.iter_mut().zip(&mut other.others) {
            ours.merge_batch(&theirs.state(EmitTo::All)?, &rows, total)?;
        }
        Ok(())
    }

    /// The answer: a row for each group.
    ///
    /// # Errors
    /// When an accumulator fails.
    pub(super) fn finish(mut self) -> Result<RecordBatch> {
        if !self.started && self.aggregates.group_by.has_grouping_set() {
            self.find_wholes()?;
        }
        let mut columns = self.group_columns()?;
        let total = self.groups.len();
        let schema = Arc::clone(&self.aggregates.schema);
        let mut exact = std::mem::take(&mut self.sets).into_iter();
        let mut others = std::mem::take(&mut self.others).into_iter();
        let mut functions = self.aggregates.others.iter();
        let missing = || internal_datafusion_err!("an aggregate is missing");
        for is_exact in &self.aggregates.order {
            columns.push(if *is_exact {
                let mut sets = exact.next().ok_or_else(missing)?;
                sets.grow(total);
                Arc::new(Int64Array::from(sets.finish()))
            } else {
                let mut other = others.next().ok_or_else(missing)?;
                if self.started || total == 0 {
                    other.evaluate(EmitTo::All)?
                } else {
                    // The whole, over no rows at all.
                    let function = &functions.next().ok_or_else(missing)?.function;
                    function.create_accumulator()?.evaluate()?.to_array_of_size(total)?
                }
            });
        }
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    fn group_columns(&self) -> Result<Vec<ArrayRef>> {
        let columns = self.coders.iter().enumerate();
        columns.map(|(at, coder)| coder.values(&self.groups.codes(at))).collect()
    }

    /// Heap bytes in use, without the numbers that all threads share.
    pub(super) fn size(&self) -> usize {
        self.sets.iter().map(Sets::size).sum::<usize>()
            + self.groups.size()
            + self.coders.iter().map(Coder::size).sum::<usize>()
            + self.others.iter().map(|other| other.size()).sum::<usize>()
    }
}
