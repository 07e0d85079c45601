//! Arithmetic with PostgreSQL's errors: overflow, division by zero, and results that are not
//! finite. `numeric` products and quotients keep [`DIGITS`] decimal places.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, i256};
use arrow::error::ArrowError;
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::function::{Call, Function, Types, map_rows};

/// Most decimal places of a product and a quotient.
pub(super) const DIGITS: i8 = 20;
/// Most digits of a number.
pub(super) const PRECISION: u8 = 38;

/// The checked form of an operation on two numbers; `None` if DataFusion's has the same results.
pub(super) fn checked(
    op: &BinaryOperator,
    left: Expr,
    right: Expr,
    types: [&DataType; 2],
) -> Option<Expr> {
    let is_integer = |data_type: &DataType| data_type.is_integer();
    let is_exact = |data_type: &DataType| is_integer(data_type) || is_numeric(data_type);
    let function = if types.into_iter().all(is_integer) {
        match op {
            BinaryOperator::Plus => integers("integer_add", |call| integer(call, add)),
            BinaryOperator::Minus => integers("integer_subtract", |call| integer(call, sub)),
            BinaryOperator::Multiply => integers("integer_multiply", |call| integer(call, mul)),
            _ => return None,
        }
    } else if types.into_iter().all(is_exact) {
        match op {
            BinaryOperator::Multiply => NUMERIC_MULTIPLY,
            BinaryOperator::Divide => NUMERIC_DIVIDE,
            _ => return None,
        }
    } else if types.into_iter().all(DataType::is_numeric) {
        match op {
            BinaryOperator::Plus => floats("float_add", |call| float(call, |a, b| a + b)),
            BinaryOperator::Minus => floats("float_subtract", |call| float(call, |a, b| a - b)),
            BinaryOperator::Multiply => floats("float_multiply", |call| float(call, |a, b| a * b)),
            BinaryOperator::Divide => floats("float_divide", float_divide),
            _ => return None,
        }
    } else {
        return None;
    };
    Some(function.call(vec![left, right]))
}

pub(super) fn is_numeric(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..) | DataType::Decimal256(..))
}

fn integers(name: &'static str, compute: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    Function { name, arguments: 2..=2, returns: integer_type, compute }
}

/// The wider of two integer types; PostgreSQL has no unsigned ones.
fn integer_type(types: &Types<'_>) -> Result<DataType> {
    let width = |at: usize| match types.of(at) {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => 2,
        DataType::Int32 | DataType::UInt16 => 4,
        _ => 8,
    };
    Ok(match width(0).max(width(1)) {
        2 => DataType::Int16,
        4 => DataType::Int32,
        _ => DataType::Int64,
    })
}

type Kernel = fn(
    &dyn arrow::array::Datum,
    &dyn arrow::array::Datum,
) -> std::result::Result<ArrayRef, ArrowError>;

fn integer(call: &Call<'_>, kernel: Kernel) -> Result<ArrayRef> {
    let (left, right) = (call.cast(0, call.returns())?, call.cast(1, call.returns())?);
    kernel(&left, &right).map_err(|_| out_of_range(call.returns()))
}

/// The error for a number that its type does not have.
pub(super) fn out_of_range(data_type: &DataType) -> DataFusionError {
    let name = match data_type {
        DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        DataType::Decimal128(..) => "numeric",
        _ => "value",
    };
    DataFusionError::Execution(format!("{name} out of range"))
}

fn floats(name: &'static str, compute: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    let returns = |types: &Types<'_>| match (types.of(0), types.of(1)) {
        (DataType::Float32, DataType::Float32) => Ok(DataType::Float32),
        _ => Ok(DataType::Float64),
    };
    Function { name, arguments: 2..=2, returns, compute }
}

fn float_divide(call: &Call<'_>) -> Result<ArrayRef> {
    let divisors = call.cast(1, &DataType::Float64)?;
    let divisors = divisors.as_primitive::<Float64Type>();
    let dividends = call.column(0)?;
    if (0..call.rows())
        .any(|row| divisors.is_valid(row) && divisors.value(row) == 0.0 && dividends.is_valid(row))
    {
        return exec_err!("division by zero");
    }
    float(call, |a, b| a / b)
}

fn float(call: &Call<'_>, operation: fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (left, right) = (call.cast(0, &DataType::Float64)?, call.cast(1, &DataType::Float64)?);
    let (left, right) = (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>());
    let is_single = *call.returns() == DataType::Float32;
    let values = map_rows(call.rows(), &[left, right], |row| {
        let (a, b) = (left.value(row), right.value(row));
        let value = operation(a, b);
        let value = if is_single { f64::from(value as f32) } else { value };
        match value.is_finite() || !a.is_finite() || !b.is_finite() {
            true => Ok(value),
            false => Err(out_of_range(call.returns())),
        }
    })?;
    let values: ArrayRef = Arc::new(Float64Array::from(values));
    Ok(if is_single { arrow::compute::cast(&values, &DataType::Float32)? } else { values })
}

const NUMERIC_MULTIPLY: Function = Function {
    name: "numeric_multiply",
    arguments: 2..=2,
    returns: |types| {
        let scale = scale(types.of(0))? + scale(types.of(1))?;
        Ok(DataType::Decimal128(PRECISION, scale.min(DIGITS)))
    },
    compute: |call| {
        numeric(call, |left, right, surplus| {
            let product = left.checked_mul(right)?;
            if surplus >= 0 { rounded(product, power(surplus)?) } else { None }
        })
    },
};

const NUMERIC_DIVIDE: Function = Function {
    name: "numeric_divide",
    arguments: 2..=2,
    returns: |types| {
        let scale = scale(types.of(0))?.max(scale(types.of(1))?);
        Ok(DataType::Decimal128(PRECISION, scale.max(DIGITS)))
    },
    compute: |call| numeric(call, |left, right, _| rounded(left, right)),
};

/// The decimal places of an exact type.
pub(super) fn scale(data_type: &DataType) -> Result<i8> {
    match data_type {
        DataType::Decimal128(_, scale) if *scale >= 0 => Ok(*scale),
        other if other.is_integer() => Ok(0),
        other => plan_err!("numeric arithmetic is not supported for {other}"),
    }
}

/// Combines unscaled values. A dividend gets the decimal places that its quotient lacks; for a
/// product the third argument is the number of places that it has too many.
fn numeric(
    call: &Call<'_>,
    operation: impl Fn(i256, i256, i8) -> Option<i256>,
) -> Result<ArrayRef> {
    let (left_scale, right_scale) =
        (scale(call.column(0)?.data_type())?, scale(call.column(1)?.data_type())?);
    let wide = |at: usize, scale| call.cast(at, &DataType::Decimal128(PRECISION, scale));
    let (left, right) = (wide(0, left_scale)?, wide(1, right_scale)?);
    let (left, right) =
        (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
    let scale = scale(call.returns())?;
    let divides = call.arguments.return_field.name() == NUMERIC_DIVIDE.name;
    let lacking = if divides { power(scale + right_scale - left_scale) } else { Some(i256::ONE) };
    let lacking = lacking.ok_or_else(|| out_of_range(call.returns()))?;
    let values = map_rows(call.rows(), &[left, right], |row| {
        let (a, b) = (i256::from_i128(left.value(row)), i256::from_i128(right.value(row)));
        if divides && b == i256::ZERO {
            return exec_err!("division by zero");
        }
        let value = a.checked_mul(lacking);
        let value = value.and_then(|a| operation(a, b, left_scale + right_scale - scale));
        let value = value.and_then(i256::to_i128).filter(|value| fits(*value));
        value.ok_or_else(|| out_of_range(call.returns()))
    })?;
    Ok(Arc::new(Decimal128Array::from(values).with_precision_and_scale(PRECISION, scale)?))
}

pub(super) fn fits(value: i128) -> bool {
    value.unsigned_abs() < 10_u128.pow(u32::from(PRECISION))
}

fn power(exponent: i8) -> Option<i256> {
    i256::from_i128(10).checked_pow(u32::try_from(exponent).ok()?)
}

/// The quotient, rounded half away from zero.
fn rounded(dividend: i256, divisor: i256) -> Option<i256> {
    let (quotient, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let is_half = rest.wrapping_abs().checked_mul(i256::from_i128(2))? >= divisor.wrapping_abs();
    let away = if (dividend < i256::ZERO) == (divisor < i256::ZERO) { 1 } else { -1 };
    quotient.checked_add(i256::from_i128(if is_half { away } else { 0 }))
}

/// The results of a function of floats, of which PostgreSQL refuses those that are not finite.
pub(super) const FINITE: Function = Function {
    name: "finite",
    arguments: 1..=3,
    returns: |types| Ok(types.of(0).clone()),
    compute: |call| {
        let results = call.column(0)?;
        let is_finite = |values: &ArrayRef, row: usize| match values.data_type() {
            DataType::Float64 => values.as_primitive::<Float64Type>().value(row).is_finite(),
            DataType::Float32 => values.as_primitive::<Float32Type>().value(row).is_finite(),
            _ => true,
        };
        let inputs = (1..call.count()).map(|at| call.column(at)).collect::<Result<Vec<_>>>()?;
        let broken = (0..call.rows()).any(|row| {
            results.is_valid(row)
                && !is_finite(&results, row)
                && inputs.iter().all(|input| is_finite(input, row))
        });
        if broken { Err(out_of_range(results.data_type())) } else { Ok(results) }
    },
};
