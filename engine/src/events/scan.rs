//! One pass over all files of all sources, in parallel.
//!
//! The unit of work is a row group of a Parquet file, or a whole text file. Where the statistics
//! of a row group say that all of its rows lie in one granule, its time column is not even read;
//! where they say that none lies in the range, nothing of it is.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef};
use arrow::record_batch::RecordBatch;

use super::codes::Book;
use super::columns::{Coder, times};
use super::example::Example;
use super::files::{EventFile, Format};
use super::parquet::{self, ParquetFile};
use super::text;
use super::{Batch, Codes, Granularity, GranuleClock, Reason, Rejects, SKIP, Source, Users, Value};
use crate::calendar::{Day, Window, Zone};
use crate::{Error, Result};

/// Takes the batches of one thread.
pub trait Sink: Send {
    /// Takes one batch.
    ///
    /// # Errors
    /// Any error ends the scan.
    fn take(&mut self, batch: &Batch) -> Result<()>;
}

/// Whoever waits for a scan: is told how far it is and what it takes, and may end it.
pub trait Overseer: Sync {
    /// Called with the rows done so far and the rows in all; 0 if text files do not tell.
    ///
    /// # Errors
    /// Any error ends the scan.
    fn progress(&self, done: u64, total: u64) -> Result<()>;

    /// Called with every few bytes of the heap that the answer takes, before more are taken.
    ///
    /// # Errors
    /// Any error ends the scan.
    fn takes(&self, more: usize) -> Result<()>;
}

/// Who only looks on.
impl<F: Fn(u64, u64) + Sync> Overseer for F {
    fn progress(&self, done: u64, total: u64) -> Result<()> {
        self(done, total);
        Ok(())
    }

    fn takes(&self, _: usize) -> Result<()> {
        Ok(())
    }
}

/// What to read, and how to tell time.
pub struct Request<'a> {
    /// Zone in which days are days.
    pub zone: &'a Zone,
    /// Grain of time.
    pub granularity: Granularity,
    /// Instants (microseconds) to count; rows outside are skipped, which is no fault of theirs.
    pub range: Range<i64>,
    /// Rows at or after this instant are rejected; if `None`, those after the year 9999.
    pub bound: Option<i64>,
    /// Who waits for it.
    pub overseer: &'a dyn Overseer,
}

/// What the scan saw besides the batches.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Oldest instant of all good rows, in the range or not.
    pub first: Option<i64>,
    /// Newest instant of all good rows, in the range or not.
    pub last: Option<i64>,
    /// Rows rejected.
    pub rejects: Rejects,
}

/// The opened files of all sources, ready to be read.
#[derive(Debug)]
pub struct Scan {
    sources: Vec<Source>,
    dimensions: Vec<String>,
    parquet: Vec<(usize, ParquetFile)>,
    text: Vec<(usize, EventFile)>,
    /// Codes of event names.
    pub events: Book,
    /// Codes of each dimension's values, in the order asked for.
    pub books: Vec<Book>,
    /// Codes of the scopes that user keys belong to.
    pub scopes: Book,
}

enum Unit<'a> {
    Group(usize, &'a ParquetFile, usize),
    Text(usize, &'a EventFile),
}

impl Scan {
    /// Opens all files and checks that each has the columns it must have. Relative paths start at
    /// `base`; `dimensions` are those to be read (a source without one has no value there).
    ///
    /// # Errors
    /// When files are missing or broken, or a column is missing or of a type that cannot serve.
    pub fn open(base: &Path, sources: &[Source], dimensions: &[String]) -> Result<Self> {
        let mut files = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            let found = EventFile::find(base, &source.files);
            let found = found.map_err(|error| error.with("source", &source.name))?;
            files.extend(found.into_iter().map(|file| (at, file)));
        }
        Self::of_files(sources, files, dimensions)
    }

    /// As [`open`](Self::open), of these files, each with the place of its source.
    ///
    /// # Errors
    /// When a file is broken, or a column is missing or of a type that cannot serve.
    pub fn of_files(
        sources: &[Source],
        files: Vec<(usize, EventFile)>,
        dimensions: &[String],
    ) -> Result<Self> {
        let mut scan = Self {
            sources: sources.to_vec(),
            dimensions: dimensions.to_vec(),
            parquet: Vec::new(),
            text: Vec::new(),
            events: Book::default(),
            books: dimensions.iter().map(|_| Book::default()).collect(),
            scopes: Book::default(),
        };
        for (at, file) in files {
            let source = &sources[at];
            let name = |error: Error| error.with("source", &source.name);
            let columns = scan.columns(source, true);
            let coded: Vec<&str> = columns[2..].iter().map(String::as_str).collect();
            if file.format == Format::Parquet {
                let opened = ParquetFile::open(&file, source, &coded).map_err(name)?;
                let schema = opened.schema();
                let names: Vec<String> =
                    schema.fields().iter().map(|field| field.name().clone()).collect();
                check_columns(&file, &columns, &names).map_err(name)?;
                let user = schema.field_with_name(&source.user)?.data_type();
                if Users::form(user).is_none() {
                    return Err(Error::input(format!(
                        "a column of type {user} cannot hold user keys"
                    ))
                    .with("file", file.path.display())
                    .with("column", &source.user)
                    .with("source", &source.name)
                    .with("help", "use integers, text or 16-byte binary"));
                }
                scan.parquet.push((at, opened));
            } else {
                let names = text::columns(&file, &columns).map_err(name)?;
                check_columns(&file, &columns, &names).map_err(name)?;
                scan.text.push((at, file));
            }
        }
        Ok(scan)
    }

    /// Rows of all Parquet files; text files tell theirs only when they are read.
    pub fn known_rows(&self) -> u64 {
        self.parquet.iter().flat_map(|(_, file)| &file.groups).map(|group| group.rows).sum()
    }

    /// Files that will be read.
    fn files(&self) -> impl Iterator<Item = &EventFile> {
        let parquet = self.parquet.iter().map(|(_, opened)| &opened.file);
        parquet.chain(self.text.iter().map(|(_, file)| file))
    }

    /// The largest user key, if the statistics of all files say that every key is a non-negative
    /// integer below 2^32 and no keys are scoped: then keys can serve as their own numbers.
    pub fn largest_user(&self) -> Option<u32> {
        if !self.text.is_empty() || self.sources.iter().any(|source| source.scope.is_some()) {
            return None;
        }
        let mut largest = 0;
        for group in self.parquet.iter().flat_map(|(_, file)| &file.groups) {
            let (min, max) = if group.rows == 0 { (0, 0) } else { group.users? };
            largest = largest.max(u32::try_from(max).ok().filter(|_| min >= 0)?);
        }
        Some(largest)
    }

    /// Reads everything once, with one sink for each thread of the current rayon pool.
    ///
    /// # Errors
    /// The first error of a file or a sink, and the other threads stop soon after; or that a file
    /// was changed meanwhile.
    pub fn run<S: Sink>(
        &self,
        request: &Request<'_>,
        make: impl Fn() -> S + Sync,
    ) -> Result<(Vec<S>, Seen)> {
        let mut units: Vec<Unit<'_>> = Vec::new();
        for (source, file) in &self.parquet {
            units.extend((0..file.groups.len()).map(|group| Unit::Group(*source, file, group)));
        }
        units.extend(self.text.iter().map(|(source, file)| Unit::Text(*source, file)));
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let total = if self.text.is_empty() { self.known_rows() } else { 0 };
        let done = AtomicU64::new(0);
        let outcome: Mutex<Vec<Result<(S, Seen)>>> = Mutex::new(Vec::new());
        rayon::scope(|scope| {
            for _ in 0..rayon::current_num_threads().min(units.len().max(1)) {
                scope.spawn(|_| {
                    let mut worker = Worker::new(self, request, make());
                    let result = loop {
                        if stop.load(Ordering::Relaxed) {
                            break Ok(());
                        }
                        let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) else {
                            break Ok(());
                        };
                        let mut advance = |rows: u64| {
                            let rows = done.fetch_add(rows, Ordering::Relaxed) + rows;
                            request.overseer.progress(rows, total)?;
                            Ok(!stop.load(Ordering::Relaxed))
                        };
                        if let Err(error) = worker.unit(unit, &mut advance) {
                            stop.store(true, Ordering::Relaxed);
                            break Err(error);
                        }
                    };
                    let result = result.map(|()| worker.finish());
                    outcome.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                });
            }
        });
        let mut sinks = Vec::new();
        let mut seen = Seen::default();
        for result in outcome.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let (sink, part) = result?;
            sinks.push(sink);
            seen.widen(part.first, part.last);
            seen.rejects.merge(&part.rejects);
        }
        self.files().try_for_each(EventFile::check_unchanged)?;
        Ok((sinks, seen))
    }

    /// Columns to read of a source: time (unless it is known already) and user first.
    fn columns(&self, source: &Source, with_time: bool) -> Vec<String> {
        let mut columns = if with_time { vec![source.time.clone()] } else { Vec::new() };
        columns.push(source.user.clone());
        let dimensions = self.dimensions.iter().filter_map(|name| source.dimension(name));
        let values = std::iter::once(source.event.clone()).chain(dimensions);
        let names = values.filter_map(|value| match value {
            Value::Column(name) => Some(name),
            Value::Const(_) => None,
        });
        for name in names.chain(source.scope.clone()) {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        columns
    }
}

impl Seen {
    fn widen(&mut self, first: Option<i64>, last: Option<i64>) {
        self.first = [self.first, first].into_iter().flatten().min();
        self.last = [self.last, last].into_iter().flatten().max();
    }
}

/// One thread of the scan.
struct Worker<'a, S> {
    scan: &'a Scan,
    request: &'a Request<'a>,
    clock: GranuleClock,
    /// Rows at or after this instant are rejected.
    bound: i64,
    event_coder: Coder,
    coders: Vec<Coder>,
    scope_coder: Coder,
    /// Rows of each source that were gone over.
    rows: Vec<u64>,
    sink: S,
    seen: Seen,
}

impl<'a, S: Sink> Worker<'a, S> {
    fn new(scan: &'a Scan, request: &'a Request<'a>, sink: S) -> Self {
        Self {
            scan,
            request,
            clock: GranuleClock::new(request.granularity, request.zone),
            // The calendar ends with the year 9999.
            bound: request.bound.unwrap_or_else(|| request.zone.end_of(Day::MAX)),
            event_coder: Coder::default(),
            coders: scan.books.iter().map(|_| Coder::default()).collect(),
            scope_coder: Coder::default(),
            rows: vec![0; scan.sources.len()],
            sink,
            seen: Seen::default(),
        }
    }

    fn finish(mut self) -> (S, Seen) {
        for (source, rows) in self.scan.sources.iter().zip(&self.rows) {
            self.seen.rejects.add_rows(&source.name, *rows);
        }
        (self.sink, self.seen)
    }

    /// Reads one unit; `advance` is told the rows done and says whether to go on.
    fn unit(
        &mut self,
        unit: &Unit<'_>,
        advance: &mut dyn FnMut(u64) -> Result<bool>,
    ) -> Result<()> {
        let mut first_row = 0;
        let (source, file, known, batches): (_, _, _, text::Batches<'_>) = match unit {
            Unit::Text(source, file) => {
                let columns = self.scan.columns(&self.scan.sources[*source], true);
                (*source, *file, None, text::read(file, &columns)?)
            }
            Unit::Group(source, opened, at) => {
                let group = &opened.groups[*at];
                first_row = opened.groups[..*at].iter().map(|group| group.rows).sum();
                let known = group.times.and_then(|times| self.known(times));
                if known == Some(SKIP) || group.rows == 0 {
                    self.rows[*source] += group.rows;
                    advance(group.rows)?;
                    return Ok(());
                }
                let columns = self.scan.columns(&self.scan.sources[*source], known.is_none());
                let reader = opened.read(*at, &columns)?;
                let batches = parquet::batches(reader, &opened.file);
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
            self.sink.take(&checked)?;
            if !advance(rows as u64)? {
                break;
            }
        }
        Ok(())
    }

    /// The granule that all rows of a row group share, [`SKIP`] if none of them is to be read, or
    /// `None` if its rows have to be looked at one by one.
    fn known(&mut self, (first, last): (i64, i64)) -> Option<i32> {
        let bad = |instant: i64| instant < 0 || instant >= self.bound;
        if bad(first) || bad(last) {
            return None;
        }
        let range = &self.request.range;
        let known = if last < range.start || first >= range.end {
            SKIP
        } else if range.contains(&first)
            && range.contains(&last)
            && self.clock.bounds(first).contains(&last)
        {
            self.clock.granule(first).map_or(SKIP, |day| day.number())
        } else {
            return None;
        };
        self.seen.widen(Some(first), Some(last));
        Some(known)
    }

    fn check(
        &mut self,
        at: usize,
        file: &EventFile,
        batch: &RecordBatch,
        first_row: u64,
        known: Option<i32>,
    ) -> Result<Batch> {
        let (scan, len) = (self.scan, batch.num_rows());
        let source = &scan.sources[at];
        let column = |name: &str| -> Result<&ArrayRef> {
            batch.column_by_name(name).ok_or_else(|| missing(file, name, &[]))
        };
        let mut bad: Vec<(usize, Reason)> = Vec::new();
        let mut granules = match known {
            Some(granule) => Codes::All(granule),
            None => self.granules(column(&source.time)?, source, &mut bad)?,
        };
        let user = column(&source.user)?;
        let users = Users::of(user).map_err(|error| error.with("column", &source.user))?;
        let faults = |reason, is: &dyn Fn(usize) -> bool, bad: &mut Vec<_>| {
            bad.extend(
                (0..len).filter(|row| granules.get(*row) != SKIP && is(*row)).map(|r| (r, reason)),
            );
        };
        if let Some(nulls) = user.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            faults(Reason::UserMissing, &|row| nulls.is_null(row), &mut bad);
        }
        if let Users::Text(texts) = &users {
            let empty = |row| texts.is_valid(row) && texts.value(row).is_empty();
            faults(Reason::UserMissing, &empty, &mut bad);
        }
        let scopes = match &source.scope {
            None => Codes::All(0),
            Some(name) => {
                let codes = self
                    .scope_coder
                    .codes(column(name)?, &scan.scopes, first_row)
                    .map_err(|e| e.with("column", name))?;
                faults(Reason::ScopeMissing, &|row| codes.get(row) == 0, &mut bad);
                codes
            }
        };
        let events = match &source.event {
            Value::Const(name) => Codes::All(scan.events.code(Some(name))),
            Value::Column(name) => {
                let codes = self
                    .event_coder
                    .codes(column(name)?, &scan.events, first_row)
                    .map_err(|e| e.with("column", name))?;
                faults(Reason::EventMissing, &|row| codes.get(row) == 0, &mut bad);
                codes
            }
        };
        let mut dimensions = Vec::with_capacity(scan.dimensions.len());
        for ((name, book), coder) in scan.dimensions.iter().zip(&scan.books).zip(&mut self.coders) {
            dimensions.push(match source.dimension(name) {
                None => Codes::All(0),
                Some(Value::Const(value)) => Codes::All(book.code(Some(&value))),
                Some(Value::Column(name)) => coder
                    .codes(column(&name)?, book, first_row)
                    .map_err(|e| e.with("column", &name))?,
            });
        }
        if !bad.is_empty() {
            self.reject(&mut granules, bad, source, file, batch, first_row);
        }
        Ok(Batch { len, granules, events, dimensions, scopes, users })
    }

    /// The granule of every row, and the rows whose time is at fault.
    fn granules(
        &mut self,
        column: &ArrayRef,
        source: &Source,
        bad: &mut Vec<(usize, Reason)>,
    ) -> Result<Codes<i32>> {
        let mut times = times(column, source, self.request.zone)?;
        if times.bad.is_empty() {
            let first = times.micros.iter().copied().min();
            let last = times.micros.iter().copied().max();
            if let (Some(first), Some(last)) = (first, last)
                && let Some(granule) = self.known((first, last))
            {
                return Ok(Codes::All(granule));
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
        let mut granules = Vec::with_capacity(times.micros.len());
        for (row, micros) in times.micros.into_iter().enumerate() {
            let mut granule = SKIP;
            if faulty.next_if_eq(&row).is_some() {
                // Told already.
            } else if micros < 0 {
                bad.push((row, Reason::TimeBefore1970));
            } else if micros >= self.bound {
                bad.push((row, late));
            } else {
                (first, last) = (first.min(micros), last.max(micros));
                if self.request.range.contains(&micros) {
                    granule = self.clock.granule(micros).map_or(SKIP, |day| day.number());
                }
            }
            granules.push(granule);
        }
        if first <= last {
            self.seen.widen(Some(first), Some(last));
        }
        Ok(Codes::Rows(granules))
    }

    /// Counts every faulty row once, by its first fault, and takes it out of the batch.
    fn reject(
        &mut self,
        granules: &mut Codes<i32>,
        mut bad: Vec<(usize, Reason)>,
        source: &Source,
        file: &EventFile,
        batch: &RecordBatch,
        first_row: u64,
    ) {
        bad.sort_unstable();
        bad.dedup_by_key(|(row, _)| *row);
        let mut rows = match granules {
            Codes::All(granule) => vec![*granule; batch.num_rows()],
            Codes::Rows(rows) => std::mem::take(rows),
        };
        let daily = self.request.granularity == Granularity::Calendar(Window::Day);
        // For each reason the rows and the first of them.
        let mut found = [(0, 0); Reason::ALL.len()];
        for (row, reason) in bad {
            let day = std::mem::replace(&mut rows[row], SKIP);
            if daily && day != SKIP {
                self.seen.rejects.add_day(reason, Day::new(day));
            }
            let (count, first) = &mut found[reason as usize];
            if *count == 0 {
                *first = row;
            }
            *count += 1;
        }
        for (reason, (count, first)) in Reason::ALL.into_iter().zip(found) {
            let row = first_row + first as u64;
            self.seen.rejects.add(&source.name, reason, count, (&file.path, row), || {
                let column = source.column_of(reason);
                let cell = batch.column_by_name(column).filter(|cells| !cells.is_null(first));
                Example::new(file, row, column, cell.map(|cells| (cells, first)))
            });
        }
        *granules = Codes::Rows(rows);
    }
}

fn check_columns(file: &EventFile, wanted: &[String], names: &[String]) -> Result<()> {
    match wanted.iter().find(|column| !names.contains(column)) {
        Some(column) => Err(missing(file, column, names)),
        None => Ok(()),
    }
}

pub(super) fn missing(file: &EventFile, column: &str, names: &[String]) -> Error {
    let error = Error::input(format!("the column `{column}` is missing"))
        .with("file", file.path.display())
        .with("column", column);
    if names.is_empty() {
        return error;
    }
    error.with("help", format!("the columns of the file are: {}", names.join(", ")))
}
