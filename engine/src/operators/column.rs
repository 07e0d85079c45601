//! The argument of an operator: its rows as user keys, and which rows count.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, UInt64Type};

use crate::events::UserKeys;
use crate::users::Key;
use crate::{Error, Result};

/// Whether values of this type can be counted exactly.
pub(super) fn is_countable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_countable(values),
        other => is_user(other) || is_integer_inside(other),
    }
}

/// Whether values of this type can be users, so that sketches of them agree everywhere. NULL
/// without a type can: it is no user.
pub(super) fn is_user(data_type: &DataType) -> bool {
    *data_type == DataType::Null || UserKeys::form(data_type).is_some()
}

/// Keys that are equal where the values are equal; the keys of another column are another matter.
pub(super) fn any_keys(array: &ArrayRef) -> Result<UserKeys> {
    match array.data_type() {
        DataType::Dictionary(_, values) if !is_text_or_binary(values) => {
            any_keys(&cast(array, values)?)
        }
        DataType::UInt64 => Ok(UserKeys::Ints(wrapped(array))),
        other if is_integer_inside(other) => UserKeys::of(&cast(array, &DataType::Int64)?),
        _ => UserKeys::of(array),
    }
}

/// Keys in their canonical form: the same user has the same key in every column.
pub(super) fn user_keys(array: &ArrayRef) -> Result<UserKeys> {
    match array.data_type() {
        DataType::Dictionary(_, values) if !is_text_or_binary(values) => {
            user_keys(&cast(array, values)?)
        }
        DataType::UInt64 => {
            let ints = wrapped(array);
            // Beyond the signed range (or in the place of a null) the text is the canonical form.
            if ints.iter().all(|int| *int >= 0) {
                Ok(UserKeys::Ints(ints))
            } else {
                UserKeys::of(array)
            }
        }
        _ => UserKeys::of(array),
    }
}

/// Calls `each` with the row and the key of every value that is not null and, if there is a
/// filter, passes it.
///
/// # Errors
/// The first error of `read` or `each`.
pub(super) fn for_each_key(
    values: &[ArrayRef],
    filter: Option<&BooleanArray>,
    read: fn(&ArrayRef) -> Result<UserKeys>,
    each: impl FnMut(usize, Key<'_>) -> Result<()>,
) -> Result<()> {
    let array = values.first().ok_or_else(|| Error::internal("an operator without an argument"))?;
    match counted(array, filter) {
        _ if array.is_empty() => Ok(()),
        None => read(array)?.for_each(|_| true, each),
        // Also the column of NULLs without a type, which has no keys to read.
        Some(counted) if counted.null_count() == counted.len() => Ok(()),
        Some(counted) => read(array)?.for_each(|row| counted.is_valid(row), each),
    }
}

/// The rows that are not null and, if there is a filter, pass it; `None` if all do.
pub(super) fn counted(array: &ArrayRef, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let passed = filter.map(|filter| match filter.nulls() {
        Some(nulls) => NullBuffer::new(filter.values() & nulls.inner()),
        None => NullBuffer::new(filter.values().clone()),
    });
    NullBuffer::union(passed.as_ref(), array.logical_nulls().as_ref())
}

fn is_text_or_binary(data_type: &DataType) -> bool {
    data_type.is_string() || (data_type.is_binary() && !is_fixed(data_type))
}

fn is_fixed(data_type: &DataType) -> bool {
    matches!(data_type, DataType::FixedSizeBinary(_))
}

/// Types that are integers underneath, though no users.
fn is_integer_inside(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Boolean
            | DataType::Date32
            | DataType::Date64
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Timestamp(_, _)
            | DataType::Duration(_)
    )
}

/// Whether [`any_keys`] gives integers for this type.
pub(super) fn is_int(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_int(values),
        other => other.is_integer() || is_integer_inside(other),
    }
}

/// Unsigned integers by their bits; the upper half of the range becomes negative.
fn wrapped(array: &ArrayRef) -> ScalarBuffer<i64> {
    let values = array.as_primitive::<UInt64Type>().values();
    ScalarBuffer::new(values.inner().clone(), 0, values.len())
}
