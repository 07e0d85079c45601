//! Tests of the dictionary: small ones, and GitLab's own.

mod aggregates;
mod files;
mod gitlab;
mod metrics;
mod tree;

use super::{DefinitionKind, Dictionary};
use crate::calendar::Day;

const TREE: &str = "stages:\n  plan:\n    section: dev\n    groups: {planning: {name: P}}\n";
const EVENTS: &str = "- {action: opened}\n- {action: closed}\n- {action: file_modified}\n";

fn dictionary(stages: &str, events: &str, metrics: &str) -> Dictionary {
    Dictionary::from_texts(&[
        (DefinitionKind::Stages, "stages.yml", stages),
        (DefinitionKind::Events, "events.yml", events),
        (DefinitionKind::Metrics, "metrics.yml", metrics),
    ])
}

/// A metric with an owner and one known event, so that only `more` can be wrong.
fn metric(more: &str) -> Dictionary {
    let text = format!("key_path: a\nproduct_group: planning\n{more}");
    dictionary(TREE, EVENTS, &text)
}

fn problems(dictionary: &Dictionary) -> Vec<String> {
    dictionary.problems.iter().map(ToString::to_string).collect()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}
