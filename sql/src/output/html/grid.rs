//! A table of texts as HTML.

use super::escape::escape;
use crate::output::document::{Cell, Grid, Role};

/// The table, in an element that scrolls if it is too wide.
pub(crate) fn grid(Grid { columns, rows }: Grid<'_>) -> String {
    let mut table = String::from("<div class=\"wide\"><table class=\"numbers\">\n<thead><tr>");
    for column in &columns {
        let class = if column.is_number { " class=\"n\"" } else { "" };
        table.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape(&column.name)));
    }
    table.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        table.push_str(if row.starts_group { "<tr class=\"first\">" } else { "<tr>" });
        for (column, cell) in columns.iter().zip(&row.cells) {
            table.push_str(&element(cell, column.is_number));
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</tbody>\n</table></div>\n");
    table
}

fn element(cell: &Cell, is_number: bool) -> String {
    let text = escape(&cell.text);
    let direction = match &cell.role {
        Role::Name { depth, description } => {
            let title = description.as_deref().map(|text| format!(" title=\"{}\"", escape(text)));
            let title = title.unwrap_or_default();
            return format!(
                "<th scope=\"row\"{title}><span class=\"in{depth}\">{text}</span></th>"
            );
        }
        Role::Up => " up",
        Role::Down => " down",
        Role::Plain | Role::Minor => "",
    };
    match is_number {
        true => format!("<td class=\"n{direction}\">{text}</td>"),
        false => format!("<td>{text}</td>"),
    }
}
