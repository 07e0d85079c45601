//! Texts that are made for SQL: `quote_ident`, `quote_literal` and `format`.

use std::sync::Arc;

use arrow::array::{Array, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use super::text::{short_texts, written};
use crate::server::postgres::function::{Function, map_rows};

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
    [FORMAT, QUOTE_IDENT, QUOTE_LITERAL].into_iter().map(ScalarUDF::from).collect()
}

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

/// A value as a constant of SQL.
const QUOTE_LITERAL: Function = Function {
    name: "quote_literal",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let texts = written(&call.column(0)?, call.zone())?;
        Ok(Arc::new(texts.iter().map(|text| text.map(literal)).collect::<StringArray>()))
    },
};

fn literal(text: &str) -> String {
    let plain = text.replace('\'', "''");
    match plain.contains('\\') {
        true => format!("E'{}'", plain.replace('\\', "\\\\")),
        false => format!("'{plain}'"),
    }
}

/// Fills the places of a template.
const FORMAT: Function = Function {
    name: "format",
    arguments: 1..=100,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let templates = call.texts(0)?;
        let values: Vec<StringArray> = (1..call.count())
            .map(|at| short_texts(&call.column(at)?, call.zone()))
            .collect::<Result<_>>()?;
        let filled = map_rows(call.rows(), &[&templates], |row| {
            let values = values.iter().map(|of| of.is_valid(row).then(|| of.value(row)));
            fill(templates.value(row), values)
        })?;
        Ok(Arc::new(StringArray::from(filled)))
    },
};

/// Fills the places `%s`, `%I` (an identifier) and `%L` (a literal) of a template, each with the next
/// value. Positions and widths, with which a short template stands for a long text, are refused.
fn fill<'a>(template: &str, values: impl Iterator<Item = Option<&'a str>>) -> Result<String> {
    let (mut filled, mut rest, mut values) = (String::new(), template, values);
    while let Some((before, after)) = rest.split_once('%') {
        filled.push_str(before);
        let Some(kind) = after.chars().next() else {
            return exec_err!("unterminated format() type specifier");
        };
        rest = &after[kind.len_utf8()..];
        if kind == '%' {
            filled.push('%');
            continue;
        }
        if kind.is_ascii_digit() || matches!(kind, '-' | '*') {
            return exec_err!("positions and widths in format() are not supported");
        }
        let Some(value) = values.next() else {
            return exec_err!("too few arguments for format()");
        };
        filled.push_str(&match (kind, value) {
            ('s', value) => value.unwrap_or_default().to_owned(),
            ('I', Some(name)) => identifier(name),
            ('I', None) => {
                return exec_err!("null values cannot be formatted as an SQL identifier");
            }
            ('L', None) => "NULL".to_owned(),
            ('L', Some(text)) => literal(text),
            _ => return exec_err!("unrecognized format() type specifier"),
        });
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::{fill, identifier, literal};

    #[test]
    fn texts_become_literals() {
        assert_eq!((literal("it's"), literal("a\\b")), ("'it''s'".into(), "E'a\\\\b'".into()));
    }

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
            fill(template, values.iter().copied()).map_err(|error| error.to_string())
        };
        assert_eq!(fill("%s%%%s", &[Some("a"), None]).unwrap(), "a%");
        let values = [Some("A"), Some("it's"), None];
        assert_eq!(fill("%I %L %L", &values).unwrap(), "\"A\" 'it''s' NULL");
        for template in ["%s %s", "%1$s", "%5s", "%-5s", "%*s", "%x", "%", "%ü"] {
            assert!(fill(template, &[Some("a")]).is_err(), "{template}");
        }
        assert!(fill("%I", &[None]).is_err());
    }
}
