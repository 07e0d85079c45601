//! Decides whether a query reads the store and the files that are not in it, or all events. No event
//! is read for that.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::file_status::{SourceSettings, check_settings, find_files, source_names};
use crate::calendar::{Day, Zone};
use crate::project::Project;
use crate::scan::Source;
use crate::storage::Digest;
use crate::store::{Entry, FileStatus, SourceFile, Store, missing};
use crate::{Error, Result};

/// What a query over all sources reads.
#[derive(Debug)]
pub enum SourcePlan {
    /// The store, and these files, which it does not have.
    Store {
        /// The store at its newest version.
        store: Box<Store>,
        /// Files to be read.
        new: Vec<SourceFile>,
    },
    /// All events. Why not the store, if there is one.
    Events(Option<String>),
}

/// What a query reads that groups by these dimensions or filters by them.
///
/// # Errors
/// When the store is broken, and when it cannot answer the query although the files of some of its
/// events do not exist any more.
pub fn source_plan(project: &Project, dimensions: &[String]) -> Result<SourcePlan> {
    let Some(store) = Store::open(&project.store, None)? else {
        return Ok(SourcePlan::Events(None));
    };
    if store.ledger().is_empty() {
        return Ok(SourcePlan::Events(None));
    }
    let found = find_files(project, store.ledger(), true)?;
    if let Some(reason) = reason(project, dimensions, &store, &found) {
        let lost = missing(&source_names(project), store.ledger(), &found);
        return match lost.first() {
            None => Ok(SourcePlan::Events(Some(reason.to_string()))),
            Some(entry) => Err(reason.with("help", format!(
                "the events of {} files ({}{}) are only in the store; put the files back to read \
                 events instead of the store",
                lost.len(),
                entry.name,
                if lost.len() > 1 { ", ..." } else { "" },
            ))),
        };
    }
    let new = found.into_iter().filter(|file| file.status == FileStatus::New).collect();
    Ok(SourcePlan::Store { store: Box::new(store), new })
}

/// Why the store cannot answer the query; `None` if it can.
fn reason(
    project: &Project,
    dimensions: &[String],
    store: &Store,
    found: &[SourceFile],
) -> Option<Error> {
    if let Err(error) = check_settings(project, store) {
        return Some(Error::input(error.to_string()));
    }
    if let Some(name) = dimensions.iter().find(|name| !store.dimensions().contains(name)) {
        return Some(Error::input(format!("the store does not have the dimension `{name}`")));
    }
    let changed = found.iter().find(|file| file.status == FileStatus::Changed)?;
    Some(Error::input(format!("{} has changed since it was ingested", changed.name)))
}

/// The files of one source whose events are in the store.
#[derive(Debug)]
pub struct StoreCoverage {
    /// The store at its newest version.
    pub store: Arc<Store>,
    /// Files whose events it has, every one of them.
    pub known: Vec<PathBuf>,
    /// Files that it does not have.
    pub new: Vec<PathBuf>,
    /// First and last day of the events that it has.
    pub days: (Day, Day),
}

/// What the store has of a source, if counting its rows is counting those of the files as they
/// are now: nothing of them was rejected or has changed, all of them are there, and its days are
/// those of plain SQL, which knows no zone but that of the timestamps.
///
/// # Errors
/// When the store is broken, or the files cannot be looked at.
pub fn store_coverage(project: &Project, source: &Source) -> Result<Option<StoreCoverage>> {
    let is_utc = |zone: &Zone| zone.name() == Zone::utc().name();
    if !is_utc(&project.zone) || !is_utc(&source.time_zone) || source.scope.is_some() {
        return Ok(None);
    }
    let Some(store) = Store::open(&project.store, None)? else { return Ok(None) };
    let mut ledger = store.ledger().to_vec();
    ledger.retain(|entry| entry.source == source.name);
    let now = SourceSettings::of(project, source, store.dimensions());
    let is_complete = |entry: &Entry| now.match_entry(entry) && entry.rejected() == 0;
    let first = ledger.iter().filter_map(|entry| entry.first).min();
    let last = ledger.iter().filter_map(|entry| entry.last).max();
    let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
    if !ledger.iter().all(is_complete) {
        return Ok(None);
    }
    let alone = Project { sources: vec![source.clone()], ..project.clone() };
    let found = find_files(&alone, &ledger, true)?;
    let present: HashSet<Digest> = found.iter().map(|file| file.digest).collect();
    let has_changed = found.iter().any(|file| file.status == FileStatus::Changed);
    if has_changed || ledger.iter().any(|entry| !present.contains(&entry.digest)) {
        return Ok(None);
    }
    let day = |micros| project.zone.day_of(micros);
    let (new, known): (Vec<SourceFile>, Vec<SourceFile>) =
        found.into_iter().partition(|file| file.status == FileStatus::New);
    let paths = |files: Vec<SourceFile>| files.into_iter().map(|found| found.file.path).collect();
    let store = Arc::new(store);
    Ok(Some(StoreCoverage {
        store,
        known: paths(known),
        new: paths(new),
        days: (day(first), day(last)),
    }))
}
