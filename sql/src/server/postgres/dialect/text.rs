//! Values as texts, and functions of texts.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::exec_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use pgwire::api::portal::Format;
use pgwire::types::format::FormatOptions;

use crate::server::postgres::function::{Function, map_rows};
use crate::server::postgres::values::rows;
use crate::server::postgres::values::types::sql_name;

/// The functions that statements can name.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let all = [VARCHAR, NAME, PG_TYPEOF, LIKE_ESCAPE, UUID_IN, PG_SIZE_PRETTY, CURRENT_SCHEMAS];
    all.into_iter().map(ScalarUDF::from).collect()
}

/// A value as PostgreSQL writes it.
pub(super) const TEXT: Function = Function {
    name: "text",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| Ok(Arc::new(written(&call.column(0)?, call.zone())?)),
};

/// A text of the type `character varying`.
const VARCHAR: Function = Function {
    name: "varchar",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| Ok(Arc::new(call.texts(0)?)),
};

/// A text of the type `name`.
const NAME: Function = Function {
    name: "name",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| Ok(Arc::new(call.texts(0)?)),
};

/// As [`TEXT`], but `t` and `f`: what `concat` makes of booleans.
pub(super) const SHORT_TEXT: Function = Function {
    name: "short_text",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| Ok(Arc::new(short_texts(&call.column(0)?, call.zone())?)),
};

/// Values in the text format of the protocol, booleans too.
pub(super) fn short_texts(values: &ArrayRef, zone: &str) -> Result<StringArray> {
    let Some(flags) = values.as_boolean_opt() else { return written(values, zone) };
    Ok(flags.iter().map(|flag| flag.map(|flag| if flag { "t" } else { "f" })).collect())
}

/// As [`short_texts`], but `true` and `false`: what a cast to text makes of values.
pub(super) fn written(values: &ArrayRef, zone: &str) -> Result<StringArray> {
    if matches!(values.data_type(), DataType::Utf8 | DataType::Boolean | DataType::Null) {
        return Ok(arrow::compute::cast(values, &DataType::Utf8)?.as_string::<i32>().clone());
    }
    let to_error = |cause: &dyn std::fmt::Display| DataFusionError::Execution(cause.to_string());
    let schema = Schema::new(vec![Field::new("text", values.data_type().clone(), true)]);
    let fields = rows::fields(&schema, &Format::UnifiedText, FormatOptions::default());
    let fields = fields.map_err(|cause| to_error(&cause))?;
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(values)])?;
    let rows = rows::encode(&batch, &Arc::new(fields), zone).map_err(|cause| to_error(&cause))?;
    let texts = rows.map(|row| {
        let row = row.map_err(|cause| to_error(&cause))?;
        // Its length, -1 for NULL, and its bytes.
        let (length, bytes) = row.data.split_at_checked(4).unwrap_or_default();
        match length {
            [0xff, ..] => Ok(None),
            _ => Ok(Some(String::from_utf8_lossy(bytes).into_owned())),
        }
    });
    texts.collect()
}

/// Bytes of a text such as `\x41`; other texts stand for themselves, with `\\` for a backslash.
pub(super) const BYTES: Function = Function {
    name: "bytea",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Binary),
    compute: |call| {
        let texts = call.texts(0)?;
        let values = map_rows(call.rows(), &[&texts], |row| bytes(texts.value(row)))?;
        Ok(Arc::new(values.iter().map(Option::as_deref).collect::<BinaryArray>()))
    },
};

pub(super) fn bytes(text: &str) -> Result<Vec<u8>> {
    let invalid = || DataFusionError::Execution("invalid input syntax for type bytea".to_owned());
    let Some(digits) = text.strip_prefix("\\x") else {
        // Octal escapes are not supported.
        let plain = text.replace("\\\\", "");
        return if plain.contains('\\') {
            Err(invalid())
        } else {
            Ok(text.replace("\\\\", "\\").into_bytes())
        };
    };
    let digits: Vec<u32> = digits
        .chars()
        .filter(|letter| !letter.is_ascii_whitespace())
        .map(|letter| letter.to_digit(16).ok_or_else(invalid))
        .collect::<Result<_>>()?;
    if digits.len() % 2 == 1 {
        return Err(invalid());
    }
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).map_err(|_| invalid()))
        .collect()
}

/// The name of a type.
const PG_TYPEOF: Function = Function {
    name: "pg_typeof",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let name = type_name(&call.arguments.arg_fields[0])?;
        Ok(Arc::new(StringArray::from(vec![name; call.rows()])))
    },
};

fn type_name(field: &Arc<Field>) -> Result<String> {
    if *field.data_type() == DataType::Null {
        return Ok("unknown".to_owned());
    }
    let schema = Schema::new(vec![Arc::clone(field)]);
    let fields = rows::fields(&schema, &Format::UnifiedText, FormatOptions::default());
    let fields = fields.map_err(|cause| DataFusionError::Execution(cause.to_string()))?;
    Ok(sql_name(fields[0].datatype()))
}

/// The name of a type in an error.
pub(super) fn sql_type(data_type: &DataType) -> String {
    let field = Arc::new(Field::new("type", data_type.clone(), true));
    type_name(&field).unwrap_or_else(|_| data_type.to_string())
}

/// A UUID in its usual form.
const UUID_IN: Function = Function {
    name: "uuid_in",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let texts = call.texts(0)?;
        let values = map_rows(call.rows(), &[&texts], |row| {
            let text = texts.value(row).trim_matches(['{', '}']).replace('-', "").to_lowercase();
            let is_valid = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            match is_valid {
                true => {
                    let parts =
                        [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
                    Ok(parts.join("-"))
                }
                false => exec_err!("invalid input syntax for type uuid: \"{}\"", texts.value(row)),
            }
        })?;
        Ok(Arc::new(StringArray::from(values)))
    },
};

/// A number of bytes in a unit of which there are at most five digits.
const PG_SIZE_PRETTY: Function = Function {
    name: "pg_size_pretty",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let sizes = call.cast(0, &DataType::Int64)?;
        let sizes = sizes.as_primitive::<Int64Type>();
        let texts = map_rows(call.rows(), &[sizes], |row| Ok(pretty(sizes.value(row))))?;
        Ok(Arc::new(StringArray::from(texts)))
    },
};

fn pretty(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    let mut size = bytes.unsigned_abs();
    if size < 10 * 1024 {
        return format!("{sign}{size} bytes");
    }
    // Twice the number of the next unit, to be rounded.
    size >>= 9;
    let mut unit = "kB";
    for next in ["MB", "GB", "TB", "PB"] {
        if size < 20 * 1024 - 1 {
            break;
        }
        (size, unit) = (size >> 10, next);
    }
    format!("{sign}{} {unit}", size.div_ceil(2))
}

/// The schemas in which names without one are looked up.
const CURRENT_SCHEMAS: Function = Function {
    name: "current_schemas",
    arguments: 1..=1,
    returns: |_| Ok(DataType::new_list(DataType::Utf8, true)),
    compute: |call| {
        let with_implicit = call.column(0)?;
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in 0..call.rows() {
            if with_implicit.as_boolean_opt().is_some_and(|flags| flags.value(row)) {
                lists.values().append_value("pg_catalog");
            }
            lists.values().append_value("public");
            lists.append(true);
        }
        Ok(Arc::new(lists.finish()))
    },
};

/// `like_escape(pattern, escape)`, the pattern of `LIKE pattern ESCAPE escape`.
const LIKE_ESCAPE: Function = Function {
    name: "like_escape",
    arguments: 2..=2,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let (patterns, escapes) = (call.texts(0)?, call.texts(1)?);
        let converted = map_rows(call.rows(), &[&patterns, &escapes], |row| {
            with_backslashes(patterns.value(row), escapes.value(row))
        })?;
        Ok(Arc::new(StringArray::from(converted)))
    },
};

/// Converts a LIKE pattern with the given escape character (none if empty) to one with backslashes.
fn with_backslashes(pattern: &str, escape: &str) -> Result<String> {
    let mut letters = escape.chars();
    let (escape, more) = (letters.next(), letters.next());
    if more.is_some() {
        return exec_err!("the escape string of LIKE must be empty or one character");
    }
    let mut converted = String::with_capacity(pattern.len());
    let mut escaped = false;
    for letter in pattern.chars() {
        if !escaped && Some(letter) == escape {
            escaped = true;
            continue;
        }
        if escaped || letter == '\\' {
            converted.push('\\');
        }
        converted.push(letter);
        escaped = false;
    }
    match escaped {
        true => exec_err!("a LIKE pattern must not end with its escape character"),
        false => Ok(converted),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, with_backslashes};

    #[test]
    fn bytes_are_read_as_postgresql_reads_them() {
        assert_eq!(bytes("\\x4142").unwrap(), b"AB");
        assert_eq!(bytes("a\\\\b").unwrap(), b"a\\b");
        assert!(bytes("\\x4").is_err() && bytes("\\101").is_err());
    }

    #[test]
    fn patterns_are_escaped_with_backslashes() {
        assert_eq!(with_backslashes("a/%b//c\\d%", "/").unwrap(), "a\\%b\\/c\\\\d%");
        assert!(with_backslashes("a/", "/").is_err());
    }
}
