//! From the names in a project to the files of this machine and of object stores.
//!
//! A file is found once, however many patterns and symbolic links lead to it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::files::EventFile;
use crate::place::{Object, Remote, is_address};
use crate::{Error, Result};

/// A `*` stays within a folder.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl EventFile {
    /// Finds the files of a source: `patterns` are files, folders (searched to any depth) or
    /// globs, here or in an object store; relative ones start at `base`. Sorted by path. A file
    /// that is reached by several paths is found once, by the shortest of them.
    ///
    /// # Errors
    /// When a pattern matches no event file, or names a file of unknown format, or an object store
    /// cannot be asked.
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
            in_folder(&path, &mut files)?;
        } else if path.is_file() {
            files.push(named(&path)?);
        } else {
            in_glob(&path, &mut files)?;
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
fn named(path: &Path) -> Result<EventFile> {
    EventFile::of_path(path)?.ok_or_else(|| unknown_format(path))
}

/// All event files in a folder and those below, but not in hidden ones.
fn in_folder(folder: &Path, files: &mut Vec<EventFile>) -> Result<()> {
    walk(folder, &mut Vec::new(), &mut |path, is_folder| {
        let name = path.file_name().unwrap_or_default();
        let is_hidden =
            name.as_encoded_bytes().starts_with(b".") || name.as_encoded_bytes().starts_with(b"_");
        if !is_hidden && !is_folder {
            files.extend(EventFile::of_path(path)?);
        }
        Ok(!is_hidden)
    })
}

/// Calls `each` with everything in a folder and whether that is a folder too; those are walked
/// where it says so. Symbolic links are followed, but not back to a folder `above`.
fn walk(
    folder: &Path,
    above: &mut Vec<PathBuf>,
    each: &mut dyn FnMut(&Path, bool) -> Result<bool>,
) -> Result<()> {
    let failed = |cause| Error::io(folder, cause);
    let real = folder.canonicalize().map_err(failed)?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_folder = path.is_dir();
        if each(&path, is_folder)? && is_folder {
            walk(&path, above, each)?;
        }
    }
    above.pop();
    Ok(())
}

/// What a glob matches: files, and folders with all that is in them.
fn in_glob(path: &Path, files: &mut Vec<EventFile>) -> Result<()> {
    let text = path.to_string_lossy();
    let bad = |cause: glob::PatternError| bad_pattern(&cause, &text);
    let mut take = |found: &Path, is_folder: bool| match is_folder {
        true => in_folder(found, files),
        false => {
            files.push(named(found)?);
            Ok(())
        }
    };
    if !text.contains("**") {
        for found in glob::glob(&text).map_err(bad)? {
            let found = found.map_err(|cause| {
                let path = cause.path().to_owned();
                Error::io(&path, cause.into())
            })?;
            take(&found, found.is_dir())?;
        }
        return Ok(());
    }
    // The crate would follow links that lead back for ever.
    let start = text.find(['*', '?', '[']).unwrap_or_default();
    let start = text[..start].rfind('/').map_or(0, |slash| slash + 1);
    let folder = match &text[..start] {
        "" => Path::new("."),
        folder => Path::new(folder),
    };
    let pattern = Pattern::new(&text[start..]).map_err(bad)?;
    if !folder.is_dir() {
        return Ok(());
    }
    // As the crate has it, `**` at the end stands for folders.
    let folders_only = text.ends_with("**");
    if &text[start..] == "**" {
        return take(folder, true);
    }
    walk(folder, &mut Vec::new(), &mut |found, is_folder| {
        let below = found.strip_prefix(folder).unwrap_or(found);
        if pattern.matches_path_with(below, OPTIONS) && (is_folder || !folders_only) {
            take(found, is_folder)?;
        }
        Ok(true)
    })
}

/// Finds objects by the rules for paths: the whole name of an object may match, or that of a folder
/// around it.
fn in_object_store(address: &str, files: &mut Vec<EventFile>) -> Result<()> {
    let (bucket, name) = Remote::bucket_of(address)?;
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let is_fixed = |part: &&&str| !part.contains(['*', '?', '[']);
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
