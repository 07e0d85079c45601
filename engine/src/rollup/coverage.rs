//! Which files of a project the store has, which are new, and which are not what they were.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use crate::calendar::TimeUnit;
use crate::events::{EventFile, Source, Value};
use crate::place::Digest;
use crate::project::Project;
use crate::store::{Entry, Store};
use crate::{Error, Result};

/// How a file stands to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its content was ingested, under this name.
    Known(String),
    /// Its content is new.
    New,
    /// A file of this name was ingested, with another content that is nowhere any more.
    Changed,
}

/// A file of events of a project.
#[derive(Clone, Debug)]
pub struct Found {
    /// Place of its source in the project.
    pub source: usize,
    /// The file.
    pub file: EventFile,
    /// Path, relative to the project if it lies in it; or address.
    pub name: String,
    /// What it is known by.
    pub digest: Digest,
    /// How it stands to the store.
    pub standing: Standing,
}

/// All files of a project that are there, in the order of sources and paths. With `hasty`, a file
/// that has the name, size and time of an ingested one is taken for it without reading it.
///
/// # Errors
/// When files cannot be read, or a source has none and never had any.
pub fn find(project: &Project, ledger: &[Entry], hasty: bool) -> Result<Vec<Found>> {
    let mut bare = Vec::new();
    for (at, source) in project.sources.iter().enumerate() {
        let had = ledger.iter().any(|entry| entry.source == source.name);
        let files = if had { EventFile::present } else { EventFile::find };
        let files = files(&project.root, &source.files);
        bare.extend(
            files.map_err(|e| e.with("source", &source.name))?.into_iter().map(|f| (at, f)),
        );
    }
    // By source and name: the entry of that name, the latest if there are several.
    let named: HashMap<(&str, &str), &Entry> =
        ledger.iter().map(|entry| ((entry.source.as_str(), entry.name.as_str()), entry)).collect();
    let found: Result<Vec<Found>> = bare
        .par_iter()
        .map(|(at, file)| {
            let source = &project.sources[*at];
            let name = name(project, file);
            let same = named.get(&(source.name.as_str(), name.as_str())).copied();
            let same = same.filter(|e| hasty && (e.size, e.modified) == (file.size, file.modified));
            let digest = match same {
                Some(entry) => entry.digest,
                None => file.digest()?,
            };
            let (source, file, standing) = (*at, file.clone(), Standing::New);
            Ok(Found { source, file, name, digest, standing })
        })
        .collect();
    let mut found = found?;
    let known: HashMap<(&str, Digest), &str> = ledger
        .iter()
        .map(|entry| ((entry.source.as_str(), entry.digest), entry.name.as_str()))
        .collect();
    let there: HashSet<(usize, Digest)> = found.iter().map(|f| (f.source, f.digest)).collect();
    for file in &mut found {
        let source = project.sources[file.source].name.as_str();
        let before = named.get(&(source, file.name.as_str()));
        file.standing = match (known.get(&(source, file.digest)), before) {
            (Some(name), _) => Standing::Known((*name).to_owned()),
            // What was under this name lies elsewhere now: logs that rotate.
            (None, Some(before)) if !there.contains(&(file.source, before.digest)) => {
                Standing::Changed
            }
            (None, _) => Standing::New,
        };
    }
    Ok(found)
}

/// Files of the ledger that lie nowhere in the project any more, neither content nor name.
pub fn gone<'a>(project: &Project, ledger: &'a [Entry], found: &[Found]) -> Vec<&'a Entry> {
    let source = |file: &Found| project.sources[file.source].name.as_str();
    let contents: HashSet<(&str, Digest)> =
        found.iter().map(|file| (source(file), file.digest)).collect();
    let names: HashSet<(&str, &str)> =
        found.iter().map(|file| (source(file), file.name.as_str())).collect();
    let is_there = |entry: &Entry| {
        contents.contains(&(entry.source.as_str(), entry.digest))
            || names.contains(&(entry.source.as_str(), entry.name.as_str()))
    };
    ledger.iter().filter(|entry| !is_there(entry)).collect()
}

/// What a source and its project say of columns and times, as far as the store keeps it.
pub(super) fn settings(project: &Project, source: &Source, dimensions: &[String]) -> String {
    let kept = dimensions.iter().filter_map(|name| Some((name, source.dimension(name)?)));
    let told = |value: &Value| match value {
        Value::Column(name) => format!("column {name}"),
        Value::Const(text) => format!("always {text}"),
    };
    let kept: Vec<String> = kept.map(|(name, v)| format!("{name}: {}", told(&v))).collect();
    let unit = match source.time_unit {
        None => "none",
        Some(TimeUnit::Second) => "s",
        Some(TimeUnit::Millisecond) => "ms",
        Some(TimeUnit::Microsecond) => "us",
        Some(TimeUnit::Nanosecond) => "ns",
    };
    let bound = project.no_events_after.map_or_else(|| "none".to_owned(), |day| day.to_string());
    format!(
        "time zone: {}, no_events_after: {bound}, time: {}, unit: {unit}, zone: {}, user: {}, \
         scope: {}, event: {}, dimensions: [{}]",
        project.zone.name(),
        source.time,
        source.time_zone.name(),
        source.user,
        source.scope.as_deref().unwrap_or("none"),
        told(&source.event),
        kept.join(", "),
    )
}

/// Checks that what was ingested was read as the project reads it now.
///
/// # Errors
/// When the settings of a source have changed, with both in the message.
pub fn check_settings(project: &Project, store: &Store) -> Result<()> {
    let now: BTreeMap<&str, String> = project
        .sources
        .iter()
        .map(|source| (source.name.as_str(), settings(project, source, store.dimensions())))
        .collect();
    for entry in store.ledger() {
        let now = now.get(entry.source.as_str()).ok_or_else(|| {
            Error::input(format!("the store has events of a source `{}`", entry.source))
                .with("file", store.place())
                .with("help", "name the source as before, or ingest into a new store")
        })?;
        if *now != entry.settings {
            return Err(Error::input(format!(
                "the source `{}` was ingested with other settings: {} (now: {now})",
                entry.source, entry.settings
            ))
            .with("file", store.place())
            .with("help", "set them back, or delete the store and ingest again"));
        }
    }
    Ok(())
}

fn name(project: &Project, file: &EventFile) -> String {
    if file.object.is_some() {
        return file.path.to_string_lossy().into_owned();
    }
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (root, path): (PathBuf, PathBuf) = (absolute(&project.root), absolute(&file.path));
    path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned()
}
