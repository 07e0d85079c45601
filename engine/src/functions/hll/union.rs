//! `hll_union(h)`: one sketch of the sketches of rows.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::logical_expr::{AggregateUDF, Documentation};
use datafusion::scalar::ScalarValue;

use super::super::function::{Aggregate, arguments, names, unchanged_types};
use super::super::group_state::{GroupState, Output, StateAccumulator};
use super::super::values::must_be_bytes;
use crate::Result as EngineResult;
use crate::functions::sections::SKETCHES;
use crate::users::Sketch;

const NAME: &str = "hll_union";

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SKETCHES,
        "The union of all non-null sketches; NULL if there are none. Sketches of different \
         precisions are an error.",
        "hll_union(h)",
    )
    .with_argument("h", "Sketches built by `hll_agg`.")
    .with_sql_example(
        "SELECT hll_count(hll_union(h)) FROM (\n  SELECT hll_agg(value) AS h FROM \
         generate_series(1, 10) GROUP BY value % 3);",
    )
    .with_related_udf("hll_count")
    .build()
});

pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(Aggregate {
        name: NAME,
        aliases: names(&["hll_merge"]),
        signature: arguments(&[1]),
        documentation: &DOCUMENTATION,
        answers: |types| match types {
            [data_type] => {
                must_be_bytes(NAME, "sketches", data_type).map(|()| DataType::LargeBinary)
            }
            _ => plan_err!("{NAME} takes one argument, not {}", types.len()),
        },
        coerce: unchanged_types,
        nothing: |_| Ok(StateAccumulator::merging(NAME, Union::default(), Output::Value)),
        default: |_| Ok(ScalarValue::LargeBinary(None)),
        nullable: true,
    })
}

/// What the sketches so far have seen; the first one says the precision.
#[derive(Debug, Default)]
struct Union(Option<Sketch>);

impl GroupState for Union {
    fn new_empty(&self) -> Self {
        Self::default()
    }

    fn merge(&mut self, bytes: &[u8]) -> EngineResult<()> {
        let other = Sketch::from_bytes(bytes)?;
        match &mut self.0 {
            Some(sketch) => sketch.merge(&other),
            None => {
                self.0 = Some(other);
                Ok(())
            }
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) -> EngineResult<()> {
        if let Some(sketch) = &self.0 {
            bytes.extend(sketch.to_bytes());
        }
        Ok(())
    }

    fn count(&self) -> EngineResult<u64> {
        self.0.as_ref().map_or(Ok(0), |sketch| Ok(sketch.estimate()?.users))
    }

    fn size(&self) -> usize {
        self.0.as_ref().map_or(0, Sketch::size)
    }
}
