//! Functions of two sets: `bitmap_and(a, b)` and others, their counts without the set, and tests
//! for common users.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray, Int64Array, LargeBinaryBuilder};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{Documentation, ReturnFieldArgs, ScalarUDF};

use super::super::function::{Scalar, arguments, names, other_columns};
use super::super::values::must_be_bytes;
use super::column::{append, sets};
use crate::Result as EngineResult;
use crate::functions::sections::SETS;
use crate::users::{Bitmap, Operation};

/// Defines a function of two sets: its documentation, and how it answers.
macro_rules! of_two {
    ($what:expr, $name:literal, [$($alias:literal),*], $example:literal, $type:expr, $answer:expr) => {{
        static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
            Documentation::builder(SETS, $what, concat!($name, "(a, b)"))
                .with_argument("a", "A set built by `bitmap_agg`, or a Roaring bitmap.")
                .with_argument(
                    "b",
                    "Another set. Sets with ids of different stores cannot be combined.",
                )
                .with_sql_example(concat!("SELECT ", $example, ";"))
                .with_related_udf("bitmap_count")
                .build()
        });
        ScalarUDF::from(Scalar {
            name: $name,
            aliases: names(&[$($alias),*]),
            signature: arguments(&[2]),
            documentation: &DOCUMENTATION,
            answers: |args| two_sets($name, args, $type),
            answer: $answer,
        })
    }};
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    use DataType::{Boolean, Int64, LargeBinary};
    use Operation::{And, AndNot, Or, Xor};
    vec![
        of_two!(
            "The users in both sets.",
            "bitmap_and",
            ["rb_and"],
            "bitmap_to_array(bitmap_and(bitmap_from_array([1, 2]), bitmap_from_array([2, 3])))",
            LargeBinary,
            |columns| made(columns, And)
        ),
        of_two!(
            "The users in either set or both.",
            "bitmap_or",
            ["rb_or"],
            "bitmap_to_array(bitmap_or(bitmap_from_array([1, 2]), bitmap_from_array([2, 3])))",
            LargeBinary,
            |columns| made(columns, Or)
        ),
        of_two!(
            "The users in exactly one of the two sets.",
            "bitmap_xor",
            ["rb_xor"],
            "bitmap_to_array(bitmap_xor(bitmap_from_array([1, 2]), bitmap_from_array([2, 3])))",
            LargeBinary,
            |columns| made(columns, Xor)
        ),
        of_two!(
            "The users in the first set but not in the second.",
            "bitmap_andnot",
            ["bitmap_and_not", "rb_andnot"],
            "bitmap_to_array(bitmap_andnot(bitmap_from_array([1, 2]), bitmap_from_array([2, 3])))",
            LargeBinary,
            |columns| made(columns, AndNot)
        ),
        of_two!(
            "The number of users in both sets.",
            "bitmap_and_count",
            ["rb_and_cardinality"],
            "bitmap_and_count(bitmap_from_array([1, 2]), bitmap_from_array([2, 3]))",
            Int64,
            |columns| counts(columns, And)
        ),
        of_two!(
            "The number of users in either set or both.",
            "bitmap_or_count",
            ["rb_or_cardinality"],
            "bitmap_or_count(bitmap_from_array([1, 2]), bitmap_from_array([2, 3]))",
            Int64,
            |columns| counts(columns, Or)
        ),
        of_two!(
            "The number of users in exactly one of the two sets.",
            "bitmap_xor_count",
            ["rb_xor_cardinality"],
            "bitmap_xor_count(bitmap_from_array([1, 2]), bitmap_from_array([2, 3]))",
            Int64,
            |columns| counts(columns, Xor)
        ),
        of_two!(
            "The number of users in the first set but not in the second.",
            "bitmap_andnot_count",
            ["rb_andnot_cardinality"],
            "bitmap_andnot_count(bitmap_from_array([1, 2]), bitmap_from_array([2, 3]))",
            Int64,
            |columns| counts(columns, AndNot)
        ),
        of_two!(
            "Whether the sets have a user in common.",
            "bitmap_has_any",
            ["rb_intersect"],
            "bitmap_has_any(bitmap_from_array([1, 2]), bitmap_from_array([2, 3]))",
            Boolean,
            |columns| tests(columns, |a, b| Ok(a.count(And, b)? > 0))
        ),
        of_two!(
            "Whether every user of the second set is in the first.",
            "bitmap_has_all",
            ["rb_contains_bitmap"],
            "bitmap_has_all(bitmap_from_array([1, 2, 3]), bitmap_from_array([2, 3]))",
            Boolean,
            |columns| tests(columns, |a, b| Ok(a.count(And, b)? == b.len()))
        ),
    ]
}

fn two_sets(name: &str, args: &ReturnFieldArgs<'_>, answer: DataType) -> Result<DataType> {
    if args.arg_fields.len() != 2 {
        return plan_err!("{name} takes two sets, not {} arguments", args.arg_fields.len());
    }
    for field in args.arg_fields {
        must_be_bytes(name, "sets", field.data_type())?;
    }
    Ok(answer)
}

/// Calls `each` with the sets of every row; `give` gets its answer, if the row has both.
fn for_each<T>(
    columns: &[ArrayRef],
    mut each: impl FnMut(&Bitmap, &Bitmap) -> EngineResult<T>,
    mut give: impl FnMut(Option<T>) -> EngineResult<()>,
) -> EngineResult<()> {
    let [ours, theirs] = columns else { return Err(other_columns()) };
    let rows = ours.len();
    let (mut ours, mut theirs) = (sets(ours)?, sets(theirs)?);
    for row in 0..rows {
        give(match (ours.get(row)?, theirs.get(row)?) {
            (Some(a), Some(b)) => Some(each(a, b)?),
            _ => None,
        })?;
    }
    Ok(())
}

fn made(columns: &[ArrayRef], operation: Operation) -> EngineResult<ArrayRef> {
    let mut answers = LargeBinaryBuilder::new();
    let make = |a: &Bitmap, b: &Bitmap| a.clone().apply(operation, b.clone());
    for_each(columns, make, |set| append(&mut answers, set.as_ref()))?;
    Ok(Arc::new(answers.finish()))
}

fn counts(columns: &[ArrayRef], operation: Operation) -> EngineResult<ArrayRef> {
    let mut answers = Vec::new();
    let count = |a: &Bitmap, b: &Bitmap| Ok(a.count(operation, b)? as i64);
    for_each(columns, count, |count| {
        answers.push(count);
        Ok(())
    })?;
    Ok(Arc::new(Int64Array::from(answers)))
}

fn tests(
    columns: &[ArrayRef],
    test: fn(&Bitmap, &Bitmap) -> EngineResult<bool>,
) -> EngineResult<ArrayRef> {
    let mut answers = Vec::new();
    for_each(columns, test, |answer| {
        answers.push(answer);
        Ok(())
    })?;
    Ok(Arc::new(BooleanArray::from(answers)))
}
