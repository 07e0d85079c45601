//! Converts Arrow columns to instants and codes, and finds the values that cannot be converted.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimeUnit as ArrowUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};

use super::interner::StringInterner;
use super::{Codes, Reason, Source};
use crate::calendar::{Day, TimeUnit, Zone, parse_instant};
use crate::{Error, Result};

/// The instants of a column: microseconds since the epoch, or why there is none.
pub(super) struct Times {
    pub(super) micros: Vec<i64>,
    /// Rows without an instant.
    pub(super) bad: Vec<(usize, Reason)>,
}

/// Reads a time column of any supported type.
///
/// # Errors
/// When the type cannot be a time, or numbers have no declared unit.
pub(super) fn times(array: &ArrayRef, source: &Source, zone: &Zone) -> Result<Times> {
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
        DataType::Date64 => times(&cast(array, &DataType::Date32)?, source, zone),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let array = cast(array, &DataType::Utf8)?;
            let texts = array.as_string::<i32>();
            let mut times = collect(&array, |row| match source.time_unit {
                None => parse_instant(texts.value(row), &source.time_zone),
                Some(unit) => epoch_text(texts.value(row), unit),
            });
            for (row, reason) in &mut times.bad {
                if texts.is_valid(*row) && texts.value(*row).trim().is_empty() {
                    *reason = Reason::TimeMissing;
                }
            }
            Ok(times)
        }
        DataType::Dictionary(_, values) => times(&cast(array, values)?, source, zone),
        number if number.is_integer() || number.is_floating() => {
            let unit = source.time_unit.ok_or_else(|| {
                Error::input(format!("times of type {number} need a unit"))
                    .with("column", &source.time)
                    .with(
                        "help",
                        "declare the unit: `time: {column: ..., unit: s}` (s, ms, us or ns)",
                    )
            })?;
            if number.is_floating() {
                let array = cast(array, &DataType::Float64)?;
                let numbers = array.as_primitive::<Float64Type>().values();
                Ok(collect(&array, |row| epoch_float(numbers[row], unit)))
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
            .with("column", &source.time)
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

fn epoch_text(text: &str, unit: TimeUnit) -> Option<i64> {
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(number) => unit.to_micros(number),
        Err(_) => epoch_float(text.parse().ok()?, unit),
    }
}

/// Numbers with a fraction, `1700000000.25`; cut towards the past at a microsecond.
fn epoch_float(number: f64, unit: TimeUnit) -> Option<i64> {
    let micros = match unit {
        TimeUnit::Second => number * 1e6,
        TimeUnit::Millisecond => number * 1e3,
        TimeUnit::Microsecond => number,
        TimeUnit::Nanosecond => number / 1e3,
    };
    // Beyond 2^53 the fraction of a microsecond is lost; beyond this the number is no date.
    (micros.abs() < 9e15).then(|| micros.floor() as i64)
}

/// Turns a column of values into codes; remembers what it looked up before.
#[derive(Default)]
pub(super) struct DictionaryEncoder {
    dictionary: Option<(ArrayRef, Vec<u32>)>,
    ints: HashMap<i64, u32>,
}

impl DictionaryEncoder {
    /// Codes of every row; null and empty are code 0. The file has so many rows `before` these.
    ///
    /// # Errors
    /// When the type cannot be a dimension, or a value is binary and no text in UTF-8.
    pub(super) fn codes(
        &mut self,
        array: &ArrayRef,
        interner: &StringInterner,
        before: u64,
    ) -> Result<Codes<u32>> {
        match array.data_type() {
            DataType::Dictionary(key, value)
                if **key == DataType::Int32 && **value == DataType::Utf8 =>
            {
                let dictionary = array.as_dictionary::<Int32Type>();
                let codes = self.of_dictionary(dictionary.values(), interner);
                Ok(rows(dictionary.keys(), codes))
            }
            number if number.is_integer() && *number != DataType::UInt64 => {
                let array = cast(array, &DataType::Int64)?;
                let numbers = array.as_primitive::<Int64Type>();
                let codes = numbers.iter().map(|number| match number {
                    None => 0,
                    Some(number) => *self
                        .ints
                        .entry(number)
                        .or_insert_with(|| interner.code(Some(&number.to_string()))),
                });
                Ok(Codes::Rows(codes.collect()))
            }
            nested if nested.is_nested() => {
                Err(Error::input(format!("a column of type {nested} cannot be a dimension"))
                    .with("help", "use a column with one value per row"))
            }
            other => {
                let form =
                    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                let unsupported = |error| {
                    Error::input(format!("a column of type {other} cannot be a dimension"))
                        .with("cause", error)
                };
                // By way of text: not every type casts to a dictionary in one step.
                let texts = cast(array, &DataType::Utf8).map_err(unsupported)?;
                if let Some(row) = lost(array, &texts) {
                    return Err(Error::input("a value is not valid UTF-8")
                        .with("row", before + row as u64 + 1)
                        .with("help", "write the column as text, or remove it from `dimensions`"));
                }
                self.codes(&cast(&texts, &form).map_err(unsupported)?, interner, before)
            }
        }
    }

    fn of_dictionary(&mut self, values: &ArrayRef, interner: &StringInterner) -> &[u32] {
        let known = self.dictionary.take().filter(|(last, _)| std::sync::Arc::ptr_eq(last, values));
        let entry = known.unwrap_or_else(|| {
            let codes =
                values.as_string::<i32>().iter().map(|value| interner.code(value)).collect();
            (ArrayRef::clone(values), codes)
        });
        &self.dictionary.insert(entry).1
    }
}

/// The first row that has a value, but no text.
fn lost(values: &ArrayRef, texts: &ArrayRef) -> Option<usize> {
    if texts.null_count() == values.logical_null_count() {
        return None;
    }
    let nulls = values.logical_nulls();
    let has_value = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    (0..texts.len()).find(|row| texts.is_null(*row) && has_value(*row))
}

fn rows(keys: &Int32Array, codes: &[u32]) -> Codes<u32> {
    let nulls: Option<&NullBuffer> = keys.nulls();
    let code = |key: &i32| codes.get(*key as usize).copied().unwrap_or(0);
    Codes::Rows(match nulls {
        None => keys.values().iter().map(code).collect(),
        Some(nulls) => {
            let pairs = keys.values().iter().zip(nulls.iter());
            pairs.map(|(key, valid)| if valid { code(key) } else { 0 }).collect()
        }
    })
}
