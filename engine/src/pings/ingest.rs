//! Ingests new files of pings into the store, in bounded memory.
//!
//! What was read is sorted and written as soon as it fills its part of the memory; a commit makes
//! visible what was written of files that were read to their ends.

use std::collections::BTreeMap;
use std::ops::Range;

use super::collection::Refused;
use super::documents::{Flatteners, Part, Upload};
use super::paths::KeyPaths;
use super::read::{BLOCK_BYTES, FileParts, Reader};
use super::settings::PingSource;
use super::upload::Reason;
use super::values::Values;
use crate::scan::Compression;
use crate::store::{
    Entry, PING_SETTINGS, PingHeader, PingKey, SortedValues, SourceFile, Store, StoredIds,
    StoredUpload, WrittenFiles,
};
use crate::{JobContext, Result};

/// Parts of the memory that what was read may take; sorting takes as much, and writing less.
const BATCH_SHARE: u64 = 4;
/// Parts of the memory that a block of lines takes; several are read at the same time.
const BLOCK_SHARE: u64 = 32;
/// Smallest block of lines, in bytes.
const MIN_BLOCK: u64 = 256 << 10;
/// Bytes of text that are committed together, if the memory is not larger.
const COMMIT_BYTES: u64 = 1 << 30;
/// How much longer a text is than its compressed file, about.
const COMPRESSION: u64 = 10;

/// What an ingest of pings did.
#[derive(Clone, Debug, Default)]
pub struct PingIngest {
    /// Files that are in the store now and were not before.
    pub added: Vec<Entry>,
    /// Their refused uploads.
    pub refused: Refused,
}

/// Ingests files; their contents must be new and differ. The store must be locked.
///
/// # Errors
/// When files cannot be read or the disk refuses. Files committed before stay in the store.
pub(crate) fn ingest(
    store: &mut Store,
    sources: &[PingSource],
    files: &[SourceFile],
    memory: u64,
    job: &JobContext<'_>,
) -> Result<PingIngest> {
    let mut done = PingIngest::default();
    job.begin(0);
    for files in groups(files, COMMIT_BYTES.max(memory)) {
        let ingest = GroupIngest { store, sources, files, memory, job };
        let (written, entries) = ingest.run(&mut done.refused)?;
        store.commit(written, &mut StoredIds::default(), entries.clone())?;
        done.added.extend(entries);
    }
    Ok(done)
}

/// Splits files into those that are committed together.
fn groups(files: &[SourceFile], bytes: u64) -> Vec<&[SourceFile]> {
    let mut groups = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (at, SourceFile { file, .. }) in files.iter().enumerate() {
        let is_plain = file.compression == Compression::Plain;
        let size = file.size.saturating_mul(if is_plain { 1 } else { COMPRESSION });
        if at > start && sum + size > bytes {
            groups.push(&files[start..at]);
            (start, sum) = (at, 0);
        }
        sum += size;
    }
    if start < files.len() {
        groups.push(&files[start..]);
    }
    groups
}

/// The ingest of files that are committed together.
struct GroupIngest<'a> {
    store: &'a Store,
    sources: &'a [PingSource],
    files: &'a [SourceFile],
    memory: u64,
    job: &'a JobContext<'a>,
}

/// The first refused upload for a reason, by file and line, and how many there are.
type FirstRefused = BTreeMap<Reason, ((usize, Option<u64>), u64)>;

impl GroupIngest<'_> {
    fn run(&self, refused: &mut Refused) -> Result<(WrittenFiles, Vec<Entry>)> {
        let share = |parts| usize::try_from(self.memory / parts).unwrap_or(usize::MAX);
        let block = share(BLOCK_SHARE).clamp(MIN_BLOCK as usize, BLOCK_BYTES);
        let mut entries: Vec<Entry> = self.files.iter().map(|file| self.entry(file)).collect();
        let files = self.files.iter().map(|file| &file.file).collect();
        let mut reader = Reader::new(files, block, self.job);
        let mut written = WrittenFiles::default();
        let mut first_refused = FirstRefused::new();
        let mut next = self.store.ping_uploads();
        let mut is_end = false;
        while !is_end {
            // A batch has its own codes of key paths, so that there cannot be too many.
            let paths = KeyPaths::default();
            let mut batch = Batch::default();
            {
                let flatteners = Flatteners::new(&paths);
                while batch.bytes < share(BATCH_SHARE) && !is_end {
                    let Some(read) = reader.step(&flatteners)? else {
                        is_end = true;
                        continue;
                    };
                    for parts in read {
                        count(&parts, &mut entries[parts.file], &mut first_refused);
                        batch.add(parts);
                    }
                }
            }
            if !batch.uploads.is_empty() {
                let (uploads, values) = batch.sorted(next, &paths.into_list(), self.files);
                next += uploads.len() as u64;
                written.append(self.store.write_pings(&uploads, &values)?);
            }
        }
        for (reason, ((file, line), uploads)) in first_refused {
            let name = || match line {
                Some(line) => format!("{}:{line}", self.files[file].name),
                None => self.files[file].name.clone(),
            };
            refused.entry(reason).or_insert_with(|| (0, name())).0 += uploads;
        }
        Ok((written, entries))
    }

    /// The entry of a file, before it is read.
    fn entry(&self, file: &SourceFile) -> Entry {
        Entry {
            source: self.sources[file.source].name.clone(),
            settings: PING_SETTINGS.to_owned(),
            name: file.name.clone(),
            digest: file.digest,
            size: file.file.size,
            modified: file.file.modified,
            events: 0,
            first: None,
            last: None,
            rejects: Vec::new(),
            refused: 0,
        }
    }
}

/// Adds uploads to the entry of their file, and to the refused ones.
fn count(read: &FileParts, entry: &mut Entry, refused: &mut FirstRefused) {
    for Upload { line, result } in read.parts.iter().flat_map(|part| &part.uploads) {
        match result {
            Ok((PingHeader { recorded_at, .. }, _)) => {
                let at = *recorded_at;
                entry.events += 1;
                entry.first = Some(entry.first.map_or(at, |first| first.min(at)));
                entry.last = Some(entry.last.map_or(at, |last| last.max(at)));
            }
            Err(reason) => {
                let place = (read.file, *line);
                entry.refused += 1;
                let (first, uploads) = refused.entry(*reason).or_insert((place, 0));
                *first = (*first).min(place);
                *uploads += 1;
            }
        }
    }
}

/// What is sorted and written together.
#[derive(Default)]
struct Batch {
    uploads: Vec<BatchUpload>,
    parts: Vec<Values>,
    bytes: usize,
}

struct BatchUpload {
    file: usize,
    line: Option<u64>,
    /// What an accepted upload says, and the part and place of its values.
    result: std::result::Result<(PingHeader, usize, Range<usize>), Reason>,
}

impl BatchUpload {
    /// By installation and time; refused ones come first.
    fn order(&self) -> (Option<PingKey<'_>>, usize, Option<u64>) {
        (self.result.as_ref().ok().map(|(header, ..)| header.key()), self.file, self.line)
    }
}

impl Batch {
    fn add(&mut self, FileParts { file, parts, .. }: FileParts) {
        for part in parts {
            self.bytes += part.bytes();
            let Part { uploads, values, .. } = part;
            let at = self.parts.len();
            self.uploads.extend(uploads.into_iter().map(|Upload { line, result }| {
                let result = result.map(|(header, values)| (header, at, values));
                BatchUpload { file, line, result }
            }));
            self.parts.push(values);
        }
    }

    /// The rows of the tables, uploads by installation and time; `first` is the number of the first.
    fn sorted(
        mut self,
        first: u64,
        paths: &[String],
        files: &[SourceFile],
    ) -> (Vec<StoredUpload>, SortedValues) {
        self.uploads.sort_by(|a, b| a.order().cmp(&b.order()));
        let values = self.sorted_values(first, paths);
        let uploads =
            (first..).zip(self.uploads).map(|(upload, BatchUpload { file, line, result })| {
                let file = files[file].digest;
                let outcome = result.map(|(header, ..)| header);
                let outcome = outcome.map_err(|reason| reason.as_str().to_owned());
                StoredUpload { upload, file, line, outcome }
            });
        (uploads.collect(), values)
    }

    /// The values by key path and upload: a counting sort.
    fn sorted_values(&self, first_upload: u64, paths: &[String]) -> SortedValues {
        let uploads = || (0_u32..).zip(&self.uploads);
        let values_of = |upload: &'_ BatchUpload| {
            let values = upload.result.as_ref().ok().map(|(_, part, range)| (*part, range.clone()));
            values.map(|(part, range)| self.parts[part].codes(range)).into_iter().flatten()
        };
        let mut ends = vec![0; paths.len()];
        for (path, _) in uploads().flat_map(|(_, upload)| values_of(upload)) {
            ends[path as usize] += 1;
        }
        let mut order: Vec<usize> = (0..paths.len()).filter(|path| ends[*path] > 0).collect();
        order.sort_unstable_by_key(|path| &paths[*path]);
        let mut sorted = SortedValues { first_upload, ..SortedValues::default() };
        let mut end = 0;
        for path in order {
            let start = end;
            end += ends[path];
            ends[path] = start;
            sorted.paths.push((paths[path].clone(), end));
        }
        (sorted.uploads, sorted.codes) = (vec![0; end], vec![0; end]);
        for (number, upload) in uploads() {
            for (path, code) in values_of(upload) {
                let place = &mut ends[path as usize];
                (sorted.uploads[*place], sorted.codes[*place]) = (number, code);
                *place += 1;
            }
        }
        sorted
    }
}
