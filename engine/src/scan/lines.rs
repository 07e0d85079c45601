//! Finds the lines of a text file in which rows start.
//!
//! Rows and lines differ: a header, empty lines, line breaks inside quotes, objects over several
//! lines. The readers do not report line numbers, so the file is read again up to the last of the
//! rows; done only for the few rows in messages.

use std::io::Read;

use super::csv::{CsvFile, Dialect};
use super::csv_options::Quote;
use super::files::{EventFile, Format};
use crate::{Error, Result};

/// The lines, from 1, in which rows begin; these count from 0, without the header, and ascend. Fewer
/// if the file ends before, none for Parquet.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn lines_of(file: &EventFile, wanted: &[u64]) -> Result<Vec<u64>> {
    let mut lines = Vec::with_capacity(wanted.len());
    if wanted.is_empty() {
        return Ok(lines);
    }
    let mut header = 0;
    let mut rows = match file.format {
        Format::Parquet => return Ok(lines),
        Format::Csv => {
            let dialect = CsvFile::open(file)?.into_dialect();
            // The header is a record, too.
            header = dialect.header_lines();
            RowStarts::Csv { dialect, state: CsvState::Between }
        }
        Format::Ndjson => RowStarts::Json { depth: 0, quoted: false, escaped: false },
    };
    let (mut seen, mut line, mut last) = (0, 1, 0);
    let mut input = file.open_text()?;
    let mut bytes = vec![0; 1 << 16];
    let mut is_start = true;
    loop {
        let count = input.read(&mut bytes).map_err(|cause| Error::io(&file.path, cause))?;
        if count == 0 {
            return Ok(lines);
        }
        let mut part = &bytes[..count];
        if std::mem::take(&mut is_start) {
            part = part.strip_prefix(b"\xef\xbb\xbf").unwrap_or(part);
        }
        for byte in part {
            if rows.starts_row(*byte) {
                while wanted.get(lines.len()).is_some_and(|row| row + header == seen) {
                    lines.push(line);
                }
                if lines.len() == wanted.len() {
                    return Ok(lines);
                }
                seen += 1;
            }
            // `\r\n` is one end of a line.
            line += u64::from(*byte == b'\r' || (*byte == b'\n' && last != b'\r'));
            last = *byte;
        }
    }
}

/// Finds where rows begin, byte by byte.
enum RowStarts {
    Csv { dialect: Dialect, state: CsvState },
    Json { depth: usize, quoted: bool, escaped: bool },
}

/// Where in a CSV file the reader is.
#[derive(Clone, Copy, PartialEq)]
enum CsvState {
    /// Before a row; empty lines are none.
    Between,
    /// At the beginning of a field, where a quote opens.
    Field,
    /// In a field without quotes, where a quote is a letter.
    Plain,
    Quoted,
    /// After a quote in a quoted field: the end, or the first of two.
    Quote,
}

impl RowStarts {
    /// Takes a byte; whether a row begins with it.
    fn starts_row(&mut self, byte: u8) -> bool {
        match self {
            Self::Csv { dialect, state } => {
                let is_end = byte == b'\n' || byte == b'\r';
                let is_quote = dialect.quote == Quote::Byte(byte);
                let starts_row = *state == CsvState::Between && !is_end;
                *state = match *state {
                    CsvState::Quoted if is_quote => CsvState::Quote,
                    CsvState::Quoted => CsvState::Quoted,
                    CsvState::Quote if is_quote => CsvState::Quoted,
                    _ if is_end => CsvState::Between,
                    _ if byte == dialect.delimiter => CsvState::Field,
                    CsvState::Between | CsvState::Field if is_quote => CsvState::Quoted,
                    _ => CsvState::Plain,
                };
                starts_row
            }
            Self::Json { quoted, escaped, .. } if *quoted => {
                *quoted = *escaped || byte != b'"';
                *escaped = !*escaped && byte == b'\\';
                false
            }
            Self::Json { depth, quoted, .. } => {
                let starts_row = *depth == 0 && byte == b'{';
                match byte {
                    b'"' => *quoted = true,
                    b'{' | b'[' => *depth += 1,
                    b'}' | b']' => *depth = depth.saturating_sub(1),
                    _ => {}
                }
                starts_row
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lines_of;
    use crate::scan::EventFile;

    #[track_caller]
    fn check(name: &str, text: &str, lines: &[u64]) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let file = &EventFile::find(folder.path(), &[name.to_owned()]).unwrap()[0];
        let rows: Vec<u64> = (0..=lines.len() as u64).collect();
        assert_eq!(lines_of(file, &rows).unwrap(), lines, "{text}");
        for (row, line) in rows.iter().zip(lines) {
            assert_eq!(lines_of(file, &[*row, *row]).unwrap(), [*line, *line], "{text}");
        }
    }

    #[test]
    fn rows_of_csv_begin_after_the_header() {
        check("a.csv", "a,b\n1,2\n3,4", &[2, 3]);
        check("a.csv", "\u{feff}\"a\",b\r\n1,2\r\n\r\n\r\n3,4\r\n", &[2, 5]);
        check("a.csv", "a,b\n1,\"x\n\ny\"\"\n\"\n3,a\"b\n\"4\"\",\n\",\n", &[2, 6, 7]);
        check("a.csv", "'a';'b'\r\n'1';'x\ny'\r\n'2';'3'\r\n", &[2, 4]);
        check("a.csv", "1,2026-01-05\n2,2026-01-06\n", &[1, 2]);
        check("a.tsv", "1\t\\N\n2\tx\"\n3\tx\n", &[1, 2, 3]);
        check("a.csv", "a,b\n", &[]);
        check("a.tsv", "a\tb\n\"x\"\t\"\n\"\ny\t\n", &[2, 4]);
    }

    #[test]
    fn rows_of_json_may_take_lines() {
        check("a.ndjson", "{\"a\": 1}\n\n{\"a\": 2}\n", &[1, 3]);
        check(
            "a.ndjson",
            "\u{feff}{\n\"a\": {\"b\": [1,\n2]}}\n{} {\"\\\"}{\": \"\\\\\"}\n{}",
            &[1, 4, 4, 5],
        );
        check("a.ndjson", "", &[]);
    }
}
