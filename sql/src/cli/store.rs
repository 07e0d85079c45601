//! `headcount store`: shows, verifies, compacts and exports the store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write, stdout};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::calendar::Day;
use engine::project::Project;
use engine::rollup::changed_files;
use engine::store::{DataReader, Fault, Lock, RowKeys, Store};
use engine::{Error, Result};

use super::args;
use super::messages::{Outcome, output_error, print_message};
use super::progress::Progress;

/// Longest list of faults; the rest is counted.
const MOST: usize = 20;
/// How old a file in an object store must be before a sweep deletes it: longer than an ingest or a
/// compaction takes from its first file to its commit.
const SAFE: Duration = Duration::from_hours(24);

pub(super) fn run(root: &Path, command: &args::Store) -> Result<Outcome> {
    let project = Project::load(root)?;
    let version = match command {
        args::Store::Info { version } | args::Store::Verify { version, .. } => *version,
        args::Store::Export { version, .. } => *version,
        args::Store::Compact { .. } => None,
    };
    let _lock = match command {
        args::Store::Compact { .. } if project.store.may_exist() => {
            let waiting = || print_message("waiting for another process that is using the store");
            Some(Lock::take(&project.store, waiting)?)
        }
        _ => None,
    };
    let store = Store::open(&project.store, version)?.ok_or_else(|| {
        Error::input("there is no store yet")
            .with("file", &project.store)
            .with("help", "run `headcount ingest` to create it")
    })?;
    match command {
        args::Store::Info { .. } => info(&store),
        args::Store::Verify { events, .. } => verify(&store, events.then_some(&project)),
        args::Store::Compact { sweep, .. } => compact(store, *sweep),
        args::Store::Export { output, .. } => export(&store, output),
    }
}

/// What one source did in one month.
#[derive(Default)]
struct Month {
    days: BTreeSet<i32>,
    sets: u64,
    events: u64,
}

fn info(store: &Store) -> Result<Outcome> {
    let mut months: BTreeMap<(String, i32, u8), Month> = BTreeMap::new();
    for reader in store.readers()? {
        let groups = (0..reader.groups()).map(|group| (&reader, group));
        DataReader::fetch_ahead(groups, &RowKeys::columns(store.dimensions()))?;
        for group in 0..reader.groups() {
            let about = RowKeys::read(&reader, group, store.dimensions())?;
            for row in 0..about.len() {
                let (year, month, _) = Day::new(about.days()[row]).ymd();
                let source = about.series(row).source;
                let entry = months.entry((source, year, month)).or_default();
                entry.days.insert(about.days()[row]);
                entry.sets += 1;
                entry.events += about.events(row);
            }
        }
    }
    let mut out = BufWriter::new(stdout().lock());
    print_summary(&mut out, store, &months).and_then(|()| out.flush()).map_err(output_error)?;
    let unused = store.unused()?;
    if !unused.is_empty() {
        let bytes: u64 = unused.iter().map(|(_, item)| item.size).sum();
        print_message(&format!(
            "{} files ({bytes} bytes) belong to older versions or to interrupted ingests; \
             `headcount store compact --sweep` deletes them",
            unused.len()
        ));
    }
    Ok(Outcome::Done)
}

fn print_summary(
    out: &mut impl Write,
    store: &Store,
    months: &BTreeMap<(String, i32, u8), Month>,
) -> std::io::Result<()> {
    let dimensions = match store.dimensions() {
        [] => "none".to_owned(),
        some => some.join(", "),
    };
    let events: u64 = store.ledger().iter().map(|entry| entry.events).sum();
    let rejected: u64 = store.ledger().iter().map(|entry| entry.rejected()).sum();
    writeln!(out, "store:      {}", store.storage())?;
    writeln!(out, "version:    {}", store.version())?;
    writeln!(out, "dimensions: {dimensions}")?;
    for (table, bytes) in store.sizes() {
        writeln!(out, "{:<11} {bytes} bytes", format!("{table}:"))?;
    }
    writeln!(out, "users:      {} with an assigned id", store.assigned_ids())?;
    writeln!(out, "ingested:   {} files", store.ledger().len())?;
    writeln!(out, "events:     {events}, and {rejected} rejected")?;
    writeln!(out)?;
    writeln!(out, "{:>8} {:>5} {:>9} {:>14}  source", "month", "days", "sets", "events")?;
    for ((source, year, month), of) in months {
        let (days, sets, events) = (of.days.len(), of.sets, of.events);
        writeln!(out, " {year:04}-{month:02} {days:>5} {sets:>9} {events:>14}  {source}")?;
    }
    Ok(())
}

/// Verifies the store, and if `events` is a project, that its files are those that were ingested.
fn verify(store: &Store, events: Option<&Project>) -> Result<Outcome> {
    let mut verified = {
        let progress = Progress::new("verifying");
        store.verify(&|done, total| progress.at(done, total))?
    };
    if let Some(project) = events {
        verified.faults.extend(changed_files(project, store.ledger())?.into_iter().map(|file| {
            Fault {
                file: Some(file),
                what: "this event file has changed since it was ingested".to_owned(),
            }
        }));
    }
    let mut out = BufWriter::new(stdout().lock());
    let mut lines = vec![format!(
        "version {}: {} files, {} bytes, {} sets, {} events, {} users with an assigned id",
        store.version(),
        verified.files,
        verified.bytes,
        verified.sets,
        verified.events,
        verified.assigned_ids
    )];
    lines.extend(verified.faults.iter().take(MOST).map(|fault| format!("error: {fault}")));
    if verified.faults.len() > MOST {
        lines.push(format!("... and {} more errors", verified.faults.len() - MOST));
    }
    lines.push(match verified.faults.len() {
        0 => "no errors".to_owned(),
        1 => "1 error; ingest the events into a new store".to_owned(),
        more => format!("{more} errors; ingest the events into a new store"),
    });
    for line in lines {
        writeln!(out, "{line}").map_err(output_error)?;
    }
    out.flush().map_err(output_error)?;
    Ok(if verified.faults.is_empty() { Outcome::Done } else { Outcome::Failed })
}

fn compact(mut store: Store, sweep: bool) -> Result<Outcome> {
    let size = |store: &Store| -> u64 { store.sizes().iter().map(|(_, bytes)| bytes).sum() };
    let before = size(&store);
    let done = {
        let progress = Progress::new("compacting");
        store.compact(&|done, total| progress.at(done, total))?
    };
    match done {
        true => print_message(&format!(
            "compacted {before} bytes to {}; the store is at version {}",
            size(&store),
            store.version()
        )),
        false => print_message("nothing to compact"),
    }
    if sweep {
        let swept = store.vacuum(millis(SystemTime::now() - SAFE))?;
        print_message(&format!(
            "deleted {} files, {} bytes; older versions can no longer be read",
            swept.files, swept.bytes
        ));
        if swept.young > 0 {
            print_message(&format!(
                "kept {} unneeded files: a running ingest may be using files younger than {} hours",
                swept.young,
                SAFE.as_secs() / 3600
            ));
        }
    }
    Ok(Outcome::Done)
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).map(|since| since.as_millis());
    since.ok().and_then(|millis| i64::try_from(millis).ok()).unwrap_or(0)
}

fn export(store: &Store, output: &Path) -> Result<Outcome> {
    let (files, bytes) = store.export(output)?;
    print_message(&format!("{files} files, {bytes} bytes: {}", output.display()));
    Ok(Outcome::Done)
}
