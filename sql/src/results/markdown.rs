//! A table in GitHub's Markdown.

use std::iter::once;

use arrow::datatypes::Schema;

use super::numbers;
use super::printable::printable;

/// Characters that mean something to Markdown, HTML or the table.
const SPECIAL: [char; 10] = ['\\', '|', '*', '_', '`', '~', '[', ']', '<', '>'];

/// The names of the columns and the rule below them.
pub(super) fn head(schema: &Schema) -> String {
    let names = schema.fields().iter().map(|field| escape(field.name()));
    let rules = numbers(schema).into_iter().map(|number| if number { "---:" } else { "---" });
    line(names) + &line(rules.map(str::to_owned))
}

/// A line for every row.
pub(super) fn rows(rows: &[Vec<String>]) -> String {
    rows.iter().map(|row| line(row.iter().map(|cell| escape(cell)))).collect()
}

fn line(cells: impl Iterator<Item = String>) -> String {
    once(String::new()).chain(cells.map(|cell| format!(" {cell} "))).collect::<Vec<_>>().join("|")
        + "|\n"
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '\n' => escaped.push_str("<br>"),
            _ if SPECIAL.contains(&character) => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}
