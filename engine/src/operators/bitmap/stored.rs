//! `bitmap_of_store(users, shard, store)`: the sets of the store's table `activity`, which do not
//! say whose numbers they hold, as sets that do.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, LargeBinaryBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::plan_err;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use roaring::RoaringBitmap;

use super::super::function::{Scalar, arguments, names, other_columns};
use super::super::values::{Bytes, must_be_bytes};
use super::{SETS, append};
use crate::users::{Bitmap, Space};
use crate::{Error, Result as Outcome};

const NAME: &str = "bitmap_of_store";
/// The first shard of numbers that a store has given, and not of keys that are their own.
const FIRST_GIVEN: i64 = crate::store::FIRST_GIVEN as i64;

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SETS,
        "A set as it lies in the Parquet files of a store, as a set that knows its identity \
         space. The table `activity` has done so with its column `users`; this is for those who \
         read the files themselves.",
        "bitmap_of_store(users, shard, store)",
    )
    .with_argument("users", "The column of that name.")
    .with_argument(
        "shard",
        "The column of that name; from 4096 on the store has given the numbers.",
    )
    .with_argument("store", "16 bytes that name the numbering: the id of the Delta table `users`.")
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
                must_be_bytes(NAME, "names of stores", store.data_type())?;
                Ok(DataType::LargeBinary)
            }
            _ => plan_err!("{NAME} takes a set, the number of its shard and the name of its store"),
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
                    (Some(users), Some(shard), Some(store)) => Some(set(users, shard, store)?),
                    _ => None,
                };
                append(&mut answers, set.as_ref())?;
            }
            Ok(Arc::new(answers.finish()))
        },
    })
}

fn set(users: &[u8], shard: i64, store: &[u8]) -> Outcome<Bitmap> {
    let name = store.try_into().map_err(|_| {
        Error::input(format!("the name of a store has 16 bytes, not {}", store.len()))
    })?;
    if shard < FIRST_GIVEN {
        return Bitmap::from_bytes(users);
    }
    let mut rest = users;
    match RoaringBitmap::deserialize_from(&mut rest) {
        Ok(numbers) if rest.is_empty() => Ok(Bitmap::of_given(Space(name), numbers)),
        _ => Err(Error::input("a stored set of users is broken")
            .with("help", "`headcount store verify` tells which file it is in")),
    }
}
