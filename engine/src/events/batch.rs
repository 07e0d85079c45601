//! A validated batch: the values of some rows that counting needs.

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, StringViewArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::users::Key;
use crate::{Error, Result};

/// Stands for the bucket of a row that must not be counted: rejected or outside the range.
pub const SKIP: i32 = i32::MIN;

/// One value per row, or one for all rows.
#[derive(Clone, Debug)]
pub enum Codes<T> {
    /// The same in every row.
    All(T),
    /// One per row.
    Rows(Vec<T>),
}

impl<T: Copy> Codes<T> {
    /// The value of a row.
    #[inline]
    pub fn get(&self, row: usize) -> T {
        match self {
            Self::All(value) => *value,
            Self::Rows(values) => values[row],
        }
    }
}

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

/// What the counting needs of some rows of one source.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Number of rows, skipped ones included.
    pub len: usize,
    /// First day (as [`Day::number`](crate::calendar::Day::number)) of the bucket of each row,
    /// or [`SKIP`].
    pub buckets: Codes<i32>,
    /// Code of the event name in the scan's interner.
    pub events: Codes<u32>,
    /// For every requested dimension, the code of the value in its interner.
    pub dimensions: Vec<Codes<u32>>,
    /// Code of the scope in the scan's interner; 0 without a scope.
    pub scopes: Codes<u32>,
    /// The user keys.
    pub users: UserKeys,
}
