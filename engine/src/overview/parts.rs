//! What the parts of the view share: the question, and which metrics, months and pings it is about.

use std::collections::BTreeSet;

use crate::active::{Node, Question, ReportRow, trees};
use crate::calendar::{Day, Window};
use crate::metric::{Dictionary, Metric, Status};
use crate::pings::{Condition, Deployment, Measure, MetricPaths, PingTables, Scenario, Unit};
use crate::project::Project;

/// The dimension for who runs an installation.
pub(super) const DEPLOYMENT: &str = crate::scan::DEPLOYMENT;
/// The deployment of events if no source of theirs names one.
pub(super) const SAAS: &str = "saas";

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
    pub(super) fn unit(self) -> Unit {
        match (self.scenario, self.measure) {
            (Some(Scenario::CurrentVersion), _) => Unit::Installations,
            (_, Measure::Subscriptions) => Unit::Subscriptions,
            (_, Measure::Seats) => Unit::Seats,
        }
    }
}

/// The value of a dimension of which a ping or the events say nothing.
pub(super) const NONE_LABEL: &str = "(none)";

/// What both parts of the view are made for.
pub(super) struct Parts<'a> {
    pub(super) project: &'a Project,
    pub(super) dictionary: &'a Dictionary,
    pub(super) question: &'a Question,
    /// Whether the SaaS installation is counted from its events, not from its pings.
    pub(super) saas_from_events: bool,
    pub(super) has_predictions: bool,
}

impl Parts<'_> {
    /// The dimensions besides the deployment.
    pub(super) fn other_dimensions(&self) -> impl Iterator<Item = &String> {
        self.question.by.iter().filter(|name| *name != DEPLOYMENT)
    }

    /// The path with the monthly numbers of each metric of the dictionary, by its index.
    pub(super) fn paths(&self, metrics: &MetricPaths) -> Vec<Option<usize>> {
        let path = |metric: &Metric| path_of(metric, metrics);
        self.dictionary.metrics.iter().map(path).collect()
    }

    /// The trees of the months that have pings.
    pub(super) fn trees(&self, tables: &PingTables) -> Trees {
        let months: BTreeSet<Day> = tables.collection.pings.iter().map(|ping| ping.month).collect();
        let ends = || months.iter().map(|month| Window::Month.at(*month).end);
        let last = self.question.as_of.or(ends().next_back()).unwrap_or(Day::MAX);
        let is_counted = |metric: &Metric| path_of(metric, &tables.metrics).is_some();
        let trees = trees(self.dictionary, self.question.tree, ends(), last, is_counted);
        Trees { months, trees }
    }

    /// Whether pings of a deployment and month are shown, or compared with what is.
    pub(super) fn is_shown(&self, deployment: Deployment, month: Day) -> bool {
        let is_counted = deployment != Deployment::Saas || !self.saas_from_events;
        is_counted && self.is_in_range(Window::Month.at(month).end)
    }

    /// Whether a month that ends on this day is asked for.
    pub(super) fn is_asked(&self, month_end: Day) -> bool {
        self.question.from.is_none_or(|from| from <= month_end)
            && self.question.to.is_none_or(|to| Window::Month.at(month_end).start <= to)
    }

    /// Whether a month that ends on this day can be asked for, or is the one before the first of these,
    /// with which that is compared.
    pub(super) fn is_in_range(&self, month_end: Day) -> bool {
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
pub(super) struct Trees {
    months: BTreeSet<Day>,
    /// With the index of the first month that has the tree.
    trees: Vec<(usize, Vec<Node>)>,
}

impl Trees {
    /// The nodes of all trees.
    pub(super) fn all(&self) -> impl Iterator<Item = &Node> {
        self.trees.iter().flat_map(|(_, nodes)| nodes)
    }

    /// The nodes of a month.
    pub(super) fn of(&self, month: Day) -> &[Node] {
        let at = self.months.range(..month).count();
        let after = self.trees.partition_point(|(first, _)| *first <= at);
        after.checked_sub(1).map_or(&[], |at| &self.trees[at].1)
    }
}

/// A row of one deployment. Its `by` has the deployment, then the other dimensions in their order.
pub(super) type PartRow = ReportRow;
