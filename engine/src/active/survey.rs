//! What the data holds and the dictionary says, side by side: for `headcount check`.

use std::collections::{BTreeMap, BTreeSet};

use super::count::{counted_events, dimensions};
use super::nodes::selections;
use crate::calendar::Window;
use crate::metric::Dictionary;
use crate::project::Project;
use crate::rollup::{Counting, Rollup};
use crate::scan::{Request, Scan, ScanSummary, TimeGrain};
use crate::users::PRECISIONS;
use crate::{JobContext, Result};

/// What a look through all the data found.
#[derive(Debug)]
pub struct Survey {
    /// Dimensions that metrics filter by.
    pub dimensions: Vec<String>,
    /// Events that were read, by the event's name.
    pub events: BTreeMap<String, u64>,
    /// Events whose names are not in the dictionary: not counted.
    pub unknown: BTreeMap<String, u64>,
    /// Known events that no counted metric selects, by name and values in the order of
    /// `dimensions`: they are in the total only.
    pub unmapped: BTreeMap<(String, Vec<Option<String>>), u64>,
    /// Key paths of counted metrics that select no event of the data.
    pub empty: Vec<String>,
    /// Range of the data, and rejected rows.
    pub summary: ScanSummary,
    /// Metrics whose filters name a dimension that no source has.
    pub notes: Vec<String>,
}

/// Reads all events once and holds them against the dictionary.
///
/// # Errors
/// When the events cannot be read.
pub(super) fn survey(
    project: &Project,
    dictionary: &Dictionary,
    job: &JobContext<'_>,
) -> Result<Survey> {
    let mut notes = Vec::new();
    let dimensions = dimensions(project, dictionary, &[], &mut notes);
    let scan = Scan::open(&project.root, &project.sources, &dimensions)?;
    let counted =
        counted_events(dictionary).into_iter().map(|event| (event.clone(), event)).collect();
    let request = Request { counted: Some(&counted), ..request(project, job) };
    // The counts are not used, so the smallest sketches will do.
    let rollup = Rollup::build(&scan, &request, Counting::Approx(*PRECISIONS.start()))?;
    let selections = selections(dictionary, &dimensions, &rollup.cells);
    let selected: BTreeSet<u32> = selections.iter().flatten().flatten().copied().collect();
    let mut events: BTreeMap<String, u64> = BTreeMap::new();
    let mut unmapped: BTreeMap<_, u64> = BTreeMap::new();
    for (at, cell) in rollup.cells.iter().enumerate().filter(|(at, _)| rollup.events[*at] > 0) {
        *events.entry(cell.event.clone()).or_default() += rollup.events[at];
        if !selected.contains(&(at as u32)) {
            let values = (cell.event.clone(), cell.dimensions.clone());
            *unmapped.entry(values).or_default() += rollup.events[at];
        }
    }
    let metrics = dictionary.metrics.iter().zip(&selections);
    let empty = metrics
        .filter(|(metric, rules)| {
            metric.counted().is_ok() && rules.iter().all(|cells| cells.is_empty())
        })
        .map(|(metric, _)| metric.key_path.clone())
        .collect();
    let summary = rollup.summary;
    let unknown = summary.unmapped.clone();
    Ok(Survey { dimensions, events, unknown, unmapped, empty, summary, notes })
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
