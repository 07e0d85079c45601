//! Hashes rows into sketches.

use std::hash::{Hash, Hasher};

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::NullBuffer;
use datasketches::hash::value::raw_bytes::from_slice;

use super::super::group_state::{GroupState, GroupStates, RowFunctions};
use crate::scan::UserKeys;
use crate::scan::{any_keys, counted_rows};
use crate::{Error, Result};

/// A part that takes in values.
pub(super) trait Update: GroupState {
    /// Takes in a value.
    fn update(&mut self, value: Value<'_>) -> Result<()>;
}

/// A value as it is hashed in every language of DataSketches.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl Hash for Value<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Int(int) => int.hash(state),
            Self::Bytes(bytes) => from_slice(bytes).hash(state),
        }
    }
}

/// How the rows of a column of values come in.
pub(super) fn rows<P: Update>() -> RowFunctions<P> {
    RowFunctions { add: add::<P>, each: each::<P> }
}

fn add<P: Update>(
    states: &mut GroupStates<P>,
    columns: &[ArrayRef],
    groups: &[usize],
    filter: Option<&BooleanArray>,
) -> Result<()> {
    for_each(columns, filter, |row, value| match value {
        Some(value) => states.state_mut(groups[row]).update(value),
        None => Ok(()),
    })
}

fn each<P: Update>(
    empty: &P,
    columns: &[ArrayRef],
    filter: Option<&BooleanArray>,
    give: &mut dyn FnMut(Option<&P>),
) -> Result<()> {
    for_each(columns, filter, |_, value| {
        let Some(value) = value else {
            give(None);
            return Ok(());
        };
        let mut state = empty.new_empty();
        state.update(value)?;
        give(Some(&state));
        Ok(())
    })
}

/// Calls `each` for every row, with its value if that counts.
fn for_each(
    columns: &[ArrayRef],
    filter: Option<&BooleanArray>,
    mut each: impl FnMut(usize, Option<Value<'_>>) -> Result<()>,
) -> Result<()> {
    let column =
        columns.first().ok_or_else(|| Error::internal("an operator without an argument"))?;
    let counted = counted_rows(column, filter);
    let counts = |row: usize| counted.as_ref().is_none_or(|counted| counted.is_valid(row));
    let mut rows = 0..column.len();
    if counted.as_ref().map_or(0, NullBuffer::null_count) == column.len() {
        // Also the column of NULLs without a type, which has no keys to read.
        return rows.try_for_each(|row| each(row, None));
    }
    match any_keys(column)? {
        UserKeys::Ints(ints) => {
            rows.try_for_each(|row| each(row, counts(row).then(|| Value::Int(ints[row]))))
        }
        UserKeys::Text(texts) => rows.try_for_each(|row| {
            let bytes = if counts(row) { texts.value(row).as_bytes() } else { &[] };
            each(row, (!bytes.is_empty()).then_some(Value::Bytes(bytes)))
        }),
        UserKeys::Binary(values) => rows.try_for_each(|row| {
            let bytes = if counts(row) { values.value(row) } else { &[] };
            each(row, (!bytes.is_empty()).then_some(Value::Bytes(bytes)))
        }),
    }
}
