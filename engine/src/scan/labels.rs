//! Columns of names: events, values of dimensions, scopes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, StringArray, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};

use crate::{Error, Result};

/// Reads a column as names: text, or a dictionary of text, in which no name is empty. Rows without
/// a name, or with an empty one, are null.
#[derive(Default)]
pub(super) struct LabelReader {
    /// The values of the last dictionary as they came, and with nulls in place of empty ones.
    last: Option<(ArrayRef, ArrayRef)>,
}

impl LabelReader {
    /// The names of every row; `number` is the place of a row in the file, from 0.
    ///
    /// # Errors
    /// When the type has no text form, or a value is binary that is not valid UTF-8.
    pub(super) fn read(
        &mut self,
        array: &ArrayRef,
        number: impl Fn(usize) -> u64,
    ) -> Result<ArrayRef> {
        match array.data_type() {
            DataType::Utf8 => Ok(without_empty(array)),
            DataType::Dictionary(key, value)
                if **key == DataType::Int32 && **value == DataType::Utf8 =>
            {
                let codes = array.as_dictionary::<Int32Type>();
                let known = self.last.take().filter(|last| Arc::ptr_eq(&last.0, codes.values()));
                let (values, names) = known
                    .unwrap_or_else(|| (Arc::clone(codes.values()), without_empty(codes.values())));
                let array: ArrayRef = match Arc::ptr_eq(&values, &names) {
                    true => Arc::clone(array),
                    false => Arc::new(codes.with_values(Arc::clone(&names))),
                };
                self.last = Some((values, names));
                Ok(array)
            }
            nested if nested.is_nested() => {
                Err(Error::input(format!("a column of type {nested} cannot be a dimension"))
                    .with("help", "use a column with one value per row"))
            }
            other => {
                let texts = cast(array, &DataType::Utf8).map_err(|cause| {
                    Error::input(format!("a column of type {other} cannot be a dimension"))
                        .with("cause", cause)
                })?;
                if let Some(row) = lost(array, &texts) {
                    return Err(Error::input("a value is not valid UTF-8")
                        .with("row", number(row) + 1)
                        .with("help", "write the column as text, or remove it from `dimensions`"));
                }
                Ok(without_empty(&texts))
            }
        }
    }
}

/// The same name in every row.
pub(super) fn constant(name: &str, rows: usize) -> ArrayRef {
    if name.is_empty() {
        return none(rows);
    }
    let names = Arc::new(StringArray::from(vec![name]));
    Arc::new(DictionaryArray::new(Int32Array::from(vec![0; rows]), names))
}

/// No name in any row.
pub(super) fn none(rows: usize) -> ArrayRef {
    new_null_array(&DataType::Utf8, rows)
}

/// The same texts with nulls in place of empty ones.
fn without_empty(array: &ArrayRef) -> ArrayRef {
    let texts = array.as_string::<i32>();
    let named = |row: usize| texts.is_valid(row) && texts.value_length(row) > 0;
    if (0..texts.len()).all(|row| texts.is_null(row) || texts.value_length(row) > 0) {
        return Arc::clone(array);
    }
    let nulls: NullBuffer = (0..texts.len()).map(named).collect();
    Arc::new(StringArray::new(texts.offsets().clone(), texts.values().clone(), Some(nulls)))
}

/// The first row that has a value, but no text.
fn lost(values: &ArrayRef, texts: &ArrayRef) -> Option<usize> {
    if texts.null_count() == values.logical_null_count() {
        return None;
    }
    let nulls = values.logical_nulls();
    let has_value = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    (0..texts.len()).find(|row| texts.is_null(*row) && has_value(*row))
}
