//! The rows of pings: monthly values and estimates of metrics, added over installations for every
//! combination of dimension values, and from them the values of the nodes of the tree.

use std::collections::{BTreeMap, BTreeSet};

use super::merge::MAX_USERS;
use super::{PartRow, Parts, Variant};
use crate::active::{Basis, Count, Level, Method, Node, trees};
use crate::calendar::{Day, Window};
use crate::metric::{Metric, Status};
use crate::pings::{Deployment, Ping, PingTables, for_each_monthly_value};
use crate::{JobContext, Result};

/// The rows, how many pings they are made of, and messages.
pub(super) struct PingRows {
    pub(super) rows: Vec<PartRow>,
    pub(super) counted: u64,
    pub(super) notes: Vec<String>,
}

/// A deployment, then one value for each of the other dimensions; `None` is All.
type Combo = Vec<Option<String>>;

/// The value of a dimension of which a ping says nothing.
pub(super) const NONE_LABEL: &str = "(none)";
/// About what a value takes in its map.
const VALUE_BYTES: usize = 32;

pub(super) fn ping_rows(
    parts: &Parts<'_>,
    tables: &PingTables,
    variant: Variant,
    job: &JobContext<'_>,
) -> Result<PingRows> {
    let PingTables { collection, metrics, .. } = tables;
    let path_of =
        |metric: &Metric| metrics.monthly(metric).filter(|_| metric.status != Status::Broken);
    let months: BTreeSet<Day> = collection.pings.iter().map(|ping| ping.month).collect();
    let end_of = |month: &Day| Window::Month.at(*month).end;
    let last = parts.question.as_of.or(months.last().map(end_of)).unwrap_or(Day::MAX);
    let trees =
        trees(parts.dictionary, parts.question.tree, months.iter().map(end_of), last, |metric| {
            path_of(metric).is_some()
        });
    let paths: Vec<Option<usize>> = parts.dictionary.metrics.iter().map(path_of).collect();
    let needed = needed_metrics(parts, &trees);
    let mut is_needed = vec![false; metrics.list.len()];
    needed.iter().filter_map(|metric| paths[*metric]).for_each(|path| is_needed[path] = true);

    let is_counted = |deployment| deployment != Deployment::Saas || !parts.saas_from_events;
    let is_in_range = |month: &Day| parts.is_in_range(end_of(month));
    let mut sums = Sums::default();
    let (mut counted, mut current, mut slots) = (0, None, Vec::new());
    for_each_monthly_value(collection, metrics, |ping, path, value| {
        if !is_needed[path] || !is_counted(ping.deployment) || !is_in_range(&ping.month) {
            return;
        }
        let this = (ping.installation, ping.month);
        if current.replace(this) != Some(this) {
            counted += 1;
            let installation = || {
                let of = &collection.installations[ping.installation];
                match &of.hostname {
                    Some(hostname) => format!("{}/{hostname}", of.uuid),
                    None => of.uuid.clone(),
                }
            };
            let values =
                parts.other_dimensions().map(|name| Some(value_of(ping, name, installation)));
            slots = sums.slots(ping.month, Basis::Recorded, ping.deployment, values.collect());
        }
        slots.iter().for_each(|slot| sums.add(ping.month, *slot, path, Some(value.unsigned_abs())));
    });
    for row in &tables.estimates {
        let is_asked = (row.condition, row.measure) == (variant.condition, variant.measure);
        if is_asked
            && is_needed[row.metric]
            && is_counted(row.deployment)
            && is_in_range(&row.month)
        {
            let values = parts.other_dimensions();
            let values = values.map(|name| (name == "edition").then(|| row.edition.to_string()));
            let slots = sums.slots(row.month, Basis::Estimated, row.deployment, values.collect());
            for slot in slots {
                sums.add(row.month, slot, row.metric, row.total.map(i64::unsigned_abs));
            }
        }
    }
    job.reserve(sums.values * VALUE_BYTES)?;

    let mut rows = Vec::new();
    let mut notes = sums.notes(|path| metrics.list[path].key_path.as_str());
    for ((month, basis, combo), slot) in &sums.index {
        let after = trees.partition_point(|(first, _)| *first <= months.range(..month).count());
        let nodes = after.checked_sub(1).map_or(&[][..], |at| &trees[at].1[..]);
        let maker =
            NodeValues { values: &sums.slots[*slot], paths: &paths, method: parts.question.method };
        for node in nodes.iter().filter(|node| parts.question.levels.contains(&node.name.level)) {
            let values = match node.name.level {
                Level::Combined => {
                    let stages = nodes.iter().filter(|node| node.name.level == Level::Stage);
                    stages.filter_map(|stage| maker.value(stage)).collect()
                }
                _ => Vec::from_iter(maker.value(node)),
            };
            let Some(users) = checked_sum(&values) else {
                if !values.is_empty() {
                    notes.push(too_large(*month, node.name.level.as_str()));
                }
                continue;
            };
            let name = node.name.clone();
            rows.push(PartRow {
                window: Window::Ping28d,
                period: Window::Month.at(*month),
                complete: collection.is_complete(*month),
                level: name.level,
                section: name.section,
                stage: name.stage,
                group: name.group,
                metric: name.metric,
                by: combo.clone(),
                method: match name.level {
                    Level::Combined | Level::Action => Method::Sum,
                    _ => parts.question.method,
                },
                basis: *basis,
                count: Count::Exact,
                users,
                users_low: users,
                users_high: users,
                previous_users: None,
                change_pct: None,
            });
        }
    }
    job.reserve(rows.len() * size_of::<PartRow>())?;
    Ok(PingRows { rows, counted, notes })
}

/// The metrics whose values are needed, by their index in the dictionary.
fn needed_metrics(parts: &Parts<'_>, trees: &[(usize, Vec<Node>)]) -> BTreeSet<usize> {
    let levels = &parts.question.levels;
    let is_needed = |level| {
        levels.contains(&level) || (level == Level::Stage && levels.contains(&Level::Combined))
    };
    let nodes = trees.iter().flat_map(|(_, nodes)| nodes);
    let needed = nodes.filter(|node| is_needed(node.name.level));
    needed.flat_map(|node| metrics_of(parts.question.method, node)).copied().collect()
}

/// The metrics that a node is made of.
fn metrics_of(method: Method, node: &Node) -> &[usize] {
    match (node.name.level, method) {
        (Level::Action, _) | (_, Method::Max | Method::Sum | Method::Union) => &node.metrics,
        (_, Method::Indicator) => &node.indicators,
    }
}

/// What a ping says about one of the other dimensions.
fn value_of(ping: &Ping, dimension: &str, installation: impl Fn() -> String) -> String {
    match dimension {
        "edition" => ping.edition.to_string(),
        "tier" => ping.tier.to_string(),
        "installation" => installation(),
        _ => match ping.major_minor() {
            Some(version) => format!("{}.{}", version / 100, version % 100),
            None => NONE_LABEL.to_owned(),
        },
    }
}

/// The values of nodes for one combination of dimension values.
struct NodeValues<'a> {
    /// By the index of the metric's path.
    values: &'a BTreeMap<usize, Option<u64>>,
    /// The path of each metric of the dictionary.
    paths: &'a [Option<usize>],
    method: Method,
}

impl NodeValues<'_> {
    /// The value of a node; `None` if no metric of it was measured.
    fn value(&self, node: &Node) -> Option<u64> {
        let paths = metrics_of(self.method, node).iter().filter_map(|metric| self.paths[*metric]);
        let values: Vec<u64> = paths.filter_map(|path| *self.values.get(&path)?).collect();
        match self.method {
            Method::Max => values.into_iter().max(),
            // Several indicators of a node are added, too.
            _ => checked_sum(&values),
        }
    }
}

/// Values of metrics by what they are, month, and combination of dimension values.
#[derive(Default)]
struct Sums {
    /// The place of each combination in `slots`.
    index: BTreeMap<(Day, Basis, Combo), usize>,
    /// By the index of the metric's path; `None` if the sum is too large.
    slots: Vec<BTreeMap<usize, Option<u64>>>,
    /// How many values there are.
    values: usize,
    too_large: BTreeSet<(Day, usize)>,
}

impl Sums {
    /// The slots of a deployment with these values of the other dimensions, of which a missing one only
    /// counts in All.
    fn slots(
        &mut self,
        month: Day,
        basis: Basis,
        deployment: Deployment,
        values: Vec<Option<String>>,
    ) -> Vec<usize> {
        let mut combos: Vec<Combo> = vec![vec![Some(deployment.to_string())]];
        for value in values {
            let own = value.iter().flat_map(|value| {
                combos.iter().map(|combo| [&combo[..], &[Some(value.clone())]].concat())
            });
            let own: Vec<Combo> = own.collect();
            combos.iter_mut().for_each(|combo| combo.push(None));
            combos.extend(own);
        }
        let slot = |combo| {
            let next = self.slots.len();
            let slot = *self.index.entry((month, basis, combo)).or_insert(next);
            if slot == next {
                self.slots.push(BTreeMap::new());
            }
            slot
        };
        combos.into_iter().map(slot).collect()
    }

    fn add(&mut self, month: Day, slot: usize, path: usize, value: Option<u64>) {
        let sum = self.slots[slot].entry(path).or_insert_with(|| {
            self.values += 1;
            Some(0)
        });
        *sum = sum.zip(value).and_then(|(sum, value)| checked_sum(&[sum, value]));
        if sum.is_none() {
            self.too_large.insert((month, path));
        }
    }

    fn notes<'a>(&self, path: impl Fn(usize) -> &'a str) -> Vec<String> {
        self.too_large.iter().map(|(month, at)| too_large(*month, path(*at))).collect()
    }
}

/// The sum of some values; `None` without values, or if it is above 2^63 - 1.
fn checked_sum(values: &[u64]) -> Option<u64> {
    let sum = values.iter().copied().reduce(u64::saturating_add)?;
    (sum <= MAX_USERS).then_some(sum)
}

fn too_large(month: Day, what: &str) -> String {
    format!("a sum of {what} in the month of {month} is above 2^63 - 1 and is left out")
}
