//! Arithmetic with PostgreSQL's errors: overflow, division by zero, and results that are not
//! finite.
//!
//! A `numeric` has up to 38 digits as it comes from a column, and up to [`WIDE_PRECISION`] as a
//! quotient or a product, with at most [`MAX_SCALE`] decimal places.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, Float64Array};
use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::{DataType, Decimal256Type, Float64Type, i256};
use arrow::error::ArrowError;
use datafusion::common::{exec_err, not_impl_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::server::postgres::function::{Call, Function, Types, cast_checked, map_rows};

/// Most digits of a number of 128 bits.
pub(super) const PRECISION: u8 = 38;
/// Most digits of a number of 256 bits.
pub(super) const WIDE_PRECISION: u8 = 76;
/// Most decimal places of a product, a quotient, and a number made of a float or a text.
pub(super) const MAX_SCALE: i8 = 40;

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
            BinaryOperator::Minus => return Some(subtract_integers(left, right)),
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

/// The checked difference of two integers.
pub(super) fn subtract_integers(left: Expr, right: Expr) -> Expr {
    integers("integer_subtract", |call| integer(call, sub)).call(vec![left, right])
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
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric",
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
        finite(value, &[a, b], call.returns())
    })?;
    let values: ArrayRef = Arc::new(Float64Array::from(values));
    Ok(if is_single { arrow::compute::cast(&values, &DataType::Float32)? } else { values })
}

/// Exact products.
const NUMERIC_MULTIPLY: Function = Function {
    name: "numeric_multiply",
    arguments: 2..=2,
    returns: |types| {
        let (left, right) = (types.of(0), types.of(1));
        let (precision, scale) = (digits(left) + digits(right), scale(left)? + scale(right)?);
        Ok(match precision <= PRECISION {
            true => DataType::Decimal128(precision, scale),
            false => DataType::Decimal256(WIDE_PRECISION, scale.min(MAX_SCALE)),
        })
    },
    compute: |call| {
        let (left, right) = (wide(call, 0)?, wide(call, 1)?);
        let surplus = left.scale + right.scale - scale(call.returns())?;
        let values = map_rows(call.rows(), &[&left.values, &right.values], |row| {
            let product = left.values.value(row).checked_mul(right.values.value(row));
            let value = product.and_then(|product| rescaled(product, -surplus));
            value.ok_or_else(|| out_of_range(call.returns()))
        })?;
        numbers(values, call.returns())
    },
};

/// Quotients with as many digits as PostgreSQL computes: at least 16 that are significant.
pub(super) const NUMERIC_DIVIDE: Function = Function {
    name: "numeric_divide",
    arguments: 2..=2,
    returns: |types| {
        scale(types.of(0))?;
        scale(types.of(1))?;
        Ok(DataType::Decimal256(WIDE_PRECISION, MAX_SCALE))
    },
    compute: |call| {
        let (left, right) = (wide(call, 0)?, wide(call, 1)?);
        let values = map_rows(call.rows(), &[&left.values, &right.values], |row| {
            let (a, b) = (left.values.value(row), right.values.value(row));
            if b == i256::ZERO {
                return exec_err!("division by zero");
            }
            let places = quotient_scale(a, &left, b, &right);
            let dividend = rescaled(a, places + right.scale - left.scale);
            let value = dividend.and_then(|dividend| rounded(dividend, b));
            let value = value.and_then(|value| rescaled(value, MAX_SCALE - places));
            value.ok_or_else(|| out_of_range(call.returns()))
        })?;
        numbers(values, call.returns())
    },
};

/// The decimal places of a quotient in PostgreSQL (`select_div_scale`), which counts in groups of
/// four digits.
fn quotient_scale(a: i256, left: &Wide, b: i256, right: &Wide) -> i8 {
    let ((a_weight, a_first), (b_weight, b_first)) =
        (leading(a, left.scale), leading(b, right.scale));
    let weight = a_weight - b_weight - i32::from(a_first <= b_first);
    let places = (16 - weight * 4).max(left.places(a_weight)).max(right.places(b_weight));
    i8::try_from(places.clamp(0, i32::from(MAX_SCALE))).unwrap_or(MAX_SCALE)
}

/// The first group of four digits of a number, and the power of 10,000 that it counts.
fn leading(value: i256, scale: i8) -> (i32, i32) {
    let digits = value.wrapping_abs().to_string();
    if digits == "0" {
        return (0, 0);
    }
    // Digits before the decimal point; none or fewer for numbers below 1.
    let whole = i32::try_from(digits.len()).unwrap_or(i32::MAX) - i32::from(scale);
    let weight = (whole - 1).div_euclid(4);
    let length = usize::try_from(whole - weight * 4).unwrap_or(4);
    let first = format!("{digits:0<4}");
    (weight, first.get(..length).and_then(|first| first.parse().ok()).unwrap_or_default())
}

/// The digits that a number of a type can have.
pub(super) fn digits(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Decimal128(precision, _) | DataType::Decimal256(precision, _) => *precision,
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        _ => 20,
    }
}

/// The decimal places of an exact type.
pub(super) fn scale(data_type: &DataType) -> Result<i8> {
    match data_type {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) if *scale >= 0 => {
            Ok(*scale)
        }
        other if other.is_integer() || *other == DataType::Null => Ok(0),
        other => plan_err!("numeric arithmetic is not supported for {other}"),
    }
}

/// The unscaled values of an argument, and their decimal places.
pub(super) struct Wide {
    pub(super) values: Decimal256Array,
    pub(super) scale: i8,
    /// Whether they are quotients, which have more places than PostgreSQL computes.
    is_quotient: bool,
}

impl Wide {
    /// The decimal places that a value has in PostgreSQL.
    fn places(&self, weight: i32) -> i32 {
        if self.is_quotient { 16 - weight * 4 } else { i32::from(self.scale) }
    }
}

/// An argument that is a whole or exact number.
pub(super) fn wide(call: &Call<'_>, at: usize) -> Result<Wide> {
    widened(&call.column(at)?)
}

pub(super) fn widened(column: &ArrayRef) -> Result<Wide> {
    let scale = scale(column.data_type())?;
    let values = cast_checked(column, &DataType::Decimal256(WIDE_PRECISION, scale))?;
    let is_quotient = matches!(column.data_type(), DataType::Decimal256(..)) && scale == MAX_SCALE;
    Ok(Wide { values: values.as_primitive::<Decimal256Type>().clone(), scale, is_quotient })
}

/// Unscaled values as numbers of an exact type.
pub(super) fn numbers(values: Vec<Option<i256>>, to: &DataType) -> Result<ArrayRef> {
    Ok(match *to {
        DataType::Decimal256(precision, scale) => {
            let values = Decimal256Array::from(values);
            let values = values.with_precision_and_scale(precision, scale)?;
            values.validate_decimal_precision(precision).map_err(|_| out_of_range(to))?;
            Arc::new(values)
        }
        DataType::Decimal128(precision, scale) => {
            let narrow = |value: i256| value.to_i128().ok_or_else(|| out_of_range(to));
            let values = values.into_iter().map(|value| value.map(narrow).transpose());
            let values = values.collect::<Result<Vec<_>>>()?;
            let values = Decimal128Array::from(values);
            let values = values.with_precision_and_scale(precision, scale)?;
            values.validate_decimal_precision(precision).map_err(|_| out_of_range(to))?;
            Arc::new(values)
        }
        ref other => return plan_err!("{other} is not numeric"),
    })
}

fn power(exponent: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(exponent)
}

/// A value with more decimal places, or with fewer, rounded half away from zero.
pub(super) fn rescaled(value: i256, places: i8) -> Option<i256> {
    match power(u32::from(places.unsigned_abs())) {
        Some(unit) if places >= 0 => value.checked_mul(unit),
        Some(unit) => rounded(value, unit),
        None => (places < 0 || value == i256::ZERO).then_some(i256::ZERO),
    }
}

/// The quotient, rounded half away from zero.
pub(super) fn rounded(dividend: i256, divisor: i256) -> Option<i256> {
    let (quotient, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let is_half = rest.wrapping_abs().checked_mul(i256::from_i128(2))? >= divisor.wrapping_abs();
    let away = if (dividend < i256::ZERO) == (divisor < i256::ZERO) { 1 } else { -1 };
    quotient.checked_add(i256::from_i128(if is_half { away } else { 0 }))
}

/// Floats rounded to whole numbers, half to even.
pub(super) fn round_even(values: &ArrayRef) -> Result<ArrayRef> {
    let floats = values.as_primitive::<Float64Type>();
    Ok(Arc::new(floats.unary::<_, Float64Type>(f64::round_ties_even) as Float64Array))
}

/// Functions of floats; of exact numbers their results are exact in PostgreSQL, so those are refused.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let all = [
        of_floats("cbrt", |call| unary(call, f64::cbrt)),
        of_floats("exp", |call| unary(call, f64::exp)),
        of_floats("ln", |call| logarithm(call, f64::ln)),
        of_floats("log10", |call| logarithm(call, f64::log10)),
        of_floats("sqrt", |call| {
            check_argument(call, |value| {
                (value < 0.0).then_some("cannot take square root of a negative number")
            })?;
            unary(call, f64::sqrt)
        }),
        Function {
            arguments: 1..=2,
            ..of_floats("log", |call| match call.count() {
                1 => logarithm(call, f64::log10),
                _ => float(call, |base, value| value.log(base)),
            })
        },
        POWER,
    ];
    all.into_iter().map(ScalarUDF::from).collect()
}

/// `power(a, b)`, which `a ^ b` is.
pub(super) const POWER: Function =
    Function { arguments: 2..=2, ..of_floats("power", |call| float(call, f64::powf)) };

const fn of_floats(name: &'static str, compute: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    Function { name, arguments: 1..=1, returns: float_type, compute }
}

fn float_type(types: &Types<'_>) -> Result<DataType> {
    let is_any = |is: fn(&DataType) -> bool| (0..types.count()).any(|at| is(types.of(at)));
    match is_any(is_numeric) && !is_any(DataType::is_floating) {
        true => not_impl_err!(
            "{} of numeric is not supported: cast it to double precision",
            types.function()
        ),
        false => Ok(DataType::Float64),
    }
}

fn logarithm(call: &Call<'_>, operation: fn(f64) -> f64) -> Result<ArrayRef> {
    check_argument(call, |value| match value {
        0.0 => Some("cannot take logarithm of zero"),
        value if value < 0.0 => Some("cannot take logarithm of a negative number"),
        _ => None,
    })?;
    unary(call, operation)
}

/// Checks that a function takes its argument.
fn check_argument(call: &Call<'_>, wrong: fn(f64) -> Option<&'static str>) -> Result<()> {
    let values = call.cast(0, &DataType::Float64)?;
    match values.as_primitive::<Float64Type>().iter().flatten().find_map(wrong) {
        Some(message) => exec_err!("{message}"),
        None => Ok(()),
    }
}

fn unary(call: &Call<'_>, operation: fn(f64) -> f64) -> Result<ArrayRef> {
    let values = call.cast(0, &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>();
    let results = map_rows(call.rows(), &[values], |row| {
        let value = values.value(row);
        finite(operation(value), &[value], call.returns())
    })?;
    Ok(Arc::new(Float64Array::from(results)))
}

/// A result, which must be finite if the operands are.
fn finite(result: f64, operands: &[f64], of: &DataType) -> Result<f64> {
    match result.is_finite() || !operands.iter().all(|operand| operand.is_finite()) {
        true => Ok(result),
        false => Err(out_of_range(of)),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::i256;

    use super::{Wide, leading, quotient_scale, rescaled};

    #[test]
    fn quotients_have_the_digits_of_postgresql() {
        let wide = |scale| Wide { values: Vec::<i256>::new().into(), scale, is_quotient: false };
        let scale = |a: i128, a_scale, b: i128, b_scale| {
            let (a, b) = (i256::from_i128(a), i256::from_i128(b));
            quotient_scale(a, &wide(a_scale), b, &wide(b_scale))
        };
        assert_eq!(leading(i256::from_i128(123_456), 2), (0, 1234));
        assert_eq!(leading(i256::from_i128(12_345), 0), (1, 1));
        assert_eq!(leading(i256::from_i128(5), 1), (-1, 5000));
        // 1 / 3.0, 10 / 4.0, 2 / 2.0, 1 / 30000.0, 100000 / 3.0
        assert_eq!((scale(1, 0, 30, 1), scale(10, 0, 40, 1), scale(2, 0, 20, 1)), (20, 16, 20));
        assert_eq!((scale(1, 0, 300_000, 1), scale(100_000, 0, 30, 1)), (24, 12));
    }

    #[test]
    fn numbers_are_rounded_half_away_from_zero() {
        let rounded = |value| rescaled(i256::from_i128(value), -1).and_then(i256::to_i128);
        assert_eq!((rounded(125), rounded(-125), rounded(124)), (Some(13), Some(-13), Some(12)));
    }
}
