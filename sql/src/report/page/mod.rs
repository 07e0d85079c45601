//! The report as an HTML page: the numbers of the latest complete period, charts over time,
//! changes, all numbers, and a glossary.
//!
//! Charts show totals over all values of every dimension; the tables have the rows of single
//! values.

mod chart_sections;
mod charts;
mod headlines;

use engine::Result;
use engine::active::{Level, Report, ReportRow};

use super::columns::record_batch;
use super::figures::period;
use super::pivot::pivot;
use super::series::TimeSeries;
use super::style::Style;
use super::view::ReportView;
use crate::output::Section;
use crate::output::html::{Page, escape, grid, section};
use crate::output::text::format_number;

/// Above this number of rows the tables are collapsed, one for each section.
const MAX_EXPANDED_ROWS: usize = 500;

/// The report as a page; an empty title is that of the window.
///
/// # Errors
/// Those of [`record_batch`]; [`engine::Kind::Internal`] when a chart cannot be drawn.
pub(super) fn render(report: &Report, style: &Style) -> Result<String> {
    let view = ReportView::new(report);
    let title = view.title(&style.title);
    let mut lead = String::new();
    let mut sections = String::new();
    if let Some(data) = TimeSeries::new(&view) {
        let latest = &data.spans[data.latest];
        let which = if latest.complete { "the latest complete period" } else { "still incomplete" };
        lead = format!("Figures are for {}, {which}.", latest.name);
        if title != view.subject() {
            lead.insert_str(0, &format!("{}. ", view.subject()));
        }
        sections.push_str(&headlines::cards(&view, &data));
        sections.push_str(&chart_sections::chart_sections(&view, &data)?);
        sections.push_str(&headlines::changes(&view, &data));
    }
    sections.push_str(&numbers(&view, style));
    let page = Page {
        title,
        lead,
        facts: view.facts(),
        notes: &view.notes(),
        sections,
        glossary: glossary(report),
        remark: "Change is relative to the previous period, in per cent. Periods include their \
                 first and last day.",
        csv: (&record_batch(report)?, file_name(report)),
    };
    page.render()
}

/// Every row of the report, once.
fn numbers(view: &ReportView<'_>, style: &Style) -> String {
    let rows = view.tree();
    if rows.is_empty() {
        return String::new();
    }
    if style.pivot == Some(true) {
        let Section { text, grid: table, .. } = pivot(view, None);
        return section("All numbers", &text, &table.map(grid).unwrap_or_default());
    }
    let count = |rows: &[&ReportRow]| format!("{} rows", format_number(rows.len() as u64));
    let hint = format!("{}.", count(&rows));
    let mut tables = String::new();
    if rows.len() <= MAX_EXPANDED_ROWS {
        tables = grid(view.grid(rows));
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
            tables.push_str(&format!(
                "<details>\n<summary>{} <span class=\"small\">{}</span></summary>\n{}</details>\n",
                escape(&name),
                count(&part),
                grid(view.grid(part))
            ));
        }
    }
    section("All numbers", &hint, &tables)
}

/// The terms that the report uses.
fn glossary(report: &Report) -> Vec<(&'static str, &'static str)> {
    let levels = [
        (Level::Total, "users of all counted events, each user once"),
        (Level::Combined, "the sum of the stages: a user of three stages counts three times"),
        (Level::Section, "the users of each section of the product"),
        (Level::Stage, "the users of each stage (SMAU when the window is a month)"),
        (Level::Group, "the users of each group (GMAU)"),
        (Level::Action, "the users of each single metric (AMAU)"),
    ];
    let methods = [
        ("union", "users of any metric of the node, each user once"),
        ("indicator", "as union, but only of metrics flagged as the node's indicator"),
        ("max", "the largest single metric"),
        ("sum", "the sum of the metrics or stages; a user can count several times"),
    ];
    let bases = [
        ("recorded", "what was counted or received"),
        (
            "estimated",
            "what was recorded, divided by the share of subscriptions that could report it",
        ),
        ("predicted", "what would have been recorded if installations had behaved otherwise"),
        ("forecast", "the past numbers continued, with a 95 % interval"),
    ];
    let has_basis = |basis: &str| report.rows.iter().any(|row| row.basis.as_str() == basis);
    let has_level = |level: Level| report.rows.iter().any(|row| row.level == level);
    let has_method = |method: &str| report.rows.iter().any(|row| row.method.as_str() == method);
    let levels = levels.into_iter().filter(|(level, _)| has_level(*level));
    let levels = levels.map(|(level, meaning)| (level.as_str(), meaning));
    let methods = methods.into_iter().filter(|(method, _)| has_method(method));
    let bases = bases
        .into_iter()
        .filter(|(basis, _)| (report.pings.is_some() || *basis == "forecast") && has_basis(basis));
    levels.chain(methods).chain(bases).collect()
}

/// The name of the file with the numbers.
fn file_name(report: &Report) -> String {
    let mut name = format!("headcount-{}", report.window);
    for row in [report.rows.first(), report.rows.last()].into_iter().flatten() {
        name.push_str(&format!("-{}", period(report.window, row.period)));
    }
    name + ".csv"
}
