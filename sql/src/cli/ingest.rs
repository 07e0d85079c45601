//! `headcount ingest`: new events into the store, exactly once.

use std::path::Path;

use engine::project::Project;
use engine::rollup::{DEFAULT_MEMORY, ingest};
use engine::{JobContext, Result};

use super::args;
use super::messages::{Outcome, print_message, print_rejects};
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
    let events = |events: u64, rejected: u64| match rejected {
        0 => format!("{events} events"),
        rejected => format!("{events} events, {rejected} rejected"),
    };
    let added = done
        .added
        .iter()
        .map(|entry| format!("{}: {}", entry.name, events(entry.events, entry.rejected())));
    list("ingested", added.collect());
    let total: u64 = done.added.iter().map(|entry| entry.events).sum();
    let numbered = match done.new_ids {
        0 => String::new(),
        people => format!(", {people} new user ids"),
    };
    print_message(&format!(
        "{} events of {} files{numbered}; the store is at version {}",
        total,
        done.added.len(),
        done.version
    ));
    let outcome = print_rejects(&done.rejects);
    if done.changed.is_empty() {
        return Ok(outcome);
    }
    let count = done.changed.len();
    list("changed since they were ingested; none of them was ingested again", done.changed);
    print_message(&format!(
        "error: {count} files have changed; rename them if their events are new, or delete the \
         store and ingest again if they replace the earlier events"
    ));
    Ok(Outcome::Failed)
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
