//! Trailing windows of one length for every day, in one pass over the active user-days.
//!
//! Walk the days in order and remember for every user the last day on which they were active,
//! and for every day how many users it is the last day of. The users active in the n days up to
//! today are those whose last day is not older than n - 1 days: a running sum. A union of n daily
//! sets per day would touch every user-day n times.

use crate::rollup::ExactSets;

/// Active users of `length` days ending on each day. `days[i]` holds the cells of the i-th of
/// consecutive days.
pub(super) fn trailing(sets: &ExactSets, days: &[Vec<u32>], length: usize) -> Vec<u64> {
    let mut counts = vec![0u64; days.len()];
    {
        // For each user the last active day plus one; 0 is never.
        let mut last_seen: Vec<u32> = Vec::new();
        let mut users_last_seen = vec![0u64; days.len()];
        let mut active = 0;
        for (today, cells) in days.iter().enumerate() {
            for set in cells.iter().filter_map(|cell| sets.of(*cell)) {
                for user in set.iter() {
                    let user = user as usize;
                    if user >= last_seen.len() {
                        last_seen.resize(user + 1, 0);
                    }
                    let before = std::mem::replace(&mut last_seen[user], today as u32 + 1) as usize;
                    if before == today + 1 {
                        continue;
                    }
                    users_last_seen[today] += 1;
                    match before.checked_sub(1) {
                        Some(day) => {
                            users_last_seen[day] -= 1;
                            active += u64::from(day + length <= today);
                        }
                        None => active += 1,
                    }
                }
            }
            counts[today] += active;
            // Who was last active on the first day of today's window is not active tomorrow.
            if let Some(leaving) = (today + 1).checked_sub(length) {
                active -= users_last_seen[leaving];
            }
        }
    }
    counts
}
