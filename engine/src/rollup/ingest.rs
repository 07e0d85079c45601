//! New files of events into the store, exactly once.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::CellInterner;
use super::coverage::{Found, Settings, Standing, check_settings, find};
use super::gather::{Gather, List, Shared, rows};
use crate::calendar::Window;
use crate::events::{Rejects, Request, Scan, ScanObserver, ScanSummary, TimeGrain};
use crate::project::Project;
use crate::storage::{Digest, is_address};
use crate::store::{DataReader, Entry, Lock, People, Store, Written, dimensions_of, rejects};
use crate::{Error, Result};

/// Bytes that an ingest takes unless told otherwise.
pub const DEFAULT_MEMORY: u64 = 1 << 30;
/// Least bytes that an ingest can be told to take.
pub const LEAST_MEMORY: u64 = 16 << 20;
/// Bytes of memory for every row of the files that are taken together.
const BATCH_ROW: u64 = 32;
/// Bytes of a text file for each of its rows, roughly.
const TEXT_ROW: u64 = 40;

/// What an ingest did.
#[derive(Clone, Debug, Default)]
pub struct Ingested {
    /// Files that are in the store now and were not before.
    pub added: Vec<Entry>,
    /// Files that were in the store already: name, and the name under which it was ingested.
    pub known: Vec<(String, String)>,
    /// Files that have changed since they were ingested; nothing of them was done.
    pub changed: Vec<String>,
    /// Rows rejected, of the files added.
    pub rejects: Rejects,
    /// People who got a number.
    pub numbered: u64,
    /// The store's version.
    pub version: u64,
    /// What the user should be told besides.
    pub notes: Vec<String>,
}

/// Whom an ingest tells how it goes.
pub struct Watch<'a> {
    /// Called with the rows done so far and the rows in all; 0 if text files do not tell.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Called once if another process is at work on the store, before waiting for it.
    pub waiting: &'a dyn Fn(),
}

/// Ingests the new files of a project, or those of them that are named.
///
/// Files are committed a few at a time, as many as fit the memory together. Whenever this is
/// killed, the same call completes what is left.
///
/// # Errors
/// When a named file belongs to no source, when the store was made with other settings, when
/// files cannot be read or the disk refuses. Files committed before stay in the store.
pub fn ingest(
    project: &Project,
    named: &[PathBuf],
    memory: u64,
    watch: &Watch<'_>,
) -> Result<Ingested> {
    if memory < LEAST_MEMORY {
        return Err(Error::input(format!("a memory limit of {memory} bytes is too low"))
            .with("help", format!("use at least {LEAST_MEMORY} bytes")));
    }
    let wanted = project.stored_dimensions();
    Store::make_room(&project.store)?;
    let _lock = Lock::take(&project.store, watch.waiting)?;
    let mut store = Store::create(&project.store, &wanted)?;
    check_settings(project, &store)?;
    let mut ingested = Ingested::default();
    if store.dimensions() != wanted {
        ingested.notes.push(format!(
            "the store has the dimensions [{}], not [{}]; to change them, delete the store and \
             ingest again",
            store.dimensions().join(", "),
            wanted.join(", ")
        ));
    }
    let mut new = Vec::new();
    for file in select(find(project, store.ledger(), false)?, named)? {
        match &file.standing {
            Standing::Known(before) => ingested.known.push((file.name, before.clone())),
            Standing::Changed => ingested.changed.push(file.name),
            // The same content twice in one source is one file.
            Standing::New if is_twin(&new, &file) => {
                ingested.known.push((file.name.clone(), file.name));
            }
            Standing::New => new.push(file),
        }
    }
    let mut people = if new.is_empty() { People::default() } else { store.people()? };
    let before = people.len();
    let opened = open(project, &store, new)?;
    let total = known_rows(&opened);
    let mut done = 0;
    for batch in batches(opened, memory) {
        let observer: &dyn ScanObserver = &watch.progress;
        let read = Read { project, store: &store, memory, done, total, observer };
        let taken = read.all(&batch, &people)?;
        done += batch.iter().map(|(_, scan)| scan.known_rows()).sum::<u64>();
        let lists = taken
            .lists
            .into_iter()
            .map(|(at, list)| (project.sources[batch[at].0.source].name.as_str(), list));
        let (series, mut rows) = rows(lists.collect())?;
        let mut written = taken.written;
        written.append(store.write(&series, &mut rows)?);
        drop(rows);
        let mut entries = Vec::new();
        for ((file, _), (summary, events)) in batch.iter().zip(taken.summary) {
            entries.push(entry(project, &store, file, &summary, events)?);
            ingested.rejects.merge(&summary.rejects);
        }
        store.commit(written, &mut people, entries.clone())?;
        ingested.added.append(&mut entries);
    }
    ingested.numbered = people.len() - before;
    ingested.version = store.version();
    Ok(ingested)
}

/// Reads new files as if they were ingested, and keeps the rows in memory. `people` get numbers
/// that are not kept.
///
/// # Errors
/// When files cannot be read.
pub(super) fn overlay(
    project: &Project,
    store: &Store,
    people: &People,
    new: Vec<Found>,
    observer: &dyn ScanObserver,
) -> Result<([DataReader; 2], Vec<Entry>)> {
    let opened = open(project, store, new)?;
    let total = known_rows(&opened);
    // Nothing is written down, however much it is: whoever oversees a report says what is too much.
    let read = Read { project, store, memory: u64::MAX / 2, done: 0, total, observer };
    let taken = read.all(&opened, people)?;
    let lists = taken
        .lists
        .into_iter()
        .map(|(at, list)| (project.sources[opened[at].0.source].name.as_str(), list));
    let (series, mut rows) = rows(lists.collect())?;
    let mut entries = Vec::new();
    for ((file, _), (summary, events)) in opened.iter().zip(taken.summary) {
        entries.push(entry(project, store, file, &summary, events)?);
    }
    Ok((store.in_memory(&series, &mut rows)?, entries))
}

/// The files named, all of which must be among those found; all if none is named.
fn select(found: Vec<Found>, named: &[PathBuf]) -> Result<Vec<Found>> {
    if named.is_empty() {
        return Ok(found);
    }
    let full = |path: &Path| match is_address(&path.to_string_lossy()) {
        true => Ok(path.to_owned()),
        false => std::fs::canonicalize(path).map_err(|cause| Error::io(path, cause)),
    };
    let mut wanted = Vec::new();
    for path in named {
        wanted.push((full(path)?, path, false));
    }
    let mut selected = Vec::new();
    for file in found {
        let path = full(&file.file.path)?;
        let mut is_named = false;
        for (wanted, _, used) in &mut wanted {
            if path == *wanted || path.starts_with(&wanted) {
                (is_named, *used) = (true, true);
            }
        }
        if is_named {
            selected.push(file);
        }
    }
    match wanted.iter().find(|(_, _, used)| !used) {
        None => Ok(selected),
        Some((_, path, _)) => Err(Error::input("this file belongs to no source of the project")
            .with("file", path.display())
            .with("help", "add it to `files:` of a source in headcount.yaml")),
    }
}

fn is_twin(files: &[Found], file: &Found) -> bool {
    files.iter().any(|other| other.source == file.source && other.digest == file.digest)
}

type Opened = Vec<(Found, Scan)>;

fn open(project: &Project, store: &Store, files: Vec<Found>) -> Result<Opened> {
    files
        .into_par_iter()
        .map(|file| {
            let source = project.sources[file.source].clone();
            let files = vec![(0, file.file.clone())];
            let scan = Scan::of_files(&[source], files, store.dimensions())?;
            Ok((file, scan))
        })
        .collect()
}

/// Rows of all files; 0 if not every file tells.
fn known_rows(opened: &Opened) -> u64 {
    let rows = |(_, scan): &(Found, Scan)| scan.known_rows();
    if opened.iter().all(|file| rows(file) > 0) { opened.iter().map(rows).sum() } else { 0 }
}

/// Files in handfuls that are read and committed together.
fn batches(opened: Opened, memory: u64) -> Vec<Opened> {
    let mut batches: Vec<Opened> = Vec::new();
    let mut room = 0;
    for (file, scan) in opened {
        let rows = scan.known_rows().max(if scan.known_rows() > 0 {
            0
        } else {
            file.file.size / TEXT_ROW
        });
        let size = rows.saturating_mul(BATCH_ROW);
        if batches.is_empty() || size > room {
            batches.push(Vec::new());
            room = memory;
        }
        room = room.saturating_sub(size);
        if let Some(batch) = batches.last_mut() {
            batch.push((file, scan));
        }
    }
    batches
}

struct Read<'a> {
    project: &'a Project,
    store: &'a Store,
    memory: u64,
    /// Rows of earlier batches.
    done: u64,
    total: u64,
    observer: &'a dyn ScanObserver,
}

/// Oversees the scan of one file among many: it tells its own rows, and what is shown are those of
/// all files.
struct OneOfMany<'a> {
    all: &'a Read<'a>,
    rows: &'a AtomicU64,
    last: AtomicU64,
}

impl ScanObserver for OneOfMany<'_> {
    fn progress(&self, done: u64, _: u64) -> Result<()> {
        let more = done.saturating_sub(self.last.fetch_max(done, Ordering::Relaxed));
        let done = self.rows.fetch_add(more, Ordering::Relaxed) + more;
        self.all.observer.progress(done, self.all.total)
    }

    fn reserve(&self, more: usize) -> Result<()> {
        self.all.observer.reserve(more)
    }
}

/// What reading some files gave.
struct Taken {
    /// Lists, each with the place of its file.
    lists: Vec<(usize, List)>,
    /// Data files that were written because the memory did not suffice.
    written: Written,
    /// For each file what was seen, and the events counted.
    summary: Vec<(ScanSummary, u64)>,
}

impl Read<'_> {
    fn all(&self, files: &Opened, people: &People) -> Result<Taken> {
        let threads = rayon::current_num_threads().max(1) as u64;
        let shared = Shared {
            store: self.store,
            people,
            room: usize::try_from(self.memory / 2 / threads).unwrap_or(usize::MAX),
            most_people: usize::try_from(self.memory / 2).unwrap_or(usize::MAX),
            observer: self.observer,
            written: Mutex::default(),
        };
        let rows = AtomicU64::new(self.done);
        let parts: Result<Vec<_>> =
            files.par_iter().map(|(file, scan)| self.one(file, scan, &shared, &rows)).collect();
        let written = shared.written.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Taken { lists: Vec::new(), written, summary: Vec::new() };
        for (at, (lists, events, summary)) in parts?.into_iter().enumerate() {
            taken.lists.extend(lists.into_iter().map(|list| (at, list)));
            taken.summary.push((summary, events));
        }
        Ok(taken)
    }

    fn one(
        &self,
        file: &Found,
        scan: &Scan,
        shared: &Shared<'_>,
        rows: &AtomicU64,
    ) -> Result<(Vec<List>, u64, ScanSummary)> {
        let zone = &self.project.zone;
        let observer = OneOfMany { all: self, rows, last: AtomicU64::new(0) };
        let request = Request {
            zone,
            grain: TimeGrain::Calendar(Window::Day),
            range: i64::MIN..i64::MAX,
            bound: self.project.no_events_after.map(|day| zone.end_of(day)),
            observer: &observer,
        };
        let cell_interner = CellInterner::new(None);
        let source = &self.project.sources[file.source].name;
        let (sinks, summary) =
            scan.run(&request, || Gather::new(shared, source, scan, &cell_interner))?;
        let mut lists = Vec::new();
        let mut events = 0;
        for sink in sinks {
            let (mut own, counted) = sink.finish()?;
            lists.append(&mut own);
            events += counted;
        }
        Ok((lists, events, summary))
    }
}

fn entry(
    project: &Project,
    store: &Store,
    file: &Found,
    summary: &ScanSummary,
    events: u64,
) -> Result<Entry> {
    let source = &project.sources[file.source];
    let digest: Digest = file.digest;
    Ok(Entry {
        source: source.name.clone(),
        settings: Settings::of(project, source, store.dimensions()).code,
        name: file.name.clone(),
        digest,
        size: file.file.size,
        modified: file.file.modified,
        events,
        first: summary.first,
        last: summary.last,
        rejects: rejects(&file.file, &summary.rejects)?,
    })
}

impl Project {
    /// The dimensions that a new store keeps apart: those named for it, or all.
    pub fn stored_dimensions(&self) -> Vec<String> {
        match &self.store_dimensions {
            None => dimensions_of(&self.sources),
            Some(named) => named.clone(),
        }
    }
}
