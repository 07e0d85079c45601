//! Functions that read one set: `bitmap_count(b)`, `bitmap_contains(b, x)`.

use std::sync::{Arc, LazyLock};

use arrow::array::{BooleanArray, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::logical_expr::{Documentation, ScalarUDF};

use super::super::function::{Scalar, arguments, names, other_columns};
use super::super::values::must_be_bytes;
use super::column::sets;
use crate::Result as EngineResult;
use crate::functions::sections::SETS;
use crate::scan::{any_keys, for_each_key, is_user};

const COUNT: &str = "bitmap_count";
const CONTAINS: &str = "bitmap_contains";

static ABOUT_COUNT: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(SETS, "The number of users in a set.", "bitmap_count(b)")
        .with_argument("b", "A set built by `bitmap_agg`, or a Roaring bitmap.")
        .with_sql_example("SELECT bitmap_count(bitmap_from_array([3, 5, 3]));")
        .with_related_udf("bitmap_union_count")
        .build()
});

static ABOUT_CONTAINS: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SETS,
        "Whether a user is in a set. An integer and its decimal text are the same user, and so \
         are a UUID's lower-case text and its 16 bytes. Sets of the table `activity` contain ids \
         assigned by the store for keys that are not integers from 0 to 4294967295; looking up \
         such a key is an error.",
        "bitmap_contains(b, user)",
    )
    .with_argument("b", "A set built by `bitmap_agg`, or a Roaring bitmap.")
    .with_argument("user", "A key: an integer, text or binary.")
    .with_sql_example("SELECT bitmap_contains(bitmap_from_array([3, 5]), 5);")
    .with_related_udf("bitmap_to_array")
    .build()
});

pub(super) fn count() -> ScalarUDF {
    ScalarUDF::from(Scalar {
        name: COUNT,
        aliases: names(&["bitmap_cardinality", "rb_cardinality"]),
        signature: arguments(&[1]),
        documentation: &ABOUT_COUNT,
        answers: |args| match args.arg_fields {
            [set] => must_be_bytes(COUNT, "sets", set.data_type()).map(|()| DataType::Int64),
            _ => plan_err!("{COUNT} takes one set"),
        },
        answer: |columns| {
            let [column] = columns else { return Err(other_columns()) };
            let mut sets = sets(column)?;
            let count = |row| Ok(sets.get(row)?.map(|set| set.len() as i64));
            Ok(Arc::new((0..column.len()).map(count).collect::<EngineResult<Int64Array>>()?))
        },
    })
}

pub(super) fn contains() -> ScalarUDF {
    ScalarUDF::from(Scalar {
        name: CONTAINS,
        aliases: names(&["rb_contains"]),
        signature: arguments(&[2]),
        documentation: &ABOUT_CONTAINS,
        answers: |args| match args.arg_fields {
            [set, user] if is_user(user.data_type()) => {
                must_be_bytes(CONTAINS, "sets", set.data_type()).map(|()| DataType::Boolean)
            }
            [_, user] => plan_err!(
                "{CONTAINS} looks up integers, text and binary, not values of type {}",
                user.data_type()
            ),
            _ => plan_err!("{CONTAINS} takes a set and a user"),
        },
        answer: |columns| {
            let [column, users] = columns else { return Err(other_columns()) };
            let mut sets = sets(column)?;
            let mut answers = vec![None; users.len()];
            for_each_key(std::slice::from_ref(users), None, any_keys, |row, key| {
                if let Some(set) = sets.get(row)? {
                    answers[row] = Some(set.contains(key)?);
                }
                Ok(())
            })?;
            Ok(Arc::new(BooleanArray::from(answers)))
        },
    })
}
