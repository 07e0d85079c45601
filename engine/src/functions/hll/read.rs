//! Functions that read a sketch: `hll_count(h)`, `hll_bounds(h [, sigma])`.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::logical_expr::{Documentation, ScalarUDF};

use super::super::bounds::{self, SIGMA};
use super::super::function::{Scalar, arguments, names, other_columns};
use super::super::values::{Values, must_be_bytes};
use crate::Result as EngineResult;
use crate::functions::sections::SKETCHES;
use crate::users::Sketch;

const COUNT: &str = "hll_count";
const BOUNDS: &str = "hll_bounds";

static ABOUT_COUNT: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SKETCHES,
        "The estimated number of distinct users, to the nearest integer.",
        "hll_count(h)",
    )
    .with_argument("h", "A sketch built by `hll_agg`.")
    .with_sql_example("SELECT hll_count(hll_agg(value)) FROM generate_series(1, 10);")
    .with_related_udf(BOUNDS)
    .build()
});

static ABOUT_BOUNDS: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SKETCHES,
        "The estimated number of distinct users with an interval: a struct of `low`, `estimate` \
         and `high`. The bounds are estimate / (1 + e) and estimate / (1 - e), where e is sigma * \
         1.04 / sqrt(2^precision), rounded outward; all three are equal while the sketch is an \
         exact list.",
        "hll_bounds(h [, sigma])",
    )
    .with_argument("h", "A sketch built by `hll_agg`.")
    .with_argument("sigma", SIGMA)
    .with_sql_example("SELECT hll_bounds(hll_agg(value), 3) FROM generate_series(1, 10);")
    .with_related_udf(COUNT)
    .build()
});

pub(super) fn count() -> ScalarUDF {
    ScalarUDF::from(Scalar {
        name: COUNT,
        aliases: names(&["hll_cardinality"]),
        signature: arguments(&[1]),
        documentation: &ABOUT_COUNT,
        answers: |args| match args.arg_fields {
            [sketch] => {
                must_be_bytes(COUNT, "sketches", sketch.data_type()).map(|()| DataType::Int64)
            }
            _ => plan_err!("{COUNT} takes one sketch"),
        },
        answer: |columns| {
            let [column] = columns else { return Err(other_columns()) };
            let mut sketches = Values::of(column, Sketch::from_bytes)?;
            let count = |row| {
                let estimate = sketches.get(row)?.map(|sketch| sketch.estimate()).transpose()?;
                Ok(estimate.map(|estimate| estimate.users as i64))
            };
            Ok(Arc::new((0..column.len()).map(count).collect::<EngineResult<Int64Array>>()?))
        },
    })
}

pub(super) fn bounds() -> ScalarUDF {
    ScalarUDF::from(Scalar {
        name: BOUNDS,
        aliases: names(&[]),
        signature: arguments(&[1, 2]),
        documentation: &ABOUT_BOUNDS,
        answers: |args| bounds::answers(BOUNDS, args),
        answer: |columns| {
            bounds::answer(columns, Sketch::from_bytes, |sketch, sigma| {
                sketch.within(f64::from(sigma))
            })
        },
    })
}
