//! `numeric`: rounding, and conversion of other types.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, i256};
use datafusion::common::plan_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;

use super::arithmetic::{
    MAX_SCALE, PRECISION, WIDE_PRECISION, digits, is_numeric, numbers, out_of_range, rescaled,
    round_even, scale, wide, widened,
};
use crate::server::postgres::function::{Call, Function, Types, map_rows};

/// Most decimal places to which a number is rounded.
const MOST_ROUNDED: i8 = 20;

/// The functions that statements can name.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [ROUND, TRUNC, NUMERIC].into_iter().map(ScalarUDF::from).collect()
}

/// `round(x)` and `round(numeric, places)`.
const ROUND: Function = Function {
    name: "round",
    arguments: 1..=2,
    returns: rounded_type,
    compute: |call| match call.returns() {
        DataType::Float64 => round_even(&call.cast(0, &DataType::Float64)?),
        _ => at_places(call, true),
    },
};

/// `trunc(x)` and `trunc(numeric, places)`.
const TRUNC: Function = Function {
    name: "trunc",
    arguments: 1..=2,
    returns: rounded_type,
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
fn rounded_type(types: &Types<'_>) -> Result<DataType> {
    let of = types.of(0);
    match of {
        _ if types.count() == 1 && !is_numeric(of) => Ok(DataType::Float64),
        _ if types.count() == 1 => Ok(DataType::Decimal128(PRECISION, 0)),
        DataType::Null => Ok(DataType::Float64),
        _ if is_numeric(of) || of.is_integer() => Ok(match types.integer(1) {
            Some(places) => {
                let most = if is_numeric(of) { scale(of)?.max(MOST_ROUNDED) } else { MOST_ROUNDED };
                let places = i8::try_from(places.clamp(0, i64::from(most))).unwrap_or_default();
                DataType::Decimal128(PRECISION, places)
            }
            None => DataType::Decimal256(WIDE_PRECISION, MAX_SCALE),
        }),
        other => {
            let name = types.function();
            plan_err!("No function matches {name}({other}, places): cast the number to numeric")
        }
    }
}

fn at_places(call: &Call<'_>, rounds: bool) -> Result<ArrayRef> {
    let from = wide(call, 0)?;
    let to = scale(call.returns())?;
    let places = match call.count() {
        1 => None,
        _ => Some(call.cast(1, &DataType::Int64)?),
    };
    let places = places.as_ref().map(|places| places.as_primitive::<Int64Type>());
    let mut nulls: Vec<&dyn Array> = vec![&from.values];
    nulls.extend(places.map(|places| places as &dyn Array));
    let results = map_rows(call.rows(), &nulls, |row| {
        let places = places.map_or(0, |places| places.value(row)).clamp(-76, 76);
        let surplus = i8::try_from(i64::from(from.scale) - places).unwrap_or(i8::MAX);
        let value = cut(from.values.value(row), surplus, rounds);
        let value = value.and_then(|value| rescaled(value, to - from.scale));
        value.ok_or_else(|| out_of_range(call.returns()))
    })?;
    numbers(results, call.returns())
}

/// Makes the last digits zero.
fn cut(value: i256, digits: i8, rounds: bool) -> Option<i256> {
    if digits <= 0 {
        return Some(value);
    }
    let whole = match rounds {
        true => rescaled(value, -digits)?,
        false => value.checked_div(rescaled(i256::ONE, digits)?)?,
    };
    rescaled(whole, digits)
}

/// Exact numbers with no decimal places, rounded half away from zero.
pub(super) fn round(values: &ArrayRef) -> Result<ArrayRef> {
    let from = widened(values)?;
    let to = DataType::Decimal128(PRECISION, 0);
    let results = map_rows(values.len(), &[&from.values], |row| {
        let value = rescaled(from.values.value(row), -from.scale);
        value.ok_or_else(|| out_of_range(&to))
    })?;
    numbers(results, &to)
}

/// `x::numeric`: whole numbers have no decimal places, constant texts their own; other texts, and
/// floats, which have 15 significant digits, up to [`MAX_SCALE`].
pub(super) const NUMERIC: Function = Function {
    name: "numeric",
    arguments: 1..=1,
    returns: |types| {
        Ok(match types.of(0) {
            of if is_numeric(of) => of.clone(),
            of if of.is_integer() => DataType::Decimal128(digits(of), 0),
            DataType::Null => DataType::Decimal128(PRECISION, 0),
            of if of.is_string() => match types.text(0).and_then(decimals) {
                Some(places) => DataType::Decimal128(PRECISION, places),
                None => DataType::Decimal256(WIDE_PRECISION, MAX_SCALE),
            },
            of if of.is_floating() => DataType::Decimal256(WIDE_PRECISION, MAX_SCALE),
            other => return plan_err!("cannot cast {other} to numeric"),
        })
    },
    compute: |call| {
        let values = call.column(0)?;
        let to = call.returns();
        if !values.data_type().is_floating() && !values.data_type().is_string() {
            return call.cast(0, to);
        }
        let texts = match values.data_type().is_floating() {
            true => {
                let floats = call.cast(0, &DataType::Float64)?;
                let floats = floats.as_primitive::<Float64Type>();
                // The digits that identify a float of 32 bits are 6.
                let digits = if *values.data_type() == DataType::Float32 { 5 } else { 14 };
                floats.iter().map(|value| value.map(|value| format!("{value:.digits$e}"))).collect()
            }
            false => call.texts(0)?,
        };
        let scale = scale(to)?;
        let results =
            map_rows(call.rows(), &[&texts], |row| parse(texts.value(row).trim(), scale))?;
        numbers(results, to)
    },
};

/// The decimal places of a number as it is written.
pub(super) fn decimals(text: &str) -> Option<i8> {
    let (number, exponent) = text.trim().split_once(['e', 'E']).unwrap_or((text.trim(), "0"));
    let places = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let places = i64::try_from(places).ok()? - exponent.parse::<i64>().ok()?;
    i8::try_from(places.max(0)).ok().filter(|places| *places <= 30)
}

/// The unscaled value of a number, rounded to the scale.
pub(super) fn parse(text: &str, scale: i8) -> Result<i256> {
    let invalid =
        || DataFusionError::Execution(format!("invalid input syntax for type numeric: \"{text}\""));
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().map_err(|_| invalid())?;
    let (is_negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(invalid());
    }
    let places =
        i64::from(scale) + exponent - i64::try_from(fraction.len()).map_err(|_| invalid())?;
    let value = match digits.trim_start_matches('0') {
        "" => Some(i256::ZERO),
        digits => i256::from_string(digits)
            .and_then(|value| rescaled(value, i8::try_from(places.clamp(-127, 127)).ok()?)),
    };
    let value = value.and_then(|value| if is_negative { value.checked_neg() } else { Some(value) });
    value.ok_or_else(|| out_of_range(&DataType::Decimal128(PRECISION, scale)))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::i256;

    use super::{cut, decimals, parse};

    #[test]
    fn digits_are_cut_off_or_rounded() {
        let cut = |value, digits, rounds| cut(i256::from_i128(value), digits, rounds);
        let is = |value| Some(i256::from_i128(value));
        assert_eq!((cut(125, 1, true), cut(-125, 1, true)), (is(130), is(-130)));
        assert_eq!((cut(124, 1, true), cut(129, 1, false)), (is(120), is(120)));
        assert_eq!((cut(129, -2, true), cut(-129, 1, false)), (is(129), is(-120)));
        assert_eq!(cut(5, 40, true), is(0));
    }

    #[test]
    fn texts_keep_their_digits() {
        assert_eq!(
            (decimals("1.50"), decimals("1e3"), decimals("1.5e-3")),
            (Some(2), Some(0), Some(4))
        );
        let parse = |text, scale| parse(text, scale).map(|value| value.to_string());
        assert_eq!(parse("-1.50", 2).unwrap(), "-150");
        assert_eq!(parse("1e3", 0).unwrap(), "1000");
        assert_eq!(parse("1.00000000000000e-1", 20).unwrap(), "10000000000000000000");
        assert_eq!(parse("1.555", 2).unwrap(), "156");
        assert!(parse("", 2).is_err() && parse("x", 2).is_err() && parse("1e90", 0).is_err());
    }
}
