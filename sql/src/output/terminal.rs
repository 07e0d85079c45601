//! A document as text for a terminal. Repeated cells are left out, an empty line sets groups of rows
//! off, and names are indented like their tree.
//!
//! The library that lays the tables out needs all rows in memory; for results of any size there is
//! `table`.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, CellAlignment, Color, ContentArrangement, Table, TableComponent};

use super::document::{Cell, Document, Grid, Head, Role};
use super::text::wrapped;

/// Columns of the sentences around tables.
const WIDTH: usize = 100;

/// The text, with or without colours as ANSI escape sequences.
pub(super) fn document(document: Document<'_>, color: bool) -> String {
    let bold = |text: &str| match color {
        true => format!("\x1b[1m{text}\x1b[0m\n"),
        false => format!("{text}\n"),
    };
    let mut text = bold(&document.title);
    let facts = document.facts.iter().map(|(label, fact)| format!("{label} {fact}"));
    let facts: Vec<String> = facts.collect();
    text.push_str(&wrapped(facts.iter().map(String::as_str), " · ", "", WIDTH));
    for section in document.sections {
        text.push('\n');
        if !section.title.is_empty() {
            text.push_str(&bold(section.title));
        }
        if !section.text.is_empty() {
            text.push_str(&wrapped(section.text.split(' '), " ", "", WIDTH));
        }
        if let Some(grid) = section.grid {
            text.push_str(&table(grid, color));
        }
        for sentence in section.list {
            text.push_str("* ");
            text.push_str(&wrapped(sentence.split(' '), " ", "  ", WIDTH));
        }
    }
    text
}

fn table(Grid { heads, rows }: Grid<'_>, color: bool) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_content_arrangement(ContentArrangement::Disabled);
    if color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(heads.iter().map(|head| {
        let cell = aligned(&head.name, head);
        if color { cell.add_attribute(Attribute::Bold) } else { cell }
    }));
    for row in rows {
        if row.starts_group {
            table.add_row(vec![""; heads.len()]);
        }
        table.add_row(heads.iter().zip(row.cells).map(|(head, cell)| {
            let (text, role) = shown(cell);
            let cell = aligned(&text, head);
            match role {
                _ if !color => cell,
                Role::Plain | Role::Name { .. } => cell,
                // Dim rather than grey: grey cannot be read on every background.
                Role::Minor => cell.add_attribute(Attribute::Dim),
                Role::Up => cell.fg(Color::DarkGreen),
                Role::Down => cell.fg(Color::DarkRed),
            }
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// The text of a cell: indented, or empty if it repeats the row above.
fn shown(cell: Cell) -> (String, Role) {
    let mut text = cell.text;
    match &cell.role {
        _ if cell.repeated => text.clear(),
        Role::Name { depth, .. } => text.insert_str(0, &"  ".repeat(*depth)),
        _ => {}
    }
    (text, cell.role)
}

fn aligned(text: &str, head: &Head) -> comfy_table::Cell {
    let side = if head.is_number { CellAlignment::Right } else { CellAlignment::Left };
    comfy_table::Cell::new(text).set_alignment(side)
}
