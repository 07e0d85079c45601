//! Functions of dates, times and intervals.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Float64Array,
    IntervalMonthDayNanoArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use engine::calendar::Day;

use super::function::{Call, Function, cast_checked, map_rows};
use super::input::{self, DAY, HOUR, MINUTE, SECOND, Span};
use super::zone::LocalZone;

pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
pub(super) const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);

/// The functions that statements can name.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let all = [TIMEZONE, EXTRACT, DATE_PART, MAKE_TIMESTAMP, MAKE_TIME, ISFINITE];
    all.into_iter().map(ScalarUDF::from).collect()
}

/// A timestamp type with a time zone, in microseconds.
pub(super) fn zoned(zone: &str) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into()))
}

fn invalid(kind: &str, text: &str) -> DataFusionError {
    DataFusionError::Execution(format!("invalid input syntax for type {kind}: \"{text}\""))
}

/// The microseconds of a text as a timestamp without a zone: an offset in it is ignored.
pub(super) fn read_timestamp(text: &str) -> Result<i64> {
    input::timestamp(text).map(|read| read.local).ok_or_else(|| invalid("timestamp", text))
}

/// The instant of a text as a timestamp with a zone.
pub(super) fn read_instant(text: &str, zone: &LocalZone) -> Result<i64> {
    let read = input::timestamp(text);
    let instant = read.map(|read| match read.offset {
        Some(offset) => read.local - offset,
        None => zone.instant(read.local),
    });
    instant.ok_or_else(|| invalid("timestamp with time zone", text))
}

/// The days since 1970 of a text as a date.
pub(super) fn read_date(text: &str) -> Result<i32> {
    let read = input::timestamp(text).ok_or_else(|| invalid("date", text))?;
    i32::try_from(read.local.div_euclid(DAY)).map_err(|_| invalid("date", text))
}

/// The microseconds since midnight of a text as a time.
pub(super) fn read_time(text: &str) -> Result<i64> {
    input::time(text.trim()).ok_or_else(|| invalid("time", text))
}

pub(super) fn read_interval(text: &str) -> Result<IntervalMonthDayNano> {
    input::interval(text).and_then(from_span).ok_or_else(|| invalid("interval", text))
}

fn from_span(span: Span) -> Option<IntervalMonthDayNano> {
    let nanos = span.micros.checked_mul(1000)?;
    Some(IntervalMonthDayNano::new(span.months, span.days, nanos))
}

fn to_span(interval: IntervalMonthDayNano) -> Span {
    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
    Span { months, days, micros: nanoseconds / 1000 }
}

/// The value of a text in a type; the function behind casts of columns.
pub(super) fn read(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.texts(0)?;
    let rows = call.rows();
    Ok(match call.returns() {
        DataType::Date32 => {
            let values = map_rows(rows, &[&texts], |row| read_date(texts.value(row)))?;
            Arc::new(Date32Array::from(values))
        }
        DataType::Timestamp(_, None) => {
            let values = map_rows(rows, &[&texts], |row| read_timestamp(texts.value(row)))?;
            cast_checked(&(Arc::new(TimestampMicrosecondArray::from(values)) as _), call.returns())?
        }
        DataType::Timestamp(_, Some(_)) => {
            let zone = LocalZone::of_session(call.zone())?;
            let values = map_rows(rows, &[&texts], |row| read_instant(texts.value(row), &zone))?;
            let values = TimestampMicrosecondArray::from(values).with_timezone("UTC");
            cast_checked(&(Arc::new(values) as _), call.returns())?
        }
        DataType::Time64(_) => {
            let values = map_rows(rows, &[&texts], |row| read_time(texts.value(row)))?;
            cast_checked(&(Arc::new(Time64MicrosecondArray::from(values)) as _), call.returns())?
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
fn instants(call: &Call<'_>, at: usize) -> Result<TimestampMicrosecondArray> {
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

/// A date and a time of day.
pub(super) struct Civil {
    pub(super) day: Day,
    pub(super) year: i32,
    pub(super) month: u8,
    pub(super) day_of_month: u8,
    /// Microseconds since midnight.
    pub(super) time: i64,
}

impl Civil {
    pub(super) fn new(local: i64) -> Self {
        let day = Day::new(i32::try_from(local.div_euclid(DAY)).unwrap_or(i32::MAX));
        let (year, month, day_of_month) = day.ymd();
        Self { day, year, month, day_of_month, time: local.rem_euclid(DAY) }
    }

    /// From Monday, 1, to Sunday, 7.
    pub(super) fn iso_weekday(&self) -> i32 {
        (self.day.number() + 3).rem_euclid(7) + 1
    }

    pub(super) fn day_of_year(&self) -> i32 {
        let first = Day::from_ymd(self.year, 1, 1).unwrap_or(Day::MIN);
        self.day.number() - first.number() + 1
    }

    /// The ISO year and week.
    pub(super) fn iso_week(&self) -> (i32, i32) {
        // The week belongs to the year of its Thursday.
        let thursday = self.day.plus(4 - self.iso_weekday());
        let (year, ..) = thursday.ymd();
        let first = Day::from_ymd(year, 1, 1).unwrap_or(Day::MIN);
        (year, (thursday.number() - first.number()) / 7 + 1)
    }
}

/// EXTRACT, as a number with the decimal places that PostgreSQL gives the field.
const EXTRACT: Function = Function {
    name: "extract",
    arguments: 2..=2,
    returns: |types| {
        check_temporal(types.of(1))?;
        Ok(DataType::Decimal128(38, scale(types.text(0).unwrap_or_default(), types.of(1))))
    },
    compute: |call| {
        let DataType::Decimal128(_, scale) = *call.returns() else {
            return exec_err!("extract returns a numeric");
        };
        let values = parts(call)?;
        let unit = 10_i64.pow(6 - u32::from(scale.unsigned_abs()));
        let values =
            values.into_iter().map(|micros| micros.map(|micros| i128::from(micros / unit)));
        let values: Decimal128Array = values.collect();
        Ok(Arc::new(values.with_precision_and_scale(38, scale)?))
    },
};

/// As EXTRACT, as a float.
const DATE_PART: Function = Function {
    name: "date_part",
    arguments: 2..=2,
    returns: |types| check_temporal(types.of(1)).map(|()| DataType::Float64),
    compute: |call| {
        let values = parts(call)?.into_iter();
        let values = values.map(|micros| micros.map(|micros| micros as f64 / 1e6));
        Ok(Arc::new(values.collect::<Float64Array>()))
    },
};

fn check_temporal(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Null => Ok(()),
        of if is_read(of) => Ok(()),
        other => plan_err!("extract is not supported for {other}"),
    }
}

fn scale(field: &str, data_type: &DataType) -> i8 {
    match field.to_lowercase().as_str() {
        "epoch" if *data_type == DataType::Date32 => 0,
        "epoch" | "second" | "seconds" => 6,
        "millisecond" | "milliseconds" => 3,
        _ => 0,
    }
}

/// The field of each value, in millionths.
fn parts(call: &Call<'_>) -> Result<Vec<Option<i64>>> {
    let Some(field) = call.constant(0) else { return exec_err!("the field must be a constant") };
    let field = field.to_lowercase();
    let name = field.strip_suffix('s').unwrap_or(&field);
    let values = call.column(1)?;
    if *values.data_type() == INTERVAL {
        let spans = values.as_primitive::<IntervalMonthDayNanoType>();
        return map_rows(call.rows(), &[spans], |row| span_part(name, to_span(spans.value(row))));
    }
    if let DataType::Time64(_) = values.data_type() {
        let times = cast_checked(&values, &TIME)?;
        let times = times.as_primitive::<Time64MicrosecondType>();
        return map_rows(call.rows(), &[times], |row| {
            time_part(name, times.value(row)).ok_or_else(|| unsupported(name, "time"))
        });
    }
    let (instants, locals) = (instants(call, 1)?, civil(call, 1)?);
    map_rows(call.rows(), &[&locals], |row| {
        let (instant, local) = (instants.value(row), locals.value(row));
        let is_zoned = matches!(values.data_type(), DataType::Timestamp(_, Some(_)));
        let millionths = |value: i64| Some(value * SECOND);
        let civil = Civil::new(local);
        let part = match name {
            "epoch" => Some(instant),
            "timezone" if is_zoned => Some(local - instant),
            "year" => millionths(i64::from(civil.year)),
            "isoyear" => millionths(i64::from(civil.iso_week().0)),
            "decade" => millionths(i64::from(civil.year.div_euclid(10))),
            "century" | "centurie" => millionths(i64::from((civil.year + 99) / 100)),
            "millennium" | "millennia" => millionths(i64::from((civil.year + 999) / 1000)),
            "quarter" => millionths(i64::from(civil.month.div_ceil(3))),
            "month" => millionths(i64::from(civil.month)),
            "week" => millionths(i64::from(civil.iso_week().1)),
            "day" => millionths(i64::from(civil.day_of_month)),
            "dow" => millionths(i64::from(civil.iso_weekday() % 7)),
            "isodow" => millionths(i64::from(civil.iso_weekday())),
            "doy" => millionths(i64::from(civil.day_of_year())),
            "julian" if civil.time == 0 => millionths(i64::from(civil.day.number()) + 2_440_588),
            _ => time_part(name, civil.time),
        };
        part.ok_or_else(|| unsupported(name, "timestamp"))
    })
}

fn unsupported(field: &str, of: &str) -> DataFusionError {
    DataFusionError::Execution(format!("unit \"{field}\" not supported for type {of}"))
}

fn time_part(field: &str, time: i64) -> Option<i64> {
    Some(match field {
        "hour" => time / HOUR * SECOND,
        "minute" => time % HOUR / MINUTE * SECOND,
        "second" => time % MINUTE,
        "millisecond" => (time % MINUTE).checked_mul(1000)?,
        "microsecond" => (time % MINUTE).checked_mul(1_000_000)?,
        "epoch" => time,
        _ => return None,
    })
}

fn span_part(field: &str, span: Span) -> Result<i64> {
    let Span { months, days, micros } = span;
    let whole = |value: i32| Ok(i64::from(value) * SECOND);
    match field {
        "year" => whole(months / 12),
        "month" => whole(months % 12),
        "day" => whole(days),
        "quarter" => whole(months % 12 / 3 + 1),
        "epoch" => {
            // A year has 365.25 days, a month 30.
            let days = i64::from(days) + i64::from(months % 12) * 30;
            let years = i64::from(months / 12) * (DAY / 4 * 1461);
            Ok(years + days * DAY + micros)
        }
        _ => time_part(field, micros).ok_or_else(|| unsupported(field, "interval")),
    }
}

const MAKE_TIMESTAMP: Function = Function {
    name: "make_timestamp",
    arguments: 6..=6,
    returns: |_| Ok(TIMESTAMP),
    compute: |call| {
        let number = |at| -> Result<_> {
            Ok(call
                .cast(at, &DataType::Int64)?
                .as_primitive::<arrow::datatypes::Int64Type>()
                .clone())
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
                return exec_err!("time field value out of range");
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

/// The types that are read from texts by [`read`].
pub(super) fn is_read(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_))
        || *data_type == INTERVAL
}
