//! Reads the rows of a CSV file.

use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field as Column, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::dialect::Dialect;
use super::split::{Field, Mistake, Split, is_line_end, line_ends, split};
use crate::scan::csv_options::{Header, Quote};
use crate::scan::files::{BATCH_ROWS, EventFile};
use crate::{Error, Result};

/// Bytes that are read at first; more only where a row is longer. From these the dialect is detected.
pub(super) const BUFFER: usize = 256 << 10;
/// Bytes of the longest row. Without a limit one stray quote would bring the whole file into memory.
pub(super) const MAX_ROW_BYTES: usize = 16 << 20;
/// Bytes of rows after which a batch ends, however few they are.
const BATCH_BYTES: usize = 64 << 20;

/// An opened CSV file behind its header.
pub(in crate::scan) struct CsvFile<'a> {
    /// Names of the columns, without spaces around them.
    pub(in crate::scan) names: Vec<String>,
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

impl<'a> CsvFile<'a> {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When the file cannot be opened, or the header is missing, broken or names a column twice.
    pub(in crate::scan) fn open(file: &'a EventFile) -> Result<Self> {
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
                let mut fields = Vec::new();
                let Dialect { delimiter, quote, .. } = csv.dialect;
                split(csv.unsplit(), delimiter, quote, csv.ended, &mut fields);
                (1..=fields.len()).map(|number| format!("column_{number}")).collect()
            }
            Header::Line => {
                let row = csv.next_row()?.unwrap_or_default();
                let text = csv.text(&row)?;
                let name = |field: &Field| field.of(text, csv.dialect.quote).trim().to_owned();
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
    pub(in crate::scan) fn into_dialect(self) -> Dialect {
        self.dialect
    }

    /// The rows, with those of the columns that the file has, in its order.
    pub(in crate::scan) fn batches(self, columns: &[String]) -> CsvBatches<'a> {
        let places: Vec<usize> =
            (0..self.names.len()).filter(|at| columns.contains(&self.names[*at])).collect();
        let column = |at: &usize| Column::new(&self.names[*at], DataType::Utf8, true);
        let schema = Arc::new(Schema::new(places.iter().map(column).collect::<Vec<_>>()));
        CsvBatches { csv: self, places, schema, ended: false }
    }

    /// The next row, as its range in the buffer; its fields are in `fields`. `None` at the end.
    fn next_row(&mut self) -> Result<Option<Range<usize>>> {
        loop {
            let bytes = &self.buffer[self.rest.clone()];
            let Dialect { delimiter, quote, .. } = self.dialect;
            match split(bytes, delimiter, quote, self.ended, &mut self.fields) {
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
        let Dialect { delimiter, quote, .. } = self.dialect;
        let mut fields = Vec::new();
        // Most likely a quote is not closed: where it opens is of more use than where the row does.
        let at = match split(self.unsplit(), delimiter, quote, true, &mut fields) {
            Split::Mistake(at, Mistake::NotClosed) => at,
            _ => 0,
        };
        let line = self.line + line_ends(&self.unsplit()[..at]);
        self.error(format!("a row is longer than {} MiB", MAX_ROW_BYTES >> 20), line)
            .with("help", "check this line for a quote that is never closed")
    }
}

/// Rows of a CSV file in batches; an empty field is null.
pub(in crate::scan) struct CsvBatches<'a> {
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
                let value = self.csv.fields[*place].of(text, self.csv.dialect.quote);
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
