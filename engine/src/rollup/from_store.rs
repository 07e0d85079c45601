//! A roll-up from the store and from new files; ingested files are not read again.

use std::path::PathBuf;
use std::sync::Arc;

use super::approx::Sketches;
use super::cell_users::{CellUsers, Counting, Rollup};
use super::ingest::overlay;
use super::load::{Loaded, bucket, load};
use super::source_plan::{SourcePlan, source_plan};
use crate::Result;
use crate::project::Project;
use crate::scan::{Example, Rejects, Request, ScanSummary};
use crate::storage::is_address;
use crate::store::{Entry, StoredIds};
use crate::users::Sketch;

/// Whether the store can answer a query.
#[derive(Debug)]
pub enum FromStore {
    /// It can; files that are not in the store are included.
    Rollup(Box<Rollup>),
    /// There is no store, or it cannot; with the reason in the latter case.
    Unavailable(Option<String>),
}

impl Rollup {
    /// Cells of everything that the store has and of the project's new files. The numbers are
    /// those that a scan of the same events gives.
    ///
    /// # Errors
    /// When the store is broken, when new files cannot be read, and when the store cannot answer
    /// although the files of some of its events do not exist any more.
    pub fn from_store(
        project: &Project,
        dimensions: &[String],
        request: &Request<'_>,
        counting: Counting,
    ) -> Result<FromStore> {
        let (store, new) = match source_plan(project, dimensions)? {
            SourcePlan::Store { store, new } => (store, new),
            SourcePlan::Events(reason) => return Ok(FromStore::Unavailable(reason)),
        };
        let approximate = matches!(counting, Counting::Approx(_));
        let ids = Arc::new(if new.is_empty() && !approximate {
            StoredIds::default()
        } else {
            store.stored_ids()?
        });
        let (mut readers, mut months) = (store.readers()?, store.month_readers()?);
        let mut entries = store.ledger().to_vec();
        if !new.is_empty() {
            let (new, mut more) = overlay(project, &store, &ids, new, request.job)?;
            let [activity, month] = new;
            readers.push(activity);
            months.push(month);
            entries.append(&mut more);
        }
        let Loaded { cells, events, unmapped, users } =
            load([readers, months], dimensions, request)?;
        let users = match counting {
            Counting::Exact => CellUsers::Stored(users),
            Counting::Approx(precision) => {
                let empty = Sketch::new(precision)?;
                let sketches = users.sketches(&empty, &ids)?;
                CellUsers::Approx(Sketches::new(empty, sketches))
            }
        };
        let summary = ScanSummary { unmapped, ..summary(project, &entries, request) };
        Ok(FromStore::Rollup(Box::new(Self { cells, events, users, summary })))
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
            let is_in_range = reject.day.is_none_or(|day| {
                bucket(day, request.grain, request.zone, &request.range).is_some()
            });
            if !is_in_range {
                continue;
            }
            let source = project.sources.iter().find(|source| source.name == entry.source);
            let row = reject.first.as_ref().map_or(0, |first| first.row);
            let example = || match (&reject.first, source) {
                (Some(first), Some(source)) => {
                    let column = source.value_of(reject.reason).text();
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
        ..ScanSummary::default()
    }
}
