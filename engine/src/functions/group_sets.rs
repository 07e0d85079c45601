//! One exact set of values per group, over ids that all groups share.
//!
//! Integers from 0 to 2^32 - 1 are their own ids at first: no lookup is needed, which is fastest
//! for dense ids. As soon as that is no longer efficient, every key gets an id in the order of
//! first sight ([`IdDictionary`]), and existing sets are converted. This happens once,
//!
//! * at the first key that is not such an integer;
//! * when the sets are sparse: [`MIN_SPARSITY`] times more ids than values, and more than
//!   [`MAX_BYTES_PER_VALUE`] bytes for each value of each group. A set takes up to 24 bytes for
//!   every page of 65,536 ids below its largest, so this happens with many groups of scattered
//!   values. A single group of a million random 32-bit values stays as it is.

use datafusion::logical_expr::EmitTo;

use crate::users::{IdDictionary, Key, UserSet, portable};
use crate::{Error, Result};

/// Up to this many bytes the density of the sets is not checked.
const MIN_CHECKED_BYTES: usize = 4 << 20;
/// Bytes per value and group from which on they may be.
const MAX_BYTES_PER_VALUE: u64 = 128;
/// How many times more numbers than values there must be.
const MIN_SPARSITY: u64 = 8;

/// The sets of all groups of one accumulator.
#[derive(Debug)]
pub(super) struct GroupSets {
    sets: Vec<UserSet>,
    /// `None` while integers are their own numbers.
    dictionary: Option<IdDictionary>,
    /// Heap bytes of all sets together.
    heap: usize,
    /// The heap size at which to look for gaps next.
    next_check: usize,
}

impl Default for GroupSets {
    fn default() -> Self {
        Self { sets: Vec::new(), dictionary: None, heap: 0, next_check: MIN_CHECKED_BYTES }
    }
}

impl GroupSets {
    /// Makes room for groups `0..groups`.
    pub(super) fn grow(&mut self, groups: usize) {
        if groups > self.sets.len() {
            self.sets.resize_with(groups, UserSet::default);
        }
    }

    /// Adds a value to a group.
    ///
    /// # Errors
    /// When there are more than 2^32 - 1 different values.
    #[inline]
    pub(super) fn insert(&mut self, group: usize, key: Key<'_>) -> Result<()> {
        let number = match &mut self.dictionary {
            Some(dictionary) => dictionary.id(0, key, key.hash())?,
            None => match direct_id(key) {
                Some(number) => number,
                None => self.renumber(direct_key)?.id(0, key, key.hash())?,
            },
        };
        self.sets[group].insert_counting(number, &mut self.heap);
        if self.heap > self.next_check { self.check_density() } else { Ok(()) }
    }

    /// Adds a set of integers that are their own numbers, in the [portable format](portable), to a
    /// group.
    ///
    /// # Errors
    /// When the bytes are no such set.
    pub(super) fn insert_set(&mut self, group: usize, bytes: &[u8]) -> Result<()> {
        if self.dictionary.is_some() {
            let mut keys = portable::union([bytes])?.into_iter().filter_map(direct_key);
            return keys.try_for_each(|key| self.insert(group, key));
        }
        self.sets[group].union_with_written(bytes, &mut self.heap)?;
        if self.heap > self.next_check { self.check_density() } else { Ok(()) }
    }

    /// The number of different values of a group.
    pub(super) fn count(&self, group: usize) -> u64 {
        self.sets.get(group).map_or(0, UserSet::len)
    }

    /// The set of a group; `None` if there is no such group.
    pub(super) fn set(&self, group: usize) -> Option<&UserSet> {
        self.sets.get(group)
    }

    /// The dictionary of the ids in the sets; `None` while integers are their own ids.
    pub(super) fn dictionary(&self) -> Option<&IdDictionary> {
        self.dictionary.as_ref()
    }

    /// Takes the first groups out; the others move down. [`drop_unused_keys`](Self::drop_unused_keys) must follow when the
    /// numbers of the sets are no longer needed.
    pub(super) fn take(&mut self, emit_to: EmitTo) -> Vec<UserSet> {
        let taken = emit_to.take_needed(&mut self.sets);
        self.heap -= taken.iter().map(UserSet::size).sum::<usize>();
        taken
    }

    /// Forgets the keys of groups that have left, as soon as most keys are theirs: where groups
    /// come in order, they leave in small parts, and the dictionary must not outgrow the sets.
    ///
    /// # Errors
    /// None that can happen: there are fewer keys than before.
    pub(super) fn drop_unused_keys(&mut self) -> Result<()> {
        if self.sets.is_empty() {
            *self = Self::default();
            return Ok(());
        }
        let values: u64 = self.sets.iter().map(UserSet::len).sum();
        match self.dictionary.take_if(|dictionary| values < u64::from(dictionary.len()) / 2) {
            Some(dictionary) => {
                let keys = dictionary.keys();
                self.renumber(|number| keys.get(number).map(|(_, key)| key)).map(drop)
            }
            None => Ok(()),
        }
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        self.sets.capacity() * size_of::<UserSet>()
            + self.heap
            + self.dictionary.as_ref().map_or(0, IdDictionary::size)
    }

    /// What [`size`](Self::size) must be, counted from scratch.
    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        self.sets.capacity() * size_of::<UserSet>()
            + self.sets.iter().map(UserSet::size).sum::<usize>()
            + self.dictionary.as_ref().map_or(0, IdDictionary::size)
    }

    #[cold]
    fn check_density(&mut self) -> Result<()> {
        let values: u64 = self.sets.iter().map(UserSet::len).sum();
        if self.heap as u64 > values * MAX_BYTES_PER_VALUE {
            let mut distinct = UserSet::default();
            for set in &self.sets {
                distinct.union_with(set);
            }
            let largest = distinct.iter().last().map_or(0, u64::from);
            if largest > distinct.len() * MIN_SPARSITY {
                return self.renumber(direct_key).map(drop);
            }
        }
        // Asked again each time the sets have doubled, so the answers cost little altogether.
        self.next_check = self.heap * 2;
        Ok(())
    }

    /// Numbers the keys in the sets anew, given the key of each number.
    #[cold]
    fn renumber<'a>(
        &mut self,
        key_of: impl Fn(u32) -> Option<Key<'a>>,
    ) -> Result<&mut IdDictionary> {
        let mut dictionary = IdDictionary::default();
        self.heap = 0;
        self.next_check = usize::MAX;
        for set in &mut self.sets {
            let mut numbered = UserSet::default();
            for number in set.iter() {
                let key =
                    key_of(number).ok_or_else(|| Error::internal("a number without a key"))?;
                let number = dictionary.id(0, key, key.hash())?;
                numbered.insert_counting(number, &mut self.heap);
            }
            *set = numbered;
        }
        Ok(self.dictionary.insert(dictionary))
    }
}

#[inline]
fn direct_id(key: Key<'_>) -> Option<u32> {
    match key {
        Key::Int(int) => u32::try_from(int).ok(),
        Key::Wide(_) | Key::Text(_) => None,
    }
}

/// The key that is this number; there always is one.
fn direct_key(number: u32) -> Option<Key<'static>> {
    Some(Key::Int(i64::from(number)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use datafusion::logical_expr::EmitTo;

    use super::{GroupSets, Key, MIN_CHECKED_BYTES};

    /// Fills groups of `per_group` values each with the given integers, and says whether the
    /// values were numbered in the end.
    fn check(groups: usize, per_group: usize, value: impl Fn(usize, usize) -> i64) -> bool {
        let mut sets = GroupSets::default();
        sets.grow(groups);
        for at in 0..per_group {
            for group in 0..groups {
                sets.insert(group, Key::Int(value(group, at))).unwrap();
            }
        }
        assert_eq!(sets.size(), sets.recount());
        for group in [0, groups / 2, groups - 1] {
            let expected: BTreeSet<i64> = (0..per_group).map(|at| value(group, at)).collect();
            assert_eq!(sets.count(group), expected.len() as u64, "group {group}");
        }
        let numbered = sets.dictionary().is_some();
        let heap = sets.heap;
        assert!(heap < MIN_CHECKED_BYTES * 2 || heap / (groups * per_group) < 200, "{heap} bytes");
        assert_eq!(sets.take(EmitTo::First(groups / 2)).len(), groups / 2);
        assert_eq!(sets.size(), sets.recount());
        assert_eq!(sets.take(EmitTo::All).len(), groups - groups / 2);
        sets.drop_unused_keys().unwrap();
        assert_eq!(sets.size(), 0);
        numbered
    }

    #[test]
    fn keys_of_emitted_groups_are_dropped() {
        let mut sets = GroupSets::default();
        let mut most = 0;
        for group in 0..1_000 {
            sets.grow(2);
            for at in 0..100 {
                sets.insert(1, Key::Int(scatter(group * 90 + at) - 5)).unwrap();
            }
            let left = sets.take(EmitTo::First(1));
            assert_eq!(left[0].len(), if group == 0 { 0 } else { 100 });
            sets.drop_unused_keys().unwrap();
            assert_eq!((sets.count(0), sets.size()), (100, sets.recount()));
            most = most.max(sets.size());
        }
        assert!(most < 40_000, "{most} bytes");
    }

    /// Spreads numbers over 32 bits, no two the same.
    fn scatter(number: usize) -> i64 {
        i64::from((number as u32).wrapping_mul(2_654_435_761))
    }

    #[test]
    fn the_values_decide_whether_ids_are_assigned() {
        // Dense ids, a few or many groups: their own numbers.
        assert!(!check(120, 2_000, |group, at| (group * 100 + at * 7) as i64));
        assert!(!check(2_000, 20, |group, at| (group * 20 + at) as i64));
        // One group of random ids: still, it has values on every page.
        assert!(!check(1, 300_000, |_, at| scatter(at)));
        // Many groups of random ids: mostly gaps.
        assert!(check(500, 40, |group, at| scatter(group * 40 + at)));
        // Outside of 32 bits.
        assert!(check(3, 30, |_, at| at as i64 - 1));
        assert!(check(3, 30, |_, at| (1 << 32) - 29 + at as i64));
    }
}
