//! The state of one thread: its groups, with their sets and accumulators.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Int64Type, Schema};
use datafusion::common::internal_datafusion_err;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::aggregates::{PhysicalGroupBy, evaluate_group_by};

use super::codes::Codes;
use super::column_encoder::ColumnEncoder;
use super::counts::Counts;
use super::distinct_state::DistinctState;
use super::exact_set::ExactSet;
use super::groups::Groups;
use super::passthrough::Passthrough;
use super::plan::{Aggregates, Kind};
use crate::datafusion_error::external;
use crate::users::Sketch;

/// For each group column the code that stands in every row, as those of columns that are not in the
/// set do, or `None` for what the row has.
type GroupingSet = Vec<Option<Codes<u32>>>;

/// The state of one thread.
pub(crate) struct Worker<E: DistinctState = ExactSet> {
    /// Whether it has seen a row.
    started: bool,
    aggregates: Arc<Aggregates<E>>,
    encoders: Vec<ColumnEncoder>,
    groups: Groups,
    grouping_sets: Arc<Vec<GroupingSet>>,
    /// The grouping set of all columns, if there are others too: rows are added to its groups only,
    /// and those of the others are made of them at the end.
    finest: Option<usize>,
    exact: Counts<E>,
    approximate: Counts<Sketch>,
    passthrough: Passthrough,
    /// The memory that all this has been granted.
    reservations: Vec<MemoryReservation>,
}

/// The groups of a [scan](Aggregates::of_events).
pub(crate) struct GroupedUsers<E> {
    /// Period, event and dimensions of each group.
    pub(crate) columns: Vec<ArrayRef>,
    /// The users of each group, or nothing.
    pub(crate) exact: Vec<E>,
    /// The users of each group, or nothing.
    pub(crate) approximate: Vec<Sketch>,
    /// The number of events of each group.
    pub(crate) events: Vec<u64>,
}

impl<E: DistinctState> Worker<E> {
    /// A thread that has seen nothing; `ids` are those of the columns that are counted exactly,
    /// shared with the other threads.
    ///
    /// # Errors
    /// When a group column or an aggregate cannot be served.
    pub(crate) fn new(aggregates: &Arc<Aggregates<E>>, ids: &Arc<Vec<E::Context>>) -> Result<Self> {
        let Aggregates { input, group_by, exact, approximate, passthrough, .. } = &**aggregates;
        let fields = aggregates.schema.fields().iter();
        let mut expressions = group_by.input_exprs();
        // The number of the grouping set is a column too; `evaluate_group_by` makes it.
        expressions.extend(group_by.output_exprs().into_iter().skip(expressions.len()));
        let encoders: Result<Vec<ColumnEncoder>> = expressions
            .iter()
            .zip(fields)
            .map(|(expr, field)| ColumnEncoder::new(expr, field.data_type()))
            .collect();
        let mut encoders = encoders?;
        let grouping_sets = grouping_sets(group_by, &mut encoders)?;
        let hashes = Arc::new(vec![(); approximate.arguments.len()]);
        Ok(Self {
            started: false,
            aggregates: Arc::clone(aggregates),
            encoders,
            groups: Groups::new(expressions.len()),
            finest: finest(&grouping_sets),
            grouping_sets: Arc::new(grouping_sets),
            exact: Counts::new(exact, ids, input)?,
            approximate: Counts::new(approximate, &hashes, input)?,
            passthrough: Passthrough::new(passthrough, input)?,
            reservations: Vec::new(),
        })
    }

    /// Keeps granted memory until the worker is gone.
    pub(crate) fn keep_reservation(&mut self, reservation: MemoryReservation) {
        self.reservations.push(reservation);
    }

    /// Counts a batch.
    ///
    /// # Errors
    /// When an expression fails.
    pub(crate) fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.started = true;
        self.exact.read(batch)?;
        self.approximate.read(batch)?;
        self.passthrough.read(batch)?;
        self.for_each_grouping(batch, |worker, groups| {
            let total = worker.groups.len();
            worker.exact.take(groups, total)?;
            worker.approximate.take(groups, total)?;
            worker.passthrough.take(batch.num_rows(), groups, total)
        })
    }

    /// Finds the groups of a batch, for each grouping set once.
    fn for_each_grouping(
        &mut self,
        batch: &RecordBatch,
        mut each: impl FnMut(&mut Self, &Codes<u32>) -> Result<()>,
    ) -> Result<()> {
        let columns = self.aggregates.group_by.expr().len();
        let encoders = self.encoders[..columns].iter_mut();
        let codes: Vec<Codes<u32>> =
            encoders.map(|encoder| encoder.codes(batch)).collect::<Result<_>>()?;
        let sets = Arc::clone(&self.grouping_sets);
        let sets = match self.finest {
            Some(finest) => &sets[finest..=finest],
            None => &sets[..],
        };
        for set in sets {
            let columns = set.iter().enumerate();
            let columns: Vec<&Codes<u32>> =
                columns.map(|(at, fixed)| fixed.as_ref().unwrap_or_else(|| &codes[at])).collect();
            let groups = self.groups.find(&columns, batch.num_rows()).map_err(external)?;
            each(self, &groups)?;
        }
        Ok(())
    }

    /// Finds the groups that are there without a row: of every grouping set without columns the
    /// whole.
    fn find_total_groups(&mut self) -> Result<()> {
        for set in &*self.grouping_sets {
            let columns: Option<Vec<&Codes<u32>>> = set.iter().map(Option::as_ref).collect();
            if let Some(columns) = columns {
                self.groups.find(&columns, 1).map_err(external)?;
            }
        }
        Ok(())
    }

    /// Merges the state of another thread.
    ///
    /// # Errors
    /// When the states of its accumulators cannot be merged.
    pub(crate) fn merge(&mut self, mut other: Self) -> Result<()> {
        self.reservations.append(&mut other.reservations);
        if !self.started {
            other.reservations = std::mem::take(&mut self.reservations);
            *self = other;
            return Ok(());
        }
        if !other.started {
            return Ok(());
        }
        let (columns, theirs) = (other.group_columns()?, other.groups.len());
        let codes = self.encoders.iter_mut().zip(&columns);
        let codes: Vec<Codes<u32>> = codes
            .map(|(encoder, column)| Ok(Codes::Rows(encoder.codes_of(column)?)))
            .collect::<Result<_>>()?;
        let groups = self.groups.find(&codes.iter().collect::<Vec<_>>(), theirs);
        let groups = groups.map_err(external)?;
        let rows: Vec<usize> = (0..theirs).map(|row| groups.get(row) as usize).collect();
        let total = self.groups.len();
        self.exact.merge(other.exact, &rows, total)?;
        self.approximate.merge(other.approximate, &rows, total)?;
        self.passthrough.merge(other.passthrough, &rows, total)
    }

    /// Makes the groups of the other grouping sets of those of the finest one, set by set, so that
    /// memory is reserved in between.
    fn roll_up(&mut self) -> Result<()> {
        let Some(finest) = self.finest.filter(|_| self.started) else { return Ok(()) };
        let fine = self.groups.len();
        let columns = 0..self.encoders.len();
        let codes: Vec<Codes<u32>> = columns
            .map(|column| Codes::Rows(self.groups.codes(column).values().to_vec()))
            .collect();
        let states = self.passthrough.take_states()?;
        let same: Vec<usize> = (0..fine).collect();
        self.passthrough.merge_states(&states, &same, fine)?;
        let sets = Arc::clone(&self.grouping_sets);
        for (_, set) in sets.iter().enumerate().filter(|(at, _)| *at != finest) {
            let before = self.size();
            let columns = set.iter().zip(&codes);
            let columns: Vec<&Codes<u32>> =
                columns.map(|(fixed, codes)| fixed.as_ref().unwrap_or(codes)).collect();
            let groups = self.groups.find(&columns, fine).map_err(external)?;
            let groups: Vec<usize> = (0..fine).map(|row| groups.get(row) as usize).collect();
            let total = self.groups.len();
            self.exact.roll_up(&groups, total)?;
            self.approximate.roll_up(&groups, total)?;
            self.passthrough.merge_states(&states, &groups, total)?;
            let more = self.size().saturating_sub(before);
            self.reservations.first_mut().map_or(Ok(()), |memory| memory.try_grow(more))?;
        }
        Ok(())
    }

    /// The answer: a row for each group.
    ///
    /// # Errors
    /// When an accumulator fails.
    pub(super) fn finish(mut self) -> Result<RecordBatch> {
        self.roll_up()?;
        if !self.started && self.aggregates.group_by.has_grouping_set() {
            self.find_total_groups()?;
        }
        let mut columns = self.group_columns()?;
        let total = self.groups.len();
        let mut exact = self.exact.finish(total)?.into_iter();
        let mut approximate = self.approximate.finish(total)?.into_iter();
        let passthrough = if self.started || total == 0 {
            self.passthrough.finish()
        } else {
            self.passthrough.of_no_rows(total)
        };
        let mut passthrough = passthrough?.into_iter();
        for kind in &self.aggregates.order {
            let column = match kind {
                Kind::Exact => exact.next(),
                Kind::Approximate => approximate.next(),
                Kind::Passthrough => passthrough.next(),
            };
            columns
                .push(column.ok_or_else(|| internal_datafusion_err!("an aggregate is missing"))?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.aggregates.schema), columns)?)
    }

    /// The groups with their sets, in place of counts.
    ///
    /// # Errors
    /// When a set cannot take the values that wait for it.
    pub(crate) fn into_groups(self) -> Result<GroupedUsers<E>> {
        let columns = self.group_columns()?;
        let total = if self.started { self.groups.len() } else { 0 };
        let mut exact = self.exact.into_sets(total)?;
        let mut approximate = self.approximate.into_sets(total)?;
        let events = match self.started {
            true => self.passthrough.finish()?,
            false => Vec::new(),
        };
        let events = events.first().map(|events| events.as_primitive::<Int64Type>().values());
        Ok(GroupedUsers {
            columns,
            exact: exact.pop().unwrap_or_default(),
            approximate: approximate.pop().unwrap_or_default(),
            events: events.into_iter().flatten().map(|events| *events as u64).collect(),
        })
    }

    fn group_columns(&self) -> Result<Vec<ArrayRef>> {
        let columns = self.encoders.iter().enumerate();
        columns.map(|(at, encoder)| encoder.values(&self.groups.codes(at))).collect()
    }

    /// Heap bytes in use, without the ids that all threads share.
    pub(crate) fn size(&self) -> usize {
        self.exact.size()
            + self.approximate.size()
            + self.passthrough.size()
            + self.groups.size()
            + self.encoders.iter().map(ColumnEncoder::size).sum::<usize>()
    }
}

/// The place of the grouping set with all columns, if there are others beside it and no two of them
/// have the same groups.
fn finest(sets: &[GroupingSet]) -> Option<usize> {
    let code = |column: &Option<Codes<u32>>| column.as_ref().map(|codes| codes.get(0));
    let distinct: HashSet<Vec<Option<u32>>> =
        sets.iter().map(|set| set.iter().map(code).collect()).collect();
    let is_fine = |set: &GroupingSet| set.iter().rev().skip(1).all(Option::is_none);
    sets.iter().position(is_fine).filter(|_| sets.len() > 1 && distinct.len() == sets.len())
}

/// The grouping sets of a query; one if it has only GROUP BY.
fn grouping_sets(
    group_by: &PhysicalGroupBy,
    encoders: &mut [ColumnEncoder],
) -> Result<Vec<GroupingSet>> {
    if !group_by.has_grouping_set() {
        return Ok(vec![vec![None; encoders.len()]]);
    }
    // What DataFusion makes of a row of which nothing is known.
    let (nulls, sets) = (group_by.null_expr().to_vec(), group_by.groups().to_vec());
    let nothing = PhysicalGroupBy::new(nulls.clone(), nulls, sets, true);
    let one_row = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        Vec::new(),
        &RecordBatchOptions::new().with_row_count(Some(1)),
    )?;
    let fixed = evaluate_group_by(&nothing, &one_row)?;
    let sets = fixed.iter().zip(group_by.groups()).map(|(columns, is_null)| {
        let columns = columns.iter().zip(encoders.iter_mut()).enumerate();
        // The column behind those of the query is the number of the set.
        let columns = columns.map(|(at, (column, encoder))| match is_null.get(at) {
            Some(false) => Ok(None),
            Some(true) | None => Ok(Some(Codes::All(encoder.codes_of(column)?[0]))),
        });
        columns.collect()
    });
    sets.collect()
}
