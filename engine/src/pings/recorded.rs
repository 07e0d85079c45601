//! Recorded numbers: monthly values of installations, summed.

use std::collections::HashMap;

use super::collection::{Collection, Ping};
use super::identity::{Deployment, Edition, Tier};
use super::metrics::MetricPaths;
use crate::calendar::Day;
use crate::metric::TimeFrame;

/// A sum over installations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The first day of the month.
    pub month: Day,
    /// Index of the metric's path.
    pub metric: usize,
    /// The edition of these installations.
    pub edition: Edition,
    /// Their deployment.
    pub deployment: Deployment,
    /// Their tier.
    pub tier: Tier,
    /// Whether the month is complete.
    pub complete: bool,
    /// How many of them have a value.
    pub installations: i64,
    /// How many of them have a value above 0.
    pub installations_active: i64,
    /// The sum of their values; `None` if it is above 2^63 - 1.
    pub recorded: Option<i64>,
}

/// What the installations of a sum share.
type Segment = (Day, Edition, Deployment, Tier);

/// A sum that is being computed.
#[derive(Clone, Copy, Default)]
struct Sum {
    installations: i64,
    active: i64,
    /// A sum of numbers below 2^63, so it cannot overflow.
    recorded: u128,
}

/// The recorded numbers by month, metric, edition, deployment and tier. Those of `28d` are the values
/// in the last ping of the month; those of `all` are the increases since the previous month in which
/// the last ping had a valid value, and at least 0.
pub(super) fn recorded(collection: &Collection, metrics: &MetricPaths) -> Vec<Recorded> {
    let count = metrics.list.len();
    let mut sums: HashMap<Segment, Vec<Sum>> = HashMap::new();
    for_each_monthly_value(collection, metrics, |ping, metric, monthly| {
        let segment = (ping.month, ping.edition, ping.deployment, ping.tier);
        let sum = &mut sums.entry(segment).or_insert_with(|| vec![Sum::default(); count])[metric];
        sum.installations += 1;
        sum.active += i64::from(monthly > 0);
        sum.recorded += u128::from(monthly.unsigned_abs());
    });
    let mut months: HashMap<Day, bool> = HashMap::new();
    let mut rows: Vec<Recorded> = Vec::new();
    for ((month, edition, deployment, tier), sums) in sums {
        let complete = *months.entry(month).or_insert_with(|| collection.is_complete(month));
        for (metric, sum) in sums.into_iter().enumerate().filter(|(_, sum)| sum.installations > 0) {
            let Sum { installations, active: installations_active, recorded } = sum;
            rows.push(Recorded {
                month,
                metric,
                edition,
                deployment,
                tier,
                complete,
                installations,
                installations_active,
                recorded: i64::try_from(recorded).ok(),
            });
        }
    }
    rows.sort_by_key(|row| (row.month, row.metric, row.edition, row.deployment, row.tier));
    rows
}

/// Calls `found` with every monthly value: the last ping of the month, the index of the metric's path,
/// and the value.
pub(crate) fn for_each_monthly_value<'a>(
    collection: &'a Collection,
    metrics: &MetricPaths,
    mut found: impl FnMut(&'a Ping, usize, i64),
) {
    // The previous value of each counter, and the installation that it belongs to.
    let mut previous: Vec<Option<(usize, i64)>> = vec![None; metrics.list.len()];
    for (_, ping) in collection.last_pings() {
        for (code, content) in collection.values(ping) {
            let Some((metric, value)) = metrics.valid(code, content) else { continue };
            let monthly = match metrics.list[metric].time_frame {
                TimeFrame::Month => Some(value),
                TimeFrame::All => increase(&mut previous[metric], ping.installation, value),
                TimeFrame::Week | TimeFrame::None => None,
            };
            if let Some(monthly) = monthly {
                found(ping, metric, monthly);
            }
        }
    }
}

/// The increase of a counter of an installation, clamped at 0; none for its first value.
fn increase(previous: &mut Option<(usize, i64)>, installation: usize, value: i64) -> Option<i64> {
    let before = previous.replace((installation, value));
    before.filter(|(of, _)| *of == installation).map(|(_, before)| (value - before).max(0))
}
