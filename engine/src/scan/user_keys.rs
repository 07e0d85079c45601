//! User keys of Arrow columns, in the forms in which they are counted.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Int64Array, StringArray,
    StringViewArray, StructArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type, UInt64Type};

use crate::users::Key;
use crate::{Error, Result};

/// User keys of a batch in one of three forms. Rows to skip may hold anything.
#[derive(Clone, Debug)]
pub enum UserKeys {
    /// Integers.
    Ints(ScalarBuffer<i64>),
    /// Texts.
    Text(StringViewArray),
    /// Binary; 16 bytes are a UUID.
    Binary(BinaryViewArray),
}

impl UserKeys {
    /// Reads a column of keys: integers of any width and sign, texts, binary, and dictionaries of
    /// these. Nulls stay with the array they came in.
    ///
    /// # Errors
    /// When the type cannot identify a user.
    pub fn of(array: &ArrayRef) -> Result<Self> {
        let form = Self::form(array.data_type()).ok_or_else(|| {
            Error::input(format!("a column of type {} cannot hold user keys", array.data_type()))
                .with("help", "use integers, text or 16-byte binary")
        })?;
        let mut array = ArrayRef::clone(array);
        if let DataType::FixedSizeBinary(_) = array.data_type() {
            array = cast(&array, &DataType::Binary)?;
        }
        let array = if *array.data_type() == form { array } else { cast(&array, &form)? };
        Ok(match form {
            DataType::Int64 => Self::Ints(array.as_primitive::<Int64Type>().values().clone()),
            DataType::Utf8View => Self::Text(array.as_string_view().clone()),
            _ => Self::Binary(array.as_binary_view().clone()),
        })
    }

    /// The form in which a column of this type is read, or `None` if it cannot identify users.
    /// Unsigned 64-bit integers are read as text: not all of them fit the signed form, and a key
    /// is the same user either way.
    pub fn form(data_type: &DataType) -> Option<DataType> {
        match data_type {
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => Some(DataType::Int64),
            DataType::UInt64 | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Some(DataType::Utf8View)
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Some(DataType::BinaryView),
            DataType::Dictionary(_, values) => Self::form(values),
            _ => None,
        }
    }

    /// The keys as an array; rows without a key hold anything.
    pub fn into_array(self) -> ArrayRef {
        match self {
            Self::Ints(ints) => Arc::new(Int64Array::new(ints, None)),
            Self::Text(texts) => Arc::new(texts),
            Self::Binary(binary) => Arc::new(binary),
        }
    }

    /// Calls `each` with the key of every row for which `wanted` says so.
    ///
    /// # Errors
    /// The first error of `each`.
    #[inline]
    pub fn for_each<'a>(
        &'a self,
        wanted: impl Fn(usize) -> bool,
        mut each: impl FnMut(usize, Key<'a>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ints(ints) => {
                for (row, int) in ints.iter().enumerate().filter(|(row, _)| wanted(*row)) {
                    each(row, Key::Int(*int))?;
                }
            }
            Self::Text(array) => {
                for row in (0..array.len()).filter(|row| wanted(*row)) {
                    each(row, Key::of_text(array.value(row)))?;
                }
            }
            Self::Binary(array) => {
                for row in (0..array.len()).filter(|row| wanted(*row)) {
                    each(row, Key::of_binary(array.value(row)))?;
                }
            }
        }
        Ok(())
    }
}

/// The keys of a column, and which rows have one: neither null nor an empty text. `None` if all have.
///
/// # Errors
/// When the type cannot identify a user.
pub(super) fn present_users(array: &ArrayRef) -> Result<(UserKeys, Option<NullBuffer>)> {
    let users = UserKeys::of(array)?;
    let empty = match &users {
        UserKeys::Text(texts) if texts.lengths().any(|length| length == 0) => {
            Some(NullBuffer::from_iter(texts.lengths().map(|length| length > 0)))
        }
        _ => None,
    };
    let present = NullBuffer::union(array.logical_nulls().as_ref(), empty.as_ref());
    Ok((users, present.filter(|present| present.null_count() > 0)))
}

/// Whether values of this type can be counted exactly.
pub(crate) fn is_countable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_countable(values),
        other => is_user(other) || is_integer_inside(other),
    }
}

/// Whether values of this type can be users, so that sketches of them agree everywhere. NULL
/// without a type can: it is no user.
pub(crate) fn is_user(data_type: &DataType) -> bool {
    *data_type == DataType::Null || UserKeys::form(data_type).is_some()
}

/// Keys that are equal where the values are equal; the keys of another column are another matter.
pub(crate) fn any_keys(array: &ArrayRef) -> Result<UserKeys> {
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
pub(crate) fn user_keys(array: &ArrayRef) -> Result<UserKeys> {
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

/// A column of keys, and before it their scopes if it is a struct of both.
pub(crate) fn split_scopes(users: &ArrayRef) -> (Option<&ArrayRef>, &ArrayRef) {
    match users.as_struct_opt().map(StructArray::columns) {
        Some([scopes, keys]) => (Some(scopes), keys),
        _ => (None, users),
    }
}

/// What stands for the scope of each row, by its name; `none` for rows without a scope. Scopes are
/// text or a dictionary of text.
pub(crate) fn scope_values<T: Copy>(
    scopes: &ArrayRef,
    none: T,
    mut value: impl FnMut(&str) -> T,
) -> Vec<T> {
    let Some(codes) = scopes.as_dictionary_opt::<Int32Type>() else {
        let names = scopes.as_string::<i32>().iter();
        return names.map(|name| name.map_or(none, &mut value)).collect();
    };
    let names: &StringArray = codes.values().as_string();
    let mut known = vec![None; names.len()];
    let mut value = |code: usize| {
        let of_name = || if names.is_null(code) { none } else { value(names.value(code)) };
        *known[code].get_or_insert_with(of_name)
    };
    codes.keys().iter().map(|code| code.map_or(none, |code| value(code as usize))).collect()
}

/// Calls `each` with the row and the key of every value that is not null and, if there is a
/// filter, passes it.
///
/// # Errors
/// The first error of `read` or `each`.
pub(crate) fn for_each_key(
    values: &[ArrayRef],
    filter: Option<&BooleanArray>,
    read: fn(&ArrayRef) -> Result<UserKeys>,
    each: impl FnMut(usize, Key<'_>) -> Result<()>,
) -> Result<()> {
    let array = values.first().ok_or_else(|| Error::internal("an operator without an argument"))?;
    match counted_rows(array, filter) {
        _ if array.is_empty() => Ok(()),
        None => read(array)?.for_each(|_| true, each),
        // Also the column of NULLs without a type, which has no keys to read.
        Some(counted) if counted.null_count() == counted.len() => Ok(()),
        Some(counted) => read(array)?.for_each(|row| counted.is_valid(row), each),
    }
}

/// The rows that are not null and, if there is a filter, pass it; `None` if all do.
pub(crate) fn counted_rows(array: &ArrayRef, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
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
pub(crate) fn is_int(data_type: &DataType) -> bool {
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
