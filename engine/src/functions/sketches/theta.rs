//! Theta of DataSketches: `theta_sketch_agg(x [, lg_k])`, `theta_sketch_union_agg(s [, lg_k])`,
//! `theta_sketch_estimate(s)`, `theta_sketch_bounds(s [, sigma])`.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, Documentation, ScalarUDF};
use datafusion::scalar::ScalarValue;
use datasketches::theta::{
    CompactThetaSketch, ThetaSketch, ThetaSketchBuilder, ThetaUnion, ThetaUnionBuilder,
};

use super::super::approx::counts_users;
use super::super::bounds::{self, SIGMA};
use super::super::function::{Aggregate, Scalar, arguments, names, other_columns, unchanged_types};
use super::super::group_state::{GroupState, Output, StateAccumulator};
use super::super::values::{Values, must_be_bytes};
use super::arguments::{lg_k, must_be_lg_k, refused, sigmas, to_estimate};
use super::update::{Update, Value, rows};
use crate::functions::sections::EXCHANGE;
use crate::users::Estimate;
use crate::{Error, Result as EngineResult};

const AGG: &str = "theta_sketch_agg";
const UNION: &str = "theta_sketch_union_agg";
const ESTIMATE: &str = "theta_sketch_estimate";
const BOUNDS: &str = "theta_sketch_bounds";
/// As in Spark and in the library itself.
pub(super) const DEFAULT_LG_K: u8 = 12;

static ABOUT_AGG: LazyLock<Documentation> =
    LazyLock::new(|| {
        Documentation::builder(
        EXCHANGE,
        "A Theta sketch of all values, in the format of Apache DataSketches (compact, ordered), \
         which Spark, Druid, Java, C++ and Python can read. Nulls and empty text are ignored. It \
         keeps the 2^lg_k smallest hashes: up to that many values are counted exactly; above, the \
         standard error is 1 / sqrt(2^lg_k). Theta sketches support union, intersection and \
         difference.",
        "theta_sketch_agg(expression [, lg_k])",
    )
    .with_argument("expression", "Users: integers, text, binary, or a dictionary of these.")
    .with_argument("lg_k", "A constant from 5 to 26; the default is 12: 32 KiB, standard error \
                            1.6 %.")
    .with_sql_example(
        "SELECT theta_sketch_estimate(theta_sketch_agg(value)) FROM generate_series(1, 10);",
    )
    .with_related_udf(UNION)
    .with_related_udf("theta_intersection")
    .build()
    });

static ABOUT_UNION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        EXCHANGE,
        "The union of all non-null sketches, as a Theta sketch; the empty sketch if there are \
         none. Its precision is that of the least precise input, and at most that of `lg_k`.",
        "theta_sketch_union_agg(s [, lg_k])",
    )
    .with_argument("s", "Theta sketches of Apache DataSketches, written by any engine.")
    .with_argument("lg_k", "A constant from 5 to 26; the default is 12.")
    .with_sql_example(
        "SELECT theta_sketch_estimate(theta_sketch_union_agg(s)) FROM (\n  SELECT \
         theta_sketch_agg(value) AS s FROM generate_series(1, 10) GROUP BY value % 3);",
    )
    .with_related_udf("theta_union")
    .build()
});

static ABOUT_ESTIMATE: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        EXCHANGE,
        "The estimated number of distinct values in a Theta sketch of Apache DataSketches, to the \
         nearest integer.",
        "theta_sketch_estimate(s)",
    )
    .with_argument("s", "A Theta sketch of Apache DataSketches.")
    .with_sql_example(
        "SELECT theta_sketch_estimate(theta_sketch_agg(value)) FROM generate_series(1, 10);",
    )
    .with_related_udf(BOUNDS)
    .build()
});

static ABOUT_BOUNDS: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        EXCHANGE,
        "The estimated number of distinct values in a Theta sketch of Apache DataSketches, with \
         the interval that the library states, rounded outward: a struct of `low`, `estimate` and \
         `high`.",
        "theta_sketch_bounds(s [, sigma])",
    )
    .with_argument("s", "A Theta sketch of Apache DataSketches.")
    .with_argument("sigma", SIGMA)
    .with_sql_example(
        "SELECT theta_sketch_bounds(theta_sketch_agg(value)) FROM generate_series(1, 10);",
    )
    .with_related_udf(ESTIMATE)
    .build()
});

pub(super) fn agg() -> AggregateUDF {
    AggregateUDF::from(Aggregate {
        name: AGG,
        aliases: names(&[]),
        signature: arguments(&[1, 2]),
        documentation: &ABOUT_AGG,
        answers: |types| {
            must_be_lg_k(AGG, types.get(1..).unwrap_or_default())?;
            counts_users(AGG, types).map(|()| DataType::LargeBinary)
        },
        coerce: unchanged_types,
        nothing: |args| {
            let empty = Hashes::new(checked(AGG, lg_k(AGG, args, DEFAULT_LG_K)?)?);
            Ok(StateAccumulator::new(AGG, empty, Output::Value, rows::<Hashes>))
        },
        default: |_| Ok(ScalarValue::LargeBinary(None)),
        nullable: true,
    })
}

pub(super) fn union() -> AggregateUDF {
    AggregateUDF::from(Aggregate {
        name: UNION,
        aliases: names(&["theta_union_agg"]),
        signature: arguments(&[1, 2]),
        documentation: &ABOUT_UNION,
        answers: |types| match types {
            [data_type, lg_k @ ..] => {
                must_be_lg_k(UNION, lg_k)?;
                must_be_bytes(UNION, "sketches", data_type).map(|()| DataType::LargeBinary)
            }
            [] => plan_err!("{UNION} takes one or two arguments"),
        },
        coerce: unchanged_types,
        nothing: |args| {
            let empty = Hashes::new(checked(UNION, lg_k(UNION, args, DEFAULT_LG_K)?)?);
            Ok(StateAccumulator::merging(UNION, empty, Output::Value))
        },
        default: |_| Ok(ScalarValue::LargeBinary(None)),
        nullable: true,
    })
}

fn checked(name: &str, lg_k: u8) -> Result<u8> {
    if (5..=26).contains(&lg_k) {
        return Ok(lg_k);
    }
    plan_err!("{name}: lg_k must be from 5 to 26")
}

pub(super) fn estimate() -> ScalarUDF {
    ScalarUDF::from(Scalar {
        name: ESTIMATE,
        aliases: names(&[]),
        signature: arguments(&[1]),
        documentation: &ABOUT_ESTIMATE,
        answers: |args| match args.arg_fields {
            [sketch] => {
                must_be_bytes(ESTIMATE, "sketches", sketch.data_type()).map(|()| DataType::Int64)
            }
            _ => plan_err!("{ESTIMATE} takes one sketch"),
        },
        answer: |columns| {
            let [column] = columns else { return Err(other_columns()) };
            let mut sketches = Values::of(column, read)?;
            let count = |row| Ok(sketches.get(row)?.map(|sketch| sketch.estimate().round() as i64));
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
        answer: |columns| bounds::answer(columns, read, |sketch, sigma| Ok(within(sketch, sigma))),
    })
}

pub(super) fn within(sketch: &CompactThetaSketch, sigma: u8) -> Estimate {
    let sigma = sigmas(sigma);
    to_estimate(sketch.lower_bound(sigma), sketch.estimate(), sketch.upper_bound(sigma))
}

/// Reads a sketch of any engine, and checks what the crate does not: its length, that the hashes
/// are different, and that they are in order where it says so.
pub(super) fn read(bytes: &[u8]) -> EngineResult<CompactThetaSketch> {
    let broken = |why| Error::input(format!("not a sketch of Apache DataSketches: {why}"));
    let sketch = CompactThetaSketch::deserialize(bytes).map_err(refused)?;
    let longs = usize::from(bytes.first().copied().unwrap_or(0));
    let expected = match bytes.get(1) {
        Some(4) if sketch.is_empty() => longs * 8,
        Some(4) => sketch.serialize_compressed().len(),
        _ => (longs + sketch.num_retained()) * 8,
    };
    if bytes.len() != expected {
        return Err(broken("wrong length"));
    }
    let mut hashes: Vec<u64> = sketch.iter().map(|entry| entry.hash()).collect();
    if !sketch.is_ordered() {
        hashes.sort_unstable();
    }
    if hashes.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(broken("its hashes are not strictly ascending"));
    }
    Ok(sketch)
}

/// The stored form: compact and ordered.
pub(super) fn written(sketch: &CompactThetaSketch) -> Vec<u8> {
    sketch.serialize()
}

/// A union of at most 2^lg_k hashes.
pub(super) fn open(lg_k: u8) -> EngineResult<ThetaUnion> {
    ThetaUnionBuilder::default().lg_k(lg_k).build().map_err(refused)
}

/// The smallest hashes of values and of other sketches.
#[derive(Debug)]
pub(super) struct Hashes {
    lg_k: u8,
    own: Option<ThetaSketch>,
    others: Option<ThetaUnion>,
}

impl Hashes {
    pub(super) fn new(lg_k: u8) -> Self {
        Self { lg_k, own: None, others: None }
    }

    /// All of it in one sketch. A union keeps exactly the 2^lg_k smallest hashes, whatever came
    /// first; a sketch that is still growing has some more.
    fn sketch(&self) -> EngineResult<CompactThetaSketch> {
        let mut all = open(self.lg_k)?;
        match (&self.own, &self.others) {
            (None, Some(others)) => return Ok(others.to_sketch(true)),
            (Some(own), Some(others)) => {
                all.update(own).map_err(refused)?;
                all.update(&others.to_sketch(true)).map_err(refused)?;
            }
            (Some(own), None) => all.update(own).map_err(refused)?,
            (None, None) => {}
        }
        Ok(all.to_sketch(true))
    }
}

impl GroupState for Hashes {
    fn new_empty(&self) -> Self {
        Self::new(self.lg_k)
    }

    fn merge(&mut self, bytes: &[u8]) -> EngineResult<()> {
        let sketch = read(bytes)?;
        let others = match &mut self.others {
            Some(others) => others,
            none => none.insert(open(self.lg_k)?),
        };
        others.update(&sketch).map_err(refused)
    }

    fn write(&self, bytes: &mut Vec<u8>) -> EngineResult<()> {
        bytes.extend(written(&self.sketch()?));
        Ok(())
    }

    fn count(&self) -> EngineResult<u64> {
        Ok(self.sketch()?.estimate().round() as u64)
    }

    fn size(&self) -> usize {
        self.own.as_ref().map_or(0, ThetaSketch::estimated_size)
            + self.others.as_ref().map_or(0, ThetaUnion::estimated_size)
    }
}

impl Update for Hashes {
    fn update(&mut self, value: Value<'_>) -> EngineResult<()> {
        let own = match &mut self.own {
            Some(own) => own,
            none => {
                let builder = ThetaSketchBuilder::default().lg_k(self.lg_k);
                none.insert(builder.build().map_err(refused)?)
            }
        };
        own.update(value);
        Ok(())
    }
}
