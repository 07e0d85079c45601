//! The table of a query's result, whose rows need not fit into memory.
//!
//! The first rows determine the widths of the columns. On a terminal the table fits its width; what
//! does not fit is omitted with a note: first columns with the same value in all rows, then the
//! ends of long values, then the last columns. In a file or a pipe nothing is omitted.

use std::borrow::Cow;
use std::iter::repeat_n;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use engine::Result;

use super::batch_writer::{BatchWriter, Out, cells, numbers, put};
use super::text::{printable, printable_line, shortened, width};

/// Rows that are buffered to determine the layout.
const FIRST_ROWS: usize = 10_000;

/// Separates two columns.
const GAP: &str = "  ";

/// Texts are not cut below this width; a column is omitted instead.
const NARROWEST: usize = 8;

/// Columns are not padded beyond this width: the rows with longer values are out of line, instead
/// of every other row ending in as many spaces.
const WIDEST: usize = 1_000;

/// Values in the note are not longer than this.
const WIDEST_IN_NOTE: usize = 40;

/// Lays out one result.
pub(super) struct Table<'a> {
    out: Out<'a>,
    names: Vec<String>,
    right: Vec<bool>,
    /// Columns whose values may be cut; numbers, dates and the like never are.
    texts: Vec<bool>,
    /// Width of the terminal.
    room: Option<usize>,
    waiting: Vec<Vec<String>>,
    /// The columns that are shown, with their widths, once these are decided.
    shown: Option<Vec<(usize, usize)>>,
    /// Columns that are left out because they have the same value in all rows, with that value.
    same: Vec<String>,
    /// Columns that are left out because they do not fit.
    left_out: Vec<String>,
    shortened: bool,
}

impl BatchWriter for Table<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let text = self.rows(cells(batch)?);
        put(self.out, &text)
    }

    fn finish(mut self: Box<Self>) -> Result<Option<String>> {
        if self.shown.is_none() {
            let text = self.begin(true);
            put(self.out, &text)?;
        }
        Ok(self.note())
    }
}

impl<'a> Table<'a> {
    /// `room` is the width of the terminal; `None` cuts nothing.
    pub(super) fn new(schema: &Schema, room: Option<usize>, out: Out<'a>) -> Self {
        let names: Vec<String> =
            schema.fields().iter().map(|f| printable_line(f.name()).into_owned()).collect();
        // The long lines of a plan are not cut.
        let plan = names == ["plan_type", "plan"];
        let fixed = |field: &arrow::datatypes::FieldRef| {
            let data_type = field.data_type();
            data_type.is_numeric() || data_type.is_temporal() || data_type.is_null()
        };
        Self {
            out,
            right: numbers(schema),
            texts: schema.fields().iter().map(|field| !fixed(field)).collect(),
            room: room.filter(|_| !plan),
            waiting: Vec::new(),
            shown: None,
            same: Vec::new(),
            left_out: Vec::new(),
            shortened: false,
            names,
        }
    }

    /// Adds rows and returns the lines that can be written.
    fn rows(&mut self, mut rows: Vec<Vec<String>>) -> String {
        for cell in rows.iter_mut().flatten() {
            *cell = printable(cell.trim_end_matches('\n')).into_owned();
        }
        let Some(shown) = self.shown.take() else {
            self.waiting.append(&mut rows);
            return if self.waiting.len() < FIRST_ROWS { String::new() } else { self.begin(false) };
        };
        let text = self.lines(&rows, &shown);
        self.shown = Some(shown);
        text
    }

    /// A note about what is not shown.
    fn note(&self) -> Option<String> {
        let mut parts = Vec::new();
        if !self.same.is_empty() {
            parts.push(format!("not shown, the same in all rows: {}", self.same.join(", ")));
        }
        if !self.left_out.is_empty() {
            parts.push(format!("not shown, too wide: {}", self.left_out.join(", ")));
        }
        if self.shortened {
            parts.push("long values are shortened".to_owned());
        }
        if parts.is_empty() {
            return None;
        }
        let everything = "write to a pipe or file, or use another format, to get everything";
        Some(format!("{}; {everything}", parts.join("; ")))
    }

    /// Determines the layout, and formats the header and the buffered rows; `all` if they are all
    /// rows.
    fn begin(&mut self, all: bool) -> String {
        let rows = std::mem::take(&mut self.waiting);
        let mut widest = vec![0; self.names.len()];
        for row in &rows {
            for (at, cell) in row.iter().enumerate() {
                widest[at] = widest[at].max(cell.split('\n').map(width).max().unwrap_or(0));
            }
        }
        let widest_padded = if self.room.is_some() { usize::MAX } else { WIDEST };
        let natural = |at: usize| widest[at].max(width(&self.names[at])).min(widest_padded);
        let mut shown: Vec<(usize, usize)> =
            (0..self.names.len()).map(|at| (at, natural(at))).collect();
        if let Some(room) = self.room {
            let is_same = |at: usize| rows.iter().all(|row| row[at] == rows[0][at]);
            let differ = rows.len() > 1 && !(0..self.names.len()).all(is_same);
            if all && differ && total(&shown) > room {
                shown.retain(|(at, _)| !is_same(*at));
                let same = (0..self.names.len()).filter(|at| shown.iter().all(|(s, _)| s != at));
                let value = |at: usize| match printable_line(&rows[0][at]) {
                    value if width(&value) > WIDEST_IN_NOTE => shortened(&value, WIDEST_IN_NOTE),
                    value => value.into_owned(),
                };
                self.same = same.map(|at| format!("{} = {}", self.names[at], value(at))).collect();
            }
            let least = |at: usize| {
                let narrow = if self.texts[at] { widest[at].min(NARROWEST) } else { widest[at] };
                narrow.max(natural(at).min(NARROWEST))
            };
            let left_out = fit(&mut shown, least, room);
            self.left_out = left_out.into_iter().map(|at| self.names[at].clone()).collect();
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let mut text = self.line(&names, &shown);
        let rules: Vec<String> = shown.iter().map(|(_, width)| "─".repeat(*width)).collect();
        text.push_str(&rules.join(GAP));
        text.push('\n');
        let lines = self.lines(&rows, &shown);
        text.push_str(&lines);
        self.shown = Some(shown);
        text
    }

    fn lines(&mut self, rows: &[Vec<String>], shown: &[(usize, usize)]) -> String {
        let mut text = String::new();
        for row in rows {
            let parts: Vec<Vec<&str>> = row.iter().map(|cell| cell.split('\n').collect()).collect();
            let height = shown.iter().map(|(at, _)| parts[*at].len()).max().unwrap_or(1);
            for line in 0..height {
                let cells: Vec<&str> =
                    parts.iter().map(|part| part.get(line).copied().unwrap_or("")).collect();
                let wide = shown.iter().any(|(at, room)| width(cells[*at]) > *room);
                self.shortened |= wide && self.room.is_some();
                text.push_str(&self.line(&cells, shown));
            }
        }
        text
    }

    /// One line of all the cells that are shown.
    fn line(&self, cells: &[&str], shown: &[(usize, usize)]) -> String {
        let mut line = String::new();
        for (place, (at, room)) in shown.iter().enumerate() {
            if place > 0 {
                line.push_str(GAP);
            }
            let cell = match self.room {
                Some(_) if width(cells[*at]) > *room => Cow::Owned(shortened(cells[*at], *room)),
                _ => Cow::Borrowed(cells[*at]),
            };
            let fill = repeat_n(' ', room.saturating_sub(width(&cell)));
            if self.right[*at] {
                line.extend(fill);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.extend(fill);
            }
        }
        line.truncate(line.trim_end_matches(' ').len());
        line.push('\n');
        line
    }
}

/// Takes whole columns from the end while even the `least` widths are too much, then room from the
/// widest columns; one column always stays. Returns the columns that went.
fn fit(shown: &mut Vec<(usize, usize)>, least: impl Fn(usize) -> usize, room: usize) -> Vec<usize> {
    let capped = |shown: &[(usize, usize)], cap: usize| -> Vec<(usize, usize)> {
        shown.iter().map(|(at, width)| (*at, least(*at).max((*width).min(cap)))).collect()
    };
    let mut left_out = Vec::new();
    while shown.len() > 1 && total(&capped(shown, 0)) > room {
        left_out.extend(shown.pop().map(|(at, _)| at));
    }
    left_out.reverse();
    let widest = shown.iter().map(|(_, width)| *width).max().unwrap_or(0);
    let cap = (0..=widest).rev().find(|cap| total(&capped(shown, *cap)) <= room);
    *shown = match cap {
        Some(cap) => capped(shown, cap),
        // One column alone is wider than the terminal.
        None => shown.iter().map(|(at, width)| (*at, (*width).min(room.max(1)))).collect(),
    };
    left_out
}

/// Width of a line with these columns.
fn total(shown: &[(usize, usize)]) -> usize {
    let sum: usize = shown.iter().map(|(_, width)| width).sum();
    sum + GAP.len() * shown.len().saturating_sub(1)
}
