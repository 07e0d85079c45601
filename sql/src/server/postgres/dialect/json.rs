//! JSON as texts: `->`, `->>`, `#>` and `#>>`, `json_agg` and constructors.
//!
//! A member is returned as it is written, so numbers keep their digits. The type `jsonb`, whose
//! values are written in another form, is not supported.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;

use super::text::{as_texts, written};
use crate::server::postgres::function::{Call, Function, map_rows};

/// The functions that statements can name.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let all = [
        JSON_ARRAY_LENGTH,
        JSON_TYPEOF,
        JSON_EXTRACT,
        JSON_EXTRACT_TEXT,
        TO_JSON,
        BUILD_ARRAY,
        BUILD_OBJECT,
    ];
    all.into_iter().map(ScalarUDF::from).collect()
}

/// A text that is JSON.
pub(super) const JSON: Function = Function {
    name: "json",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let texts = call.texts(0)?;
        for text in texts.iter().flatten() {
            check(text)?;
        }
        Ok(Arc::new(texts))
    },
};

fn check(text: &str) -> Result<()> {
    let parsed = serde_json::from_str::<serde::de::IgnoredAny>(text);
    parsed
        .map(drop)
        .map_err(|_| DataFusionError::Execution("invalid input syntax for type json".to_owned()))
}

/// `->`: a member of an object by its name, an element of an array by its position.
pub(super) const GET: Function = Function {
    name: "json_get",
    arguments: 2..=2,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| members(call, false),
};

/// `->>`: as [`GET`], as a text.
pub(super) const GET_TEXT: Function = Function {
    name: "json_get_text",
    arguments: 2..=2,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| members(call, true),
};

fn members(call: &Call<'_>, as_text: bool) -> Result<ArrayRef> {
    let texts = call.texts(0)?;
    let keys = call.column(1)?;
    let positions = match keys.data_type().is_integer() {
        true => Some(call.cast(1, &DataType::Int64)?),
        false => None,
    };
    let names = call.texts(1)?;
    let found = map_rows(call.rows(), &[&texts, &keys], |row| {
        let text = texts.value(row);
        check(text)?;
        let found = match &positions {
            Some(positions) => element(text, positions.as_primitive::<Int64Type>().value(row)),
            None => member(text, names.value(row)),
        };
        Ok(found.and_then(|found| shown(found, as_text)))
    })?;
    Ok(Arc::new(found.into_iter().map(Option::flatten).collect::<StringArray>()))
}

/// `#>`: follows a list of names and positions.
pub(super) const PATH: Function = Function {
    name: "json_path",
    arguments: 2..=2,
    returns: |types| path_type(types.of(1)),
    compute: |call| path(call, false),
};

/// `#>>`: as [`PATH`], as a text.
pub(super) const PATH_TEXT: Function = Function {
    name: "json_path_text",
    arguments: 2..=2,
    returns: |types| path_type(types.of(1)),
    compute: |call| path(call, true),
};

fn path_type(path: &DataType) -> Result<DataType> {
    match path {
        DataType::List(_) | DataType::Utf8 | DataType::Utf8View => Ok(DataType::Utf8),
        other => plan_err!("a path in JSON is a list of texts, not {other}"),
    }
}

fn path(call: &Call<'_>, as_text: bool) -> Result<ArrayRef> {
    let texts = call.texts(0)?;
    let paths = call.column(1)?;
    let found = map_rows(call.rows(), &[&texts, &paths], |row| {
        let steps: Vec<String> = match paths.as_list_opt::<i32>() {
            Some(lists) => {
                let steps = arrow::compute::cast(&lists.value(row), &DataType::Utf8)?;
                steps
                    .as_string::<i32>()
                    .iter()
                    .map(|step| step.unwrap_or_default().to_owned())
                    .collect()
            }
            None => {
                let text = arrow::compute::cast(&paths, &DataType::Utf8)?;
                let text = text.as_string::<i32>().value(row).to_owned();
                let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
                let Some(inner) = inner.filter(|inner| !inner.contains('"')) else {
                    return exec_err!("malformed array literal: \"{text}\"");
                };
                inner.split(',').map(str::to_owned).collect()
            }
        };
        check(texts.value(row))?;
        Ok(follow(texts.value(row), steps.iter().map(String::as_str))
            .and_then(|found| shown(found, as_text)))
    })?;
    Ok(Arc::new(found.into_iter().map(Option::flatten).collect::<StringArray>()))
}

fn follow<'a, 'b>(text: &'a str, steps: impl Iterator<Item = &'b str>) -> Option<&'a str> {
    let mut found = text.trim();
    for step in steps {
        found = match found.starts_with('[') {
            true => element(found, step.parse().ok()?)?,
            false => member(found, step)?,
        };
    }
    Some(found)
}

/// A value as JSON, or as the text that it stands for; NULL for `null` as a text.
fn shown(value: &str, as_text: bool) -> Option<String> {
    match as_text {
        false => Some(value.to_owned()),
        true if value == "null" => None,
        true if value.starts_with('"') => serde_json::from_str(value).ok(),
        true => Some(value.to_owned()),
    }
}

/// The value of the last member of that name, if the text is an object. The text must be valid.
fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    for (key, value) in entries(text.trim().strip_prefix('{')?) {
        if key.and_then(|key| serde_json::from_str::<String>(key).ok()).as_deref() == Some(name) {
            found = Some(value);
        }
    }
    found
}

/// An element of an array; negative positions count from the end.
fn element(text: &str, position: i64) -> Option<&str> {
    let mut all = entries(text.trim().strip_prefix('[')?);
    match usize::try_from(position) {
        Ok(position) => all.nth(position).map(|(_, value)| value),
        Err(_) => {
            let all: Vec<&str> = all.map(|(_, value)| value).collect();
            let back = usize::try_from(position.unsigned_abs()).ok()?;
            all.len().checked_sub(back).and_then(|at| all.get(at).copied())
        }
    }
}

/// The entries of an object, with their names, or of an array, after its bracket.
fn entries(mut rest: &str) -> impl Iterator<Item = (Option<&str>, &str)> {
    std::iter::from_fn(move || {
        rest = rest.trim_start().trim_start_matches(',').trim_start();
        if rest.starts_with([']', '}']) || rest.is_empty() {
            return None;
        }
        let (first, after) = rest.split_at(length(rest));
        let Some(value) = after.trim_start().strip_prefix(':') else {
            rest = after;
            return Some((None, first.trim_end()));
        };
        let value = value.trim_start();
        let (value, after) = value.split_at(length(value));
        rest = after;
        Some((Some(first), value.trim_end()))
    })
}

/// The length of the value that a text begins with.
fn length(text: &str) -> usize {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if is_quoted {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => {
                    is_quoted = false;
                    if depth == 0 {
                        return at + 1;
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => is_quoted = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b':' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// A list as a JSON array: what `json_agg` makes of the values.
pub(super) const JSON_OF_LIST: Function = Function {
    name: "json_of_list",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let lists = call.column(0)?;
        let Some(lists) = lists.as_list_opt::<i32>() else {
            return Ok(arrow::array::new_null_array(&DataType::Utf8, call.rows()));
        };
        let arrays = map_rows(call.rows(), &[lists], |row| {
            let items = lists.value(row);
            let items = to_json(&items, &written(&items, call.zone())?)?;
            let items: Vec<&str> =
                items.iter().map(|item| item.as_deref().unwrap_or("null")).collect();
            Ok(format!("[{}]", items.join(", ")))
        })?;
        Ok(Arc::new(StringArray::from(arrays)))
    },
};

const JSON_ARRAY_LENGTH: Function = Function {
    name: "json_array_length",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Int32),
    compute: |call| {
        let texts = call.texts(0)?;
        let counts = map_rows(call.rows(), &[&texts], |row| {
            let text = texts.value(row);
            check(text)?;
            match text.trim().strip_prefix('[') {
                Some(rest) => Ok(i32::try_from(entries(rest).count()).unwrap_or(i32::MAX)),
                None => exec_err!("cannot get array length of a non-array"),
            }
        })?;
        Ok(Arc::new(arrow::array::Int32Array::from(counts)))
    },
};

const JSON_TYPEOF: Function = Function {
    name: "json_typeof",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let texts = call.texts(0)?;
        let names = map_rows(call.rows(), &[&texts], |row| {
            check(texts.value(row))?;
            Ok(match texts.value(row).trim().as_bytes().first() {
                Some(b'{') => "object",
                Some(b'[') => "array",
                Some(b'"') => "string",
                Some(b't' | b'f') => "boolean",
                Some(b'n') => "null",
                _ => "number",
            })
        })?;
        Ok(Arc::new(StringArray::from(names)))
    },
};

const JSON_EXTRACT: Function = Function {
    name: "json_extract_path",
    arguments: 2..=8,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| extract(call, false),
};

const JSON_EXTRACT_TEXT: Function = Function {
    name: "json_extract_path_text",
    arguments: 2..=8,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| extract(call, true),
};

fn extract(call: &Call<'_>, as_text: bool) -> Result<ArrayRef> {
    let texts = call.texts(0)?;
    let steps = (1..call.count()).map(|at| call.texts(at)).collect::<Result<Vec<_>>>()?;
    let nulls: Vec<&dyn Array> =
        steps.iter().map(|step| step as &dyn Array).chain([&texts as &dyn Array]).collect();
    let found = map_rows(call.rows(), &nulls, |row| {
        check(texts.value(row))?;
        let found = follow(texts.value(row), steps.iter().map(|step| step.value(row)));
        Ok(found.and_then(|found| shown(found, as_text)))
    })?;
    Ok(Arc::new(found.into_iter().map(Option::flatten).collect::<StringArray>()))
}

const TO_JSON: Function = Function {
    name: "to_json",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let values = values(call, 0)?;
        Ok(Arc::new(values.into_iter().collect::<StringArray>()))
    },
};

const BUILD_ARRAY: Function = Function {
    name: "json_build_array",
    arguments: 0..=16,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let columns = (0..call.count()).map(|at| values(call, at)).collect::<Result<Vec<_>>>()?;
        let rows = (0..call.rows()).map(|row| {
            let values: Vec<&str> =
                columns.iter().map(|column| column[row].as_deref().unwrap_or("null")).collect();
            Some(format!("[{}]", values.join(", ")))
        });
        Ok(Arc::new(rows.collect::<StringArray>()))
    },
};

const BUILD_OBJECT: Function = Function {
    name: "json_build_object",
    arguments: 0..=32,
    returns: |types| match types.count() % 2 {
        0 => Ok(DataType::Utf8),
        _ => plan_err!("argument list must have even number of elements"),
    },
    compute: |call| {
        let columns = (0..call.count()).map(|at| values(call, at)).collect::<Result<Vec<_>>>()?;
        let names = (0..call.count()).step_by(2).map(|at| as_texts(call, at));
        let names = names.collect::<Result<Vec<_>>>()?;
        let rows = (0..call.rows()).map(|row| {
            let mut text = String::from("{");
            for (at, names) in names.iter().enumerate() {
                if names.is_null(row) {
                    return exec_err!("argument {} must not be null", 2 * at + 1);
                }
                let comma = if at > 0 { ", " } else { "" };
                let value = columns[2 * at + 1][row].as_deref().unwrap_or("null");
                let _ = write!(text, "{comma}{} : {value}", quoted(names.value(row)));
            }
            text.push('}');
            Ok(Some(text))
        });
        Ok(Arc::new(rows.collect::<Result<StringArray>>()?))
    },
};

/// The values of an argument as JSON; `None` for NULL.
fn values(call: &Call<'_>, at: usize) -> Result<Vec<Option<String>>> {
    to_json(&call.column(at)?, &as_texts(call, at)?)
}

/// Values as JSON, given their texts: numbers and booleans as they are, everything else quoted.
fn to_json(values: &ArrayRef, texts: &StringArray) -> Result<Vec<Option<String>>> {
    let data_type = values.data_type();
    if data_type.is_nested() || matches!(data_type, DataType::Interval(_)) {
        return exec_err!("JSON of {data_type} is not supported");
    }
    let is_plain = data_type.is_numeric() || *data_type == DataType::Boolean;
    let is_zoned = matches!(data_type, DataType::Timestamp(..));
    let shown = |text: &str| match text {
        "NaN" | "Infinity" | "-Infinity" => quoted(text),
        text if is_plain => text.to_owned(),
        // ISO 8601.
        text if is_zoned => {
            let text = text.replacen(' ', "T", 1);
            let has_short_offset = text.len() > 3
                && matches!(text.as_bytes()[text.len() - 3], b'+' | b'-')
                && text.contains('T')
                && text.len() > 19;
            quoted(&if has_short_offset { format!("{text}:00") } else { text })
        }
        text => quoted(text),
    };
    Ok(texts.iter().map(|text| text.map(shown)).collect())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{element, follow, member, shown};

    #[test]
    fn members_are_returned_as_they_are_written() {
        let text = r#" {"a" : {"b": [1.50, "x\"y", null]}, "c": "z", "a\u0062": true, "c": 5 } "#;
        assert_eq!(member(text, "a"), Some(r#"{"b": [1.50, "x\"y", null]}"#));
        assert_eq!(member(text, "ab"), Some("true"));
        assert_eq!(member(text, "c"), Some("5"));
        assert_eq!((member(text, "d"), member("[1]", "a"), element(text, 0)), (None, None, None));
        assert_eq!(element("[1, [2, 3], {}]", 1), Some("[2, 3]"));
        assert_eq!(
            (element("[1, 2]", -1), element("[1, 2]", -3), element("[]", 0)),
            (Some("2"), None, None)
        );
        let found = follow(text, ["a", "b", "1"].into_iter()).unwrap();
        assert_eq!(shown(found, true).as_deref(), Some("x\"y"));
        assert_eq!((shown("null", true), shown("null", false).as_deref()), (None, Some("null")));
    }
}
