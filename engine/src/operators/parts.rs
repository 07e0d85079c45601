//! Groups that hold a set or sketch each and take in others, in the bytes in which these are
//! stored: as values of rows, and as what another part of the query hands on.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, LargeBinaryBuilder};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use super::single::Peek;
use super::values::{Bytes, passes};
use super::{external, state};

/// What a group holds.
pub(super) trait Part: Debug + Sized + Send + Sync + 'static {
    /// A part of the same kind that has seen nothing.
    fn fresh(&self) -> Self;

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
pub(super) enum Answer {
    /// The stored form, or NULL if there is none.
    Value,
    /// How many users.
    Count,
}

/// How rows come in.
pub(super) struct Rows<P> {
    /// Adds rows to their groups.
    pub(super) add: Add<P>,
    /// Makes a part of the row's value; false if the row does not count.
    pub(super) each: Each<P>,
}

type Add<P> = fn(&mut Parts<P>, &[ArrayRef], &[usize], Option<&BooleanArray>) -> crate::Result<()>;
type Each<P> =
    fn(&P, &[ArrayRef], Option<&BooleanArray>, &mut dyn FnMut(Option<&P>)) -> crate::Result<()>;

/// The parts of all groups.
#[derive(Debug)]
pub(super) struct Parts<P> {
    empty: P,
    parts: Vec<P>,
    /// Heap bytes of each, when it was last looked at.
    sizes: Vec<usize>,
    heap: usize,
    touched: BTreeSet<usize>,
}

impl<P: Part> Parts<P> {
    pub(super) fn new(empty: P) -> Self {
        Self { empty, parts: Vec::new(), sizes: Vec::new(), heap: 0, touched: BTreeSet::new() }
    }

    fn grow(&mut self, groups: usize) {
        if let Some(more) = groups.checked_sub(self.parts.len()) {
            self.parts.resize_with(groups, || self.empty.fresh());
            self.sizes.resize(groups, self.empty.size());
            self.heap += more * self.empty.size();
        }
    }

    /// A part that has seen nothing.
    pub(super) fn empty(&self) -> &P {
        &self.empty
    }

    /// The part of a group, to be changed.
    pub(super) fn part(&mut self, group: usize) -> &mut P {
        self.touched.insert(group);
        &mut self.parts[group]
    }

    /// Looks at the sizes of what has changed: once per batch, because it takes a pass over the
    /// part.
    fn weigh(&mut self) {
        for group in std::mem::take(&mut self.touched) {
            let size = self.parts[group].size();
            self.heap = self.heap + size - std::mem::replace(&mut self.sizes[group], size);
        }
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<P> {
        let taken = emit_to.take_needed(&mut self.parts);
        let sizes = emit_to.take_needed(&mut self.sizes);
        self.heap -= sizes.iter().sum::<usize>();
        taken
    }
}

/// The groups of one accumulator.
#[derive(Debug)]
pub(super) struct PartGroups<P> {
    name: &'static str,
    parts: Parts<P>,
    answer: Answer,
    rows: fn() -> Rows<P>,
}

impl<P: Part> PartGroups<P> {
    /// Groups that take in the stored values of rows.
    pub(super) fn merging(name: &'static str, empty: P, answer: Answer) -> Self {
        Self { name, parts: Parts::new(empty), answer, rows: || Rows { add, each } }
    }

    /// Groups that take in rows in another way.
    pub(super) fn new(name: &'static str, empty: P, answer: Answer, rows: fn() -> Rows<P>) -> Self {
        Self { name, parts: Parts::new(empty), answer, rows }
    }

    fn failed(&self, error: crate::Error) -> DataFusionError {
        external(error.with("function", self.name))
    }
}

/// Adds stored values to their groups.
fn add<P: Part>(
    parts: &mut Parts<P>,
    values: &[ArrayRef],
    groups: &[usize],
    filter: Option<&BooleanArray>,
) -> crate::Result<()> {
    let Some(column) = values.first() else { return Ok(()) };
    let bytes = Bytes::of(column)?;
    for (row, group) in groups.iter().enumerate().filter(|(row, _)| passes(filter, *row)) {
        if let Some(value) = bytes.get(row) {
            parts.part(*group).merge(value)?;
        }
    }
    Ok(())
}

fn each<P: Part>(
    empty: &P,
    values: &[ArrayRef],
    filter: Option<&BooleanArray>,
    give: &mut dyn FnMut(Option<&P>),
) -> crate::Result<()> {
    let Some(column) = values.first() else { return Ok(()) };
    let bytes = Bytes::of(column)?;
    for row in 0..column.len() {
        match bytes.get(row).filter(|_| passes(filter, row)) {
            Some(value) => {
                let mut part = empty.fresh();
                part.merge(value)?;
                give(Some(&part));
            }
            None => give(None),
        }
    }
    Ok(())
}

impl<P: Part> GroupsAccumulator for PartGroups<P> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.parts.grow(total_num_groups);
        let add = (self.rows)().add;
        let added = add(&mut self.parts, values, group_indices, opt_filter);
        added.map_err(|error| self.failed(error))?;
        self.parts.weigh();
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.parts.grow(total_num_groups);
        let states = state::column(self.name, values)?;
        for (row, group) in group_indices.iter().enumerate() {
            let bytes = states.value(row);
            if !bytes.is_empty() {
                let merged = self.parts.part(*group).merge(bytes);
                merged.map_err(|error| self.failed(error))?;
            }
        }
        self.parts.weigh();
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let parts = self.parts.take(emit_to);
        if let Answer::Count = self.answer {
            let counts = parts.iter().map(|part| Ok(Some(part.count()? as i64)));
            let counts = counts.collect::<crate::Result<Int64Array>>();
            return Ok(Arc::new(counts.map_err(|error| self.failed(error))?));
        }
        let mut answers = LargeBinaryBuilder::new();
        let mut bytes = Vec::new();
        // Each is let go as soon as it is written: both forms of all would take twice as much.
        for part in parts {
            bytes.clear();
            part.write(&mut bytes).map_err(|error| self.failed(error))?;
            answers.append_option((!bytes.is_empty()).then_some(&bytes));
        }
        Ok(Arc::new(answers.finish()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let parts = self.parts.take(emit_to);
        let mut writer = state::Writer::new(parts.len());
        for part in parts {
            part.write(writer.bytes()).map_err(|error| self.failed(error))?;
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
        each(&self.parts.empty, values, opt_filter, &mut |part| {
            if let (Some(part), Ok(())) = (part, &written) {
                written = part.write(writer.bytes());
            }
            writer.end();
        })
        .and(written)
        .map_err(|error| self.failed(error))?;
        writer.finish()
    }

    fn size(&self) -> usize {
        self.parts.parts.capacity() * size_of::<P>()
            + self.parts.sizes.capacity() * size_of::<usize>()
            + self.parts.heap
    }
}

impl<P: Part> Peek for PartGroups<P> {
    fn grow(&mut self, groups: usize) {
        self.parts.grow(groups);
    }

    fn peek(&self, group: usize) -> Result<ScalarValue> {
        let part = self.parts.parts.get(group).unwrap_or(&self.parts.empty);
        match self.answer {
            Answer::Count => {
                let count = part.count().map_err(|error| self.failed(error))?;
                Ok(ScalarValue::Int64(Some(count as i64)))
            }
            Answer::Value => {
                let mut bytes = Vec::new();
                part.write(&mut bytes).map_err(|error| self.failed(error))?;
                Ok(ScalarValue::LargeBinary(Some(bytes).filter(|bytes| !bytes.is_empty())))
            }
        }
    }
}

#[cfg(test)]
impl<P: Part> PartGroups<P> {
    /// What `size` must be, counted from scratch.
    pub(super) fn recount(&self) -> usize {
        self.parts.parts.capacity() * size_of::<P>()
            + self.parts.sizes.capacity() * size_of::<usize>()
            + self.parts.parts.iter().map(Part::size).sum::<usize>()
    }
}
