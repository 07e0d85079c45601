//! Dates and times: time zones, how texts are read, and constructors.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, IntervalMonthDayNanoArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalUnit, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use engine::calendar::{Day, Zone};

use super::input::{self, DAY, HOUR, MINUTE, Span, Unread};
use crate::server::postgres::function::{Call, Function, Types, cast_checked, map_rows};

pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
pub(super) const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
pub(super) const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);

/// The functions that statements can name.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let all = [TIMEZONE, MAKE_TIMESTAMP, MAKE_TIME, ISFINITE];
    all.into_iter().map(ScalarUDF::from).collect()
}

/// A time zone.
pub(super) enum LocalZone {
    Named(Zone),
    /// Microseconds east of UTC.
    Offset(i64),
}

impl LocalZone {
    /// The connection's zone, which may be an offset such as `+02:00`.
    ///
    /// # Errors
    /// When there is no such zone.
    pub(super) fn of_session(name: &str) -> Result<Self> {
        if let Some(offset) = input::offset(name) {
            return Ok(Self::Offset(offset));
        }
        Self::named(name)
    }

    /// The zone of AT TIME ZONE. PostgreSQL takes offsets there as POSIX does, with the opposite sign,
    /// and abbreviations such as `CET` as fixed offsets, so both are refused.
    ///
    /// # Errors
    /// When there is no such zone, or the name is an offset or an abbreviation.
    pub(super) fn of_expression(name: &str) -> Result<Self> {
        let is_name = name.contains('/') || ["UTC", "GMT"].contains(&name.to_uppercase().as_str());
        match is_name {
            true => Self::named(name),
            false => exec_err!(
                "time zone \"{name}\" is not supported: use UTC or a name such as Europe/Berlin"
            ),
        }
    }

    fn named(name: &str) -> Result<Self> {
        Zone::get(name)
            .map(Self::Named)
            .map_err(|_| DataFusionError::Execution(format!("time zone \"{name}\" not recognized")))
    }

    /// Microseconds east of UTC at an instant.
    pub(super) fn offset(&self, instant: i64) -> i64 {
        match self {
            Self::Named(zone) => zone.offset(instant),
            Self::Offset(offset) => *offset,
        }
    }

    /// What the zone's clocks show at an instant, in microseconds as if it were UTC.
    pub(super) fn local(&self, instant: i64) -> i64 {
        instant.saturating_add(self.offset(instant))
    }

    /// The instant at which the zone's clocks show a civil time: a time that was skipped is read with
    /// the offset before the jump, one that came twice is the second one.
    pub(super) fn instant(&self, local: i64) -> i64 {
        match self {
            Self::Named(zone) => zone.last_instant_of_local(local),
            Self::Offset(offset) => local.saturating_sub(*offset),
        }
    }
}

/// A timestamp type with a time zone, in microseconds.
pub(super) fn zoned(zone: &str) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into()))
}

fn invalid(kind: &str, text: &str) -> DataFusionError {
    DataFusionError::Execution(format!("invalid input syntax for type {kind}: \"{text}\""))
}

/// The error for a text that is not read as a date or a time.
fn unread(kind: &str, text: &str) -> DataFusionError {
    match input::unread(text) {
        Unread::OutOfRange => {
            DataFusionError::Execution(format!("date/time field value out of range: \"{text}\""))
        }
        Unread::OtherForm => DataFusionError::Execution(format!(
            "the {kind} \"{text}\" is not supported: write it as 2026-03-15 13:00:00"
        )),
        Unread::Invalid => invalid(kind, text),
    }
}

/// The microseconds of a text as a timestamp without a zone: an offset in it is ignored.
pub(super) fn read_timestamp(text: &str) -> Result<i64> {
    input::timestamp(text).map(|read| read.local).ok_or_else(|| unread("timestamp", text))
}

/// The instant of a text as a timestamp with a zone.
pub(super) fn read_instant(text: &str, zone: &LocalZone) -> Result<i64> {
    let read = input::timestamp(text);
    let instant = read.map(|read| match read.offset {
        Some(offset) => read.local - offset,
        None => zone.instant(read.local),
    });
    instant.ok_or_else(|| unread("timestamp with time zone", text))
}

/// The days since 1970 of a text as a date.
pub(super) fn read_date(text: &str) -> Result<i32> {
    let read = input::timestamp(text).ok_or_else(|| unread("date", text))?;
    i32::try_from(read.local.div_euclid(DAY)).map_err(|_| unread("date", text))
}

/// The microseconds since midnight of a text as a time.
pub(super) fn read_time(text: &str) -> Result<i64> {
    input::time(text.trim()).ok_or_else(|| unread("time", text))
}

pub(super) fn from_span(span: Span) -> Option<IntervalMonthDayNano> {
    let nanos = span.micros.checked_mul(1000)?;
    Some(IntervalMonthDayNano::new(span.months, span.days, nanos))
}

pub(super) fn read_interval(text: &str) -> Result<IntervalMonthDayNano> {
    input::interval(text).and_then(from_span).ok_or_else(|| invalid("interval", text))
}

/// The function that reads texts as values of a type, behind casts of columns.
pub(super) fn reader(of: &DataType) -> Function {
    let (name, returns): (_, fn(&Types<'_>) -> Result<DataType>) = match of {
        DataType::Date32 => ("read_date", |_| Ok(DataType::Date32)),
        DataType::Timestamp(_, None) => ("read_timestamp", |_| Ok(TIMESTAMP)),
        DataType::Timestamp(_, Some(_)) => ("read_timestamptz", |_| Ok(zoned("UTC"))),
        DataType::Time64(_) => ("read_time", |_| Ok(TIME)),
        _ => ("read_interval", |_| Ok(INTERVAL)),
    };
    Function { name, arguments: 1..=1, returns, compute: read }
}

fn read(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.texts(0)?;
    let rows = call.rows();
    Ok(match call.returns() {
        DataType::Date32 => {
            let values = map_rows(rows, &[&texts], |row| read_date(texts.value(row)))?;
            Arc::new(Date32Array::from(values))
        }
        DataType::Timestamp(_, None) => {
            let values = map_rows(rows, &[&texts], |row| read_timestamp(texts.value(row)))?;
            Arc::new(TimestampMicrosecondArray::from(values))
        }
        DataType::Timestamp(_, Some(_)) => {
            let zone = LocalZone::of_session(call.zone())?;
            let values = map_rows(rows, &[&texts], |row| read_instant(texts.value(row), &zone))?;
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
        }
        DataType::Time64(_) => {
            let values = map_rows(rows, &[&texts], |row| read_time(texts.value(row)))?;
            Arc::new(Time64MicrosecondArray::from(values))
        }
        _ => {
            let values = map_rows(rows, &[&texts], |row| read_interval(texts.value(row)))?;
            Arc::new(IntervalMonthDayNanoArray::from(values))
        }
    })
}

/// `timezone(zone, x)`, which AT TIME ZONE is: the instant at which the zone's clocks show a
/// timestamp, and what they show at a timestamp with a zone.
const TIMEZONE: Function = Function {
    name: "timezone",
    arguments: 2..=2,
    returns: |types| match types.of(1) {
        DataType::Timestamp(_, Some(_)) => Ok(TIMESTAMP),
        DataType::Timestamp(_, None) | DataType::Date32 | DataType::Null => Ok(zoned("UTC")),
        other => plan_err!("AT TIME ZONE needs a timestamp, not {other}"),
    },
    compute: |call| {
        let Some(name) = call.constant(0) else {
            return exec_err!("AT TIME ZONE with a zone that is not constant is not supported");
        };
        let zone = LocalZone::of_expression(name)?;
        let values = instants(call, 1)?;
        Ok(match call.returns() {
            DataType::Timestamp(_, Some(_)) => {
                let values =
                    values.unary::<_, TimestampMicrosecondType>(|local| zone.instant(local));
                Arc::new(values.with_timezone("UTC"))
            }
            _ => Arc::new(values.unary::<_, TimestampMicrosecondType>(|at| zone.local(at))),
        })
    },
};

/// The microseconds of an argument; of a date those of its midnight.
pub(super) fn instants(call: &Call<'_>, at: usize) -> Result<TimestampMicrosecondArray> {
    let values = call.column(at)?;
    let values = match values.data_type() {
        DataType::Timestamp(_, Some(_)) => cast_checked(&values, &zoned("UTC"))?,
        _ => cast_checked(&values, &TIMESTAMP)?,
    };
    let values = values.as_primitive::<TimestampMicrosecondType>().clone();
    Ok(values.with_timezone_opt(None::<Arc<str>>))
}

/// What clocks show: for timestamps with a zone those of the session's zone.
pub(super) fn civil(call: &Call<'_>, at: usize) -> Result<TimestampMicrosecondArray> {
    let values = instants(call, at)?;
    Ok(match call.arguments.args[at].data_type() {
        DataType::Timestamp(_, Some(_)) => {
            let zone = LocalZone::of_session(call.zone())?;
            values.unary::<_, TimestampMicrosecondType>(|instant| zone.local(instant))
        }
        _ => values,
    })
}

const MAKE_TIMESTAMP: Function = Function {
    name: "make_timestamp",
    arguments: 6..=6,
    returns: |_| Ok(TIMESTAMP),
    compute: |call| {
        let number = |at| -> Result<_> {
            Ok(call.cast(at, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
        };
        let (years, months, days) = (number(0)?, number(1)?, number(2)?);
        let (hours, minutes) = (number(3)?, number(4)?);
        let seconds = call.cast(5, &DataType::Float64)?;
        let seconds = seconds.as_primitive::<Float64Type>();
        let nulls: [&dyn Array; 6] = [&years, &months, &days, &hours, &minutes, seconds];
        let values = map_rows(call.rows(), &nulls, |row| {
            let wrong =
                || DataFusionError::Execution("date/time field value out of range".to_owned());
            let small = |value: i64| u8::try_from(value).map_err(|_| wrong());
            let year = i32::try_from(years.value(row)).map_err(|_| wrong())?;
            let day = Day::from_ymd(year, small(months.value(row))?, small(days.value(row))?);
            let (hour, minute) = (hours.value(row), minutes.value(row));
            let second = (seconds.value(row) * 1e6).round();
            if !(0..24).contains(&hour)
                || !(0..60).contains(&minute)
                || !(0.0..6e7).contains(&second)
            {
                return Err(wrong());
            }
            let day = day.map_err(|_| wrong())?;
            Ok(i64::from(day.number()) * DAY + hour * HOUR + minute * MINUTE + second as i64)
        })?;
        Ok(Arc::new(TimestampMicrosecondArray::from(values)))
    },
};

const MAKE_TIME: Function = Function {
    name: "make_time",
    arguments: 3..=3,
    returns: |_| Ok(TIME),
    compute: |call| {
        let number = |at| call.cast(at, &DataType::Float64);
        let (hours, minutes, seconds) = (number(0)?, number(1)?, number(2)?);
        let [hours, minutes, seconds] =
            [&hours, &minutes, &seconds].map(|column| column.as_primitive::<Float64Type>());
        let values = map_rows(call.rows(), &[hours, minutes, seconds], |row| {
            let (hour, minute, second) = (hours.value(row), minutes.value(row), seconds.value(row));
            if !(0.0..24.0).contains(&hour)
                || !(0.0..60.0).contains(&minute)
                || !(0.0..60.0).contains(&second)
            {
                return exec_err!("date/time field value out of range");
            }
            Ok(hour as i64 * HOUR + minute as i64 * MINUTE + (second * 1e6).round() as i64)
        })?;
        Ok(Arc::new(Time64MicrosecondArray::from(values)))
    },
};

/// Arrow has no infinite dates.
const ISFINITE: Function = Function {
    name: "isfinite",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Boolean),
    compute: |call| Ok(Arc::new(arrow::compute::is_not_null(&call.column(0)?)?)),
};

/// The types that are read from texts by [`read`].
pub(super) fn is_read(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_))
        || *data_type == INTERVAL
}
