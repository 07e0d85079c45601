//! Decodes parameter values in PostgreSQL's binary format.

use arrow::datatypes::{DataType, IntervalMonthDayNanoType};
use bytes::{Buf, Bytes};
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;

use super::types::arrow_type;

/// Days from 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 86_400_000_000 * EPOCH_DAYS as i64;
/// Most digits of a NUMERIC.
const MAX_DIGITS: u32 = 38;

/// The value; `None` if the bytes are not one.
pub(in crate::server::postgres) fn value(kind: &Type, bytes: &Bytes) -> Option<ScalarValue> {
    let mut bytes = bytes.clone();
    let value = read(kind, &mut bytes)?;
    bytes.is_empty().then_some(value)
}

fn read(kind: &Type, bytes: &mut Bytes) -> Option<ScalarValue> {
    if let Some(DataType::List(item)) = arrow_type(kind) {
        return list(item.data_type(), bytes);
    }
    Some(match *kind {
        Type::BOOL => match bytes.try_get_u8().ok()? {
            0 => ScalarValue::Boolean(Some(false)),
            1 => ScalarValue::Boolean(Some(true)),
            _ => return None,
        },
        Type::INT2 => ScalarValue::Int16(Some(bytes.try_get_i16().ok()?)),
        Type::INT4 | Type::OID | Type::REGCLASS | Type::REGTYPE | Type::REGPROC => {
            ScalarValue::Int32(Some(bytes.try_get_i32().ok()?))
        }
        Type::INT8 => ScalarValue::Int64(Some(bytes.try_get_i64().ok()?)),
        Type::FLOAT4 => ScalarValue::Float32(Some(bytes.try_get_f32().ok()?)),
        Type::FLOAT8 => ScalarValue::Float64(Some(bytes.try_get_f64().ok()?)),
        Type::NUMERIC => numeric(bytes)?,
        Type::BYTEA => ScalarValue::Binary(Some(rest(bytes).to_vec())),
        Type::UUID => uuid(bytes)?,
        Type::DATE => ScalarValue::Date32(Some(bytes.try_get_i32().ok()?.checked_add(EPOCH_DAYS)?)),
        Type::TIME => ScalarValue::Time64Microsecond(Some(bytes.try_get_i64().ok()?)),
        Type::TIMESTAMP => ScalarValue::TimestampMicrosecond(Some(micros(bytes)?), None),
        Type::TIMESTAMPTZ => {
            ScalarValue::TimestampMicrosecond(Some(micros(bytes)?), Some("UTC".into()))
        }
        Type::INTERVAL => {
            let nanos = bytes.try_get_i64().ok()?.checked_mul(1000)?;
            let (days, months) = (bytes.try_get_i32().ok()?, bytes.try_get_i32().ok()?);
            let value = IntervalMonthDayNanoType::make_value(months, days, nanos);
            ScalarValue::IntervalMonthDayNano(Some(value))
        }
        _ => ScalarValue::Utf8(Some(String::from_utf8(rest(bytes).to_vec()).ok()?)),
    })
}

fn rest(bytes: &mut Bytes) -> Bytes {
    std::mem::take(bytes)
}

fn micros(bytes: &mut Bytes) -> Option<i64> {
    bytes.try_get_i64().ok()?.checked_add(EPOCH_MICROS)
}

/// Base-10000 digits: their count, the weight of the first one, the sign, the display scale, and
/// the digits.
fn numeric(bytes: &mut Bytes) -> Option<ScalarValue> {
    let (count, weight) = (bytes.try_get_u16().ok()?, bytes.try_get_i16().ok()?);
    let (sign, scale) = (bytes.try_get_u16().ok()?, bytes.try_get_u16().ok()?);
    let negative = match sign {
        0 => false,
        0x4000 => true,
        // NaN and infinity.
        _ => return None,
    };
    let scale = u32::from(scale);
    let mut value: i128 = 0;
    for at in 0..i32::from(count) {
        let digit = bytes.try_get_u16().ok().filter(|digit| *digit < 10_000).map(i128::from)?;
        // The digit's decimal exponent relative to the last displayed place.
        let places = (i32::from(weight) - at) * 4 + i32::try_from(scale).ok()?;
        value = value.checked_add(match u32::try_from(places) {
            Ok(places) => digit.checked_mul(10_i128.checked_pow(places)?)?,
            Err(_) => {
                let hidden = 10_i128.checked_pow(places.unsigned_abs())?;
                // Digits beyond the display scale would be lost.
                (digit % hidden == 0).then_some(digit / hidden)?
            }
        })?;
    }
    if value.unsigned_abs() >= 10_u128.pow(MAX_DIGITS) || scale > MAX_DIGITS {
        return None;
    }
    let value = if negative { -value } else { value };
    Some(ScalarValue::Decimal128(Some(value), MAX_DIGITS as u8, i8::try_from(scale).ok()?))
}

fn uuid(bytes: &mut Bytes) -> Option<ScalarValue> {
    let value = bytes.try_get_u128().ok()?;
    let text = format!("{value:032x}");
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    Some(ScalarValue::Utf8(Some(parts.join("-"))))
}

/// The number of dimensions, a null flag, the element type, and for each dimension its length and
/// lower bound.
fn list(item: &DataType, bytes: &mut Bytes) -> Option<ScalarValue> {
    let (dimensions, _nulls) = (bytes.try_get_i32().ok()?, bytes.try_get_i32().ok()?);
    let kind = Type::from_oid(bytes.try_get_u32().ok()?)?;
    let mut values = Vec::new();
    if dimensions > 0 {
        let (length, _begin) = (bytes.try_get_i32().ok()?, bytes.try_get_i32().ok()?);
        // Multidimensional arrays are not supported, and the length must fit the bytes.
        if dimensions > 1 || usize::try_from(length).ok()? > bytes.len() {
            return None;
        }
        for _ in 0..length {
            values.push(match bytes.try_get_i32().ok()? {
                -1 => ScalarValue::try_from(item).ok()?,
                size => {
                    let size = usize::try_from(size).ok().filter(|size| *size <= bytes.len())?;
                    let one = value(&kind, &bytes.split_to(size))?;
                    one.cast_to(item).ok()?
                }
            });
        }
    }
    Some(ScalarValue::List(ScalarValue::new_list_nullable(&values, item)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use datafusion::scalar::ScalarValue;
    use pgwire::api::Type;

    use super::value;

    fn read(kind: &Type, bytes: &'static [u8]) -> Option<String> {
        value(kind, &Bytes::from_static(bytes)).map(|value| value.to_string())
    }

    #[test]
    fn bytes_are_decoded() {
        for (kind, bytes, expected) in [
            (Type::BOOL, &b"\x01"[..], "true"),
            (Type::INT2, b"\xff\xfe", "-2"),
            (Type::INT4, b"\0\0\x01\0", "256"),
            (Type::INT8, b"\0\0\0\0\0\0\0\x07", "7"),
            (Type::FLOAT8, b"\x3f\xf8\0\0\0\0\0\0", "1.5"),
            (Type::TEXT, "grün".as_bytes(), "grün"),
            (Type::DATE, b"\0\0\0\0", "2000-01-01"),
            // The first has two zeros that are not shown.
            (Type::NUMERIC, b"\0\x02\0\0\0\0\0\x02\0\x0c\x13\x88", "12.50"),
            (Type::NUMERIC, b"\0\x01\xff\xff\x40\0\0\x02\x02\xbc", "-0.07"),
            (Type::NUMERIC, b"\0\x02\0\x01\0\0\0\0\x04\xd2\x16\x2e", "12345678"),
            (Type::NUMERIC, b"\0\0\0\0\0\0\0\0", "0"),
            (
                Type::UUID,
                b"\x55\x0e\x84\0\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\0\0",
                "550e8400-e29b-41d4-a716-446655440000",
            ),
            (
                Type::INT4_ARRAY,
                b"\0\0\0\x01\0\0\0\x01\0\0\0\x17\0\0\0\x02\0\0\0\x01\0\0\0\x04\0\0\0\x05\xff\xff\xff\xff",
                "[5, ]",
            ),
        ] {
            if kind != Type::NUMERIC {
                assert_eq!(read(&kind, bytes).as_deref(), Some(expected), "{kind}");
                continue;
            }
            let read = value(&kind, &Bytes::from_static(bytes));
            let Some(ScalarValue::Decimal128(Some(digits), _, scale)) = read else {
                panic!("no {expected}")
            };
            let shown: f64 = expected.parse().unwrap();
            assert!((digits as f64 / 10f64.powi(i32::from(scale)) - shown).abs() < 1e-9);
        }
    }

    #[test]
    fn invalid_bytes_are_none() {
        for (kind, bytes) in [
            (Type::BOOL, &b"\x02"[..]),
            (Type::INT4, b"\0\0\0"),
            (Type::INT4, b"\0\0\0\0\0"),
            (Type::TEXT, b"\xff"),
            (Type::DATE, b"\x7f\xff\xff\xff"),
            (Type::NUMERIC, b"\0\0\0\0\xc0\0\0\0"),
            (Type::NUMERIC, b"\0\x01\x7f\xff\0\0\0\0\0\x01"),
            // 12.5005 of which two places are shown, and a digit beyond 9999.
            (Type::NUMERIC, b"\0\x02\0\0\0\0\0\x02\0\x0c\x13\x8d"),
            (Type::NUMERIC, b"\0\x01\0\0\0\0\0\0\x27\x10"),
            (Type::INT4_ARRAY, b"\0\0\0\x01\0\0\0\0\0\0\0\x17\x7f\xff\xff\xff\0\0\0\x01"),
            (Type::INT4_ARRAY, b"\0\0\0\x02\0\0\0\0\0\0\0\x17\0\0\0\x01\0\0\0\x01"),
        ] {
            assert_eq!(read(&kind, bytes), None, "{kind} {bytes:?}");
        }
    }
}
