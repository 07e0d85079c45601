//! The results as an HTML page: the verdict, charts, advice, all numbers.

use engine::Result;

use super::charts::chart_sections;
use super::columns::record_batch;
use super::tables::{facts, tables, title};
use crate::accuracy::measurement::Measured;
use crate::output::html::{Page, escape, grid, section};

/// The glossary.
const GLOSSARY: [(&str, &str); 7] = [
    (
        "precision",
        "a sketch has 2^precision registers or hashes; a higher precision is more accurate and \
         larger",
    ),
    (
        "exact set",
        "Headcount's exact sets: lists and bitmaps of user ids; stored as Roaring bitmaps",
    ),
    (
        "Headcount HLL",
        "HyperLogLog++ with 6-bit registers, preceded by a list of hashes; used by --approx",
    ),
    ("DataSketches", "Apache DataSketches for Rust: HLL with 8-bit registers, Theta and CPC"),
    (
        "DataFusion",
        "its approx_distinct, with the accumulator for groups; the precision is always 14",
    ),
    ("memory", "the memory that each counter reports; `stored` is the size in a file"),
    (
        "merge",
        "the union of two sets; sketches whose estimate uses the order of inserts are less \
         accurate after it",
    ),
];

/// The page.
///
/// # Errors
/// When a chart cannot be drawn.
pub(super) fn render(measured: &Measured) -> Result<String> {
    let advice = measured.advice();
    let mut sections = chart_sections(measured)?;
    for table in tables(measured) {
        let body = table.grid.map(grid).unwrap_or_default();
        sections.push_str(&section(table.title, &table.text, &body));
    }
    let item = |sentence: &String| format!("<li>{}</li>\n", escape(sentence));
    let items: String = advice.iter().map(item).collect();
    let list = format!("<ul class=\"advice\">\n{items}</ul>\n");
    sections.push_str(&section("Advice", "", &list));
    let page = Page {
        title: title(measured),
        lead: advice.first().cloned().unwrap_or_default(),
        facts: facts(measured),
        notes: &measured.notes,
        sections,
        glossary: GLOSSARY.to_vec(),
        remark: "",
        csv: (&record_batch(measured)?, "headcount-accuracy.csv".to_owned()),
    };
    page.render()
}
