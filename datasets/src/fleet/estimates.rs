//! Estimates as the rules define them, with plain loops over months, subscriptions and key paths.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{History, LastPing, Window};
use super::installations::Deployment;
use super::model::Fleet;
use super::subscriptions::BillingRow;
use super::truth::Segment;

/// A subscription that is counted in a month.
struct Counted<'a> {
    deployment: Deployment,
    seats: u64,
    /// Its versions as (major * 100 + minor, pre-release).
    versions: BTreeSet<(u32, bool)>,
    pings: Vec<&'a LastPing>,
}

/// One estimate.
pub(crate) struct Estimate {
    pub(crate) segment: Segment,
    pub(crate) condition: &'static str,
    pub(crate) measure: &'static str,
    /// Numerator and denominator of the share; `None` for the SaaS installation.
    pub(crate) share: Option<(u64, u64)>,
    pub(crate) recorded: u64,
    pub(crate) total: u64,
}

impl Fleet {
    /// The estimates of the recorded numbers of complete months.
    pub(crate) fn estimates(
        &self,
        histories: &[History],
        recorded: &BTreeMap<Segment, u64>,
    ) -> Vec<Estimate> {
        let windows = self.windows(histories);
        let mut estimates = Vec::new();
        for month in 0..self.weeks.months() {
            let population = self.population(histories, month);
            for (segment, recorded) in recorded.iter().filter(|(s, _)| s.month == month) {
                let all = || population.iter().filter(|s| s.deployment == segment.deployment);
                let is_in_window = |(number, is_prerelease): &(u32, bool)| {
                    let window = windows.get(&(segment.path, segment.is_ce, *is_prerelease));
                    window.is_some_and(|(first, last)| (*first..=*last).contains(number))
                };
                let on_version = |s: &&Counted<'_>| s.versions.iter().any(is_in_window);
                let reported =
                    |s: &&Counted<'_>| s.pings.iter().any(|p| p.numbers[segment.path].is_some());
                for (condition, some) in [
                    ("version_check", all().filter(on_version).collect::<Vec<_>>()),
                    ("reported", all().filter(reported).collect::<Vec<_>>()),
                ] {
                    let seats = |s: &[&Counted<'_>]| s.iter().map(|s| s.seats).sum();
                    let all: Vec<&Counted<'_>> = all().collect();
                    for (measure, share) in [
                        ("subscriptions", (some.len() as u64, all.len() as u64)),
                        ("seats", (seats(&some), seats(&all))),
                    ] {
                        let is_saas = segment.deployment == Deployment::Saas;
                        let share = (!is_saas).then_some(share);
                        let total = share.map_or(*recorded, |share| raise(*recorded, share));
                        let (segment, recorded) = (*segment, *recorded);
                        let estimate =
                            Estimate { segment, condition, measure, share, recorded, total };
                        estimates.push(estimate);
                    }
                }
            }
        }
        estimates
    }

    /// The windows that all installations but the SaaS installation give together.
    fn windows(&self, histories: &[History]) -> BTreeMap<(usize, bool, bool), Window> {
        let mut windows: BTreeMap<(usize, bool, bool), Window> = BTreeMap::new();
        for (installation, history) in self.installations.iter().zip(histories) {
            if installation.deployment == Deployment::Saas {
                continue;
            }
            for (key, (first, last)) in &history.windows {
                let window = windows.entry(*key).or_insert((*first, *last));
                *window = (window.0.min(*first), window.1.max(*last));
            }
        }
        windows
    }

    /// The subscriptions that are counted in a month.
    fn population<'a>(&self, histories: &'a [History], month: usize) -> Vec<Counted<'a>> {
        let mut counted = Vec::new();
        let mut listed: Vec<Vec<&BillingRow>> = vec![Vec::new(); self.subscriptions.len()];
        for row in self.billing.iter().filter(|row| row.month == month) {
            listed[row.subscription].push(row);
        }
        for (subscription, rows) in self.subscriptions.iter().zip(listed) {
            let is_listed = !rows.is_empty();
            let rows: Vec<&BillingRow> = rows.into_iter().filter(|row| row.is_counted()).collect();
            let mut versions = BTreeSet::new();
            let mut pings = Vec::new();
            let mut is_dedicated = false;
            for number in &subscription.installations {
                let installation = &self.installations[*number];
                let is_placed = rows.iter().any(|row| row.place == Some(*number));
                let ping = histories[*number].last_pings.iter().find(|ping| ping.month == month);
                let has_dedicated_host = installation.deployment == Deployment::Dedicated
                    && !installation.says_dedicated;
                if let Some(ping) = ping
                    && (is_placed || installation.names_subscription)
                {
                    is_dedicated |= installation.deployment == Deployment::Dedicated;
                    versions.extend(ping.version);
                    pings.push(ping);
                } else if is_placed {
                    is_dedicated |= has_dedicated_host;
                }
            }
            if rows.is_empty() && (is_listed || pings.is_empty()) {
                continue;
            }
            if pings.is_empty() {
                versions = rows.iter().filter_map(|row| row.version()).collect();
            }
            let seats = match is_listed {
                true => rows.iter().map(|row| row.seats.unwrap_or(0)).max().unwrap_or(0),
                false => subscription.seats,
            };
            let deployment =
                if is_dedicated { Deployment::Dedicated } else { Deployment::SelfManaged };
            counted.push(Counted { deployment, seats, versions, pings });
        }
        counted
    }
}

/// `recorded` divided by the share, rounded half up; `recorded` if the numerator is 0.
fn raise(recorded: u64, (numerator, denominator): (u64, u64)) -> u64 {
    if numerator == 0 {
        return recorded;
    }
    let (recorded, numerator) = (u128::from(recorded), u128::from(numerator));
    let doubled = recorded * u128::from(denominator) * 2;
    ((doubled + numerator) / (2 * numerator)) as u64
}
