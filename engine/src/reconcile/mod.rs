//! Compares the numbers of events with those of pings where both describe the same people: those of the
//! SaaS installation.
//!
//! | step | module | is |
//! |---|---|---|
//! | pings | `saas_pings` | the last ping of each month, and the 28 days that it counts |
//! | events | `event_counts` | users of each metric in the last 28 days of the month, and in those of the ping |
//! | causes | `cause` | why the two differ, or cannot be compared |

mod cause;
mod comparison;
mod event_counts;
mod saas_pings;

use std::collections::BTreeMap;

use self::event_counts::{EventCounts, event_counts};
use self::saas_pings::{SaasPing, saas_pings};
use crate::calendar::{Day, Window};
use crate::metric::{Dictionary, TimeFrame};
use crate::pings::{Inputs, MetricPath, MetricPaths, PingTables, Refused, month_window};
use crate::project::Project;
use crate::scan::ScanSummary;
use crate::{Error, JobContext, Result};

use self::cause::cause;

pub use comparison::{Cause, Comparison};

/// The months and metrics to compare.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// A day of the first month; the first that has a ping if `None`.
    pub from: Option<Day>,
    /// A day of the last month.
    pub to: Option<Day>,
    /// Metrics of the dictionary or key paths of pings; all if it is empty.
    pub metrics: Vec<String>,
}

/// The comparisons by month and metric, and what a reader needs to trust them.
#[derive(Debug)]
pub struct Reconciliation {
    /// One for each month and metric that is in the ping, or counted from events.
    pub comparisons: Vec<Comparison>,
    /// Messages for the user.
    pub notes: Vec<String>,
    /// What was not counted of the events.
    pub summary: ScanSummary,
    /// Refused uploads of pings.
    pub refused: Refused,
}

/// Compares events and pings of a project.
///
/// # Errors
/// When there is nothing to compare, files cannot be read, or `job` ends it.
pub fn reconcile(
    project: &Project,
    dictionary: &Dictionary,
    selection: &Selection,
    job: &JobContext<'_>,
) -> Result<Reconciliation> {
    let has = |sources: usize, what: &str, other: &str| match sources {
        0 => {
            Err(Error::input(format!("the project has no {what}, so there is nothing to compare"))
                .with("help", format!("add a source of {what} for the people of the {other}")))
        }
        _ => Ok(()),
    };
    has(project.ping_sources.len(), "pings", "events")?;
    has(project.sources.len(), "events", "pings")?;
    let metrics = metrics(dictionary, &selection.metrics)?;
    let Project { root, ping_sources, pings: settings, store, .. } = project;
    let inputs = Inputs::find(root, ping_sources, settings, Some(store))?;
    let key_paths = MetricPaths::key_paths(dictionary);
    let tables = PingTables::load(settings, dictionary, &inputs, Some(&key_paths), job)?;
    let (first, last) = (selection.from.map(month_of), selection.to.map(month_of));
    let is_in_range = |month: &Day| {
        first.is_none_or(|first| first <= *month) && last.is_none_or(|last| *month <= last)
    };
    let mut pings = saas_pings(&tables, settings)?;
    let all: Vec<Day> = pings.keys().copied().collect();
    pings.retain(|month, _| is_in_range(month));
    if pings.is_empty() {
        let message = "the SaaS installation has no ping in these months";
        return Err(Error::input(message).with("help", format!("it has pings in {}", list(&all))));
    }
    let indexes = metrics.values().copied();
    let counts = event_counts(project, dictionary, indexes, &pings, job)?;
    let compared = Compared { dictionary, counts: &counts, tables: &tables };
    let without_events: Vec<Day> =
        pings.keys().filter(|month| !counts.overlap(Window::Month.at(**month))).copied().collect();
    pings.retain(|month, _| !without_events.contains(month));
    let mut notes = counts.notes.clone();
    if pings.is_empty() {
        return Err(Error::input("no month has both events and a ping of the SaaS installation")
            .with("help", format!("{}; the pings are of {}", counts.range(), list(&all))));
    }
    if !without_events.is_empty() {
        notes.push(format!("not compared, because there are no events: {}", list(&without_events)));
    }
    let without_ping = counts.months().into_iter().filter(|month| is_in_range(month));
    let without_ping: Vec<Day> = without_ping.filter(|month| !pings.contains_key(month)).collect();
    if !without_ping.is_empty() {
        notes.push(format!("not compared, because there is no ping: {}", list(&without_ping)));
    }
    let mut comparisons = Vec::new();
    for (month, ping) in &pings {
        for (key_path, metric) in &metrics {
            comparisons.extend(compared.comparison(*month, ping, key_path, *metric));
        }
    }
    job.reserve(comparisons.len() * size_of::<Comparison>())?;
    if comparisons.is_empty() {
        return Err(Error::input("no metric is in the pings or counted from events").with(
            "help",
            "define metrics with `events`, and with the key path that pings have for them",
        ));
    }
    let refused = tables.collection.refused();
    Ok(Reconciliation { comparisons, notes, summary: counts.summary, refused })
}

/// The indexes of metrics by their path in pings. Of two with one path the first counts.
fn metrics(dictionary: &Dictionary, selected: &[String]) -> Result<BTreeMap<String, usize>> {
    let selected = selected.iter().map(|name| MetricPath::find(dictionary, name));
    let selected: Vec<MetricPath> = selected.collect::<Result<_>>()?;
    let mut metrics = BTreeMap::new();
    for (index, metric) in dictionary.metrics.iter().enumerate() {
        let monthly = MetricPath::monthly(metric);
        // Counters over all time are not users of 28 days.
        let Some(path) = monthly.filter(|path| path.time_frame == TimeFrame::Month) else {
            continue;
        };
        if selected.is_empty() || selected.contains(&path) {
            metrics.entry(path.key_path).or_insert(index);
        }
    }
    match metrics.is_empty() {
        true => Err(Error::input("no metric counts users of 28 days")
            .with("help", "only metrics with a `time_frame` of 28d are compared")),
        false => Ok(metrics),
    }
}

/// What is compared.
struct Compared<'a> {
    dictionary: &'a Dictionary,
    counts: &'a EventCounts,
    tables: &'a PingTables,
}

impl Compared<'_> {
    /// A metric in a month; `None` if it is neither in the ping nor counted from events.
    fn comparison(
        &self,
        month: Day,
        ping: &SaasPing<'_>,
        key_path: &str,
        index: usize,
    ) -> Option<Comparison> {
        let metric = &self.dictionary.metrics[index];
        let ping_window = month_window(metric.data_source.as_deref());
        let (days, ping_days) = (Window::Last28dOfMonth.at(month), ping_window.at(ping.day));
        let is_counted = metric.counted().is_ok() && metric.valid.contains(days.end);
        let in_days = |days| is_counted.then(|| self.counts.users(index, days)).flatten();
        let sent = ping.sent.get(key_path).copied();
        if !is_counted && sent.is_none() {
            return None;
        }
        let comparison = Comparison {
            month,
            key_path: key_path.to_owned(),
            days,
            complete: self.counts.is_complete(days.end),
            events: in_days(days),
            recorded_at: ping.ping.recorded_at,
            version: ping.ping.version.clone(),
            major_minor: ping.ping.major_minor(),
            pings: sent.and_then(|(_, value)| value),
            ping_window,
            ping_days,
            events_in_ping_days: in_days(ping_days),
            cause: Cause::Equal,
            explanation: String::new(),
        };
        let (cause, explanation) = cause(&comparison, metric, sent, self.counts, self.tables);
        Some(Comparison { cause, explanation, ..comparison })
    }
}

/// The first day of the month of a day.
fn month_of(day: Day) -> Day {
    Window::Month.at(day).start
}

/// Months as text: runs by their first and last, such as 2026-01 to 2026-03.
fn list(months: &[Day]) -> String {
    let name = |month: Day| {
        let (year, month, _) = month.ymd();
        format!("{year:04}-{month:02}")
    };
    let mut runs: Vec<(Day, Day)> = Vec::new();
    for month in months {
        match runs.last_mut() {
            Some((_, last)) if Window::Month.at(*last).end.plus(1) == *month => *last = *month,
            _ => runs.push((*month, *month)),
        }
    }
    let run = |(first, last): (Day, Day)| match first == last {
        true => name(first),
        false => format!("{} to {}", name(first), name(last)),
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(", ")
}
