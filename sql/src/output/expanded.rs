//! The result of a query with one line for each value, so that any number of columns fits. Nothing
//! is left out or cut: on a terminal, long values continue on the next line.

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use engine::Result;

use super::batch_writer::{BatchWriter, Out, put};
use super::table::{GAP, names, printable_cells};
use super::text::{split_at_width, width};

/// Length of the line above a record in a file or a pipe.
const RULE: usize = 40;

/// Fewest columns for values, however long the names are.
const NARROWEST: usize = 8;

/// Writes rows as records.
pub(super) struct Expanded<'a> {
    out: Out<'a>,
    names: Vec<String>,
    /// Width of the terminal.
    room: Option<usize>,
    written: usize,
}

impl<'a> Expanded<'a> {
    pub(super) fn new(schema: &Schema, room: Option<usize>, out: Out<'a>) -> Self {
        Self { out, names: names(schema), room, written: 0 }
    }
}

impl BatchWriter for Expanded<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = printable_cells(batch)?;
        let text = records(&self.names, &rows, self.written, self.room);
        self.written += rows.len();
        put(self.out, &text)
    }

    fn finish(self: Box<Self>) -> Result<Option<String>> {
        Ok(None)
    }
}

/// Rows as records, which are numbered after the first `before`.
pub(super) fn records(
    names: &[String],
    rows: &[Vec<String>],
    before: usize,
    room: Option<usize>,
) -> String {
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let room_for_values = room.map(|room| room.saturating_sub(longest + GAP.len()).max(NARROWEST));
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let title = format!("─[ {} ]", before + at + 1);
        let fill = room.unwrap_or(RULE).saturating_sub(width(&title));
        text.push_str(&title);
        text.push_str(&"─".repeat(fill));
        text.push('\n');
        for (name, cell) in names.iter().zip(row) {
            let lines = cell.split('\n').flat_map(|line| match room_for_values {
                Some(room) => split_at_width(line, room),
                None => vec![line],
            });
            for (at, line) in lines.enumerate() {
                let name = if at == 0 { name.as_str() } else { "" };
                let fill = " ".repeat(longest - width(name));
                let line = format!("{name}{fill}{GAP}{line}");
                text.push_str(line.trim_end_matches(' '));
                text.push('\n');
            }
        }
    }
    text
}
