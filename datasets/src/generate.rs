//! Writes the data set: row groups on all threads, files in order, the true counts after every month.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;

use crate::columns::Encoder;
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::model::Model;
use crate::product::selections;
use crate::project;
use crate::settings::Settings;
use crate::summary::{Month, Summary};
use crate::truth::{self, PendingEvents, Tally};

/// Makes a data set in the folder `settings.out`: a project that works as it stands, with the true
/// answers in `truth/`. Uses the threads of the current rayon pool.
///
/// `progress` gets the number of rows that were finished since the last call, from any thread.
///
/// Memory: 24 bytes for every user (48 when events are late) and one row group for every thread.
///
/// # Errors
/// When a setting is out of range, when the folder is not empty, and when a file cannot be written.
/// The folder then holds nothing of the new data set; what was there before is still there, unless
/// the error came while the finished parts were being put in place of the earlier ones.
pub fn generate(settings: &Settings, progress: &(dyn Fn(u64) + Sync)) -> Result<Summary> {
    settings.check()?;
    let folder = Folder::create(&settings.out, settings.overwrite)?;
    folder.create_folder("events")?;
    let model = Model::new(settings);
    let encoder = Encoder::new(settings.ids, settings.seed)?;
    let selections = selections();
    let mut rows = Vec::new();
    let mut tallies: Vec<Tally> = Vec::new();
    let mut bytes = 0;
    for month in 0..model.schedule.months() {
        tallies.push(Tally::new(month, settings.users));
        let row_groups = plan_files(settings, &model, &folder, month);
        bytes += MonthWriter::new(&row_groups, progress).write(&encoder, &model, &tallies)?;
        // A late event can still belong to this month, but not to the one before.
        let last = month + 1 == model.schedule.months();
        let done = if settings.late == 0.0 || last { month + 1 } else { month };
        while tallies.first().is_some_and(|tally| tally.month() < done) {
            let tally = tallies.remove(0);
            rows.extend(tally.rows(model.schedule.name(tally.month()), &selections));
        }
    }
    let total = |row: &&truth::TruthRow| row.level == "total" && row.plan.is_none();
    let months: Vec<Month> = rows
        .iter()
        .filter(total)
        .map(|row| Month {
            period_start: row.month.first_date(),
            users: row.users,
            events: row.events,
        })
        .collect();
    let files = months.len() * settings.files_per_month as usize;
    let summary = Summary { events: settings.events, files, bytes, months };
    folder.write("truth/truth.csv", truth::csv(&rows))?;
    truth::write_parquet(&rows, &folder.path("truth/truth.parquet"))?;
    for (name, text) in project::texts(settings, &summary) {
        folder.write(&name, text)?;
    }
    folder.finish()?;
    Ok(summary)
}

/// One row group, and whether it is the first or last of its file.
struct RowGroupPlan {
    events: Range<u64>,
    opens_file: Option<PathBuf>,
    closes_file: bool,
}

/// Divides a month into files, and files into row groups of nearly equal size. It depends on the
/// settings only, never on the number of threads.
fn plan_files(
    settings: &Settings,
    model: &Model,
    folder: &Folder,
    month: usize,
) -> Vec<RowGroupPlan> {
    let name = model.schedule.name(month).name();
    let files = u64::from(settings.files_per_month);
    let mut row_groups = Vec::new();
    for (nth, events) in divide(model.schedule.events(month), files).enumerate() {
        let file = match files {
            1 => format!("events/{name}.parquet"),
            _ => format!("events/{name}-{:03}.parquet", nth + 1),
        };
        let groups = (events.end - events.start).div_ceil(settings.rows_per_group).max(1);
        for (group, events) in divide(events, groups).enumerate() {
            let opens_file = (group == 0).then(|| folder.path(&file));
            row_groups.push(RowGroupPlan {
                events,
                opens_file,
                closes_file: group as u64 + 1 == groups,
            });
        }
    }
    row_groups
}

fn divide(range: Range<u64>, parts: u64) -> impl Iterator<Item = Range<u64>> {
    let length = u128::from(range.end - range.start);
    let edge =
        move |part: u64| range.start + (length * u128::from(part) / u128::from(parts)) as u64;
    (0..parts).map(move |part| edge(part)..edge(part + 1))
}

/// The files of one month. Threads encode row groups side by side and write them in order.
struct MonthWriter<'a> {
    row_groups: &'a [RowGroupPlan],
    progress: &'a (dyn Fn(u64) + Sync),
    next: AtomicUsize,
    state: Mutex<WriterState>,
    turn_passed: Condvar,
}

#[derive(Default)]
struct WriterState {
    /// The row group that is to be written next.
    turn: usize,
    file: Option<(PathBuf, SerializedFileWriter<File>)>,
    bytes: u64,
    error: Option<Error>,
}

impl<'a> MonthWriter<'a> {
    fn new(row_groups: &'a [RowGroupPlan], progress: &'a (dyn Fn(u64) + Sync)) -> Self {
        let (next, state) = (AtomicUsize::new(0), Mutex::new(WriterState::default()));
        Self { row_groups, progress, next, state, turn_passed: Condvar::new() }
    }

    /// Writes all row groups. Returns the size of the files in bytes.
    fn write(self, encoder: &Encoder, model: &Model, tallies: &[Tally]) -> Result<u64> {
        rayon::broadcast(|_| {
            let _guard = PanicGuard(&self);
            // Parts are handed out in order, so whoever has the turn is never waiting for another.
            while let at = self.next.fetch_add(1, Ordering::Relaxed)
                && let Some(plan) = self.row_groups.get(at)
            {
                let chunks = encode(plan, encoder, model, tallies);
                if !self.append(at, plan, encoder, chunks) {
                    return;
                }
            }
        });
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.error.map_or(Ok(state.bytes), Err)
    }

    /// Writes a row group when its turn comes. Returns false after an error.
    fn append(
        &self,
        at: usize,
        plan: &RowGroupPlan,
        encoder: &Encoder,
        chunks: Result<Vec<ArrowColumnChunk>>,
    ) -> bool {
        let mut state = self.lock();
        while state.turn < at && state.error.is_none() {
            state = self.turn_passed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.error.is_some() {
            return false;
        }
        match chunks.and_then(|chunks| state.append(plan, encoder, chunks)) {
            Ok(()) => state.turn += 1,
            Err(error) => state.error = Some(error),
        }
        let failed = state.error.is_some();
        drop(state);
        self.turn_passed.notify_all();
        if !failed {
            (self.progress)(plan.events.end - plan.events.start);
        }
        !failed
    }

    fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the others when a thread panics: its turn would never pass.
struct PanicGuard<'a, 'b>(&'a MonthWriter<'b>);

impl Drop for PanicGuard<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = || ParquetError::General("a thread has panicked".to_owned()).into();
            self.0.lock().error.get_or_insert_with(error);
            self.0.turn_passed.notify_all();
        }
    }
}

impl WriterState {
    fn append(
        &mut self,
        plan: &RowGroupPlan,
        encoder: &Encoder,
        chunks: Vec<ArrowColumnChunk>,
    ) -> Result<()> {
        if let Some(path) = &plan.opens_file {
            let file = File::create(path).map_err(Error::io("create", path))?;
            self.file = Some((path.clone(), encoder.file(file)?));
        }
        let Some((path, file)) = &mut self.file else {
            return Err(ParquetError::General("a row group without a file".to_owned()).into());
        };
        if !plan.events.is_empty() {
            append_row_group(file, chunks).map_err(Error::parquet(path))?;
        }
        if plan.closes_file
            && let Some((path, file)) = self.file.take()
        {
            let file = file.into_inner().map_err(Error::parquet(&path))?;
            file.sync_all().map_err(Error::io("write", &path))?;
            self.bytes += file.metadata().map_err(Error::io("read", &path))?.len();
        }
        Ok(())
    }
}

fn append_row_group(
    file: &mut SerializedFileWriter<File>,
    chunks: Vec<ArrowColumnChunk>,
) -> std::result::Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    for chunk in chunks {
        chunk.append_to_row_group(&mut group)?;
    }
    group.close().map(|_| ())
}

/// Makes and counts the events of one row group.
fn encode(
    plan: &RowGroupPlan,
    encoder: &Encoder,
    model: &Model,
    tallies: &[Tally],
) -> Result<Vec<ArrowColumnChunk>> {
    let first = tallies.first().map_or(0, Tally::month);
    let mut pending: Vec<PendingEvents> = tallies.iter().map(|_| PendingEvents::new()).collect();
    let chunks = encoder.row_group(model, plan.events.clone(), |event| {
        let at = event.month - first;
        if pending[at].push(event) {
            tallies[at].add(&mut pending[at]);
        }
    });
    for (tally, pending) in tallies.iter().zip(&mut pending) {
        tally.add(pending);
    }
    chunks
}
