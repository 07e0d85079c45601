//! The exact set of a group: ids, and integers that have no id yet.

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;

use super::distinct_state::DistinctState;
use super::query_ids::QueryIds;
use crate::Result;
use crate::users::{SetBuilder, UserSet};

/// Room in a list that gets its first integer.
const INITIAL_CAPACITY: usize = 4;
/// The longest list of integers without ids: sorting it takes less time than assigning them.
const MAX_LIST: usize = 2048;
/// A longer list, of integers that have no id yet, takes at most this part of the memory of the
/// ids.
const LIST_SHARE: usize = 8;

/// An exact set of integers.
///
/// Integers that [are ids](QueryIds::direct) are added to the set of ids. Others are kept in
/// a list, which can be counted without lookups in the table of ids, which is larger than any cache.
/// Only if a group has too many of them for a list, they get ids, many at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExactSet {
    set: SetBuilder,
    /// Integers without an id; may contain duplicates.
    pending: Vec<i64>,
    /// Whether such integers get ids in this group.
    has_ids: bool,
}

impl ExactSet {
    #[cold]
    fn grow_or_assign(&mut self, ids: &QueryIds, heap: &mut usize) -> Result<()> {
        let before = self.pending.capacity();
        let room = (before * 2).max(INITIAL_CAPACITY);
        if !self.has_ids {
            self.sort();
            // A quarter of free room is worth the sorting; twice the room would be mostly free.
            if self.pending.len() * 4 < before * 3 {
                return Ok(());
            }
            self.has_ids = before >= MAX_LIST;
        }
        if self.has_ids {
            self.assign_ids(ids, heap)?;
        }
        if !self.has_ids || room * size_of::<i64>() <= self.set.size() / LIST_SHARE {
            self.pending.reserve_exact(room - self.pending.len());
            *heap += (self.pending.capacity() - before) * size_of::<i64>();
        }
        Ok(())
    }

    fn sort(&mut self) {
        self.pending.sort_unstable();
        self.pending.dedup();
    }

    /// Gives every integer its id.
    fn assign_ids(&mut self, ids: &QueryIds, heap: &mut usize) -> Result<()> {
        ids.assign(&self.pending, |id| self.set.push(id, heap))?;
        self.pending.clear();
        Ok(())
    }
}

impl ExactSet {
    /// The set of ids, of all values.
    ///
    /// # Errors
    /// When there are too many values.
    pub(crate) fn into_ids(mut self, ids: &QueryIds) -> Result<UserSet> {
        self.assign_ids(ids, &mut 0)?;
        self.pending = Vec::new();
        Ok(self.set.finish())
    }
}

impl DistinctState for ExactSet {
    type Id = i64;
    type Context = QueryIds;

    fn find(
        ids: &QueryIds,
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<i64>,
    ) -> Result<()> {
        ids.find(values, rows, found)
    }

    #[inline]
    fn push(&mut self, int: i64, ids: &QueryIds, heap: &mut usize) -> Result<()> {
        if let Some(number) = ids.direct(int) {
            self.set.push(number, heap);
            return Ok(());
        }
        if self.pending.len() == self.pending.capacity() {
            self.grow_or_assign(ids, heap)?;
        }
        self.pending.push(int);
        Ok(())
    }

    fn absorb(&mut self, mut other: Self, ids: &QueryIds) -> Result<()> {
        if self.pending.capacity() < other.pending.capacity() {
            std::mem::swap(&mut self.pending, &mut other.pending);
        }
        self.set.absorb(other.set);
        self.has_ids |= other.has_ids;
        other.pending.into_iter().try_for_each(|int| self.push(int, ids, &mut 0))
    }

    fn count(mut self, ids: &QueryIds) -> Result<u64> {
        if self.has_ids {
            self.assign_ids(ids, &mut 0)?;
        } else {
            self.sort();
        }
        Ok(self.pending.len() as u64 + self.set.finish().len())
    }

    fn size(&self) -> usize {
        self.set.size() + self.pending.capacity() * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::{DistinctState, ExactSet, MAX_LIST, QueryIds};

    /// None, few and many; small, large, negative and mixed; with doubles and without.
    fn ints() -> impl Strategy<Value = Vec<i64>> {
        let spread = |int: i64| int.wrapping_mul(0x5851_f42d_4c95_7f2d);
        prop_oneof![
            proptest::collection::vec(-3..3i64, 0..20),
            proptest::collection::vec(any::<i64>(), 0..100),
            proptest::collection::vec((0..200i64).prop_map(spread), 0..10_000),
            proptest::collection::vec((-5_000..5_000i64).prop_map(spread), 0..20_000),
            proptest::collection::vec(-5_000..5_000i64, 0..20_000),
        ]
    }

    fn filled(ints: &[i64], ids: &QueryIds) -> ExactSet {
        let (mut set, mut heap) = (ExactSet::default(), 0);
        ints.iter().for_each(|int| set.push(*int, ids, &mut heap).unwrap());
        assert_eq!(heap, set.size());
        set
    }

    proptest! {
        #[test]
        fn different_integers_are_counted(a in ints(), b in ints()) {
            let ids = QueryIds::new(true);
            let different = |ints: &[i64]| ints.iter().collect::<BTreeSet<_>>().len() as u64;
            prop_assert_eq!(filled(&a, &ids).count(&ids).unwrap(), different(&a));
            let both = different(&[a.clone(), b.clone()].concat());
            for (ours, theirs) in [(&a, &b), (&b, &a)] {
                let mut ours = filled(ours, &ids);
                ours.absorb(filled(theirs, &ids), &ids).unwrap();
                prop_assert!(ours.has_ids || ours.pending.capacity() <= MAX_LIST);
                prop_assert_eq!(ours.count(&ids).unwrap(), both);
            }
        }
    }

    #[test]
    fn a_list_needs_no_ids() {
        let ids = QueryIds::new(true);
        let nothing = ids.size();
        let ints: Vec<i64> = (0..3 * MAX_LIST as i64).map(|int| -1 - int % 1_000).collect();
        assert_eq!(filled(&ints, &ids).count(&ids).unwrap(), 1_000);
        assert_eq!(ids.size(), nothing);
        let set = filled(&[-1, i64::MAX, -1, 1 << 40], &ids);
        assert!(size_of::<ExactSet>() + set.size() <= 112, "{}", set.size());
    }
}
