//! An example of a rejected row: its file, row and value.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use arrow::array::ArrayRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::files::EventFile;
use super::lines::lines_of;

/// Characters of a value that are kept.
const MAX_VALUE_CHARS: usize = 60;

/// A rejected row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    path: PathBuf,
    /// Row of the file, from 0, without the header.
    row: u64,
    /// What is known beside the file; nothing if an earlier version has ingested it.
    details: Option<Details>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    line: Line,
    column: String,
    /// `None` if there is none.
    value: Option<String>,
}

/// The line of a text file in which a row begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// Not looked up yet.
    In(EventFile),
    /// `None` for Parquet.
    Known(Option<u64>),
}

impl Example {
    /// A row of which no more is known than the file.
    pub fn of_file(path: &Path) -> Self {
        Self { path: path.to_owned(), row: 0, details: None }
    }

    /// A row of a file that was ingested; `line` is the line of a text file in which it begins,
    /// `value` is what [`value`](Self::value) said then.
    pub fn ingested(
        path: &Path,
        row: u64,
        line: Option<u64>,
        column: &str,
        value: Option<String>,
    ) -> Self {
        let details = Details { line: Line::Known(line), column: column.to_owned(), value };
        Self { path: path.to_owned(), row, details: Some(details) }
    }

    /// A row of a file and the column that is at fault; `cell` is its value, unless it is null.
    pub(super) fn new(
        file: &EventFile,
        row: u64,
        column: &str,
        cell: Option<(&ArrayRef, usize)>,
    ) -> Self {
        let value = cell.map(|(array, at)| shortened(array, at)).filter(|text| !text.is_empty());
        let details = Details { line: Line::In(file.clone()), column: column.to_owned(), value };
        Self { path: file.path.clone(), row, details: Some(details) }
    }

    /// The file, as it was found.
    pub fn file(&self) -> &Path {
        &self.path
    }

    /// Its row number in the file, from 0, without the header.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// The beginning of the value at fault; `None` if there is none, or it is not known.
    pub fn value(&self) -> Option<&str> {
        self.details.as_ref()?.value.as_deref()
    }
}

/// `events.csv, line 7: `at` is "last tuesday"`, or `events.parquet, row 6: `user_id` is empty`,
/// rows from 1. Text files are read up to that line, which is why it is done only now. Nothing in
/// it can command a terminal.
impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.path.to_string_lossy().chars() {
            match letter.is_control() {
                true => write!(f, "{}", letter.escape_default())?,
                false => f.write_char(letter)?,
            }
        }
        let Some(Details { line, column, value }) = &self.details else { return Ok(()) };
        let line = match line {
            Line::Known(line) => *line,
            // The file may have been deleted since.
            Line::In(file) => {
                lines_of(file, &[self.row]).ok().and_then(|lines| lines.first().copied())
            }
        };
        match line {
            Some(line) => write!(f, ", line {line}")?,
            None => write!(f, ", row {}", self.row + 1)?,
        }
        match value {
            Some(value) => write!(f, ": `{column}` is {value:?}"),
            None => write!(f, ": `{column}` is empty"),
        }
    }
}

/// The beginning of a value as text.
fn shortened(array: &ArrayRef, at: usize) -> String {
    /// Takes so many characters, then ends the writing.
    struct Truncated(String, usize);
    impl Write for Truncated {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for letter in text.chars() {
                if self.1 == 0 {
                    self.0.push('…');
                    return Err(fmt::Error);
                }
                self.0.push(letter);
                self.1 -= 1;
            }
            Ok(())
        }
    }
    let mut truncated = Truncated(String::new(), MAX_VALUE_CHARS);
    if let Ok(formatter) = ArrayFormatter::try_new(array, &FormatOptions::default()) {
        // An error says that the value is longer, or cannot be shown as what its type says.
        let _ = write!(truncated, "{}", formatter.value(at));
    }
    truncated.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringArray};
    use arrow::datatypes::Int32Type;

    use super::shortened;

    #[test]
    fn values_are_kept_short() {
        let long = "é".repeat(1_000);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["", "a\u{1b}[31mb", &long]));
        let details: Vec<String> = (0..3).map(|at| shortened(&texts, at)).collect();
        assert_eq!(details[..2], ["", "a\u{1b}[31mb"]);
        assert_eq!(details[2], format!("{}…", "é".repeat(60)));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![-5]));
        assert_eq!(shortened(&numbers, 0), "-5");
        let codes: DictionaryArray<Int32Type> = vec!["x", "y", "x"].into_iter().collect();
        assert_eq!(shortened(&(Arc::new(codes) as ArrayRef), 1), "y");
    }
}
