//! Writes the files of a fleet.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::iter::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::history::History;
use super::installations::{SAAS_HOSTNAME, SAAS_UUID};
use super::model::Fleet;
use super::paths::{definitions, milestone};
use super::settings::{FleetSettings, Nonresponse};
use super::subscriptions;
use super::uploads::{Fault, MAX_DELAY, Outcome};
use super::weeks::file_time;
use crate::error::Result;
use crate::folder::Folder;
use crate::project::dictionary;

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetSummary {
    /// Number of uploads, of all outcomes.
    pub uploads: u64,
    /// Number of files of pings.
    pub files: usize,
    /// Their size together, in bytes.
    pub bytes: u64,
    /// The complete months, in order.
    pub months: Vec<FleetMonth>,
}

/// One month of a [`FleetSummary`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetMonth {
    /// Its first day, as in `2025-01-01`.
    pub period_start: String,
    /// Installations that exist.
    pub installations: u64,
    /// Those of which a ping counts.
    pub reporting: u64,
    /// Users of all installations.
    pub users: u64,
}

/// Makes a fleet in the folder `settings.out`: a project that works as it stands, with the true
/// numbers in `truth/`. Uses the threads of the current rayon pool.
///
/// `progress` gets the number of weeks of installations that were finished since the last call, and
/// the number of all of them, from any thread.
///
/// Memory: 2 KB for every installation and month, and one file of pings for every thread.
///
/// # Errors
/// When a setting is out of range, when the folder is not empty, and when a file cannot be written.
/// The folder then holds nothing of the new data set; what was there before is still there, unless
/// the error came while the finished parts were being put in place of the earlier ones.
pub fn generate_fleet(
    settings: &FleetSettings,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<FleetSummary> {
    settings.check()?;
    let folder = Folder::create(&settings.out, settings.overwrite)?;
    let fleet = Fleet::new(settings);
    folder.create_folder("pings/by-hand")?;
    let (files, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let write = |name: &str, content: &[u8]| {
        files.fetch_add(1, Ordering::Relaxed);
        bytes.fetch_add(content.len() as u64, Ordering::Relaxed);
        folder.write(name, content)
    };
    let arrivals = fleet.weeks.count + MAX_DELAY;
    let installations = u64::from(settings.installations);
    (0..arrivals).into_par_iter().try_for_each(|arrival| {
        fleet.write_arrivals(arrival, &write)?;
        progress(installations, installations * u64::from(arrivals));
        Result::Ok(())
    })?;
    let histories: Vec<History> =
        fleet.installations.par_iter().map(|installation| fleet.history(installation)).collect();
    let summary = FleetSummary {
        uploads: histories.iter().flat_map(|history| history.uploads.values()).sum(),
        files: files.into_inner(),
        bytes: bytes.into_inner(),
        months: fleet.months(&histories),
    };
    fleet.write_truth(&histories, &folder)?;
    for (name, text) in fleet.texts(settings, &summary) {
        folder.write(&name, text)?;
    }
    folder.finish()?;
    Ok(summary)
}

impl Fleet {
    /// Writes the uploads that arrive in a week: one file for all, and one for each of those that are
    /// uploaded by hand or are empty.
    fn write_arrivals(
        &self,
        arrival: u32,
        write: &dyn Fn(&str, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let time = file_time(self.weeks.end(arrival));
        let mut lines = Vec::new();
        for week in arrival.saturating_sub(MAX_DELAY)..=arrival {
            for installation in &self.installations {
                let uploads = self.uploads(installation, week).into_iter().enumerate();
                for (nth, upload) in uploads.filter(|(_, upload)| upload.arrival == arrival) {
                    let is_empty = upload.outcome == Outcome::Refused(Fault::Empty);
                    if installation.by_hand || is_empty {
                        let mut document = Vec::new();
                        self.document(installation, week, &upload, &mut document);
                        let number = installation.number;
                        let name = format!("pings/by-hand/{time}-{number:05}-{week:03}-{nth}.json");
                        write(&name, &document)?;
                    } else {
                        self.document(installation, week, &upload, &mut lines);
                        lines.push(b'\n');
                    }
                }
            }
        }
        // An empty file would be an upload.
        if lines.is_empty() { Ok(()) } else { write(&format!("pings/{time}.ndjson"), &lines) }
    }

    fn months(&self, histories: &[History]) -> Vec<FleetMonth> {
        let month = |at| {
            let period_start = self.weeks.month_name(at);
            FleetMonth { period_start, ..FleetMonth::default() }
        };
        let mut months: Vec<FleetMonth> = (0..self.weeks.months()).map(month).collect();
        for of in histories.iter().flat_map(|history| &history.true_months) {
            let month = &mut months[of.month];
            month.installations += 1;
            month.reporting += u64::from(of.pings > 0);
            month.users += of.users;
        }
        months
    }

    /// Path and text of the small files.
    fn texts(&self, settings: &FleetSettings, summary: &FleetSummary) -> Vec<(String, String)> {
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        texts.extend(dictionary(&|metric| milestone(metric, &self.paths)));
        let mut add = |name: &str, text| texts.insert(name.to_owned(), text);
        add("dictionary/metrics/counters.yml", definitions());
        let Self { billing, subscriptions, installations, weeks, .. } = self;
        add("subscriptions.csv", subscriptions::csv(billing, subscriptions, installations, weeks));
        add("releases.csv", self.releases.csv());
        add("headcount.yaml", headcount());
        add("README.md", readme(settings, summary));
        texts.into_iter().collect()
    }
}

fn headcount() -> String {
    format!(
        "\
time_zone: UTC
dictionary: dictionary
store: store
sources:
  - {{name: fleet, format: service_ping, files: pings}}
pings:
  saas: {{uuid: {SAAS_UUID}, hostname: {SAAS_HOSTNAME}, counted_from: pings}}
  dedicated_hosts: [\"*.gitlab-dedicated.com\"]
  subscriptions: subscriptions.csv
  releases: releases.csv
"
    )
}

fn readme(settings: &FleetSettings, summary: &FleetSummary) -> String {
    let mut months = String::new();
    for month in &summary.months {
        let FleetMonth { period_start, installations, reporting, users } = month;
        // Writing to a string does not fail.
        let _ = writeln!(months, "| {period_start} | {installations} | {reporting} | {users} |");
    }
    format!(
        "\
# A synthetic fleet of installations with known numbers

{uploads} uploads of weekly pings of {installations} installations, in {count} complete months from {name}
and the first days of the month after them. All data is synthetic.

The same settings give the same bytes. Generated by

```
{command}
```

| file | content |
|---|---|
| `pings/*.ndjson` | the pings that arrived in a week, one on each line |
| `pings/by-hand/*.json` | pings that were uploaded alone |
| `subscriptions.csv`, `releases.csv` | what billing knows of subscriptions, and the releases |
| `dictionary/` | stages, events and metrics |
| `truth/truth.csv`, `truth/truth.parquet` | the true number by month, key path, edition and deployment, of all installations, whether or not they send pings |
| `truth/installations.csv` | the true number of users of each installation and month, and how many of its pings count |
| `truth/recorded.csv`, `truth/estimates.csv` | what is to be recorded and estimated from the files, as in `ping_recorded` and `ping_estimates` |
| `truth/uploads.csv` | how many uploads are accepted, superseded and refused |

The true number of a metric of `28d` is the one that the last ping of the month has, or would have had; that of a
counter is its increase since the last ping of the month before.

| month | installations | of which report | users |
|---|---|---|---|
{months}",
        uploads = summary.uploads,
        installations = settings.installations,
        count = settings.months,
        name = settings.first_month().name(),
        command = command(settings),
    )
}

/// The command that makes the fleet. Settings at their defaults are left out.
fn command(settings: &FleetSettings) -> String {
    let mut command = format!(
        "headcount generate --installations {} --months {} --seed {}",
        settings.installations, settings.months, settings.seed
    );
    let defaults = FleetSettings::new("");
    if settings.start != defaults.start {
        command += &format!(" --start {}", settings.first_month().name());
    }
    if settings.keys != defaults.keys {
        command += &format!(" --keys {}", settings.keys);
    }
    if settings.nonresponse != Nonresponse::default() {
        command += &format!(" --nonresponse {}", settings.nonresponse);
    }
    command + " -o DIR"
}
