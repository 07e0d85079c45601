//! Users of several installations, from the sketches in their pings, for the nodes of the tree.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::active::{Level, Node, NodeName, TreeOf, trees};
use crate::calendar::{Day, Window, Zone};
use crate::metric::{Dictionary, Metric, Status, TimeFrame, USER};
use crate::pings::{Inputs, MetricPath, Ping, PingTables, PingUnion, unions};
use crate::{JobContext, Result};

/// The union of a node in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeUnion {
    /// The node: the total, a section, stage or group, or a metric.
    pub name: NodeName,
    /// Its users. [`PingUnion::set`] has no meaning here.
    pub union: PingUnion,
}

/// Unites the users of every node over the last pings of months that are wanted. The metrics are those
/// with a key path of 28 days, but for those whose rules count something else than users. Rows are ordered by month and node.
///
/// # Errors
/// As [`unions`].
pub fn ping_unions(
    dictionary: &Dictionary,
    tables: &PingTables,
    inputs: &Inputs,
    tree: TreeOf,
    is_wanted: &(dyn Fn(&Ping) -> bool + Sync),
    job: &JobContext<'_>,
) -> Result<Vec<NodeUnion>> {
    let collection = &tables.collection;
    let months: Vec<Day> =
        BTreeSet::from_iter(collection.pings.iter().map(|ping| ping.month)).into_iter().collect();
    let Some(newest) = collection.pings.iter().map(|ping| ping.recorded_at).max() else {
        return Ok(Vec::new());
    };
    let ends = months.iter().map(|month| Window::Month.at(*month).end);
    let last = Zone::utc().day_of(newest);
    let trees = trees(dictionary, tree, ends, last, |metric| key_path(metric).is_some());
    let mut rows = Vec::new();
    for (at, (first, nodes)) in trees.iter().enumerate() {
        let end = trees.get(at + 1).map_or(months.len(), |(next, _)| *next);
        let of_tree: &[Day] = months.get(Range { start: *first, end }).unwrap_or_default();
        let nodes: Vec<&Node> =
            nodes.iter().filter(|node| node.name.level != Level::Combined).collect();
        let paths = |node: &&Node| {
            node.metrics.iter().filter_map(|at| key_path(&dictionary.metrics[*at])).collect()
        };
        let sets: Vec<Vec<String>> = nodes.iter().map(paths).collect();
        let is_of_tree = |ping: &Ping| of_tree.contains(&ping.month) && is_wanted(ping);
        let found = unions(inputs, collection, &sets, &is_of_tree, job)?;
        rows.extend(
            found.into_iter().map(|union| NodeUnion { name: nodes[union.set].name.clone(), union }),
        );
    }
    Ok(rows)
}

/// The key path of a metric with the users of 28 days.
fn key_path(metric: &Metric) -> Option<String> {
    let counts_users = metric.rules.iter().all(|rule| rule.unique.as_deref() == Some(USER));
    if metric.status == Status::Broken || !counts_users {
        return None;
    }
    let path = MetricPath::monthly(metric)?;
    (path.time_frame == TimeFrame::Month).then_some(path.key_path)
}
