//! The population of a month: the subscriptions that could report.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::collection::{Collection, Installation};
use super::identity::{Deployment, is_prerelease, major_minor};
use super::settings::PingSettings;
use super::subscriptions::SubscriptionRow;
use crate::calendar::Day;

/// Where a subscription is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file of subscriptions.
    Billing,
    /// A ping.
    Ping,
}

impl Origin {
    /// As in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Ping => "ping",
        }
    }
}

/// A subscription in a month.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// The first day of the month.
    pub month: Day,
    /// The subscription's id.
    pub id: String,
    /// Dedicated if one of its installations is, else self-managed.
    pub deployment: Deployment,
    /// Its seats.
    pub seats: i64,
    /// Where it is known from.
    pub origin: Origin,
    /// The versions it is used on.
    pub versions: BTreeSet<String>,
    /// The last pings of its installations in the month, as indexes in [`Collection::pings`].
    pub pings: Vec<usize>,
}

impl Subscriber {
    /// Its versions as (major * 100 + minor, pre-release).
    pub(super) fn version_numbers(&self) -> BTreeSet<(i64, bool)> {
        let number = |version: &String| Some((major_minor(version)?, is_prerelease(version)));
        self.versions.iter().filter_map(number).collect()
    }
}

/// What is known of a subscription in a month.
#[derive(Default)]
struct Found<'a> {
    /// Whether the file of subscriptions has any row for it.
    is_listed: bool,
    /// Its rows that count.
    rows: Vec<&'a SubscriptionRow>,
    /// The last pings that name it.
    pings: Vec<usize>,
}

/// The population of every month, by month and subscription.
pub(super) fn population(
    collection: &Collection,
    rows: &[SubscriptionRow],
    settings: &PingSettings,
) -> Vec<Subscriber> {
    let mut found: BTreeMap<(Day, &str), Found<'_>> = BTreeMap::new();
    for row in rows {
        let entry = found.entry((row.month, &row.id)).or_default();
        entry.is_listed = true;
        let uuid = row.uuid.as_deref().unwrap_or_default();
        if row.is_counted && !settings.is_saas(uuid, row.hostname.as_deref()) {
            entry.rows.push(row);
        }
    }
    let mut last_pings: HashMap<(Day, &Installation), usize> = HashMap::new();
    for (at, ping) in collection.last_pings() {
        if ping.deployment == Deployment::Saas {
            continue;
        }
        last_pings.insert((ping.month, &collection.installations[ping.installation]), at);
        if let Some(id) = &ping.subscription {
            found.entry((ping.month, id)).or_default().pings.push(at);
        }
    }
    let subscriber = |((month, id), found): ((Day, &str), Found<'_>)| {
        let origin = match (found.is_listed, found.rows.is_empty()) {
            (true, true) => return None,
            (true, false) => Origin::Billing,
            (false, _) => Origin::Ping,
        };
        let mut places = found.pings;
        let mut is_dedicated = false;
        for row in &found.rows {
            let Some(uuid) = row.uuid.clone() else { continue };
            let installation = Installation { uuid, hostname: row.hostname.clone() };
            match last_pings.get(&(month, &installation)) {
                Some(at) => places.push(*at),
                None => is_dedicated |= settings.is_dedicated_host(row.hostname.as_deref()),
            }
        }
        places.sort_unstable();
        places.dedup();
        let pings = || places.iter().map(|at| &collection.pings[*at]);
        is_dedicated |= pings().any(|ping| ping.deployment == Deployment::Dedicated);
        let mut versions: BTreeSet<String> = pings().filter_map(|p| p.version.clone()).collect();
        if versions.is_empty() {
            versions = found.rows.iter().filter_map(|row| row.version.clone()).collect();
        }
        let seats = match origin {
            Origin::Billing => found.rows.iter().map(|row| row.seats).max(),
            Origin::Ping => pings().filter_map(|ping| ping.licensed_users).max(),
        };
        let deployment = if is_dedicated { Deployment::Dedicated } else { Deployment::SelfManaged };
        let (id, seats) = (id.to_owned(), seats.unwrap_or(0));
        Some(Subscriber { month, id, deployment, seats, origin, versions, pings: places })
    };
    found.into_iter().filter_map(subscriber).collect()
}
