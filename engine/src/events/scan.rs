//! One pass over all files of all sources, in parallel.
//!
//! The unit of work is a row group of a Parquet file, or a whole text file. If the statistics of a
//! row group say that all of its rows are in one bucket, its time column is not read; if they say
//! that none is in the range, the row group is skipped.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, StructArray};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;

use super::files::{EventFile, Format};
use super::parquet::ParquetFile;
use super::text;
use super::worker::{WorkUnit, Worker};
use super::{Rejects, Source, TimeGrain, UserKeys, Value};
use crate::calendar::Zone;
use crate::{Error, JobContext, Result};

/// The column of a batch with the first day of each row's bucket of time.
pub const PERIOD: &str = "period";
/// The column of a batch with the name of each row's event.
pub const EVENT: &str = "event";
/// The column of a batch with each row's user key.
pub const USER: &str = "user";

/// Takes the batches of one thread.
pub trait Sink: Send {
    /// Takes a batch of valid rows, with these columns:
    ///
    /// * the first day of the row's bucket of time, [`Day::number`](crate::calendar::Day::number);
    /// * the name of the event, and the value of every dimension or null: text or a dictionary of
    ///   text, never empty;
    /// * the user key, in one of the forms of [`UserKeys`]. If keys of any source belong to a
    ///   scope, it is a struct of the scope (null if there is none) and the key.
    ///
    /// The types of text and keys are those of the file, and may differ between batches.
    ///
    /// # Errors
    /// Any error ends the scan.
    fn take(&mut self, batch: &RecordBatch) -> Result<()>;
}

/// What to read, and the time grain and zone.
pub struct Request<'a> {
    /// Zone in which days are days.
    pub zone: &'a Zone,
    /// Grain of time.
    pub grain: TimeGrain,
    /// Instants (microseconds) to count; rows outside are skipped, not rejected.
    pub range: Range<i64>,
    /// Rows at or after this instant are rejected; if `None`, those after the year 9999.
    pub bound: Option<i64>,
    /// Names of the events to pass on, each with the name under which it is; rows of other events are
    /// only tallied. `None` is all events, under their own names.
    pub counted: Option<&'a BTreeMap<String, String>>,
    /// The job that the scan is part of.
    pub job: &'a JobContext<'a>,
}

/// Range of the data and rejected rows of a scan.
#[derive(Clone, Debug, Default)]
pub struct ScanSummary {
    /// Oldest instant of all good rows, in the range or not.
    pub first: Option<i64>,
    /// Newest instant of all good rows, in the range or not.
    pub last: Option<i64>,
    /// Rows rejected.
    pub rejects: Rejects,
    /// Rows in the range by the name of an event that is not counted.
    pub unmapped: BTreeMap<String, u64>,
}

/// The opened files of all sources, ready to be read.
#[derive(Debug)]
pub struct Scan {
    pub(super) sources: Vec<Source>,
    pub(crate) dimensions: Vec<String>,
    parquet: Vec<(usize, ParquetFile)>,
    text: Vec<(usize, EventFile)>,
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

    /// As [`open`](Self::open), of these files, each with the index of its source.
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
        };
        for (at, file) in files {
            let source = &sources[at];
            let name = |error: Error| error.with("source", &source.name);
            let columns = scan.columns(source, true);
            let labels: Vec<&str> = columns[2..].iter().map(String::as_str).collect();
            if file.format == Format::Parquet {
                let opened = ParquetFile::of_source(&file, source, &labels).map_err(name)?;
                let schema = opened.schema();
                let names: Vec<String> =
                    schema.fields().iter().map(|field| field.name().clone()).collect();
                check_columns(&file, &columns, &names).map_err(name)?;
                let user = schema.field_with_name(&source.user)?.data_type();
                if UserKeys::form(user).is_none() {
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

    /// Rows of all Parquet files; the rows of text files are not known before they are read.
    pub fn known_rows(&self) -> u64 {
        self.parquet.iter().map(|(_, file)| file.rows(0..file.row_groups().len())).sum()
    }

    /// Files that will be read.
    fn files(&self) -> impl Iterator<Item = &EventFile> {
        let parquet = self.parquet.iter().map(|(_, opened)| &opened.file);
        parquet.chain(self.text.iter().map(|(_, file)| file))
    }

    /// Rows of all files; 0 if text files are among them, whose rows are not known.
    pub fn total_rows(&self) -> u64 {
        if self.text.is_empty() { self.known_rows() } else { 0 }
    }

    /// Whether every user key is an integer, and none belongs to a scope.
    pub fn has_integer_keys(&self) -> bool {
        let is_integer = |(source, file): &(usize, ParquetFile)| {
            let field = file.schema().field_with_name(&self.sources[*source].user);
            field.is_ok_and(|user| UserKeys::form(user.data_type()) == Some(DataType::Int64))
        };
        self.text.is_empty() && !self.is_scoped() && self.parquet.iter().all(is_integer)
    }

    fn is_scoped(&self) -> bool {
        self.sources.iter().any(|source| source.scope.is_some())
    }

    /// User keys together with their scopes, if any source has scopes.
    pub(super) fn scoped(&self, keys: ArrayRef, scopes: ArrayRef) -> Result<ArrayRef> {
        if !self.is_scoped() {
            return Ok(keys);
        }
        let columns = [("scope", scopes), ("key", keys)];
        let fields = columns.map(|(name, values)| {
            (Arc::new(Field::new(name, values.data_type().clone(), true)), values)
        });
        Ok(Arc::new(StructArray::from(fields.to_vec())))
    }

    /// Reads everything once, with one sink for each thread of the current rayon pool.
    ///
    /// # Errors
    /// The first error of a file or a sink, and the other threads stop soon after; or that a file
    /// was changed meanwhile.
    pub fn run<S: Sink>(
        &self,
        request: &Request<'_>,
        make: impl Fn() -> Result<S> + Sync,
    ) -> Result<(Vec<S>, ScanSummary)> {
        let mut units: Vec<WorkUnit<'_>> = Vec::new();
        for (source, file) in &self.parquet {
            units.extend(
                (0..file.row_groups().len()).map(|group| WorkUnit::Group(*source, file, group)),
            );
        }
        units.extend(self.text.iter().map(|(source, file)| WorkUnit::Text(*source, file)));
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let outcome: Mutex<Vec<Result<(S, ScanSummary)>>> = Mutex::new(Vec::new());
        rayon::scope(|scope| {
            for _ in 0..rayon::current_num_threads().min(units.len().max(1)) {
                scope.spawn(|_| {
                    let mut worker = match make() {
                        Ok(sink) => Worker::new(self, request, sink),
                        Err(error) => {
                            stop.store(true, Ordering::Relaxed);
                            let mut outcome =
                                outcome.lock().unwrap_or_else(PoisonError::into_inner);
                            return outcome.push(Err(error));
                        }
                    };
                    let result = loop {
                        if stop.load(Ordering::Relaxed) {
                            break Ok(());
                        }
                        let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) else {
                            break Ok(());
                        };
                        let mut advance = |rows: u64| {
                            request.job.advance(rows)?;
                            Ok(!stop.load(Ordering::Relaxed))
                        };
                        if let Err(error) = worker.run_unit(unit, &mut advance) {
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
        let mut summary = ScanSummary::default();
        for result in outcome.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let (sink, part) = result?;
            sinks.push(sink);
            summary.widen(part.first, part.last);
            summary.rejects.merge(&part.rejects);
            for (event, rows) in part.unmapped {
                *summary.unmapped.entry(event).or_default() += rows;
            }
        }
        self.files().try_for_each(EventFile::check_unchanged)?;
        Ok((sinks, summary))
    }

    /// Columns to read of a source: time (unless it is known already) and user first.
    pub(super) fn columns(&self, source: &Source, with_time: bool) -> Vec<String> {
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

impl ScanSummary {
    pub(super) fn widen(&mut self, first: Option<i64>, last: Option<i64>) {
        self.first = [self.first, first].into_iter().flatten().min();
        self.last = [self.last, last].into_iter().flatten().max();
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
