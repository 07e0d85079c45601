//! Puts the rows of all deployments together: the rows over all of them, the comparison with the month
//! before, and the order.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::{DEPLOYMENT, PartRow};
use crate::active::{Basis, Count, Level, Method, OTHER_LABEL, Question, ReportRow};
use crate::calendar::{Day, Window};

/// What identifies a row, in the order of the report: the last day of the month, the node, the values of
/// the dimensions, and the basis.
type RowKey = (Day, Level, [Option<String>; 4], Vec<Option<String>>, Basis);

/// The largest number of users of a row.
pub(super) const MAX_USERS: u64 = i64::MAX.unsigned_abs();

/// The rows of the report; those whose sum is too large are left out, with a note. The events of months
/// that end on one of the days `incomplete` are not all there.
pub(super) fn merge(
    parts: Vec<PartRow>,
    question: &Question,
    incomplete: &BTreeSet<Day>,
    notes: &mut Vec<String>,
) -> Vec<ReportRow> {
    let mut rows: BTreeMap<RowKey, ReportRow> = BTreeMap::new();
    for part in parts {
        for mut row in with_all(part, question) {
            match rows.entry(key(&row)) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(row);
                }
                std::collections::btree_map::Entry::Occupied(mut entry) => {
                    add(entry.get_mut(), &mut row);
                }
            }
        }
    }
    let deployment = question.by.iter().position(|name| name == DEPLOYMENT);
    let is_all = |row: &ReportRow| deployment.is_none_or(|at| row.by[at].is_none());
    for row in rows.values_mut().filter(|row| incomplete.contains(&row.period.end)) {
        row.complete &= !is_all(row);
    }
    // Only complete months have estimates.
    rows.retain(|_, row| row.complete || row.basis == Basis::Recorded);
    let all = rows.len();
    rows.retain(|_, row| row.users <= MAX_USERS);
    if rows.len() < all {
        let left_out = all - rows.len();
        notes.push(format!(
            "{left_out} rows are left out: their sums are above 2^63 - 1; correct the largest values: \
             SELECT * FROM ping_values WHERE kind = 'valid' ORDER BY value DESC LIMIT 5"
        ));
    }
    let before: BTreeMap<RowKey, u64> =
        rows.iter().map(|(key, row)| (key.clone(), row.users)).collect();
    let is_asked = |row: &ReportRow| {
        let month = Window::Month.at(row.period.end);
        question.from.is_none_or(|from| from <= month.end)
            && question.to.is_none_or(|to| month.start <= to)
    };
    let asked = rows.into_iter().filter(|(_, row)| is_asked(row));
    asked
        .map(|(mut key, mut row)| {
            key.0 = Window::Month.at(row.period.end).start.plus(-1);
            // Without such a row, events know whether the data reach back to the month before.
            let none = row.previous_users.filter(|users| *users == 0);
            row.previous_users = before.get(&key).copied().or(none);
            row.change_pct = row.previous_users.filter(|before| *before > 0).map(|before| {
                let (now, before) = (row.users as f64, before as f64);
                (now - before) / before * 100.0
            });
            row
        })
        .collect()
}

/// A row of one deployment as a row of all of them, and as itself if they are asked for.
fn with_all(part: PartRow, question: &Question) -> Vec<ReportRow> {
    let is_sum = part.by.iter().any(|value| value.as_deref() == Some(OTHER_LABEL));
    let part = PartRow { method: if is_sum { Method::Sum } else { part.method }, ..part };
    let by = |deployment: Option<&String>| {
        let mut others = part.by[1..].iter().cloned();
        let value = |name: &String| match name == DEPLOYMENT {
            true => deployment.cloned(),
            false => others.next().flatten(),
        };
        question.by.iter().map(value).collect::<Vec<_>>()
    };
    let (own, all) = (by(part.by[0].as_ref()), by(None));
    let all = ReportRow { by: all, method: Method::Sum, ..part.clone() };
    match question.by.iter().any(|name| name == DEPLOYMENT) {
        true => vec![all, ReportRow { by: own, ..part }],
        false => vec![all],
    }
}

/// Adds a row of another deployment.
fn add(sum: &mut ReportRow, row: &mut ReportRow) {
    if sum.window != row.window {
        sum.window = Window::Ping28d;
        sum.period = Window::Month.at(sum.period.end);
    }
    sum.complete &= row.complete;
    sum.users = sum.users.saturating_add(row.users);
    sum.users_low = sum.users_low.saturating_add(row.users_low);
    sum.users_high = sum.users_high.saturating_add(row.users_high);
    if row.count == Count::Approx {
        sum.count = Count::Approx;
    }
    sum.previous_users = match (sum.previous_users, row.previous_users) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (a, b) => a.or(b),
    };
}

fn key(row: &ReportRow) -> RowKey {
    let keys = [&row.section, &row.stage, &row.group, &row.metric].map(Option::clone);
    (row.period.end, row.level, keys, row.by.clone(), row.basis)
}
