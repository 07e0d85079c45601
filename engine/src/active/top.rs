//! `--top`: the largest values of each dimension keep rows of their own, the others become one
//! value, [`OTHER_LABEL`], before anything is counted.
//!
//! Each dimension is ranked by itself: a value's size is its users at level total, whatever the
//! values of the other dimensions, in the newest complete period of the report (the newest period
//! if none is complete). Values of the same size are taken in the order of their names, and those
//! of other periods, without users in that one, after all others: if there are no more values than
//! are kept, all have rows of their own. Because the other values are one value when users are
//! counted, a user of several of them counts once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use super::periods::ReportPeriods;
use crate::Result;
use crate::rollup::{Rollup, UserExpr};

/// How a null or empty value of a dimension is printed; a real value of that text is quoted.
const NONE_LABEL: &str = "(none)";
/// Stands for all values of a dimension that are not among the largest.
pub const OTHER_LABEL: &str = "(other)";

/// How the values of dimensions are written in rows.
pub(super) enum Labels {
    /// Every value has rows of its own.
    All,
    /// For each dimension the values that have rows of their own, as they are written.
    Top(Vec<BTreeSet<String>>),
}

impl Labels {
    /// Ranks the values of the first `by` dimensions of the cells.
    pub(super) fn top(
        rollup: &Rollup,
        by: usize,
        top: NonZeroUsize,
        plan: &ReportPeriods,
    ) -> Result<Self> {
        let ranked = (0..by).map(|dimension| largest(rollup, dimension, top, plan));
        ranked.collect::<Result<_>>().map(Self::Top)
    }

    /// What is written for a value of a dimension.
    pub(super) fn label(&self, dimension: usize, value: Option<&str>) -> String {
        match self {
            Self::All => plain(value),
            Self::Top(kept) => {
                let label = distinct(value);
                let is_kept = kept.get(dimension).is_some_and(|kept| kept.contains(&label));
                if is_kept { label } else { OTHER_LABEL.to_owned() }
            }
        }
    }
}

/// A dimension value as it is printed; a real value of the text for "no value" is quoted.
fn plain(value: Option<&str>) -> String {
    match value {
        None => NONE_LABEL.to_owned(),
        Some(value) if value == NONE_LABEL => format!("\"{NONE_LABEL}\""),
        Some(value) => value.to_owned(),
    }
}

/// As [`plain`], and a real value of the text for the other values is quoted; one more pair of
/// quotes goes around one that is quoted already, so that no two values look the same.
fn distinct(value: Option<&str>) -> String {
    match value {
        Some(value) if value.trim_matches('"') == OTHER_LABEL => format!("\"{value}\""),
        value => plain(value),
    }
}

/// The values of a dimension with the most users.
fn largest(
    rollup: &Rollup,
    dimension: usize,
    top: NonZeroUsize,
    plan: &ReportPeriods,
) -> Result<BTreeSet<String>> {
    let newest = plan.newest();
    let requested = &plan.periods[plan.requested()];
    let mut cells: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (at, cell) in rollup.cells.iter().enumerate().filter(|(at, _)| rollup.events[*at] > 0) {
        let ends = requested.partition_point(|period| period.end < cell.bucket);
        if requested.get(ends).is_none_or(|period| !period.contains(cell.bucket)) {
            continue;
        }
        let label = distinct(cell.dimensions[dimension].as_deref());
        let cells = cells.entry(label).or_default();
        if newest.is_some_and(|period| period.contains(cell.bucket)) {
            cells.push(at as u32);
        }
    }
    if cells.len() <= top.get() {
        return Ok(cells.into_keys().collect());
    }
    let (names, expr): (Vec<String>, Vec<UserExpr>) =
        cells.into_iter().map(|(name, cells)| (name, vec![vec![cells]])).unzip();
    let users = rollup.count(expr)?;
    let mut ranked: Vec<(Reverse<u64>, String)> =
        users.into_iter().map(|users| Reverse(users.users)).zip(names).collect();
    ranked.sort_unstable();
    Ok(ranked.into_iter().take(top.get()).map(|(_, name)| name).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Labels, OTHER_LABEL};

    #[test]
    fn no_value_looks_like_another() {
        let values = [None, Some("(none)"), Some("(other)"), Some("\"(other)\""), Some("a")];
        let everything = ["(none)", "\"(none)\"", "\"(other)\"", "\"\"(other)\"\"", "a"];
        let labels = Labels::Top(vec![everything.map(str::to_owned).into()]);
        let written: Vec<String> = values.iter().map(|value| labels.label(0, *value)).collect();
        assert_eq!(written, everything);
        let labels = Labels::Top(vec![BTreeSet::from(["a".to_owned()])]);
        assert_eq!(labels.label(0, Some("(other)")), OTHER_LABEL);
        assert_eq!(labels.label(0, Some("a")), "a");
        assert_eq!(Labels::All.label(0, Some("(other)")), "(other)");
    }
}
