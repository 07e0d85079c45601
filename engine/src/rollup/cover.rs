//! A roll-up of what the store has and of what is new, without reading again what was ingested.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::ingest::overlay;
use super::load::{Loaded, bucket, load};
use super::road::{Road, road};
use super::{Counting, Rollup, Sketches, Users};
use crate::Result;
use crate::events::{Example, Rejects, Request, ScanSummary};
use crate::project::Project;
use crate::storage::is_address;
use crate::store::{Entry, People};
use crate::users::Sketch;

/// How the store serves a question.
#[derive(Debug)]
pub enum Covered {
    /// It serves, together with the files that it does not have.
    Served(Box<Rollup>),
    /// There is none, or it does not serve; the reason is worth telling if there is one.
    NotServed(Option<String>),
}

impl Rollup {
    /// Cells of everything that the store has and of the project's new files. The numbers are
    /// those that a scan of the same events gives.
    ///
    /// # Errors
    /// When the store is broken, when new files cannot be read, and when the store does not serve
    /// although some of its events lie nowhere else any more.
    pub fn covered(
        project: &Project,
        dimensions: &[String],
        request: &Request<'_>,
        counted: &BTreeSet<String>,
        counting: Counting,
    ) -> Result<Covered> {
        let (store, new) = match road(project, dimensions)? {
            Road::Store { store, new } => (store, new),
            Road::Events(reason) => return Ok(Covered::NotServed(reason)),
        };
        let approximate = matches!(counting, Counting::Approx(_));
        let people =
            if new.is_empty() && !approximate { People::default() } else { store.people()? };
        let (mut readers, mut months) = (store.readers()?, store.month_readers()?);
        let mut entries = store.ledger().to_vec();
        if !new.is_empty() {
            let (new, mut more) = overlay(project, &store, &people, new, request.observer)?;
            let [activity, month] = new;
            readers.push(activity);
            months.push(month);
            entries.append(&mut more);
        }
        let Loaded { cells, events, unmapped, users } =
            load([readers, months], dimensions, request, counted)?;
        let users = match counting {
            Counting::Exact => Users::Stored(users),
            Counting::Approx(precision) => {
                let empty = Sketch::new(precision)?;
                let sketches = users.sketches(&empty, &people)?;
                Users::Approx(Sketches::new(empty, sketches))
            }
        };
        let summary = summary(project, &entries, request);
        Ok(Covered::Served(Box::new(Self { cells, events, unmapped, users, summary })))
    }
}

/// What a scan for this request would have seen of these files.
fn summary(project: &Project, entries: &[Entry], request: &Request<'_>) -> ScanSummary {
    let mut rejects = Rejects::default();
    for entry in entries {
        let file = match is_address(&entry.name) {
            true => PathBuf::from(&entry.name),
            false => project.root.join(&entry.name),
        };
        rejects.add_rows(&entry.source, entry.events + entry.rejected());
        for reject in &entry.rejects {
            // A scan does not look at other faults of rows that it has no use for.
            let is_seen = reject.day.is_none_or(|day| {
                bucket(day, request.grain, request.zone, &request.range).is_some()
            });
            if !is_seen {
                continue;
            }
            let source = project.sources.iter().find(|source| source.name == entry.source);
            let row = reject.first.as_ref().map_or(0, |first| first.row);
            let example = || match (&reject.first, source) {
                (Some(first), Some(source)) => {
                    let column = source.column_of(reject.reason);
                    Example::ingested(&file, row, first.line, column, first.value.clone())
                }
                _ => Example::of_file(&file),
            };
            rejects.add(&entry.source, reject.reason, reject.rows, (&file, row), example);
        }
    }
    ScanSummary {
        first: entries.iter().filter_map(|entry| entry.first).min(),
        last: entries.iter().filter_map(|entry| entry.last).max(),
        rejects,
    }
}
