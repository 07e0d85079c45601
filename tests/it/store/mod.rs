//! The store: its contents match the events, despite failures.

mod broken;
mod commands;
mod fixture;
mod flips;
mod kills;
mod laws;
mod remote;

use std::path::Path;

use engine::JobContext;
use engine::active::{Answer, Question, answer, answer_from_events};
use engine::metric::Dictionary;
use engine::project::Project;
use engine::rollup::{DEFAULT_MEMORY, IngestReport, ingest};
use engine::storage::Storage;
use engine::store::Store;

pub(crate) use broken::files;

/// Ingests what is new in a project, as a library.
pub(crate) fn ingest_new(root: &Path) -> IngestReport {
    ingest_with_memory(root, DEFAULT_MEMORY)
}

fn ingest_with_memory(root: &Path, memory: u64) -> IngestReport {
    let project = Project::load(root).unwrap();
    let watch = JobContext::default();
    ingest(&project, &[], memory, &watch).unwrap_or_else(|error| panic!("{error}"))
}

fn open(root: &Path) -> Store {
    Store::open(&local(root), None).unwrap().expect("a store")
}

fn local(root: &Path) -> Storage {
    Storage::folder(root.join("store"))
}

/// Nothing is wrong with the store.
#[track_caller]
fn assert_sound(root: &Path) {
    let verified = open(root).verify(&|_, _| ()).unwrap();
    assert_eq!(verified.faults, []);
}

/// The answer of the store is that of the events, in every part of it.
#[track_caller]
fn assert_same(root: &Path, question: &Question) -> Answer {
    let project = Project::load(root).unwrap();
    let dictionary = Dictionary::load(project.dictionary.as_ref().unwrap()).unwrap();
    let stored = answer(&project, &dictionary, question, &JobContext::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let events = answer_from_events(&project, &dictionary, question, &JobContext::default())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(stored.notes, events.notes);
    assert_eq!(stored.report.rows, events.report.rows);
    assert_eq!(stored.report.first_day, events.report.first_day);
    assert_eq!(stored.report.last_day, events.report.last_day);
    assert_eq!(stored.report.events, events.report.events);
    assert_eq!(stored.summary.unmapped, events.summary.unmapped);
    assert_eq!(
        (stored.summary.first, stored.summary.last),
        (events.summary.first, events.summary.last)
    );
    let rejects = |answer: &Answer| {
        let list = answer.summary.rejects.iter();
        list.map(|(source, why, all)| format!("{source} {why} {} {:?}", all.rows, all.first.file()))
            .collect::<Vec<_>>()
    };
    assert_eq!(rejects(&stored), rejects(&events));
    stored
}
