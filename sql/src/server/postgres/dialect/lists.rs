//! Functions of lists that statements are rewritten to: `x IN (SELECT ...)` outside of conditions, whose
//! subquery becomes a list, and `percentile_cont`, whose fraction DataFusion rounds.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, new_null_array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use crate::server::postgres::function::{Function, cast_checked, map_rows};

/// Whether a list has a value: NULL if the value is NULL, or if it is not found and the list has a
/// NULL. NULL stands for the empty list.
pub(super) const ANY_OF: Function = Function {
    name: "any_of",
    arguments: 2..=2,
    returns: |types| match types.of(1) {
        DataType::List(_) | DataType::Null => Ok(DataType::Boolean),
        other => plan_err!("IN needs a list of values, not {other}"),
    },
    compute: |call| {
        let values = call.column(0)?;
        let lists = call.column(1)?;
        let Some(lists) = lists.as_list_opt::<i32>() else {
            return Ok(Arc::new(BooleanArray::from(vec![false; call.rows()])));
        };
        let mut known: Option<(ArrayRef, Items)> = None;
        let mut found = Vec::with_capacity(call.rows());
        for row in 0..call.rows() {
            if lists.is_null(row) {
                found.push(Some(false));
                continue;
            }
            let items = lists.value(row);
            if known.as_ref().is_none_or(|(list, _)| !Arc::ptr_eq(list, &items) && **list != *items)
            {
                known = Some((Arc::clone(&items), Items::new(&items, values.data_type())?));
            }
            let value = ScalarValue::try_from_array(&values, row)?;
            found.push(known.as_ref().and_then(|(_, items)| items.find(&value)));
        }
        Ok(Arc::new(BooleanArray::from(found)))
    },
};

struct Items {
    values: HashSet<ScalarValue>,
    has_null: bool,
    is_empty: bool,
}

impl Items {
    fn new(items: &ArrayRef, to: &DataType) -> Result<Self> {
        let items = cast_checked(items, to)?;
        let values = (0..items.len()).map(|at| ScalarValue::try_from_array(&items, at));
        let values = values.collect::<Result<HashSet<_>>>()?;
        Ok(Self { values, has_null: items.null_count() > 0, is_empty: items.is_empty() })
    }

    fn find(&self, value: &ScalarValue) -> Option<bool> {
        match (value.is_null(), self.values.contains(value)) {
            _ if self.is_empty => Some(false),
            (true, _) => None,
            (false, true) => Some(true),
            (false, false) => (!self.has_null).then_some(false),
        }
    }
}

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
            return Ok(new_null_array(&DataType::Float64, call.rows()));
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
