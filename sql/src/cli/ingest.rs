//! `headcount ingest`: new events and pings into the store, exactly once.

use std::path::Path;

use engine::project::Project;
use engine::rollup::{DEFAULT_MEMORY, ingest};
use engine::store::Entry;
use engine::{JobContext, Result};

use super::args;
use super::messages::{Outcome, print_message, print_refused, print_rejects};
use super::progress::Progress;

/// Most files that are listed; the rest is counted.
const MOST: usize = 10;

pub(super) fn run(root: &Path, options: &args::Ingest) -> Result<Outcome> {
    let project = Project::load(root)?;
    let memory = options.memory_limit.map_or(DEFAULT_MEMORY, |bytes| bytes as u64);
    let done = {
        let progress = Progress::new("ingesting");
        let job = JobContext::default()
            .with_progress(|done, total| progress.at(done, total))
            .with_wait(|| print_message("waiting for another process that is using the store"));
        ingest(&project, &options.files, memory, &job)?
    };
    for note in &done.notes {
        print_message(&format!("note: {note}"));
    }
    let known = done.known.iter().map(|(name, before)| match name == before {
        true => name.clone(),
        false => format!("{name} (as {before})"),
    });
    list("already ingested, nothing to do", known.collect());
    let events = done.added.iter().map(|entry| added(entry, "events", "rejected"));
    let pings = done.pings.added.iter().map(|entry| added(entry, "pings", "refused"));
    list("ingested", events.chain(pings).collect());
    let totals = |entries: &[Entry], what: &str| {
        let total: u64 = entries.iter().map(|entry| entry.events).sum();
        format!("{total} {what} of {} files", entries.len())
    };
    let new_ids = match done.new_ids {
        0 => String::new(),
        people => format!(", {people} new user ids"),
    };
    let mut parts = Vec::new();
    if !project.sources.is_empty() {
        parts.push(format!("{}{new_ids}", totals(&done.added, "events")));
    }
    if !project.ping_sources.is_empty() {
        parts.push(totals(&done.pings.added, "pings"));
    }
    print_message(&format!("{}; the store is at version {}", parts.join(", "), done.version));
    let outcomes = [print_rejects(&done.rejects), print_refused(&done.pings.refused)];
    let outcome = outcomes.into_iter().find(|outcome| *outcome != Outcome::Done);
    let outcome = outcome.unwrap_or(Outcome::Done);
    if done.changed.is_empty() {
        return Ok(outcome);
    }
    let count = done.changed.len();
    list("changed since they were ingested; none of them was ingested again", done.changed);
    print_message(&format!(
        "error: {count} files have changed; rename them if their content is new, or delete the \
         store and ingest again if it replaces the earlier content"
    ));
    Ok(Outcome::Failed)
}

/// `data/events.csv: 7 events, 2 rejected`
fn added(entry: &Entry, what: &str, not_counted: &str) -> String {
    let (name, count) = (&entry.name, entry.events);
    match entry.rejected() {
        0 => format!("{name}: {count} {what}"),
        rejected => format!("{name}: {count} {what}, {rejected} {not_counted}"),
    }
}

fn list(what: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    print_message(&format!("{what}:"));
    for line in lines.iter().take(MOST) {
        print_message(&format!("  {line}"));
    }
    if lines.len() > MOST {
        print_message(&format!("  ... and {} more files", lines.len() - MOST));
    }
}
