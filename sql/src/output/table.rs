//! The table of a query's result in a file or a pipe, whose rows need not fit into memory.
//!
//! The first rows determine the widths of the columns. Nothing is left out or cut. On a terminal
//! the table is that of `fitted`.

use std::iter::repeat_n;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use engine::Result;

use super::batch_writer::{BatchWriter, Out, cells, numbers, put};
use super::text::{printable, printable_line, width};

/// Rows that are buffered to determine the widths.
const FIRST_ROWS: usize = 10_000;

/// Separates two columns.
pub(super) const GAP: &str = "  ";

/// Columns are not padded beyond this width: the rows with longer values are out of line, instead
/// of every other row ending in as many spaces.
const WIDEST: usize = 1_000;

/// Lays out one result.
pub(super) struct Table<'a> {
    out: Out<'a>,
    names: Vec<String>,
    right: Vec<bool>,
    waiting: Vec<Vec<String>>,
    /// The widths of the columns, once these are decided.
    widths: Option<Vec<usize>>,
}

impl BatchWriter for Table<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut rows = printable_cells(batch)?;
        let text = match &self.widths {
            Some(widths) => self.lines(&rows, widths),
            None => {
                self.waiting.append(&mut rows);
                if self.waiting.len() < FIRST_ROWS { String::new() } else { self.begin() }
            }
        };
        put(self.out, &text)
    }

    fn finish(mut self: Box<Self>) -> Result<Option<String>> {
        if self.widths.is_none() {
            let text = self.begin();
            put(self.out, &text)?;
        }
        Ok(None)
    }
}

impl<'a> Table<'a> {
    pub(super) fn new(schema: &Schema, out: Out<'a>) -> Self {
        Self {
            out,
            names: names(schema),
            right: numbers(schema),
            waiting: Vec::new(),
            widths: None,
        }
    }

    /// Determines the widths, and formats the header and the buffered rows.
    fn begin(&mut self) -> String {
        let rows = std::mem::take(&mut self.waiting);
        let widths = widest(&rows, self.names.len()).into_iter().zip(&self.names);
        let widths: Vec<usize> =
            widths.map(|(cells, name)| cells.max(width(name)).min(WIDEST)).collect();
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let mut text = line(&names, &widths, &self.right, GAP);
        text.push_str(&rule(&widths, GAP));
        text.push_str(&self.lines(&rows, &widths));
        self.widths = Some(widths);
        text
    }

    fn lines(&self, rows: &[Vec<String>], widths: &[usize]) -> String {
        rows.iter().map(|row| lines(row, widths, &self.right, GAP)).collect()
    }
}

/// The names of columns, each on one line.
pub(super) fn names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|field| printable_line(field.name()).into_owned()).collect()
}

/// The values of a batch as texts without control characters, row by row.
pub(super) fn printable_cells(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    let mut rows = cells(batch)?;
    for cell in rows.iter_mut().flatten() {
        *cell = printable(cell.trim_end_matches('\n')).into_owned();
    }
    Ok(rows)
}

/// The width of the widest line of each column.
pub(super) fn widest(rows: &[Vec<String>], columns: usize) -> Vec<usize> {
    let mut widest = vec![0; columns];
    for row in rows {
        for (widest, cell) in widest.iter_mut().zip(row) {
            *widest = cell.split('\n').map(width).fold(*widest, usize::max);
        }
    }
    widest
}

/// A row of cells, which can have several lines.
pub(super) fn lines(
    row: &[impl AsRef<str>],
    widths: &[usize],
    right: &[bool],
    gap: &str,
) -> String {
    let parts: Vec<Vec<&str>> =
        row.iter().map(|cell| cell.as_ref().split('\n').collect()).collect();
    let height = parts.iter().map(Vec::len).max().unwrap_or(1);
    (0..height)
        .map(|at| {
            let cells: Vec<&str> =
                parts.iter().map(|part| part.get(at).copied().unwrap_or_default()).collect();
            line(&cells, widths, right, gap)
        })
        .collect()
}

/// One line of cells; those of which `right` is true are right-aligned.
pub(super) fn line(cells: &[&str], widths: &[usize], right: &[bool], gap: &str) -> String {
    let mut line = String::new();
    for (at, ((cell, room), right)) in cells.iter().zip(widths).zip(right).enumerate() {
        if at > 0 {
            line.push_str(gap);
        }
        let fill = repeat_n(' ', room.saturating_sub(width(cell)));
        if *right {
            line.extend(fill);
            line.push_str(cell);
        } else {
            line.push_str(cell);
            line.extend(fill);
        }
    }
    line.truncate(line.trim_end_matches(' ').len());
    line.push('\n');
    line
}

/// The line below the names.
pub(super) fn rule(widths: &[usize], gap: &str) -> String {
    let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    rules.join(gap) + "\n"
}
