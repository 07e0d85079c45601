//! Aggregates, the older form of a metric over several events: `{name, operator, source,
//! time_frame, events}`.
//!
//! An aggregate makes one key path for each of its time frames. The definition of that name gets
//! the aggregate's rules, unless it has rules of its own. If the first of these names, in the
//! order of [`MAIN`], has no definition, the aggregate itself becomes the metric.
//!
//! The same aggregate may stand in two files, as it does when a folder and its predecessor are
//! both loaded; only when they differ it is a problem.

use std::collections::HashMap;
use std::path::Path;

use super::metrics::{operator, time_frames};
use super::model::{Metric, Rule, Status, TimeFrame, USER};
use super::yaml::View;
use super::{fields, rules, validity};

/// The time frames in the order in which one of them names the metric, and how its key path
/// begins.
pub(super) const MAIN: [(TimeFrame, &str); 3] = [
    (TimeFrame::Month, "counts_monthly.aggregated_metrics."),
    (TimeFrame::Week, "counts_weekly.aggregated_metrics."),
    (TimeFrame::All, "counts.aggregate_"),
];

const USED: [&str; 8] = [
    "name",
    "description",
    "operator",
    "time_frame",
    "events",
    "product_group",
    "valid_from",
    "valid_to",
];

/// Whether a definition in a metrics file is an aggregate: it looks like one, or it stands in a
/// folder of aggregates and is no metric.
pub(super) fn is_one(view: &View<'_>) -> bool {
    let has = |key: &str| view.node().get(key).is_some();
    let folder = view.file().parent().and_then(Path::file_name);
    let at_home = folder.is_some_and(|name| name == "aggregates");
    !has("key_path") && (at_home || (has("name") && (has("operator") || has("source"))))
}

/// Reads aggregates as metrics whose key path is the aggregate's name.
pub(super) fn read(definitions: &[View<'_>]) -> Vec<Metric> {
    let mut aggregates: Vec<Metric> = Vec::new();
    for view in definitions {
        let Some(aggregate) = aggregate(view) else { continue };
        let duplicate =
            aggregates.iter().find(|duplicate| duplicate.key_path == aggregate.key_path);
        match duplicate {
            None => aggregates.push(aggregate),
            Some(duplicate) if meaning(duplicate) == meaning(&aggregate) => {}
            Some(duplicate) => {
                let place = format!("{}:{}", duplicate.file.display(), duplicate.line);
                let message = format!(
                    "aggregate `{}` has two different definitions; the first is in {place}",
                    aggregate.key_path
                );
                view.error(message, Some("remove one of them"));
            }
        }
    }
    aggregates
}

/// Gives the aggregates' rules to the metrics, and adds the aggregates that no metric names.
pub(super) fn apply(aggregates: Vec<Metric>, metrics: &mut Vec<Metric>) {
    let known: HashMap<String, usize> =
        metrics.iter().enumerate().map(|(i, metric)| (metric.key_path.clone(), i)).collect();
    for aggregate in aggregates {
        let includes = |frame: &TimeFrame| match aggregate.time_frames.as_slice() {
            [] => *frame == TimeFrame::Month,
            frames => frames.contains(frame),
        };
        let mut unnamed = None;
        for (i, (_, start)) in MAIN.iter().filter(|(frame, _)| includes(frame)).enumerate() {
            let key_path = format!("{start}{}", aggregate.key_path);
            match known.get(&key_path) {
                Some(index) => copy_rules(&aggregate, &mut metrics[*index]),
                None if i == 0 => unnamed = Some(key_path),
                None => {}
            }
        }
        if let Some(key_path) = unnamed {
            metrics.push(Metric { key_path, ..aggregate });
        }
    }
}

fn copy_rules(aggregate: &Metric, metric: &mut Metric) {
    if metric.rules.is_empty() {
        metric.rules.clone_from(&aggregate.rules);
        metric.operator = aggregate.operator;
        let place = format!("{}:{}", aggregate.file.display(), aggregate.line);
        metric.other.push(("aggregate".to_owned(), place));
    }
}

fn aggregate(view: &View<'_>) -> Option<Metric> {
    if view.node().as_map().is_none() {
        view.wrong_type("an aggregate");
        return None;
    }
    let name = view.required_text_of("name")?;
    let implied = view.text_of("attribute").map_or_else(|| USER.to_owned(), rules::subject);
    let events = view.get("events");
    Some(Metric {
        key_path: name.to_owned(),
        description: view.text_of("description").unwrap_or_default().to_owned(),
        group: fields::owner(view, "product_group"),
        stage_hint: None,
        section_hint: None,
        status: Status::Active,
        time_frames: time_frames(view),
        has_frame_list: false,
        indicators: Vec::new(),
        data_source: view.text_of("source").map(str::to_lowercase),
        operator: operator(view),
        rules: events.map_or_else(Vec::new, |events| rules::read(&events, Some(&implied))),
        valid: validity::read(view),
        file: view.file().to_owned(),
        line: view.line(),
        other: fields::other(view, &USED),
        key: view.key().to_owned(),
        owner_line: view.get("product_group").map_or(view.line(), |group| group.line()),
    })
}

/// What two definitions must share to be the same: the order of rules and frames does not count.
fn meaning(aggregate: &Metric) -> impl PartialEq {
    let mut frames = aggregate.time_frames.clone();
    frames.sort_unstable();
    let of = |rule: &Rule| (rule.event.clone(), rule.filter.clone(), rule.unique.clone());
    let mut rules: Vec<_> = aggregate.rules.iter().map(of).collect();
    rules.sort_unstable();
    (aggregate.operator, frames, rules, aggregate.valid)
}
