//! Sets and lists: `bitmap_to_array(b [, 'text'])`, `bitmap_from_array(list)`.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Builder, LargeBinaryBuilder, ListBuilder, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{Documentation, ReturnFieldArgs, ScalarUDF};
use datafusion::scalar::ScalarValue;

use super::super::function::{Scalar, arguments, names, other_columns};
use super::super::values::must_be_bytes;
use super::column::{append, sets};
use crate::Result as EngineResult;
use crate::functions::sections::SETS;
use crate::scan::{any_keys, for_each_key, is_int, is_user};
use crate::users::{Bitmap, Key};

const TO: &str = "bitmap_to_array";
const FROM: &str = "bitmap_from_array";

static ABOUT_TO: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SETS,
        "The users of a set as a list, in ascending order: integers first (compared as unsigned, \
         so negative ones come last), then UUIDs, then other keys by their bytes. It is an error \
         if the set has keys that are not integers, unless 'text' is given, or ids assigned by a \
         store.",
        "bitmap_to_array(b)",
    )
    .with_alternative_syntax("bitmap_to_array(b, 'text')")
    .with_argument("b", "A set built by `bitmap_agg`, or a Roaring bitmap.")
    .with_argument("'text'", "Returns a list of VARCHAR instead of BIGINT.")
    .with_sql_example("SELECT bitmap_to_array(bitmap_from_array([5, 3, 5]));")
    .with_related_udf(FROM)
    .build()
});

static ABOUT_FROM: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SETS,
        "The set of the non-null values of a list, in the format of `bitmap_agg`.",
        "bitmap_from_array(list)",
    )
    .with_argument("list", "Integers, text or binary.")
    .with_sql_example("SELECT bitmap_count(bitmap_from_array(['ann', 'bob', 'ann']));")
    .with_related_udf(TO)
    .with_related_udf("bitmap_agg")
    .build()
});

pub(super) fn to_array() -> ScalarUDF {
    ScalarUDF::from(Scalar {
        name: TO,
        aliases: names(&["rb_to_array"]),
        signature: arguments(&[1, 2]),
        documentation: &ABOUT_TO,
        answers: list_type,
        answer: |columns| match columns {
            [sets] => integers(sets),
            [sets, _] => texts(sets),
            _ => Err(other_columns()),
        },
    })
}

fn list_type(args: &ReturnFieldArgs<'_>) -> Result<DataType> {
    let list = |item| Ok(DataType::List(Arc::new(Field::new_list_field(item, true))));
    match args.arg_fields {
        [set] => {
            must_be_bytes(TO, "sets", set.data_type())?;
            list(DataType::Int64)
        }
        [set, kind] => {
            must_be_bytes(TO, "sets", set.data_type())?;
            let form = args.scalar_arguments.get(1).copied().flatten();
            let form = form.and_then(ScalarValue::try_as_str).flatten();
            match form {
                Some("text") => list(DataType::Utf8),
                Some(other) => {
                    plan_err!("the second argument of {TO} must be 'text', not '{other}'")
                }
                None => plan_err!(
                    "the second argument of {TO} must be the constant 'text', not a value of type \
                     {}",
                    kind.data_type()
                ),
            }
        }
        _ => plan_err!("{TO} takes a set"),
    }
}

fn integers(column: &ArrayRef) -> EngineResult<ArrayRef> {
    let mut sets = sets(column)?;
    let mut lists = ListBuilder::new(Int64Builder::new());
    for row in 0..column.len() {
        if let Some(set) = sets.get(row)? {
            lists.values().append_slice(&set.integers()?);
            lists.append(true);
        } else {
            lists.append(false);
        }
    }
    Ok(Arc::new(lists.finish()))
}

fn texts(column: &ArrayRef) -> EngineResult<ArrayRef> {
    let mut sets = sets(column)?;
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..column.len() {
        let texts = sets.get(row)?.map(Bitmap::texts).transpose()?;
        lists.append_option(texts.map(|texts| texts.into_iter().map(Some)));
    }
    Ok(Arc::new(lists.finish()))
}

pub(super) fn from_array() -> ScalarUDF {
    ScalarUDF::from(Scalar {
        name: FROM,
        aliases: names(&["rb_build"]),
        signature: arguments(&[1]),
        documentation: &ABOUT_FROM,
        answers: |args| match args.arg_fields {
            [list] => match (list.data_type(), item_type(list.data_type())) {
                (DataType::Null, _) => Ok(DataType::LargeBinary),
                (_, Some(item)) if is_user(item) => Ok(DataType::LargeBinary),
                (other, _) => plan_err!(
                    "{FROM} takes lists of integers, text or binary, not values of type {other}"
                ),
            },
            _ => plan_err!("{FROM} takes a list"),
        },
        answer: |columns| match columns {
            [lists] => sets_of(lists),
            _ => Err(other_columns()),
        },
    })
}

fn item_type(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => Some(field.data_type()),
        _ => None,
    }
}

fn sets_of(lists: &ArrayRef) -> EngineResult<ArrayRef> {
    let mut answers = LargeBinaryBuilder::new();
    let Some(item) = item_type(lists.data_type()) else {
        (0..lists.len()).for_each(|_| answers.append_null());
        return Ok(Arc::new(answers.finish()));
    };
    let of_integers = is_int(item) || *item == DataType::Null;
    let form = DataType::LargeList(Arc::new(Field::new_list_field(item.clone(), true)));
    let lists = cast(lists, &form)?;
    for list in lists.as_list::<i64>().iter() {
        let set = list.map(|list| set_of(&list, of_integers)).transpose()?;
        append(&mut answers, set.as_ref())?;
    }
    Ok(Arc::new(answers.finish()))
}

fn set_of(list: &ArrayRef, of_integers: bool) -> EngineResult<Bitmap> {
    let (mut integers, mut keys) = (Vec::new(), Bitmap::of_keys([]));
    for_each_key(std::slice::from_ref(list), None, any_keys, |_, key| {
        match key {
            Key::Int(int) if of_integers => integers.push(int as u64),
            key => keys.insert(key)?,
        }
        Ok(())
    })?;
    if !of_integers {
        return Ok(keys);
    }
    integers.sort_unstable();
    Ok(integers.into_iter().collect())
}
