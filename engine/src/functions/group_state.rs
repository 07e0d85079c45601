//! Accumulators whose groups each hold a set or sketch and merge others in their stored form:
//! values of rows, and partial states.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, LargeBinaryBuilder};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use super::single_group::EvaluateGroup;
use super::state;
use super::values::{Bytes, passes};
use crate::datafusion_error::external;

/// What a group holds.
pub(super) trait GroupState: Debug + Sized + Send + Sync + 'static {
    /// A part of the same kind that has seen nothing.
    fn new_empty(&self) -> Self;

    /// Takes in a stored value.
    fn merge(&mut self, bytes: &[u8]) -> crate::Result<()>;

    /// Appends the stored form; nothing if nothing was taken in and that is no value.
    fn write(&self, bytes: &mut Vec<u8>) -> crate::Result<()>;

    /// How many users are in it.
    ///
    /// # Errors
    /// When the parts of it cannot be put together.
    fn count(&self) -> crate::Result<u64>;

    /// Heap bytes in use.
    fn size(&self) -> usize;
}

/// What a group answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    /// The stored form, or NULL if there is none.
    Value,
    /// How many users.
    Count,
}

/// How rows come in.
pub(super) struct RowFunctions<P> {
    /// Adds rows to their groups.
    pub(super) add: AddRows<P>,
    /// Makes a part of the row's value; false if the row does not count.
    pub(super) each: EachRow<P>,
}

type AddRows<P> =
    fn(&mut GroupStates<P>, &[ArrayRef], &[usize], Option<&BooleanArray>) -> crate::Result<()>;
type EachRow<P> =
    fn(&P, &[ArrayRef], Option<&BooleanArray>, &mut dyn FnMut(Option<&P>)) -> crate::Result<()>;

/// The parts of all groups.
#[derive(Debug)]
pub(super) struct GroupStates<P> {
    empty: P,
    states: Vec<P>,
    /// Heap bytes of each, when it was last looked at.
    sizes: Vec<usize>,
    heap: usize,
    changed: BTreeSet<usize>,
}

impl<P: GroupState> GroupStates<P> {
    pub(super) fn new(empty: P) -> Self {
        Self { empty, states: Vec::new(), sizes: Vec::new(), heap: 0, changed: BTreeSet::new() }
    }

    fn grow(&mut self, groups: usize) {
        if let Some(more) = groups.checked_sub(self.states.len()) {
            self.states.resize_with(groups, || self.empty.new_empty());
            self.sizes.resize(groups, self.empty.size());
            self.heap += more * self.empty.size();
        }
    }

    /// A part that has seen nothing.
    pub(super) fn empty(&self) -> &P {
        &self.empty
    }

    /// The part of a group, to be changed.
    pub(super) fn state_mut(&mut self, group: usize) -> &mut P {
        self.changed.insert(group);
        &mut self.states[group]
    }

    /// Looks at the sizes of what has changed: once per batch, because it takes a pass over the
    /// part.
    fn account(&mut self) {
        for group in std::mem::take(&mut self.changed) {
            let size = self.states[group].size();
            self.heap = self.heap + size - std::mem::replace(&mut self.sizes[group], size);
        }
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<P> {
        let taken = emit_to.take_needed(&mut self.states);
        let sizes = emit_to.take_needed(&mut self.sizes);
        self.heap -= sizes.iter().sum::<usize>();
        taken
    }
}

/// The groups of one accumulator.
#[derive(Debug)]
pub(super) struct StateAccumulator<P> {
    name: &'static str,
    states: GroupStates<P>,
    output: Output,
    rows: fn() -> RowFunctions<P>,
}

impl<P: GroupState> StateAccumulator<P> {
    /// Groups that take in the stored values of rows.
    pub(super) fn merging(name: &'static str, empty: P, output: Output) -> Self {
        Self { name, states: GroupStates::new(empty), output, rows: || RowFunctions { add, each } }
    }

    /// Groups that take in rows in another way.
    pub(super) fn new(
        name: &'static str,
        empty: P,
        output: Output,
        rows: fn() -> RowFunctions<P>,
    ) -> Self {
        Self { name, states: GroupStates::new(empty), output, rows }
    }

    fn failed(&self, error: crate::Error) -> DataFusionError {
        external(error.with("function", self.name))
    }
}

/// Adds stored values to their groups.
fn add<P: GroupState>(
    states: &mut GroupStates<P>,
    values: &[ArrayRef],
    groups: &[usize],
    filter: Option<&BooleanArray>,
) -> crate::Result<()> {
    let Some(column) = values.first() else { return Ok(()) };
    let bytes = Bytes::of(column)?;
    for (row, group) in groups.iter().enumerate().filter(|(row, _)| passes(filter, *row)) {
        if let Some(value) = bytes.get(row) {
            states.state_mut(*group).merge(value)?;
        }
    }
    Ok(())
}

fn each<P: GroupState>(
    empty: &P,
    values: &[ArrayRef],
    filter: Option<&BooleanArray>,
    each_state: &mut dyn FnMut(Option<&P>),
) -> crate::Result<()> {
    let Some(column) = values.first() else { return Ok(()) };
    let bytes = Bytes::of(column)?;
    for row in 0..column.len() {
        match bytes.get(row).filter(|_| passes(filter, row)) {
            Some(value) => {
                let mut state = empty.new_empty();
                state.merge(value)?;
                each_state(Some(&state));
            }
            None => each_state(None),
        }
    }
    Ok(())
}

impl<P: GroupState> GroupsAccumulator for StateAccumulator<P> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.states.grow(total_num_groups);
        let add = (self.rows)().add;
        let added = add(&mut self.states, values, group_indices, opt_filter);
        added.map_err(|error| self.failed(error))?;
        self.states.account();
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.states.grow(total_num_groups);
        let states = state::column(self.name, values)?;
        for (row, group) in group_indices.iter().enumerate() {
            let bytes = states.value(row);
            if !bytes.is_empty() {
                let merged = self.states.state_mut(*group).merge(bytes);
                merged.map_err(|error| self.failed(error))?;
            }
        }
        self.states.account();
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let states = self.states.take(emit_to);
        if let Output::Count = self.output {
            let counts = states.iter().map(|state| Ok(Some(state.count()? as i64)));
            let counts = counts.collect::<crate::Result<Int64Array>>();
            return Ok(Arc::new(counts.map_err(|error| self.failed(error))?));
        }
        let mut values_out = LargeBinaryBuilder::new();
        let mut bytes = Vec::new();
        // Each is let go as soon as it is written: both forms of all would take twice as much.
        for state in states {
            bytes.clear();
            state.write(&mut bytes).map_err(|error| self.failed(error))?;
            values_out.append_option((!bytes.is_empty()).then_some(&bytes));
        }
        Ok(Arc::new(values_out.finish()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let states = self.states.take(emit_to);
        let mut writer = state::Writer::new(states.len());
        for state in states {
            state.write(writer.bytes()).map_err(|error| self.failed(error))?;
            writer.end();
        }
        writer.finish()
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut writer = state::Writer::new(values.first().map_or(0, |values| values.len()));
        let mut written = Ok(());
        let each = (self.rows)().each;
        each(&self.states.empty, values, opt_filter, &mut |state| {
            if let (Some(state), Ok(())) = (state, &written) {
                written = state.write(writer.bytes());
            }
            writer.end();
        })
        .and(written)
        .map_err(|error| self.failed(error))?;
        writer.finish()
    }

    fn size(&self) -> usize {
        self.states.states.capacity() * size_of::<P>()
            + self.states.sizes.capacity() * size_of::<usize>()
            + self.states.heap
    }
}

impl<P: GroupState> EvaluateGroup for StateAccumulator<P> {
    fn grow(&mut self, groups: usize) {
        self.states.grow(groups);
    }

    fn evaluate_group(&self, group: usize) -> Result<ScalarValue> {
        let state = self.states.states.get(group).unwrap_or(&self.states.empty);
        match self.output {
            Output::Count => {
                let count = state.count().map_err(|error| self.failed(error))?;
                Ok(ScalarValue::Int64(Some(count as i64)))
            }
            Output::Value => {
                let mut bytes = Vec::new();
                state.write(&mut bytes).map_err(|error| self.failed(error))?;
                Ok(ScalarValue::LargeBinary(Some(bytes).filter(|bytes| !bytes.is_empty())))
            }
        }
    }
}

#[cfg(test)]
impl<P: GroupState> StateAccumulator<P> {
    /// What `size` must be, counted from scratch.
    pub(super) fn recount(&self) -> usize {
        self.states.states.capacity() * size_of::<P>()
            + self.states.sizes.capacity() * size_of::<usize>()
            + self.states.states.iter().map(GroupState::size).sum::<usize>()
    }
}
