//! A table in GitHub's Markdown, with the facts above it and the notes below.

use std::iter::once;

use engine::active::Report;

use super::Style;
use super::figures::plain;
use super::view::{Column, ReportView};

/// Characters that mean something to Markdown, HTML or the table.
const SPECIAL: [char; 10] = ['\\', '|', '*', '_', '`', '~', '[', ']', '<', '>'];

/// The report as Markdown text.
pub(super) fn render(report: &Report, style: &Style) -> String {
    let view = ReportView::new(report);
    let mut text = format!("# {}\n\n", escape(&view.title(style)));
    for (label, fact) in view.facts() {
        text.push_str(&format!("- {label}: {}\n", escape(&fact)));
    }
    let columns = view.columns();
    if !report.rows.is_empty() {
        text.push('\n');
        text.push_str(&line(columns.iter().map(|column| escape(&view.header(column)))));
        text.push_str(&line(columns.iter().map(|column| rule(column).to_owned())));
        for row in view.tree() {
            text.push_str(&line(columns.iter().map(|column| escape(&view.cell(column, row)))));
        }
    }
    for note in view.notes() {
        text.push_str(&format!("\n{}\n", escape(&note)));
    }
    text
}

/// One line of a table.
pub(crate) fn line(cells: impl Iterator<Item = String>) -> String {
    once(String::new()).chain(cells.map(|cell| format!(" {cell} "))).collect::<Vec<_>>().join("|")
        + "|\n"
}

fn rule(column: &Column) -> &'static str {
    if column.is_number() { "---:" } else { "---" }
}

/// Text that means only itself.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in plain(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            _ if SPECIAL.contains(&character) => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}
