//! `to_char` for numbers: `FM999,990.00`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::exec_err;
use datafusion::error::Result;

use crate::server::postgres::function::{Call, map_rows};

/// A template of digits.
#[derive(Debug, Default)]
struct Template {
    /// Digits before the decimal point: whether they are always shown (0), and the group separators
    /// and texts among them.
    whole: Vec<Place>,
    fraction: Vec<Place>,
    has_point: bool,
    /// FM: no padding.
    is_short: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// 9
    Digit,
    /// 0
    Zero,
    /// `,` and G
    Group,
    Text(char),
}

pub(super) fn to_char(call: &Call<'_>) -> Result<ArrayRef> {
    let templates = call.texts(1)?;
    let values = call.column(0)?;
    // Exact numbers as they are written, floats with the digits that identify them.
    let texts = match values.data_type() {
        DataType::Float32 | DataType::Float64 => {
            let floats = call.cast(0, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>();
            if floats.iter().flatten().any(|value| !value.is_finite()) {
                return exec_err!("to_char is not supported for numbers that are not finite");
            }
            floats.iter().map(|value| value.map(|value| format!("{value}"))).collect()
        }
        _ => call.texts(0)?,
    };
    let shown = map_rows(call.rows(), &[&texts, &templates], |row| {
        Template::parse(templates.value(row))?.show(texts.value(row))
    })?;
    Ok(Arc::new(StringArray::from(shown)))
}

impl Template {
    fn parse(text: &str) -> Result<Self> {
        let mut template = Self::default();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if rest.starts_with("FM") || rest.starts_with("fm") {
                template.is_short = true;
                rest = &rest[2..];
                continue;
            }
            rest = &rest[letter.len_utf8()..];
            let place = match letter {
                '9' => Place::Digit,
                '0' => Place::Zero,
                ',' | 'G' | 'g' => Place::Group,
                '.' | 'D' | 'd' if !template.has_point => {
                    template.has_point = true;
                    continue;
                }
                // Signs, currencies, powers and other notations.
                other if other.is_alphabetic() || matches!(other, '.' | '"' | '\\') => {
                    return exec_err!("the number template \"{text}\" is not supported");
                }
                other => Place::Text(other),
            };
            match template.has_point {
                true => template.fraction.push(place),
                false => template.whole.push(place),
            }
        }
        Ok(template)
    }

    fn show(&self, number: &str) -> Result<String> {
        let is_digit = |place: &&Place| matches!(place, Place::Digit | Place::Zero);
        let places = self.fraction.iter().filter(is_digit).count();
        let (is_negative, whole, fraction) = rounded(number, places)?;
        let room = self.whole.iter().filter(is_digit).count();
        let whole = whole.trim_start_matches('0');
        let overflows = whole.len() > room;
        // Digits are right-aligned in the places before the point.
        let mut digits: Vec<Option<char>> = vec![None; room.saturating_sub(whole.len())];
        digits.extend(whole.chars().map(Some));
        let first_zero = self.whole.iter().filter(is_digit).position(|place| *place == Place::Zero);
        let mut first = room.saturating_sub(whole.len());
        first = first.min(first_zero.unwrap_or(room));
        if places == 0 && whole.is_empty() && first == room {
            // A zero has at least one digit unless decimals follow.
            first = room.saturating_sub(1);
        }
        let mut body = String::new();
        let (mut at, mut has_begun) = (0, false);
        for place in &self.whole {
            match place {
                Place::Digit | Place::Zero => {
                    if at >= first && !has_begun {
                        has_begun = true;
                        body.push(if is_negative { '-' } else { ' ' });
                    }
                    body.push(match digits.get(at).copied().flatten() {
                        _ if overflows => '#',
                        Some(digit) => digit,
                        None if at >= first => '0',
                        None => ' ',
                    });
                    at += 1;
                }
                Place::Group => body.push(if has_begun { ',' } else { ' ' }),
                Place::Text(text) => body.push(*text),
            }
        }
        if !has_begun {
            body.push(if is_negative { '-' } else { ' ' });
        }
        if self.has_point {
            body.push('.');
            let mut tail: Vec<char> = Vec::new();
            let mut fraction = fraction.chars();
            let last_zero = self.fraction.iter().rposition(|place| *place == Place::Zero);
            let mut shown = 0;
            for (at, place) in self.fraction.iter().enumerate() {
                match place {
                    Place::Digit | Place::Zero => {
                        let digit = fraction.next().unwrap_or('0');
                        tail.push(if overflows { '#' } else { digit });
                        if digit != '0' || last_zero.is_some_and(|last| at <= last) || overflows {
                            shown = tail.len();
                        }
                    }
                    Place::Group => tail.push(','),
                    Place::Text(text) => {
                        tail.push(*text);
                        shown = tail.len();
                    }
                }
            }
            if self.is_short {
                tail.truncate(shown);
            }
            body.extend(tail);
        }
        Ok(if self.is_short { body.trim_start_matches(' ').replace(' ', "") } else { body })
    }
}

/// The sign, the whole part and the decimals of a number, rounded half away from zero.
fn rounded(number: &str, places: usize) -> Result<(bool, String, String)> {
    let (is_negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return exec_err!("to_char is not supported for {number}");
    }
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(places)).collect();
    let kept = fraction.len().min(places);
    if fraction.as_bytes().get(places).is_some_and(|next| *next >= b'5') {
        let mut at = digits.len();
        loop {
            if at == 0 {
                digits.insert(0, b'1');
                break;
            }
            at -= 1;
            if digits[at] == b'9' {
                digits[at] = b'0';
            } else {
                digits[at] += 1;
                break;
            }
        }
    }
    let text = String::from_utf8_lossy(&digits).into_owned();
    let (whole, fraction) = text.split_at(text.len() - kept);
    let is_zero = digits.iter().all(|digit| *digit == b'0');
    Ok((is_negative && !is_zero, whole.to_owned(), fraction.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[test]
    fn numbers_are_written_as_postgresql_writes_them() {
        for (number, template, expected) in [
            ("125", "999", " 125"),
            ("125", "FM999", "125"),
            ("-5", "999", "  -5"),
            ("12", "0000", " 0012"),
            ("1234567.891", "9,999,999.99", " 1,234,567.89"),
            ("1234567.891", "FM9,999,999.00", "1,234,567.89"),
            ("12", "9,999", "    12"),
            ("0.5", "FM90.00", "0.50"),
            ("0.12", "99.99%", "   .12%"),
            ("0", "999", "   0"),
            ("1234", "999", " ###"),
            ("2.5", "FM999.99", "2.5"),
            ("0.999", "FM990.0", "1.0"),
        ] {
            let shown = Template::parse(template).unwrap().show(number).unwrap();
            assert_eq!(shown, expected, "{number} {template}");
        }
        assert!(Template::parse("9EEEE").is_err() && Template::parse("S9").is_err());
    }
}
