//! The dictionary: which events there are, which of them make a metric, and the node of a metric in
//! the tree of sections, stages and groups.
//!
//! Definitions are YAML files with the field names of GitLab's public ones, from the forms of 2021
//! to the present, so that real ones load unmodified. [`Dictionary::load`] reads all of them and
//! collects every [`Problem`] with file, line and key instead of stopping at the first. Fields
//! without a meaning here are kept as text and can be shown.
//!
//! Reading order: [`Dictionary`], [`Metric`] and its [`Rule`]s, [`Tree`].
//!
//! Not here: whether the sources contain these events, and any counting.

pub mod yaml;

mod aggregates;
mod check;
mod data_span;
mod dictionary;
mod events;
mod fields;
mod key_paths;
mod metrics;
mod model;
mod paths;
mod problem;
mod rules;
mod stages;
mod taxonomy;
mod validity;

pub use data_span::DataSpan;
pub use dictionary::{DefinitionKind, Dictionary};
pub use model::{
    Event, Indicator, Metric, Operator, Property, Rule, Status, TimeFrame, USER, Uncounted,
};
pub use paths::Paths;
pub use problem::{Problem, Problems, Severity};
pub use taxonomy::{Group, Placement, Rank, Section, Stage, Tree, TreeNode, normalise};
pub use validity::Validity;

#[cfg(test)]
mod tests;
