//! A self-contained HTML page: the verdict, charts, advice, all numbers.

use engine::Result;

use super::pictures::pictures;
use super::tables::{facts, grids, title};
use super::{columns, csv};
use crate::accuracy::Measured;
use crate::report::html::head;
use crate::report::html::markup::{base64, escape};

/// What the report's style sheet does not have: wider pictures, and lines in all colours.
const STYLE: &str = "\
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); gap: 1.25rem; }
.advice li { margin: 0.4rem 0; max-width: 46rem; }
svg [stroke=\"#E69F00\"] { stroke: var(--c1); }
svg [stroke=\"#009E73\"] { stroke: var(--c2); }
svg [stroke=\"#CC79A7\"] { stroke: var(--c3); }
svg [stroke=\"#D55E00\"] { stroke: var(--c5); }
svg [stroke=\"#808080\"] { stroke: var(--c7); }
.legend { margin-top: 0.75rem; }
";

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
    let title = escape(&title(measured));
    let mut page = head(&title, STYLE);
    let advice = measured.advice();
    let verdict = advice.first().map(String::as_str).unwrap_or_default();
    page.push_str(&format!(
        "<header>\n<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n<dl>\n",
        escape(verdict)
    ));
    for (label, fact) in facts(measured) {
        page.push_str(&format!("<div><dt>{label}</dt><dd>{}</dd></div>\n", escape(&fact)));
    }
    page.push_str("</dl>\n");
    for note in &measured.notes {
        page.push_str(&format!("<p class=\"note\">{}</p>\n", escape(note)));
    }
    page.push_str("</header>\n<main>\n");
    page.push_str(&pictures(measured)?);
    page.push_str(&numbers(measured));
    page.push_str("<section>\n<h2>Advice</h2>\n<ul class=\"advice\">\n");
    for sentence in &advice {
        page.push_str(&format!("<li>{}</li>\n", escape(sentence)));
    }
    page.push_str("</ul>\n</section>\n</main>\n<footer>\n<h2>How to read this</h2>\n<dl>\n");
    for (word, meaning) in GLOSSARY {
        page.push_str(&format!("<div><dt>{word}</dt><dd>{meaning}</dd></div>\n"));
    }
    let csv = csv::render(&columns::record_batch(measured)?)?;
    page.push_str(&format!(
        "</dl>\n<p><a download=\"headcount-accuracy.csv\" \
         href=\"data:text/csv;charset=utf-8;base64,{}\">All figures as CSV</a></p>\n</footer>\n\
         </body>\n</html>\n",
        base64(csv.as_bytes())
    ));
    Ok(page)
}

fn numbers(measured: &Measured) -> String {
    let mut sections = String::new();
    for grid in grids(measured) {
        let mut table = String::from("<table class=\"numbers\">\n<thead><tr>");
        for (name, number) in &grid.columns {
            let class = if *number { " class=\"n\"" } else { "" };
            table.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape(name)));
        }
        table.push_str("</tr></thead>\n<tbody>\n");
        for group in &grid.groups {
            for (at, row) in group.iter().enumerate() {
                table.push_str(if at == 0 { "<tr class=\"first\">" } else { "<tr>" });
                for (cell, (_, number)) in row.iter().zip(&grid.columns) {
                    let class = if *number { " class=\"n\"" } else { "" };
                    table.push_str(&format!("<td{class}>{}</td>", escape(cell)));
                }
                table.push_str("</tr>\n");
            }
        }
        table.push_str("</tbody>\n</table>\n");
        sections.push_str(&format!(
            "<section>\n<h2>{}</h2>\n<p class=\"hint\">{}</p>\n<div class=\"wide\">{table}</div>\n\
             </section>\n",
            grid.title,
            escape(grid.hint)
        ));
    }
    sections
}
