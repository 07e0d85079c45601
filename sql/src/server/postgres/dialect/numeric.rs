//! `numeric`: rounding, and conversion of other types.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;

use super::arithmetic::{DIGITS, PRECISION, fits, is_numeric, out_of_range};
use super::casts::round_even;
use super::function::{Call, Function, Types, map_rows};

/// The functions that statements can name.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [ROUND, TRUNC, NUMERIC].into_iter().map(ScalarUDF::from).collect()
}

/// `round(x)` and `round(numeric, places)`.
const ROUND: Function = Function {
    name: "round",
    arguments: 1..=2,
    returns: |types| rounded_type(types, "round"),
    compute: |call| match call.returns() {
        DataType::Float64 => round_even(&call.cast(0, &DataType::Float64)?),
        _ => at_places(call, true),
    },
};

/// `trunc(x)` and `trunc(numeric, places)`.
const TRUNC: Function = Function {
    name: "trunc",
    arguments: 1..=2,
    returns: |types| rounded_type(types, "trunc"),
    compute: |call| match call.returns() {
        DataType::Float64 => {
            let floats = call.cast(0, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>();
            Ok(Arc::new(floats.unary::<_, Float64Type>(f64::trunc)))
        }
        _ => at_places(call, false),
    },
};

/// Exact numbers keep as many decimal places as are asked for; floats have no places.
fn rounded_type(types: &Types<'_>, name: &str) -> Result<DataType> {
    if types.count() == 1 && !is_numeric(types.of(0)) {
        return Ok(DataType::Float64);
    }
    match types.of(0) {
        DataType::Decimal128(..) if types.count() == 1 => Ok(DataType::Decimal128(PRECISION, 0)),
        DataType::Decimal128(_, scale) => {
            let places = types
                .integer(1)
                .map_or(*scale, |places| i8::try_from(places.clamp(0, 38)).unwrap_or(*scale));
            Ok(DataType::Decimal128(PRECISION, places.min(DIGITS.max(*scale))))
        }
        other if other.is_integer() => {
            let places = types.integer(1).unwrap_or_default().clamp(0, i64::from(DIGITS));
            Ok(DataType::Decimal128(PRECISION, i8::try_from(places).unwrap_or_default()))
        }
        DataType::Null => Ok(DataType::Float64),
        other => plan_err!("{name}({other}, places) does not exist: cast the number to numeric"),
    }
}

fn at_places(call: &Call<'_>, rounds: bool) -> Result<ArrayRef> {
    let values = call.column(0)?;
    let from = match values.data_type() {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    };
    let DataType::Decimal128(_, to) = *call.returns() else { return exec_err!("not a numeric") };
    let values = call.cast(0, &DataType::Decimal128(PRECISION, from))?;
    let values = values.as_primitive::<Decimal128Type>();
    let places = match call.count() {
        1 => None,
        _ => Some(call.cast(1, &DataType::Int64)?),
    };
    let places = places.as_ref().map(|places| places.as_primitive::<Int64Type>());
    let nulls: Vec<&dyn Array> = match places {
        Some(places) => vec![values, places],
        None => vec![values],
    };
    let results = map_rows(call.rows(), &nulls, |row| {
        let places = places.map_or(0, |places| places.value(row)).clamp(-38, 38);
        let value = cut(values.value(row), i64::from(from) - places, rounds);
        let value = value.and_then(|value| rescale(value, i64::from(to) - i64::from(from)));
        value.filter(|value| fits(*value)).ok_or_else(|| out_of_range(call.returns()))
    })?;
    Ok(Arc::new(Decimal128Array::from(results).with_precision_and_scale(PRECISION, to)?))
}

/// Makes the last digits zero.
fn cut(value: i128, digits: i64, rounds: bool) -> Option<i128> {
    let Ok(digits) = u32::try_from(digits) else { return Some(value) };
    let Some(unit) = 10_i128.checked_pow(digits) else { return Some(0) };
    let (whole, rest) = (value / unit, value % unit);
    let is_half = rounds && rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2) && unit > 1;
    (whole + if is_half { value.signum() } else { 0 }).checked_mul(unit)
}

fn rescale(value: i128, places: i64) -> Option<i128> {
    let factor = 10_i128.checked_pow(u32::try_from(places.unsigned_abs()).ok()?)?;
    if places < 0 { Some(value / factor) } else { value.checked_mul(factor) }
}

/// Exact numbers with no decimal places, rounded half away from zero.
pub(super) fn round(values: &ArrayRef, places: i64) -> Result<ArrayRef> {
    let DataType::Decimal128(_, scale) = *values.data_type() else {
        return exec_err!("not a numeric");
    };
    let numbers = values.as_primitive::<Decimal128Type>();
    let results = map_rows(numbers.len(), &[numbers], |row| {
        let value = cut(numbers.value(row), i64::from(scale) - places, true);
        let value = value.and_then(|value| rescale(value, places - i64::from(scale)));
        value.ok_or_else(|| out_of_range(values.data_type()))
    })?;
    Ok(Arc::new(Decimal128Array::from(results).with_precision_and_scale(PRECISION, 0)?))
}

/// `x::numeric`: whole numbers have no decimal places, constant texts their own, other texts 10, and
/// floats, which have 15 significant digits, [`DIGITS`].
const NUMERIC: Function = Function {
    name: "numeric",
    arguments: 1..=1,
    returns: |types| {
        let scale = match types.of(0) {
            DataType::Decimal128(_, scale) => *scale,
            of if of.is_integer() => 0,
            of if of.is_floating() => DIGITS,
            of if of.is_string() => types.text(0).and_then(decimals).unwrap_or(10),
            DataType::Null => 0,
            other => return plan_err!("cannot cast {other} to numeric"),
        };
        Ok(DataType::Decimal128(PRECISION, scale))
    },
    compute: |call| {
        let DataType::Decimal128(_, scale) = *call.returns() else {
            return exec_err!("not a numeric");
        };
        let values = call.column(0)?;
        if !values.data_type().is_floating() && !values.data_type().is_string() {
            return call.cast(0, call.returns());
        }
        let floats = match values.data_type().is_floating() {
            true => Some(call.cast(0, &DataType::Float64)?),
            false => None,
        };
        let texts = call.texts(0)?;
        let results = map_rows(call.rows(), &[&values], |row| {
            let text = match &floats {
                Some(floats) => format!("{:.14e}", floats.as_primitive::<Float64Type>().value(row)),
                None => texts.value(row).trim().to_owned(),
            };
            parse(&text, scale, floats.is_some())
        })?;
        Ok(Arc::new(Decimal128Array::from(results).with_precision_and_scale(PRECISION, scale)?))
    },
};

/// The decimal places of a number as it is written.
fn decimals(text: &str) -> Option<i8> {
    let (number, exponent) = text.trim().split_once(['e', 'E']).unwrap_or((text.trim(), "0"));
    let places = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let places = i64::try_from(places).ok()? - exponent.parse::<i64>().ok()?;
    i8::try_from(places.max(0)).ok().filter(|places| *places <= 30)
}

/// The unscaled value of a number; digits beyond the scale are an error, or with `rounds` rounded.
fn parse(text: &str, scale: i8, rounds: bool) -> Result<i128> {
    let invalid =
        || DataFusionError::Execution(format!("invalid input syntax for type numeric: \"{text}\""));
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().map_err(|_| invalid())?;
    let (sign, number) = match number.strip_prefix('-') {
        Some(number) => (-1, number),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(invalid());
    }
    let out_of_range = || out_of_range(&DataType::Decimal128(PRECISION, scale));
    let significant = digits.trim_start_matches('0');
    let value: i128 = match significant {
        "" => 0,
        digits => digits.parse().map_err(|_| out_of_range())?,
    };
    let places =
        i64::from(scale) + exponent - i64::try_from(fraction.len()).map_err(|_| invalid())?;
    let value = if places >= 0 {
        if value == 0 { Some(0) } else { rescale(value, places) }
    } else if rounds {
        cut(value, -places, true).and_then(|value| rescale(value, places).or(Some(0)))
    } else {
        match cut(value, -places, false) {
            Some(cut) if cut == value => rescale(value, places),
            _ => {
                return exec_err!(
                    "numeric \"{text}\" has more than {scale} decimal places: cast it to numeric(38, n)"
                );
            }
        }
    };
    value.filter(|value| fits(*value)).map(|value| sign * value).ok_or_else(out_of_range)
}

#[cfg(test)]
mod tests {
    use super::{cut, decimals, parse};

    #[test]
    fn numbers_are_rounded_half_away_from_zero() {
        assert_eq!(cut(125, 1, true), Some(130));
        assert_eq!(cut(-125, 1, true), Some(-130));
        assert_eq!(cut(124, 1, true), Some(120));
        assert_eq!(cut(129, 1, false), Some(120));
        assert_eq!(cut(129, -2, true), Some(129));
        assert_eq!(cut(5, 40, true), Some(0));
    }

    #[test]
    fn texts_keep_their_digits() {
        assert_eq!(
            (decimals("1.50"), decimals("1e3"), decimals("1.5e-3")),
            (Some(2), Some(0), Some(4))
        );
        assert_eq!(parse("-1.50", 2, false).unwrap(), -150);
        assert_eq!(parse("1e3", 0, false).unwrap(), 1000);
        assert_eq!(parse("1.00000000000000e-1", 20, true).unwrap(), 10_000_000_000_000_000_000);
        assert!(parse("1.555", 2, false).is_err() && parse("", 2, false).is_err());
        assert!(parse("x", 2, false).is_err() && parse("1e40", 0, false).is_err());
    }
}
