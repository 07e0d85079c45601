//! Writes the rows of a report as they are produced.
//!
//! The formats for programs are written batch by batch. Those for people choose columns and names
//! based on all rows, so the rows are buffered, up to a limit for each format.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;

use engine::JobContext;
use engine::active::{CollectedRows, Level, Report, ReportRow, RowSink};
use engine::calendar::Day;
use engine::{Error, Result};

use super::columns::{record_batch, schema};
use super::document::document;
use super::page;
use super::style::Style;
use super::view::ReportView;
use crate::output::text::format_number;
use crate::output::{BatchWriter, Format, Options, Out, document_text, put, writer};

/// Rows per batch.
const BATCH: usize = 8192;

/// The most rows of a table or Markdown, and of an HTML report: more can be neither read nor drawn,
/// and would be kept in memory as a whole.
const MAX_ROWS: usize = 1_000_000;
const MAX_HTML_ROWS: usize = 50_000;

/// The most series of an HTML report. A series is a node of the tree with a value of each dimension
/// of `--by`, in all periods: what a chart shows as one line.
const MAX_HTML_SERIES: usize = 5_000;

/// Values of a dimension that an HTML report shows unless another number is asked for: of a single
/// dimension, and of each of several, whose combinations are counted.
const HTML_VALUES: usize = 100;
const HTML_VALUES_OF_SEVERAL: usize = 20;

/// How many values of each of `dimensions` a format shows if nothing else is asked for; `None` for
/// all.
pub fn default_top(format: Format, dimensions: usize) -> Option<NonZeroUsize> {
    match (format, dimensions) {
        (Format::Html, 1) => NonZeroUsize::new(HTML_VALUES),
        (Format::Html, 2..) => NonZeroUsize::new(HTML_VALUES_OF_SEVERAL),
        _ => None,
    }
}

/// Writes one report in one format.
pub struct Writer<'a> {
    format: Format,
    style: &'a Style,
    /// Empty once it belongs to `batches`.
    out: Option<Out<'a>>,
    /// Empty before the start, and in the formats for people.
    batches: Option<Box<dyn BatchWriter + 'a>>,
    /// The report without its rows; empty before the start.
    report: Option<Report>,
    /// Rows that are not written yet.
    rows: CollectedRows<'a>,
    /// The series so far, if their number is limited.
    series: BTreeSet<Series>,
}

/// The node of the tree and the values of the dimensions that a row is about.
type Series = (Level, [Option<String>; 4], Vec<Option<String>>);

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("format", &self.format).finish_non_exhaustive()
    }
}

impl<'a> Writer<'a> {
    /// Writes to `out`; `job` accounts for the memory of buffered rows.
    pub fn new(format: Format, out: Out<'a>, style: &'a Style, job: &'a JobContext<'a>) -> Self {
        Self {
            format,
            style,
            out: Some(out),
            batches: None,
            report: None,
            rows: CollectedRows::new(job),
            series: BTreeSet::new(),
        }
    }

    /// Writes the remaining rows and ends the report.
    ///
    /// # Errors
    /// As [`write`](super::write).
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        if let Some(batches) = self.batches {
            return batches.finish().map(|_| ());
        }
        let (Some(mut report), Some(out)) = (self.report, self.out) else {
            return Err(Error::internal("a report ended before it started"));
        };
        report.rows = self.rows.rows;
        let text = match self.format {
            Format::Html => page::render(&report, self.style)?,
            format => {
                let view = ReportView::new(&report);
                let Style { color, width, .. } = *self.style;
                document_text(document(&view, self.style), format, color, width)
            }
        };
        put(out, &text)
    }

    /// Writes the pending rows, unless the format buffers all of them.
    fn flush(&mut self) -> Result<()> {
        let (Some(report), Some(batches)) = (&mut self.report, &mut self.batches) else {
            return Ok(());
        };
        if self.rows.rows.is_empty() {
            return Ok(());
        }
        report.rows = std::mem::take(&mut self.rows.rows);
        let batch = record_batch(report);
        report.rows.clear();
        self.rows.rows = std::mem::take(&mut report.rows);
        batches.write(&batch?)
    }

    /// Refuses one more row if the format does not have room for it.
    fn check_length(&mut self, row: &ReportRow) -> Result<()> {
        let html = self.format == Format::Html;
        if html {
            let node = [&row.section, &row.stage, &row.group, &row.metric].map(Option::clone);
            self.series.insert((row.level, node, row.by.clone()));
        }
        let most_rows = if html { MAX_HTML_ROWS } else { MAX_ROWS };
        for (count, most, what) in [
            (self.rows.rows.len() + 1, most_rows, "rows"),
            (self.series.len(), MAX_HTML_SERIES, "series"),
        ] {
            if count > most {
                return Err(too_long(self.format, most, what));
            }
        }
        Ok(())
    }
}

impl RowSink for Writer<'_> {
    fn start(&mut self, report: &Report) -> Result<()> {
        let for_programs = !self.format.is_for_people();
        if let Some(out) = self.out.take_if(|_| for_programs) {
            let options = Options { metadata: metadata(report), ..Options::default() };
            self.batches = Some(writer(self.format, &schema(&report.by), options, out)?);
        }
        self.report = Some(report.without_rows());
        Ok(())
    }

    fn row(&mut self, row: ReportRow) -> Result<()> {
        if self.batches.is_none() {
            self.check_length(&row)?;
            return self.rows.row(row);
        }
        // They are written before they are many.
        self.rows.rows.push(row);
        if self.rows.rows.len() < BATCH { Ok(()) } else { self.flush() }
    }
}

/// Time zone and range of the data.
fn metadata(report: &Report) -> Vec<(&'static str, String)> {
    let day = |key, day: Option<Day>| Some((key, day?.to_string()));
    let zone = ("headcount.time_zone", report.time_zone.clone());
    let first = day("headcount.first_day", report.first_day);
    let last = day("headcount.last_day", report.last_day);
    [Some(zone), first, last].into_iter().flatten().collect()
}

/// The error for a report that is too long for a format.
fn too_long(format: Format, most: usize, what: &str) -> Error {
    let most = format_number(most as u64);
    Error::limit(format!("the report has more than {most} {what}, the limit of format {format}"))
        .with(
            "help",
            "keep only the largest values of a dimension with `--top N`, use fewer levels, \
             dimensions or periods (`--from`, `--to`, `--window`), or write all rows with \
             `--format csv` or `--format parquet`",
        )
}
