//! Encoding of values as PostgreSQL writes them, where arrow-pg differs: as text, times without
//! trailing zeros, timestamps in the connection's time zone, and floats; exact numbers also as binary.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Float32Type, Float64Type, Schema, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion_postgres::arrow_pg::datatypes::encode_recordbatch;
use engine::{Error, Result};
use pgwire::api::results::{FieldFormat, FieldInfo};
use pgwire::error::PgWireResult;
use pgwire::messages::data::DataRow;

use super::numeric_encoding;

/// Encodes rows as messages, with timestamps in `zone`; arrays as arrow-pg does.
///
/// # Errors
/// When a value cannot be encoded.
pub(in crate::server::postgres) fn encode(
    rows: &RecordBatch,
    fields: &Arc<Vec<FieldInfo>>,
    zone: &str,
) -> Result<impl Iterator<Item = PgWireResult<DataRow>> + use<>> {
    let is_text =
        |at: usize| fields.get(at).is_some_and(|field| field.format() == FieldFormat::Text);
    Ok(encode_recordbatch(Arc::clone(fields), encode_columns(rows, is_text, zone)?))
}

/// Encodes exact numbers, and times, timestamps and floats of the columns that are sent as text, and
/// converts all timestamps to `zone`. `is_text` returns whether a column is sent as text.
fn encode_columns(
    rows: &RecordBatch,
    is_text: impl Fn(usize) -> bool,
    zone: &str,
) -> Result<RecordBatch> {
    let schema = rows.schema();
    if !schema.fields().iter().any(|field| needs_encoding(field.data_type())) {
        return Ok(rows.clone());
    }
    let mut fields = Vec::with_capacity(schema.fields().len());
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (at, (field, column)) in schema.fields().iter().zip(rows.columns()).enumerate() {
        let column = match field.data_type() {
            DataType::Timestamp(unit, Some(_)) => {
                let kind = DataType::Timestamp(*unit, Some(zone.into()));
                cast(column, &kind).map_err(Error::from)?
            }
            _ => Arc::clone(column),
        };
        let column = match field.data_type() {
            DataType::Decimal128(..) | DataType::Decimal256(..) => {
                numeric_encoding::encode(&column, is_text(at))?
            }
            kind if is_text(at) && needs_encoding(kind) => texts(&column)?,
            _ => column,
        };
        fields.push(Arc::new(Field::clone(field).with_data_type(column.data_type().clone())));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::from)
}

fn needs_encoding(kind: &DataType) -> bool {
    use DataType::{Decimal128, Decimal256, Float32, Float64, Time32, Time64, Timestamp};
    let is_exact = matches!(kind, Decimal128(..) | Decimal256(..));
    is_exact || matches!(kind, Timestamp(..) | Float32 | Float64 | Time32(_) | Time64(_))
}

fn texts(column: &ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Timestamp(_, zone) => timestamps(column, zone.is_some()),
        DataType::Float32 | DataType::Float64 => floats(column),
        _ => times(column),
    }
}

/// `2026-02-28 12:00:00.25`, and with a zone `2026-02-28 13:00:00.25+01`.
fn timestamps(column: &ArrayRef, zoned: bool) -> Result<ArrayRef> {
    let zone = match column.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    // PostgreSQL's resolution is a microsecond.
    let kind = DataType::Timestamp(TimeUnit::Microsecond, zone);
    let column = cast(column, &kind).map_err(Error::from)?;
    let format = if zoned { "%Y-%m-%d %H:%M:%S%.6f%:z" } else { "%Y-%m-%d %H:%M:%S%.6f" };
    let options = FormatOptions::new()
        .with_timestamp_format(Some(format))
        .with_timestamp_tz_format(Some(format));
    let shown = ArrayFormatter::try_new(&column, &options).map_err(Error::from)?;
    let values = column.as_primitive::<TimestampMicrosecondType>();
    let mut text = String::new();
    let rows = (0..values.len()).map(|row| {
        if values.is_null(row) {
            return Ok(None);
        }
        text.clear();
        let broken = |_| Error::input("timestamp out of range");
        write!(text, "{}", shown.value(row)).map_err(broken)?;
        Ok(Some(trim_zeros(&text)))
    });
    let rows = rows.collect::<Result<StringArray>>()?;
    Ok(Arc::new(rows))
}

/// Removes trailing zeros of the seconds, and a `:00` of the offset.
fn trim_zeros(text: &str) -> String {
    let (instant, offset) = match text.char_indices().skip(19).find(|(_, c)| matches!(c, '+' | '-'))
    {
        Some((at, _)) => text.split_at(at),
        None => (text, ""),
    };
    let instant = match instant.contains('.') {
        true => instant.trim_end_matches('0').trim_end_matches('.'),
        false => instant,
    };
    format!("{instant}{}", offset.strip_suffix(":00").unwrap_or(offset))
}

/// The shortest digits that identify a number, with an exponent for very small and large ones.
fn floats(column: &ArrayRef) -> Result<ArrayRef> {
    let texts: StringArray = match column.data_type() {
        DataType::Float32 => {
            let values = column.as_primitive::<Float32Type>().iter();
            values
                .map(|value| value.map(|value| float(f64::from(value), &format!("{value:e}"), 6)))
                .collect()
        }
        _ => {
            let values = column.as_primitive::<Float64Type>().iter();
            values.map(|value| value.map(|value| float(value, &format!("{value:e}"), 15))).collect()
        }
    };
    Ok(Arc::new(texts))
}

/// A number from its digits and exponent (`1.5e3`); larger exponents than `most` are shown.
fn float(value: f64, digits: &str, most: i32) -> String {
    if !value.is_finite() {
        let name = if value.is_nan() { "NaN" } else { "Infinity" };
        return format!("{}{name}", if value < 0.0 { "-" } else { "" });
    }
    let (digits, exponent) = digits.split_once('e').unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..most).contains(&exponent) {
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", digits),
        };
        let digits: String = digits.chars().filter(|letter| *letter != '.').collect();
        return match usize::try_from(exponent) {
            Ok(before) if digits.len() > before + 1 => {
                format!("{sign}{}.{}", &digits[..=before], &digits[before + 1..])
            }
            Ok(before) => format!("{sign}{digits:0<width$}", width = before + 1),
            Err(_) => {
                let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
                format!("{sign}0.{}{digits}", "0".repeat(zeros))
            }
        };
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// Times without trailing zeros.
fn times(column: &ArrayRef) -> Result<ArrayRef> {
    let column = cast(column, &DataType::Time64(TimeUnit::Microsecond)).map_err(Error::from)?;
    let values = column.as_primitive::<Time64MicrosecondType>().iter();
    let shown = |micros: i64| {
        let seconds = micros / 1_000_000;
        let text = format!(
            "{:02}:{:02}:{:02}.{:06}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            micros % 1_000_000
        );
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let texts = values.map(|value| value.map(shown));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, TimestampNanosecondArray};

    use super::encode_columns;

    #[test]
    fn timestamps_have_no_trailing_zeros_and_the_connections_zone() {
        let at = vec![Some(1_772_280_000_250_000_000), None, Some(1_772_280_000_000_000_000)];
        let bare: ArrayRef = Arc::new(TimestampNanosecondArray::from(at.clone()));
        let zoned: ArrayRef =
            Arc::new(TimestampNanosecondArray::from(at).with_timezone("America/New_York"));
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.5, f64::INFINITY, f64::NAN]));
        let rows = [("bare", bare), ("zoned", zoned), ("numbers", numbers)];
        let rows = RecordBatch::try_from_iter_with_nullable(
            rows.into_iter().map(|(name, column)| (name, column, true)),
        )
        .unwrap();
        let sent = encode_columns(&rows, |_| true, "Europe/Berlin").unwrap();
        let texts = |at: usize| {
            let column = sent.column(at).as_string::<i32>().iter();
            column.map(|text| text.unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(texts(0), ["2026-02-28 12:00:00.25", "-", "2026-02-28 12:00:00"]);
        assert_eq!(texts(1), ["2026-02-28 13:00:00.25+01", "-", "2026-02-28 13:00:00+01"]);
        assert_eq!(texts(2), ["1.5", "Infinity", "NaN"]);
        let binary = encode_columns(&rows, |_| false, "UTC").unwrap();
        assert_eq!(binary.column(0).data_type(), rows.column(0).data_type());
    }
}
