//! Predictions: what would be recorded if installations behaved otherwise.

use std::collections::HashMap;

use super::collection::Collection;
use super::counts::Counts;
use super::estimate::Sums;
use super::identity::{Deployment, Edition};
use super::metrics::MetricPaths;
use super::share::Share;
use super::windows::Windows;
use crate::calendar::Day;
use crate::words::words;

/// What is supposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Every installation that sends pings runs a version that has the metric.
    CurrentVersion,
    /// Every subscription sends pings.
    AllReported,
}

/// What the share of a prediction counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Installations that sent a ping in the month.
    Installations,
    /// Subscriptions of the population.
    Subscriptions,
    /// Their seats.
    Seats,
}

words!(Scenario, "scenario", CurrentVersion = "current_version", AllReported = "all_reported");
words!(
    Unit,
    "measure",
    Installations = "installations",
    Subscriptions = "subscriptions",
    Seats = "seats"
);

/// A predicted number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The first day of the month.
    pub month: Day,
    /// Index of the metric's path.
    pub metric: usize,
    /// The edition of the installations.
    pub edition: Edition,
    /// Their deployment.
    pub deployment: Deployment,
    /// What is supposed.
    pub scenario: Scenario,
    /// What the share counts.
    pub measure: Unit,
    /// The part of those counted that behaved so in the month.
    pub share: Share,
    /// What was recorded; `None` if it is above 2^63 - 1.
    pub recorded: Option<i64>,
    /// What would be recorded; `None` if the share is 0, or a number is above 2^63 - 1.
    pub predicted: Option<i64>,
}

/// The installations of an edition and deployment that sent a ping in a month.
#[derive(Default)]
struct Fleet {
    all: i64,
    /// Those with a known version (major * 100 + minor, pre-release).
    by_version: HashMap<(i64, bool), i64>,
}

impl Fleet {
    /// Those with a version in the window of a metric, of all.
    fn share(&self, windows: &Windows, metric: usize, edition: Edition) -> Share {
        let versions = self.by_version.iter();
        let on_versions =
            versions.filter(|(version, _)| windows.contain(metric, edition, **version));
        let numerator = on_versions.map(|(_, installations)| installations).sum();
        Share::Part { numerator, denominator: self.all }
    }
}

/// The predictions by month, metric, edition and deployment, each in three variants. The current version
/// does not have removed metrics, so these have no prediction for it.
pub(super) fn predictions(
    collection: &Collection,
    metrics: &MetricPaths,
    sums: &Sums,
    windows: &Windows,
    counts: &HashMap<(Day, Deployment), Counts>,
) -> Vec<Prediction> {
    let mut fleets: HashMap<(Day, Edition, Deployment), Fleet> = HashMap::new();
    for (_, ping) in collection.last_pings() {
        let fleet = fleets.entry((ping.month, ping.edition, ping.deployment)).or_default();
        fleet.all += 1;
        if let Some(version) = ping.major_minor() {
            *fleet.by_version.entry((version, ping.is_prerelease())).or_default() += 1;
        }
    }
    let (no_fleet, no_counts) = (Fleet::default(), Counts::default());
    let mut predictions = Vec::with_capacity(3 * sums.len());
    for ((month, metric, edition, deployment), recorded) in sums {
        let (month, metric, edition, deployment) = (*month, *metric, *edition, *deployment);
        let fleet = fleets.get(&(month, edition, deployment)).unwrap_or(&no_fleet);
        let counts = counts.get(&(month, deployment)).unwrap_or(&no_counts);
        let [subscriptions, seats] = counts.with_ping.shares_of(counts.all);
        let is_removed = metrics.list[metric].is_removed;
        for (scenario, measure, share) in [
            (Scenario::CurrentVersion, Unit::Installations, fleet.share(windows, metric, edition)),
            (Scenario::AllReported, Unit::Subscriptions, subscriptions),
            (Scenario::AllReported, Unit::Seats, seats),
        ] {
            if scenario == Scenario::CurrentVersion && is_removed {
                continue;
            }
            let share = if deployment == Deployment::Saas { Share::Whole } else { share };
            predictions.push(Prediction {
                month,
                metric,
                edition,
                deployment,
                scenario,
                measure,
                share,
                recorded: *recorded,
                predicted: recorded.and_then(|recorded| share.raise(recorded)),
            });
        }
    }
    predictions
}
