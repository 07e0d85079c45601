//! The users of every metric in the days that are compared, from one pass over the events or the store.

use std::collections::{BTreeMap, HashMap};

use super::saas_pings::SaasPing;
use crate::active::{Span, Spans};
use crate::calendar::{Day, Period, Window};
use crate::metric::Dictionary;
use crate::pings::month_window;
use crate::project::Project;
use crate::scan::{DEPLOYMENT, ScanSummary, TimeGrain, Value};
use crate::{Error, JobContext, Result};

/// The deployment that is compared.
const SAAS: &str = "saas";

/// Users by the index of the metric and the days.
#[derive(Debug)]
pub(super) struct EventCounts {
    users: HashMap<(usize, Period), i64>,
    /// First and last day of the data.
    days: Option<Period>,
    /// The last day that ended before the newest event.
    last_complete: Option<Day>,
    pub(super) notes: Vec<String>,
    pub(super) summary: ScanSummary,
}

impl EventCounts {
    /// Users of a metric in some days; `None` if it is not counted, or the data have none of the days.
    pub(super) fn users(&self, metric: usize, days: Period) -> Option<i64> {
        self.users.get(&(metric, days)).copied().filter(|_| self.overlap(days))
    }

    /// Whether the events reach past a day.
    pub(super) fn is_complete(&self, day: Day) -> bool {
        self.last_complete.is_some_and(|last| day <= last)
    }

    /// Whether some days are days of the data.
    pub(super) fn overlap(&self, days: Period) -> bool {
        self.days.is_some_and(|data| data.start <= days.end && days.start <= data.end)
    }

    /// The months of the data.
    pub(super) fn months(&self) -> Vec<Day> {
        let months = self.days.map(|data| Window::Month.periods(data)).unwrap_or_default();
        months.into_iter().map(|month| month.start).collect()
    }

    /// Why some of these days may be missing in the data.
    pub(super) fn gap(&self, days: Period) -> Option<String> {
        let data = self.days?;
        if data.start > days.start {
            return Some(format!("the events begin on {}", data.start));
        }
        (!self.is_complete(days.end)).then(|| format!("the events end on {}", data.end))
    }

    /// The range of the data, as text.
    pub(super) fn range(&self) -> String {
        match self.days {
            Some(days) => format!("the events are of {} to {}", days.start, days.end),
            None => "there are no events".to_owned(),
        }
    }
}

/// Counts the users of metrics, by their indexes in the dictionary, for the pings of all months.
pub(super) fn event_counts(
    project: &Project,
    dictionary: &Dictionary,
    metrics: impl Iterator<Item = usize>,
    pings: &BTreeMap<Day, SaasPing<'_>>,
    job: &JobContext<'_>,
) -> Result<EventCounts> {
    let dictionary = &of_saas(project, dictionary)?;
    let mut spans: Vec<Span> = Vec::new();
    for index in metrics.filter(|index| dictionary.metrics[*index].counted().is_ok()) {
        let window = month_window(dictionary.metrics[index].data_source.as_deref());
        for (month, ping) in pings {
            let days = [Window::Last28dOfMonth.at(*month), window.at(ping.day)];
            spans.extend(days.map(|days| (vec![index], days)));
        }
    }
    let spans = Spans { project, dictionary, spans, grain: TimeGrain::of(Window::Day) };
    let counted = spans.count(true, job)?;
    let counts = spans.spans.iter().zip(&counted.counts);
    let users = counts.map(|((metric, days), count)| ((metric[0], *days), count.users as i64));
    let zone = &project.zone;
    let day = |instant: Option<i64>| instant.map(|instant| zone.day_of(instant));
    let (first, last) = (day(counted.summary.first), day(counted.summary.last));
    let mut notes = counted.notes;
    if zone.name() != "UTC" {
        notes.push(format!("pings count days in UTC, and events days in {}", zone.name()));
    }
    Ok(EventCounts {
        users: users.collect(),
        days: first.zip(last).map(|(first, last)| Period::new(first, last)),
        last_complete: last.map(|day| day.plus(-1)),
        notes,
        summary: counted.summary,
    })
}

/// The dictionary with metrics that only count events of the SaaS installation: of the deployment `saas`,
/// or all if no source has deployments.
fn of_saas(project: &Project, dictionary: &Dictionary) -> Result<Dictionary> {
    let values: Vec<&Value> =
        project.sources.iter().filter_map(|source| source.dimension(DEPLOYMENT)).collect();
    let may_be_saas = |value: &&Value| match value {
        Value::Const(word) => word == SAAS,
        Value::Column(_) | Value::Sql(_) | Value::AnyTime => true,
    };
    if !values.is_empty() && !values.iter().any(may_be_saas) {
        let message = "no source has events of the deployment `saas`";
        let help = "pings of the SaaS installation can only be compared with events of its people";
        return Err(Error::input(message).with("help", help));
    }
    let mut dictionary = dictionary.clone();
    if !values.is_empty() {
        for rule in dictionary.metrics.iter_mut().flat_map(|metric| &mut metric.rules) {
            rule.filter.push((DEPLOYMENT.to_owned(), vec![SAAS.to_owned()]));
        }
    }
    Ok(dictionary)
}
