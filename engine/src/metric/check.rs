//! Checks across definitions: unknown events, metrics without a group or stage.

use std::collections::{BTreeSet, HashMap};

use super::model::{Event, Metric, Status};
use super::problem::{Problem, Problems, Severity};
use super::taxonomy::{Placement, Tree};
use crate::nearest::did_you_mean;

/// Warns of event names in rules that no event definition has.
pub(super) fn event_names<'a>(
    metrics: impl Iterator<Item = &'a Metric>,
    events: &[Event],
    problems: &Problems,
) {
    let known: BTreeSet<&str> = events.iter().map(|event| event.action.as_str()).collect();
    // The same unknown name may stand in many metrics; the search for a near one is the slow part.
    let mut helps: HashMap<&str, Option<String>> = HashMap::new();
    for metric in metrics.filter(|metric| metric.status != Status::Removed) {
        let mut warned = BTreeSet::new();
        for rule in &metric.rules {
            let name = rule.event.as_str();
            if known.contains(name) || !warned.insert(name) {
                continue;
            }
            let near = || did_you_mean(name, known.iter().copied());
            let help = helps.entry(name).or_insert_with(near).clone();
            let message = format!("event `{name}` has no definition");
            let problem =
                Problem::new(Severity::Warning, &metric.file, rule.line, &rule.key, message);
            problems.push(problem.with_help(help));
        }
    }
}

/// Warns of metrics without events, and of those without a node in the tree.
pub(super) fn metrics(metrics: &[Metric], tree: &Tree, problems: &Problems) {
    for metric in metrics.iter().filter(|metric| metric.status != Status::Removed) {
        let warn = |line: usize, key: &str, message: String, help: Option<String>| {
            let problem = Problem::new(Severity::Warning, &metric.file, line, key, message);
            problems.push(problem.with_help(help));
        };
        if metric.rules.is_empty() {
            let message =
                format!("`{}` has no events, so its users are not counted", metric.key_path);
            warn(metric.line, &metric.key, message, None);
        }
        // A tree without stages is reported itself.
        if !tree.stages.is_empty()
            && let Some((message, help)) = missing_group(metric, tree)
        {
            let separator = if metric.key.is_empty() { "" } else { "." };
            let key = format!("{}{separator}product_group", metric.key);
            warn(metric.owner_line, &key, message, help);
        }
    }
}

/// What is wrong with a metric's owner: the message and the help.
fn missing_group(metric: &Metric, tree: &Tree) -> Option<(String, Option<String>)> {
    let placement = tree.any_placement(metric);
    let instead = match placement {
        Placement { stage: Some(stage), .. } => format!("the metric belongs to stage `{stage}`"),
        Placement { section: Some(section), .. } => {
            format!("the metric belongs to section `{section}`")
        }
        _ => "the metric belongs to no stage".to_owned(),
    };
    let Some(group) = &metric.group else {
        let message = format!("`{}` has no product_group: {instead}", metric.key_path);
        return placement.stage.is_none().then_some((message, None));
    };
    let stages = tree.stages.iter().map(|stage| stage.slug.as_str());
    let groups = tree.groups().map(|group| group.slug.as_str());
    let mut known = groups.chain(stages);
    if known.any(|key| key == group) {
        return None;
    }
    let groups = tree.groups().map(|group| group.slug.as_str());
    let help = did_you_mean(group, groups);
    let message = format!("group `{group}` is not defined in the stages file: {instead}");
    Some((message, help))
}
