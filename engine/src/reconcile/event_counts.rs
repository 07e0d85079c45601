//! The users of every metric in the periods that are compared, from one scan of the events. All of them
//! have 28 days, so they are those of the window `trailing_28d` that end on certain days.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::saas_pings::SaasPing;
use crate::active::{Level, Question, Report, ReportRow, RowSink, TreeOf, answer_into};
use crate::calendar::{Day, Period, Window};
use crate::metric::Dictionary;
use crate::project::Project;
use crate::scan::{DEPLOYMENT, ScanSummary, Value};
use crate::{Error, JobContext, Result};

/// The deployment that is compared.
const SAAS: &str = "saas";

/// Users by metric and the last of their 28 days.
#[derive(Debug)]
pub(super) struct EventCounts {
    users: HashMap<(String, Day), u64>,
    /// First and last day of the data.
    days: Option<Period>,
    /// The last day that ended before the newest event.
    last_complete: Option<Day>,
    pub(super) notes: Vec<String>,
    pub(super) summary: ScanSummary,
}

impl EventCounts {
    /// Users of a metric in 28 days; `None` if the events end before them.
    pub(super) fn users(&self, metric: &str, days: Period) -> Option<i64> {
        let data = self.days.filter(|data| data.end >= days.end)?;
        let is_known = data.start <= days.end;
        let users = self.users.get(&(metric.to_owned(), days.end)).copied().unwrap_or(0);
        is_known.then(|| i64::try_from(users).ok()).flatten()
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

/// Counts the users for the pings of all months.
pub(super) fn event_counts(
    project: &Project,
    dictionary: &Dictionary,
    pings: &BTreeMap<Day, SaasPing<'_>>,
    job: &JobContext<'_>,
) -> Result<EventCounts> {
    let by = deployment(project)?;
    let ends = pings.iter().flat_map(|(month, ping)| {
        let windows = [Window::Last28dOfMonth.at(*month)];
        let of_ping = [Window::Iso4w, Window::Lagged28d].map(|window| window.at(ping.day));
        windows.into_iter().chain(of_ping).map(|period| period.end)
    });
    let ends: BTreeSet<Day> = ends.collect();
    let question = Question {
        window: Window::Trailing(28),
        levels: BTreeSet::from([Level::Action]),
        by,
        from: ends.first().copied(),
        to: ends.last().copied(),
        tree: TreeOf::Period,
        ..Question::default()
    };
    let mut wanted = WantedRows { ends, users: HashMap::new() };
    let answer = answer_into(project, dictionary, &question, job, true, &mut wanted)?;
    let zone = &project.zone;
    let day = |instant: Option<i64>| instant.map(|instant| zone.day_of(instant));
    let (first, last) = (day(answer.summary.first), day(answer.summary.last));
    let last_complete = answer.summary.last.zip(last).map(|(instant, day)| {
        // An event at the very end of a day would be the first of the next.
        if zone.end_of(day) <= instant { day } else { day.plus(-1) }
    });
    let mut notes = answer.notes;
    if zone.name() != "UTC" {
        notes.push(format!("pings count days in UTC, and events days in {}", zone.name()));
    }
    Ok(EventCounts {
        users: wanted.users,
        days: first.zip(last).map(|(first, last)| Period::new(first, last)),
        last_complete,
        notes,
        summary: answer.summary,
    })
}

/// What to group the events by: nothing, or the deployment if a source has one.
fn deployment(project: &Project) -> Result<Vec<String>> {
    let values: Vec<Value> =
        project.sources.iter().filter_map(|source| source.dimension(DEPLOYMENT)).collect();
    let may_be_saas = |value: &Value| match value {
        Value::Const(word) => word == SAAS,
        Value::Column(_) => true,
    };
    if values.is_empty() {
        return Ok(Vec::new());
    }
    if !values.iter().any(may_be_saas) {
        let message = "no source has events of the deployment `saas`";
        let help =
            "the pings of the SaaS installation can only be compared with events of its people";
        return Err(Error::input(message).with("help", help));
    }
    Ok(vec![DEPLOYMENT.to_owned()])
}

/// Keeps the rows that end on certain days, of the deployment that is compared.
struct WantedRows {
    ends: BTreeSet<Day>,
    users: HashMap<(String, Day), u64>,
}

impl RowSink for WantedRows {
    fn start(&mut self, _: &Report) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, row: ReportRow) -> Result<()> {
        let is_saas = row.by.first().is_none_or(|deployment| deployment.as_deref() == Some(SAAS));
        if let (true, Some(metric)) = (is_saas && self.ends.contains(&row.period.end), row.metric) {
            self.users.insert((metric, row.period.end), row.users);
        }
        Ok(())
    }
}
