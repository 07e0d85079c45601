//! Subscriptions, and what billing knows of them.

use super::installations::{Contract, Installation, SAAS_HOSTNAME, SAAS_UUID};
use super::releases::{Releases, Upgrades, Version};
use super::weeks::Weeks;
use crate::random::{RandomStream, below, key};

/// Installations for each subscription that is used on none.
const INSTALLATIONS_PER_UNUSED: usize = 40;
/// Months in which billing still lists a subscription that has ended.
const MONTHS_AFTER_END: usize = 2;

/// A subscription.
pub(crate) struct Subscription {
    pub(crate) id: String,
    /// Numbers of the installations that it is used on.
    pub(crate) installations: Vec<usize>,
    pub(crate) seats: u64,
    /// Whether billing knows it.
    is_listed: bool,
    /// The month from which on billing calls it expired.
    expires: Option<usize>,
    /// Whether its rows name its installations.
    names_places: bool,
    /// Whether its rows have a version.
    has_version: bool,
}

/// A row of the file of subscriptions.
pub(crate) struct BillingRow {
    /// Position of the subscription.
    pub(crate) subscription: usize,
    pub(crate) month: usize,
    status: &'static str,
    pub(crate) seats: Option<u64>,
    /// Number of the installation that it names.
    pub(crate) place: Option<usize>,
    /// The version in it, and whether it is of CE.
    version: Option<(Version, bool)>,
}

impl BillingRow {
    /// Whether it puts the subscription into the population.
    pub(crate) fn is_counted(&self) -> bool {
        self.status != "Expired"
    }

    /// The version as (major * 100 + minor, pre-release).
    pub(crate) fn version(&self) -> Option<(u32, bool)> {
        self.version.map(|(version, _)| version.number())
    }
}

/// The subscriptions, and for each installation the position of its own.
pub(crate) fn subscriptions(
    seed: u64,
    installations: &[Installation],
    months: usize,
) -> (Vec<Subscription>, Vec<Option<usize>>) {
    let family = key(seed, 17);
    let mut made: Vec<Subscription> = Vec::new();
    let mut of_installation = vec![None; installations.len()];
    let subscription = |number: usize, is_listed, users: u64| {
        let mut random = RandomStream::at(family, number as u64);
        let expires = below(random.next(), months as u64 + 1) as usize;
        Subscription {
            id: format!("A-S{number:06}"),
            installations: Vec::new(),
            seats: users + users * below(random.next(), 60) / 100,
            is_listed,
            expires: (below(random.next(), 25) == 0).then_some(expires),
            names_places: below(random.next(), 2) == 0,
            has_version: below(random.next(), 4) == 0,
        }
    };
    for installation in installations {
        let users = installation.users;
        match (installation.contract, made.last_mut()) {
            (Contract::None, _) => continue,
            (Contract::Shared, Some(last)) if last.is_listed => last.seats += users,
            (contract, _) => {
                let is_listed = contract != Contract::Unlisted;
                made.push(subscription(made.len(), is_listed, users));
            }
        }
        let at = made.len() - 1;
        made[at].installations.push(installation.number);
        of_installation[installation.number] = Some(at);
    }
    for _ in 0..installations.len() / INSTALLATIONS_PER_UNUSED {
        made.push(subscription(made.len(), true, 50));
    }
    (made, of_installation)
}

/// The rows of billing, by subscription and month.
pub(crate) fn billing(
    subscriptions: &[Subscription],
    installations: &[Installation],
    weeks: &Weeks,
    releases: &Releases,
) -> Vec<BillingRow> {
    let mut rows = Vec::new();
    // Subscriptions that are not used yet will be with a recent version.
    let version = |place: Option<&Installation>, month| {
        let upgrades = place.map_or(Upgrades::Behind(2), |place| place.upgrades);
        let version = releases.version(upgrades, weeks.month_days(month).end - 1)?;
        Some((version, place.is_some_and(|place| place.is_ce(weeks.count))))
    };
    for (at, subscription) in subscriptions.iter().enumerate().filter(|(_, s)| s.is_listed) {
        let own = || subscription.installations.iter().map(|number| &installations[*number]);
        let month_of = |week: u32| weeks.month_of(weeks.day(week, 0));
        let first = own().map(|i| month_of(i.weeks.start)).min().unwrap_or(0);
        let last_week = own().map(|i| i.weeks.end).max().unwrap_or(weeks.count);
        let has_ended = last_week < weeks.count;
        let last = if has_ended { month_of(last_week) } else { weeks.months() };
        for month in first..=(last + MONTHS_AFTER_END).min(weeks.months()) {
            let status = match subscription.expires {
                Some(expires) if expires <= month => "Expired",
                _ if has_ended && month > last => "Expired",
                _ if has_ended && month == last => "Cancelled",
                // The status has no case.
                _ if at.is_multiple_of(10) => "active",
                _ => "Active",
            };
            let row = |place: Option<&Installation>, seats| BillingRow {
                subscription: at,
                month,
                status,
                seats,
                place: place.filter(|_| subscription.names_places).map(|place| place.number),
                version: version(place, month).filter(|_| subscription.has_version),
            };
            // All seats are in the row of the first installation; other rows have fewer, or none.
            rows.push(row(own().next(), Some(subscription.seats)));
            for (nth, place) in own().enumerate().skip(1) {
                rows.push(row(Some(place), (nth % 2 == 0).then_some(place.users)));
            }
        }
    }
    rows
}

/// The file of subscriptions, with a subscription of the SaaS installation.
pub(crate) fn csv(
    rows: &[BillingRow],
    subscriptions: &[Subscription],
    installations: &[Installation],
    weeks: &Weeks,
) -> String {
    let mut text = "subscription_id,month,status,plan,seats,uuid,hostname,version\n".to_owned();
    for month in 0..=weeks.months() {
        let month = &weeks.month_name(month)[..7];
        let place = format!("{SAAS_UUID},{SAAS_HOSTNAME}");
        text += &format!("A-SAAS,{month},Active,ultimate,400000,{place},\n");
    }
    for row in rows {
        let subscription = &subscriptions[row.subscription];
        let place = row.place.map(|number| &installations[number]);
        let hostname = place.and_then(|place| place.hostname.as_deref());
        text += &format!(
            "{},{},{},premium,{},{},{},{}\n",
            subscription.id,
            &weeks.month_name(row.month)[..7],
            row.status,
            row.seats.map(|seats| seats.to_string()).unwrap_or_default(),
            place.map(|place| place.uuid.as_str()).unwrap_or_default(),
            hostname.unwrap_or_default(),
            row.version.map(|(version, is_ce)| version.text(is_ce)).unwrap_or_default(),
        );
    }
    text
}
