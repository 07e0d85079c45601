//! Finds the event files of a source, on this machine and in object stores.
//!
//! A file is found once, however many patterns and symbolic links lead to it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::files::EventFile;
use crate::storage::{Object, Storage, is_address};
use crate::{Error, Result};

/// A `*` stays within a folder.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// What makes a name a pattern.
const WILDCARDS: [char; 3] = ['*', '?', '['];

impl EventFile {
    /// Finds the files of a source: `patterns` are files, folders (searched to any depth) or
    /// globs, here or in an object store; relative ones start at `base`. Sorted by path. A file
    /// that is reached by several paths is found once, by the shortest of them.
    ///
    /// # Errors
    /// When a pattern matches no event file, or names a file of unknown format, or an object store
    /// cannot be listed.
    pub fn find(base: &Path, patterns: &[String]) -> Result<Vec<Self>> {
        matching(base, patterns, true)
    }

    /// As [`find`](Self::find), but a pattern may match nothing.
    ///
    /// # Errors
    /// When a pattern names a file of unknown format, or a folder cannot be read.
    pub fn present(base: &Path, patterns: &[String]) -> Result<Vec<Self>> {
        matching(base, patterns, false)
    }
}

fn matching(base: &Path, patterns: &[String], needed: bool) -> Result<Vec<EventFile>> {
    let mut files = Vec::new();
    for pattern in patterns {
        let before = files.len();
        let path = if is_address(pattern) { pattern.into() } else { base.join(pattern) };
        if is_address(pattern) {
            in_object_store(pattern, &mut files)?;
        } else if path.is_dir() {
            walk(path.clone(), &[], true, &mut files)?;
        } else if path.is_file() {
            files.push(named_file(&path)?);
        } else {
            in_glob(base, pattern, &mut files)?;
        }
        if needed && files.len() == before {
            return Err(Error::input("no event files found").with("file", path.display()).with(
                "help",
                "name a file, a folder, or a glob of .parquet, .csv or .ndjson files",
            ));
        }
    }
    each_once(files)
}

/// Leaves one of the paths of every file, and sorts them.
fn each_once(mut files: Vec<EventFile>) -> Result<Vec<EventFile>> {
    files.sort_by(|a, b| {
        let depth = |file: &EventFile| file.path.components().count();
        depth(a).cmp(&depth(b)).then_with(|| a.path.cmp(&b.path))
    });
    let mut found: HashMap<PathBuf, EventFile> = HashMap::with_capacity(files.len());
    for file in files {
        let real = match &file.object {
            Some(_) => file.path.clone(),
            None => file.path.canonicalize().map_err(|cause| Error::io(&file.path, cause))?,
        };
        found.entry(real).or_insert(file);
    }
    let mut files: Vec<EventFile> = found.into_values().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// A file that was named, not only met in a folder.
fn named_file(path: &Path) -> Result<EventFile> {
    EventFile::of_path(path)?.ok_or_else(|| unknown_format(path))
}

/// A part of a pattern, between slashes.
enum PatternPart {
    /// `**`: folders below, to any depth, and the folder itself.
    Folders,
    /// A name without wildcards.
    Name(String),
    /// All names that match.
    Matching(Pattern),
}

impl PatternPart {
    fn parse(text: &str) -> std::result::Result<Self, glob::PatternError> {
        Ok(match text {
            "**" => Self::Folders,
            _ if text.contains(WILDCARDS) => Self::Matching(Pattern::new(text)?),
            _ => Self::Name(text.to_owned()),
        })
    }
}

/// What a glob matches: files, and folders with all that is in them.
fn in_glob(base: &Path, pattern: &str, files: &mut Vec<EventFile>) -> Result<()> {
    let wild = pattern.find(WILDCARDS).unwrap_or(pattern.len());
    let start = pattern[..wild].rfind('/').map_or(0, |slash| slash + 1);
    let parts = pattern[start..].split('/').filter(|part| !part.is_empty()).map(PatternPart::parse);
    let mut parts: Vec<PatternPart> = parts
        .collect::<std::result::Result<_, _>>()
        .map_err(|cause| bad_pattern(&cause, pattern))?;
    // `**` at the end stands for folders.
    let folders_only = pattern.ends_with('/') || matches!(parts.last(), Some(PatternPart::Folders));
    while let Some(PatternPart::Folders) = parts.last() {
        parts.pop();
    }
    let folder = base.join(&pattern[..start]);
    if !folder.is_dir() {
        return Ok(());
    }
    walk(folder, &parts, folders_only, files)
}

/// Finds what the parts of a pattern match below a folder; with no parts, all event files in it and
/// below. Folders whose names begin with `.` or `_` are searched only where a part matches them.
///
/// Symbolic links are followed. A folder is searched once for each rest of the pattern, however many
/// links lead to it, and by its shortest path: folders are searched in the order of their depth.
fn walk(
    start: PathBuf,
    parts: &[PatternPart],
    folders_only: bool,
    files: &mut Vec<EventFile>,
) -> Result<()> {
    let mut searched = HashSet::new();
    let mut waiting = VecDeque::from([(start, 0)]);
    while let Some((folder, at)) = waiting.pop_front() {
        let real = folder.canonicalize().map_err(|cause| Error::io(&folder, cause))?;
        if !searched.insert((real, at)) {
            continue;
        }
        let found = match parts.get(at) {
            None => {
                let mut found = entries(&folder)?;
                found.retain(|path| !is_hidden(path));
                let (folders, others): (Vec<_>, Vec<_>) =
                    found.into_iter().partition(|path| path.is_dir());
                waiting.extend(folders.into_iter().map(|path| (path, at)));
                for path in others {
                    files.extend(EventFile::of_path(&path)?);
                }
                continue;
            }
            Some(PatternPart::Folders) => {
                let found = entries(&folder)?.into_iter().filter(|path| path.is_dir());
                waiting.extend(found.map(|path| (path, at)));
                waiting.push_front((folder, at + 1));
                continue;
            }
            Some(PatternPart::Name(name)) => {
                Vec::from_iter(Some(folder.join(name)).filter(|path| path.exists()))
            }
            Some(PatternPart::Matching(pattern)) => {
                let mut found = entries(&folder)?;
                found.retain(|path| {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    pattern.matches_with(&name, OPTIONS)
                });
                found
            }
        };
        for path in found {
            if path.is_dir() {
                waiting.push_back((path, at + 1));
            } else if at + 1 == parts.len() && !folders_only {
                files.push(named_file(&path)?);
            }
        }
    }
    Ok(())
}

/// The entries of a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |cause| Error::io(folder, cause);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    paths.sort_unstable();
    Ok(paths)
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") || name.starts_with(b"_")
}

/// Finds objects by the rules for paths: the whole name of an object may match, or that of a folder
/// around it.
fn in_object_store(address: &str, files: &mut Vec<EventFile>) -> Result<()> {
    let (bucket, name) = Storage::bucket_of(address)?;
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let is_fixed = |part: &&&str| !part.contains(WILDCARDS);
    let fixed = parts.iter().take_while(is_fixed).count();
    let unknown = |object: &Object| unknown_format(object.address().as_ref());
    if fixed == parts.len() && !parts.is_empty() {
        // Names are chosen freely: this may be an object and a folder of others.
        if let Some(object) = bucket.object(&parts.join("/"))? {
            let error = unknown(&object);
            files.push(EventFile::of_object(object).ok_or(error)?);
            return Ok(());
        }
    }
    let pattern = Pattern::new(&parts.join("/")).map_err(|cause| bad_pattern(&cause, address))?;
    for object in bucket.objects(&parts[..fixed].join("/"))? {
        let name = object.name();
        let whole_bucket = parts.is_empty().then_some(0).into_iter();
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        let ends = whole_bucket.chain(ends);
        let mut folders = ends.filter(|end| pattern.matches_with(&name[..*end], OPTIONS));
        let Some(end) = folders.next() else { continue };
        let is_whole = end == name.len() && object.size() > 0;
        let is_hidden =
            name[end..].split('/').any(|part| part.starts_with('.') || part.starts_with('_'));
        match EventFile::of_object(object.clone()) {
            Some(file) if !is_hidden => files.push(file),
            None if is_whole => return Err(unknown(&object)),
            _ => {}
        }
    }
    Ok(())
}

fn bad_pattern(cause: &glob::PatternError, pattern: &str) -> Error {
    Error::input(format!("invalid glob: {cause}")).with("file", pattern)
}

fn unknown_format(path: &Path) -> Error {
    Error::input("unknown file format").with("file", path.display()).with(
        "help",
        "event files end in .parquet, .csv, .tsv, .ndjson or .jsonl; text files also in .gz or \
         .zst",
    )
}
