//! Constants: their types, and texts that stand for values of other types.

use std::sync::Arc;

use arrow::array::{ArrayRef, Time64MicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, cast};
use datafusion::scalar::ScalarValue;

use super::arithmetic::{PRECISION, is_numeric};
use super::function::cast_checked;
use super::temporal::{
    INTERVAL, INTERVAL_LENGTH, is_read, read_date, read_instant, read_interval, read_time,
    read_timestamp,
};
use super::zone::LocalZone;

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
    if let (Expr::Literal(value, _), true) = (&expr, is_read(other))
        && let Some(Some(text)) = value.try_as_str()
    {
        let literal = typed_literal(text, other, zone, true)?;
        return Ok(match *other == INTERVAL {
            true => INTERVAL_LENGTH.call(vec![Expr::Literal(literal, None)]),
            false => Expr::Literal(literal, None),
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

/// The value of a constant text. With `clamp` a timestamp beyond those of its type becomes the last
/// one, for comparisons.
pub(super) fn typed_literal(
    text: &str,
    to: &DataType,
    zone: &str,
    clamp: bool,
) -> Result<ScalarValue> {
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
