//! Values separated by commas or tabs, with a header, quoted as RFC 4180 says.
//!
//! Null is an empty field; an empty text is `""`. Arrow's own CSV writer writes the two alike,
//! which is why this one exists. Lines end in `\n`, so that line tools can be used.

use arrow::array::Array;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use engine::Result;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::batch_writer::{BatchWriter, Out, put, unsupported_type};

/// Rows that a thread formats at once.
const AT_ONCE: usize = 1024;

/// Writes batches as separated values.
pub(super) struct Writer<'a> {
    separator: char,
    out: Out<'a>,
}

impl<'a> Writer<'a> {
    /// Writes the line with the names of the columns.
    pub(super) fn new(separator: char, schema: &Schema, out: Out<'a>) -> Result<Self> {
        let mut head = String::new();
        for (at, field) in schema.fields().iter().enumerate() {
            separate(separator, &mut head, at);
            quote(separator, &mut head, field.name());
        }
        head.push('\n');
        put(out, &head)?;
        Ok(Self { separator, out })
    }
}

impl BatchWriter for Writer<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let starts: Vec<usize> = (0..batch.num_rows()).step_by(AT_ONCE).collect();
        let separator = self.separator;
        let texts: Result<Vec<String>, ArrowError> = starts
            .into_par_iter()
            .map(|start| {
                let rows = AT_ONCE.min(batch.num_rows() - start);
                lines(separator, &batch.slice(start, rows))
            })
            .collect();
        texts.map_err(unsupported_type)?.iter().try_for_each(|text| put(self.out, text))
    }

    fn finish(self: Box<Self>) -> Result<Option<String>> {
        Ok(None)
    }
}

/// A line for every row.
fn lines(separator: char, batch: &RecordBatch) -> Result<String, ArrowError> {
    let options = FormatOptions::default();
    let formatters = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    let bare: Vec<bool> = batch.columns().iter().map(|c| is_bare(c.data_type())).collect();
    let (mut text, mut value) = (String::new(), String::new());
    for row in 0..batch.num_rows() {
        for (at, (column, formatter)) in batch.columns().iter().zip(&formatters).enumerate() {
            separate(separator, &mut text, at);
            if column.is_null(row) {
                continue;
            }
            if bare[at] {
                formatter.value(row).write(&mut text)?;
            } else {
                value.clear();
                formatter.value(row).write(&mut value)?;
                quote(separator, &mut text, &value);
            }
        }
        text.push('\n');
    }
    Ok(text)
}

fn separate(separator: char, text: &mut String, at: usize) {
    if at > 0 {
        text.push(separator);
    }
}

/// Spaces at the ends are quoted too, because some readers trim bare fields.
fn quote(separator: char, text: &mut String, value: &str) {
    let special = ['"', '\n', '\r', separator];
    let bare = !value.is_empty() && value.trim() == value && !value.contains(special);
    if bare {
        text.push_str(value);
    } else {
        text.push('"');
        text.push_str(&value.replace('"', "\"\""));
        text.push('"');
    }
}

/// Whether no value of this type can need quotes.
fn is_bare(data_type: &DataType) -> bool {
    data_type.is_numeric()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Date32
                | DataType::Date64
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Timestamp(..)
        )
}
