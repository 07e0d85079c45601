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
//! [`members`] returns the users themselves, and [`Spans`] counts metrics over days of their own.

mod cell_index;
mod count;
mod definitions;
mod event_classes;
mod forecast;
mod inspect;
mod level;
mod members;
mod metric_sets;
mod node_filter;
mod nodes;
mod periods;
mod question;
mod row;
mod row_sink;
mod rows;
mod spans;
mod survey;
mod top;
mod values;

use self::count::{count, dimensions};
use crate::metric::Dictionary;
use crate::project::Project;
use crate::rollup::{Rollup, SourcePlan, source_plan};
use crate::scan::ScanSummary;
use crate::{JobContext, Result};

pub use count::counted_events;
pub use definitions::definitions;
pub use forecast::{Forecast, ForecastMethod, ForecastMonth, ForecastRows, add_forecast, forecast};
pub use inspect::{Inspection, inspect};
pub(crate) use level::names;
pub use level::{Level, NodeName};
pub use members::members;
pub use node_filter::NodeFilter;
pub(crate) use nodes::{Node, breaks, trees};
pub use question::{Question, TotalOf, TreeOf};
pub use row::{Basis, Count, Method, Report, ReportRow};
pub use row_sink::{CollectedRows, RowSink};
pub use spans::{Span, SpanCount, SpanCounts, SpanSketches, Spans};
pub use survey::{Survey, survey};
pub use top::OTHER_LABEL;

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
    notes.extend(breaks(dictionary, question, &report));
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
