//! The figures for people, as tables with the advice below.

use crate::accuracy::advice::{bytes, percent, time};
use crate::accuracy::{Measured, Measurement, SetKind};
use crate::output::text::{format_number, plain};
use crate::output::{self, Cell, Document, Grid, Row, Section};

type Column = (&'static str, bool, fn(&Measurement) -> String);

const COUNTER: Column = ("counter", false, |line| line.counter.to_string());
const ERRORS: [Column; 4] = [
    ("mean error", true, |line| percent(line.errors.mean)),
    ("95th percentile", true, |line| percent(line.errors.p95)),
    ("largest error", true, |line| percent(line.errors.worst)),
    ("in interval", true, |line| line.errors.inside.map_or_else(none, share)),
];
const MERGED: Column = ("merged", true, |line| line.merged.map_or_else(none, percent));
const MEMORY: Column = ("memory", true, |line| bytes(line.memory));
const STORED: Column = ("stored", true, |line| line.stored.map_or_else(none, bytes));
const FILL: Column = ("fill", true, |line| time(line.fill));
const MERGE: Column = ("merge", true, |line| line.merge.map_or_else(none, time));

/// The title of everything.
pub(super) fn title(measured: &Measured) -> String {
    format!("Exact and approximate counting: {}", plain(&measured.subject))
}

/// What was measured, in words.
pub(super) fn facts(measured: &Measured) -> Vec<(&'static str, String)> {
    vec![
        ("users", format_number(measured.users)),
        ("sets of each size", format_number(measured.trials.into())),
        ("seed", measured.seed.to_string()),
    ]
}

/// The figures as a document.
pub(super) fn document(measured: &Measured) -> Document<'_> {
    let mut sections = tables(measured);
    sections.push(Section { title: "Advice", list: measured.advice(), ..Section::default() });
    Document { title: title(measured), facts: facts(measured), sections }
}

/// All tables that there are lines for, each in a section.
pub(super) fn tables(measured: &Measured) -> Vec<Section<'_>> {
    let size: Column = ("users", true, |line| format_number(line.users));
    let sizes = [&[size, COUNTER][..], &ERRORS, &[MERGED, MEMORY, STORED, FILL, MERGE]].concat();
    let level: Column = ("level", false, |line| match line.part {
        SetKind::Level(level) => level.to_string(),
        SetKind::Size | SetKind::Report => String::new(),
    });
    let sets: Column = ("sets", true, |line| format_number(line.sets));
    let mean: Column = ("mean users", true, |line| format_number(line.users));
    let largest: Column = ("largest", true, |line| format_number(line.largest));
    let of_level = [level, sets, mean, largest, COUNTER];
    let levels = [&of_level[..], &ERRORS, &[MEMORY, STORED, FILL]].concat();
    let rows: Column = ("rows", true, |line| format_number(line.sets));
    let answer: Column = ("time", true, |line| time(line.fill));
    let reports = [&[COUNTER, rows][..], &ERRORS, &[MEMORY, answer]].concat();
    [
        table(
            measured,
            "By size",
            "Random sets of users. Errors are relative to the exact count; `in interval` is the \
             percentage of sets inside the stated 95 % interval; `merged` is the mean error of \
             the union of two such sets. Bytes are for one set, times are medians for one set.",
            sizes,
            |line| line.part == SetKind::Size,
        ),
        table(
            measured,
            "By level",
            "The project's nodes in all periods; each set is counted from its users.",
            levels,
            |line| matches!(line.part, SetKind::Level(_)),
        ),
        table(
            measured,
            "Whole reports",
            "Runs of `headcount report`: bytes of all sets or sketches, median time to the result.",
            reports,
            |line| line.part == SetKind::Report,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A section with the lines that belong in it, if there are any.
fn table<'m>(
    measured: &'m Measured,
    title: &'static str,
    hint: &str,
    columns: Vec<Column>,
    wanted: impl Fn(&Measurement) -> bool,
) -> Option<Section<'m>> {
    let lines: Vec<&Measurement> = measured.lines.iter().filter(|line| wanted(line)).collect();
    let mut before = *lines.first()?;
    let head = |(name, is_number, _): &Column| output::Column {
        name: (*name).to_owned(),
        is_number: *is_number,
    };
    let heads = columns.iter().map(head).collect();
    let rows = lines.into_iter().map(move |line| {
        let above = std::mem::replace(&mut before, line);
        let together =
            above.part == line.part && (line.part != SetKind::Size || above.users == line.users);
        let cells = columns.iter().map(|(.., text)| Cell::from(text(line))).collect();
        Row { cells, starts_group: !together }
    });
    let grid = Grid { columns: heads, rows: Box::new(rows) };
    Some(Section { title, text: hint.to_owned(), grid: Some(grid), ..Section::default() })
}

fn none() -> String {
    "-".to_owned()
}

fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
