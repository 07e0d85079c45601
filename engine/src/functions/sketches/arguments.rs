//! Arguments and results that the sketches have in common.

use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;
use datasketches::common::NumStdDev;

use crate::Error;
use crate::users::Estimate;

/// A refusal of the crate's as an error of ours.
pub(super) fn refused(cause: datasketches::error::Error) -> Error {
    Error::input(format!("not a sketch of Apache DataSketches: {}", cause.message()))
}

pub(super) fn sigmas(sigma: u8) -> NumStdDev {
    match sigma {
        1 => NumStdDev::One,
        2 => NumStdDev::Two,
        _ => NumStdDev::Three,
    }
}

/// An estimate in whole users; its interval is rounded outward.
pub(super) fn to_estimate(low: f64, estimate: f64, high: f64) -> Estimate {
    Estimate { users: estimate.round() as u64, low: low.floor() as u64, high: high.ceil() as u64 }
}

/// The argument `lg_k`, or the default.
pub(super) fn lg_k(name: &str, args: &AccumulatorArgs<'_>, default: u8) -> Result<u8> {
    let Some(argument) = args.exprs.get(1) else { return Ok(default) };
    let literal = argument.downcast_ref::<Literal>().map(Literal::value);
    let integer = literal.map(|value| value.cast_to(&DataType::Int64)).transpose()?;
    match integer {
        Some(ScalarValue::Int64(Some(lg_k))) => Ok(u8::try_from(lg_k).unwrap_or(u8::MAX)),
        _ => plan_err!("the lg_k of {name} must be a constant, not `{argument}`"),
    }
}

/// An error if the argument `lg_k` is no integer.
pub(super) fn must_be_lg_k(name: &str, types: &[DataType]) -> Result<()> {
    match types {
        [] => Ok(()),
        [lg_k] if lg_k.is_integer() => Ok(()),
        [other] => {
            plan_err!("the lg_k of {name} must be an integer constant, not a value of type {other}")
        }
        _ => plan_err!("{name} takes one or two arguments, not {}", types.len() + 1),
    }
}
