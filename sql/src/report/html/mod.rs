//! A self-contained HTML page, without scripts or external resources.
//!
//! Its sections: facts, the numbers of the latest complete period, charts over time, changes, all
//! numbers, and a glossary. Charts show totals over all values of every dimension; the tables have
//! the rows of single values.

pub(crate) mod chart;
mod chart_data;
mod headlines;
pub(crate) mod markup;
mod numbers;
mod pictures;
pub(crate) mod scale;

use engine::Result;
use engine::active::{Level, Report};

use self::chart_data::ChartData;
pub(super) use self::markup::base64;
use self::markup::escape;
use super::figures::period;
use super::view::ReportView;
use super::{Style, columns, csv};

const CSS: &str = include_str!("style.css");

/// The report as a page.
///
/// # Errors
///
/// Those of [`columns::record_batch`]; [`engine::Kind::Internal`] when a picture cannot be drawn.
pub(super) fn render(report: &Report, style: &Style) -> Result<String> {
    let view = ReportView::new(report);
    let title = escape(&view.title(style));
    let data = ChartData::new(&view);

    let mut page = head(&title, "");
    page.push_str(&header(&view, data.as_ref(), &title));
    page.push_str("<main>\n");
    if let Some(data) = &data {
        page.push_str(&headlines::cards(&view, data));
        page.push_str(&pictures::pictures(&view, data)?);
        page.push_str(&headlines::changes(&view, data));
    }
    page.push_str(&numbers::numbers(&view));
    page.push_str("</main>\n");
    page.push_str(&footer(&view)?);
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

/// The start of a page, up to its body. The title must be escaped; `more` is additional CSS.
pub(crate) fn head(title: &str, more: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" \
         content=\"headcount\">\n<title>{title}</title>\n<style>\n{CSS}{more}</style>\n</head>\n<body>\n"
    )
}

fn header(view: &ReportView<'_>, data: Option<&ChartData<'_>>, title: &str) -> String {
    let mut lead = String::new();
    if let Some(data) = data {
        let latest = &data.spans[data.latest];
        let which = if latest.complete { "the latest complete period" } else { "still incomplete" };
        lead = format!("Figures are for {}, {which}.", latest.name);
        if title != view.subject() {
            lead.insert_str(0, &format!("{}. ", view.subject()));
        }
    }
    let mut facts = String::new();
    for (label, fact) in view.facts() {
        facts.push_str(&format!("<div><dt>{label}</dt><dd>{}</dd></div>\n", escape(&fact)));
    }
    let mut notes = String::new();
    for note in view.notes() {
        notes.push_str(&format!("<p class=\"note\">{}</p>\n", escape(&note)));
    }
    format!(
        "<header>\n<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n<dl>\n{facts}</dl>\n{notes}</header>\n",
        escape(&lead)
    )
}

/// The glossary of the terms in the report, and the CSV download.
fn footer(view: &ReportView<'_>) -> Result<String> {
    let report = view.report;
    let words = [
        (Level::Total, "total", "users of all counted events, each user once"),
        (
            Level::Combined,
            "combined",
            "the sum of the stages: a user of three stages counts three times",
        ),
        (Level::Section, "section", "the users of each section of the product"),
        (Level::Stage, "stage", "the users of each stage (SMAU when the window is a month)"),
        (Level::Group, "group", "the users of each group (GMAU)"),
        (Level::Action, "action", "the users of each single metric (AMAU)"),
    ];
    let mut terms = String::new();
    for (level, word, meaning) in words {
        if report.rows.iter().any(|row| row.level == level) {
            terms.push_str(&format!("<div><dt>{word}</dt><dd>{meaning}</dd></div>\n"));
        }
    }
    let methods = [
        ("union", "users of any metric of the node, each user once"),
        ("indicator", "as union, but only of metrics flagged as the node's indicator"),
        ("max", "the largest single metric"),
        ("sum", "the sum of the metrics or stages; a user can count several times"),
    ];
    for (word, meaning) in methods {
        if report.rows.iter().any(|row| row.method.as_str() == word) {
            terms.push_str(&format!("<div><dt>{word}</dt><dd>{meaning}</dd></div>\n"));
        }
    }
    let csv = csv::render(&columns::record_batch(report)?)?;
    let mut name = format!("headcount-{}", report.window);
    for row in [report.rows.first(), report.rows.last()].into_iter().flatten() {
        name.push_str(&format!("-{}", period(report.window, row.period)));
    }
    Ok(format!(
        "<footer>\n<h2>How to read this</h2>\n<dl>\n{terms}</dl>\n<p>Change is relative to the \
         previous period, in per cent. Periods include their first and last day.</p>\n<p><a \
         download=\"{}.csv\" href=\"data:text/csv;charset=utf-8;base64,{}\">All numbers as \
         CSV</a></p>\n</footer>\n",
        escape(&name),
        base64(csv.as_bytes())
    ))
}
