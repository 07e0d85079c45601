//! A table of texts as HTML.

use super::escape::escape;
use crate::output::document::{Cell, Grid, Role};

/// The table, in an element that scrolls if it is too wide.
pub(crate) fn grid(Grid { heads, rows }: Grid<'_>) -> String {
    let mut table = String::from("<div class=\"wide\"><table class=\"numbers\">\n<thead><tr>");
    for head in &heads {
        let class = if head.is_number { " class=\"n\"" } else { "" };
        table.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape(&head.name)));
    }
    table.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        table.push_str(if row.starts_group { "<tr class=\"first\">" } else { "<tr>" });
        for (head, cell) in heads.iter().zip(&row.cells) {
            table.push_str(&element(cell, head.is_number));
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
