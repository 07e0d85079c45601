//! The project's own Service Ping: built from its events, for [`pings`](crate::pings) of another
//! project to read.
//!
//! [`values`] says what is counted at each key path and over which days; [`OutgoingPing::build`] counts
//! it, with one pass over the events of the last weeks and one over all of them for counters that
//! never start anew. The users and windows are those of [`active`](crate::active).

mod passes;
mod sketches;
mod values;

use std::collections::BTreeMap;

use self::passes::in_passes;
use self::sketches::sketches;
use self::values::{PingValue, PingValues, Unit};
use crate::active::SpanCounts;
use crate::calendar::{Day, Window};
use crate::metric::Dictionary;
use crate::pings::IdentityValue;
use crate::project::Project;
use crate::scan::ScanSummary;
use crate::{Error, JobContext, Result};

pub use sketches::OutgoingSketches;

/// When a ping is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordedOn {
    /// On the last day of the newest complete month.
    #[default]
    NewestMonth,
    /// On the last day of the month of this day, which must be complete.
    Month(Day),
    /// On this day, with which the data end.
    Day(Day),
}

/// What a ping has.
#[derive(Clone, Copy, Debug, Default)]
pub struct PingOptions {
    /// When it is recorded.
    pub recorded_on: RecordedOn,
    /// Values of fewer users are left out.
    pub min_users: u64,
    /// Whether it has sketches.
    pub sketches: bool,
    /// Whether the store may be used.
    pub use_store: bool,
}

/// A ping.
#[derive(Debug)]
pub struct OutgoingPing {
    /// Who sends it.
    pub identity: Vec<(&'static str, IdentityValue)>,
    /// The day at whose end, in UTC, it is recorded.
    pub day: Day,
    /// Values by key path.
    pub values: BTreeMap<String, u64>,
    /// Sketches of the values that count users.
    pub sketches: Option<OutgoingSketches>,
    /// Number of values that were left out because of [`PingOptions::min_users`].
    pub suppressed: usize,
    /// Key paths of metrics that cannot be counted from events, by the reason.
    pub left_out: BTreeMap<String, Vec<String>>,
    /// Range of the data, and rejected rows.
    pub summary: ScanSummary,
    /// Messages for the user.
    pub notes: Vec<String>,
}

impl OutgoingPing {
    /// Builds a ping from the events of a project.
    ///
    /// # Errors
    /// When the project has no identity, the month is not complete, sketches are wanted and have no
    /// salt, the events cannot be read, or `job` ends it.
    pub fn build(
        project: &Project,
        dictionary: &Dictionary,
        options: &PingOptions,
        job: &JobContext<'_>,
    ) -> Result<Self> {
        let Some(installation) = &project.installation else {
            return Err(Error::input("the project does not say which installation it is").with(
                "help",
                "add `installation: {uuid: ..., hostname: ..., version: ..., edition: ...}` to \
                 headcount.yaml",
            ));
        };
        let salt = options.sketches.then(|| sketches::salt(project)).transpose()?;
        let day = match options.recorded_on {
            RecordedOn::Day(day) => day,
            RecordedOn::Month(day) => Window::Month.at(day).end,
            RecordedOn::NewestMonth => {
                let data = count(project, &Dictionary::default(), &[], options.use_store, job)?;
                let last = data.summary.last.ok_or_else(no_events)?;
                let first_of_month = Window::Month.at(project.zone.day_of(last)).start;
                first_of_month.plus(-1)
            }
        };
        let PingValues { values: wanted, dictionary: metrics, left_out } =
            PingValues::of(dictionary, day);
        let list: Vec<&PingValue> = wanted.values().collect();
        let SpanCounts { counts, summary, notes } =
            count(project, &metrics, &list, options.use_store, job)?;
        check_range(project, options.recorded_on, day, &summary)?;
        let is_public = |users: u64| users == 0 || users >= options.min_users;
        let public: Vec<bool> = counts.iter().map(|count| is_public(count.users)).collect();
        let values = wanted.iter().zip(&counts).map(|((key_path, value), count)| {
            let number = match value.unit {
                Unit::Users => count.users,
                Unit::Events => count.events,
            };
            (key_path.clone(), number)
        });
        let mut public_values = public.iter();
        let values: BTreeMap<String, u64> =
            values.filter(|_| public_values.next() == Some(&true)).collect();
        let of_users = wanted
            .iter()
            .filter(|(key_path, value)| value.unit == Unit::Users && values.contains_key(*key_path))
            .map(|(key_path, value)| (key_path.as_str(), value))
            .collect();
        let sketches = salt.map(|salt| sketches(project, &metrics, &of_users, &salt, job));
        Ok(Self {
            identity: installation.identity.clone(),
            day,
            sketches: sketches.transpose()?,
            suppressed: wanted.len() - values.len(),
            values,
            left_out,
            summary,
            notes,
        })
    }

    /// When it is recorded, as in its payload.
    pub fn recorded_at(&self) -> String {
        format!("{}T23:59:59Z", self.day)
    }
}

fn count(
    project: &Project,
    metrics: &Dictionary,
    values: &[&PingValue],
    use_store: bool,
    job: &JobContext<'_>,
) -> Result<SpanCounts> {
    let (mut summary, mut notes) = (ScanSummary::default(), Vec::new());
    let counts = in_passes(project, metrics, values, |spans| {
        // The last pass is the one over most events.
        let counted = spans.count(use_store, job)?;
        (summary, notes) = (counted.summary, counted.notes);
        Ok(counted.counts)
    })?;
    Ok(SpanCounts { counts, summary, notes })
}

/// The data must have begun on the day, and go on after a month that is to be complete.
fn check_range(
    project: &Project,
    recorded_on: RecordedOn,
    day: Day,
    summary: &ScanSummary,
) -> Result<()> {
    let (first, last) = summary.first.zip(summary.last).ok_or_else(no_events)?;
    let [first_day, last_day] = [first, last].map(|instant| project.zone.day_of(instant));
    if first_day > day {
        return Err(Error::input(format!("the events begin on {first_day}, after {day}")));
    }
    if recorded_on != RecordedOn::Day(day) && last < project.zone.end_of(day) {
        return Err(Error::input(format!(
            "the month is not complete: the newest event is of {last_day}"
        ))
        .with(
            "help",
            format!(
                "add events, name an earlier month, or say with `--as-of {last_day}` that the \
                     data end with a day"
            ),
        ));
    }
    Ok(())
}

fn no_events() -> Error {
    Error::input("the sources have no events")
}
