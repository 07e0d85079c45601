//! Makes the rows of a report from counted values, in the order of the report.

use std::collections::BTreeSet;

use super::cell_index::CellIndex;
use super::count::Counted;
use super::level::{Level, NodeName, names};
use super::metric_sets::{MetricSet, metric_sets_of};
use super::nodes::{Node, trees};
use super::periods::{ReportPeriods, periods};
use super::question::{Question, TotalOf};
use super::row::{Basis, Count, Method, Report, ReportRow};
use super::row_sink::RowSink;
use super::top::Labels;
use super::values::{Values, values};
use crate::calendar::{Day, Period};
use crate::metric::Dictionary;
use crate::project::Project;
use crate::rollup::{Counting, Rollup, UserExpr};
use crate::users::Estimate;
use crate::{JobContext, Result};

/// Gives the rows of a roll-up to `out`, and returns the report without them.
pub(super) fn report(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    job: &JobContext<'_>,
    counted: &Counted,
    out: &mut dyn RowSink,
) -> Result<Report> {
    let period_plan = PeriodPlan::new(project, question, &counted.rollup);
    job.reserve(period_plan.plan.periods.capacity() * size_of::<Period>())?;
    let rows = period_plan.rows(dictionary, question, job, counted)?;
    let report = Report {
        window: question.window,
        time_zone: project.zone.name().to_owned(),
        by: question.by.clone(),
        top: question.top.filter(|_| rows.as_ref().is_some_and(|rows| rows.index.has_others())),
        nodes: question.nodes.clone(),
        first_day: period_plan.first_day,
        last_day: period_plan.last_day,
        events: events(counted, &period_plan.plan, rows.as_ref()),
        pings: None,
        forecast: None,
        names: names(dictionary),
        rows: Vec::new(),
    };
    out.start(&report)?;
    if let Some(rows) = rows {
        rows.each(|row, _, _| out.row(row))?;
    }
    Ok(report)
}

/// The rows that each stand for one set of users, with the expression of that set: all but the
/// combined ones, and those whose method adds up or picks the largest.
pub(super) fn sets(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    job: &JobContext<'_>,
    counted: &Counted,
) -> Result<Vec<(ReportRow, UserExpr)>> {
    let period_plan = PeriodPlan::new(project, question, &counted.rollup);
    let Some(rows) = period_plan.rows(dictionary, question, job, counted)? else {
        return Ok(Vec::new());
    };
    let mut sets = Vec::new();
    rows.each(|row, node, combo| {
        let mut metric_sets = metric_sets_of(row.method, question.total, node);
        if let (Some(metric_set), true) = (metric_sets.pop(), metric_sets.is_empty()) {
            let expr = rows.index.expr(combo, row.period, &metric_set);
            sets.push((row, expr));
        }
        Ok(())
    })?;
    Ok(sets)
}

/// The periods laid over the data.
struct PeriodPlan {
    first_day: Option<Day>,
    last_day: Option<Day>,
    plan: ReportPeriods,
}

impl PeriodPlan {
    fn new(project: &Project, question: &Question, rollup: &Rollup) -> Self {
        let zone = &project.zone;
        let first_day = rollup.summary.first.map(|instant| zone.day_of(instant));
        let last_day = question.as_of.or(rollup.summary.last.map(|instant| zone.day_of(instant)));
        let end = match question.as_of {
            Some(day) => zone.end_of(day),
            None => rollup.summary.last.unwrap_or(i64::MIN),
        };
        let plan = match (first_day, last_day) {
            (Some(first), Some(last)) => periods(question, first, last, end, zone),
            _ => ReportPeriods::default(),
        };
        Self { first_day, last_day, plan }
    }

    /// Counts all values; `None` if the data has no end.
    fn rows<'a>(
        &'a self,
        dictionary: &'a Dictionary,
        question: &'a Question,
        job: &JobContext<'_>,
        counted: &'a Counted,
    ) -> Result<Option<RowBuilder<'a>>> {
        let Some(last) = self.last_day else { return Ok(None) };
        RowBuilder::new(dictionary, question, job, counted, &self.plan, last).map(Some)
    }
}

/// Events in the requested periods: all of the dictionary, or those of the nodes of a part of it.
fn events(counted: &Counted, plan: &ReportPeriods, rows: Option<&RowBuilder<'_>>) -> u64 {
    let requested = &plan.periods[plan.requested()];
    let (Some(first), Some(last)) = (requested.first(), requested.last()) else { return 0 };
    let range = Period::new(first.start, last.end);
    let part = rows.and_then(RowBuilder::cells_of_part);
    let rollup = &counted.rollup;
    let cells = rollup.cells.iter().zip(&rollup.events).zip(0_u32..);
    let cells = cells.filter(|((cell, _), at)| {
        range.contains(cell.bucket) && part.as_ref().is_none_or(|part| part.contains(at))
    });
    cells.map(|((_, events), _)| events).sum()
}

/// A node of the tree with the indexes of the metric sets of its value.
struct Branch {
    node: Node,
    metric_sets: Vec<usize>,
}

struct RowBuilder<'a> {
    question: &'a Question,
    plan: &'a ReportPeriods,
    index: CellIndex<'a>,
    /// The nodes of a tree, in order, with the index of the first period that has this tree.
    trees: Vec<(usize, Vec<Branch>)>,
    values: Values,
}

impl<'a> RowBuilder<'a> {
    fn new(
        dictionary: &'a Dictionary,
        question: &'a Question,
        job: &JobContext<'_>,
        counted: &'a Counted,
        plan: &'a ReportPeriods,
        last: Day,
    ) -> Result<Self> {
        let (rollup, by) = (&counted.rollup, question.by.len());
        let labels = match question.top {
            Some(top) => Labels::top(rollup, by, top, plan)?,
            None => Labels::All,
        };
        let index = CellIndex::new(dictionary, rollup, &counted.dimensions, by, &labels, job)?;
        let ends = plan.periods.iter().map(|period| period.end);
        let mut trees = trees(dictionary, question.tree, ends, last, |m| m.counted().is_ok());
        for (_, nodes) in &mut trees {
            nodes.retain(|node| question.needs(&node.name));
        }
        let all = || trees.iter().flat_map(|(_, nodes)| nodes);
        let metric_sets: Vec<MetricSet> = BTreeSet::from_iter(
            all().flat_map(|node| metric_sets_of(question.method, question.total, node)),
        )
        .into_iter()
        .collect();
        let branch = |node: Node| {
            let own = metric_sets_of(question.method, question.total, &node);
            let metric_sets = own
                .iter()
                .filter_map(|metric_set| metric_sets.binary_search(metric_set).ok())
                .collect();
            Branch { node, metric_sets }
        };
        let trees =
            trees.into_iter().map(|(at, nodes)| (at, nodes.into_iter().map(branch).collect()));
        let trees = trees.collect();
        let values = values(&index, question.window, &plan.periods, &metric_sets, job)?;
        Ok(Self { question, plan, index, trees, values })
    }

    /// The cells of the part of the tree that the report is about; `None` if it is about all of it.
    fn cells_of_part(&self) -> Option<BTreeSet<u32>> {
        self.question.nodes.level()?;
        let nodes = self.trees.iter().flat_map(|(_, branches)| branches);
        let metrics: BTreeSet<usize> =
            nodes.flat_map(|branch| branch.node.metrics.iter().copied()).collect();
        Some(self.index.cells_of(&metrics))
    }

    /// The nodes of a period.
    fn branches(&self, period: usize) -> &[Branch] {
        let after = self.trees.partition_point(|(first, _)| *first <= period);
        after.checked_sub(1).map_or(&[], |at| &self.trees[at].1)
    }

    /// Calls `found` with every row, its node and the index of its combo.
    fn each(&self, mut found: impl FnMut(ReportRow, &Node, usize) -> Result<()>) -> Result<()> {
        for at in self.plan.requested() {
            let previous = self.plan.previous(at);
            // Others have no users, and so no rows.
            let mut combos = vec![0];
            combos.extend(self.values.active(at));
            combos.extend(previous.into_iter().flat_map(|previous| self.values.active(previous)));
            combos.sort_unstable();
            combos.dedup();
            for branch in self.branches(at) {
                if !self.question.has_rows_of(&branch.node.name) {
                    continue;
                }
                let before = previous.and_then(|previous| {
                    let branches = self.branches(previous);
                    let same = branches.binary_search_by(|b| b.node.name.cmp(&branch.node.name));
                    same.ok().map(|same| (previous, &branches[same]))
                });
                for combo in combos.iter().copied() {
                    let Some(value) = self.value(at, combo, branch) else { continue };
                    let before = before.and_then(|(at, branch)| self.value(at, combo, branch));
                    let no_users = value.users == 0 && before.is_none_or(|value| value.users == 0);
                    let by = &self.index.combos[combo].0;
                    if no_users && by.iter().any(Option::is_some) {
                        continue;
                    }
                    let row = self.row(at, &branch.node.name, by, value, before);
                    found(row, &branch.node, combo)?;
                }
            }
        }
        Ok(())
    }

    fn row(
        &self,
        period: usize,
        name: &NodeName,
        by: &[Option<String>],
        value: Estimate,
        previous: Option<Estimate>,
    ) -> ReportRow {
        let name = name.clone();
        let change = previous.filter(|before| before.users > 0).map(|before| {
            let (now, before) = (value.users as f64, before.users as f64);
            (now - before) / before * 100.0
        });
        ReportRow {
            window: self.question.window,
            period: self.plan.periods[period],
            complete: self.plan.is_complete(period),
            level: name.level,
            section: name.section,
            stage: name.stage,
            group: name.group,
            metric: name.metric,
            by: by.to_vec(),
            method: match name.level {
                Level::Total if self.question.total == TotalOf::Everyone => Method::Union,
                Level::Action => Method::Union,
                Level::Combined => Method::Sum,
                _ => self.question.method,
            },
            basis: Basis::Recorded,
            count: match self.question.counting {
                Counting::Exact => Count::Exact,
                Counting::Approx(_) => Count::Approx,
            },
            users: value.users,
            users_low: value.low,
            users_high: value.high,
            previous_users: previous.map(|before| before.users),
            change_pct: change,
        }
    }

    /// Users of a node; `None` if the method has nothing to say about it.
    fn value(&self, period: usize, combo: usize, branch: &Branch) -> Option<Estimate> {
        let mut values =
            branch.metric_sets.iter().map(|metric_set| self.values.get(combo, *metric_set, period));
        match (branch.node.name.level, self.question.method) {
            (Level::Combined, _) => {
                let branches = self.branches(period).iter();
                let stages = branches.filter(|branch| branch.node.name.level == Level::Stage);
                Some(sum(stages.filter_map(|stage| self.value(period, combo, stage))))
            }
            // Of a total of everyone and of an action there is one value.
            (_, Method::Max) => values.reduce(larger),
            (_, Method::Sum) => Some(sum(values)),
            _ => values.next(),
        }
    }
}

fn sum(values: impl Iterator<Item = Estimate>) -> Estimate {
    values.fold(Estimate { users: 0, low: 0, high: 0 }, |a, b| Estimate {
        users: a.users + b.users,
        low: a.low + b.low,
        high: a.high + b.high,
    })
}

fn larger(a: Estimate, b: Estimate) -> Estimate {
    Estimate { users: a.users.max(b.users), low: a.low.max(b.low), high: a.high.max(b.high) }
}
