//! The figures as tables for people, with the advice below.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, TableComponent};

use crate::accuracy::advice::{bytes, percent, time};
use crate::accuracy::{Measured, Measurement, SetKind};
use crate::report::Style;
use crate::report::figures::format_number;
use crate::report::markdown::{escape, line};

/// Columns of the sentences around the tables.
const WIDTH: usize = 100;

/// A table with its rows, which belong together in groups.
pub(super) struct Grid {
    pub(super) title: &'static str,
    pub(super) hint: &'static str,
    /// The heads; `true` for numbers, which line up on the right.
    pub(super) columns: Vec<(&'static str, bool)>,
    pub(super) groups: Vec<Vec<Vec<String>>>,
}

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
    format!("Exact and approximate counting: {}", measured.subject)
}

/// What was measured, in words.
pub(super) fn facts(measured: &Measured) -> Vec<(&'static str, String)> {
    vec![
        ("users", format_number(measured.users)),
        ("sets of each size", format_number(measured.trials.into())),
        ("seed", measured.seed.to_string()),
    ]
}

/// All tables that there are lines for.
pub(super) fn grids(measured: &Measured) -> Vec<Grid> {
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
        grid(
            measured,
            "By size",
            "Random sets of users. Errors are relative to the exact count; `in interval` is the \
             percentage of sets inside the stated 95 % interval; `merged` is the mean error of \
             the union of two such sets. Bytes are for one set, times are medians for one set.",
            sizes,
            |line| line.part == SetKind::Size,
        ),
        grid(
            measured,
            "By level",
            "The project's nodes in all periods; each set is counted from its users.",
            levels,
            |line| matches!(line.part, SetKind::Level(_)),
        ),
        grid(
            measured,
            "Whole reports",
            "Runs of `headcount report`: bytes of all sets or sketches, median time to the result.",
            reports,
            |line| line.part == SetKind::Report,
        ),
    ]
    .into_iter()
    .filter(|grid| !grid.groups.is_empty())
    .collect()
}

fn grid(
    measured: &Measured,
    title: &'static str,
    hint: &'static str,
    columns: Vec<Column>,
    wanted: impl Fn(&Measurement) -> bool,
) -> Grid {
    let lines: Vec<&Measurement> = measured.lines.iter().filter(|line| wanted(line)).collect();
    let together = |a: &&Measurement, b: &&Measurement| {
        a.part == b.part && (a.part != SetKind::Size || a.users == b.users)
    };
    let row = |line: &&Measurement| columns.iter().map(|(.., cell)| cell(line)).collect();
    let groups = lines.chunk_by(together).map(|lines| lines.iter().map(row).collect()).collect();
    let columns = columns.iter().map(|(name, number, _)| (*name, *number)).collect();
    Grid { title, hint, columns, groups }
}

fn none() -> String {
    "-".to_owned()
}

fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The figures as text for a terminal.
pub(super) fn terminal(measured: &Measured, style: &Style) -> String {
    let bold = |text: &str| match style.color {
        true => format!("\x1b[1m{text}\x1b[0m\n"),
        false => format!("{text}\n"),
    };
    let mut text = bold(&title(measured));
    let facts = facts(measured).into_iter().map(|(label, fact)| format!("{label} {fact}"));
    text.push_str(&format!("{}\n", facts.collect::<Vec<_>>().join(" · ")));
    for grid in grids(measured) {
        text.push('\n');
        text.push_str(&bold(grid.title));
        text.push_str(&wrapped(grid.hint, ""));
        text.push_str(&table(&grid, style));
    }
    text.push('\n');
    text.push_str(&bold("Advice"));
    for sentence in measured.advice() {
        text.push_str(&wrapped(&sentence, "* "));
    }
    text
}

fn table(grid: &Grid, style: &Style) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_content_arrangement(ContentArrangement::Disabled);
    let aligned = |cell: Cell, number: bool| match number {
        true => cell.set_alignment(CellAlignment::Right),
        false => cell,
    };
    table.set_header(grid.columns.iter().map(|(name, number)| {
        let cell = aligned(Cell::new(name), *number);
        if style.color { cell.add_attribute(Attribute::Bold) } else { cell }
    }));
    for (at, group) in grid.groups.iter().enumerate() {
        if at > 0 {
            table.add_row(vec![Cell::new(""); grid.columns.len()]);
        }
        for row in group {
            let cells = row.iter().zip(&grid.columns);
            table.add_row(cells.map(|(cell, (_, number))| aligned(Cell::new(cell), *number)));
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// The figures as Markdown.
pub(super) fn markdown(measured: &Measured) -> String {
    let mut text = format!("# {}\n\n", escape(&title(measured)));
    for (label, fact) in facts(measured) {
        text.push_str(&format!("- {label}: {}\n", escape(&fact)));
    }
    for grid in grids(measured) {
        text.push_str(&format!("\n## {}\n\n{}\n\n", grid.title, grid.hint));
        text.push_str(&line(grid.columns.iter().map(|(name, _)| escape(name))));
        let rule = |number: &bool| if *number { "---:" } else { "---" }.to_owned();
        text.push_str(&line(grid.columns.iter().map(|(_, number)| rule(number))));
        for row in grid.groups.iter().flatten() {
            text.push_str(&line(row.iter().map(|cell| escape(cell))));
        }
    }
    text.push_str("\n## Advice\n\n");
    for sentence in measured.advice() {
        text.push_str(&format!("- {}\n", escape(&sentence)));
    }
    text
}

/// A sentence on lines of at most [`WIDTH`] columns, behind a mark.
fn wrapped(sentence: &str, mark: &str) -> String {
    let indent = " ".repeat(mark.chars().count());
    let mut text = mark.to_owned();
    let mut used = indent.len();
    for (at, word) in sentence.split(' ').enumerate() {
        let length = word.chars().count();
        if at > 0 && used + 1 + length > WIDTH {
            text.push('\n');
            text.push_str(&indent);
            used = indent.len();
        } else if at > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += length;
    }
    text.push('\n');
    text
}
