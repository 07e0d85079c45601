//! The arguments of a report.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::level::{Level, NodeName};
use super::node_filter::NodeFilter;
use super::row::Method;
use crate::calendar::{Day, Window};
use crate::rollup::Counting;

/// Which tree of sections, stages and groups a report uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreeOf {
    /// The tree as it stands on the day on which the data ends, for all periods.
    #[default]
    Today,
    /// For each period the tree that held on its last day.
    Period,
}

/// Who is counted in the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TotalOf {
    /// Everyone: the unique users of all events of the dictionary.
    #[default]
    Everyone,
    /// The users of metrics, by the method, as for every other node; its indicators are the metrics
    /// flagged umau.
    Metrics,
}

/// The arguments of a report.
#[derive(Clone, Debug)]
pub struct Question {
    /// The named window.
    pub window: Window,
    /// Levels to give rows for.
    pub levels: BTreeSet<Level>,
    /// Which part of the tree has rows.
    pub nodes: NodeFilter,
    /// How nodes above an action are rolled up.
    pub method: Method,
    /// Dimensions to group by; every combination of values, with their All rows.
    pub by: Vec<String>,
    /// So many values of each dimension, the largest, have rows of their own; all others are the
    /// value [`OTHER_LABEL`] together.
    pub top: Option<NonZeroUsize>,
    /// First requested day; the data's first day if `None`.
    pub from: Option<Day>,
    /// Last requested day; the data's last day if `None`.
    pub to: Option<Day>,
    /// The data ends with this day: later events are not looked at.
    pub as_of: Option<Day>,
    /// Exact or approximate.
    pub counting: Counting,
    /// Which tree.
    pub tree: TreeOf,
    /// Who is counted in the total.
    pub total: TotalOf,
}

impl Default for Question {
    /// Exact monthly active users, in total and per stage, of all the data.
    fn default() -> Self {
        Self {
            window: Window::Month,
            levels: BTreeSet::from([Level::Total, Level::Stage]),
            nodes: NodeFilter::default(),
            method: Method::Union,
            by: Vec::new(),
            top: None,
            from: None,
            to: None,
            as_of: None,
            counting: Counting::Exact,
            tree: TreeOf::Today,
            total: TotalOf::Everyone,
        }
    }
}

impl Question {
    /// Whether a node has rows.
    pub(crate) fn has_rows_of(&self, name: &NodeName) -> bool {
        self.levels.contains(&name.level) && self.nodes.contains(name)
    }

    /// Whether a node has to be counted: the combined rows are sums of stages.
    pub(crate) fn needs(&self, name: &NodeName) -> bool {
        let is_part = name.level == Level::Stage && self.levels.contains(&Level::Combined);
        (is_part && self.nodes.level().is_none()) || self.has_rows_of(name)
    }
}
