//! One view over events and pings: the report of a project with pings, in the window `ping_28d`.
//!
//! | step | module | is |
//! |---|---|---|
//! | pings | `ping_rows` | rows of each deployment from monthly values and estimates |
//! | events | `event_rows` | rows of each deployment from events, in `last_28d_of_month` |
//! | the largest | `top` | with `--top`, one value for all but the largest of a dimension |
//! | together | `merge` | the rows over all deployments, and the comparison with the month before |
//!
//! Both count the same metrics of the dictionary. The people of the SaaS installation are in its events
//! and in its pings, and only one of them is used (`pings.saas.counted_from`). Users of different
//! deployments cannot be compared, so the rows over all deployments are sums; where installations send
//! sketches, [`ping_unions`] unites them.

mod event_rows;
mod merge;
mod parts;
mod ping_rows;
mod ping_unions;
mod top;
mod union_rows;

use std::collections::BTreeSet;

use crate::active::{Answer, Level, Method, Question, Report, RowSink, breaks, names};
use crate::calendar::Zone;
use crate::metric::{Dictionary, Indicator};
use crate::pings::{CountedFrom, Inputs, MetricPath, PingTables, Refused};
use crate::project::Project;
use crate::scan::ScanSummary;
use crate::{Error, JobContext, Result};

use self::merge::merge;
use self::parts::{DEPLOYMENT, Parts};

pub use self::parts::Variant;
pub use self::ping_unions::{NodeUnion, ping_unions};
pub use self::top::check_top;

/// What pings can be grouped by.
pub const DIMENSIONS: [&str; 5] = [DEPLOYMENT, "edition", "tier", "version", "installation"];

/// An answer, and the uploads of pings that were refused.
#[derive(Debug)]
pub struct Overview {
    /// As of a report over events.
    pub answer: Answer,
    /// Refused uploads.
    pub refused: Refused,
}

/// Answers a question in the window `ping_28d` about a project's pings and events. Every row goes to
/// `out`, and the report that is returned has none. Without `use_store` all files are read whatever the
/// store has.
///
/// # Errors
/// When the question does not fit pings, files cannot be read, or `job` ends it.
pub fn answer_into(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    variant: Variant,
    job: &JobContext<'_>,
    use_store: bool,
    out: &mut dyn RowSink,
) -> Result<Overview> {
    check(question, variant)?;
    let Project { root, ping_sources, pings: settings, .. } = project;
    let store = use_store.then_some(&project.store);
    let mut inputs = Inputs::find(root, ping_sources, settings, store)?;
    inputs.as_of = question.as_of;
    let key_paths = key_paths(dictionary, question);
    let tables = PingTables::load(settings, dictionary, &inputs, Some(&key_paths), job)?;
    let has_events = !project.sources.is_empty();
    let from_events = has_events && settings.counted_from == CountedFrom::Events;
    let has_predictions = variant.scenario.is_some();
    let parts =
        Parts { project, dictionary, question, saas_from_events: from_events, has_predictions };
    if question.top.is_some() {
        check_top(project, question)?;
    }
    let (pings, mut notes) = match question.method {
        Method::Union => union_rows::union_rows(&parts, &inputs, &tables, job)?,
        _ => (ping_rows::ping_rows(&parts, &tables, variant, job)?, Vec::new()),
    };
    let mut rows = pings.rows;
    let (mut summary, mut bytes, mut events) = (ScanSummary::default(), 0, 0);
    let mut incomplete = BTreeSet::new();
    if has_events {
        let answer = event_rows::event_rows(&parts, &mut rows, &mut incomplete, job, use_store)?;
        (summary, bytes, events) = (answer.summary, answer.bytes, answer.report.events);
        notes.extend(answer.notes);
    }
    let top = question.top.filter(|top| top::relabel(&mut rows, &parts, *top));
    let rows = merge(rows, question, &incomplete, &mut notes);
    let day = |instant: Option<i64>| instant.map(|instant| project.zone.day_of(instant));
    let recorded = tables.collection.pings.iter().map(|ping| Zone::utc().day_of(ping.recorded_at));
    let (oldest, newest) = (recorded.clone().min(), recorded.max());
    let report = Report {
        window: question.window,
        time_zone: project.zone.name().to_owned(),
        by: question.by.clone(),
        top,
        nodes: question.nodes.clone(),
        first_day: [day(summary.first), oldest].into_iter().flatten().min(),
        last_day: question.as_of.or(day(summary.last).max(newest)),
        events,
        pings: Some(pings.counted),
        forecast: None,
        names: names(dictionary),
        rows: Vec::new(),
    };
    out.start(&report)?;
    rows.into_iter().try_for_each(|row| out.row(row))?;
    for text in breaks(dictionary, question, &report) {
        if !notes.contains(&text) {
            notes.push(text);
        }
    }
    let answer = Answer { report, summary, notes, bytes };
    Ok(Overview { answer, refused: tables.collection.refused() })
}

/// The paths whose values a question needs.
fn key_paths(dictionary: &Dictionary, question: &Question) -> BTreeSet<String> {
    let has_level = |level| question.levels.contains(&level);
    let is_needed = |flag: &Indicator| match flag {
        Indicator::Umau => has_level(Level::Total),
        Indicator::Smau => {
            [Level::Combined, Level::Section, Level::Stage].into_iter().any(has_level)
        }
        Indicator::Gmau => has_level(Level::Group),
        Indicator::PaidGmau | Indicator::Other(_) => false,
    };
    let all = question.method != Method::Indicator || has_level(Level::Action);
    let needed =
        dictionary.metrics.iter().filter(|metric| all || metric.indicators.iter().any(is_needed));
    needed.filter_map(|metric| Some(MetricPath::monthly(metric)?.key_path)).collect()
}

fn check(question: &Question, variant: Variant) -> Result<()> {
    if question.method == Method::Union && variant.scenario.is_some() {
        return Err(Error::input(
            "predictions add up installations, and the method union does not",
        )
        .with("help", "use the method indicator, max or sum"));
    }
    for (at, name) in question.by.iter().enumerate() {
        if question.by[..at].contains(name) {
            return Err(Error::input(format!("the dimension `{name}` is given twice")));
        }
        if !DIMENSIONS.contains(&name.as_str()) {
            let known = DIMENSIONS.join(", ");
            return Err(Error::input(format!("pings have no dimension `{name}`")).with(
                "help",
                format!("use {known}; or another window, such as month, to count events alone"),
            ));
        }
    }
    if let (Some(from), Some(to)) = (question.from, question.to)
        && from > to
    {
        return Err(Error::input(format!("the range ends ({to}) before it starts ({from})")));
    }
    Ok(())
}
