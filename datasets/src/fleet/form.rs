//! The form that all documents of a fleet have.

use super::paths::MetricPath;
use crate::product::{STAGES, events};

/// What pings say besides numbers, as JSON.
const FACTS: [(&str, &str); 16] = [
    ("container_registry_enabled", "true"),
    ("container_registry_server.vendor", "\"gitlab\""),
    ("container_registry_server.version", "\"2.13.0-gitlab\""),
    ("database.adapter", "\"postgresql\""),
    ("database.pg_system_id", "6842684531675334351"),
    ("database.version", "\"13.11\""),
    ("elasticsearch_enabled", "false"),
    ("git.version.major", "2"),
    ("git.version.minor", "43"),
    ("gitaly.filesystems", "[\"EXT_2_3_4\"]"),
    ("gitlab_pages.enabled", "true"),
    ("mail.smtp_server", "\"localhost\""),
    ("object_store.artifacts.enabled", "false"),
    ("settings.collected_data_categories", "[\"standard\",\"operational\"]"),
    ("topology.duration_s", "0.013885"),
    ("topology.nodes", "[{\"node_memory_total_bytes\":16777216000,\"node_cpus\":8}]"),
];

/// A part of every document, in their order.
pub(super) enum Part {
    /// `"name":{`
    Open(String),
    Close,
    /// `"name":` and what the value is.
    Leaf(String, Leaf),
}

/// The value at a key path.
#[derive(Clone, Copy)]
pub(super) enum Leaf {
    /// The metric at this position.
    Metric(usize),
    Fact(&'static str),
    Filler(u32),
}

/// The form of all documents: the tree of their key paths.
pub(super) struct Form(pub(super) Vec<Part>);

impl Form {
    /// With about as many key paths as `keys`.
    pub(super) fn new(metrics: &[MetricPath], keys: u32) -> Self {
        let fillers = (keys as usize).saturating_sub(metrics.len() + FACTS.len()) as u32;
        let metrics = metrics.iter().enumerate();
        let mut leaves: Vec<(String, Leaf)> =
            metrics.map(|(at, metric)| (metric.key_path.clone(), Leaf::Metric(at))).collect();
        leaves.extend(FACTS.map(|(path, fact)| (path.to_owned(), Leaf::Fact(fact))));
        leaves.extend((0..fillers).map(|number| (filler_path(number), Leaf::Filler(number))));
        leaves.sort_by(|a, b| a.0.split('.').cmp(b.0.split('.')));
        let mut parts = Vec::new();
        let mut open: Vec<&str> = Vec::new();
        for (path, leaf) in &leaves {
            let mut keys: Vec<&str> = path.split('.').collect();
            let name = keys.pop().unwrap_or_default();
            let common = open.iter().zip(&keys).take_while(|(a, b)| a == b).count();
            parts.extend((common..open.len()).map(|_| Part::Close));
            parts.extend(keys[common..].iter().map(|key| Part::Open(format!("\"{key}\":{{"))));
            parts.push(Part::Leaf(format!("\"{name}\":"), *leaf));
            open = keys;
        }
        parts.extend(open.iter().map(|_| Part::Close));
        Self(parts)
    }

    /// The key paths in their order.
    #[cfg(test)]
    pub(super) fn key_paths(&self) -> Vec<String> {
        let name = |text: &str| text.split('"').nth(1).unwrap_or_default().to_owned();
        let (mut paths, mut open) = (Vec::new(), Vec::new());
        for part in &self.0 {
            match part {
                Part::Open(text) => open.push(name(text)),
                Part::Close => {
                    open.pop();
                }
                Part::Leaf(text, _) => {
                    paths.push([&open[..], &[name(text)]].concat().join("."));
                }
            }
        }
        paths
    }
}

/// A key path of no metric, as in real pings: counts of all kinds for each event.
fn filler_path(number: u32) -> String {
    let names: Vec<(&str, &str)> = STAGES
        .iter()
        .flat_map(|stage| stage.groups.iter().map(move |group| (stage.key, group)))
        .flat_map(|(stage, group)| group.events.iter().map(move |event| (stage, event.0)))
        .collect();
    debug_assert_eq!(names.len(), events().count());
    let (kind, rest) = (number % 6, number as usize / 6);
    let ((stage, event), round) = (names[rest % names.len()], rest / names.len());
    let event = match round {
        0 => event.to_owned(),
        1 => format!("{event}_by_projects"),
        2 => format!("{event}_by_groups"),
        _ => format!("{event}_of_kind_{round}"),
    };
    match kind {
        0 => format!("counts.{event}_in_all"),
        1 => format!("usage_activity_by_stage.{stage}.{event}"),
        2 => format!("redis_hll_counters.{stage}.{event}_weekly"),
        3 => format!("redis_hll_counters.{stage}.{event}_monthly"),
        4 => format!("counts_monthly.{event}"),
        _ => format!("counts_weekly.aggregated_metrics.{event}"),
    }
}
