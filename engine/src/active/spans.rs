//! Counts metrics over days of their own, where the metrics of one result have different windows.

use std::collections::BTreeMap;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::cell_index::CellIndex;
use super::count::{counted_events, dimensions, rollup};
use super::top::Labels;
use crate::calendar::{Day, Period};
use crate::metric::Dictionary;
use crate::project::Project;
use crate::rollup::{CellUsers, Counting, Rollup, UserDirectory};
use crate::scan::{Reason, Request, ScanSummary, TimeGrain};
use crate::users::{DEFAULT_PRECISION, Salt, Sketch};
use crate::{Error, JobContext, Result};

/// Indexes of metrics that are united, and the days. These must be whole buckets of the grain, except
/// that all spans may end on the same day within a bucket.
pub type Span = (Vec<usize>, Period);

/// Unions of metrics to be counted.
#[derive(Debug)]
pub struct Spans<'a> {
    /// The project whose events are counted.
    pub project: &'a Project,
    /// The metrics; those that are not [`counted`](crate::metric::Metric::counted) have no users.
    pub dictionary: &'a Dictionary,
    /// The unions.
    pub spans: Vec<Span>,
    /// The grain of time.
    pub grain: TimeGrain,
}

/// What a span has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanCount {
    /// Users of any of the metrics.
    pub users: u64,
    /// Events of any rule of the metrics.
    pub events: u64,
}

/// The counts of all spans.
#[derive(Debug)]
pub struct SpanCounts {
    /// In the order of the spans.
    pub counts: Vec<SpanCount>,
    /// Range of the data, and rejected rows.
    pub summary: ScanSummary,
    /// Messages for the user.
    pub notes: Vec<String>,
}

/// Sketches of all spans.
#[derive(Debug)]
pub struct SpanSketches {
    /// In the order of the spans.
    pub sketches: Vec<Sketch>,
    /// Rows without a user.
    pub without_user: u64,
}

impl Spans<'_> {
    /// Counts exactly, with one pass over the events or the store.
    ///
    /// # Errors
    /// When the events cannot be read, or `job` ends it.
    pub fn count(&self, use_store: bool, job: &JobContext<'_>) -> Result<SpanCounts> {
        let (cells, dimensions, notes) = self.cells(use_store, job)?;
        let index = self.index(&cells, &dimensions, job)?;
        let expr = |(metrics, days): &Span| index.expr(0, *days, &Some(metrics.clone()));
        let users = cells.count(self.spans.iter().map(expr).collect())?;
        let counts = self.spans.iter().zip(users).map(|((metrics, days), users)| {
            let own = index.plain(&index.combos[0].1, *days, &Some(metrics.clone()));
            let events = own.iter().map(|cell| cells.events[*cell as usize]).sum();
            SpanCount { users: users.users, events }
        });
        Ok(SpanCounts { counts: counts.collect(), notes, summary: cells.summary })
    }

    /// Makes sketches of the users, by their salted hashes, with one pass over the events.
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub fn sketch(&self, salt: &Salt, job: &JobContext<'_>) -> Result<SpanSketches> {
        let (cells, dimensions, _) = self.cells(false, job)?;
        let index = self.index(&cells, &dimensions, job)?;
        let CellUsers::Exact(sets) = &cells.users else {
            return Err(Error::internal("sketches of users need exact sets"));
        };
        let count = cells.cells.len() as u32;
        let users = UserDirectory::hashed(sets, count, |_, key| salt.hash(key))?;
        let sketch = |(metrics, days): &Span| {
            let mut sketch = Sketch::new(DEFAULT_PRECISION)?;
            for user in users.members(&index.expr(0, *days, &Some(metrics.clone())))? {
                sketch.insert(user.hash);
            }
            Ok(sketch)
        };
        let sketches: Result<Vec<Sketch>> = (&self.spans).into_par_iter().map(sketch).collect();
        let rejects = cells.summary.rejects.iter();
        let without = rejects.filter(|(_, reason, _)| *reason == Reason::UserMissing);
        let without_user = without.map(|(_, _, rows)| rows.rows).sum();
        Ok(SpanSketches { sketches: sketches?, without_user })
    }

    /// The cells of all spans, with their dimensions, and notes.
    fn cells(
        &self,
        use_store: bool,
        job: &JobContext<'_>,
    ) -> Result<(Rollup, Vec<String>, Vec<String>)> {
        let mut notes = Vec::new();
        let zone = &self.project.zone;
        let dimensions = dimensions(self.project, self.dictionary, &[], &mut notes);
        let counted: BTreeMap<String, String> = counted_events(self.dictionary)
            .into_iter()
            .map(|event| (event.clone(), event))
            .collect();
        let counted = self.dictionary.with_aliases(counted);
        let days = || self.spans.iter().map(|(_, days)| *days);
        let first = days().map(|days| days.start).min();
        let last = days().map(|days| days.end).max();
        let range = match (first, last) {
            (Some(Day::MIN), Some(last)) => i64::MIN..zone.end_of(last),
            (Some(first), Some(last)) => zone.start_of(first)..zone.end_of(last),
            // Only the range of the data is of interest.
            _ => i64::MAX..i64::MAX,
        };
        let request = Request {
            zone,
            grain: self.grain,
            range,
            bound: self.project.no_events_after.map(|day| zone.end_of(day)),
            counted: Some(&counted),
            job,
        };
        let (project, counting) = (self.project, Counting::Exact);
        let cells = rollup(project, &dimensions, &request, counting, use_store, &mut notes)?;
        Ok((cells, dimensions, notes))
    }

    fn index<'a>(
        &'a self,
        cells: &'a Rollup,
        dimensions: &[String],
        job: &JobContext<'_>,
    ) -> Result<CellIndex<'a>> {
        CellIndex::new(self.dictionary, cells, dimensions, 0, &Labels::All, job)
    }
}
