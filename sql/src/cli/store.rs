//! `headcount store`: shows, verifies, compacts and exports the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufWriter, Write, stdout};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::calendar::{Day, Zone};
use engine::project::Project;
use engine::rollup::changed_files;
use engine::storage::Digest;
use engine::store::{DataReader, Entry, Fault, Lock, RowKeys, Store};
use engine::{Error, Result};
use indicatif::DecimalBytes;

use super::args;
use super::messages::{Outcome, output_error, print_message};
use super::progress::Progress;
use crate::output::text::format_number;

/// Longest list of faults; the rest is counted.
const MOST: usize = 20;
/// A source with more months than this is shown by year.
const MOST_MONTHS: usize = 24;
/// How old a file in an object store must be before a sweep deletes it: longer than an ingest or a
/// compaction takes from its first file to its commit.
const SAFE: Duration = Duration::from_hours(24);

pub(super) fn run(root: &Path, command: &args::Store) -> Result<Outcome> {
    let project = Project::load(root)?;
    let version = match command {
        args::Store::Info { version, .. } | args::Store::Verify { version, .. } => *version,
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
        args::Store::Info { verbose, .. } => info(&store, *verbose),
        args::Store::Verify { events, .. } => verify(&store, events.then_some(&project)),
        args::Store::Compact { sweep, .. } => compact(store, *sweep),
        args::Store::Export { output, .. } => export(&store, output),
    }
}

/// What one source did in some time.
#[derive(Default)]
struct Activity {
    days: BTreeSet<i32>,
    sets: u64,
    events: u64,
}

impl Activity {
    fn add(&mut self, other: Self) {
        self.days.extend(other.days);
        self.sets += other.sets;
        self.events += other.events;
    }
}

/// By source, year and month.
type Months<T> = BTreeMap<(String, i32, u8), T>;

/// By source, year and month, or all months of the year.
type MonthsOrYears<T> = BTreeMap<(String, i32, Option<u8>), T>;

/// The months of a source, or its years if it has many months.
fn by_year_if_many<T: Default>(months: Months<T>, add: fn(&mut T, T)) -> MonthsOrYears<T> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (source, ..) in months.keys() {
        *counts.entry(source.clone()).or_default() += 1;
    }
    let mut folded = MonthsOrYears::new();
    for ((source, year, month), own) in months {
        let month = (counts[&source] <= MOST_MONTHS).then_some(month);
        add(folded.entry((source, year, month)).or_default(), own);
    }
    folded
}

fn all_months<T>(months: Months<T>) -> MonthsOrYears<T> {
    months
        .into_iter()
        .map(|((source, year, month), own)| ((source, year, Some(month)), own))
        .collect()
}

/// `2026-01`, or `2026`.
fn month_or_year(year: i32, month: Option<u8>) -> String {
    match month {
        Some(month) => format!("{year:04}-{month:02}"),
        None => format!("{year:04}"),
    }
}

/// What stands above months.
fn heading<T>(months: &MonthsOrYears<T>) -> &'static str {
    if months.keys().any(|(_, _, month)| month.is_none()) { "year" } else { "month" }
}

fn info(store: &Store, verbose: bool) -> Result<Outcome> {
    let mut months: Months<Activity> = BTreeMap::new();
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
    let pings = ping_months(store)?;
    let (months, pings) = match verbose {
        true => (all_months(months), all_months(pings)),
        false => {
            (by_year_if_many(months, Activity::add), by_year_if_many(pings, |sum, own| *sum += own))
        }
    };
    let mut out = BufWriter::new(stdout().lock());
    print_summary(&mut out, store, &months)
        .and_then(|()| print_pings(&mut out, &pings))
        .and_then(|()| out.flush())
        .map_err(output_error)?;
    let unused = store.unused()?;
    if !unused.is_empty() {
        let bytes: u64 = unused.iter().map(|(_, item)| item.size).sum();
        print_message(&format!(
            "{} files ({}) belong to older versions or to interrupted ingests; \
             `headcount store compact --sweep` deletes them",
            format_number(unused.len() as u64),
            DecimalBytes(bytes)
        ));
    }
    Ok(Outcome::Done)
}

/// Uploads of pings that were not refused, by source, year and month in which they were recorded.
fn ping_months(store: &Store) -> Result<Months<u64>> {
    let sources: HashMap<Digest, &str> =
        store.ping_ledger().iter().map(|entry| (entry.digest, entry.source.as_str())).collect();
    let mut months = BTreeMap::new();
    store.each_ping_upload(|upload| {
        if let Ok(header) = upload.outcome {
            let source = sources.get(&upload.file).copied().unwrap_or_default().to_owned();
            let (year, month, _) = Zone::utc().day_of(header.recorded_at).ymd();
            *months.entry((source, year, month)).or_default() += 1;
        }
        Ok(())
    })?;
    Ok(months)
}

fn print_pings(out: &mut impl Write, months: &MonthsOrYears<u64>) -> std::io::Result<()> {
    if months.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "{:>8} {:>14}  source", heading(months), "pings")?;
    for ((source, year, month), pings) in months {
        let (month, pings) = (month_or_year(*year, *month), format_number(*pings));
        writeln!(out, "{month:>8} {pings:>14}  {source}")?;
    }
    Ok(())
}

fn print_summary(
    out: &mut impl Write,
    store: &Store,
    months: &MonthsOrYears<Activity>,
) -> std::io::Result<()> {
    let dimensions = match store.dimensions() {
        [] => "none".to_owned(),
        some => some.join(", "),
    };
    let sum = |entries: &[Entry], of: fn(&Entry) -> u64| {
        format_number(entries.iter().map(of).sum::<u64>())
    };
    writeln!(out, "store:      {}", store.storage())?;
    writeln!(out, "version:    {}", store.version())?;
    writeln!(out, "dimensions: {dimensions}")?;
    for (table, bytes) in store.sizes() {
        writeln!(out, "{:<11} {}", format!("{table}:"), DecimalBytes(bytes))?;
    }
    writeln!(out, "users:      {} with an assigned id", format_number(store.assigned_ids()))?;
    let files = store.ledger().len() + store.ping_ledger().len();
    writeln!(out, "ingested:   {} files", format_number(files as u64))?;
    let (events, rejected) =
        (sum(store.ledger(), |entry| entry.events), sum(store.ledger(), Entry::rejected));
    writeln!(out, "events:     {events}, and {rejected} rejected")?;
    if !store.ping_ledger().is_empty() {
        let pings = sum(store.ping_ledger(), |entry| entry.events);
        let refused = sum(store.ping_ledger(), |entry| entry.refused);
        writeln!(out, "pings:      {pings}, and {refused} refused")?;
    }
    if months.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "{:>8} {:>5} {:>11} {:>14}  source", heading(months), "days", "sets", "events")?;
    for ((source, year, month), of) in months {
        let month = month_or_year(*year, *month);
        let (days, sets, events) =
            (of.days.len(), format_number(of.sets), format_number(of.events));
        writeln!(out, "{month:>8} {days:>5} {sets:>11} {events:>14}  {source}")?;
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
        verified.faults.extend(changed_files(project, store)?.into_iter().map(|file| Fault {
            file: Some(file),
            what: "this file has changed since it was ingested".to_owned(),
        }));
    }
    let mut out = BufWriter::new(stdout().lock());
    let pings = match verified.uploads {
        0 => String::new(),
        uploads => format!(", {uploads} uploads of pings, {} values", verified.values),
    };
    let mut lines = vec![format!(
        "version {}: {} files, {}, {} sets, {} events, {} users with an assigned id{pings}",
        store.version(),
        format_number(verified.files),
        DecimalBytes(verified.bytes),
        format_number(verified.sets),
        format_number(verified.events),
        format_number(verified.assigned_ids)
    )];
    lines.extend(verified.faults.iter().take(MOST).map(|fault| format!("error: {fault}")));
    if verified.faults.len() > MOST {
        lines.push(format!("... and {} more errors", verified.faults.len() - MOST));
    }
    lines.push(match verified.faults.len() {
        0 => "no errors".to_owned(),
        1 => "1 error; ingest the files into a new store".to_owned(),
        more => format!("{more} errors; ingest the files into a new store"),
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
            "compacted {} to {}; the store is at version {}",
            DecimalBytes(before),
            DecimalBytes(size(&store)),
            store.version()
        )),
        false => print_message("nothing to compact"),
    }
    if sweep {
        let swept = store.vacuum(millis(SystemTime::now() - SAFE))?;
        print_message(&format!(
            "deleted {} files, {}; older versions can no longer be read",
            swept.files,
            DecimalBytes(swept.bytes)
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
    print_message(&format!("{files} files, {}: {}", DecimalBytes(bytes), output.display()));
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::{MOST_MONTHS, Months, by_year_if_many, heading, month_or_year};

    #[test]
    fn many_months_are_shown_by_year() {
        let months = |source: &str, count: usize| -> Months<u64> {
            let month = |at: usize| {
                ((source.to_owned(), 2020 + (at / 12) as i32, (at % 12) as u8 + 1), at as u64)
            };
            (0..count).map(month).collect()
        };
        let add = |sum: &mut u64, own| *sum += own;
        let few = by_year_if_many(months("a", MOST_MONTHS), add);
        assert_eq!((few.len(), heading(&few)), (MOST_MONTHS, "month"));
        let mut both = months("a", 3);
        both.extend(months("b", MOST_MONTHS + 1));
        let folded = by_year_if_many(both, add);
        let lines: Vec<String> = folded
            .iter()
            .map(|((source, year, month), sum)| {
                format!("{source} {} {sum}", month_or_year(*year, *month))
            })
            .collect();
        let years = ["b 2020 66", "b 2021 210", "b 2022 24"];
        assert_eq!(lines, [["a 2020-01 0", "a 2020-02 1", "a 2020-03 2"], years].concat());
        assert_eq!(heading(&folded), "year");
    }
}
