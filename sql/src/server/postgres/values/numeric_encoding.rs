//! Encoding of `numeric`, of any number of digits: arrow-pg's has at most 28.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal256Type, i256};
use engine::{Error, Result};

/// Most digits of 256 bits.
const PRECISION: u8 = 76;
/// Digits in a group of the binary format.
const GROUP: usize = 4;

/// Numbers as text, or in the binary format.
///
/// # Errors
/// When they are not exact numbers.
pub(in crate::server::postgres) fn encode(column: &ArrayRef, is_text: bool) -> Result<ArrayRef> {
    let (scale, is_quotient) = match *column.data_type() {
        DataType::Decimal256(_, scale) => (scale, true),
        DataType::Decimal128(_, scale) => (scale, false),
        ref other => return Err(Error::input(format!("{other} is no exact number"))),
    };
    // Negative scales mean zeros before the decimal point.
    let scale = scale.max(0);
    let wide = cast(column, &DataType::Decimal256(PRECISION, scale)).map_err(Error::from)?;
    let values = wide.as_primitive::<Decimal256Type>().iter();
    let scale = usize::from(scale.unsigned_abs());
    // A quotient has room for more digits than it has.
    let texts = values.map(|value| value.map(|value| text(value, scale, is_quotient)));
    Ok(match is_text {
        true => Arc::new(texts.collect::<StringArray>()),
        false => {
            let encoded: Vec<Option<Vec<u8>>> =
                texts.map(|text| text.map(|text| binary(&text))).collect();
            Arc::new(encoded.iter().map(Option::as_deref).collect::<BinaryArray>())
        }
    })
}

/// The digits of a number, without zeros at the end of its decimal places if `trims`.
fn text(value: i256, scale: usize, trims: bool) -> String {
    let sign = if value < i256::ZERO { "-" } else { "" };
    let digits = value.wrapping_abs().to_string();
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = if trims { fraction.trim_end_matches('0') } else { fraction };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// The binary format: the number of groups of four digits, the power of 10,000 of the first group,
/// the sign, the number of decimal places, and the groups, without zeros at both ends.
fn binary(text: &str) -> Vec<u8> {
    let (is_negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let before = whole.len().div_ceil(GROUP);
    let after = fraction.len().div_ceil(GROUP);
    let padded = format!(
        "{whole:0>before$}{fraction:0<after$}",
        before = before * GROUP,
        after = after * GROUP
    );
    let groups: Vec<u16> = padded
        .as_bytes()
        .chunks(GROUP)
        .map(|group| group.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
        .collect();
    let first = groups.iter().position(|group| *group != 0).unwrap_or(groups.len());
    let end = groups.iter().rposition(|group| *group != 0).map_or(first, |last| last + 1);
    let small = |value: usize| i16::try_from(value).unwrap_or(i16::MAX);
    let weight = if first == end { 0 } else { small(before) - 1 - small(first) };
    let mut bytes = Vec::with_capacity(8 + 2 * (end - first));
    bytes.extend(small(end - first).to_be_bytes());
    bytes.extend(weight.to_be_bytes());
    bytes.extend(if is_negative { 0x4000_u16 } else { 0 }.to_be_bytes());
    bytes.extend(small(fraction.len()).to_be_bytes());
    bytes.extend(groups[first..end].iter().flat_map(|group| group.to_be_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::i256;

    use super::{binary, text};

    #[test]
    fn digits_are_kept() {
        let text = |value: i128, scale, trims| text(i256::from_i128(value), scale, trims);
        assert_eq!((text(150, 2, false), text(150, 2, true)), ("1.50".into(), "1.5".into()));
        assert_eq!((text(-7, 2, false), text(0, 2, true)), ("-0.07".into(), "0".into()));
        assert_eq!(text(200, 2, true), "2");
    }

    #[test]
    fn groups_of_four_digits_are_sent() {
        // groups, weight, sign, decimal places, the groups
        let sent = |text| {
            let bytes = binary(text);
            let pairs = bytes.chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]]));
            pairs.collect::<Vec<_>>()
        };
        assert_eq!(sent("12345.678"), [3, 1, 0, 3, 1, 2345, 6780]);
        assert_eq!(sent("-0.0001"), [1, -1, 0x4000, 4, 1]);
        assert_eq!(sent("10000"), [1, 1, 0, 0, 1]);
        assert_eq!(sent("0.00"), [0, 0, 0, 2]);
    }
}
