//! Counts the cells that a question needs, from the store or from events.

use std::collections::BTreeSet;

use super::event_classes::event_classes;
use super::nodes::needs_intersection;
use super::periods::range;
use super::question::Question;
use crate::calendar::Window;
use crate::metric::Dictionary;
use crate::project::{Project, known_dimensions};
use crate::rollup::{Counting, FromStore, Rollup};
use crate::scan::{Request, Scan, TimeGrain};
use crate::{Error, JobContext, Result};

/// The cells that a question needs.
pub(super) struct Counted {
    pub(super) dimensions: Vec<String>,
    pub(super) rollup: Rollup,
}

/// Checks the question and counts its cells, from the store or from events.
pub(super) fn count(
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
    let counted = dictionary.with_aliases(counted);
    let request = Request {
        zone: &project.zone,
        grain: TimeGrain::of(question.window),
        range: range(question, &project.zone),
        bound: project.no_events_after.map(|day| project.zone.end_of(day)),
        counted: Some(&counted),
        job,
    };
    let rollup = rollup(project, &dimensions, &request, question.counting, use_store, notes)?;
    Ok(Counted { dimensions, rollup })
}

/// Cells from the store if it has all that is needed, else from events.
pub(super) fn rollup(
    project: &Project,
    dimensions: &[String],
    request: &Request<'_>,
    counting: Counting,
    use_store: bool,
    notes: &mut Vec<String>,
) -> Result<Rollup> {
    let from_store = match use_store {
        true => Rollup::from_store(project, dimensions, request, counting)?,
        false => FromStore::Unavailable(None),
    };
    match from_store {
        FromStore::Rollup(rollup) => Ok(*rollup),
        FromStore::Unavailable(reason) => {
            notes.extend(reason.map(|reason| format!("the store was not used: {reason}")));
            let scan = Scan::open(&project.root, &project.sources, dimensions)?;
            Rollup::build(&scan, request, counting)
        }
    }
}

/// Names of the events that make the total: those defined, and those that metrics name.
pub fn counted_events(dictionary: &Dictionary) -> BTreeSet<String> {
    let defined = dictionary.events.iter().map(|event| event.action.clone());
    let metrics = dictionary.metrics.iter().filter(|metric| metric.counted().is_ok());
    defined.chain(metrics.flat_map(|m| m.rules.iter().map(|rule| rule.event.clone()))).collect()
}

fn check(project: &Project, dictionary: &Dictionary, question: &Question) -> Result<()> {
    if question.window == Window::Ping28d {
        return Err(Error::input("events are not counted in the window ping_28d, only pings are")
            .with("help", "use another window, such as last_28d_of_month"));
    }
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
        if let Some(metric) = counted.find(|m| needs_intersection(m)) {
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
pub(super) fn dimensions(
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
