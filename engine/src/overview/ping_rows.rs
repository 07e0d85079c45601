//! The rows of pings: monthly values and estimates of metrics, added over installations for every
//! combination of dimension values, and from them the values of the nodes of the tree.

use std::collections::BTreeMap;

use super::parts::{NONE_LABEL, PartRow, Parts, Variant};
use crate::active::{Basis, Count, Level, Method, Node};
use crate::calendar::{Day, Window};
use crate::pings::{Deployment, Edition, Ping, PingTables, for_each_monthly_value};
use crate::{JobContext, Result};

/// The rows, and how many pings they are made of.
pub(super) struct PingRows {
    pub(super) rows: Vec<PartRow>,
    pub(super) counted: u64,
}

/// A deployment, then one value for each of the other dimensions; `None` is All.
type Combo = Vec<Option<String>>;

/// About what a value takes in its map.
const VALUE_BYTES: usize = 32;

pub(super) fn ping_rows(
    parts: &Parts<'_>,
    tables: &PingTables,
    variant: Variant,
    job: &JobContext<'_>,
) -> Result<PingRows> {
    let PingTables { collection, metrics, .. } = tables;
    let paths = parts.paths(metrics);
    let trees = parts.trees(tables);
    let mut is_needed = vec![false; metrics.list.len()];
    for node in trees.all().filter(|node| parts.question.needs(&node.name)) {
        let own = metrics_of(parts.question.method, node).iter();
        own.filter_map(|metric| paths[*metric]).for_each(|path| is_needed[path] = true);
    }

    let is_shown =
        |path: usize, deployment, month: Day| is_needed[path] && parts.is_shown(deployment, month);
    // Estimates and predictions are made for each edition, and for no other dimension.
    let of_edition = |edition: Edition| -> Vec<Option<String>> {
        let value = |name: &String| (name == "edition").then(|| edition.to_string());
        parts.other_dimensions().map(value).collect()
    };
    let mut sums = Sums::default();
    let (mut counted, mut current, mut slots) = (0, None, Vec::new());
    for_each_monthly_value(collection, metrics, |ping, path, value| {
        if !is_shown(path, ping.deployment, ping.month) {
            return;
        }
        let this = (ping.installation, ping.month);
        if current.replace(this) != Some(this) {
            counted += u64::from(parts.is_asked(Window::Month.at(ping.month).end));
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
        slots.iter().for_each(|slot| sums.add(*slot, path, value.unsigned_abs()));
    });
    for row in &tables.estimates {
        let is_asked = (row.condition, row.measure) == (variant.condition, variant.measure);
        if is_asked && is_shown(row.metric, row.deployment, row.month) {
            let values = of_edition(row.edition);
            let slots = sums.slots(row.month, Basis::Estimated, row.deployment, values);
            for slot in slots {
                sums.add(slot, row.metric, number(row.total));
            }
        }
    }
    for row in tables.predictions.iter().filter(|_| variant.scenario.is_some()) {
        let is_asked = Some(row.scenario) == variant.scenario && row.measure == variant.unit();
        // Without a share there is nothing to predict.
        let is_known = !row.share.is_zero();
        if is_asked && is_known && is_shown(row.metric, row.deployment, row.month) {
            let values = of_edition(row.edition);
            let slots = sums.slots(row.month, Basis::Predicted, row.deployment, values);
            for slot in slots {
                sums.add(slot, row.metric, number(row.predicted));
            }
        }
    }
    job.reserve(sums.values * VALUE_BYTES)?;

    let mut rows = Vec::new();
    for ((month, basis, combo), slot) in &sums.index {
        let nodes = trees.of(*month);
        let maker =
            NodeValues { values: &sums.slots[*slot], paths: &paths, method: parts.question.method };
        for node in nodes.iter().filter(|node| parts.question.has_rows_of(&node.name)) {
            let users = match node.name.level {
                Level::Combined => {
                    let stages = nodes.iter().filter(|node| node.name.level == Level::Stage);
                    stages.filter_map(|stage| maker.value(stage)).reduce(u64::saturating_add)
                }
                _ => maker.value(node),
            };
            let Some(users) = users else { continue };
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
    Ok(PingRows { rows, counted })
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
    values: &'a BTreeMap<usize, u64>,
    /// The path of each metric of the dictionary.
    paths: &'a [Option<usize>],
    method: Method,
}

impl NodeValues<'_> {
    /// The value of a node; `None` if no metric of it was measured.
    fn value(&self, node: &Node) -> Option<u64> {
        let paths = metrics_of(self.method, node).iter().filter_map(|metric| self.paths[*metric]);
        let values = paths.filter_map(|path| self.values.get(&path).copied());
        match self.method {
            Method::Max => values.max(),
            // Several indicators of a node are added, too.
            _ => values.reduce(u64::saturating_add),
        }
    }
}

/// Values of metrics by what they are, month, and combination of dimension values.
#[derive(Default)]
struct Sums {
    /// The place of each combination in `slots`.
    index: BTreeMap<(Day, Basis, Combo), usize>,
    /// By the index of the metric's path; numbers that are too large stay so.
    slots: Vec<BTreeMap<usize, u64>>,
    /// How many values there are.
    values: usize,
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

    fn add(&mut self, slot: usize, path: usize, value: u64) {
        let sum = self.slots[slot].entry(path).or_insert_with(|| {
            self.values += 1;
            0
        });
        *sum = sum.saturating_add(value);
    }
}

/// A number of the tables; an unknown one is too large.
fn number(value: Option<i64>) -> u64 {
    value.map_or(u64::MAX, i64::unsigned_abs)
}
