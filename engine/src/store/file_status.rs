//! Which files of a project are in the store, which are new, and which have changed.
//!
//! A file is identified by the digest of its content. `ingest` computes it for every file. Reports
//! and SQL skip reading ingested files: a file counts as ingested if its source, name, size and
//! modification time (in nanoseconds; for an object the second and a hash of its entity tag) are
//! those of the ledger. They therefore miss a file that was replaced by other content of the same
//! size and modification time: two writes within one tick of the file system's clock, or a copy
//! that keeps times. `ingest`, and `headcount store verify --events`, notice it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::ledger::Entry;
use crate::Result;
use crate::scan::EventFile;
use crate::storage::Digest;

/// Status of a file relative to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileStatus {
    /// Its content was ingested, under this name.
    Known(String),
    /// Its content is new.
    New,
    /// A file of this name was ingested, with another content that is nowhere any more.
    Changed,
}

/// A file of events or pings of a project.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Place of its source in the project.
    pub source: usize,
    /// The file.
    pub file: EventFile,
    /// Path, relative to the project if it is in it; or address.
    pub name: String,
    /// What it is known by.
    pub digest: Digest,
    /// Status relative to the store.
    pub status: FileStatus,
}

/// The sources of files, by their place in the project.
#[derive(Clone, Debug)]
pub struct SourceNames<'a> {
    /// Their names.
    pub names: Vec<&'a str>,
    /// Whether the same content in two of them is two files.
    pub are_apart: bool,
}

impl SourceNames<'_> {
    /// What tells a file apart from the same file in another source.
    fn key<'k>(&'k self, name: &'k str) -> &'k str {
        if self.are_apart { name } else { "" }
    }
}

/// Compares files, each with the place of its source, with the ledger. With `trust_mtime`, a file
/// that has the name, size and time of an ingested one is taken for it without reading it. Relative
/// names start at `root`.
///
/// # Errors
/// When files cannot be read.
pub fn file_status(
    root: &Path,
    sources: &SourceNames<'_>,
    files: Vec<(usize, EventFile)>,
    ledger: &[Entry],
    trust_mtime: bool,
) -> Result<Vec<SourceFile>> {
    // By source and name: the entry of that name, the latest if there are several.
    let named: HashMap<(&str, &str), &Entry> = ledger
        .iter()
        .map(|entry| ((sources.key(&entry.source), entry.name.as_str()), entry))
        .collect();
    let source_key = |source: usize| sources.key(sources.names[source]);
    let root = absolute(root);
    let found: Result<Vec<SourceFile>> = files
        .into_par_iter()
        .map(|(source, file)| {
            let name = name(&root, &file);
            let same = named.get(&(source_key(source), name.as_str())).copied();
            let same =
                same.filter(|e| trust_mtime && (e.size, e.modified) == (file.size, file.modified));
            let digest = match same {
                Some(entry) => entry.digest,
                None => file.digest()?,
            };
            Ok(SourceFile { source, file, name, digest, status: FileStatus::New })
        })
        .collect();
    let mut found = found?;
    let known: HashMap<(&str, Digest), &str> = ledger
        .iter()
        .map(|entry| ((sources.key(&entry.source), entry.digest), entry.name.as_str()))
        .collect();
    let present: HashSet<(&str, Digest)> =
        found.iter().map(|file| (source_key(file.source), file.digest)).collect();
    for file in &mut found {
        let source = source_key(file.source);
        let before = named.get(&(source, file.name.as_str()));
        file.status = match (known.get(&(source, file.digest)), before) {
            (Some(name), _) => FileStatus::Known((*name).to_owned()),
            // The content has another name now: rotated logs.
            (None, Some(before)) if !present.contains(&(source, before.digest)) => {
                FileStatus::Changed
            }
            (None, _) => FileStatus::New,
        };
    }
    Ok(found)
}

/// Ledger entries whose content and name are in no file of the project any more.
pub fn missing<'a>(
    sources: &SourceNames<'_>,
    ledger: &'a [Entry],
    found: &[SourceFile],
) -> Vec<&'a Entry> {
    let key = |file: &SourceFile| sources.key(sources.names[file.source]);
    let contents: HashSet<(&str, Digest)> =
        found.iter().map(|file| (key(file), file.digest)).collect();
    let names: HashSet<(&str, &str)> =
        found.iter().map(|file| (key(file), file.name.as_str())).collect();
    let is_there = |entry: &Entry| {
        let source = sources.key(&entry.source);
        contents.contains(&(source, entry.digest)) || names.contains(&(source, &entry.name))
    };
    ledger.iter().filter(|entry| !is_there(entry)).collect()
}

/// The names of files, as they are in the ledger: relative to `root` if they are in it.
pub fn file_names<'a>(root: &Path, files: impl IntoIterator<Item = &'a EventFile>) -> Vec<String> {
    let root = absolute(root);
    files.into_iter().map(|file| name(&root, file)).collect()
}

/// The name of a file; `root` is absolute.
fn name(root: &Path, file: &EventFile) -> String {
    if file.object.is_some() {
        return file.path.to_string_lossy().into_owned();
    }
    let path = absolute(&file.path);
    path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
