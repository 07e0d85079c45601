//! Values separated by commas or tabs, with a header, quoted as RFC 4180 says.
//!
//! Null is an empty field; an empty text is `""`. Arrow's own CSV writer writes the two alike,
//! which is why this one exists. Lines end in `\n`, so that line tools can be used.

use arrow::array::Array;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Writes batches as separated values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delimited {
    separator: char,
}

impl Delimited {
    /// Values with this character between them.
    pub(crate) fn new(separator: char) -> Self {
        Self { separator }
    }

    /// Adds the line with the names of the columns.
    pub(crate) fn head(self, schema: &Schema, text: &mut String) {
        for (at, field) in schema.fields().iter().enumerate() {
            self.separate(text, at);
            self.quote(text, field.name());
        }
        text.push('\n');
    }

    /// Adds a line for every row.
    ///
    /// # Errors
    /// When a column has no text form.
    pub(crate) fn rows(self, batch: &RecordBatch, text: &mut String) -> Result<(), ArrowError> {
        let options = FormatOptions::default();
        let formatters = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        let bare: Vec<bool> = batch.columns().iter().map(|c| is_bare(c.data_type())).collect();
        let mut value = String::new();
        for row in 0..batch.num_rows() {
            for (at, (column, formatter)) in batch.columns().iter().zip(&formatters).enumerate() {
                self.separate(text, at);
                if column.is_null(row) {
                    continue;
                }
                if bare[at] {
                    formatter.value(row).write(text)?;
                } else {
                    value.clear();
                    formatter.value(row).write(&mut value)?;
                    self.quote(text, &value);
                }
            }
            text.push('\n');
        }
        Ok(())
    }

    fn separate(self, text: &mut String, at: usize) {
        if at > 0 {
            text.push(self.separator);
        }
    }

    /// Spaces at the ends are quoted too, because some readers trim bare fields.
    fn quote(self, text: &mut String, value: &str) {
        let special = ['"', '\n', '\r', self.separator];
        let bare = !value.is_empty() && value.trim() == value && !value.contains(special);
        if bare {
            text.push_str(value);
        } else {
            text.push('"');
            text.push_str(&value.replace('"', "\"\""));
            text.push('"');
        }
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
