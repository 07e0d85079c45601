//! One view over events and pings: the report of a project with pings, in the window `ping_28d`.
//!
//! | step | module | is |
//! |---|---|---|
//! | pings | `ping_rows` | rows of each deployment from monthly values and estimates |
//! | events | `event_rows` | rows of each deployment from events, in `last_28d_of_month` |
//! | together | `merge` | the rows over all deployments, and the comparison with the month before |
//!
//! Both count the same metrics of the dictionary. The people of the SaaS installation are in its events
//! and in its pings, and only one of them is used (`pings.saas.counted_from`). Users of different
//! deployments cannot be compared, so the rows over all deployments are sums; where installations send
//! sketches, [`ping_unions`] unites them.

mod event_rows;
mod merge;
mod ping_rows;
mod ping_unions;
mod union_rows;

use std::collections::BTreeSet;

use crate::active::{
    Answer, Level, Method, Node, Question, Report, ReportRow, RowSink, breaks, names, trees,
};
use crate::calendar::{Day, Window, Zone};
use crate::metric::{Dictionary, Indicator, Metric, Status};
use crate::pings::{
    Condition, CountedFrom, Deployment, Inputs, Measure, MetricPath, MetricPaths, PingTables,
    Refused, Scenario, Unit,
};
use crate::project::Project;
use crate::scan::ScanSummary;
use crate::{Error, JobContext, Result};

use self::merge::merge;

pub use self::ping_unions::{NodeUnion, ping_unions};

/// What pings can be grouped by.
pub const DIMENSIONS: [&str; 5] = [DEPLOYMENT, "edition", "tier", "version", "installation"];

/// The dimension that tells apart who runs an installation.
const DEPLOYMENT: &str = crate::scan::DEPLOYMENT;
/// The deployment of events if no source of theirs names one.
const SAAS: &str = "saas";

/// Which estimates and predictions a report shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Which subscriptions are in the numerator.
    pub condition: Condition,
    /// What is counted of them.
    pub measure: Measure,
    /// What predictions suppose; `None` for no predictions.
    pub scenario: Option<Scenario>,
}

impl Variant {
    /// What the share of a prediction counts.
    fn unit(self) -> Unit {
        match (self.scenario, self.measure) {
            (Some(Scenario::CurrentVersion), _) => Unit::Installations,
            (_, Measure::Subscriptions) => Unit::Subscriptions,
            (_, Measure::Seats) => Unit::Seats,
        }
    }
}

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
    check(question)?;
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
    let rows = merge(rows, question, &incomplete, &mut notes);
    let day = |instant: Option<i64>| instant.map(|instant| project.zone.day_of(instant));
    let recorded = tables.collection.pings.iter().map(|ping| Zone::utc().day_of(ping.recorded_at));
    let (oldest, newest) = (recorded.clone().min(), recorded.max());
    let report = Report {
        window: question.window,
        time_zone: project.zone.name().to_owned(),
        by: question.by.clone(),
        top: None,
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

/// What both parts of the view are made for.
struct Parts<'a> {
    project: &'a Project,
    dictionary: &'a Dictionary,
    question: &'a Question,
    /// Whether the SaaS installation is counted from its events, not from its pings.
    saas_from_events: bool,
    has_predictions: bool,
}

impl Parts<'_> {
    /// The dimensions besides the deployment.
    fn other_dimensions(&self) -> impl Iterator<Item = &String> {
        self.question.by.iter().filter(|name| *name != DEPLOYMENT)
    }

    /// The levels whose nodes are counted; combined rows are sums of stages.
    fn is_needed(&self, level: Level) -> bool {
        let levels = &self.question.levels;
        levels.contains(&level) || (level == Level::Stage && levels.contains(&Level::Combined))
    }

    /// The path with the monthly numbers of each metric of the dictionary, by its index.
    fn paths(&self, metrics: &MetricPaths) -> Vec<Option<usize>> {
        let path = |metric: &Metric| path_of(metric, metrics);
        self.dictionary.metrics.iter().map(path).collect()
    }

    /// The trees of the months that have pings.
    fn trees(&self, tables: &PingTables) -> Trees {
        let months: BTreeSet<Day> = tables.collection.pings.iter().map(|ping| ping.month).collect();
        let ends = || months.iter().map(|month| Window::Month.at(*month).end);
        let last = self.question.as_of.or(ends().next_back()).unwrap_or(Day::MAX);
        let is_counted = |metric: &Metric| path_of(metric, &tables.metrics).is_some();
        let trees = trees(self.dictionary, self.question.tree, ends(), last, is_counted);
        Trees { months, trees }
    }

    /// Whether pings of a deployment and month are shown, or compared with what is.
    fn is_shown(&self, deployment: Deployment, month: Day) -> bool {
        let is_counted = deployment != Deployment::Saas || !self.saas_from_events;
        is_counted && self.is_in_range(Window::Month.at(month).end)
    }

    /// Whether a month that ends on this day is asked for.
    fn is_asked(&self, month_end: Day) -> bool {
        self.question.from.is_none_or(|from| from <= month_end)
            && self.question.to.is_none_or(|to| Window::Month.at(month_end).start <= to)
    }

    /// Whether a month that ends on this day can be asked for, or is the one before the first of these,
    /// with which that is compared.
    fn is_in_range(&self, month_end: Day) -> bool {
        let next = Window::Month.at(month_end.plus(1)).end;
        let month = Window::Month.at(month_end);
        self.question.from.is_none_or(|from| from <= next)
            && self.question.to.is_none_or(|to| month.start <= to)
    }
}

/// The path with the monthly numbers of a metric. The numbers of broken metrics are known to be wrong.
fn path_of(metric: &Metric, metrics: &MetricPaths) -> Option<usize> {
    metrics.monthly(metric).filter(|_| metric.status != Status::Broken)
}

/// The trees of some months.
struct Trees {
    months: BTreeSet<Day>,
    /// With the index of the first month that has the tree.
    trees: Vec<(usize, Vec<Node>)>,
}

impl Trees {
    /// The nodes of all trees.
    fn all(&self) -> impl Iterator<Item = &Node> {
        self.trees.iter().flat_map(|(_, nodes)| nodes)
    }

    /// The nodes of a month.
    fn of(&self, month: Day) -> &[Node] {
        let at = self.months.range(..month).count();
        let after = self.trees.partition_point(|(first, _)| *first <= at);
        after.checked_sub(1).map_or(&[], |at| &self.trees[at].1)
    }
}

/// A row of one deployment. Its `by` has the deployment, then the other dimensions in their order.
type PartRow = ReportRow;

fn check(question: &Question) -> Result<()> {
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
    if question.top.is_some() {
        return Err(Error::input("`top` is not supported for pings")
            .with("help", "remove `top`, or use another window to count events alone"));
    }
    if let (Some(from), Some(to)) = (question.from, question.to)
        && from > to
    {
        return Err(Error::input(format!("the range ends ({to}) before it starts ({from})")));
    }
    Ok(())
}
