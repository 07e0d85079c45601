//! Values become rows, in their order.

use std::collections::BTreeSet;

use super::nodes::{Name, Node, names, nodes};
use super::plan::{Planned, periods};
use super::values::{Index, Values, Want};
use super::{Basis, Count, Level, Method, Question, Report, Row, TreeOf};
use crate::Result;
use crate::calendar::{Day, Period};
use crate::metric::Dictionary;
use crate::project::Project;
use crate::rollup::{Counting, Rollup, Terms};
use crate::users::Estimate;

/// The report of a roll-up.
pub(super) fn report(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    dimensions: &[String],
    rollup: &Rollup,
) -> Result<Report> {
    let laid = Laid::new(project, question, rollup);
    let rows = match laid.last_day {
        Some(last) => Rows::new(dictionary, question, rollup, dimensions, &laid.plan, last)?.all(),
        None => Vec::new(),
    };
    Ok(Report {
        window: question.window,
        time_zone: project.zone.name().to_owned(),
        by: question.by.clone(),
        first_day: laid.first_day,
        last_day: laid.last_day,
        events: events(rollup, &laid.plan),
        names: names(dictionary),
        rows,
    })
}

/// The rows that each stand for one set of users, with the terms of that set: all but the
/// combined ones, and those whose method adds up or picks the largest.
pub(super) fn sets(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    dimensions: &[String],
    rollup: &Rollup,
) -> Result<Vec<(Row, Terms)>> {
    let laid = Laid::new(project, question, rollup);
    let Some(last) = laid.last_day else { return Ok(Vec::new()) };
    let rows = Rows::new(dictionary, question, rollup, dimensions, &laid.plan, last)?;
    let mut sets = Vec::new();
    rows.each(|row, node, combo| {
        let mut wants = wanted(row.method, node);
        if let (Some(want), true) = (wants.pop(), wants.is_empty()) {
            let terms = rows.index.terms(combo, row.period, &want);
            sets.push((row, terms));
        }
    });
    Ok(sets)
}

/// The periods laid over the data.
struct Laid {
    first_day: Option<Day>,
    last_day: Option<Day>,
    plan: Vec<Planned>,
}

impl Laid {
    fn new(project: &Project, question: &Question, rollup: &Rollup) -> Self {
        let zone = &project.zone;
        let first_day = rollup.seen.first.map(|instant| zone.day_of(instant));
        let last_day = question.as_of.or(rollup.seen.last.map(|instant| zone.day_of(instant)));
        let end = match question.as_of {
            Some(day) => zone.end_of(day),
            None => rollup.seen.last.unwrap_or(i64::MIN),
        };
        let plan = match (first_day, last_day) {
            (Some(first), Some(last)) => periods(question, first, last, end, zone),
            _ => Vec::new(),
        };
        Self { first_day, last_day, plan }
    }
}

fn events(rollup: &Rollup, plan: &[Planned]) -> u64 {
    let asked = || plan.iter().filter(|planned| planned.asked).map(|planned| planned.period);
    let (Some(start), Some(end)) =
        (asked().map(|period| period.start).min(), asked().map(|period| period.end).max())
    else {
        return 0;
    };
    let range = Period::new(start, end);
    let cells = rollup.cells.iter().zip(&rollup.events);
    cells.filter(|(cell, _)| range.contains(cell.granule)).map(|(_, events)| events).sum()
}

struct Rows<'a> {
    question: &'a Question,
    plan: &'a [Planned],
    index: Index<'a>,
    /// Nodes of each period.
    nodes: Vec<Vec<Node>>,
    values: Values,
}

impl<'a> Rows<'a> {
    fn new(
        dictionary: &'a Dictionary,
        question: &'a Question,
        rollup: &'a Rollup,
        dimensions: &[String],
        plan: &'a [Planned],
        last: Day,
    ) -> Result<Self> {
        let index = Index::new(dictionary, rollup, dimensions, question.by.len());
        let today = nodes(dictionary, last);
        let nodes: Vec<Vec<Node>> = plan
            .iter()
            .map(|planned| match question.tree {
                TreeOf::Today => today.clone(),
                TreeOf::Period => nodes(dictionary, planned.period.end),
            })
            .collect();
        let mut wants = BTreeSet::new();
        for node in nodes.iter().flatten().filter(|node| is_needed(question, node.name.level)) {
            wants.extend(wanted(question.method, node));
        }
        let periods: Vec<Period> = plan.iter().map(|planned| planned.period).collect();
        let values = index.values(question.window, &periods, &wants)?;
        Ok(Self { question, plan, index, nodes, values })
    }

    fn all(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.each(|row, _, _| rows.push(row));
        rows
    }

    /// Every row with its node and the place of its dimension values.
    fn each(&self, mut found: impl FnMut(Row, &Node, usize)) {
        for (at, planned) in self.plan.iter().enumerate().filter(|(_, planned)| planned.asked) {
            let asked = |node: &&Node| self.question.levels.contains(&node.name.level);
            for node in self.nodes[at].iter().filter(asked) {
                for (combo, by) in self.index.combos().enumerate() {
                    let Some(value) = self.value(at, combo, node) else { continue };
                    let previous = planned.previous.and_then(|at| {
                        let same = |other: &&Node| other.name == node.name;
                        let node = self.nodes[at].iter().find(same)?;
                        self.value(at, combo, node)
                    });
                    let nobody = value.users == 0 && previous.is_none_or(|value| value.users == 0);
                    if nobody && by.iter().any(Option::is_some) {
                        continue;
                    }
                    found(self.row(planned, &node.name, by, value, previous), node, combo);
                }
            }
        }
    }

    fn row(
        &self,
        planned: &Planned,
        name: &Name,
        by: &[Option<String>],
        value: Estimate,
        previous: Option<Estimate>,
    ) -> Row {
        let name = name.clone();
        let change = previous.filter(|before| before.users > 0).map(|before| {
            let (now, before) = (value.users as f64, before.users as f64);
            (now - before) / before * 100.0
        });
        Row {
            window: self.question.window,
            period: planned.period,
            complete: planned.complete,
            level: name.level,
            section: name.section,
            stage: name.stage,
            group: name.group,
            metric: name.metric,
            by: by.to_vec(),
            method: match name.level {
                Level::Total | Level::Action => Method::Union,
                Level::Combined => Method::Sum,
                Level::Section | Level::Stage | Level::Group => self.question.method,
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
    fn value(&self, period: usize, combo: usize, node: &Node) -> Option<Estimate> {
        let direct = |want: Want| self.values.get(&(combo, want))?.get(period).copied();
        let several =
            |wants: Vec<Want>| -> Option<Vec<Estimate>> { wants.into_iter().map(direct).collect() };
        match (node.name.level, self.question.method) {
            (Level::Combined, _) => {
                let stages = self.nodes[period].iter().filter(|n| n.name.level == Level::Stage);
                Some(sum(stages.filter_map(|stage| self.value(period, combo, stage))))
            }
            (Level::Section | Level::Stage | Level::Group, Method::Max) => {
                several(wanted(Method::Max, node))?.into_iter().reduce(larger)
            }
            (Level::Section | Level::Stage | Level::Group, Method::Sum) => {
                Some(sum(several(wanted(Method::Sum, node))?.into_iter()))
            }
            (_, method) => direct(wanted(method, node).pop()?),
        }
    }
}

/// The values that a node is made of.
fn wanted(method: Method, node: &Node) -> Vec<Want> {
    match (node.name.level, method) {
        (Level::Total, _) => vec![None],
        // Made of the stages' values.
        (Level::Combined, _) => Vec::new(),
        (Level::Action, _) | (_, Method::Union) => vec![Some(node.metrics.clone())],
        (_, Method::Indicator) if node.indicators.is_empty() => Vec::new(),
        (_, Method::Indicator) => vec![Some(node.indicators.clone())],
        (_, Method::Max | Method::Sum) => {
            node.metrics.iter().map(|metric| Some(vec![*metric])).collect()
        }
    }
}

fn is_needed(question: &Question, level: Level) -> bool {
    question.levels.contains(&level)
        || (level == Level::Stage && question.levels.contains(&Level::Combined))
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
