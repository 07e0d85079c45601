//! Columns of sets.

use arrow::array::{ArrayRef, LargeBinaryBuilder};
use datafusion::scalar::ScalarValue;

use crate::Result;
use crate::functions::values::Values;
use crate::users::Bitmap;

/// The sets of a column.
pub(super) fn sets(column: &ArrayRef) -> Result<Values<'_, Bitmap>> {
    Values::of(column, Bitmap::from_bytes)
}

/// Adds a set, or NULL, to a column of answers.
pub(super) fn append(answers: &mut LargeBinaryBuilder, set: Option<&Bitmap>) -> Result<()> {
    answers.append_option(set.map(Bitmap::to_bytes).transpose()?);
    Ok(())
}

/// The empty set as a value.
pub(super) fn empty_bitmap() -> Result<ScalarValue> {
    Ok(ScalarValue::LargeBinary(Some(Bitmap::default().to_bytes()?)))
}
