//! Estimates: recorded numbers, raised by the share of subscriptions that could report.

use std::collections::{BTreeMap, HashMap};

use super::collection::Collection;
use super::identity::{Deployment, Edition};
use super::metrics::MetricPaths;
use super::population::Subscriber;
use super::recorded::Recorded;
use super::windows::Windows;
use crate::calendar::Day;
use crate::words::words;

/// Which subscriptions are in the numerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Those with a version that has the metric.
    VersionCheck,
    /// Those that sent a valid value.
    Reported,
}

/// What is counted of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The subscriptions.
    Subscriptions,
    /// Their seats.
    Seats,
}

words!(Condition, "condition", VersionCheck = "version_check", Reported = "reported");
words!(Measure, "measure", Subscriptions = "subscriptions", Seats = "seats");

/// An estimated number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The first day of the month.
    pub month: Day,
    /// Index of the metric's path.
    pub metric: usize,
    /// The edition of the installations.
    pub edition: Edition,
    /// Their deployment.
    pub deployment: Deployment,
    /// The variant: which subscriptions are in the numerator.
    pub condition: Condition,
    /// The variant: what is counted of them.
    pub measure: Measure,
    /// Numerator and denominator of the share; none for the SaaS installation.
    pub share: Option<(i64, i64)>,
    /// What was recorded.
    pub recorded: i64,
    /// The whole number, at most 2^63 - 1.
    pub total: i64,
}

impl Estimate {
    /// The share of the population that could report; 1 for the SaaS installation.
    pub fn p(&self) -> f64 {
        match self.share {
            None => 1.0,
            Some((_, 0)) => 0.0,
            Some((numerator, denominator)) => numerator as f64 / denominator as f64,
        }
    }
}

/// Subscriptions and their seats.
#[derive(Clone, Copy, Debug, Default)]
struct Count([i64; 2]);

impl Count {
    fn add(&mut self, seats: i64) {
        self.0 = [self.0[0] + 1, self.0[1].saturating_add(seats)];
    }

    fn plus(self, other: Self) -> Self {
        Self([self.0[0] + other.0[0], self.0[1].saturating_add(other.0[1])])
    }
}

/// The subscriptions of a month and deployment, counted in the ways that estimates need.
#[derive(Default)]
struct Counts {
    all: Count,
    /// By the versions (major * 100 + minor, pre-release) that they use.
    by_versions: HashMap<Vec<(i64, bool)>, Count>,
    /// By the metric that they sent a valid value of.
    by_metric: HashMap<usize, Count>,
}

/// The estimates of complete months by month, metric, edition and deployment, each in four variants.
pub(super) fn estimates(
    collection: &Collection,
    metrics: &MetricPaths,
    recorded: &[Recorded],
    windows: &Windows,
    population: &[Subscriber],
) -> Vec<Estimate> {
    let mut sums: BTreeMap<(Day, usize, Edition, Deployment), i64> = BTreeMap::new();
    for row in recorded.iter().filter(|row| row.complete) {
        let key = (row.month, row.metric, row.edition, row.deployment);
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(row.recorded);
    }
    let counts = counts(collection, metrics, population);
    let none = Counts::default();
    let mut estimates = Vec::with_capacity(4 * sums.len());
    for ((month, metric, edition, deployment), recorded) in sums {
        let counts = counts.get(&(month, deployment)).unwrap_or(&none);
        let has_metric = |versions: &Vec<(i64, bool)>| {
            versions.iter().any(|version| windows.contain(metric, edition, *version))
        };
        let on_versions = counts.by_versions.iter().filter(|(versions, _)| has_metric(versions));
        let on_versions = on_versions.fold(Count::default(), |sum, (_, count)| sum.plus(*count));
        let sent = counts.by_metric.get(&metric).copied().unwrap_or_default();
        for (condition, numerator) in
            [(Condition::VersionCheck, on_versions), (Condition::Reported, sent)]
        {
            for (at, measure) in [Measure::Subscriptions, Measure::Seats].into_iter().enumerate() {
                let share =
                    (deployment != Deployment::Saas).then(|| (numerator.0[at], counts.all.0[at]));
                let total = share.map_or(recorded, |share| raise(recorded, share));
                estimates.push(Estimate {
                    month,
                    metric,
                    edition,
                    deployment,
                    condition,
                    measure,
                    share,
                    recorded,
                    total,
                });
            }
        }
    }
    estimates
}

/// Counts the subscriptions of every month and deployment.
fn counts(
    collection: &Collection,
    metrics: &MetricPaths,
    population: &[Subscriber],
) -> HashMap<(Day, Deployment), Counts> {
    let mut counts: HashMap<(Day, Deployment), Counts> = HashMap::new();
    // The last subscription that was counted for each metric.
    let mut counted = vec![usize::MAX; metrics.list.len()];
    for (at, subscriber) in population.iter().enumerate() {
        let counts = counts.entry((subscriber.month, subscriber.deployment)).or_default();
        counts.all.add(subscriber.seats);
        let versions = subscriber.version_numbers().into_iter().collect();
        counts.by_versions.entry(versions).or_default().add(subscriber.seats);
        for ping in &subscriber.pings {
            for (code, content) in collection.values(&collection.pings[*ping]) {
                let Some((metric, _)) = metrics.valid(code, content) else { continue };
                if std::mem::replace(&mut counted[metric], at) != at {
                    counts.by_metric.entry(metric).or_default().add(subscriber.seats);
                }
            }
        }
    }
    counts
}

/// `recorded` divided by the share, exactly, rounded half up, and at most 2^63 - 1; `recorded` if the
/// numerator is 0.
fn raise(recorded: i64, (numerator, denominator): (i64, i64)) -> i64 {
    let (recorded, numerator, denominator) =
        (recorded.unsigned_abs(), numerator.unsigned_abs(), denominator.unsigned_abs());
    if numerator == 0 {
        return i64::try_from(recorded).unwrap_or(i64::MAX);
    }
    let (numerator, denominator) = (u128::from(numerator), u128::from(denominator));
    // Below 2^127, since all three are below 2^63.
    let total = (2 * u128::from(recorded) * denominator + numerator) / (2 * numerator);
    i64::try_from(total).unwrap_or(i64::MAX)
}
