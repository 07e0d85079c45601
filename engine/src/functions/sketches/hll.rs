//! HLL of DataSketches: `hll_sketch_agg(x [, lg_k])`, `hll_sketch_union_agg(s)`,
//! `hll_sketch_estimate(s)`, `hll_sketch_bounds(s [, sigma])`.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::logical_expr::{AggregateUDF, Documentation, ScalarUDF};
use datafusion::scalar::ScalarValue;
use datasketches::hll::{HllSketch, HllType, HllUnion};

use super::super::approx::counts_users;
use super::super::bounds::{self, SIGMA};
use super::super::function::{Aggregate, Scalar, arguments, names, other_columns, unchanged_types};
use super::super::group_state::{GroupState, Output, StateAccumulator};
use super::super::values::{Values, must_be_bytes};
use super::arguments::{lg_k, must_be_lg_k, refused, sigmas, to_estimate};
use super::check_hll::check;
use super::update::{Update, Value, rows};
use crate::datafusion_error::external;
use crate::functions::sections::EXCHANGE;
use crate::users::Estimate;
use crate::{Error, Result as EngineResult};

const AGG: &str = "hll_sketch_agg";
const UNION: &str = "hll_sketch_union_agg";
const ESTIMATE: &str = "hll_sketch_estimate";
const BOUNDS: &str = "hll_sketch_bounds";
/// As in Spark.
const DEFAULT_LG_K: u8 = 12;

static ABOUT_AGG: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        EXCHANGE,
        "An HLL sketch (HLL_8) of all values, in the format of Apache DataSketches, which Spark, \
         Druid, Java, C++ and Python can read. Nulls and empty text are ignored. The standard \
         error is 1.04 / sqrt(2^lg_k). Values are hashed as in these engines, so 42 and '42' are \
         different values; `hll_agg` treats them as one.",
        "hll_sketch_agg(expression [, lg_k])",
    )
    .with_argument("expression", "Users: integers, text, binary, or a dictionary of these.")
    .with_argument(
        "lg_k",
        "A constant from 4 to 21; the default is 12: 4 KiB, standard error 1.6 %.",
    )
    .with_sql_example(
        "SELECT hll_sketch_estimate(hll_sketch_agg(value)) FROM generate_series(1, 10);",
    )
    .with_related_udf(UNION)
    .with_related_udf(ESTIMATE)
    .build()
});

static ABOUT_UNION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        EXCHANGE,
        "The union of all non-null sketches, as an HLL sketch (HLL_8); NULL if there are none. \
         Sketches of different lg_k are an error.",
        "hll_sketch_union_agg(s)",
    )
    .with_argument("s", "HLL sketches of Apache DataSketches, written by any engine, of any type.")
    .with_sql_example(
        "SELECT hll_sketch_estimate(hll_sketch_union_agg(s)) FROM (\n  SELECT \
         hll_sketch_agg(value) AS s FROM generate_series(1, 10) GROUP BY value % 3);",
    )
    .with_related_udf(ESTIMATE)
    .build()
});

static ABOUT_ESTIMATE: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        EXCHANGE,
        "The estimated number of distinct values in an HLL sketch of Apache DataSketches, to the \
         nearest integer.",
        "hll_sketch_estimate(s)",
    )
    .with_argument("s", "An HLL sketch of Apache DataSketches.")
    .with_sql_example(
        "SELECT hll_sketch_estimate(hll_sketch_agg(value)) FROM generate_series(1, 10);",
    )
    .with_related_udf(BOUNDS)
    .build()
});

static ABOUT_BOUNDS: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        EXCHANGE,
        "The estimated number of distinct values in an HLL sketch of Apache DataSketches, with \
         the interval that the library states, rounded outward: a struct of `low`, `estimate` and \
         `high`.",
        "hll_sketch_bounds(s [, sigma])",
    )
    .with_argument("s", "An HLL sketch of Apache DataSketches.")
    .with_argument("sigma", SIGMA)
    .with_sql_example(
        "SELECT hll_sketch_bounds(hll_sketch_agg(value)) FROM generate_series(1, 10);",
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
            let lg_k = lg_k(AGG, args, DEFAULT_LG_K)?;
            if !(4..=21).contains(&lg_k) {
                return plan_err!("{AGG}: lg_k must be from 4 to 21");
            }
            let empty = Registers::open(lg_k).map_err(external)?;
            Ok(StateAccumulator::new(AGG, empty, Output::Value, rows::<Registers>))
        },
        default: |_| Ok(ScalarValue::LargeBinary(None)),
        nullable: true,
    })
}

pub(super) fn union() -> AggregateUDF {
    AggregateUDF::from(Aggregate {
        name: UNION,
        aliases: names(&[]),
        signature: arguments(&[1]),
        documentation: &ABOUT_UNION,
        answers: |types| match types {
            [data_type] => {
                must_be_bytes(UNION, "sketches", data_type).map(|()| DataType::LargeBinary)
            }
            _ => plan_err!("{UNION} takes one argument, not {}", types.len()),
        },
        coerce: unchanged_types,
        nothing: |_| Ok(StateAccumulator::merging(UNION, Registers::default(), Output::Value)),
        default: |_| Ok(ScalarValue::LargeBinary(None)),
        nullable: true,
    })
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

pub(super) fn within(sketch: &HllSketch, sigma: u8) -> Estimate {
    let sigma = sigmas(sigma);
    to_estimate(sketch.lower_bound(sigma), sketch.estimate(), sketch.upper_bound(sigma))
}

fn open(lg_k: u8) -> EngineResult<HllUnion> {
    HllUnion::new(lg_k).map_err(refused)
}

/// Reads a sketch of any engine.
pub(super) fn read(bytes: &[u8]) -> EngineResult<HllSketch> {
    check(bytes)?;
    HllSketch::deserialize(bytes).map_err(refused)
}

/// What a sketch has seen, in registers of 8 bits as soon as there are many; `None` before a sketch
/// has said how many registers.
#[derive(Debug, Default)]
pub(super) struct Registers(Option<HllUnion>);

impl Registers {
    /// 2^lg_k registers.
    ///
    /// # Errors
    /// When lg_k is outside 4..=21.
    pub(super) fn open(lg_k: u8) -> EngineResult<Self> {
        Ok(Self(Some(open(lg_k)?)))
    }
}

impl GroupState for Registers {
    fn new_empty(&self) -> Self {
        Self(self.0.clone())
    }

    fn merge(&mut self, bytes: &[u8]) -> EngineResult<()> {
        let sketch = read(bytes)?;
        let theirs = sketch.lg_config_k();
        let union = match &mut self.0 {
            Some(union) => union,
            none => none.insert(open(theirs)?),
        };
        let ours = union.lg_max_k();
        if ours != theirs {
            return Err(Error::input(format!(
                "cannot merge HLL sketches of lg_k {ours} and {theirs}"
            )));
        }
        union.update(&sketch);
        Ok(())
    }

    fn write(&self, bytes: &mut Vec<u8>) -> EngineResult<()> {
        if let Some(union) = &self.0 {
            bytes.extend(settled(union.to_sketch(HllType::Hll8).serialize()));
        }
        Ok(())
    }

    fn count(&self) -> EngineResult<u64> {
        Ok(self.0.as_ref().map_or(0, |union| union.estimate().round() as u64))
    }

    fn size(&self) -> usize {
        self.0.as_ref().map_or(0, HllUnion::estimated_size)
    }
}

impl Update for Registers {
    fn update(&mut self, value: Value<'_>) -> EngineResult<()> {
        if let Some(union) = &mut self.0 {
            union.update_value(value);
        }
        Ok(())
    }
}

/// The bytes of a sketch without what the order of its values has left in them: coupons stand in
/// order, and registers are marked as merged, without the running estimate of one certain order.
fn settled(mut bytes: Vec<u8>) -> Vec<u8> {
    let coupons = match bytes.get(7).map(|mode| mode & 3) {
        Some(0) => 8,
        Some(1) => 12,
        _ => {
            const OUT_OF_ORDER: u8 = 16;
            if let Some(flags) = bytes.get_mut(5) {
                *flags |= OUT_OF_ORDER;
            }
            if let Some(running) = bytes.get_mut(8..16) {
                running.fill(0);
            }
            return bytes;
        }
    };
    if let Some(coupons) = bytes.get_mut(coupons..) {
        let (coupons, _) = coupons.as_chunks_mut::<4>();
        coupons.sort_unstable_by_key(|coupon| u32::from_le_bytes(*coupon));
    }
    bytes
}
