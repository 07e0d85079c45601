//! The figures for people, as tables with the advice below.

use crate::accuracy::advice::{bytes, percent, time};
use crate::accuracy::measurement::{Measured, Measurement, SetKind};
use crate::output::text::{format_number, plain};
use crate::output::{Column, Document, Grid, Section};

/// A column: its name, whether it has numbers, and its text.
type Figure = (&'static str, bool, fn(&Measurement) -> String);

const COUNTER: Figure = ("counter", false, |line| line.counter.to_string());
const ERRORS: [Figure; 4] = [
    ("mean error", true, |line| percent(line.errors.mean)),
    ("95th percentile", true, |line| percent(line.errors.p95)),
    ("largest error", true, |line| percent(line.errors.worst)),
    ("in interval", true, |line| line.errors.inside.map_or_else(none, share)),
];
const MERGED: Figure = ("merged", true, |line| line.merged.map_or_else(none, percent));
const MEMORY: Figure = ("memory", true, |line| bytes(line.memory));
const STORED: Figure = ("stored", true, |line| line.stored.map_or_else(none, bytes));
const FILL: Figure = ("fill", true, |line| time(line.fill));
const MERGE: Figure = ("merge", true, |line| line.merge.map_or_else(none, time));

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
    let size: Figure = ("users", true, |line| format_number(line.users));
    let sizes = [&[size, COUNTER][..], &ERRORS, &[MERGED, MEMORY, STORED, FILL, MERGE]].concat();
    let level: Figure = ("level", false, |line| match line.part {
        SetKind::Level(level) => level.to_string(),
        SetKind::Size | SetKind::Report => String::new(),
    });
    let sets: Figure = ("sets", true, |line| format_number(line.sets));
    let mean: Figure = ("mean users", true, |line| format_number(line.users));
    let largest: Figure = ("largest", true, |line| format_number(line.largest));
    let of_level = [level, sets, mean, largest, COUNTER];
    let levels = [&of_level[..], &ERRORS, &[MEMORY, STORED, FILL]].concat();
    let rows: Figure = ("rows", true, |line| format_number(line.sets));
    let answer: Figure = ("time", true, |line| time(line.fill));
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
    figures: Vec<Figure>,
    wanted: impl Fn(&Measurement) -> bool,
) -> Option<Section<'m>> {
    let lines: Vec<&Measurement> = measured.lines.iter().filter(|line| wanted(line)).collect();
    lines.first()?;
    let column = |(name, is_number, text): Figure| match is_number {
        true => Column::number(name, move |line: &Measurement, _| text(line).into()),
        false => Column::text(name, move |line: &Measurement, _| text(line).into()),
    };
    let grid = Grid::new(figures.into_iter().map(column).collect(), lines, |above, line| {
        above.part == line.part && (line.part != SetKind::Size || above.users == line.users)
    });
    Some(Section { title, text: hint.to_owned(), grid: Some(grid), ..Section::default() })
}

fn none() -> String {
    "-".to_owned()
}

fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
