//! A document as text for a terminal. Repeated cells are left out, an empty line sets groups of rows
//! off, and names are indented like their tree. On a terminal that is too narrow, texts are shortened.
//!
//! The library that lays the tables out needs all rows in memory; for results of any size there is
//! `table`.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, CellAlignment, Color, ContentArrangement, Table, TableComponent};

use super::document::{Cell, Document, Grid, Head, Role, Row};
use super::text::{shortened, width as text_width, wrapped};
use super::widths::fit;

/// Width of the sentences around tables.
const WIDTH: usize = 100;

/// Spaces between two columns.
pub(crate) const GAP: usize = 2;

/// The rule below the names of columns is this much longer than the columns.
pub(crate) const RULE_END: usize = 1;

/// The text, with or without colours as ANSI escape sequences, for a terminal of width `room`.
pub(super) fn document(document: Document<'_>, color: bool, room: Option<usize>) -> String {
    let line = room.map_or(WIDTH, |room| room.min(WIDTH));
    let bold = |text: &str| match color {
        true => format!("\x1b[1m{text}\x1b[0m\n"),
        false => format!("{text}\n"),
    };
    let mut text = bold(&document.title);
    let facts = document.facts.iter().map(|(label, fact)| format!("{label} {fact}"));
    let facts: Vec<String> = facts.collect();
    text.push_str(&match facts.iter().any(|fact| text_width(fact) > line) {
        true => wrapped(facts.join(" · ").split(' '), " ", "", line),
        false => wrapped(facts.iter().map(String::as_str), " · ", "", line),
    });
    for section in document.sections {
        text.push('\n');
        if !section.title.is_empty() {
            text.push_str(&bold(section.title));
        }
        if !section.text.is_empty() {
            text.push_str(&wrapped(section.text.split(' '), " ", "", line));
        }
        if let Some(grid) = section.grid {
            text.push_str(&table(grid, color, room));
        }
        for sentence in section.list {
            text.push_str("* ");
            text.push_str(&wrapped(sentence.split(' '), " ", "  ", line));
        }
    }
    text
}

fn table(Grid { mut heads, rows }: Grid<'_>, color: bool, room: Option<usize>) -> String {
    let mut rows: Vec<Row> = rows.collect();
    if let Some(room) = room {
        shorten(&mut heads, &mut rows, room);
    }
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

/// Shortens the longest texts until the table fits, as far as that goes.
fn shorten(heads: &mut [Head], rows: &mut [Row], room: usize) {
    let mut widths: Vec<usize> = heads.iter().map(|head| text_width(&head.name)).collect();
    for row in rows.iter() {
        for (most, cell) in widths.iter_mut().zip(&row.cells) {
            *most = (*most).max(indentation(cell) + text_width(&cell.text));
        }
    }
    let is_text: Vec<bool> = heads.iter().map(|head| !head.is_number).collect();
    let Some(widths) = fit(&widths, &is_text, GAP, room.saturating_sub(RULE_END)) else { return };
    for (head, room) in heads.iter_mut().zip(&widths) {
        if text_width(&head.name) > *room {
            head.name = shortened(&head.name, *room);
        }
    }
    for row in rows {
        for (cell, room) in row.cells.iter_mut().zip(&widths) {
            let room = room.saturating_sub(indentation(cell));
            if text_width(&cell.text) > room {
                cell.text = shortened(&cell.text, room);
            }
        }
    }
}

/// Columns before the text of a cell.
fn indentation(cell: &Cell) -> usize {
    match cell.role {
        Role::Name { depth, .. } => 2 * depth,
        _ => 0,
    }
}

/// The text of a cell: indented, or empty if it repeats the row above.
fn shown(cell: Cell) -> (String, Role) {
    let indentation = indentation(&cell);
    let mut text = cell.text;
    match cell.repeated {
        true => text.clear(),
        false => text.insert_str(0, &" ".repeat(indentation)),
    }
    (text, cell.role)
}

fn aligned(text: &str, head: &Head) -> comfy_table::Cell {
    let side = if head.is_number { CellAlignment::Right } else { CellAlignment::Left };
    comfy_table::Cell::new(text).set_alignment(side)
}
