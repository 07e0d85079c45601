//! GitHub's Markdown: the result of a query as a table, and documents.

use std::iter::once;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use engine::Result;

use super::batch_writer::{BatchWriter, Out, cells, numbers, put};
use super::document::{Document, Grid};
use super::text::printable;

/// Characters that mean something to Markdown, HTML or the table.
const SPECIAL: [char; 10] = ['\\', '|', '*', '_', '`', '~', '[', ']', '<', '>'];

/// Writes the result of a query.
pub(super) struct Writer<'a>(Out<'a>);

impl<'a> Writer<'a> {
    /// Writes the names of the columns.
    pub(super) fn new(schema: &Schema, out: Out<'a>) -> Result<Self> {
        let names = schema.fields().iter().map(|field| field.name().as_str());
        put(out, &head(names, numbers(schema)))?;
        Ok(Self(out))
    }
}

impl BatchWriter for Writer<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = cells(batch)?;
        let lines: String =
            rows.iter().map(|row| line(row.iter().map(|cell| escape(cell)))).collect();
        put(self.0, &lines)
    }

    fn finish(self: Box<Self>) -> Result<Option<String>> {
        Ok(None)
    }
}

/// A document as Markdown.
pub(super) fn document(document: Document<'_>) -> String {
    let mut text = format!("# {}\n\n", escape(&document.title));
    for (label, fact) in document.facts {
        text.push_str(&format!("- {label}: {}\n", escape(&fact)));
    }
    for section in document.sections {
        if !section.title.is_empty() {
            text.push_str(&format!("\n## {}\n", section.title));
        }
        if !section.text.is_empty() {
            text.push_str(&format!("\n{}\n", section.text));
        }
        if let Some(Grid { heads, rows }) = section.grid {
            text.push('\n');
            let numbers = heads.iter().map(|head| head.is_number);
            text.push_str(&head(heads.iter().map(|head| head.name.as_str()), numbers));
            for row in rows {
                text.push_str(&line(row.cells.iter().map(|cell| escape(&cell.text))));
            }
        }
        if !section.list.is_empty() {
            text.push('\n');
        }
        for sentence in section.list {
            text.push_str(&format!("- {}\n", escape(&sentence)));
        }
    }
    text
}

/// The names of the columns and the rule below them.
fn head<'n>(
    names: impl Iterator<Item = &'n str>,
    numbers: impl IntoIterator<Item = bool>,
) -> String {
    let rules = numbers.into_iter().map(|number| if number { "---:" } else { "---" });
    line(names.map(escape)) + &line(rules.map(str::to_owned))
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
