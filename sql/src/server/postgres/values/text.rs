//! Decodes parameter values in PostgreSQL's text format.

use arrow::datatypes::DataType;
use bytes::Bytes;
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use pgwire::types::FromSqlText;
use pgwire::types::format::FormatOptions;

use super::types::arrow_type;
use crate::server::postgres::dialect::constant;

/// The value; `None` if the text is not one. Timestamps without an offset are in `zone`.
pub(in crate::server::postgres) fn value(
    kind: &Type,
    bytes: &Bytes,
    zone: &str,
) -> Option<ScalarValue> {
    read(std::str::from_utf8(bytes).ok()?, &arrow_type(kind)?, zone)
}

fn read(text: &str, data_type: &DataType, zone: &str) -> Option<ScalarValue> {
    let DataType::List(item) = data_type else { return constant(text, data_type, zone).ok() };
    let item = item.data_type();
    let values = elements(text)?.into_iter().map(|element| match element {
        Some(element) => read(&element, item, zone),
        None => ScalarValue::try_from(item).ok(),
    });
    let values: Vec<ScalarValue> = values.collect::<Option<_>>()?;
    Some(ScalarValue::List(ScalarValue::new_list_nullable(&values, item)))
}

/// The elements of an array such as `{a, "b c", NULL}`; `None` if it is not one.
pub(in crate::server::postgres) fn elements(text: &str) -> Option<Vec<Option<String>>> {
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pgwire::api::Type;

    use super::value;

    fn read(kind: &Type, text: &'static str) -> Option<String> {
        value(kind, &Bytes::from_static(text.as_bytes()), "UTC").map(|value| value.to_string())
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
