//! Decodes parameter values in PostgreSQL's text format.

use arrow::datatypes::DataType;
use bytes::Bytes;
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use pgwire::types::FromSqlText;
use pgwire::types::format::FormatOptions;

use super::types::arrow_type;

/// The value; `None` if the text is not one.
pub(super) fn value(kind: &Type, bytes: &Bytes) -> Option<ScalarValue> {
    let text = std::str::from_utf8(bytes).ok()?;
    if let Some(DataType::List(item)) = arrow_type(kind) {
        return list(item.data_type(), text);
    }
    match *kind {
        Type::BOOL => Some(ScalarValue::Boolean(Some(boolean(text)?))),
        Type::BYTEA => Some(ScalarValue::Binary(Some(bytea(text)?))),
        Type::NUMERIC => numeric(text.trim()),
        Type::DATE | Type::TIMESTAMP => cast(without_zone(text), &arrow_type(kind)?),
        _ => cast(text, &arrow_type(kind)?),
    }
}

fn cast(text: &str, kind: &DataType) -> Option<ScalarValue> {
    let text = if *kind == DataType::Utf8 { text } else { text.trim() };
    let value = ScalarValue::Utf8(Some(text.to_owned())).cast_to(kind).ok()?;
    (!value.is_null()).then_some(value)
}

fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// `\x00ff`, the form that drivers write.
fn bytea(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.strip_prefix("\\x")?.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// Removes the time zone of a date or timestamp, which PostgreSQL ignores.
fn without_zone(text: &str) -> &str {
    let text = text.trim();
    let date = "2026-02-28".len();
    let zone = text.get(date..).and_then(|rest| rest.find(['+', '-', 'Z']));
    zone.map_or(text, |at| &text[..date + at])
}

/// A decimal with the scale that is written.
fn numeric(text: &str) -> Option<ScalarValue> {
    let places = text.split_once('.').map_or(0, |(_, after)| after.len());
    let scale = i8::try_from(places).ok().filter(|scale| *scale <= 38)?;
    cast(text, &DataType::Decimal128(38, scale))
}

/// The elements of an array such as `{a, "b c", NULL}`; `None` if it is not one.
pub(super) fn elements(text: &str) -> Option<Vec<Option<String>>> {
    // Spaces around elements do not count, except in quotes.
    let (mut plain, mut quoted, mut escaped) = (String::new(), false, false);
    for letter in text.trim().chars() {
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        if !quoted && matches!(letter, ',' | '}') {
            plain.truncate(plain.trim_end().len());
        }
        let begins = plain.ends_with(['{', ',']);
        if quoted || !letter.is_whitespace() || !begins {
            plain.push(letter);
        }
    }
    let format = FormatOptions::default();
    Vec::from_sql_text(&Type::TEXT_ARRAY, plain.as_bytes(), &format).ok()
}

fn list(item: &DataType, text: &str) -> Option<ScalarValue> {
    let texts = elements(text)?;
    let values = texts.into_iter().map(|text| match text {
        Some(text) => cast(&text, item),
        None => ScalarValue::try_from(item).ok(),
    });
    let values: Vec<ScalarValue> = values.collect::<Option<_>>()?;
    Some(ScalarValue::List(ScalarValue::new_list_nullable(&values, item)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pgwire::api::Type;

    use super::value;

    fn read(kind: &Type, text: &'static str) -> Option<String> {
        value(kind, &Bytes::from_static(text.as_bytes())).map(|value| value.to_string())
    }

    #[test]
    fn texts_are_decoded() {
        for (kind, text, expected) in [
            (Type::BOOL, "TRUE", "true"),
            (Type::INT4, " -7 ", "-7"),
            (Type::FLOAT8, "1.5", "1.5"),
            (Type::TEXT, " a ", " a "),
            (Type::DATE, "2026-02-28", "2026-02-28"),
            (Type::DATE, "2026-02-28 +00", "2026-02-28"),
            (Type::BYTEA, "\\x00ff", "00FF"),
            (Type::INT8_ARRAY, "{1,NULL,3}", "[1, , 3]"),
            (Type::TEXT_ARRAY, "{a,\"b c\"}", "[a, b c]"),
            (Type::TEXT_ARRAY, " { a b , \" c, \\\"}\" }", "[a b,  c, \"}]"),
        ] {
            assert_eq!(read(&kind, text).as_deref(), Some(expected), "{kind} {text}");
        }
        for (kind, text) in [
            (Type::BOOL, "maybe"),
            (Type::INT4, "1.5"),
            (Type::INT2, "70000"),
            (Type::DATE, "yesterday"),
            (Type::BYTEA, "\\x0"),
            (Type::NUMERIC, "1e"),
            (Type::INT8_ARRAY, "{a}"),
        ] {
            assert_eq!(read(&kind, text), None, "{kind} {text}");
        }
    }
}
