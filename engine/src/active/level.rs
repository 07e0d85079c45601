//! The levels of the tree, and the names of its nodes.

use std::collections::BTreeMap;

use crate::metric::{Dictionary, Rank};
use crate::words::words;

/// What a row is a row of, from the whole to the part; rows are printed in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Unique users over all events of the dictionary (UMAU, "MAU").
    Total,
    /// The plain sum of the stages: a user in three stages counts three (CMAU).
    Combined,
    /// Each section of the tree.
    Section,
    /// Each stage of the tree (SMAU).
    Stage,
    /// Each group of the tree (GMAU).
    Group,
    /// Each metric (AMAU).
    Action,
}

words!(
    Level,
    "level",
    Total = "total",
    Combined = "combined",
    Section = "section",
    Stage = "stage",
    Group = "group",
    Action = "action"
);

/// A node of the tree, with those above it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName {
    /// Its level.
    pub level: Level,
    /// Key of its section.
    pub section: Option<String>,
    /// Key of its stage.
    pub stage: Option<String>,
    /// Key of its group.
    pub group: Option<String>,
    /// Key path of the metric.
    pub metric: Option<String>,
}

/// Display names for every key that a row can hold.
pub(crate) fn names(dictionary: &Dictionary) -> BTreeMap<(Level, String), String> {
    let tree = &dictionary.tree;
    let sections = tree.sections.iter().map(|s| (Rank::Section, &s.key));
    let stages = tree.stages.iter().map(|s| (Rank::Stage, &s.key));
    let groups = tree.groups().map(|g| (Rank::Group, &g.key));
    let mut names = BTreeMap::new();
    for (rank, key) in sections.chain(stages).chain(groups) {
        let level = match rank {
            Rank::Section => Level::Section,
            Rank::Stage => Level::Stage,
            Rank::Group => Level::Group,
        };
        let name = tree.name_of(rank, key).unwrap_or(key);
        names.insert((level, key.clone()), name.to_owned());
    }
    for metric in &dictionary.metrics {
        if !metric.description.is_empty() {
            names.insert((Level::Action, metric.key_path.clone()), metric.description.clone());
        }
    }
    names
}
