//! `--top` over pings: the largest values of each dimension keep rows of their own, and the rows of the
//! others are added up as one value, [`OTHER_LABEL`].
//!
//! A ping has one value of each dimension, so adding up values adds up installations, as every number of
//! pings does. Values are ranked by their recorded users at the highest level of the report, in its newest
//! complete month (the newest one if none is complete), then by name; those of other months come last.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use super::parts::{DEPLOYMENT, PartRow, Parts};
use crate::active::{Basis, Method, OTHER_LABEL, Question};
use crate::project::Project;
use crate::{Error, Result};

/// Whether the values of the question's dimensions can be added up.
///
/// # Errors
/// When they cannot, with the reason.
pub fn check_top(project: &Project, question: &Question) -> Result<()> {
    let mut dimensions = question.by.iter().filter(|name| *name != DEPLOYMENT).peekable();
    if question.method == Method::Max && dimensions.peek().is_some() {
        return Err(Error::input(
            "`top` adds up the remaining values, and the method max does not add up",
        )
        .with("help", "use the method indicator or sum, or remove `top`"));
    }
    let has_dimension =
        |name: &&String| project.sources.iter().any(|s| s.dimension(name).is_some());
    match dimensions.find(has_dimension) {
        None => Ok(()),
        Some(name) => Err(Error::input(format!(
            "`top` adds up the remaining values, and users of events can have several values of `{name}`"
        ))
        .with("help", "remove `top`, or use another window, such as month, to count events alone")),
    }
}

/// Gives the rows of all but the largest values the value [`OTHER_LABEL`], for [`merge`](super::merge) to
/// add them up. Whether there are any.
pub(super) fn relabel(rows: &mut [PartRow], parts: &Parts<'_>, top: NonZeroUsize) -> bool {
    let has_deployment = parts.question.by.iter().any(|name| name == DEPLOYMENT);
    let dimensions = usize::from(!has_deployment)..=parts.other_dimensions().count();
    let kept: Vec<(usize, BTreeSet<String>)> =
        dimensions.map(|at| (at, largest(rows, parts, at, top))).collect();
    let mut has_others = false;
    for row in rows {
        for (at, kept) in &kept {
            if let Some(value) = row.by[*at].as_mut().filter(|value| !kept.contains(*value)) {
                *value = OTHER_LABEL.to_owned();
                has_others = true;
            }
        }
    }
    has_others
}

/// The values of a dimension with the most users.
fn largest(rows: &[PartRow], parts: &Parts<'_>, at: usize, top: NonZeroUsize) -> BTreeSet<String> {
    // Every row is of one deployment; the first dimension is that.
    let is_alone = |row: &PartRow| {
        let mut others = row.by.iter().enumerate().skip(1).filter(|(other, _)| *other != at);
        others.all(|(_, value)| value.is_none())
    };
    let recorded = |row: &&PartRow| {
        row.basis == Basis::Recorded && is_alone(row) && parts.is_asked(row.period.end)
    };
    let rows = || rows.iter().filter(recorded);
    let newest = rows().map(|row| (row.complete, row.period.end)).max();
    let level = rows().map(|row| row.level).min();
    let mut users: BTreeMap<&String, u64> = BTreeMap::new();
    for row in rows() {
        let is_ranked = Some((row.complete, row.period.end)) == newest && Some(row.level) == level;
        if let Some(value) = &row.by[at] {
            let sum = users.entry(value).or_default();
            *sum = sum.saturating_add(if is_ranked { row.users } else { 0 });
        }
    }
    let mut ranked: Vec<(Reverse<u64>, &String)> =
        users.into_iter().map(|(value, users)| (Reverse(users), value)).collect();
    ranked.sort_unstable();
    ranked.into_iter().take(top.get()).map(|(_, value)| value.clone()).collect()
}
