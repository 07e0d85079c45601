//! The result type of functions that return an estimate with its interval: a struct of three
//! BIGINT.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StructArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Int64Type};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::ReturnFieldArgs;

use super::values::{Values, must_be_bytes};
use crate::users::Estimate;
use crate::{Error, Result as EngineResult};

/// What the argument `sigma` means, for documentations.
pub(super) const SIGMA: &str = "The width of the interval, 1, 2 or 3 standard errors: it contains \
                                the true number in 68.3, 95.4 or 99.7 % of cases; the default is \
                                2.";

fn fields() -> Fields {
    let field = |name: &str| Field::new(name, DataType::Int64, true);
    Fields::from(vec![field("low"), field("estimate"), field("high")])
}

/// The result type of a function of a sketch and, optionally, standard errors.
///
/// # Errors
/// When the arguments are others.
pub(super) fn answers(name: &str, args: &ReturnFieldArgs<'_>) -> Result<DataType> {
    match args.arg_fields {
        [sketch, sigma @ ..] if sigma.len() < 2 => {
            must_be_bytes(name, "sketches", sketch.data_type())?;
            match sigma.first().map(|sigma| sigma.data_type()) {
                Some(other) if !other.is_integer() => {
                    plan_err!("the sigma of {name} must be 1, 2 or 3, not a value of type {other}")
                }
                _ => Ok(DataType::Struct(fields())),
            }
        }
        _ => plan_err!("{name} takes a sketch and, optionally, 1, 2 or 3 standard errors"),
    }
}

/// The answers: `estimate` of every sketch at its number of standard errors.
///
/// # Errors
/// When a sketch cannot be read, or sigma is none of 1, 2 and 3.
pub(super) fn answer<T>(
    columns: &[ArrayRef],
    read: fn(&[u8]) -> EngineResult<T>,
    estimate: fn(&T, u8) -> EngineResult<Estimate>,
) -> EngineResult<ArrayRef> {
    let (column, sigmas) = match columns {
        [column] => (column, None),
        [column, sigmas] => (column, Some(cast(sigmas, &DataType::Int64)?)),
        _ => return Err(super::function::other_columns()),
    };
    let mut sketches = Values::of(column, read)?;
    let estimates: Vec<Option<Estimate>> = (0..column.len())
        .map(|row| {
            let sigma = sigmas.as_ref().map_or(Some(2), |sigmas| {
                let sigmas = sigmas.as_primitive::<Int64Type>();
                sigmas.is_valid(row).then(|| sigmas.value(row))
            });
            let (Some(sketch), Some(sigma)) = (sketches.get(row)?, sigma) else { return Ok(None) };
            match sigma {
                1..=3 => estimate(sketch, sigma as u8).map(Some),
                _ => Err(Error::input(format!("sigma must be 1, 2 or 3, not {sigma}"))),
            }
        })
        .collect::<EngineResult<_>>()?;
    let column = |of: fn(&Estimate) -> u64| -> ArrayRef {
        Arc::new(estimates.iter().map(|e| e.as_ref().map(|e| of(e) as i64)).collect::<Int64Array>())
    };
    let columns = vec![column(|e| e.low), column(|e| e.users), column(|e| e.high)];
    let nulls = NullBuffer::from_iter(estimates.iter().map(Option::is_some));
    Ok(Arc::new(StructArray::try_new(fields(), columns, Some(nulls))?))
}
