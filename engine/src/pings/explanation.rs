//! The subscriptions behind the numerator and denominator of estimates, and why each of them counts or
//! does not. Nothing is kept: rows are computed when they are read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Range, RangeInclusive};

use super::estimate::Condition;
use super::identity::{Deployment, Edition};
use super::metrics::Kind;
use super::population::Subscriber;
use super::tables::PingTables;
use super::windows::VersionWindow;
use crate::calendar::Day;

/// A subscription in the denominator of an estimate.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// The subscription in its month.
    pub subscriber: &'a Subscriber,
    /// Index of the metric's path.
    pub metric: usize,
    /// The edition of the estimate.
    pub edition: Edition,
    /// The condition of the estimate.
    pub condition: Condition,
    /// Whether it is in the numerator, too.
    pub is_counted: bool,
    /// Why, or why not.
    pub why: String,
}

/// The estimates that are to be explained.
#[derive(Clone, Debug)]
pub struct EstimateFilter {
    /// Their metrics; `None` for all.
    pub key_paths: Option<BTreeSet<String>>,
    /// The first days of their months.
    pub months: RangeInclusive<Day>,
}

/// The metrics and editions of the estimates of a month and deployment.
type Estimated = HashMap<(Day, Deployment), Vec<(usize, Edition)>>;

/// What the last pings of a subscription's installations have at the path of a metric: the kinds of
/// values, and the valid ones.
#[derive(Default)]
struct Sent {
    valid: Vec<i64>,
    others: BTreeSet<&'static str>,
}

impl PingTables {
    /// The explanations of the estimates that a filter selects, for a range of the population.
    pub fn explanations(
        &self,
        filter: &EstimateFilter,
        population: Range<usize>,
    ) -> impl Iterator<Item = Explanation<'_>> {
        let estimated = self.estimated(filter);
        self.population[population].iter().flat_map(move |subscriber| {
            match estimated.get(&(subscriber.month, subscriber.deployment)) {
                Some(estimated) => self.explain(subscriber, estimated),
                None => Vec::new(),
            }
        })
    }

    fn estimated(&self, filter: &EstimateFilter) -> Estimated {
        let is_selected = |metric: usize| {
            let key_path = &self.metrics.list[metric].key_path;
            filter.key_paths.as_ref().is_none_or(|selected| selected.contains(key_path))
        };
        let mut estimated = Estimated::new();
        for row in self.estimates.iter().filter(|row| filter.months.contains(&row.month)) {
            if is_selected(row.metric) {
                let list = estimated.entry((row.month, row.deployment)).or_default();
                // The variants of an estimate follow each other.
                if list.last() != Some(&(row.metric, row.edition)) {
                    list.push((row.metric, row.edition));
                }
            }
        }
        estimated
    }

    fn explain<'a>(
        &'a self,
        subscriber: &'a Subscriber,
        estimated: &[(usize, Edition)],
    ) -> Vec<Explanation<'a>> {
        let mut sent: BTreeMap<usize, Sent> =
            estimated.iter().map(|(metric, _)| (*metric, Sent::default())).collect();
        for ping in &subscriber.pings {
            for (code, content) in self.collection.values(&self.collection.pings[*ping]) {
                let Some(metric) = self.metrics.index(code) else { continue };
                let Some(sent) = sent.get_mut(&metric) else { continue };
                match self.metrics.kind(code, content) {
                    Some((Kind::Valid, Some(value))) => sent.valid.push(value),
                    Some((kind, _)) => {
                        sent.others.insert(kind.as_str());
                    }
                    None => {}
                }
            }
        }
        let mut rows = Vec::with_capacity(2 * estimated.len());
        for (metric, edition) in estimated {
            let (metric, edition) = (*metric, *edition);
            let (is_on_version, version) = self.version_check(subscriber, metric, edition);
            let (has_reported, value) = reported(subscriber, &sent[&metric]);
            for (condition, is_counted, why) in [
                (Condition::VersionCheck, is_on_version, version),
                (Condition::Reported, has_reported, value),
            ] {
                rows.push(Explanation { subscriber, metric, edition, condition, is_counted, why });
            }
        }
        rows
    }

    /// Whether one of the versions is in the window of the metric.
    fn version_check(
        &self,
        subscriber: &Subscriber,
        metric: usize,
        edition: Edition,
    ) -> (bool, String) {
        let numbers = subscriber.version_numbers();
        let window = |is_prerelease| self.windows.get(metric, edition, is_prerelease);
        let found = numbers.iter().find(|version| self.windows.contain(metric, edition, **version));
        if let Some((version, is_prerelease)) = found {
            let window = window(*is_prerelease).map(|window| shown(window, *is_prerelease));
            return (true, format!("{} is in {}", number(*version), window.unwrap_or_default()));
        }
        if numbers.is_empty() {
            return (false, "no version is known".to_owned());
        }
        let reasons: Vec<String> = numbers
            .into_iter()
            .map(|(version, is_prerelease)| match window(is_prerelease) {
                Some(window) => {
                    format!("{} is not in {}", number(version), shown(window, is_prerelease))
                }
                None => {
                    let kind = if is_prerelease { "pre-release" } else { "release" };
                    format!("{}: no {kind} of {edition} sent the metric", number(version))
                }
            })
            .collect();
        (false, reasons.join("; "))
    }
}

/// Whether a last ping of the subscription's installations has a valid value.
fn reported(subscriber: &Subscriber, sent: &Sent) -> (bool, String) {
    let list = |values: &[i64]| values.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    if !sent.valid.is_empty() {
        return (true, format!("sent {}", list(&sent.valid)));
    }
    let why = if subscriber.pings.is_empty() {
        "no ping in the month".to_owned()
    } else if sent.others.is_empty() {
        "the last ping does not have the key".to_owned()
    } else {
        let kinds: Vec<&str> = sent.others.iter().copied().collect();
        format!("no valid value: {}", kinds.join(", "))
    };
    (false, why)
}

/// A version as it is written: 1310 is 13.10.
fn number(major_minor: i64) -> String {
    format!("{}.{}", major_minor / 100, major_minor % 100)
}

fn shown((first, last): VersionWindow, is_prerelease: bool) -> String {
    let kind = if is_prerelease { " (pre-releases)" } else { "" };
    format!("{} to {}{kind}", number(first), number(last))
}
