//! Estimates: recorded numbers, raised by the share of subscriptions that could report.

use std::collections::{BTreeMap, HashMap};

use super::counts::Counts;
use super::identity::{Deployment, Edition};
use super::recorded::Recorded;
use super::share::Share;
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
    /// The part of the population that could report.
    pub share: Share,
    /// What was recorded; `None` if it is above 2^63 - 1.
    pub recorded: Option<i64>,
    /// The whole number; `None` if it, or what it is computed from, is above 2^63 - 1.
    pub total: Option<i64>,
}

impl Estimate {
    /// What was not recorded.
    pub fn estimated(&self) -> Option<i64> {
        Some(self.total? - self.recorded?)
    }
}

/// What was recorded in complete months, over all tiers; `None` if it is above 2^63 - 1.
pub(super) type Sums = BTreeMap<(Day, usize, Edition, Deployment), Option<i64>>;

/// Sums recorded numbers of complete months over tiers.
pub(super) fn sums(recorded: &[Recorded]) -> Sums {
    let mut sums = Sums::new();
    for row in recorded.iter().filter(|row| row.complete) {
        let key = (row.month, row.metric, row.edition, row.deployment);
        let sum = sums.entry(key).or_insert(Some(0));
        *sum = sum.zip(row.recorded).and_then(|(sum, more)| sum.checked_add(more));
    }
    sums
}

/// The estimates by month, metric, edition and deployment, each in four variants.
pub(super) fn estimates(
    sums: &Sums,
    windows: &Windows,
    counts: &HashMap<(Day, Deployment), Counts>,
) -> Vec<Estimate> {
    let none = Counts::default();
    let mut estimates = Vec::with_capacity(4 * sums.len());
    for ((month, metric, edition, deployment), recorded) in sums {
        let (month, metric, edition, deployment) = (*month, *metric, *edition, *deployment);
        let counts = counts.get(&(month, deployment)).unwrap_or(&none);
        let numerators = [
            (Condition::VersionCheck, counts.on_versions(windows, metric, edition)),
            (Condition::Reported, counts.reported(metric)),
        ];
        for (condition, numerator) in numerators {
            let shares = numerator.shares_of(counts.all);
            for (measure, share) in [Measure::Subscriptions, Measure::Seats].into_iter().zip(shares)
            {
                let share = if deployment == Deployment::Saas { Share::Whole } else { share };
                let total = match share.is_zero() {
                    true => *recorded,
                    false => recorded.and_then(|recorded| share.raise(recorded)),
                };
                estimates.push(Estimate {
                    month,
                    metric,
                    edition,
                    deployment,
                    condition,
                    measure,
                    share,
                    recorded: *recorded,
                    total,
                });
            }
        }
    }
    estimates
}
