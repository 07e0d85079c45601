//! Intervals: their arithmetic and their order.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, IntervalMonthDayNanoArray, TimestampMicrosecondArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    TimestampMicrosecondType,
};
use datafusion::common::exec_err;
use datafusion::error::{DataFusionError, Result};

use super::input::{DAY, Span};
use super::temporal::{INTERVAL, LocalZone, from_span, instants};
use crate::server::postgres::function::{Call, Function, map_rows};

pub(super) fn to_span(interval: IntervalMonthDayNano) -> Span {
    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
    Span { months, days, micros: nanoseconds / 1000 }
}

/// The time between two timestamps in days and time.
pub(super) const TIMESTAMP_SUBTRACT: Function = Function {
    name: "timestamp_subtract",
    arguments: 2..=2,
    returns: |_| Ok(INTERVAL),
    compute: |call| {
        let (left, right) = (civil_or_instant(call, 0)?, civil_or_instant(call, 1)?);
        let values = map_rows(call.rows(), &[&left, &right], |row| {
            let micros = left.value(row).checked_sub(right.value(row));
            let span = micros.and_then(|micros| {
                let days = i32::try_from(micros / DAY).ok()?;
                from_span(Span { months: 0, days, micros: micros % DAY })
            });
            span.ok_or_else(|| DataFusionError::Execution("interval out of range".to_owned()))
        })?;
        Ok(Arc::new(IntervalMonthDayNanoArray::from(values)))
    },
};

/// The instant of a value; if the other one has a zone, a timestamp without one is in the
/// session's.
fn civil_or_instant(call: &Call<'_>, at: usize) -> Result<TimestampMicrosecondArray> {
    let is_zoned =
        |at: usize| matches!(call.arguments.args[at].data_type(), DataType::Timestamp(_, Some(_)));
    let values = instants(call, at)?;
    Ok(match is_zoned(1 - at) && !is_zoned(at) {
        true => {
            let zone = LocalZone::of_session(call.zone())?;
            values.unary::<_, TimestampMicrosecondType>(|local| zone.instant(local))
        }
        false => values,
    })
}

/// An interval times a number.
pub(super) const INTERVAL_MULTIPLY: Function = Function {
    name: "interval_multiply",
    arguments: 2..=2,
    returns: |_| Ok(INTERVAL),
    compute: |call| scale_intervals(call, |factor| factor),
};

/// An interval divided by a number.
pub(super) const INTERVAL_DIVIDE: Function = Function {
    name: "interval_divide",
    arguments: 2..=2,
    returns: |_| Ok(INTERVAL),
    compute: |call| {
        let divisors = call.cast(1, &DataType::Float64)?;
        if divisors.as_primitive::<Float64Type>().iter().flatten().any(|divisor| divisor == 0.0) {
            return exec_err!("division by zero");
        }
        scale_intervals(call, |divisor| 1.0 / divisor)
    },
};

fn scale_intervals(call: &Call<'_>, factor: fn(f64) -> f64) -> Result<ArrayRef> {
    let spans = call.cast(0, &INTERVAL)?;
    let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
    let factors = call.cast(1, &DataType::Float64)?;
    let factors = factors.as_primitive::<Float64Type>();
    let values = map_rows(call.rows(), &[spans, factors], |row| {
        let scaled = scaled(to_span(spans.value(row)), factor(factors.value(row)));
        let out_of_range = || DataFusionError::Execution("interval out of range".to_owned());
        scaled.and_then(from_span).ok_or_else(out_of_range)
    })?;
    Ok(Arc::new(IntervalMonthDayNanoArray::from(values)))
}

/// As PostgreSQL's `interval_mul`: fractions of months become days of 30, fractions of days time.
fn scaled(span: Span, factor: f64) -> Option<Span> {
    let round = |value: f64| (value * 1e6).round() / 1e6;
    let whole = |value: f64| {
        let fits = value.is_finite() && value.abs() < f64::from(i32::MAX);
        fits.then_some(value.trunc() as i32)
    };
    let (months, days) = (f64::from(span.months) * factor, f64::from(span.days) * factor);
    let month_days = round((months - months.trunc()) * 30.0);
    let mut result_days = whole(days)?;
    let mut seconds = round((days - days.trunc() + month_days - month_days.trunc()) * 86_400.0);
    if seconds.abs() >= 86_400.0 {
        result_days = result_days.checked_add((seconds / 86_400.0) as i32)?;
        seconds %= 86_400.0;
    }
    let micros = (span.micros as f64 * factor + seconds * 1e6).round();
    (micros.abs() < 9e18).then_some(())?;
    Some(Span {
        months: whole(months)?,
        days: result_days.checked_add(whole(month_days)?)?,
        micros: micros as i64,
    })
}

/// The length by which intervals are compared: months have 30 days, days 24 hours.
pub(super) const INTERVAL_LENGTH: Function = Function {
    name: "interval_length",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Decimal128(38, 0)),
    compute: |call| {
        let spans = call.cast(0, &INTERVAL)?;
        let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
        let lengths = spans.unary::<_, Decimal128Type>(|span| {
            let days = i128::from(span.months) * 30 + i128::from(span.days);
            days * i128::from(DAY) + i128::from(span.nanoseconds / 1000)
        });
        Ok(Arc::new(lengths.with_precision_and_scale(38, 0)?))
    },
};
