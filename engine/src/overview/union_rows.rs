//! The rows of the method union: users of pings that carry sketches, each counted once in a deployment.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::{DEPLOYMENT, PartRow, Parts};
use super::ping_rows::PingRows;
use super::ping_unions::{NodeUnion, ping_unions};
use crate::active::{Basis, Count, Level, Method};
use crate::calendar::{Day, Window};
use crate::pings::{Deployment, Inputs, Ping, PingTables};
use crate::{Error, JobContext, Result};

/// The rows of pings, and messages about installations whose users are missing.
///
/// # Errors
/// When no ping has sketches, or there are dimensions besides the deployment.
pub(super) fn union_rows(
    parts: &Parts<'_>,
    inputs: &Inputs,
    tables: &PingTables,
    job: &JobContext<'_>,
) -> Result<(PingRows, Vec<String>)> {
    if let Some(name) = parts.other_dimensions().next() {
        let message = format!("the method union cannot be broken down by `{name}`");
        return Err(Error::input(message)
            .with("help", format!("use --by {DEPLOYMENT}, or the method indicator, max or sum")));
    }
    let is_shown = |ping: &Ping| parts.is_shown(ping.deployment, ping.month);
    let pings = &tables.collection.pings;
    let shown = || pings.iter().filter(|ping| ping.is_last_of_month && is_shown(ping));
    let deployments: BTreeSet<Deployment> = shown().map(|ping| ping.deployment).collect();
    let (mut rows, mut without) = (Vec::new(), BTreeMap::<Day, u64>::new());
    for deployment in deployments {
        let is_wanted = |ping: &Ping| ping.deployment == deployment && is_shown(ping);
        let Parts { dictionary, question, .. } = *parts;
        let found = ping_unions(dictionary, tables, inputs, question.tree, &is_wanted, job)?;
        let mut combined: BTreeMap<Day, PartRow> = BTreeMap::new();
        for NodeUnion { name, union } in found {
            let most = without.entry(union.month).or_default();
            *most = union.without.max(*most);
            if union.installations == 0 {
                continue;
            }
            let has_rows = question.has_rows_of(&name);
            let row = PartRow {
                window: Window::Ping28d,
                period: Window::Month.at(union.month),
                complete: union.complete,
                level: name.level,
                section: name.section,
                stage: name.stage,
                group: name.group,
                metric: name.metric,
                by: vec![Some(deployment.to_string())],
                method: Method::Union,
                basis: Basis::Recorded,
                count: Count::Approx,
                users: union.users.users,
                users_low: union.users.low,
                users_high: union.users.high,
                previous_users: None,
                change_pct: None,
            };
            if row.level == Level::Stage && question.levels.contains(&Level::Combined) {
                let sum = combined.entry(union.month).or_insert_with(|| PartRow {
                    level: Level::Combined,
                    section: None,
                    stage: None,
                    method: Method::Sum,
                    users: 0,
                    users_low: 0,
                    users_high: 0,
                    ..row.clone()
                });
                sum.users += row.users;
                sum.users_low += row.users_low;
                sum.users_high += row.users_high;
            }
            if has_rows {
                rows.push(row);
            }
        }
        rows.extend(combined.into_values());
    }
    if rows.is_empty() && shown().next().is_some() {
        return Err(Error::input(
            "the users of pings cannot be told apart, so there is no union of their metrics",
        )
        .with(
            "help",
            "use the method indicator, max or sum; or let installations send sketches \
             (`headcount ping --sketches`); or use another window, such as month, to count events \
             alone",
        ));
    }
    let missing = without.into_iter().filter(|(_, installations)| *installations > 0);
    let notes = missing.map(|(month, installations)| {
        format!(
            "{installations} installations have users in the month of {month} and no sketch that can \
             be united; these users are missing"
        )
    });
    Ok((PingRows { rows, counted: shown().count() as u64 }, notes.collect()))
}
