//! The files that pings are computed from, and the store that has the contents of some of them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::settings::{PingSettings, PingSource};
use super::upload::time_of_name;
use crate::calendar::Day;
use crate::scan::{EventFile, Format};
use crate::storage::{Digest, Storage, is_address};
use crate::store::{FileStatus, SourceFile, SourceNames, Store, file_names, file_status, missing};
use crate::{Error, Result};

/// All files as they were found. Equal inputs give equal tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Files of pings, by path.
    pub(super) pings: Vec<PingFile>,
    /// Files of subscriptions.
    pub subscriptions: Vec<EventFile>,
    /// Files of releases; `None` if the project names none.
    pub releases: Option<Vec<EventFile>>,
    /// The data ends with this day: later pings are left out. With the newest ping if `None`.
    pub as_of: Option<Day>,
    /// The store, if it has pings.
    pub(super) store: Option<StoreVersion>,
}

/// A file of pings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PingFile {
    path: PathBuf,
    /// As in the tables: relative to the project if it is in it; or an address.
    pub(super) name: String,
    /// The file, if it exists.
    pub(super) file: Option<EventFile>,
    pub(super) origin: Origin,
}

/// Where the content of a file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the file.
    File(EventFile),
    /// In the store, which has content with this digest. The file may not exist any more.
    Store(Digest),
}

/// A version of a store.
#[derive(Clone, Debug)]
pub(super) struct StoreVersion(pub(super) Arc<Store>);

impl PartialEq for StoreVersion {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same_version(&other.0)
    }
}

impl Eq for StoreVersion {}

impl Inputs {
    /// Finds the files; relative paths start at `root`. The contents that `store` has are not read
    /// from their files.
    ///
    /// # Errors
    /// When a pattern matches no file, or names a file of unknown format; when the store is broken,
    /// or has pings of a source that is not there.
    pub fn find(
        root: &Path,
        sources: &[PingSource],
        settings: &PingSettings,
        store: Option<&Storage>,
    ) -> Result<Self> {
        let store = store.map(|storage| Store::open(storage, None)).transpose()?.flatten();
        let store = store.filter(|store| !store.ping_ledger().is_empty());
        let mut pings = match &store {
            Some(store) => with_store(root, sources, store)?,
            None => {
                let files = ping_files(root, sources, |_| false)?;
                let names = file_names(root, files.iter().map(|(_, file)| file));
                let file = |((_, file), name): ((usize, EventFile), String)| PingFile {
                    path: file.path.clone(),
                    name,
                    file: Some(file.clone()),
                    origin: Origin::File(file),
                };
                files.into_iter().zip(names).map(file).collect()
            }
        };
        pings.sort_by(|a, b| a.path.cmp(&b.path));
        let subscriptions = EventFile::find(root, &settings.subscriptions)?;
        let releases = &settings.releases;
        let releases = match releases.is_empty() {
            true => None,
            false => Some(EventFile::find(root, releases)?),
        };
        let store = store.map(|store| StoreVersion(Arc::new(store)));
        Ok(Self { pings, subscriptions, releases, as_of: None, store })
    }

    /// Whether the values of some pings come from the store, where each key path can be read without
    /// the others.
    pub fn use_store(&self) -> bool {
        self.pings.iter().any(|file| matches!(file.origin, Origin::Store(_)))
    }
}

/// The files of pings of a project, and how they compare with the store. The same content is one
/// file, whatever its source.
///
/// # Errors
/// When files cannot be read, or a source has no files, now or before.
pub fn find_ping_files(
    root: &Path,
    sources: &[PingSource],
    store: &Store,
    trust_mtime: bool,
) -> Result<Vec<SourceFile>> {
    let ledger = store.ping_ledger();
    let files =
        ping_files(root, sources, |source| ledger.iter().any(|entry| entry.source == source.name))?;
    file_status(root, &source_names(sources), files, ledger, trust_mtime)
}

fn source_names(sources: &[PingSource]) -> SourceNames<'_> {
    let names = sources.iter().map(|source| source.name.as_str()).collect();
    SourceNames { names, are_apart: false }
}

/// The files that are there, and those that only the store has.
fn with_store(root: &Path, sources: &[PingSource], store: &Store) -> Result<Vec<PingFile>> {
    let found = find_ping_files(root, sources, store, true)?;
    let mut contents: HashSet<Digest> = found.iter().map(|file| file.digest).collect();
    let names = source_names(sources);
    let mut files = Vec::with_capacity(found.len());
    for entry in missing(&names, store.ping_ledger(), &found) {
        if !contents.insert(entry.digest) {
            continue;
        }
        if !names.names.contains(&entry.source.as_str()) {
            let message = format!(
                "the store has pings of the source `{}`, which the project does not have",
                entry.source
            );
            let help = "restore the source's name, or ingest into a new store";
            return Err(Error::input(message).with("file", store.storage()).with("help", help));
        }
        let name = entry.name.clone();
        let path = if is_address(&name) { PathBuf::from(&name) } else { root.join(&name) };
        files.push(PingFile { path, name, file: None, origin: Origin::Store(entry.digest) });
    }
    for SourceFile { file, name, digest, status, .. } in found {
        let path = file.path.clone();
        let origin = match status {
            // The name of a file may say when it was uploaded.
            FileStatus::Known(before) if time_of_name(before.as_ref()) == time_of_name(&path) => {
                Origin::Store(digest)
            }
            _ => Origin::File(file.clone()),
        };
        files.push(PingFile { path, name, file: Some(file), origin });
    }
    Ok(files)
}

/// The files of sources of pings, by path, with the index of their source. A source may be without
/// files if `may_be_empty`.
fn ping_files(
    root: &Path,
    sources: &[PingSource],
    may_be_empty: impl Fn(&PingSource) -> bool,
) -> Result<Vec<(usize, EventFile)>> {
    let mut files = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let found = files_of(root, &source.files, may_be_empty(source));
        let found = found.map_err(|error| error.with("source", &source.name))?;
        files.extend(found.into_iter().map(|file| (at, file)));
    }
    files.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
    files.dedup_by(|(_, a), (_, b)| a.path == b.path);
    Ok(files)
}

/// The files of a source of pings. A folder may hold files of other formats, which are left out.
fn files_of(root: &Path, patterns: &[String], may_be_empty: bool) -> Result<Vec<EventFile>> {
    let found = |patterns: &[String]| -> Result<Vec<EventFile>> {
        let mut files = EventFile::present(root, patterns)?;
        files.retain(|file| file.format == Format::Ndjson);
        Ok(files)
    };
    if let ([pattern], false) = (patterns, may_be_empty) {
        return not_empty(root, pattern, found(patterns)?);
    }
    if !may_be_empty {
        for pattern in patterns {
            not_empty(root, pattern, found(std::slice::from_ref(pattern))?)?;
        }
    }
    found(patterns)
}

fn not_empty(root: &Path, pattern: &str, files: Vec<EventFile>) -> Result<Vec<EventFile>> {
    if !files.is_empty() {
        return Ok(files);
    }
    Err(Error::input("no files of pings found").with("file", root.join(pattern).display()).with(
        "help",
        "name a file, a folder or a glob of .json, .ndjson or .jsonl files; they may also end in \
         .gz or .zst",
    ))
}
