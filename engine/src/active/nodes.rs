//! Nodes of the tree with their metrics, and the cells that each metric selects.

use std::collections::{BTreeMap, BTreeSet};

use super::level::{Level, NodeName};
use super::question::{Question, TreeOf};
use super::row::Report;
use crate::calendar::Day;
use crate::metric::{Dictionary, Indicator, Metric, Operator, Rule};
use crate::rollup::Cell;

/// A node and the counted metrics below it, by their index in the dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: NodeName,
    pub(crate) metrics: Vec<usize>,
    /// Those of the metrics that are flagged as the node's performance indicator.
    pub(crate) indicators: Vec<usize>,
}

/// Whether a metric asks for users who did several different things.
pub(super) fn needs_intersection(metric: &Metric) -> bool {
    metric.operator == Operator::Intersection && metric.rules.len() > 1
}

/// All nodes that have a counted metric below them, as the tree stands on a day. The total and
/// the combined node are always there.
pub(super) fn nodes(
    dictionary: &Dictionary,
    day: Day,
    is_counted: impl Fn(&Metric) -> bool,
) -> Vec<Node> {
    let mut nodes: BTreeMap<NodeName, Node> = BTreeMap::new();
    let bare = |level| NodeName { level, section: None, stage: None, group: None, metric: None };
    for level in [Level::Total, Level::Combined] {
        let name = bare(level);
        nodes.insert(name.clone(), Node { name, metrics: Vec::new(), indicators: Vec::new() });
    }
    for (at, metric) in dictionary.metrics.iter().enumerate() {
        if !is_counted(metric) || !metric.valid.contains(day) {
            continue;
        }
        let placement = dictionary.tree.placement(metric, day);
        let own = |name: Option<&str>| name.map(str::to_owned);
        let mut add = |name: NodeName, flags: &[Indicator]| {
            let flagged = metric.indicators.iter().any(|flag| flags.contains(flag));
            let node = nodes.entry(name.clone()).or_insert_with(|| Node {
                name,
                metrics: Vec::new(),
                indicators: Vec::new(),
            });
            node.metrics.push(at);
            if flagged {
                node.indicators.push(at);
            }
        };
        add(bare(Level::Total), &[Indicator::Umau]);
        let (section, stage, group) =
            (own(placement.section), own(placement.stage), own(placement.group));
        if section.is_some() {
            add(NodeName { section: section.clone(), ..bare(Level::Section) }, &[Indicator::Smau]);
        }
        if stage.is_some() {
            let name =
                NodeName { section: section.clone(), stage: stage.clone(), ..bare(Level::Stage) };
            add(name, &[Indicator::Smau]);
        }
        if group.is_some() {
            let name = NodeName {
                section: section.clone(),
                stage: stage.clone(),
                group: group.clone(),
                ..bare(Level::Group)
            };
            add(name, &[Indicator::Gmau]);
        }
        let metric = Some(metric.key_path.clone());
        add(NodeName { level: Level::Action, section, stage, group, metric }, &[]);
    }
    nodes.into_values().collect()
}

/// The nodes of a tree for periods that end on these days, which are in order, and the index of the
/// first period that has it. `last` is the day on which the data ends.
pub(crate) fn trees(
    dictionary: &Dictionary,
    tree: TreeOf,
    ends: impl Iterator<Item = Day>,
    last: Day,
    is_counted: impl Fn(&Metric) -> bool + Copy,
) -> Vec<(usize, Vec<Node>)> {
    if tree == TreeOf::Today {
        return vec![(0, nodes(dictionary, last, is_counted))];
    }
    let changes = change_days(dictionary);
    let mut trees = Vec::new();
    let mut before = None;
    for (at, end) in ends.enumerate() {
        let passed = changes.partition_point(|day| *day <= end);
        if before != Some(passed) {
            before = Some(passed);
            trees.push((at, nodes(dictionary, end, is_counted)));
        }
    }
    trees
}

/// Where nodes of the levels of a report go away within its days, which breaks their series.
pub(crate) fn breaks(dictionary: &Dictionary, question: &Question, report: &Report) -> Vec<String> {
    let from = [question.from, report.first_day].into_iter().flatten().max();
    let to = [question.to, report.last_day].into_iter().flatten().min();
    let (Some(from), Some(to), TreeOf::Period) = (from, to, question.tree) else {
        return Vec::new();
    };
    let names = |day: Day| -> BTreeSet<String> {
        let nodes = nodes(dictionary, day, |_| true).into_iter();
        let names = nodes.filter_map(|node| {
            if !question.has_rows_of(&node.name) {
                return None;
            }
            let NodeName { level, section, stage, group, .. } = node.name;
            let key = match level {
                Level::Section => section,
                Level::Stage => stage,
                Level::Group => group,
                Level::Total | Level::Combined | Level::Action => None,
            };
            Some(format!("{level} {}", key?))
        });
        names.collect()
    };
    let list = |names: BTreeSet<&String>| match names.is_empty() {
        true => "nothing".to_owned(),
        false => Vec::from_iter(names.into_iter().map(String::as_str)).join(", "),
    };
    let changes = change_days(dictionary).into_iter().filter(|day| from < *day && *day <= to);
    let text = |day: Day| {
        let (before, after) = (names(day.plus(-1)), names(day));
        let new = list(after.difference(&before).collect());
        let gone: BTreeSet<&String> = before.difference(&after).collect();
        if gone.is_empty() {
            return None;
        }
        let gone = list(gone);
        Some(format!(
            "the tree of stages changes on {day} (new: {new}; gone: {gone}), so the numbers before and \
             after are not comparable; `--tree today` counts all periods with one tree"
        ))
    };
    changes.filter_map(text).collect()
}

/// The days on which the tree or the set of metrics changes, in order: between two of them all
/// days have the same nodes.
pub(super) fn change_days(dictionary: &Dictionary) -> Vec<Day> {
    let stages = dictionary.tree.stages.iter().map(|stage| &stage.valid);
    let groups = dictionary.tree.groups().map(|group| &group.valid);
    let metrics = dictionary.metrics.iter().map(|metric| &metric.valid);
    let all = stages.chain(groups).chain(metrics);
    BTreeSet::from_iter(all.flat_map(|valid| [valid.from, valid.to]).flatten())
        .into_iter()
        .collect()
}

/// For each metric of the dictionary and each of its rules, the cells that the rule selects; nothing
/// for metrics that are not `wanted`.
pub(super) fn selections(
    dictionary: &Dictionary,
    dimensions: &[String],
    cells: &[Cell],
    wanted: impl Fn(&Metric) -> bool,
) -> Vec<Vec<BTreeSet<u32>>> {
    let mut by_event: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (at, cell) in cells.iter().enumerate() {
        by_event.entry(&cell.event).or_default().push(at as u32);
    }
    let select = |rule: &Rule| -> BTreeSet<u32> {
        let candidates = by_event.get(rule.event.as_str()).into_iter().flatten().copied();
        candidates.filter(|at| matches(rule, dimensions, &cells[*at as usize])).collect()
    };
    dictionary
        .metrics
        .iter()
        .map(|metric| match wanted(metric) {
            true => metric.rules.iter().map(select).collect(),
            false => Vec::new(),
        })
        .collect()
}

fn matches(rule: &Rule, dimensions: &[String], cell: &Cell) -> bool {
    rule.filter.iter().all(|(name, values)| {
        let at = dimensions.iter().position(|dimension| dimension == name);
        let value = at.and_then(|at| cell.dimensions[at].as_ref());
        value.is_some_and(|value| values.contains(value))
    })
}
