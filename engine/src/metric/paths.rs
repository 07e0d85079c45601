//! Which files a dictionary consists of.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The parts of a dictionary. Each path is a file, a glob, or a folder that is searched to any
/// depth for `*.yml` and `*.yaml`; names that begin with a dot are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// The tree of stages.
    pub stages: Vec<PathBuf>,
    /// Event definitions.
    pub events: Vec<PathBuf>,
    /// Metric definitions; aggregates among them are recognised.
    pub metrics: Vec<PathBuf>,
    /// Aggregates: metrics in the older form `{name, operator, events}`.
    pub aggregates: Vec<PathBuf>,
}

impl Paths {
    /// The usual layout: `stages.yml`, `events`, `metrics`, and if they are there
    /// `metrics/aggregates` and `aggregates`.
    pub fn folder(dir: &Path) -> Self {
        let aggregates = ["metrics/aggregates", "aggregates"].map(|name| dir.join(name));
        Self {
            stages: vec![dir.join("stages.yml")],
            events: vec![dir.join("events")],
            metrics: vec![dir.join("metrics")],
            aggregates: aggregates.into_iter().filter(|path| path.is_dir()).collect(),
        }
    }
}

/// The files of some paths: in the order of the paths, those of one path sorted, none twice.
///
/// # Errors
/// A path or folder that is not there or cannot be read, a glob that is none or matches nothing.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let mut found = Vec::new();
        for start in expand(path)? {
            search(&start, &mut found)?;
        }
        found.sort();
        files.extend(found);
    }
    let mut seen = BTreeSet::new();
    files.retain(|file: &PathBuf| seen.insert(identity(file)));
    Ok(files)
}

/// What two names of one file have in common.
pub(super) fn identity(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())
}

/// The paths that a glob matches, or the path itself.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    let pattern = path.to_string_lossy();
    if path.exists() || !pattern.contains(['*', '?', '[']) {
        return Ok(vec![path.to_owned()]);
    }
    let bad = |cause: glob::PatternError| {
        Error::input(format!("invalid glob: {cause}")).with("file", path.display())
    };
    let mut matches = Vec::new();
    for entry in glob::glob(&pattern).map_err(bad)? {
        matches.push(entry.map_err(unreadable)?);
    }
    if matches.is_empty() {
        return Err(Error::input("no file matches").with("file", path.display()));
    }
    Ok(matches)
}

fn unreadable(cause: glob::GlobError) -> Error {
    let path = cause.path().to_owned();
    Error::io(&path, cause.into())
}

/// Adds a file, or the definition files of a folder and the folders in it.
fn search(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |cause| Error::io(path, cause);
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let inner = entry.path();
        let is_yaml = inner.extension().is_some_and(|ending| ending == "yml" || ending == "yaml");
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // A link to a folder is not followed: it could lead back up.
        if entry.file_type().map_err(failed)?.is_dir() {
            search(&inner, found)?;
        } else if is_yaml && !inner.is_dir() {
            found.push(inner);
        }
    }
    Ok(())
}
