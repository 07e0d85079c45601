//! JSON as texts: `->`, `->>`, `#>` and `#>>`, and `json_agg`.
//!
//! A member is returned as it is written, so numbers keep their digits. The type `jsonb`, whose
//! values are written in another form, is not supported.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::text::written;
use crate::server::postgres::function::{Call, Function, map_rows};
use crate::server::postgres::values::text::elements;

/// A text that is JSON.
pub(super) const JSON: Function = Function {
    name: "json",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let texts = call.texts(0)?;
        for text in texts.iter().flatten() {
            parse::<IgnoredAny>(text)?;
        }
        Ok(Arc::new(texts))
    },
};

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text)
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
        let found = match &positions {
            Some(positions) => element(text, positions.as_primitive::<Int64Type>().value(row))?,
            None => member(text, names.value(row))?,
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
    let paths = match call.column(1)? {
        lists if lists.data_type().is_list() => lists,
        _ => Arc::new(call.texts(1)?),
    };
    let found = map_rows(call.rows(), &[&texts, &paths], |row| {
        let steps = match paths.as_list_opt::<i32>() {
            Some(lists) => {
                let steps = arrow::compute::cast(&lists.value(row), &DataType::Utf8)?;
                Some(steps.as_string::<i32>().iter().map(|step| step.map(str::to_owned)).collect())
            }
            None => elements(paths.as_string::<i32>().value(row)),
        };
        let Some(steps) = steps else { return exec_err!("malformed array literal in a path") };
        let found = follow(texts.value(row), &steps)?;
        Ok(found.and_then(|found| shown(found, as_text)))
    })?;
    Ok(Arc::new(found.into_iter().map(Option::flatten).collect::<StringArray>()))
}

fn follow<'a>(text: &'a str, steps: &[Option<String>]) -> Result<Option<&'a str>> {
    let mut found = parse::<&RawValue>(text)?.get();
    for step in steps {
        let Some(step) = step else { return Ok(None) };
        let next = match (found.starts_with('['), step.parse()) {
            (true, Ok(position)) => element(found, position)?,
            (true, Err(_)) => None,
            (false, _) => member(found, step)?,
        };
        match next {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
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

/// The value of the last member of that name, if the text is an object.
fn member<'a>(text: &'a str, name: &str) -> Result<Option<&'a str>> {
    if !text.trim_start().starts_with('{') {
        parse::<IgnoredAny>(text)?;
        return Ok(None);
    }
    let members: HashMap<String, &RawValue> = parse(text)?;
    Ok(members.get(name).map(|value| value.get()))
}

/// An element of an array; negative positions count from the end.
fn element(text: &str, position: i64) -> Result<Option<&str>> {
    if !text.trim_start().starts_with('[') {
        parse::<IgnoredAny>(text)?;
        return Ok(None);
    }
    let elements: Vec<&RawValue> = parse(text)?;
    let from_start = usize::try_from(position).ok();
    let from_end = || {
        let back = usize::try_from(position.unsigned_abs()).ok()?;
        elements.len().checked_sub(back)
    };
    let value = from_start.or_else(from_end).and_then(|at| elements.get(at));
    Ok(value.map(|value| value.get()))
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
        let (member, element) = (
            |text, name| member(text, name).unwrap(),
            |text, position| element(text, position).unwrap(),
        );
        assert_eq!(member(text, "a"), Some(r#"{"b": [1.50, "x\"y", null]}"#));
        assert_eq!(member(text, "ab"), Some("true"));
        assert_eq!(member(text, "c"), Some("5"));
        assert_eq!((member(text, "d"), member("[1]", "a"), element(text, 0)), (None, None, None));
        assert_eq!(element("[1, [2, 3], {}]", 1), Some("[2, 3]"));
        assert_eq!(
            (element("[1, 2]", -1), element("[1, 2]", -3), element("[]", 0)),
            (Some("2"), None, None)
        );
        let steps = ["a", "b", "1"].map(|step| Some(step.to_owned()));
        let found = follow(text, &steps).unwrap().unwrap();
        assert_eq!(shown(found, true).as_deref(), Some("x\"y"));
        assert_eq!(follow(text, &[None]).unwrap(), None);
        assert_eq!((shown("null", true), shown("null", false).as_deref()), (None, Some("null")));
        assert!(follow("{", &[]).is_err());
    }
}
