//! Sketches of Apache DataSketches: the same bytes that Spark, Druid, Java, C++ and Python read and
//! write, so values are hashed as these do, and not as our own sketches hash them: integers as 64
//! bits, texts as their UTF-8, empty texts skipped. `42` and `'42'` are two values here.
//!
//! | functions | do | in |
//! |---|---|---|
//! | `hll_sketch_agg`, `hll_sketch_union_agg`, `hll_sketch_estimate`, `hll_sketch_bounds` | count | [`hll`] |
//! | `theta_sketch_agg`, `theta_sketch_union_agg`, `theta_sketch_estimate`, `theta_sketch_bounds` | count | [`theta`] |
//! | `theta_union`, `theta_intersection`, `theta_difference` | two sketches of a row | [`algebra`] |
//!
//! What is written depends only on the set of values, not on their order or on how a query was cut
//! into parts. What is read is checked first ([`check_hll`]): the crate trusts what it reads.

mod algebra;
mod check_hll;
mod hll;
mod theta;
mod update;

#[cfg(test)]
mod tests;

use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{AggregateUDF, DocSection, ScalarUDF};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;
use datasketches::common::NumStdDev;

use crate::Error;
use crate::users::Estimate;

/// Where the functions stand in the reference.
const EXCHANGE: DocSection =
    DocSection { include: true, label: "Sketches of Apache DataSketches", description: None };

pub(super) fn aggregates() -> Vec<AggregateUDF> {
    vec![hll::agg(), hll::union(), theta::agg(), theta::union()]
}

pub(super) fn scalars() -> Vec<ScalarUDF> {
    let mut all = vec![hll::estimate(), hll::bounds(), theta::estimate(), theta::bounds()];
    all.extend(algebra::functions());
    all
}

/// A refusal of the crate's as an error of ours.
fn refused(cause: datasketches::error::Error) -> Error {
    Error::input(format!("not a sketch of Apache DataSketches: {}", cause.message()))
}

fn sigmas(sigma: u8) -> NumStdDev {
    match sigma {
        1 => NumStdDev::One,
        2 => NumStdDev::Two,
        _ => NumStdDev::Three,
    }
}

/// An estimate in whole users; its interval is rounded outward.
fn to_estimate(low: f64, estimate: f64, high: f64) -> Estimate {
    Estimate { users: estimate.round() as u64, low: low.floor() as u64, high: high.ceil() as u64 }
}

/// The argument `lg_k`, or the default.
fn lg_k(name: &str, args: &AccumulatorArgs<'_>, default: u8) -> Result<u8> {
    let Some(argument) = args.exprs.get(1) else { return Ok(default) };
    let literal = argument.downcast_ref::<Literal>().map(Literal::value);
    let integer = literal.map(|value| value.cast_to(&DataType::Int64)).transpose()?;
    match integer {
        Some(ScalarValue::Int64(Some(lg_k))) => Ok(u8::try_from(lg_k).unwrap_or(u8::MAX)),
        _ => plan_err!("the lg_k of {name} must be a constant, not `{argument}`"),
    }
}

/// An error if the argument `lg_k` is no integer.
fn must_be_lg_k(name: &str, types: &[DataType]) -> Result<()> {
    match types {
        [] => Ok(()),
        [lg_k] if lg_k.is_integer() => Ok(()),
        [other] => {
            plan_err!("the lg_k of {name} must be an integer constant, not a value of type {other}")
        }
        _ => plan_err!("{name} takes one or two arguments, not {}", types.len() + 1),
    }
}
