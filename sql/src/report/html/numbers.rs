//! All rows of the report as tables.

use engine::active::{Level, ReportRow};

use super::headlines::direction;
use super::markup::escape;
use crate::report::figures::format_number;
use crate::report::view::{Column, ReportView};

/// Above this number of rows the tables are collapsed, one for each section.
const MAX_EXPANDED_ROWS: usize = 500;

/// Every row of the report, once.
pub(super) fn numbers(view: &ReportView<'_>) -> String {
    let rows = view.tree();
    if rows.is_empty() {
        return String::new();
    }
    let count = format_number(rows.len() as u64);
    let mut section =
        format!("<section>\n<h2>All numbers</h2>\n<p class=\"hint\">{count} rows.</p>\n");
    if rows.len() <= MAX_EXPANDED_ROWS {
        section.push_str(&table(view, &rows));
    } else {
        let mut keys: Vec<Option<&str>> = rows.iter().map(|row| row.section.as_deref()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let part: Vec<&ReportRow> =
                rows.iter().copied().filter(|row| row.section.as_deref() == key).collect();
            let name = match key {
                Some(key) => view.section(key),
                None => "Everything".to_owned(),
            };
            section.push_str(&format!(
                "<details>\n<summary>{} <span class=\"small\">{} rows</span></summary>\n{}</details>\n",
                escape(&name),
                format_number(part.len() as u64),
                table(view, &part)
            ));
        }
    }
    section.push_str("</section>\n");
    section
}

fn table(view: &ReportView<'_>, rows: &[&ReportRow]) -> String {
    let columns = view.columns();
    let mut table = String::from("<div class=\"wide\"><table class=\"numbers\">\n<thead><tr>");
    for column in &columns {
        let class = if column.is_number() { " class=\"n\"" } else { "" };
        let header = escape(&view.header(column));
        table.push_str(&format!("<th scope=\"col\"{class}>{header}</th>"));
    }
    table.push_str("</tr></thead>\n<tbody>\n");
    let mut before = None;
    for row in rows {
        let first = before.is_some_and(|period| period != row.period);
        before = Some(row.period);
        table.push_str(if first { "<tr class=\"first\">" } else { "<tr>" });
        for column in &columns {
            let text = escape(&view.cell(column, row));
            table.push_str(&match column {
                Column::Name => format!(
                    "<th scope=\"row\"{}><span class=\"in{}\">{text}</span></th>",
                    key(row),
                    view.depth(row)
                ),
                Column::Change => {
                    let class = direction(row.users, row.previous_users.unwrap_or(row.users));
                    format!("<td class=\"n {class}\">{text}</td>")
                }
                _ if column.is_number() => format!("<td class=\"n\">{text}</td>"),
                _ => format!("<td>{text}</td>"),
            });
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</tbody>\n</table></div>\n");
    table
}

/// The key of a metric, whose shown name is its description.
fn key(row: &ReportRow) -> String {
    match &row.metric {
        Some(key) if row.level == Level::Action => format!(" title=\"{}\"", escape(key)),
        _ => String::new(),
    }
}
