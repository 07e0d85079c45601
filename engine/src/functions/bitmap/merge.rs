//! `bitmap_union(b)`, `bitmap_union_count(b)`, `bitmap_intersect(b)`: one set of the sets of rows.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, Documentation};
use datafusion::scalar::ScalarValue;

use super::super::function::{Aggregate, arguments, names, unchanged_types};
use super::super::group_state::{GroupState, Output, StateAccumulator};
use super::super::values::must_be_bytes;
use super::column::empty_bitmap;
use crate::Result as EngineResult;
use crate::datafusion_error::external;
use crate::functions::sections::SETS;
use crate::users::{Bitmap, Operation};

const UNION: &str = "bitmap_union";
const UNION_COUNT: &str = "bitmap_union_count";
const INTERSECT: &str = "bitmap_intersect";

static ABOUT_UNION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SETS,
        "The union of all non-null sets; the empty set if there are none. Sets with ids of \
         different stores are an error.",
        "bitmap_union(b)",
    )
    .with_argument("b", "Sets built by `bitmap_agg`, or Roaring bitmaps of other programs.")
    .with_sql_example(
        "SELECT bitmap_count(bitmap_union(b)) FROM (\n  SELECT bitmap_agg(value) AS b FROM \
         generate_series(1, 10) GROUP BY value % 3);",
    )
    .with_related_udf(UNION_COUNT)
    .with_related_udf(INTERSECT)
    .build()
});

static ABOUT_UNION_COUNT: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SETS,
        "The number of users in the union of all non-null sets; 0 if there are none. The same as \
         `bitmap_count(bitmap_union(b))`, but faster.",
        "bitmap_union_count(b)",
    )
    .with_argument("b", "Sets built by `bitmap_agg`, or Roaring bitmaps of other programs.")
    .with_sql_example(
        "SELECT bitmap_union_count(b) FROM (\n  SELECT bitmap_agg(value) AS b FROM \
         generate_series(1, 10) GROUP BY value % 3);",
    )
    .with_related_udf(UNION)
    .build()
});

static ABOUT_INTERSECT: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SETS,
        "The intersection of all non-null sets; NULL if there are none.",
        "bitmap_intersect(b)",
    )
    .with_argument("b", "Sets built by `bitmap_agg`, or Roaring bitmaps of other programs.")
    .with_sql_example(
        "SELECT bitmap_to_array(bitmap_intersect(b)) FROM (\n  SELECT bitmap_agg(value % 4) AS b \
         FROM generate_series(1, 10) GROUP BY value % 3);",
    )
    .with_related_udf(UNION)
    .with_related_udf("intersect_count")
    .build()
});

pub(super) fn functions() -> [AggregateUDF; 3] {
    let union = AggregateUDF::from(Aggregate {
        name: UNION,
        aliases: names(&["bitmap_merge", "rb_or_agg"]),
        signature: arguments(&[1]),
        documentation: &ABOUT_UNION,
        answers: |types| answers(UNION, types, DataType::LargeBinary),
        coerce: unchanged_types,
        nothing: |_| Ok(StateAccumulator::merging(UNION, Union::default(), Output::Value)),
        default: |_| empty_bitmap().map_err(external),
        nullable: true,
    });
    let intersection = AggregateUDF::from(Aggregate {
        name: INTERSECT,
        aliases: names(&["rb_and_agg"]),
        signature: arguments(&[1]),
        documentation: &ABOUT_INTERSECT,
        answers: |types| answers(INTERSECT, types, DataType::LargeBinary),
        coerce: unchanged_types,
        nothing: |_| {
            Ok(StateAccumulator::merging(INTERSECT, Intersection::default(), Output::Value))
        },
        default: |_| Ok(ScalarValue::LargeBinary(None)),
        nullable: true,
    });
    let union_count = AggregateUDF::from(Aggregate {
        name: UNION_COUNT,
        aliases: names(&["rb_or_cardinality_agg"]),
        signature: arguments(&[1]),
        documentation: &ABOUT_UNION_COUNT,
        answers: |types| answers(UNION_COUNT, types, DataType::Int64),
        coerce: unchanged_types,
        nothing: |_| Ok(StateAccumulator::merging(UNION_COUNT, Union::default(), Output::Count)),
        default: |_| Ok(ScalarValue::Int64(Some(0))),
        nullable: true,
    });
    [union, intersection, union_count]
}

fn answers(name: &str, types: &[DataType], answer: DataType) -> Result<DataType> {
    match types {
        [data_type] => must_be_bytes(name, "sets", data_type).map(|()| answer),
        _ => plan_err!("{name} takes one argument, not {}", types.len()),
    }
}

/// The union of the sets so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Union(Bitmap);

impl Union {
    /// The set.
    pub(super) fn set(&self) -> &Bitmap {
        &self.0
    }
}

impl GroupState for Union {
    fn new_empty(&self) -> Self {
        Self::default()
    }

    fn merge(&mut self, bytes: &[u8]) -> EngineResult<()> {
        let other = Bitmap::from_bytes(bytes)?;
        self.0 = std::mem::take(&mut self.0).apply(Operation::Or, other)?;
        Ok(())
    }

    fn write(&self, bytes: &mut Vec<u8>) -> EngineResult<()> {
        self.0.write(bytes)
    }

    fn count(&self) -> EngineResult<u64> {
        Ok(self.0.len())
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

/// The intersection of the sets so far, if there was one.
#[derive(Debug, Default)]
pub(super) struct Intersection(Option<Bitmap>);

impl GroupState for Intersection {
    fn new_empty(&self) -> Self {
        Self::default()
    }

    fn merge(&mut self, bytes: &[u8]) -> EngineResult<()> {
        let other = Bitmap::from_bytes(bytes)?;
        self.0 = Some(match self.0.take() {
            Some(set) => set.apply(Operation::And, other)?,
            None => other,
        });
        Ok(())
    }

    fn write(&self, bytes: &mut Vec<u8>) -> EngineResult<()> {
        self.0.as_ref().map_or(Ok(()), |set| set.write(bytes))
    }

    fn count(&self) -> EngineResult<u64> {
        Ok(self.0.as_ref().map_or(0, Bitmap::len))
    }

    fn size(&self) -> usize {
        self.0.as_ref().map_or(0, Bitmap::size)
    }
}
