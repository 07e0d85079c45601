//! Partial states of an operator: one column of `LargeBinary`, one value per group.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, LargeBinaryArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::StateFieldsArgs;
use datafusion::logical_expr::utils::format_state_name;

use crate::datafusion_error::external;
use crate::scan::UserKeys;
use crate::scan::for_each_key;
use crate::users::Key;

/// The one field of the state of an operator.
pub(super) fn fields(args: &StateFieldsArgs<'_>) -> Vec<FieldRef> {
    let name = format_state_name(args.name, "state");
    vec![Arc::new(Field::new(name, DataType::LargeBinary, false))]
}

/// Writes states one after another, without a copy of any.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    offsets: Vec<i64>,
}

impl Writer {
    pub(super) fn new(groups: usize) -> Self {
        let mut offsets = Vec::with_capacity(groups + 1);
        offsets.push(0);
        Self { bytes: Vec::new(), offsets }
    }

    /// Where the next state is written to; [`end`](Self::end) ends it.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends a state.
    pub(super) fn end(&mut self) {
        self.offsets.push(self.bytes.len() as i64); // a `Vec` never holds more than `i64::MAX`
    }

    pub(super) fn finish(self) -> Result<Vec<ArrayRef>> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let array = LargeBinaryArray::try_new(offsets, Buffer::from_vec(self.bytes), None)?;
        Ok(vec![Arc::new(array)])
    }
}

/// The states of groups of one row each: `empty_state`, the state of a group without a value, and
/// behind it what `append` makes of the row's value, if it has one that counts.
pub(super) fn of_rows(
    values: &[ArrayRef],
    filter: Option<&BooleanArray>,
    read: fn(&ArrayRef) -> crate::Result<UserKeys>,
    empty_state: &[u8],
    append: impl Fn(Key<'_>, &mut Vec<u8>),
) -> Result<Vec<ArrayRef>> {
    let rows = values.first().map_or(0, |values| values.len());
    let mut writer = Writer::new(rows);
    let mut done = 0;
    let pad_with_empty = |writer: &mut Writer, rows: Range<usize>| {
        for _ in rows {
            writer.bytes().extend(empty_state);
            writer.end();
        }
    };
    for_each_key(values, filter, read, |row, key| {
        pad_with_empty(&mut writer, done..row);
        writer.bytes().extend(empty_state);
        append(key, writer.bytes());
        writer.end();
        done = row + 1;
        Ok(())
    })
    .map_err(external)?;
    pad_with_empty(&mut writer, done..rows);
    writer.finish()
}

/// The column of states that an operator of this name has written.
///
/// # Errors
/// When it cannot be such a column.
pub(super) fn column<'a>(name: &str, states: &'a [ArrayRef]) -> Result<&'a LargeBinaryArray> {
    let column = match states {
        [column] => column.as_binary_opt::<i64>(),
        _ => None,
    };
    column.filter(|column| column.null_count() == 0).ok_or_else(|| {
        let types: Vec<String> = states.iter().map(|s| s.data_type().to_string()).collect();
        DataFusionError::Execution(format!(
            "{name}: its partial state must be one column of LargeBinary without nulls, not ({})",
            types.join(", ")
        ))
    })
}

/// The error of a state that cannot be read.
pub(super) fn unreadable(name: &str, why: impl std::fmt::Display) -> DataFusionError {
    DataFusionError::Execution(format!("{name}: the partial state of a group is corrupt: {why}"))
}
