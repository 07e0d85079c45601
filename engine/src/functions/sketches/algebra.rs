//! Two Theta sketches of a row: `theta_union(a, b)`, `theta_intersection(a, b)`,
//! `theta_difference(a, b)`.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, LargeBinaryBuilder};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use datasketches::theta::{CompactThetaSketch, ThetaANotB, ThetaIntersection};

use super::super::function::{Scalar, arguments, names, other_columns};
use super::super::values::{Values, must_be_bytes};
use super::arguments::refused;
use super::theta::{DEFAULT_LG_K, open, read, written};
use crate::functions::sections::EXCHANGE;
use crate::{Error, Result};

/// Makes one sketch of two.
type Make = fn(&CompactThetaSketch, &CompactThetaSketch) -> Result<CompactThetaSketch>;

macro_rules! of_two {
    ($what:expr, $name:literal, $make:expr) => {{
        static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
            Documentation::builder(EXCHANGE, $what, concat!($name, "(a, b)"))
                .with_argument("a", "A Theta sketch of Apache DataSketches.")
                .with_argument("b", "Another Theta sketch.")
                .with_sql_example(concat!(
                    "SELECT theta_sketch_estimate(",
                    $name,
                    "(a, b)) FROM (\n  SELECT theta_sketch_agg(value) AS a, \
                     theta_sketch_agg(value * 2) AS b FROM generate_series(1, 10));"
                ))
                .with_related_udf("theta_sketch_estimate")
                .build()
        });
        ScalarUDF::from(Scalar {
            name: $name,
            aliases: names(&[]),
            signature: arguments(&[2]),
            documentation: &DOCUMENTATION,
            answers: |args| match args.arg_fields {
                [a, b] => {
                    must_be_bytes($name, "sketches", a.data_type())?;
                    must_be_bytes($name, "sketches", b.data_type())?;
                    Ok(DataType::LargeBinary)
                }
                _ => plan_err!(concat!($name, " takes two sketches")),
            },
            answer: |columns| made(columns, $make),
        })
    }};
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        of_two!(
            "The union of two Theta sketches, with up to 4096 hashes (lg_k 12); \
             `theta_sketch_union_agg` accepts another lg_k.",
            "theta_union",
            |a, b| {
                let mut union = open(DEFAULT_LG_K)?;
                union.update(a).map_err(refused)?;
                union.update(b).map_err(refused)?;
                Ok(union.to_sketch(true))
            }
        ),
        of_two!(
            "The intersection of two Theta sketches. Its error is that of the union, so the \
             estimate for a small intersection of large sketches is imprecise: see \
             `theta_sketch_bounds`.",
            "theta_intersection",
            |a, b| {
                let mut both = ThetaIntersection::default();
                both.update(a).map_err(refused)?;
                both.update(b).map_err(refused)?;
                let both = both.to_sketch(true);
                both.ok_or_else(|| Error::internal("an intersection of nothing"))
            }
        ),
        of_two!(
            "The difference of two Theta sketches: values of the first that are not in the second.",
            "theta_difference",
            |a, b| ThetaANotB::default().compute(a, b, true).map_err(refused)
        ),
    ]
}

fn made(columns: &[ArrayRef], make: Make) -> Result<ArrayRef> {
    let [ours, theirs] = columns else { return Err(other_columns()) };
    let rows = ours.len();
    let (mut ours, mut theirs) = (Values::of(ours, read)?, Values::of(theirs, read)?);
    let mut answers = LargeBinaryBuilder::new();
    for row in 0..rows {
        answers.append_option(match (ours.get(row)?, theirs.get(row)?) {
            (Some(a), Some(b)) => Some(written(&make(a, b)?)),
            _ => None,
        });
    }
    Ok(Arc::new(answers.finish()))
}
