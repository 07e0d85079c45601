//! `to_date` and `to_timestamp` with a template.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{Date32Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::exec_err;
use datafusion::error::{DataFusionError, Result};
use engine::calendar::Day;

use super::input::{DAY, HOUR, MINUTE, SECOND};
use super::template::{DAYS, Field, MONTHS, Part, parse};
use super::temporal::{LocalZone, zoned};
use crate::server::postgres::function::{Call, Function, map_rows};

pub(super) const TO_DATE: Function = Function {
    name: "to_date",
    arguments: 2..=2,
    returns: |_| Ok(DataType::Date32),
    compute: |call| {
        let (texts, templates) = (call.texts(0)?, call.texts(1)?);
        let read = read(call, &texts, &templates)?;
        let days =
            read.into_iter().map(|read| read.map(|read| read.day().map(Day::number)).transpose());
        Ok(Arc::new(days.collect::<Result<Date32Array>>()?))
    },
};

/// `to_timestamp(text, template)` and `to_timestamp(seconds)`.
pub(super) const TO_TIMESTAMP: Function = Function {
    name: "to_timestamp",
    arguments: 1..=2,
    returns: |_| Ok(zoned("UTC")),
    compute: |call| {
        let values = if call.count() == 1 {
            let seconds = call.cast(0, &DataType::Float64)?;
            let seconds = seconds.as_primitive::<Float64Type>();
            map_rows(call.rows(), &[seconds], |row| {
                let micros = (seconds.value(row) * 1e6).round();
                match micros.abs() < 9.2e18 {
                    true => Ok(micros as i64),
                    false => exec_err!("timestamp out of range: {}", seconds.value(row)),
                }
            })?
        } else {
            let (texts, templates) = (call.texts(0)?, call.texts(1)?);
            let zone = LocalZone::of_session(call.zone())?;
            let read = read(call, &texts, &templates)?;
            let instants =
                read.into_iter().map(|read| read.map(|read| read.instant(&zone)).transpose());
            instants.collect::<Result<Vec<_>>>()?
        };
        Ok(Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")))
    },
};

fn read(
    call: &Call<'_>,
    texts: &StringArray,
    templates: &StringArray,
) -> Result<Vec<Option<Read>>> {
    let mut known: Option<(String, Vec<Part>)> = None;
    map_rows(call.rows(), &[texts, templates], |row| {
        let template = templates.value(row);
        if known.as_ref().is_none_or(|(text, _)| text != template) {
            known = Some((template.to_owned(), parse(template)?));
        }
        let parts = known.as_ref().map_or(&[][..], |(_, parts)| parts);
        Read::new(texts.value(row), parts)
    })
}

/// What a text has of the fields of a template.
#[derive(Debug, Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    /// Of a clock with 12 hours: whether it is after noon.
    is_afternoon: Option<bool>,
    has_12_hours: bool,
    offset: Option<i64>,
}

impl Read {
    fn new(text: &str, parts: &[Part]) -> Result<Self> {
        let mut read = Self::default();
        let mut rest = text;
        for (at, part) in parts.iter().enumerate() {
            match part {
                Part::Text(literal) => rest = skip(rest, literal),
                Part::Field(field) => {
                    rest = rest.trim_start();
                    if rest.is_empty() {
                        break;
                    }
                    // A number ends at its width only if another number follows.
                    let is_followed = matches!(parts.get(at + 1), Some(Part::Field(_)));
                    read.field(field, is_followed, &mut rest)?;
                }
            }
        }
        Ok(read)
    }

    fn field(&mut self, field: &Field, is_followed: bool, rest: &mut &str) -> Result<()> {
        let mut number =
            |width: usize| take_number(rest, if is_followed { width } else { 18 }, field.name);
        match field.name {
            "YYYY" => self.year = Some(number(4)?),
            "YYY" | "YY" | "Y" => {
                let digits = take_digits(rest, field.name.len(), field.name)?;
                self.year = Some(full_year(digits.parse().unwrap_or_default(), digits.len()));
            }
            "MM" => self.month = Some(number(2)?),
            "DD" => self.day = Some(number(2)?),
            "DDD" => self.day_of_year = Some(number(3)?),
            "HH24" => self.hour = within(number(2)?, 0, 23, "hour")?,
            "HH12" | "HH" => {
                self.hour = within(number(2)?, 1, 12, "hour")?;
                self.has_12_hours = true;
            }
            "MI" => self.minute = within(number(2)?, 0, 59, "minute")?,
            "SS" => self.second = within(number(2)?, 0, 59, "second")?,
            "SSSS" | "SSSSS" => self.second = within(number(5)?, 0, 86_399, "second")?,
            "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
                let width = if field.name == "MS" { 3 } else { 6 };
                let digits = take_digits(rest, width, field.name)?;
                let value: i64 = digits.parse().unwrap_or_default();
                self.micros += value * 10_i64.pow(6 - u32::try_from(digits.len()).unwrap_or(6));
            }
            "AM" | "PM" | "A.M." | "P.M." => {
                let lower = rest.to_lowercase();
                let mut found = None;
                for (half, is_afternoon) in
                    [("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)]
                {
                    if lower.starts_with(half) && found.is_none() {
                        found = Some((half.len(), is_afternoon));
                    }
                }
                let Some((length, is_afternoon)) = found else { return invalid(rest, field.name) };
                self.is_afternoon = Some(is_afternoon);
                *rest = &rest[length..];
            }
            "MONTH" | "MON" => {
                let Some((at, length)) = name(rest, &MONTHS, field.name == "MON") else {
                    return invalid(rest, field.name);
                };
                self.month = Some(at + 1);
                *rest = &rest[length..];
            }
            "DAY" | "DY" => {
                let Some((_, length)) = name(rest, &DAYS, field.name == "DY") else {
                    return invalid(rest, field.name);
                };
                *rest = &rest[length..];
            }
            "TZH" | "OF" => {
                let end = rest.find(|letter: char| !matches!(letter, '0'..='9' | '+' | '-' | ':'));
                let (zone, after) = rest.split_at(end.unwrap_or(rest.len()));
                let signed =
                    if zone.starts_with(['+', '-']) { zone.to_owned() } else { format!("+{zone}") };
                let Some(offset) = super::input::offset(&signed) else {
                    return invalid(rest, field.name);
                };
                self.offset = Some(offset);
                *rest = after;
            }
            other => return exec_err!("the template field {other} is not supported here"),
        }
        Ok(())
    }

    fn day(&self) -> Result<Day> {
        let out_of_range =
            || DataFusionError::Execution("date/time field value out of range".to_owned());
        let year = i32::try_from(self.year.unwrap_or(1)).map_err(|_| out_of_range())?;
        let small =
            |value: Option<i64>| u8::try_from(value.unwrap_or(1)).map_err(|_| out_of_range());
        if let Some(day_of_year) = self.day_of_year {
            let first = Day::from_ymd(year, 1, 1).map_err(|_| out_of_range())?;
            let day = first.plus(i32::try_from(day_of_year - 1).map_err(|_| out_of_range())?);
            let is_within = day_of_year >= 1 && day.ymd().0 == year;
            return if is_within { Ok(day) } else { Err(out_of_range()) };
        }
        Day::from_ymd(year, small(self.month)?, small(self.day)?).map_err(|_| out_of_range())
    }

    fn instant(&self, zone: &LocalZone) -> Result<i64> {
        let hour = match (self.has_12_hours, self.is_afternoon) {
            (true, Some(is_afternoon)) => self.hour % 12 + if is_afternoon { 12 } else { 0 },
            _ => self.hour,
        };
        let local = i64::from(self.day()?.number()) * DAY
            + hour * HOUR
            + self.minute * MINUTE
            + self.second * SECOND
            + self.micros;
        Ok(match self.offset {
            Some(offset) => local - offset,
            None => zone.instant(local),
        })
    }
}

/// Skips a text of the template: each separator matches any one, other letters any letter.
fn skip<'a>(mut rest: &'a str, literal: &str) -> &'a str {
    for letter in literal.chars() {
        let is_separator = |letter: char| !letter.is_alphanumeric();
        let Some(next) = rest.chars().next() else { return rest };
        if !is_separator(letter) || is_separator(next) {
            rest = &rest[next.len_utf8()..];
        }
    }
    rest
}

fn invalid<T>(rest: &str, field: &str) -> Result<T> {
    let start: String = rest.chars().take(10).collect();
    exec_err!("invalid value \"{start}\" for \"{field}\"")
}

fn take_digits<'a>(rest: &mut &'a str, most: usize, field: &str) -> Result<&'a str> {
    let end = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if end == 0 {
        return invalid(rest, field);
    }
    let (digits, after) = rest.split_at(end);
    *rest = after;
    Ok(digits)
}

fn take_number(rest: &mut &str, most: usize, field: &str) -> Result<i64> {
    let digits = take_digits(rest, most, field)?;
    digits.parse().or_else(|_| invalid(digits, field))
}

fn within(value: i64, least: i64, most: i64, field: &str) -> Result<i64> {
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => exec_err!("date/time field value out of range: {field} {value}"),
    }
}

/// A year of less than four digits: the nearest to 2020.
fn full_year(year: i64, digits: usize) -> i64 {
    match digits {
        1 => 2000 + year,
        2 => year + if year < 70 { 2000 } else { 1900 },
        _ => year + if year < 520 { 2000 } else { 1000 },
    }
}

/// The position of a name that a text begins with, and its length.
fn name(rest: &str, names: &[&str], is_short: bool) -> Option<(i64, usize)> {
    let found = names.iter().position(|name| {
        let name = if is_short { &name[..3] } else { name };
        rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    })?;
    let length = if is_short { 3 } else { names[found].len() };
    Some((i64::try_from(found).ok()?, length))
}

#[cfg(test)]
mod tests {
    use super::{LocalZone, Read};
    use crate::server::postgres::dialect::input::timestamp;
    use crate::server::postgres::dialect::template::parse;

    #[test]
    fn texts_are_read_by_their_template() {
        let zone = LocalZone::of_session("UTC").unwrap();
        let read = |text, template| {
            Read::new(text, &parse(template).unwrap()).and_then(|read| read.instant(&zone))
        };
        for (text, template, expected) in [
            ("15.03.2026", "DD.MM.YYYY", "2026-03-15"),
            ("20260315", "YYYYMMDD", "2026-03-15"),
            ("5/3/2026", "DD/MM/YYYY", "2026-03-05"),
            ("2026-03", "YYYY-MM", "2026-03-01"),
            ("15 Mar 2026", "DD Mon YYYY", "2026-03-15"),
            ("2026 074", "YYYY DDD", "2026-03-15"),
            ("15/03/2026 01:05:06 PM", "DD/MM/YYYY HH12:MI:SS AM", "2026-03-15 13:05:06"),
            ("2026-03-15T13:05:06.25Z", "YYYY-MM-DD\"T\"HH24:MI:SS.MS", "2026-03-15 13:05:06.25"),
            ("15.3.26", "DD.MM.YY", "2026-03-15"),
        ] {
            let expected = timestamp(expected).unwrap().local;
            assert_eq!(read(text, template).unwrap(), expected, "{text} {template}");
        }
        for (text, template) in [
            ("2026-13-01", "YYYY-MM-DD"),
            ("x", "YYYY"),
            ("2026-02-30", "YYYY-MM-DD"),
            ("25", "HH24"),
        ] {
            assert!(read(text, template).is_err(), "{text} {template}");
        }
    }
}
