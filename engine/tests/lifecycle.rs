//! The laws of a user's lifecycle, on sets: new + retained + resurrected = active, exactly, and
//! nobody is two of these.

#![allow(missing_docs, reason = "a test")]

use engine::users::UserSet;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

fn only(set: &UserSet, keep: impl Fn(u32) -> bool) -> UserSet {
    set.iter().filter(|user| keep(*user)).collect()
}

fn both(a: &UserSet, b: &UserSet) -> u64 {
    let mut both = a.clone();
    both.intersect_with(b);
    both.len()
}

proptest! {
    /// Events are (period, user); the second road looks each user's periods up in the events.
    #[test]
    fn every_active_user_is_new_retained_or_resurrected(
        events in proptest::collection::vec((0usize..8, 0u32..400), 0..3_000),
    ) {
        let mut periods = vec![UserSet::default(); 8];
        for (period, user) in &events {
            periods[*period].insert(*user);
        }
        let was_active = |user: u32, from: usize, to: usize| {
            events.iter().any(|(period, other)| *other == user && (from..to).contains(period))
        };
        let mut seen = UserSet::default();
        let mut before = UserSet::default();
        for (at, active) in periods.iter().enumerate() {
            let new = only(active, |user| !seen.contains(user));
            let mut retained = active.clone();
            retained.intersect_with(&before);
            let resurrected = only(active, |user| seen.contains(user) && !before.contains(user));
            let churned = only(&before, |user| !active.contains(user));

            prop_assert_eq!(new.len() + retained.len() + resurrected.len(), active.len());
            prop_assert_eq!(retained.len() + churned.len(), before.len());
            for (a, b) in [(&new, &retained), (&retained, &resurrected), (&resurrected, &new)] {
                prop_assert_eq!(both(a, b), 0);
            }
            let last = at.saturating_sub(1);
            prop_assert!(new.iter().all(|user| !was_active(user, 0, at)));
            prop_assert!(retained.iter().all(|user| was_active(user, last, at)));
            let came_back = |user| was_active(user, 0, last) && !was_active(user, last, at);
            prop_assert!(resurrected.iter().all(came_back));
            prop_assert!(churned.iter().all(|user| !was_active(user, at, at + 1)));

            seen.union_with(active);
            before = active.clone();
        }
    }
}
