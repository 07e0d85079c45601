//! The sizes of values in bytes.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::DataFusionError;

use crate::failure::AT_ONCE;

/// One batch of an operator, or of a function's results, may take this part of a statement's
/// memory: a few of them exist at a time.
pub(super) const PART: usize = 4;

/// The error for a batch that needs too many bytes.
pub(super) fn too_large(what: &str, bytes: f64, limit: usize) -> DataFusionError {
    DataFusionError::ResourcesExhausted(format!("{what} needs {bytes:.0} {AT_ONCE} {limit}"))
}

/// Bytes of an element of a list, at least.
pub(super) const ELEMENT: f64 = 8.0;

/// Whether values of a type can have any length.
pub(super) fn is_variable(data_type: &DataType) -> bool {
    !(data_type.is_primitive()
        || matches!(data_type, DataType::Null | DataType::Boolean | DataType::FixedSizeBinary(_)))
}

/// The bytes of each value.
pub(super) fn sizes(array: &ArrayRef) -> Vec<f64> {
    let values = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().values(),
        DataType::LargeList(_) => array.as_list::<i64>().values(),
        DataType::FixedSizeList(..) => array.as_fixed_size_list().values(),
        DataType::FixedSizeBinary(width) => return vec![f64::from(*width); array.len()],
        other => {
            return length(array.as_ref())
                .ok()
                .and_then(|lengths| numbers(&lengths))
                .unwrap_or_else(|| {
                    let width = other
                        .primitive_width()
                        .unwrap_or_else(|| array.get_array_memory_size() / array.len().max(1));
                    vec![width as f64; array.len()]
                });
        }
    };
    let each = total(values) / values.len().max(1) as f64;
    lengths(array).into_iter().map(|length| length * each.max(ELEMENT)).collect()
}

/// The bytes of all values.
pub(super) fn total(array: &ArrayRef) -> f64 {
    match array.data_type().primitive_width() {
        Some(width) => (width * array.len()) as f64,
        None => sizes(array).into_iter().sum(),
    }
}

/// The bytes of the longest value.
pub(super) fn longest(array: &ArrayRef) -> f64 {
    match array.data_type().primitive_width() {
        Some(width) => width as f64,
        None => sizes(array).into_iter().fold(0.0, f64::max),
    }
}

/// The number of elements of each list.
pub(super) fn lengths(array: &ArrayRef) -> Vec<f64> {
    length(array.as_ref())
        .ok()
        .and_then(|lengths| numbers(&lengths))
        .unwrap_or_else(|| vec![1.0; array.len()])
}

/// Numbers, at least 0; 0 for NULL.
pub(super) fn numbers(array: &ArrayRef) -> Option<Vec<f64>> {
    let numbers = cast(array, &DataType::Float64).ok()?;
    let numbers = numbers.as_primitive::<Float64Type>();
    Some(numbers.iter().map(|number| number.unwrap_or(0.0).max(0.0)).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, ListArray, StringArray};
    use arrow::compute::cast;
    use arrow::datatypes::{DataType, Int32Type};

    use super::sizes;

    #[test]
    fn sizes_are_those_of_the_values_of_a_slice() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("long"), None, Some("abc")]));
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        for form in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, dictionary] {
            let texts = cast(&texts, &form).unwrap().slice(1, 2);
            assert_eq!(sizes(&texts), [0.0, 3.0], "{form}");
        }
        assert_eq!(sizes(&(Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)), [8.0, 8.0]);
        let lists = [Some(vec![Some(1), Some(2)]), None, Some(vec![])];
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
        assert_eq!(sizes(&(Arc::new(lists) as ArrayRef)), [16.0, 0.0, 0.0]);
    }
}
