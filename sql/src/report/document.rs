//! A report as a document: a list of rows, or a pivot.

use super::pivot::pivot;
use super::style::Style;
use super::view::ReportView;
use crate::output::{Document, Section};

/// Most periods that a terminal gets one below the other.
const MAX_LISTED_PERIODS: usize = 3;

pub(super) fn document<'a>(view: &'a ReportView<'a>, style: &Style) -> Document<'a> {
    let mut sections = Vec::new();
    let rows = view.tree();
    if !rows.is_empty() {
        let is_long = style.width.is_some() && view.periods > MAX_LISTED_PERIODS;
        sections.push(match style.pivot.unwrap_or(is_long) {
            true => pivot(view, style.width),
            false => Section { grid: Some(view.grid(rows)), ..Section::default() },
        });
    }
    let note = |text| Section { text, ..Section::default() };
    sections.extend(view.notes().into_iter().map(note));
    Document { title: view.title(&style.title), facts: view.facts(), sections }
}
