//! Constants: their types, and texts that stand for values of other types.

use std::sync::Arc;

use arrow::array::{ArrayRef, Time64MicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, cast};
use datafusion::scalar::ScalarValue;

use super::arithmetic::{MAX_SCALE, PRECISION, WIDE_PRECISION, is_numeric};
use super::intervals::INTERVAL_LENGTH;
use super::numeric::{decimals, parse as i256_of};
use super::temporal::{
    INTERVAL, LocalZone, is_read, read_date, read_instant, read_interval, read_time, read_timestamp,
};
use super::text::{bytes, sql_type};
use crate::server::postgres::function::cast_checked;

/// Most decimal places of a constant of 128 bits.
const MOST_NARROW: i8 = 20;

/// A whole constant is an `integer` if it fits, else a `bigint` or `numeric`.
pub(super) fn narrow(expr: &Expr) -> Option<Expr> {
    let Expr::Literal(value, None) = expr else { return None };
    let value = match *value {
        ScalarValue::Int64(Some(value)) => ScalarValue::Int32(Some(i32::try_from(value).ok()?)),
        ScalarValue::UInt64(Some(value)) => {
            ScalarValue::Decimal128(Some(i128::from(value)), PRECISION, 0)
        }
        _ => return None,
    };
    Some(Expr::Literal(value, None))
}

/// An operand of a comparison: a constant text is read as the other operand's type, intervals are
/// compared by their length, and exact numbers with floats as floats.
pub(super) fn compared(expr: Expr, own: &DataType, other: &DataType, zone: &str) -> Result<Expr> {
    if let (Expr::Literal(value, _), true) = (&expr, is_typed(other))
        && let Some(Some(text)) = value.try_as_str()
    {
        let literal = Expr::Literal(typed_literal(text, other, zone, true)?, None);
        return Ok(match *other == INTERVAL {
            true => INTERVAL_LENGTH.call(vec![literal]),
            false => literal,
        });
    }
    if *own == INTERVAL {
        return Ok(INTERVAL_LENGTH.call(vec![expr]));
    }
    if is_numeric(own) && other.is_floating() {
        return Ok(match &expr {
            Expr::Literal(value, _) => Expr::Literal(value.cast_to(&DataType::Float64)?, None),
            _ => cast(expr, DataType::Float64),
        });
    }
    Ok(expr)
}

/// Whether constant texts are read as values of a type.
pub(super) fn is_typed(data_type: &DataType) -> bool {
    is_read(data_type) || data_type.is_numeric() || *data_type == DataType::Boolean
}

/// The value of a text in a type.
///
/// # Errors
/// When it is not one.
pub(in crate::server::postgres) fn constant(
    text: &str,
    to: &DataType,
    zone: &str,
) -> Result<ScalarValue> {
    match to {
        DataType::Utf8 => Ok(ScalarValue::from(text)),
        DataType::Binary => Ok(ScalarValue::Binary(Some(bytes(text)?))),
        _ => typed_literal(text, to, zone, false),
    }
}

fn invalid<T>(kind: &str, text: &str) -> Result<T> {
    exec_err!("invalid input syntax for type {kind}: \"{text}\"")
}

/// The value of a constant text as a number or boolean.
fn plain_literal(text: &str, to: &DataType) -> Result<ScalarValue> {
    let kind = sql_type(to);
    let out_of_range = || exec_err!("value \"{text}\" is out of range for type {kind}");
    let bare = text.trim();
    if to.is_integer() {
        let digits = bare.strip_prefix(['+', '-']).unwrap_or(bare);
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return invalid(&kind, text);
        }
        let value = bare.parse::<i64>().map(|value| ScalarValue::Int64(Some(value)));
        return match value.map(|value| value.cast_to(to)) {
            Ok(Ok(value)) => Ok(value),
            _ => out_of_range(),
        };
    }
    if to.is_floating() {
        return match bare.to_lowercase().parse::<f64>() {
            Ok(value) if value.is_infinite() && !bare.to_lowercase().contains("inf") => {
                out_of_range()
            }
            Ok(value) => ScalarValue::Float64(Some(value)).cast_to(to),
            Err(_) => invalid(&kind, text),
        };
    }
    if *to == DataType::Boolean {
        let lower = bare.to_lowercase();
        let is_start = |words: [&str; 2]| {
            !lower.is_empty() && words.iter().any(|word| word.starts_with(lower.as_str()))
        };
        return match lower.as_str() {
            "1" | "on" => Ok(ScalarValue::from(true)),
            "0" | "of" | "off" => Ok(ScalarValue::from(false)),
            _ if is_start(["true", "yes"]) => Ok(ScalarValue::from(true)),
            _ if is_start(["false", "no"]) => Ok(ScalarValue::from(false)),
            _ => invalid("boolean", text),
        };
    }
    // With its own decimal places: more than the type has can decide a comparison.
    let places = decimals(bare).unwrap_or(MAX_SCALE);
    let value = i256_of(bare, places)?;
    Ok(match value.to_i128() {
        Some(value) if places <= MOST_NARROW => {
            ScalarValue::Decimal128(Some(value), PRECISION, places)
        }
        _ => ScalarValue::Decimal256(Some(value), WIDE_PRECISION, places),
    })
}

/// The value of a constant text. With `clamp` a timestamp beyond those of its type becomes the last
/// one, for comparisons.
pub(super) fn typed_literal(
    text: &str,
    to: &DataType,
    zone: &str,
    clamp: bool,
) -> Result<ScalarValue> {
    if !is_read(to) {
        return plain_literal(text, to);
    }
    let local_zone = LocalZone::of_session(zone)?;
    let micros = match to {
        DataType::Date32 => return Ok(ScalarValue::Date32(Some(read_date(text)?))),
        DataType::Time64(_) => {
            let value: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![read_time(text)?]));
            return ScalarValue::try_from_array(&cast_checked(&value, to)?, 0);
        }
        DataType::Timestamp(_, None) => read_timestamp(text)?,
        DataType::Timestamp(_, Some(_)) => read_instant(text, &local_zone)?,
        _ => return Ok(ScalarValue::IntervalMonthDayNano(Some(read_interval(text)?))),
    };
    let DataType::Timestamp(unit, zone) = to else { return ScalarValue::try_new_null(to) };
    Ok(match unit {
        TimeUnit::Nanosecond => {
            let nanos = match micros.checked_mul(1000) {
                Some(nanos) => nanos,
                None if clamp && micros > 0 => i64::MAX,
                None if clamp => i64::MIN + 1,
                None => return exec_err!("timestamp out of range: \"{text}\""),
            };
            ScalarValue::TimestampNanosecond(Some(nanos), zone.clone())
        }
        TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()),
        // A part of a unit decides comparisons, so the finer type is kept.
        _ => ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()),
    })
}
