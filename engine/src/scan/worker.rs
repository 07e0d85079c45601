//! One thread of a scan: reads row groups and text files, and makes batches of their valid rows.
//!
//! Rows that cannot be counted are rejected by their first fault.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;

use super::counted::CountedEvents;
use super::example::Example;
use super::files::EventFile;
use super::labels::{self, LabelReader};
use super::open_scan::Scan;
use super::parquet::ParquetFile;
use super::request::{EVENT, PERIOD, Request, ScanSummary, Sink, USER};
use super::text;
use super::times::times;
use super::{Reason, Source, TimeBucketer, TimeGrain, UserKeys, Value};
use crate::Result;
use crate::calendar::{Day, Window};

/// Stands for the bucket of a row that is not passed on: rejected, not counted, or outside of the
/// range.
const SKIP: i32 = i32::MIN;

/// What is read in one go.
pub(super) enum WorkUnit<'a> {
    /// A row group of a Parquet file of the source with this index.
    Group(usize, &'a ParquetFile, usize),
    /// A text file of the source with this index.
    Text(usize, &'a EventFile),
}

/// One thread of the scan.
pub(super) struct Worker<'a, S> {
    scan: &'a Scan,
    request: &'a Request<'a>,
    bucketer: TimeBucketer,
    /// Rows at or after this instant are rejected.
    bound: i64,
    counted: Option<CountedEvents<'a>>,
    events: LabelReader,
    dimensions: Vec<LabelReader>,
    scopes: LabelReader,
    /// Rows of each source that were gone over.
    rows: Vec<u64>,
    sink: S,
    summary: ScanSummary,
}

impl<'a, S: Sink> Worker<'a, S> {
    pub(super) fn new(scan: &'a Scan, request: &'a Request<'a>, sink: S) -> Self {
        Self {
            scan,
            request,
            bucketer: TimeBucketer::new(request.grain, request.zone),
            // The calendar ends with the year 9999.
            bound: request.bound.unwrap_or_else(|| request.zone.end_of(Day::MAX)),
            counted: request.counted.map(CountedEvents::new),
            events: LabelReader::default(),
            dimensions: scan.dimensions.iter().map(|_| LabelReader::default()).collect(),
            scopes: LabelReader::default(),
            rows: vec![0; scan.sources.len()],
            sink,
            summary: ScanSummary::default(),
        }
    }

    pub(super) fn finish(mut self) -> (S, ScanSummary) {
        for (source, rows) in self.scan.sources.iter().zip(&self.rows) {
            self.summary.rejects.add_rows(&source.name, *rows);
        }
        if let Some(counted) = self.counted {
            self.summary.unmapped = counted.finish();
        }
        (self.sink, self.summary)
    }

    /// Reads one unit; `advance` gets the rows done and returns whether to go on.
    pub(super) fn run_unit(
        &mut self,
        unit: &WorkUnit<'_>,
        advance: &mut dyn FnMut(u64) -> Result<bool>,
    ) -> Result<()> {
        let mut first_row = 0;
        let (source, file, known, batches): (_, _, _, text::Batches<'_>) = match unit {
            WorkUnit::Text(source, file) => {
                let columns = self.scan.columns(&self.scan.sources[*source], true);
                (*source, *file, None, text::read(file, &columns)?)
            }
            WorkUnit::Group(source, opened, at) => {
                first_row = opened.rows(0..*at);
                let rows = opened.rows(*at..*at + 1);
                let times = opened.times(*at, &self.scan.sources[*source]);
                let known = times.and_then(|times| self.shared_bucket(times));
                if known == Some(SKIP) || rows == 0 {
                    self.rows[*source] += rows;
                    advance(rows)?;
                    return Ok(());
                }
                let columns = self.scan.columns(&self.scan.sources[*source], known.is_none());
                let wanted = |name: &str| columns.iter().any(|column| column == name);
                let batches = opened.read(*at, &wanted)?;
                (*source, &opened.file, known, Box::new(batches))
            }
        };
        for batch in batches {
            let batch = batch?;
            let rows = batch.num_rows();
            let checked = self.check(source, file, &batch, first_row, known);
            let checked = checked.map_err(|error| {
                error
                    .with("file", file.path.display())
                    .with("source", &self.scan.sources[source].name)
            })?;
            first_row += rows as u64;
            self.rows[source] += rows as u64;
            if checked.num_rows() > 0 {
                self.sink.take(&checked)?;
            }
            if !advance(rows as u64)? {
                break;
            }
        }
        Ok(())
    }

    /// The bucket that all rows of a row group share, [`SKIP`] if none of them is to be read, or
    /// `None` if its rows have to be looked at one by one.
    fn shared_bucket(&mut self, (first, last): (i64, i64)) -> Option<i32> {
        let bad = |instant: i64| instant < 0 || instant >= self.bound;
        if bad(first) || bad(last) {
            return None;
        }
        let range = &self.request.range;
        let known = if last < range.start || first >= range.end {
            SKIP
        } else if range.contains(&first)
            && range.contains(&last)
            && self.bucketer.bounds(first).contains(&last)
        {
            self.bucketer.bucket(first).map_or(SKIP, |day| day.number())
        } else {
            return None;
        };
        self.summary.widen(Some(first), Some(last));
        Some(known)
    }

    /// The valid rows of a batch of a file, in the columns that [`Sink`] describes.
    fn check(
        &mut self,
        at: usize,
        file: &EventFile,
        batch: &RecordBatch,
        first_row: u64,
        known: Option<i32>,
    ) -> Result<RecordBatch> {
        let (scan, len) = (self.scan, batch.num_rows());
        let source = &scan.sources[at];
        let column = |name: &str| -> Result<&ArrayRef> {
            batch.column_by_name(name).ok_or_else(|| file.missing_column(name, &[]))
        };
        let mut bad: Vec<(usize, Reason)> = Vec::new();
        let mut buckets = match known {
            Some(bucket) => vec![bucket; len],
            None => self.buckets(column(&source.time)?, source, &mut bad)?,
        };
        let absent = |reason, nulls: Option<&NullBuffer>, bad: &mut Vec<_>| {
            let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return };
            let rows = (0..len).filter(|row| buckets[*row] != SKIP && nulls.is_null(*row));
            bad.extend(rows.map(|row| (row, reason)));
        };
        let users = column(&source.user)?;
        let nulls = users.logical_nulls();
        let users = UserKeys::of(users).map_err(|error| error.with("column", &source.user))?;
        let empty = match &users {
            UserKeys::Text(texts) if texts.lengths().any(|length| length == 0) => {
                Some(NullBuffer::from_iter(texts.lengths().map(|length| length > 0)))
            }
            _ => None,
        };
        let nulls = NullBuffer::union(nulls.as_ref(), empty.as_ref());
        absent(Reason::UserMissing, nulls.as_ref(), &mut bad);
        let scopes = match &source.scope {
            None => labels::none(len),
            Some(name) => {
                let scopes = self.scopes.read(column(name)?, first_row);
                let scopes = scopes.map_err(|error| error.with("column", name))?;
                absent(Reason::ScopeMissing, scopes.logical_nulls().as_ref(), &mut bad);
                scopes
            }
        };
        let events = match &source.event {
            Value::Const(name) => labels::constant(name, len),
            Value::Column(name) => {
                let events = self.events.read(column(name)?, first_row);
                let events = events.map_err(|error| error.with("column", name))?;
                absent(Reason::EventMissing, events.logical_nulls().as_ref(), &mut bad);
                events
            }
        };
        let mut columns: Vec<(&str, ArrayRef)> = Vec::with_capacity(scan.dimensions.len() + 3);
        for (name, reader) in scan.dimensions.iter().zip(&mut self.dimensions) {
            let values = match source.dimension(name) {
                None => labels::none(len),
                Some(Value::Const(value)) => labels::constant(&value, len),
                Some(Value::Column(name)) => {
                    let values = reader.read(column(&name)?, first_row);
                    values.map_err(|error| error.with("column", &name))?
                }
            };
            columns.push((name, values));
        }
        if !bad.is_empty() {
            self.reject(&mut buckets, bad, source, file, batch, first_row);
        }
        let events = match &mut self.counted {
            Some(counted) => counted.classes(&events, &mut buckets, SKIP),
            None => events,
        };
        let valid = BooleanBuffer::collect_bool(len, |row| buckets[row] != SKIP);
        columns.splice(0..0, [(PERIOD, Arc::new(Int32Array::from(buckets)) as _), (EVENT, events)]);
        columns.push((USER, scan.scoped(users.into_array(), scopes)?));
        let fields = columns
            .iter()
            .map(|(name, values)| Field::new(*name, values.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let columns = columns.into_iter().map(|(_, values)| values).collect();
        let batch = RecordBatch::try_new(schema, columns)?;
        match valid.count_set_bits() == len {
            true => Ok(batch),
            false => Ok(filter_record_batch(&batch, &BooleanArray::new(valid, None))?),
        }
    }

    /// The bucket of every row, and the rows whose time is at fault.
    fn buckets(
        &mut self,
        column: &ArrayRef,
        source: &Source,
        bad: &mut Vec<(usize, Reason)>,
    ) -> Result<Vec<i32>> {
        let mut times = times(column, source, self.request.zone)?;
        if times.bad.is_empty() {
            let first = times.micros.iter().copied().min();
            let last = times.micros.iter().copied().max();
            if let (Some(first), Some(last)) = (first, last)
                && let Some(bucket) = self.shared_bucket((first, last))
            {
                return Ok(vec![bucket; times.micros.len()]);
            }
        }
        bad.append(&mut times.bad);
        let late = match self.request.bound {
            Some(_) => Reason::TimeAfterBound,
            // No limit of the project: the calendar has no such day.
            None => Reason::TimeUnreadable,
        };
        let faulty: Vec<usize> = bad.iter().map(|(row, _)| *row).collect();
        let mut faulty = faulty.iter().copied().peekable();
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        let mut buckets = Vec::with_capacity(times.micros.len());
        for (row, micros) in times.micros.into_iter().enumerate() {
            let mut bucket = SKIP;
            if faulty.next_if_eq(&row).is_some() {
                // Told already.
            } else if micros < 0 {
                bad.push((row, Reason::TimeBefore1970));
            } else if micros >= self.bound {
                bad.push((row, late));
            } else {
                (first, last) = (first.min(micros), last.max(micros));
                if self.request.range.contains(&micros) {
                    bucket = self.bucketer.bucket(micros).map_or(SKIP, |day| day.number());
                }
            }
            buckets.push(bucket);
        }
        if first <= last {
            self.summary.widen(Some(first), Some(last));
        }
        Ok(buckets)
    }

    /// Counts every faulty row once, by its first fault, and takes it out of the batch.
    fn reject(
        &mut self,
        buckets: &mut [i32],
        mut bad: Vec<(usize, Reason)>,
        source: &Source,
        file: &EventFile,
        batch: &RecordBatch,
        first_row: u64,
    ) {
        bad.sort_unstable();
        bad.dedup_by_key(|(row, _)| *row);
        let daily = self.request.grain == TimeGrain::Calendar(Window::Day);
        let location = |row: usize| (file.path.as_path(), first_row + row as u64);
        let example = |row: usize, reason: Reason| {
            let column = source.column_of(reason);
            let cell = batch.column_by_name(column).filter(|cells| !cells.is_null(row));
            Example::new(file, first_row + row as u64, column, cell.map(|cells| (cells, row)))
        };
        // For each reason the rows and the first of them.
        let mut found = [(0, 0); Reason::ALL.len()];
        for (row, reason) in bad {
            let day = std::mem::replace(&mut buckets[row], SKIP);
            if daily && day != SKIP {
                let day = Day::new(day);
                self.summary.rejects.add_day(reason, day, location(row), || example(row, reason));
            }
            let (count, first) = &mut found[reason as usize];
            if *count == 0 {
                *first = row;
            }
            *count += 1;
        }
        for (reason, (count, first)) in Reason::ALL.into_iter().zip(found) {
            let make = || example(first, reason);
            self.summary.rejects.add(&source.name, reason, count, location(first), make);
        }
    }
}
