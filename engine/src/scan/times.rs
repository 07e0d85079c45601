//! Converts columns of times to instants, and finds the values that cannot be converted.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, TimeUnit as ArrowUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};

use super::{Reason, Source};
use crate::calendar::{Day, TimeFormat, TimeUnit, Zone};
use crate::{Error, Result};

/// The instants of a column: microseconds since the epoch, or why there is none.
pub(super) struct Times {
    pub(super) micros: Vec<i64>,
    /// Rows without an instant.
    pub(super) bad: Vec<(usize, Reason)>,
}

/// Reads a time column of any supported type; texts and numbers have a format.
///
/// # Errors
/// When the type cannot be a time, or numbers have no declared unit.
pub(super) fn times(
    array: &ArrayRef,
    format: &TimeFormat,
    source: &Source,
    zone: &Zone,
) -> Result<Times> {
    let unit_of = |unit: &ArrowUnit| match unit {
        ArrowUnit::Second => TimeUnit::Second,
        ArrowUnit::Millisecond => TimeUnit::Millisecond,
        ArrowUnit::Microsecond => TimeUnit::Microsecond,
        ArrowUnit::Nanosecond => TimeUnit::Nanosecond,
    };
    match array.data_type() {
        DataType::Timestamp(unit, zone_of_type) => {
            let local = zone_of_type.is_none() && source.time_zone.name() != Zone::utc().name();
            let unit = unit_of(unit);
            let numbers = match unit {
                TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
                TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
                TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
                TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
            };
            if unit == TimeUnit::Microsecond && !local && array.null_count() == 0 {
                return Ok(Times { micros: numbers.to_vec(), bad: Vec::new() });
            }
            Ok(collect(array, |row| {
                let micros = unit.to_micros(numbers[row])?;
                Some(if local { source.time_zone.instant_of_local(micros) } else { micros })
            }))
        }
        // A date is a civil day already: the reporting zone's, whatever that is.
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().values();
            Ok(collect(array, |row| {
                let day = Day::new(days[row]);
                (Day::MIN..=Day::MAX).contains(&day).then(|| zone.start_of(day))
            }))
        }
        DataType::Date64 => times(&cast(array, &DataType::Date32)?, format, source, zone),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let array = cast(array, &DataType::Utf8)?;
            let texts = array.as_string::<i32>();
            let mut times =
                collect(&array, |row| format.parse(texts.value(row), &source.time_zone));
            for (row, reason) in &mut times.bad {
                if texts.is_valid(*row) && texts.value(*row).trim().is_empty() {
                    *reason = Reason::TimeMissing;
                }
            }
            Ok(times)
        }
        DataType::Dictionary(_, values) => times(&cast(array, values)?, format, source, zone),
        number if number.is_integer() || number.is_floating() => {
            let unit = match format {
                TimeFormat::Epoch(unit) => *unit,
                // 20260315 and the like.
                TimeFormat::Pattern(_) => {
                    return times(&cast(array, &DataType::Utf8)?, format, source, zone);
                }
                TimeFormat::Standard | TimeFormat::Auto => {
                    let help =
                        "declare the unit: `time: {column: ..., unit: s}` (s, ms, us, ns or auto)";
                    return Err(Error::input(format!("times of type {number} need a unit"))
                        .with("column", source.time.text())
                        .with("help", help));
                }
            };
            if number.is_floating() {
                let array = cast(array, &DataType::Float64)?;
                let numbers = array.as_primitive::<Float64Type>().values();
                Ok(collect(&array, |row| unit.float_to_micros(numbers[row])))
            } else {
                // Unsigned numbers beyond the signed range become null here: unreadable below.
                let numbers = cast(array, &DataType::Int64)?;
                let values = numbers.as_primitive::<Int64Type>();
                Ok(collect(array, |row| {
                    values.is_valid(row).then(|| values.value(row)).and_then(|n| unit.to_micros(n))
                }))
            }
        }
        other => Err(Error::input(format!("a column of type {other} cannot hold times"))
            .with("column", source.time.text())
            .with(
                "help",
                "use timestamps, dates, ISO 8601 text, or numbers since 1970 with a unit",
            )),
    }
}

fn collect(array: &ArrayRef, instant: impl Fn(usize) -> Option<i64>) -> Times {
    let mut bad = Vec::new();
    let micros = (0..array.len())
        .map(|row| {
            if array.is_null(row) {
                bad.push((row, Reason::TimeMissing));
                return 0;
            }
            instant(row).unwrap_or_else(|| {
                bad.push((row, Reason::TimeUnreadable));
                0
            })
        })
        .collect();
    Times { micros, bad }
}
