//! CSV files by RFC 4180, strictly: a quote that is never closed, text after a closing quote and a
//! row of another length than the header are errors with their line.
//!
//! Readers that accept these find rows where there are none, or one row where there are thousands,
//! and every number after that is wrong. Three liberties are safe and common, so they are allowed:
//! empty lines, a carriage return alone as the end of a line, and quotes inside a field that does
//! not begin with one.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field as Column, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use memchr::{memchr, memchr3};

use super::csv_dialect::{Dialect, Header, Quote};
use super::files::EventFile;
use super::parquet::BATCH_ROWS;
use crate::{Error, Result};

/// Bytes that are read at first; more only where a row is longer. From these the dialect is detected.
const BUFFER: usize = 256 << 10;
/// Bytes of the longest row. Without a limit one stray quote would bring the whole file into memory.
const MAX_ROW_BYTES: usize = 16 << 20;
/// Bytes of rows after which a batch ends, however few they are.
const BATCH_BYTES: usize = 64 << 20;

/// An opened CSV file behind its header.
pub(super) struct CsvFile<'a> {
    /// Names of the columns, without spaces around them.
    pub(super) names: Vec<String>,
    file: &'a EventFile,
    dialect: Dialect,
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// The bytes of the buffer that have been read but not yet split.
    rest: Range<usize>,
    /// Whether the file has no more bytes than these.
    ended: bool,
    /// Line of the file at which they start, from 1.
    line: u64,
    /// Line at which the last row starts.
    row_line: u64,
    /// Fields of the last row.
    fields: Vec<Field>,
}

/// One field of a row, by its bytes in the row and without the quotes around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether quotes are doubled in it.
    doubled: bool,
}

/// What stands at the start of some bytes.
#[derive(Debug)]
pub(super) enum Split {
    /// A row of so many bytes, its line end included, that takes up so many lines.
    Row { length: usize, lines: u64 },
    /// An empty line of so many bytes.
    Empty(usize),
    /// The beginning of something, or nothing.
    Incomplete,
    /// A mistake at this position.
    Mistake(usize, Mistake),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Mistake {
    NotClosed,
    TextAfterQuote,
}

impl<'a> CsvFile<'a> {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When the file cannot be opened, or the header is missing, broken or names a column twice.
    pub(super) fn open(file: &'a EventFile) -> Result<Self> {
        let dialect = Dialect { delimiter: b',', quote: Quote::None, header: Header::Line };
        let mut csv = Self {
            names: Vec::new(),
            file,
            dialect,
            input: file.open_text()?,
            buffer: vec![0; BUFFER],
            rest: 0..0,
            ended: false,
            line: 1,
            row_line: 1,
            fields: Vec::new(),
        };
        csv.fill()?;
        let first_line = csv.unsplit().split(|byte| is_line_end(*byte)).next().unwrap_or_default();
        if first_line.trim_ascii().is_empty() {
            return Err(file.broken(&"the header line is missing"));
        }
        csv.dialect = Dialect::of(file, csv.unsplit(), csv.ended)?;
        csv.names = match &csv.dialect.header {
            Header::Names(names) => names.clone(),
            Header::Absent => {
                let ended = csv.ended;
                let mut fields = Vec::new();
                split(csv.unsplit(), &csv.dialect, ended, &mut fields);
                (1..=fields.len()).map(|number| format!("column_{number}")).collect()
            }
            Header::Line => {
                let row = csv.next_row()?.unwrap_or_default();
                let text = csv.text(&row)?;
                let name = |field: &Field| field.of(text, &csv.dialect).trim().to_owned();
                csv.fields.iter().map(name).collect()
            }
        };
        for (at, name) in csv.names.iter().enumerate() {
            if csv.names[..at].contains(name) {
                return Err(Error::input(format!("the header has two columns `{name}`"))
                    .with("file", file.path.display())
                    .with("help", "rename one of them"));
            }
        }
        Ok(csv)
    }

    /// How it is written.
    pub(super) fn into_dialect(self) -> Dialect {
        self.dialect
    }

    /// The rows, with those of the columns that the file has, in its order.
    pub(super) fn batches(self, columns: &[String]) -> CsvBatches<'a> {
        let places: Vec<usize> =
            (0..self.names.len()).filter(|at| columns.contains(&self.names[*at])).collect();
        let column = |at: &usize| Column::new(&self.names[*at], DataType::Utf8, true);
        let schema = Arc::new(Schema::new(places.iter().map(column).collect::<Vec<_>>()));
        CsvBatches { csv: self, places, schema, ended: false }
    }

    /// The next row, as its range in the buffer; its fields are in `fields`. `None` at the end.
    fn next_row(&mut self) -> Result<Option<Range<usize>>> {
        loop {
            let split =
                split(&self.buffer[self.rest.clone()], &self.dialect, self.ended, &mut self.fields);
            match split {
                Split::Row { length, lines } => {
                    let columns = self.names.len();
                    // The first row is the header.
                    if columns > 0 && self.fields.len() != columns {
                        return Err(self.wrong_length());
                    }
                    let row = self.rest.start..self.rest.start + length;
                    self.rest.start = row.end;
                    self.row_line = self.line;
                    self.line += lines;
                    return Ok(Some(row));
                }
                Split::Empty(length) => {
                    self.rest.start += length;
                    self.line += 1;
                }
                Split::Incomplete if self.ended => return Ok(None),
                Split::Incomplete => self.fill()?,
                Split::Mistake(at, mistake) => return Err(self.mistake(at, mistake)),
            }
        }
    }

    /// Reads more bytes, behind those that are not split yet.
    fn fill(&mut self) -> Result<()> {
        let length = self.rest.len();
        self.buffer.copy_within(self.rest.clone(), 0);
        self.rest = 0..length;
        if length == self.buffer.len() {
            if length >= MAX_ROW_BYTES {
                return Err(self.too_long());
            }
            self.buffer.resize(2 * length, 0);
        }
        while self.rest.end < self.buffer.len() {
            match self.input.read(&mut self.buffer[self.rest.end..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.rest.end += read,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => return Err(self.file.broken(&cause)),
            }
        }
        Ok(())
    }

    /// What has been read but not split.
    fn unsplit(&self) -> &[u8] {
        &self.buffer[self.rest.clone()]
    }

    /// The text of the last row.
    fn text(&self, row: &Range<usize>) -> Result<&str> {
        let bytes = &self.buffer[row.clone()];
        std::str::from_utf8(bytes).map_err(|cause| {
            let at = cause.valid_up_to();
            let line = self.row_line + line_ends(&bytes[..at]);
            let error = self.error("a value is not valid UTF-8", line);
            let column = self.fields.iter().position(|field| at <= field.end);
            match column.and_then(|column| self.names.get(column)) {
                Some(name) => error.with("column", name),
                None => error,
            }
            .with("help", "convert the file to UTF-8")
        })
    }

    fn error(&self, what: impl std::fmt::Display, line: u64) -> Error {
        Error::input(format!("invalid file: {what}"))
            .with("file", self.file.path.display())
            .with("line", line)
    }

    fn mistake(&self, at: usize, mistake: Mistake) -> Error {
        let line = self.line + line_ends(&self.unsplit()[..at]);
        match mistake {
            Mistake::NotClosed => {
                self.error("the quote that starts here is never closed", line).with(
                    "help",
                    "close the quote, or double the quotes inside a value, or state `csv: {quote: \
                     none}` if quotes are ordinary characters; no row of the file was counted",
                )
            }
            Mistake::TextAfterQuote => self.error("text after a closing quote", line).with(
                "help",
                "double the quotes inside a value, or add the quote that is missing in the lines \
                 above, or state `csv: {quote: none}` if quotes are ordinary characters; no row of \
                 the file was counted",
            ),
        }
    }

    /// The error for the row that the buffer begins with.
    fn wrong_length(&self) -> Error {
        let (found, expected) = (self.fields.len(), self.names.len());
        let fields = if found == 1 { "field" } else { "fields" };
        let other = match self.dialect.header {
            Header::Line => "the header has",
            Header::Absent => "the first row has",
            Header::Names(_) => "the source names",
        };
        let what = format!("a row has {found} {fields}, but {other} {expected}");
        self.error(what, self.line).with(
            "help",
            "put quotes around values that contain the delimiter; no row of the file was counted",
        )
    }

    fn too_long(&self) -> Error {
        let mut fields = Vec::new();
        // Most likely a quote is not closed: where it opens is of more use than where the row does.
        let at = match split(self.unsplit(), &self.dialect, true, &mut fields) {
            Split::Mistake(at, Mistake::NotClosed) => at,
            _ => 0,
        };
        let line = self.line + line_ends(&self.unsplit()[..at]);
        self.error(format!("a row is longer than {} MiB", MAX_ROW_BYTES >> 20), line)
            .with("help", "check this line for a quote that is never closed")
    }
}

impl Field {
    /// Its value, in the text of its row; empty if there is none.
    fn of<'r>(self, row: &'r str, dialect: &Dialect) -> Cow<'r, str> {
        // Quotes, delimiters and line ends are no part of other characters.
        let text = row.get(self.start..self.end).unwrap_or_default();
        match dialect.quote {
            Quote::Byte(quote) if self.doubled => {
                let quote = char::from(quote);
                Cow::Owned(text.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            Quote::Backslash if text == "\\N" => Cow::Borrowed(""),
            Quote::Backslash if text.contains('\\') => Cow::Owned(without_backslashes(text)),
            _ => Cow::Borrowed(text),
        }
    }
}

/// A value in the text format of PostgreSQL's `COPY`.
fn without_backslashes(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        value.push(match letter {
            '\\' => match letters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('v') => '\u{b}',
                Some(other) => other,
                None => '\\',
            },
            letter => letter,
        });
    }
    value
}

/// Splits the first row off. `ended` is whether nothing comes after these bytes.
pub(super) fn split(
    bytes: &[u8],
    dialect: &Dialect,
    ended: bool,
    fields: &mut Vec<Field>,
) -> Split {
    let delimiter = dialect.delimiter;
    let quote = match dialect.quote {
        Quote::Byte(quote) => Some(quote),
        Quote::Backslash | Quote::None => None,
    };
    fields.clear();
    match bytes.first() {
        None => return Split::Incomplete,
        Some(first) if is_line_end(*first) => {
            return line_end(bytes, 0, ended).map_or(Split::Incomplete, Split::Empty);
        }
        Some(_) => {}
    }
    let (mut at, mut lines) = (0, 1);
    loop {
        if let Some(quote) = quote.filter(|quote| bytes.get(at) == Some(quote)) {
            let start = at + 1;
            let (mut from, mut doubled) = (start, false);
            let end = loop {
                let Some(found) = memchr(quote, &bytes[from..]).map(|found| from + found) else {
                    return match ended {
                        true => Split::Mistake(at, Mistake::NotClosed),
                        false => Split::Incomplete,
                    };
                };
                match bytes.get(found + 1) {
                    Some(next) if *next == quote => (from, doubled) = (found + 2, true),
                    None if !ended => return Split::Incomplete,
                    _ => break found,
                }
            };
            lines += line_ends(&bytes[start..end]);
            fields.push(Field { start, end, doubled });
            at = end + 1;
        } else {
            let end = memchr3(delimiter, b'\n', b'\r', &bytes[at..]);
            let end = end.map_or(bytes.len(), |length| at + length);
            fields.push(Field { start: at, end, doubled: false });
            at = end;
        }
        match bytes.get(at) {
            None if ended => return Split::Row { length: at, lines },
            None => return Split::Incomplete,
            Some(byte) if *byte == delimiter => at += 1,
            Some(byte) if is_line_end(*byte) => {
                return match line_end(bytes, at, ended) {
                    Some(length) => Split::Row { length: at + length, lines },
                    None => Split::Incomplete,
                };
            }
            // Fields without quotes end nowhere else.
            Some(_) => return Split::Mistake(at, Mistake::TextAfterQuote),
        }
    }
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Length of the line end at a position, or `None` if the next byte has to be known.
fn line_end(bytes: &[u8], at: usize, ended: bool) -> Option<usize> {
    match bytes.get(at..) {
        Some([b'\r', b'\n', ..]) => Some(2),
        Some([b'\r']) if !ended => None,
        _ => Some(1),
    }
}

/// Number of line ends: `\n`, `\r\n` and `\r` are one each.
fn line_ends(bytes: &[u8]) -> u64 {
    let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
    let alone = bytes.windows(2).filter(|pair| pair[0] == b'\r' && pair[1] != b'\n').count();
    (feeds + alone + usize::from(bytes.last() == Some(&b'\r'))) as u64
}

/// Rows of a CSV file in batches; an empty field is null.
pub(super) struct CsvBatches<'a> {
    csv: CsvFile<'a>,
    /// Indexes of the requested fields.
    places: Vec<usize>,
    schema: SchemaRef,
    ended: bool,
}

impl CsvBatches<'_> {
    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut columns: Vec<StringBuilder> =
            self.places.iter().map(|_| StringBuilder::new()).collect();
        let (mut rows, mut bytes) = (0, 0);
        while rows < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some(row) = self.csv.next_row()? else { break };
            let text = self.csv.text(&row)?;
            for (column, place) in columns.iter_mut().zip(&self.places) {
                let value = self.csv.fields[*place].of(text, &self.csv.dialect);
                column.append_option(Some(value).filter(|value| !value.is_empty()));
            }
            rows += 1;
            bytes += row.len();
        }
        if rows == 0 {
            return Ok(None);
        }
        let columns = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        Ok(Some(RecordBatch::try_new_with_options(schema, columns.collect(), &options)?))
    }
}

impl Iterator for CsvBatches<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.batch();
        self.ended = !matches!(batch, Ok(Some(_)));
        batch.transpose()
    }
}

#[cfg(test)]
mod tests;
