//! Writes the rows of a report as they are produced.
//!
//! The formats for programs are written batch by batch. Those for people choose columns and names
//! based on all rows, so the rows are buffered, up to a limit for each format.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;

use arrow::datatypes::SchemaRef;
use engine::active::{CollectedRows, Level, Report, ReportRow, RowSink};
use engine::events::ScanObserver;
use engine::{Error, Kind, Result};

use super::columns::{record_batch, schema};
use super::{Format, Style, html, markdown, parquet, table};
use crate::report::json;
use crate::results::Delimited;

/// Rows per batch.
const BATCH: usize = 8192;

/// As [`BATCH`], for Parquet: where batches end decides where pages end, so a report of up to so
/// many rows has the bytes of one batch.
const PARQUET_BATCH: usize = 1 << 17;

/// Writes one report in one format.
pub struct Writer<'a> {
    format: Format,
    style: &'a Style,
    out: &'a mut dyn Write,
    /// The report without its rows; empty until `begin`.
    report: Option<Report>,
    rows: CollectedRows<'a>,
    form: WriterState,
}

/// The state of a format between batches.
enum WriterState {
    Delimited(Delimited),
    Json(json::Body),
    Parquet(Option<Box<parquet::File>>),
    /// A format for people, which buffers the rows; with the series so far, if their number is
    /// limited.
    ReportView(BTreeSet<Series>),
}

/// The node of the tree and the values of the dimensions that a row is about.
type Series = (Level, [Option<String>; 4], Vec<Option<String>>);

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("format", &self.format).finish_non_exhaustive()
    }
}

impl<'a> Writer<'a> {
    /// Writes to `out`; `observer` accounts for the memory of buffered rows.
    pub fn new(
        format: Format,
        out: &'a mut dyn Write,
        style: &'a Style,
        observer: &'a dyn ScanObserver,
    ) -> Self {
        let form = match format {
            Format::Csv => WriterState::Delimited(Delimited::new(',')),
            Format::Tsv => WriterState::Delimited(Delimited::new('\t')),
            Format::Json => WriterState::Json(json::Body::default()),
            Format::Parquet => WriterState::Parquet(None),
            Format::Table | Format::Markdown | Format::Html => {
                WriterState::ReportView(BTreeSet::new())
            }
        };
        let rows = CollectedRows::new(observer);
        Self { format, style, out, report: None, rows, form }
    }

    /// Writes the remaining rows and ends the report.
    ///
    /// # Errors
    /// As [`write`](super::write).
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        let Some(mut report) = self.report.take() else {
            return Err(Error::internal("a report ended before it started"));
        };
        let rest = match self.form {
            WriterState::Delimited(_) => Vec::new(),
            WriterState::Json(body) => body.finish()?,
            WriterState::Parquet(file) => {
                file.map_or_else(|| Ok(Vec::new()), |file| file.finish())?
            }
            WriterState::ReportView(_) => {
                report.rows = std::mem::take(&mut self.rows.rows);
                match self.format {
                    Format::Markdown => markdown::render(&report, self.style).into_bytes(),
                    Format::Html => html::render(&report, self.style)?.into_bytes(),
                    _ => table::render(&report, self.style).into_bytes(),
                }
            }
        };
        put(self.out, &rest)?;
        self.out.flush().map_err(refused)
    }

    /// Writes the pending rows, unless the format buffers all of them.
    fn flush(&mut self) -> Result<()> {
        let Some(report) = &mut self.report else { return Ok(()) };
        if matches!(self.form, WriterState::ReportView(_)) || self.rows.rows.is_empty() {
            return Ok(());
        }
        report.rows = std::mem::take(&mut self.rows.rows);
        let batch = record_batch(report);
        report.rows.clear();
        self.rows.rows = std::mem::take(&mut report.rows);
        let batch = batch?;
        match &mut self.form {
            WriterState::Delimited(delimited) => {
                let mut text = String::new();
                delimited.rows(&batch, &mut text).map_err(|cause| {
                    Error::new(Kind::Internal, "a column of the report has no text form")
                        .caused_by(cause)
                })?;
                put(self.out, text.as_bytes())
            }
            WriterState::Json(body) => {
                body.write(&batch)?;
                put(self.out, &body.take())
            }
            WriterState::Parquet(Some(file)) => file.write(&batch),
            WriterState::Parquet(None) | WriterState::ReportView(_) => Ok(()),
        }
    }
}

impl RowSink for Writer<'_> {
    fn start(&mut self, report: &Report) -> Result<()> {
        let columns: SchemaRef = schema(&report.by);
        match &mut self.form {
            WriterState::Delimited(delimited) => {
                let mut head = String::new();
                delimited.head(&columns, &mut head);
                put(self.out, head.as_bytes())?;
            }
            WriterState::Parquet(file) => {
                *file = Some(Box::new(parquet::File::new(&columns, report)?))
            }
            WriterState::Json(_) | WriterState::ReportView(_) => {}
        }
        self.report = Some(report.without_rows());
        Ok(())
    }

    fn row(&mut self, row: ReportRow) -> Result<()> {
        if let WriterState::ReportView(series) = &mut self.form {
            if self.format.most_series().is_some() {
                let node = [&row.section, &row.stage, &row.group, &row.metric].map(Option::clone);
                series.insert((row.level, node, row.by.clone()));
            }
            for (most, count, what) in [
                (self.format.most_rows(), self.rows.rows.len() + 1, "rows"),
                (self.format.most_series(), series.len(), "series"),
            ] {
                if let Some(most) = most.filter(|most| count > *most) {
                    return Err(too_long(self.format, most, what));
                }
            }
            return self.rows.row(row);
        }
        // They are written before they are many.
        self.rows.rows.push(row);
        let batch = if self.format == Format::Parquet { PARQUET_BATCH } else { BATCH };
        if self.rows.rows.len() < batch { Ok(()) } else { self.flush() }
    }
}

/// The error for a report that is too long for a format.
fn too_long(format: Format, most: usize, what: &str) -> Error {
    let most = super::figures::format_number(most as u64);
    Error::limit(format!("the report has more than {most} {what}, the limit of format {format}"))
        .with(
            "help",
            "keep only the largest values of a dimension with `--top N`, use fewer levels, \
             dimensions or periods (`--from`, `--to`, `--window`), or write all rows with \
             `--format csv` or `--format parquet`",
        )
}

fn put(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(refused)
}

fn refused(cause: std::io::Error) -> Error {
    let message = format!("cannot write the report: {cause}");
    Error::new(Kind::Io, message).caused_by(cause)
}
