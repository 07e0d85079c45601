//! `percentile_cont`; DataFusion's rounds the fraction.

use std::sync::Arc;

use arrow::array::{AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::exec_err;

use super::function::{Function, cast_checked, map_rows};

/// `percentile_of(list of floats, fraction)`, between the two nearest values; NULL for no values.
pub(super) const PERCENTILE_OF: Function = Function {
    name: "percentile_of",
    arguments: 2..=2,
    returns: |_| Ok(DataType::Float64),
    compute: |call| {
        let lists = call.column(0)?;
        let fractions = call.cast(1, &DataType::Float64)?;
        let fractions = fractions.as_primitive::<Float64Type>();
        let Some(lists) = lists.as_list_opt::<i32>() else {
            return Ok(arrow::array::new_null_array(&DataType::Float64, call.rows()));
        };
        let found = map_rows(call.rows(), &[lists, fractions], |row| {
            let values = cast_checked(&lists.value(row), &DataType::Float64)?;
            let fraction = fractions.value(row);
            if !(0.0..=1.0).contains(&fraction) {
                return exec_err!("percentile value {fraction} is not between 0 and 1");
            }
            Ok(percentile(
                values.as_primitive::<Float64Type>().iter().flatten().collect(),
                fraction,
            ))
        })?;
        Ok(Arc::new(found.into_iter().map(Option::flatten).collect::<Float64Array>()))
    },
};

fn percentile(mut values: Vec<f64>, fraction: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = fraction * (values.len().checked_sub(1)? as f64);
    let (low, high) = (values.get(place.floor() as usize)?, values.get(place.ceil() as usize)?);
    Some(if low == high { *low } else { low + (place - place.floor()) * (high - low) })
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn values_between_two_are_interpolated() {
        let of = |fraction| percentile(vec![4.0, 1.0, 2.0], fraction);
        assert_eq!(
            (of(0.5), of(0.75), of(0.0), of(1.0)),
            (Some(2.0), Some(3.0), Some(1.0), Some(4.0))
        );
        assert_eq!(percentile(Vec::new(), 0.5), None);
    }
}
