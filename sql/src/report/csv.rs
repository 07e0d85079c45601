//! Comma-separated values with a header, quoted as RFC 4180 says.
//!
//! Null is an empty field; an empty text is `""`. Arrow's own CSV writer writes the two alike,
//! which is why this one exists. Lines end in `\n`, so that line tools can be used.

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use engine::{Error, Kind, Result};

/// The batch as CSV text.
///
/// # Errors
///
/// [`Kind::Internal`] for a column that has no text form.
pub(super) fn render(batch: &RecordBatch) -> Result<String> {
    let internal = |cause| {
        Error::new(Kind::Internal, "a column of the report has no text form").caused_by(cause)
    };
    let options = FormatOptions::default();
    let formatters = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).map_err(internal))
        .collect::<Result<Vec<_>>>()?;

    let mut csv = String::new();
    for (at, field) in batch.schema().fields().iter().enumerate() {
        separate(&mut csv, at);
        quote(&mut csv, field.name());
    }
    csv.push('\n');
    for row in 0..batch.num_rows() {
        for (at, (column, formatter)) in batch.columns().iter().zip(&formatters).enumerate() {
            separate(&mut csv, at);
            if column.is_null(row) {
                continue;
            }
            match column.data_type() {
                DataType::Utf8 => quote(&mut csv, column.as_string::<i32>().value(row)),
                _ => formatter.value(row).write(&mut csv).map_err(internal)?,
            }
        }
        csv.push('\n');
    }
    Ok(csv)
}

fn separate(csv: &mut String, at: usize) {
    if at > 0 {
        csv.push(',');
    }
}

/// Spaces at the ends are quoted too, because some readers trim bare fields.
fn quote(csv: &mut String, text: &str) {
    let bare = !text.is_empty() && text.trim() == text && !text.contains(['"', ',', '\n', '\r']);
    if bare {
        csv.push_str(text);
    } else {
        csv.push('"');
        csv.push_str(&text.replace('"', "\"\""));
        csv.push('"');
    }
}
