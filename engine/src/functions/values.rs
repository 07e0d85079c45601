//! Sets and sketches as values of a column: bytes in any of Arrow's binary types.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, LargeBinaryArray,
};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;

use crate::Error;

/// Whether a column can hold sets or sketches. NULL without a type can.
pub(super) fn is_bytes(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, LargeBinary, Null};
    matches!(data_type, Binary | LargeBinary | BinaryView | Null)
}

/// An error if an argument cannot hold `what`, such as "bitmaps".
pub(super) fn must_be_bytes(name: &str, what: &str, data_type: &DataType) -> Result<()> {
    if is_bytes(data_type) {
        return Ok(());
    }
    plan_err!("{name} takes {what} (binary), not values of type {data_type}")
}

/// A column of bytes.
pub(super) enum Bytes<'a> {
    Small(&'a BinaryArray),
    Large(&'a LargeBinaryArray),
    View(&'a BinaryViewArray),
    Null,
}

impl<'a> Bytes<'a> {
    /// Looks at a column.
    ///
    /// # Errors
    /// When it [cannot hold](is_bytes) any.
    pub(super) fn of(column: &'a ArrayRef) -> crate::Result<Self> {
        match column.data_type() {
            DataType::Binary => Ok(Self::Small(column.as_binary())),
            DataType::LargeBinary => Ok(Self::Large(column.as_binary())),
            DataType::BinaryView => Ok(Self::View(column.as_binary_view())),
            DataType::Null => Ok(Self::Null),
            other => Err(Error::internal(format!("a column of type {other} instead of binary"))),
        }
    }

    /// The value of a row, if it has one.
    pub(super) fn get(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Self::Small(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Large(array) => array.is_valid(row).then(|| array.value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Null => None,
        }
    }
}

/// The values of a column, each read once where it comes several times in a row: constants do.
pub(super) struct Values<'a, T> {
    column: Bytes<'a>,
    read: fn(&[u8]) -> crate::Result<T>,
    last: Option<(&'a [u8], T)>,
}

impl<'a, T> Values<'a, T> {
    /// Looks at a column.
    ///
    /// # Errors
    /// When it [cannot hold](is_bytes) any.
    pub(super) fn of(
        column: &'a ArrayRef,
        read: fn(&[u8]) -> crate::Result<T>,
    ) -> crate::Result<Self> {
        Ok(Self { column: Bytes::of(column)?, read, last: None })
    }

    /// The value of a row, if it has one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn get(&mut self, row: usize) -> crate::Result<Option<&T>> {
        let Some(bytes) = self.column.get(row) else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(last, _)| *last != bytes) {
            self.last = Some((bytes, (self.read)(bytes)?));
        }
        Ok(self.last.as_ref().map(|(_, value)| value))
    }
}

/// Whether a row counts, where there may be a filter.
pub(super) fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}
