//! Users of several installations, from the sketches in their pings, for the nodes of the tree.

use super::nodes::{Name, change_days, nodes_of};
use super::question::TreeOf;
use super::row::Level;
use crate::calendar::{Window, Zone};
use crate::metric::{Dictionary, Metric, TimeFrame};
use crate::pings::{Inputs, Ping, PingTables, PingUnion, unions};
use crate::project::Project;
use crate::{JobContext, Result};

/// The union of a node in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeUnion {
    /// The node: the total, a section, stage or group, or a metric.
    pub name: Name,
    /// Its users. [`PingUnion::set`] has no meaning here.
    pub union: PingUnion,
}

/// Unites the users of every node over the last pings of months that are wanted. The metrics are those
/// with a key path of 28 days, whether or not events can count them. Rows are ordered by month and node.
///
/// # Errors
/// As [`unions`].
pub fn ping_unions(
    project: &Project,
    dictionary: &Dictionary,
    tables: &PingTables,
    inputs: &Inputs,
    tree: TreeOf,
    is_wanted: &(dyn Fn(&Ping) -> bool + Sync),
    job: &JobContext<'_>,
) -> Result<Vec<NodeUnion>> {
    let pings = &tables.collection.pings;
    let Some(newest) = pings.iter().map(|ping| ping.recorded_at).max() else {
        return Ok(Vec::new());
    };
    let changes = change_days(dictionary);
    let changes_until = |ping: &Ping| {
        let end = Window::Month.at(ping.month).end;
        changes.partition_point(|day| *day <= end)
    };
    // The months with equal trees, by a day of them.
    let trees = match tree {
        TreeOf::Today => vec![(Zone::utc().day_of(newest), None)],
        TreeOf::Period => {
            let mut trees: Vec<_> = pings
                .iter()
                .map(|ping| (Window::Month.at(ping.month).end, Some(changes_until(ping))))
                .collect();
            trees.sort_unstable();
            trees.dedup_by_key(|(_, changes)| *changes);
            trees
        }
    };
    let mut rows = Vec::new();
    for (day, changes) in trees {
        let (names, sets): (Vec<Name>, Vec<Vec<String>>) =
            sets(dictionary, day).into_iter().unzip();
        let is_of_tree = |ping: &Ping| {
            is_wanted(ping) && changes.is_none_or(|changes| changes == changes_until(ping))
        };
        let (root, collection) = (&project.root, &tables.collection);
        let found = unions(root, inputs, collection, &sets, &is_of_tree, job)?;
        rows.extend(
            found.into_iter().map(|union| NodeUnion { name: names[union.set].clone(), union }),
        );
    }
    Ok(rows)
}

/// The nodes of a day with the key paths of their metrics, in the order of the nodes.
fn sets(dictionary: &Dictionary, day: crate::calendar::Day) -> Vec<(Name, Vec<String>)> {
    let key_path = |metric: &Metric| {
        let mut paths = metric.key_paths().into_iter().filter(|_| metric.is_number());
        paths.find(|(_, frame)| *frame == TimeFrame::Month).map(|(key_path, _)| key_path)
    };
    let nodes = nodes_of(dictionary, day, |metric| key_path(metric).is_some());
    let all: Vec<usize> = nodes
        .iter()
        .filter(|node| node.name.level == Level::Action)
        .flat_map(|node| node.metrics.clone())
        .collect();
    let set = |metrics: &[usize]| -> Vec<String> {
        metrics.iter().filter_map(|at| key_path(&dictionary.metrics[*at])).collect()
    };
    nodes
        .into_iter()
        .filter(|node| node.name.level != Level::Combined)
        .map(|node| match node.name.level {
            Level::Total => (node.name, set(&all)),
            _ => (node.name, set(&node.metrics)),
        })
        .collect()
}
