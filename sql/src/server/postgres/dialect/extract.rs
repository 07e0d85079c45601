//! The fields of dates, times and intervals: `extract` and `date_part`.

use std::sync::Arc;

use arrow::array::{AsArray, Decimal128Array, Float64Array};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, Time64MicrosecondType};
use datafusion::common::{exec_err, not_impl_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use engine::calendar::Day;

use super::input::{DAY, HOUR, MINUTE, SECOND, Span};
use super::intervals::to_span;
use super::temporal::{INTERVAL, TIME, civil, instants, is_read};
use crate::server::postgres::function::{Call, Function, cast_checked, map_rows};

/// The functions that statements can name.
pub(super) fn functions() -> [ScalarUDF; 2] {
    [EXTRACT, DATE_PART].map(ScalarUDF::from)
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
        let is_of_date = call.column(1)?.data_type() == &DataType::Date32;
        if let Some(field) = call.constant(0).filter(|field| is_of_date && is_of_time(field)) {
            return Err(unsupported(field, "date"));
        }
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

/// Whether a field is one of the time of day.
fn is_of_time(field: &str) -> bool {
    const FIELDS: [&str; 5] = ["hour", "minute", "second", "millisecond", "microsecond"];
    let lower = field.to_lowercase();
    FIELDS.contains(&lower.strip_suffix('s').unwrap_or(&lower))
}

/// Fields of dates, times and intervals.
const FIELDS: [&str; 21] = [
    "century",
    "day",
    "decade",
    "dow",
    "doy",
    "epoch",
    "hour",
    "isodow",
    "isoyear",
    "julian",
    "microsecond",
    "millennium",
    "millisecond",
    "minute",
    "month",
    "quarter",
    "second",
    "timezone",
    "timezone_hour",
    "week",
    "year",
];

fn unsupported(field: &str, of: &str) -> DataFusionError {
    let field = field.to_lowercase();
    let what = if FIELDS.contains(&field.as_str()) { "supported" } else { "recognized" };
    DataFusionError::Execution(format!("unit \"{field}\" not {what} for type {of}"))
}

/// Checks the unit of `date_trunc`.
///
/// # Errors
/// When PostgreSQL or this server does not truncate by it.
pub(super) fn check_unit(unit: &str) -> Result<()> {
    const LONG: [&str; 5] = ["decade", "century", "centurie", "millennium", "millennia"];
    const UNITS: [&str; 10] = [
        "microsecond",
        "millisecond",
        "second",
        "minute",
        "hour",
        "day",
        "week",
        "month",
        "quarter",
        "year",
    ];
    let lower = unit.to_lowercase();
    match lower.strip_suffix('s').unwrap_or(&lower) {
        known if UNITS.contains(&known) => Ok(()),
        known if LONG.contains(&known) => not_impl_err!("date_trunc by {unit} is not supported"),
        _ => exec_err!("unit \"{unit}\" not recognized for type timestamp without time zone"),
    }
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
