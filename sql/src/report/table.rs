//! The table for the terminal.
//!
//! A period, and a node with several dimension values, is named once; an empty line parts the
//! periods. The tree is drawn by indenting.

use comfy_table::presets::NOTHING;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table,
    TableComponent, Width,
};
use engine::active::{Report, ReportRow};

use super::Style;
use super::view::{Column, ReportView, same_node};
use crate::results::printable::width;

const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// Names and dimension values wrap down to these widths; numbers never wrap, so that a table on a
/// very narrow terminal is wider than it.
const NARROWEST_NAME: u16 = 16;
const NARROWEST_VALUE: u16 = 10;

/// Columns of the sentences around the table where the width is not known.
const PROSE_WIDTH: usize = 100;

/// The report as text for a terminal `style.width` wide.
pub(super) fn render(report: &Report, style: &Style) -> String {
    let view = ReportView::new(report);
    let title = view.title(style);
    let mut text =
        if style.color { format!("{BOLD}{title}{RESET}\n") } else { format!("{title}\n") };
    let facts = view.facts();
    let facts = facts.iter().map(|(label, fact)| format!("{label} {fact}"));
    text.push_str(&wrapped(facts, " · ", style));
    if !report.rows.is_empty() {
        text.push('\n');
        text.push_str(&table(&view, style));
    }
    for note in view.notes() {
        text.push('\n');
        text.push_str(&wrapped(note.split(' ').map(str::to_owned), " ", style));
    }
    text
}

fn table(view: &ReportView<'_>, style: &Style) -> String {
    let columns = view.columns();
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    match style.width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.set_header(columns.iter().map(|column| {
        let cell = Cell::new(view.header(column)).set_alignment(alignment(column));
        if style.color { cell.add_attribute(Attribute::Bold) } else { cell }
    }));

    let mut before: Option<&ReportRow> = None;
    for row in view.tree() {
        if before.is_some_and(|before| before.period != row.period) {
            table.add_row(vec![Cell::new(""); columns.len()]);
            before = None;
        }
        table.add_row(columns.iter().map(|column| cell(view, column, row, before, style)));
        before = Some(row);
    }
    for (at, column) in columns.iter().enumerate() {
        if let Some(shown) = table.column_mut(at) {
            shown.set_padding((0, 1));
            shown.set_constraint(match column {
                Column::Name => ColumnConstraint::LowerBoundary(Width::Fixed(NARROWEST_NAME)),
                Column::By(_) => ColumnConstraint::LowerBoundary(Width::Fixed(NARROWEST_VALUE)),
                _ => ColumnConstraint::ContentWidth,
            });
        }
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// One cell; empty if it repeats the row before.
fn cell(
    view: &ReportView<'_>,
    column: &Column,
    row: &ReportRow,
    before: Option<&ReportRow>,
    style: &Style,
) -> Cell {
    let repeated = before.is_some_and(|before| match column {
        Column::Period => true,
        Column::Level => before.level == row.level && same_node(before, row),
        Column::Name => same_node(before, row),
        _ => false,
    });
    let mut text = if repeated { String::new() } else { view.cell(column, row) };
    if *column == Column::Name && !repeated {
        text.insert_str(0, &"  ".repeat(view.depth(row)));
    }
    let cell = Cell::new(text).set_alignment(alignment(column));
    if !style.color {
        return cell;
    }
    // Dim rather than grey: grey cannot be read on every background.
    match (column, row.change_pct) {
        (Column::Change, Some(change)) if row.complete && change > 0.0 => cell.fg(Color::DarkGreen),
        (Column::Change, Some(change)) if row.complete && change < 0.0 => cell.fg(Color::DarkRed),
        (Column::Level | Column::Interval | Column::Previous | Column::Change, _) => {
            cell.add_attribute(Attribute::Dim)
        }
        _ => cell,
    }
}

fn alignment(column: &Column) -> CellAlignment {
    if column.is_number() { CellAlignment::Right } else { CellAlignment::Left }
}

/// Parts on as few lines as the width allows, with the separator between those of a line.
fn wrapped(parts: impl Iterator<Item = String>, separator: &str, style: &Style) -> String {
    let most = style.width.map_or(PROSE_WIDTH, usize::from);
    let (mut text, mut used) = (String::new(), 0);
    for part in parts {
        let length = width(&part);
        if used > 0 && used + width(separator) + length > most {
            text.push('\n');
            used = 0;
        } else if used > 0 {
            text.push_str(separator);
            used += width(separator);
        }
        text.push_str(&part);
        used += length;
    }
    text.push('\n');
    text
}
