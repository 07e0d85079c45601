//! Ingests new files of events and pings into the store, exactly once.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::cell::SharedBytes;
use super::file_status::{SourceSettings, check_settings, find_files};
use super::ingest_sink::{CellList, IngestContext, IngestSink, UserList, activity_rows};
use crate::calendar::Window;
use crate::distinct::Aggregates;
use crate::pings::{self, PingIngest, find_ping_files};
use crate::project::Project;
use crate::scan::{Rejects, Request, Scan, ScanSummary, TimeGrain, dimensions_of};
use crate::storage::{Digest, is_address};
use crate::store::{
    DataReader, Entry, FileStatus, Lock, SourceFile, Store, StoredIds, WrittenFiles, rejects,
};
use crate::{Error, JobContext, Result};

/// Default memory limit of an ingest, in bytes.
pub const DEFAULT_MEMORY: u64 = 1 << 30;
/// Lowest memory limit of an ingest, in bytes.
pub const MIN_MEMORY: u64 = 16 << 20;
/// Bytes of memory for every row of the files that are taken together.
const BYTES_PER_ROW: u64 = 32;
/// Bytes of a text file for each of its rows, roughly.
const TEXT_BYTES_PER_ROW: u64 = 40;

/// What an ingest did.
#[derive(Clone, Debug, Default)]
pub struct IngestReport {
    /// Files of events that are in the store now and were not before.
    pub added: Vec<Entry>,
    /// Files that were in the store already: name, and the name under which it was ingested.
    pub known: Vec<(String, String)>,
    /// Files that have changed since they were ingested; nothing of them was done.
    pub changed: Vec<String>,
    /// Rows rejected, of the files added.
    pub rejects: Rejects,
    /// The same of pings.
    pub pings: PingIngest,
    /// Users who got an id.
    pub new_ids: u64,
    /// The store's version.
    pub version: u64,
    /// Messages for the user.
    pub notes: Vec<String>,
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
    job: &JobContext<'_>,
) -> Result<IngestReport> {
    if memory < MIN_MEMORY {
        return Err(Error::input(format!("a memory limit of {memory} bytes is too low"))
            .with("help", format!("use at least {MIN_MEMORY} bytes")));
    }
    let wanted = project.stored_dimensions();
    Store::create_folder(&project.store)?;
    let _lock = Lock::take(&project.store, || job.waiting())?;
    let mut store = Store::create(&project.store, &wanted)?;
    check_settings(project, &store)?;
    let mut report = IngestReport::default();
    if store.dimensions() != wanted {
        report.notes.push(format!(
            "the store has the dimensions [{}], not [{}]; to change them, delete the store and \
             ingest again",
            store.dimensions().join(", "),
            wanted.join(", ")
        ));
    }
    let mut selection = Selection::new(named)?;
    let events = selection.of(find_files(project, store.ledger(), false)?)?;
    let pings =
        selection.of(find_ping_files(&project.root, &project.ping_sources, &store, false)?)?;
    selection.check()?;
    let new = report.new_files(events, true);
    let new_pings = report.new_files(pings, false);
    let ids = if new.is_empty() { StoredIds::default() } else { store.stored_ids()? };
    let mut ids = Arc::new(ids);
    let before = ids.len();
    let open_files = open(project, &store, new)?;
    job.begin(known_rows(&open_files));
    for batch in batches(open_files, memory) {
        let output = FilesIngest { project, store: &store, memory, job }.all(&batch, &ids)?;
        let lists = output
            .lists
            .into_iter()
            .map(|(at, list)| (project.sources[batch[at].0.source].name.as_str(), list));
        let (series, mut rows) = activity_rows(lists.collect())?;
        let mut written = output.written;
        written.append(store.write(&series, &mut rows)?);
        drop(rows);
        let mut entries = Vec::new();
        for ((file, _), (summary, events)) in batch.iter().zip(output.summary) {
            entries.push(entry(project, &store, file, &summary, events)?);
            report.rejects.merge(&summary.rejects);
        }
        let ids = Arc::get_mut(&mut ids).ok_or_else(|| Error::internal("ids are still in use"))?;
        store.commit(written, ids, entries.clone())?;
        report.added.append(&mut entries);
    }
    report.new_ids = ids.len() - before;
    report.pings = pings::ingest(&mut store, &project.ping_sources, &new_pings, memory, job)?;
    report.version = store.version();
    Ok(report)
}

/// Reads new files as if they were ingested, and keeps the rows in memory. `ids` get new ids
/// that are not kept.
///
/// # Errors
/// When files cannot be read.
pub(super) fn overlay(
    project: &Project,
    store: &Store,
    ids: &Arc<StoredIds>,
    new: Vec<SourceFile>,
    job: &JobContext<'_>,
) -> Result<([DataReader; 2], Vec<Entry>)> {
    let open_files = open(project, store, new)?;
    job.begin(known_rows(&open_files));
    // Nothing is spilled to disk: the limit of the report holds.
    let memory = u64::MAX / 2;
    let output = FilesIngest { project, store, memory, job }.all(&open_files, ids)?;
    let lists = output
        .lists
        .into_iter()
        .map(|(at, list)| (project.sources[open_files[at].0.source].name.as_str(), list));
    let (series, mut rows) = activity_rows(lists.collect())?;
    let mut entries = Vec::new();
    for ((file, _), (summary, events)) in open_files.iter().zip(output.summary) {
        entries.push(entry(project, store, file, &summary, events)?);
    }
    Ok((store.in_memory(&series, &mut rows)?, entries))
}

impl IngestReport {
    /// The new ones among files that were found; the others are noted.
    fn new_files(&mut self, found: Vec<SourceFile>, are_sources_apart: bool) -> Vec<SourceFile> {
        let mut new = Vec::new();
        let mut contents = HashSet::new();
        for file in found {
            let source = if are_sources_apart { file.source } else { 0 };
            match &file.status {
                FileStatus::Known(before) => self.known.push((file.name, before.clone())),
                FileStatus::Changed => self.changed.push(file.name),
                // The same content twice is one file.
                FileStatus::New if !contents.insert((source, file.digest)) => {
                    self.known.push((file.name.clone(), file.name));
                }
                FileStatus::New => new.push(file),
            }
        }
        new
    }
}

/// The files that were named, with their full paths, and whether each was found; all files if none
/// was named.
struct Selection<'a>(Vec<(PathBuf, &'a Path, bool)>);

impl<'a> Selection<'a> {
    fn new(named: &'a [PathBuf]) -> Result<Self> {
        let named = named.iter().map(|path| Ok((full_path(path)?, path.as_path(), false)));
        Ok(Self(named.collect::<Result<_>>()?))
    }

    /// The selected ones of files that were found.
    fn of(&mut self, found: Vec<SourceFile>) -> Result<Vec<SourceFile>> {
        if self.0.is_empty() {
            return Ok(found);
        }
        let mut selected = Vec::new();
        for file in found {
            let path = full_path(&file.file.path)?;
            let mut is_named = false;
            for (named, _, is_found) in &mut self.0 {
                if path.starts_with(&named) {
                    (is_named, *is_found) = (true, true);
                }
            }
            if is_named {
                selected.push(file);
            }
        }
        Ok(selected)
    }

    /// All that was named must have been found.
    fn check(self) -> Result<()> {
        match self.0.iter().find(|(_, _, is_found)| !is_found) {
            None => Ok(()),
            Some((_, path, _)) => {
                Err(Error::input("this file belongs to no source of the project")
                    .with("file", path.display())
                    .with("help", "add it to `files:` of a source in headcount.yaml"))
            }
        }
    }
}

fn full_path(path: &Path) -> Result<PathBuf> {
    match is_address(&path.to_string_lossy()) {
        true => Ok(path.to_owned()),
        false => std::fs::canonicalize(path).map_err(|cause| Error::io(path, cause)),
    }
}

type OpenFiles = Vec<(SourceFile, Scan)>;

fn open(project: &Project, store: &Store, files: Vec<SourceFile>) -> Result<OpenFiles> {
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

/// Rows of all files; 0 if not known for every file.
fn known_rows(open_files: &OpenFiles) -> u64 {
    let rows = |(_, scan): &(SourceFile, Scan)| scan.known_rows();
    if open_files.iter().all(|file| rows(file) > 0) { open_files.iter().map(rows).sum() } else { 0 }
}

/// Splits the files into batches that are read and committed together.
fn batches(open_files: OpenFiles, memory: u64) -> Vec<OpenFiles> {
    let mut batches: Vec<OpenFiles> = Vec::new();
    let mut room = 0;
    for (file, scan) in open_files {
        let rows = scan.known_rows().max(if scan.known_rows() > 0 {
            0
        } else {
            file.file.size / TEXT_BYTES_PER_ROW
        });
        let size = rows.saturating_mul(BYTES_PER_ROW);
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

/// The ingest of some files together.
struct FilesIngest<'a> {
    project: &'a Project,
    store: &'a Store,
    memory: u64,
    job: &'a JobContext<'a>,
}

/// What reading some files gave.
struct IngestOutput {
    /// Lists, each with the index of its file.
    lists: Vec<(usize, CellList)>,
    /// Data files that were written because the memory did not suffice.
    written: WrittenFiles,
    /// For each file what was seen, and the events counted.
    summary: Vec<(ScanSummary, u64)>,
}

impl FilesIngest<'_> {
    fn all(&self, files: &OpenFiles, ids: &Arc<StoredIds>) -> Result<IngestOutput> {
        let threads = rayon::current_num_threads().max(1) as u64;
        let context = IngestContext {
            store: self.store,
            aggregates: Arc::new(Aggregates::of_events(
                self.store.dimensions(),
                Some(UserList::default()),
                None,
            )?),
            ids: Arc::new(vec![Arc::clone(ids)]),
            id_bytes: SharedBytes::new(&|| 0),
            max_thread_bytes: usize::try_from(self.memory / 2 / threads).unwrap_or(usize::MAX),
            max_id_bytes: usize::try_from(self.memory / 2).unwrap_or(usize::MAX),
            job: self.job,
            written: Mutex::default(),
        };
        let parts: Result<Vec<_>> =
            files.par_iter().map(|(file, scan)| self.one(file, scan, &context)).collect();
        let written = context.written.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut output = IngestOutput { lists: Vec::new(), written, summary: Vec::new() };
        for (at, (lists, events, summary)) in parts?.into_iter().enumerate() {
            output.lists.extend(lists.into_iter().map(|list| (at, list)));
            output.summary.push((summary, events));
        }
        Ok(output)
    }

    fn one(
        &self,
        file: &SourceFile,
        scan: &Scan,
        context: &IngestContext<'_>,
    ) -> Result<(Vec<CellList>, u64, ScanSummary)> {
        let zone = &self.project.zone;
        let request = Request {
            zone,
            grain: TimeGrain::Calendar(Window::Day),
            range: i64::MIN..i64::MAX,
            bound: self.project.no_events_after.map(|day| zone.end_of(day)),
            counted: None,
            job: self.job,
        };
        let source = &self.project.sources[file.source].name;
        let (sinks, summary) = scan.run(&request, || IngestSink::new(context, source))?;
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
    file: &SourceFile,
    summary: &ScanSummary,
    events: u64,
) -> Result<Entry> {
    let source = &project.sources[file.source];
    let digest: Digest = file.digest;
    Ok(Entry {
        source: source.name.clone(),
        settings: SourceSettings::of(project, source, store.dimensions()).code,
        name: file.name.clone(),
        digest,
        size: file.file.size,
        modified: file.file.modified,
        events,
        first: summary.first,
        last: summary.last,
        rejects: rejects(&file.file, &summary.rejects)?,
        refused: 0,
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
