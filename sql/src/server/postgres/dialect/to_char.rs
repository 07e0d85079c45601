//! `to_char` for dates, times and intervals.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;

use super::extract::Civil;
use super::input::{HOUR, MINUTE, SECOND};
use super::number_format;
use super::template::{Case, DAYS, Field, MONTHS, Part, ROMAN, parse};
use super::temporal::{INTERVAL, LocalZone, civil};
use crate::server::postgres::function::{Call, Function, map_rows};

/// `to_char(x, template)`.
pub(super) const TO_CHAR: Function = Function {
    name: "to_char",
    arguments: 2..=2,
    returns: |types| match types.of(0) {
        DataType::Date32 | DataType::Timestamp(..) | DataType::Null => Ok(DataType::Utf8),
        number if number.is_numeric() || *number == INTERVAL => Ok(DataType::Utf8),
        other => plan_err!("to_char is not supported for {other}"),
    },
    compute: |call| {
        if call.arguments.args[0].data_type().is_numeric() {
            return number_format::to_char(call);
        }
        temporal(call)
    },
};

/// What a template shows.
struct Shown {
    /// Nothing in an interval.
    civil: Option<Civil>,
    years: i32,
    months: i32,
    days: i32,
    /// Microseconds; of an interval any number of hours.
    time: i64,
    /// Microseconds east of UTC, and whether it is UTC.
    zone: Option<(i64, bool)>,
}

fn temporal(call: &Call<'_>) -> Result<ArrayRef> {
    let templates = call.texts(1)?;
    let values = call.column(0)?;
    let zone = LocalZone::of_session(call.zone())?;
    let is_utc = ["UTC", "Etc/UTC"].contains(&call.zone());
    let is_zoned = matches!(values.data_type(), DataType::Timestamp(_, Some(_)));
    let is_span = *values.data_type() == INTERVAL;
    let locals = if is_span { None } else { Some(civil(call, 0)?) };
    let mut known: Option<(String, Vec<Part>)> = None;
    let texts = map_rows(call.rows(), &[&values, &templates], |row| {
        let template = templates.value(row);
        if known.as_ref().is_none_or(|(text, _)| text != template) {
            known = Some((template.to_owned(), parse(template)?));
        }
        let parts = known.as_ref().map_or(&[][..], |(_, parts)| parts);
        let shown = match &locals {
            Some(locals) => {
                let local = locals.value(row);
                let civil = Civil::new(local);
                Shown {
                    years: civil.year,
                    months: i32::from(civil.month),
                    days: i32::from(civil.day_of_month),
                    time: civil.time,
                    zone: is_zoned.then(|| (offset(&zone, local), is_utc)),
                    civil: Some(civil),
                }
            }
            None => {
                let span = values.as_primitive::<IntervalMonthDayNanoType>().value(row);
                let (months, days) = (span.months, span.days);
                let time = span.nanoseconds / 1000;
                Shown {
                    civil: None,
                    years: months / 12,
                    months: months % 12,
                    days,
                    time,
                    zone: None,
                }
            }
        };
        // An empty template makes a NULL.
        if parts.is_empty() { Ok(None) } else { shown.text(parts).map(Some) }
    })?;
    Ok(Arc::new(texts.into_iter().map(Option::flatten).collect::<StringArray>()))
}

fn offset(zone: &LocalZone, local: i64) -> i64 {
    local - zone.instant(local)
}

impl Shown {
    fn text(&self, parts: &[Part]) -> Result<String> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Field(field) => self.field(field, &mut text)?,
            }
        }
        Ok(text)
    }

    fn field(&self, field: &Field, text: &mut String) -> Result<()> {
        let hour = self.time / HOUR;
        let half_day = if hour % 12 == 0 { 12 } else { hour % 12 };
        let fraction = self.time.rem_euclid(SECOND);
        let (value, width) = match field.name {
            "HH24" => (hour, 2),
            "HH12" | "HH" => (half_day, 2),
            "MI" => (self.time % HOUR / MINUTE, 2),
            "SS" => (self.time % MINUTE / SECOND, 2),
            "MS" => (fraction / 1000, 3),
            "US" | "FF6" => (fraction, 6),
            "FF1" => (fraction / 100_000, 1),
            "FF2" => (fraction / 10_000, 2),
            "FF3" => (fraction / 1000, 3),
            "FF4" => (fraction / 100, 4),
            "FF5" => (fraction / 10, 5),
            "SSSS" | "SSSSS" => (self.time / SECOND, 1),
            "YYYY" => (i64::from(self.years), 4),
            "YYY" => (i64::from(self.years % 1000), 3),
            "YY" => (i64::from(self.years % 100), 2),
            "Y" => (i64::from(self.years % 10), 1),
            "MM" => (i64::from(self.months), 2),
            "DD" => (i64::from(self.days), 2),
            "CC" => (i64::from((self.years + 99) / 100), 2),
            "AM" | "PM" | "A.M." | "P.M." => {
                let half = if hour % 24 < 12 { ["AM", "A.M."] } else { ["PM", "P.M."] };
                let half = half[usize::from(field.name.contains('.'))];
                text.push_str(&cased(half, field.case));
                return Ok(());
            }
            _ => return self.dated(field, text),
        };
        number(value, width, field, text);
        Ok(())
    }

    /// The fields that need a date.
    fn dated(&self, field: &Field, text: &mut String) -> Result<()> {
        let Some(civil) = &self.civil else {
            return exec_err!("the template field {} is not supported for intervals", field.name);
        };
        let (iso_year, iso_week) = civil.iso_week();
        let week = |day: i32| (day - 1) / 7 + 1;
        let (value, width) = match field.name {
            "Y,YYY" => {
                let _ = write!(text, "{},{:03}", civil.year / 1000, civil.year % 1000);
                return Ok(());
            }
            "IYYY" => (iso_year, 4),
            "IYY" => (iso_year % 1000, 3),
            "IY" => (iso_year % 100, 2),
            "I" => (iso_year % 10, 1),
            "Q" => ((i32::from(civil.month) + 2) / 3, 1),
            "WW" => (week(civil.day_of_year()), 2),
            "W" => (week(i32::from(civil.day_of_month)), 1),
            "IW" => (iso_week, 2),
            "DDD" => (civil.day_of_year(), 3),
            "IDDD" => ((iso_week - 1) * 7 + civil.iso_weekday(), 3),
            "D" => (civil.iso_weekday() % 7 + 1, 1),
            "ID" => (civil.iso_weekday(), 1),
            "J" => (civil.day.number() + 2_440_588, 1),
            "AD" | "BC" => {
                text.push_str(&cased("AD", field.case));
                return Ok(());
            }
            "A.D." | "B.C." => {
                text.push_str(&cased("A.D.", field.case));
                return Ok(());
            }
            "MONTH" | "MON" | "DAY" | "DY" => {
                let month = MONTHS[usize::from(civil.month) - 1];
                let day = DAYS[usize::try_from(civil.iso_weekday() - 1).unwrap_or_default()];
                let (name, width) = match field.name {
                    "MONTH" => (month, 9),
                    "MON" => (&month[..3], 3),
                    "DAY" => (day, 9),
                    _ => (&day[..3], 3),
                };
                let width = if field.is_short { 0 } else { width };
                let _ = write!(text, "{:width$}", cased(name, field.case));
                return Ok(());
            }
            "RM" => {
                let width = if field.is_short { 0 } else { 4 };
                let name = cased(ROMAN[usize::from(civil.month) - 1], field.case);
                let _ = write!(text, "{name:width$}");
                return Ok(());
            }
            _ => return self.zoned(field, text),
        };
        number(i64::from(value), width, field, text);
        Ok(())
    }

    fn zoned(&self, field: &Field, text: &mut String) -> Result<()> {
        let Some((offset, is_utc)) = self.zone else {
            // PostgreSQL shows nothing for timestamps without a zone, except their offset.
            text.push_str(match field.name {
                "OF" | "TZH" => "+00",
                "TZM" => "00",
                _ => "",
            });
            return Ok(());
        };
        let sign = if offset < 0 { '-' } else { '+' };
        let minutes = offset.abs() / MINUTE;
        let _ = match field.name {
            "TZH" => write!(text, "{sign}{:02}", minutes / 60),
            "TZM" => write!(text, "{:02}", minutes % 60),
            "OF" if minutes % 60 == 0 => write!(text, "{sign}{:02}", minutes / 60),
            "OF" => write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60),
            _ if is_utc => write!(text, "{}", cased("UTC", field.case)),
            _ => return exec_err!("the template field TZ is supported in the time zone UTC only"),
        };
        Ok(())
    }
}

fn cased(name: &str, case: Case) -> String {
    match case {
        Case::Upper => name.to_uppercase(),
        Case::Lower => name.to_lowercase(),
        Case::Capitalized => name.to_owned(),
    }
}

fn number(value: i64, width: usize, field: &Field, text: &mut String) {
    let width = if field.is_short { 0 } else { width };
    let sign = if value < 0 { "-" } else { "" };
    let _ = write!(text, "{sign}{:0width$}", value.abs());
    if let Some(case) = field.ordinal {
        let ending = match (value % 100, value % 10) {
            (11..=13, _) => "th",
            (_, 1) => "st",
            (_, 2) => "nd",
            (_, 3) => "rd",
            _ => "th",
        };
        text.push_str(&cased(ending, case));
    }
}

#[cfg(test)]
mod tests {
    use super::{Civil, HOUR, MINUTE, SECOND, Shown};
    use crate::server::postgres::dialect::input::DAY;
    use crate::server::postgres::dialect::template::parse;

    #[test]
    fn fields_are_written_as_postgresql_writes_them() {
        let local = 20_527 * DAY + 13 * HOUR + 5 * MINUTE + 6 * SECOND + 123_456;
        for (template, expected) in [
            ("YYYY-MM-DD HH24:MI:SS.US", "2026-03-15 13:05:06.123456"),
            ("FMDay, FMDDth FMMonth YYYY", "Sunday, 15th March 2026"),
            ("Day|MONTH|mon|Dy", "Sunday   |MARCH    |mar|Sun"),
            ("HH12:MI a.m. TZH", "01:05 p.m. +01"),
            ("D ID DDD WW IW IYYY Q W J", "1 7 074 11 11 2026 1 3 2461115"),
        ] {
            let civil = Civil::new(local);
            let shown = Shown {
                years: civil.year,
                months: i32::from(civil.month),
                days: i32::from(civil.day_of_month),
                time: civil.time,
                zone: Some((HOUR, false)),
                civil: Some(civil),
            };
            assert_eq!(shown.text(&parse(template).unwrap()).unwrap(), expected, "{template}");
        }
    }
}
