//! The arguments of a report, and its rows.
//!
//! ```text
//! Question --> scan of the events, once --> Rollup (cells) --> values per node --> rows
//! ```
//!
//! [`answer`] does all of it for a project, and [`answer_into`] does so without keeping the rows.
//! The steps, in order: [`periods`] lists the periods, [`nodes`] maps metrics to nodes of the tree
//! and cells to metrics, [`top`] chooses the dimension values that have rows, [`cell_index`] groups
//! the cells, [`values`] counts the users of every node and period, and [`rows`] makes the rows.
//! [`members`] returns the users themselves.

mod cell_index;
mod event_classes;
mod inspect;
mod members;
mod nodes;
mod periods;
mod row;
mod row_sink;
mod rows;
mod survey;
mod top;
mod values;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use self::event_classes::event_classes;

use crate::calendar::{Day, Window};
use crate::metric::Dictionary;
use crate::project::{Project, known_dimensions};
use crate::rollup::{Counting, FromStore, Rollup, SourcePlan, source_plan};
use crate::scan::{Request, Scan, ScanSummary, TimeGrain};
use crate::{Error, JobContext, Result};

pub use inspect::{Inspection, inspect};
pub use members::members;
pub use row::{Basis, Count, Level, Method, Report, ReportRow};
pub use row_sink::{CollectedRows, RowSink};
pub use survey::Survey;
pub use top::OTHER_LABEL;

/// Which tree of sections, stages and groups a report uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreeOf {
    /// The tree as it stands on the day on which the data ends, for all periods.
    #[default]
    Today,
    /// For each period the tree that held on its last day.
    Period,
}

/// The arguments of a report.
#[derive(Clone, Debug)]
pub struct Question {
    /// The named window.
    pub window: Window,
    /// Levels to give rows for.
    pub levels: BTreeSet<Level>,
    /// How nodes above an action are rolled up.
    pub method: Method,
    /// Dimensions to group by; every combination of values, with their All rows.
    pub by: Vec<String>,
    /// So many values of each dimension, the largest, have rows of their own; all others are the
    /// value [`OTHER_LABEL`] together.
    pub top: Option<NonZeroUsize>,
    /// First requested day; the data's first day if `None`.
    pub from: Option<Day>,
    /// Last requested day; the data's last day if `None`.
    pub to: Option<Day>,
    /// The data ends with this day: later events are not looked at.
    pub as_of: Option<Day>,
    /// Exact or approximate.
    pub counting: Counting,
    /// Which tree.
    pub tree: TreeOf,
}

impl Default for Question {
    /// Exact monthly active users, in total and per stage, of all the data.
    fn default() -> Self {
        Self {
            window: Window::Month,
            levels: BTreeSet::from([Level::Total, Level::Stage]),
            method: Method::Union,
            by: Vec::new(),
            top: None,
            from: None,
            to: None,
            as_of: None,
            counting: Counting::Exact,
            tree: TreeOf::Today,
        }
    }
}

/// A report, and what was not counted for it.
#[derive(Debug)]
pub struct Answer {
    /// The rows and what a reader needs to trust them.
    pub report: Report,
    /// Range of the data, rejected rows, and events that are not in the dictionary.
    pub summary: ScanSummary,
    /// Messages for the user.
    pub notes: Vec<String>,
    /// Heap bytes of all sets or sketches that the rows were counted from.
    pub bytes: usize,
}

/// Answers a question from a project's store and from the events that it does not have, with one
/// scan of these.
///
/// # Errors
/// When the question does not fit the project, the events cannot be read, or `job` ends it.
pub fn answer(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    job: &JobContext<'_>,
) -> Result<Answer> {
    collected(project, dictionary, question, job, true)
}

/// As [`answer`], but the events are read whatever the store has.
///
/// # Errors
/// As [`answer`].
pub fn answer_from_events(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    job: &JobContext<'_>,
) -> Result<Answer> {
    collected(project, dictionary, question, job, false)
}

fn collected(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    job: &JobContext<'_>,
    use_store: bool,
) -> Result<Answer> {
    let mut out = CollectedRows::new(job);
    let mut answer = answer_into(project, dictionary, question, job, use_store, &mut out)?;
    answer.report.rows = out.rows;
    Ok(answer)
}

/// As [`answer`], but every row goes to `out` as soon as it is made, and the report that is
/// returned has none. Without `use_store` the events are read whatever the store has.
///
/// # Errors
/// As [`answer`], and those of `out`.
pub fn answer_into(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    job: &JobContext<'_>,
    use_store: bool,
    out: &mut dyn RowSink,
) -> Result<Answer> {
    let mut notes = Vec::new();
    let counted = count(project, dictionary, question, job, use_store, &mut notes)?;
    let report = rows::report(project, dictionary, question, job, &counted, out)?;
    let Rollup { users, summary, .. } = counted.rollup;
    Ok(Answer { report, summary, notes, bytes: users.size() })
}

/// Whether [`answer`] would read the store or the events, without reading them.
///
/// # Errors
/// When the store is broken, or cannot answer although some events are only in it.
pub fn source_plan_for(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
) -> Result<SourcePlan> {
    let dimensions = dimensions(project, dictionary, &question.by, &mut Vec::new());
    source_plan(project, &dimensions)
}

/// The cells that a question needs.
struct Counted {
    dimensions: Vec<String>,
    rollup: Rollup,
}

/// Checks the question and counts its cells, from the store or from events.
fn count(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    job: &JobContext<'_>,
    use_store: bool,
    notes: &mut Vec<String>,
) -> Result<Counted> {
    check(project, dictionary, question)?;
    let dimensions = dimensions(project, dictionary, &question.by, notes);
    let counted = event_classes(dictionary, question, counted_events(dictionary).iter());
    let request = Request {
        zone: &project.zone,
        grain: TimeGrain::of(question.window),
        range: periods::range(question, &project.zone),
        bound: project.no_events_after.map(|day| project.zone.end_of(day)),
        counted: Some(&counted),
        job,
    };
    let from_store = match use_store {
        true => Rollup::from_store(project, &dimensions, &request, question.counting)?,
        false => FromStore::Unavailable(None),
    };
    let rollup = match from_store {
        FromStore::Rollup(rollup) => *rollup,
        FromStore::Unavailable(reason) => {
            notes.extend(reason.map(|reason| format!("the store was not used: {reason}")));
            let scan = Scan::open(&project.root, &project.sources, &dimensions)?;
            Rollup::build(&scan, &request, question.counting)?
        }
    };
    Ok(Counted { dimensions, rollup })
}

/// Names of the events that make the total: those defined, and those that metrics name.
pub fn counted_events(dictionary: &Dictionary) -> BTreeSet<String> {
    let defined = dictionary.events.iter().map(|event| event.action.clone());
    let metrics = dictionary.metrics.iter().filter(|metric| metric.counted().is_ok());
    defined.chain(metrics.flat_map(|m| m.rules.iter().map(|rule| rule.event.clone()))).collect()
}

fn check(project: &Project, dictionary: &Dictionary, question: &Question) -> Result<()> {
    if question.top.is_some() && question.by.is_empty() {
        return Err(Error::input("`top` needs at least one dimension in `by`")
            .with("help", "add dimensions to `by`, or remove `top`"));
    }
    for (at, name) in question.by.iter().enumerate() {
        if question.by[..at].contains(name) {
            return Err(Error::input(format!("the dimension `{name}` is given twice")));
        }
        if project.sources.iter().all(|source| source.dimension(name).is_none()) {
            return Err(Error::input(format!("no source has a dimension `{name}`"))
                .with("help", known_dimensions(&project.sources)));
        }
    }
    if let (Some(from), Some(to)) = (question.from, question.to)
        && from > to
    {
        return Err(Error::input(format!("the range ends ({to}) before it starts ({from})")));
    }
    if matches!(question.counting, Counting::Approx(_)) {
        let mut counted = dictionary.metrics.iter().filter(|metric| metric.counted().is_ok());
        if let Some(metric) = counted.find(|m| nodes::needs_intersection(m)) {
            return Err(Error::input(format!(
                "`{}` counts users who did all of its events, and sketches cannot be intersected",
                metric.key_path
            ))
            .with("file", metric.file.display())
            .with("line", metric.line)
            .with("help", "count exactly, without --approx"));
        }
    }
    Ok(())
}

/// The dimensions to read: those of the arguments, then those of filters of metrics.
fn dimensions(
    project: &Project,
    dictionary: &Dictionary,
    by: &[String],
    notes: &mut Vec<String>,
) -> Vec<String> {
    let mut dimensions = by.to_vec();
    let metrics = dictionary.metrics.iter().filter(|metric| metric.counted().is_ok());
    for metric in metrics {
        for (name, _) in metric.rules.iter().flat_map(|rule| &rule.filter) {
            if dimensions.contains(name) {
                continue;
            }
            if project.sources.iter().any(|source| source.dimension(name).is_some()) {
                dimensions.push(name.clone());
            } else {
                notes.push(format!(
                    "{} filters by the dimension `{name}`, which no source has, so the rule \
                     matches no users",
                    metric.key_path
                ));
            }
        }
    }
    dimensions
}
