//! One HTML page that needs nothing else: no network, no scripts, no fonts.
//!
//! From the top: what was counted, the figures of the latest complete period, pictures over time,
//! what changed, all numbers, and how to read them. Pictures are over all values of every
//! dimension; the rows of single values are in the tables.

mod board;
pub(crate) mod chart;
mod headlines;
pub(crate) mod markup;
mod numbers;
mod pictures;
pub(crate) mod scale;

use engine::Result;
use engine::active::{Level, Report};

use self::board::Board;
pub(super) use self::markup::base64;
use self::markup::escape;
use super::figures::period;
use super::reading::Reading;
use super::{Style, columns, csv};

const CSS: &str = include_str!("style.css");

/// The report as a page.
///
/// # Errors
///
/// Those of [`columns::record_batch`]; [`engine::Kind::Internal`] when a picture cannot be drawn.
pub(super) fn render(report: &Report, style: &Style) -> Result<String> {
    let reading = Reading::new(report);
    let title = escape(&reading.title(style));
    let board = Board::new(&reading);

    let mut page = head(&title, "");
    page.push_str(&header(&reading, board.as_ref(), &title));
    page.push_str("<main>\n");
    if let Some(board) = &board {
        page.push_str(&headlines::cards(&reading, board));
        page.push_str(&pictures::pictures(&reading, board)?);
        page.push_str(&headlines::changes(&reading, board));
    }
    page.push_str(&numbers::numbers(&reading));
    page.push_str("</main>\n");
    page.push_str(&footer(&reading)?);
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

/// The beginning of a page, up to its body. The title is escaped; `more` is style of its own.
pub(crate) fn head(title: &str, more: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" \
         content=\"headcount\">\n<title>{title}</title>\n<style>\n{CSS}{more}</style>\n</head>\n<body>\n"
    )
}

fn header(reading: &Reading<'_>, board: Option<&Board<'_>>, title: &str) -> String {
    let mut lead = String::new();
    if let Some(board) = board {
        let latest = &board.spans[board.latest];
        let which = if latest.complete { "the latest complete period" } else { "still incomplete" };
        lead = format!("Figures are for {}, {which}.", latest.name);
        if title != reading.subject() {
            lead.insert_str(0, &format!("{}. ", reading.subject()));
        }
    }
    let mut facts = String::new();
    for (label, fact) in reading.facts() {
        facts.push_str(&format!("<div><dt>{label}</dt><dd>{}</dd></div>\n", escape(&fact)));
    }
    let mut notes = String::new();
    for note in reading.notes() {
        notes.push_str(&format!("<p class=\"note\">{}</p>\n", escape(&note)));
    }
    format!(
        "<header>\n<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n<dl>\n{facts}</dl>\n{notes}</header>\n",
        escape(&lead)
    )
}

/// The words that the page uses, for those that its report has, and the numbers to take along.
fn footer(reading: &Reading<'_>) -> Result<String> {
    let report = reading.report;
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
