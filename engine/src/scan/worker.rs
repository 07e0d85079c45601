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
use super::file_columns::{FileColumns, Rows};
use super::files::EventFile;
use super::labels::{self, LabelReader};
use super::open_scan::{OpenParquet, OpenText, Scan};
use super::request::{EVENT, PERIOD, Request, ScanSummary, Sink, USER};
use super::text;
use super::times::{Times, times};
use super::user_keys::present_users;
use super::{Reason, Source, TimeBucketer, TimeGrain, Value};
use crate::Result;
use crate::calendar::{Day, Window};

/// Stands for the bucket of a row that is not passed on: rejected, not counted, or outside of the
/// range.
const SKIP: i32 = i32::MIN;

/// What is read in one go.
pub(super) enum WorkUnit<'a> {
    /// A row group of a Parquet file.
    Group(&'a OpenParquet, usize),
    /// A text file.
    Text(&'a OpenText),
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
        let (at, file, columns, known, batches): (_, _, &FileColumns, _, text::Batches<'_>) =
            match unit {
                WorkUnit::Text(open) => {
                    let batches = text::read(&open.file, &open.schema)?;
                    (open.source, &open.file, &open.columns, None, batches)
                }
                WorkUnit::Group(open, group) => {
                    let OpenParquet { source: at, file, columns } = *open;
                    first_row = file.rows(0..*group);
                    let rows = file.rows(*group..*group + 1);
                    let source = &self.scan.sources[*at];
                    // Statistics are about all rows, also those that a condition leaves out.
                    let time = columns.column(&source.time).filter(|_| !columns.is_filtered());
                    let times = time.and_then(|column| file.times(*group, source, column));
                    let known = times.and_then(|times| self.shared_bucket(times));
                    if known == Some(SKIP) || rows == 0 {
                        self.rows[*at] += rows;
                        advance(rows)?;
                        return Ok(());
                    }
                    let paths = columns.paths(known.map(|_| &source.time));
                    let wanted = |leaf: &[String]| paths.iter().any(|path| leaf.starts_with(path));
                    let batches = file.read(*group, &wanted)?;
                    (*at, &file.file, columns, known, Box::new(batches))
                }
            };
        for batch in batches {
            let batch = batch?;
            let read = batch.num_rows() as u64;
            let source = &self.scan.sources[at];
            let checked = columns.rows(&batch, first_row).and_then(|rows| {
                self.rows[at] += rows.len() as u64;
                self.check(source, file, &rows, known)
            });
            let checked = checked.map_err(|error| {
                error.with("file", file.path.display()).with("source", &source.name)
            })?;
            first_row += read;
            if checked.num_rows() > 0 {
                self.sink.take(&checked)?;
            }
            if !advance(read)? {
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

    /// The valid rows of some rows of a file, in the columns that [`Sink`] describes.
    fn check(
        &mut self,
        source: &Source,
        file: &EventFile,
        rows: &Rows<'_>,
        known: Option<i32>,
    ) -> Result<RecordBatch> {
        let (scan, len) = (self.scan, rows.len());
        let mut bad: Vec<(usize, Reason)> = Vec::new();
        let mut buckets = match known {
            Some(bucket) => vec![bucket; len],
            None => {
                let times = rows.values(&source.time)?;
                self.buckets(
                    self::times(&times, rows.time_format(), source, self.request.zone)?,
                    &mut bad,
                )
            }
        };
        let absent = |reason, nulls: Option<&NullBuffer>, bad: &mut Vec<_>| {
            let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return };
            let rows = (0..len).filter(|row| buckets[*row] != SKIP && nulls.is_null(*row));
            bad.extend(rows.map(|row| (row, reason)));
        };
        let names = |reader: &mut LabelReader, value: &Value| match value {
            Value::Const(name) => Ok(labels::constant(name, len)),
            value => {
                let names = reader.read(&rows.values(value)?, |row| rows.number(row));
                names.map_err(|error| error.with("column", value.text()))
            }
        };
        let users = rows.values(&source.user)?;
        let (users, nulls) =
            present_users(&users).map_err(|error| error.with("column", source.user.text()))?;
        absent(Reason::UserMissing, nulls.as_ref(), &mut bad);
        let scopes = match &source.scope {
            None => labels::none(len),
            Some(scope) => {
                let scopes = names(&mut self.scopes, scope)?;
                absent(Reason::ScopeMissing, scopes.logical_nulls().as_ref(), &mut bad);
                scopes
            }
        };
        let events = names(&mut self.events, &source.event)?;
        if source.event.is_read() {
            absent(Reason::EventMissing, events.logical_nulls().as_ref(), &mut bad);
        }
        let mut columns: Vec<(&str, ArrayRef)> = Vec::with_capacity(scan.dimensions.len() + 3);
        for (name, reader) in scan.dimensions.iter().zip(&mut self.dimensions) {
            let values = match source.dimension(name) {
                None => labels::none(len),
                Some(value) => names(reader, value)?,
            };
            columns.push((name, values));
        }
        if !bad.is_empty() {
            self.reject(&mut buckets, bad, source, file, rows);
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
    fn buckets(&mut self, mut times: Times, bad: &mut Vec<(usize, Reason)>) -> Vec<i32> {
        if times.bad.is_empty() {
            let first = times.micros.iter().copied().min();
            let last = times.micros.iter().copied().max();
            if let (Some(first), Some(last)) = (first, last)
                && let Some(bucket) = self.shared_bucket((first, last))
            {
                return vec![bucket; times.micros.len()];
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
        buckets
    }

    /// Counts every faulty row once, by its first fault, and takes it out of the batch.
    fn reject(
        &mut self,
        buckets: &mut [i32],
        mut bad: Vec<(usize, Reason)>,
        source: &Source,
        file: &EventFile,
        rows: &Rows<'_>,
    ) {
        bad.sort_unstable();
        bad.dedup_by_key(|(row, _)| *row);
        let daily = self.request.grain == TimeGrain::Calendar(Window::Day);
        let location = |row: usize| (file.path.as_path(), rows.number(row));
        let example = |row: usize, reason: Reason| {
            let value = source.value_of(reason);
            let cells = rows.values(value).ok().filter(|cells| !cells.is_null(row));
            let cell = cells.as_ref().map(|cells| (cells, row));
            Example::new(file, rows.number(row), value.text(), cell)
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
