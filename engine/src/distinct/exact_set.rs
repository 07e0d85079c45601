//! The exact set of a group: ids, and integers that have no id yet.

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;

use super::distinct_state::DistinctState;
use super::query_ids::QueryIds;
use crate::Result;
use crate::users::{SetBuilder, UserSet};

/// Room in a list that gets its first integer.
const INITIAL_CAPACITY: usize = 4;
/// The longest list of integers without numbers: to sort it takes less time than to number it.
const MAX_LIST: usize = 2048;
/// A longer list, of integers that have no id yet, takes at most this part of the memory of the
/// ids.
const LIST_SHARE: usize = 8;

/// An exact set of integers.
///
/// Integers that [are ids](QueryIds::direct) are added to the set of ids. Others are kept in
/// a list, which can be counted without lookups in the dictionary, which is larger than any cache.
/// Only if a group has too many of them for a list, they get ids, many at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExactSet {
    set: SetBuilder,
    /// Integers without an id; may contain duplicates.
    unnumbered: Vec<i64>,
    /// Whether such integers get ids in this group.
    numbered: bool,
}

impl ExactSet {
    #[cold]
    fn grow_or_assign(&mut self, dictionary: &QueryIds, heap: &mut usize) -> Result<()> {
        let before = self.unnumbered.capacity();
        let room = (before * 2).max(INITIAL_CAPACITY);
        if !self.numbered {
            self.sort();
            // A quarter of free room is worth the sorting; twice the room would be mostly free.
            if self.unnumbered.len() * 4 < before * 3 {
                return Ok(());
            }
            self.numbered = before >= MAX_LIST;
        }
        if self.numbered {
            self.assign_ids(dictionary, heap)?;
        }
        if !self.numbered || room * size_of::<i64>() <= self.set.size() / LIST_SHARE {
            self.unnumbered.reserve_exact(room - self.unnumbered.len());
            *heap += (self.unnumbered.capacity() - before) * size_of::<i64>();
        }
        Ok(())
    }

    fn sort(&mut self) {
        self.unnumbered.sort_unstable();
        self.unnumbered.dedup();
    }

    /// Gives every integer its number.
    fn assign_ids(&mut self, dictionary: &QueryIds, heap: &mut usize) -> Result<()> {
        dictionary.assign(&self.unnumbered, |number| self.set.push(number, heap))?;
        self.unnumbered.clear();
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
        self.unnumbered = Vec::new();
        Ok(self.set.finish())
    }
}

impl DistinctState for ExactSet {
    type Id = i64;
    type Context = QueryIds;

    fn find(
        dictionary: &QueryIds,
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<i64>,
    ) -> Result<()> {
        dictionary.find(values, rows, found)
    }

    #[inline]
    fn push(&mut self, int: i64, dictionary: &QueryIds, heap: &mut usize) -> Result<()> {
        if let Some(number) = dictionary.direct(int) {
            self.set.push(number, heap);
            return Ok(());
        }
        if self.unnumbered.len() == self.unnumbered.capacity() {
            self.grow_or_assign(dictionary, heap)?;
        }
        self.unnumbered.push(int);
        Ok(())
    }

    fn absorb(&mut self, mut other: Self, dictionary: &QueryIds) -> Result<()> {
        if self.unnumbered.capacity() < other.unnumbered.capacity() {
            std::mem::swap(&mut self.unnumbered, &mut other.unnumbered);
        }
        self.set.absorb(other.set);
        self.numbered |= other.numbered;
        other.unnumbered.into_iter().try_for_each(|int| self.push(int, dictionary, &mut 0))
    }

    fn count(mut self, dictionary: &QueryIds) -> Result<u64> {
        if self.numbered {
            self.assign_ids(dictionary, &mut 0)?;
        } else {
            self.sort();
        }
        Ok(self.unnumbered.len() as u64 + self.set.finish().len())
    }

    fn size(&self) -> usize {
        self.set.size() + self.unnumbered.capacity() * size_of::<i64>()
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

    fn filled(ints: &[i64], dictionary: &QueryIds) -> ExactSet {
        let (mut set, mut heap) = (ExactSet::default(), 0);
        ints.iter().for_each(|int| set.push(*int, dictionary, &mut heap).unwrap());
        assert_eq!(heap, set.size());
        set
    }

    proptest! {
        #[test]
        fn different_integers_are_counted(a in ints(), b in ints()) {
            let dictionary = QueryIds::new(true);
            let different = |ints: &[i64]| ints.iter().collect::<BTreeSet<_>>().len() as u64;
            prop_assert_eq!(filled(&a, &dictionary).count(&dictionary).unwrap(), different(&a));
            let both = different(&[a.clone(), b.clone()].concat());
            for (ours, theirs) in [(&a, &b), (&b, &a)] {
                let mut ours = filled(ours, &dictionary);
                ours.absorb(filled(theirs, &dictionary), &dictionary).unwrap();
                prop_assert!(ours.numbered || ours.unnumbered.capacity() <= MAX_LIST);
                prop_assert_eq!(ours.count(&dictionary).unwrap(), both);
            }
        }
    }

    #[test]
    fn a_list_needs_no_ids() {
        let dictionary = QueryIds::new(true);
        let nothing = dictionary.size();
        let ints: Vec<i64> = (0..3 * MAX_LIST as i64).map(|int| -1 - int % 1_000).collect();
        assert_eq!(filled(&ints, &dictionary).count(&dictionary).unwrap(), 1_000);
        assert_eq!(dictionary.size(), nothing);
        let set = filled(&[-1, i64::MAX, -1, 1 << 40], &dictionary);
        assert!(size_of::<ExactSet>() + set.size() <= 112, "{}", set.size());
    }
}
