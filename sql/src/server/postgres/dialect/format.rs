//! `format` and `quote_ident`.

use std::sync::Arc;

use arrow::array::{Array, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use super::text::{literal, short_texts};
use crate::server::postgres::function::{Function, map_rows};

/// Most arguments of `format`.
const MOST_ARGUMENTS: usize = 100;
/// Most letters to which `format` pads a value.
const MOST_WIDTH: usize = 1_000;

/// PostgreSQL's keywords that cannot be names without quotes, in all places.
const KEYWORDS: &str = "all analyse analyze and any array as asc asymmetric authorization between \
    bigint binary bit boolean both case cast char character check coalesce collate collation column \
    concurrently constraint create cross current_catalog current_date current_role current_schema \
    current_time current_timestamp current_user dec decimal default deferrable desc distinct do else \
    end except exists extract false fetch float for foreign freeze from full grant greatest group \
    grouping having ilike in initially inner inout int integer intersect interval into is isnull join \
    lateral leading least left like limit localtime localtimestamp national natural nchar none \
    normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay \
    placing position precision primary real references returning right row select session_user setof \
    similar smallint some substring symmetric table tablesample then time timestamp to trailing treat \
    trim true union unique user using values varchar variadic verbose when where window with \
    xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot \
    xmlserialize xmltable";

/// The functions that statements can name.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [FORMAT, QUOTE_IDENT].into_iter().map(ScalarUDF::from).collect()
}

/// Fills the places of a template.
const FORMAT: Function = Function {
    name: "format",
    arguments: 1..=MOST_ARGUMENTS,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let templates = call.texts(0)?;
        let values: Vec<StringArray> = (1..call.count())
            .map(|at| short_texts(&call.column(at)?, call.zone()))
            .collect::<Result<_>>()?;
        let filled = map_rows(call.rows(), &[&templates], |row| {
            let value =
                |values: &StringArray| values.is_valid(row).then(|| values.value(row).to_owned());
            let values: Vec<Option<String>> = values.iter().map(value).collect();
            fill(templates.value(row), &values)
        })?;
        Ok(Arc::new(StringArray::from(filled)))
    },
};

/// A name as it is written in SQL.
const QUOTE_IDENT: Function = Function {
    name: "quote_ident",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let names = call.texts(0)?;
        Ok(Arc::new(names.iter().map(|name| name.map(identifier)).collect::<StringArray>()))
    },
};

/// A name, in quotes if it needs them.
fn identifier(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let is_bare = name.starts_with(is_plain)
        && name.chars().all(|letter| is_plain(letter) || letter.is_ascii_digit())
        && !KEYWORDS.split_whitespace().any(|keyword| keyword == name);
    match is_bare {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A place of a template: `%[position$][-][width]type`.
struct Place {
    /// From 1.
    position: Option<usize>,
    is_left: bool,
    width: usize,
}

impl Place {
    /// Reads what comes after the `%`, and returns the rest.
    fn read(text: &str) -> (Self, &str) {
        let (first, after) = number(text);
        let (position, text) = match after.strip_prefix('$') {
            Some(after) if first.is_some() => (first, after),
            _ => (None, text),
        };
        let unsigned = text.trim_start_matches('-');
        let (width, rest) = number(unsigned);
        let is_left = unsigned.len() < text.len();
        (Self { position, is_left, width: width.unwrap_or_default() }, rest)
    }
}

/// The digits at the start, `None` if there are none, and the rest. A number that is too large for any
/// position or width is the largest one.
fn number(text: &str) -> (Option<usize>, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let number = (end > 0).then(|| text[..end].parse().unwrap_or(usize::MAX));
    (number, &text[end..])
}

/// Fills the places `%s`, `%I` (an identifier) and `%L` (a literal) of a template.
fn fill(template: &str, values: &[Option<String>]) -> Result<String> {
    let (mut filled, mut rest, mut next) = (String::new(), template, 1);
    while let Some((before, after)) = rest.split_once('%') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            filled.push('%');
            rest = after;
            continue;
        }
        let (Place { position, is_left, width }, after) = Place::read(after);
        let kind = after.chars().next();
        rest = after.get(kind.map_or(0, char::len_utf8)..).unwrap_or_default();
        let position = position.unwrap_or(next);
        next = position.saturating_add(1);
        let Some(value) = position.checked_sub(1).and_then(|at| values.get(at)) else {
            return exec_err!("too few arguments for format()");
        };
        let text = match (kind, value) {
            (Some('s'), value) => value.clone().unwrap_or_default(),
            (Some('I'), Some(name)) => identifier(name),
            (Some('I'), None) => {
                return exec_err!("null values cannot be formatted as an SQL identifier");
            }
            (Some('L'), None) => "NULL".to_owned(),
            (Some('L'), Some(text)) => literal(text),
            (Some('*'), _) => return exec_err!("the width * in format() is not supported"),
            _ => return exec_err!("unrecognized format() type specifier"),
        };
        if width > MOST_WIDTH {
            return exec_err!("a width of {width} in format() is not supported");
        }
        filled.push_str(&match is_left {
            true => format!("{text:<width$}"),
            false => format!("{text:>width$}"),
        });
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::{fill, identifier};

    #[test]
    fn names_are_quoted_where_sql_needs_it() {
        for name in ["abc", "_a1", "name"] {
            assert_eq!(identifier(name), name);
        }
        for (name, quoted) in [
            ("", "\"\""),
            ("A", "\"A\""),
            ("group", "\"group\""),
            ("1a", "\"1a\""),
            ("a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(identifier(name), quoted);
        }
    }

    #[test]
    fn places_are_filled() {
        let fill = |template: &str, values: &[Option<&str>]| {
            let values: Vec<_> = values.iter().map(|value| value.map(str::to_owned)).collect();
            fill(template, &values).map_err(|error| error.to_string())
        };
        let (a, b) = (Some("a"), Some("b"));
        for (template, values, expected) in [
            ("%s%%%s", &[a, None][..], "a%"),
            ("%2$s%1$s%s", &[a, b], "bab"),
            ("%-3s|%3s|", &[a, b], "a  |  b|"),
            ("%I %L %L", &[Some("A"), Some("it's"), None], "\"A\" 'it''s' NULL"),
        ] {
            assert_eq!(fill(template, values).unwrap(), expected);
        }
        let too_large = ["%100000s", "%99999999999999999999s", "%99999999999999999999$s"];
        for template in ["%s %s", "%0$s", "%x", "%", "%*s"].into_iter().chain(too_large) {
            assert!(fill(template, &[a]).is_err(), "{template}");
        }
        assert!(fill("%I", &[None]).is_err());
    }
}
