//! What the data holds and the dictionary says, side by side: for `headcount check` and
//! `headcount docs`.

use std::collections::{BTreeMap, BTreeSet};

use super::count::{counted_events, dimensions};
use super::nodes::selections;
use crate::calendar::Window;
use crate::metric::{DataSpan, Dictionary};
use crate::project::Project;
use crate::rollup::{Counting, FromStore, Rollup};
use crate::scan::{Request, Scan, ScanSummary, TimeGrain};
use crate::users::PRECISIONS;
use crate::{JobContext, Result};

/// What a look through all the data found.
#[derive(Debug)]
pub struct Survey {
    /// Dimensions that counted metrics filter by.
    pub dimensions: Vec<String>,
    /// Events that are counted, by the event's name.
    pub events: BTreeMap<String, DataSpan>,
    /// Events whose names are not in the dictionary: not counted.
    pub unknown: BTreeMap<String, u64>,
    /// Known events that no counted metric selects, by name and values in the order of
    /// `dimensions`: they are in the total only.
    pub unmapped: BTreeMap<(String, Vec<Option<String>>), u64>,
    /// For each metric of the dictionary the events that any of its rules selects, also if its users
    /// are not counted.
    pub metrics: Vec<Option<DataSpan>>,
    /// Range of the data, and rejected rows.
    pub summary: ScanSummary,
    /// Metrics whose filters name a dimension that no source has.
    pub notes: Vec<String>,
}

/// Reads all events once and holds them against the dictionary. With `use_store` only those are
/// read that the store does not have.
///
/// # Errors
/// When the events cannot be read, or the store is broken.
pub fn survey(
    project: &Project,
    dictionary: &Dictionary,
    job: &JobContext<'_>,
    use_store: bool,
) -> Result<Survey> {
    let mut notes = Vec::new();
    let dimensions = dimensions(project, dictionary, &[], &mut notes);
    let known = counted_events(dictionary);
    let rules = || dictionary.metrics.iter().flat_map(|metric| &metric.rules);
    // Also those of metrics that are not counted.
    let events = known.iter().chain(rules().map(|rule| &rule.event));
    let events = events.map(|event| (event.clone(), event.clone())).collect();
    let events = dictionary.with_aliases(events);
    let mut read = dimensions.clone();
    for (name, _) in rules().flat_map(|rule| &rule.filter) {
        let mut sources = project.sources.iter();
        if !read.contains(name) && sources.any(|source| source.dimension(name).is_some()) {
            read.push(name.clone());
        }
    }
    let grain = TimeGrain::Calendar(Window::Day);
    let request = Request { grain, counted: Some(&events), ..request(project, job) };
    let from_store = match use_store {
        true => Rollup::from_store(project, &read, &request, Counting::Exact)?,
        false => FromStore::Unavailable(None),
    };
    let rollup = match from_store {
        FromStore::Rollup(rollup) => *rollup,
        FromStore::Unavailable(_) => {
            let scan = Scan::open(&project.root, &project.sources, &read)?;
            // The counts are not used, so the smallest sketches will do.
            Rollup::build(&scan, &request, Counting::Approx(*PRECISIONS.start()))?
        }
    };
    let selections = selections(dictionary, &read, &rollup.cells, |_| true);
    let metrics = dictionary.metrics.iter().zip(&selections);
    let counted = metrics.filter(|(metric, _)| metric.counted().is_ok());
    let selected: BTreeSet<u32> = counted.flat_map(|(_, rules)| rules).flatten().copied().collect();
    let mut events: BTreeMap<String, Option<DataSpan>> = BTreeMap::new();
    let mut unmapped: BTreeMap<_, u64> = BTreeMap::new();
    let mut unknown = rollup.summary.unmapped.clone();
    for (at, cell) in rollup.cells.iter().enumerate().filter(|(at, _)| rollup.events[*at] > 0) {
        if !known.contains(&cell.event) {
            *unknown.entry(cell.event.clone()).or_default() += rollup.events[at];
            continue;
        }
        let span = events.entry(cell.event.clone()).or_default();
        DataSpan::add(span, cell.bucket, rollup.events[at]);
        if !selected.contains(&(at as u32)) {
            let values = (cell.event.clone(), cell.dimensions[..dimensions.len()].to_vec());
            *unmapped.entry(values).or_default() += rollup.events[at];
        }
    }
    let span = |rules: &Vec<BTreeSet<u32>>| {
        let cells: BTreeSet<usize> = rules.iter().flatten().map(|cell| *cell as usize).collect();
        let mut span = None;
        for cell in cells.into_iter().filter(|cell| rollup.events[*cell] > 0) {
            DataSpan::add(&mut span, rollup.cells[cell].bucket, rollup.events[cell]);
        }
        span
    };
    let metrics = selections.iter().map(span).collect();
    let events = events.into_iter().filter_map(|(event, span)| Some((event, span?))).collect();
    let summary = rollup.summary;
    Ok(Survey { dimensions, events, unknown, unmapped, metrics, summary, notes })
}

/// Everything, whatever its time.
pub(super) fn request<'a>(project: &'a Project, job: &'a JobContext<'a>) -> Request<'a> {
    Request {
        zone: &project.zone,
        grain: TimeGrain::Calendar(Window::Year),
        range: i64::MIN..i64::MAX,
        bound: project.no_events_after.map(|day| project.zone.end_of(day)),
        counted: None,
        job,
    }
}
