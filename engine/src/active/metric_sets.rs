//! The sets of metrics whose users the value of a node is made of.

use super::level::Level;
use super::nodes::Node;
use super::question::TotalOf;
use super::row::Method;

/// The users to count: the union of some metrics, or (`None`) all users.
pub(super) type MetricSet = Option<Vec<usize>>;

/// The values that a node is made of.
pub(super) fn metric_sets_of(method: Method, total: TotalOf, node: &Node) -> Vec<MetricSet> {
    match (node.name.level, method) {
        (Level::Total, _) if total == TotalOf::Everyone => vec![None],
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
