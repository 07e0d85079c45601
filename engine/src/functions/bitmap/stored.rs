//! `bitmap_of_store(users, shard, store)`: adds the id space to the sets of the store's table
//! `activity`, whose bytes do not contain it.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, LargeBinaryBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::plan_err;
use datafusion::logical_expr::{Documentation, ScalarUDF};

use super::super::function::{Scalar, arguments, names, other_columns};
use super::super::values::{Bytes, must_be_bytes};
use super::column::append;
use crate::functions::sections::SETS;
use crate::users::{Bitmap, Space};

const NAME: &str = "bitmap_of_store";

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SETS,
        "Converts a set from the Parquet files of a store into a set that records which store \
         assigned its ids. The column `users` of the table `activity` is already converted; use \
         this function when reading the files directly.",
        "bitmap_of_store(users, shard, store)",
    )
    .with_argument("users", "The column `users`.")
    .with_argument(
        "shard",
        "The column `shard`; ids in shards from 4096 on were assigned by the store.",
    )
    .with_argument("store", "The id of the Delta table `users`, 16 bytes.")
    .with_sql_example(
        "SELECT bitmap_count(bitmap_of_store(bitmap_from_array([7]), 4096, \
         X'00112233445566778899aabbccddeeff'));",
    )
    .with_related_udf("bitmap_union_count")
    .build()
});

pub(super) fn function() -> ScalarUDF {
    ScalarUDF::from(Scalar {
        name: NAME,
        aliases: names(&[]),
        signature: arguments(&[3]),
        documentation: &DOCUMENTATION,
        answers: |args| match args.arg_fields {
            [users, shard, store] if shard.data_type().is_integer() => {
                must_be_bytes(NAME, "sets", users.data_type())?;
                must_be_bytes(NAME, "ids of stores", store.data_type())?;
                Ok(DataType::LargeBinary)
            }
            _ => plan_err!("{NAME} takes a set, its shard number and its store id"),
        },
        answer: |columns| {
            let [users, shards, stores] = columns else { return Err(other_columns()) };
            let shards = cast(shards, &DataType::Int64)?;
            let shards = shards.as_primitive::<Int64Type>();
            let (users, stores) = (Bytes::of(users)?, Bytes::of(stores)?);
            let mut answers = LargeBinaryBuilder::new();
            for row in 0..shards.len() {
                let shard = shards.is_valid(row).then(|| shards.value(row));
                let set = match (users.get(row), shard, stores.get(row)) {
                    (Some(users), Some(shard), Some(store)) => {
                        Some(Bitmap::of_stored(Space::try_from(store)?, shard, users)?)
                    }
                    _ => None,
                };
                append(&mut answers, set.as_ref())?;
            }
            Ok(Arc::new(answers.finish()))
        },
    })
}
