//! The subscriptions of each month and deployment, counted in the ways that estimates and predictions
//! need.

use std::collections::HashMap;

use super::collection::Collection;
use super::identity::{Deployment, Edition};
use super::metrics::MetricPaths;
use super::population::Subscriber;
use super::share::Count;
use super::windows::Windows;
use crate::calendar::Day;

/// The subscriptions of a month and deployment.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) all: Count,
    /// Those with a ping in the month.
    pub(super) with_ping: Count,
    /// By the metric that they sent a valid value of.
    by_metric: HashMap<usize, Count>,
    /// By the versions (major * 100 + minor, pre-release) that they use.
    by_versions: HashMap<Vec<(i64, bool)>, Count>,
}

impl Counts {
    /// Counts the subscriptions of every month and deployment.
    pub(super) fn of_population(
        collection: &Collection,
        metrics: &MetricPaths,
        population: &[Subscriber],
    ) -> HashMap<(Day, Deployment), Self> {
        let mut all: HashMap<(Day, Deployment), Self> = HashMap::new();
        // The last subscription that was counted for each metric.
        let mut counted = vec![usize::MAX; metrics.list.len()];
        for (at, subscriber) in population.iter().enumerate() {
            let counts = all.entry((subscriber.month, subscriber.deployment)).or_default();
            let one = Count::of(subscriber.seats);
            counts.all += one;
            if !subscriber.pings.is_empty() {
                counts.with_ping += one;
            }
            let versions = subscriber.version_numbers().into_iter().collect();
            *counts.by_versions.entry(versions).or_default() += one;
            for ping in &subscriber.pings {
                for (code, content) in collection.values(&collection.pings[*ping]) {
                    let Some((metric, _)) = metrics.valid(code, content) else { continue };
                    if std::mem::replace(&mut counted[metric], at) != at {
                        *counts.by_metric.entry(metric).or_default() += one;
                    }
                }
            }
        }
        all
    }

    /// Those that sent a valid value of a metric.
    pub(super) fn reported(&self, metric: usize) -> Count {
        self.by_metric.get(&metric).copied().unwrap_or_default()
    }

    /// Those with a version in the window of a metric.
    pub(super) fn on_versions(&self, windows: &Windows, metric: usize, edition: Edition) -> Count {
        let mut sum = Count::default();
        for (versions, count) in &self.by_versions {
            if versions.iter().any(|version| windows.contain(metric, edition, *version)) {
                sum += *count;
            }
        }
        sum
    }
}
