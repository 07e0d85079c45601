//! `x IN (SELECT ...)` outside of conditions: the subquery's values become a list.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use super::function::{Function, cast_checked};

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
