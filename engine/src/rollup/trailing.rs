//! Trailing windows of one length for every day, in one pass over the active user-days.
//!
//! Users active in the n days up to today are those whose last active day is not older than n - 1
//! days. A union of n daily sets for each day would visit every user-day n times.
//!
//! The last active day of each user is kept, which for a whole shard is more than a cache holds; so
//! this processes a page of 65,536 ids at a time.

use std::hint::black_box;

use super::sets_by_cell::SetsByCell;
use crate::users::portable::Container;
use crate::{Error, Result};

/// Most days that trailing windows are counted for at once, about 160 years.
const MAX_DAYS: usize = 60_000;

/// Refuses trailing windows over too many days.
///
/// # Errors
/// When there are.
pub(super) fn check_days(days: &[Vec<u32>]) -> Result<()> {
    if days.len() <= MAX_DAYS {
        return Ok(());
    }
    Err(Error::limit(format!("a trailing window over more than {MAX_DAYS} days"))
        .with("help", "query fewer years at once"))
}

/// The sets of all cells, as far as they lie in one page of 65,536 ids.
pub(super) trait PageSets {
    /// Calls `visit` with the low half of the id of every user of each of these cells.
    fn each(&self, cells: &[u32], visit: &mut impl FnMut(u16));
}

impl PageSets for SetsByCell<Container<'_>> {
    #[inline]
    fn each(&self, cells: &[u32], visit: &mut impl FnMut(u16)) {
        let containers = || cells.iter().flat_map(|cell| self.of(*cell));
        // Containers of a page are short and far from each other: half of the time would be spent
        // waiting for one after the other.
        black_box(containers().fold(0, |all, container| all | container.prefetch()));
        for container in containers() {
            match container {
                Container::Array(array) => {
                    array.iter().for_each(|low| visit(u16::from_le_bytes(*low)));
                }
                container => container.each(visit),
            }
        }
    }
}

/// Active users of `length` days ending on each day: those who have come, less those who have left.
///
/// Days are numbered from `length` on, so that 0 stands for "never" and is too long ago for all of
/// them. Somebody comes who was not there in the `length` days before, and leaves `length` days
/// after the last day, unless they came again in time.
pub(super) fn trailing(sets: &impl PageSets, days: &[Vec<u32>], length: usize) -> Vec<u64> {
    // The less room it takes, the nearer it stays.
    let mut last_seen = vec![0u16; 1 << 16];
    let mut came = vec![0u64; days.len()];
    // By the number of their last day; who never came before is at 0, and does not matter.
    let mut left = vec![0u64; days.len() + length];
    for (today, cells) in days.iter().enumerate() {
        // There are at most MAX_DAYS days.
        let (now, too_long_ago) = ((today + length) as u16, today as u16);
        let mut visit = |low: u16| {
            let before = std::mem::replace(&mut last_seen[usize::from(low)], now);
            let comes = u64::from(before <= too_long_ago);
            left[usize::from(before)] += comes;
            came[today] += comes;
        };
        sets.each(cells, &mut visit);
    }
    last_seen.iter().for_each(|last| left[usize::from(*last)] += 1);
    left[..length].fill(0);
    let mut active = 0;
    let change = |(came, left): (u64, u64)| {
        active = active + came - left;
        active
    };
    came.into_iter().zip(left).map(change).collect()
}
