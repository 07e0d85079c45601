//! The last ping of the SaaS installation in each month, and what it counts.

use std::collections::{BTreeMap, HashMap};

use crate::calendar::{Day, Zone};
use crate::pings::{Deployment, Kind, Ping, PingSettings, PingTables};
use crate::{Error, Result};

/// What a ping has at the paths of metrics, and at others.
type Sent<'a> = HashMap<&'a str, (Kind, Option<i64>)>;

/// The ping of a month.
pub(super) struct SaasPing<'a> {
    pub(super) ping: &'a Ping,
    /// The UTC day on which it was recorded.
    pub(super) day: Day,
    pub(super) sent: Sent<'a>,
}

/// The pings by the first day of their month.
///
/// # Errors
/// When there are none.
pub(super) fn saas_pings<'a>(
    tables: &'a PingTables,
    settings: &PingSettings,
) -> Result<BTreeMap<Day, SaasPing<'a>>> {
    let mut newest: BTreeMap<Day, &Ping> = BTreeMap::new();
    for ping in tables.collection.pings.iter().filter(|ping| ping.deployment == Deployment::Saas) {
        // Also of several installations, as its hostname may be written in several ways.
        let newest = newest.entry(ping.month).or_insert(ping);
        if newest.recorded_at < ping.recorded_at {
            *newest = ping;
        }
    }
    let of_month = |(month, ping): (Day, &'a Ping)| {
        let values = tables.values(ping, None);
        let sent = values.map(|(path, kind, value)| (path, (kind, value))).collect();
        (month, SaasPing { ping, day: Zone::utc().day_of(ping.recorded_at), sent })
    };
    let pings: BTreeMap<Day, SaasPing<'a>> = newest.into_iter().map(of_month).collect();
    if pings.is_empty() {
        let message = format!(
            "no ping is of the SaaS installation, uuid {} and hostname {}",
            settings.saas_uuid, settings.saas_hostname
        );
        return Err(Error::input(message).with(
            "help",
            "set `pings.saas` in headcount.yaml to the uuid and hostname of the installation whose \
             people are in the events",
        ));
    }
    Ok(pings)
}
