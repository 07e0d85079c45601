//! Which road leads to an answer: the store as far as it goes, or the events. It is found without
//! reading an event.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::coverage::{Found, Settings, Standing, check_settings, find, gone};
use crate::calendar::{Day, Zone};
use crate::events::Source;
use crate::project::Project;
use crate::storage::Digest;
use crate::store::{Entry, Store};
use crate::{Error, Result};

/// The road to the answer of a question about all sources.
#[derive(Debug)]
pub enum Road {
    /// The store, and these files, which it does not have.
    Store {
        /// The store at its newest version.
        store: Box<Store>,
        /// Files to be read.
        new: Vec<Found>,
    },
    /// All events. Why not the store, if there is one.
    Events(Option<String>),
}

/// The road to the answer of a question that tells users apart by these dimensions.
///
/// # Errors
/// When the store is broken, and when it does not serve although some of its events lie nowhere
/// else any more.
pub fn road(project: &Project, dimensions: &[String]) -> Result<Road> {
    let Some(store) = Store::open(&project.store, None)? else { return Ok(Road::Events(None)) };
    if store.ledger().is_empty() {
        return Ok(Road::Events(None));
    }
    let found = find(project, store.ledger(), true)?;
    if let Some(reason) = reason(project, dimensions, &store, &found) {
        let gone = gone(project, store.ledger(), &found);
        return match gone.first() {
            None => Ok(Road::Events(Some(reason.to_string()))),
            Some(entry) => Err(reason.with("help", format!(
                "the events of {} files ({}{}) are only in the store; put the files back to read \
                 events instead of the store",
                gone.len(),
                entry.name,
                if gone.len() > 1 { ", ..." } else { "" },
            ))),
        };
    }
    let new = found.into_iter().filter(|file| file.standing == Standing::New).collect();
    Ok(Road::Store { store: Box::new(store), new })
}

/// Why the store does not serve, if it does not.
fn reason(
    project: &Project,
    dimensions: &[String],
    store: &Store,
    found: &[Found],
) -> Option<Error> {
    if let Err(error) = check_settings(project, store) {
        return Some(Error::input(error.to_string()));
    }
    if let Some(name) = dimensions.iter().find(|name| !store.dimensions().contains(name)) {
        return Some(Error::input(format!("the store does not have the dimension `{name}`")));
    }
    let changed = found.iter().find(|file| file.standing == Standing::Changed)?;
    Some(Error::input(format!("{} has changed since it was ingested", changed.name)))
}

/// What a store has of one source: exactly the events of some of its files.
#[derive(Debug)]
pub struct Kept {
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
pub fn kept(project: &Project, source: &Source) -> Result<Option<Kept>> {
    let is_utc = |zone: &Zone| zone.name() == Zone::utc().name();
    if !is_utc(&project.zone) || !is_utc(&source.time_zone) || source.scope.is_some() {
        return Ok(None);
    }
    let Some(store) = Store::open(&project.store, None)? else { return Ok(None) };
    let mut ledger = store.ledger().to_vec();
    ledger.retain(|entry| entry.source == source.name);
    let now = Settings::of(project, source, store.dimensions());
    let is_whole = |entry: &Entry| now.are_of(entry) && entry.rejected() == 0;
    let first = ledger.iter().filter_map(|entry| entry.first).min();
    let last = ledger.iter().filter_map(|entry| entry.last).max();
    let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
    if !ledger.iter().all(is_whole) {
        return Ok(None);
    }
    let alone = Project { sources: vec![source.clone()], ..project.clone() };
    let found = find(&alone, &ledger, true)?;
    let there: HashSet<Digest> = found.iter().map(|file| file.digest).collect();
    let has_changed = found.iter().any(|file| file.standing == Standing::Changed);
    if has_changed || ledger.iter().any(|entry| !there.contains(&entry.digest)) {
        return Ok(None);
    }
    let day = |micros| project.zone.day_of(micros);
    let (new, known): (Vec<Found>, Vec<Found>) =
        found.into_iter().partition(|file| file.standing == Standing::New);
    let paths = |files: Vec<Found>| files.into_iter().map(|found| found.file.path).collect();
    let store = Arc::new(store);
    Ok(Some(Kept { store, known: paths(known), new: paths(new), days: (day(first), day(last)) }))
}
