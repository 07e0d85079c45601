//! A hash table from keys of fixed width to ids, made for batched lookups.
//!
//! The table is larger than the CPU caches, so lookups one after another each wait for memory.
//! [`at`](FixedKeyTable::at) reads one slot without a branch that depends on it: called for many
//! keys in a row whose [slots](FixedKeyTable::home_slot) are known, it lets the processor fetch
//! their slots at the same time. With a third of the slots free, most keys are in their home slot.

use std::fmt;
use std::hint::select_unpredictable;

/// The id in a free slot; no key gets it.
pub(super) const FREE: u32 = u32::MAX;
/// Slots of the smallest table.
const MIN_SLOTS: usize = 4;

/// Keys with their numbers, by open addressing.
#[derive(Clone)]
pub(super) struct FixedKeyTable<K> {
    /// None, or a power of two; at most two thirds are taken.
    slots: Vec<(K, u32)>,
    len: usize,
}

impl<K> Default for FixedKeyTable<K> {
    fn default() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }
}

impl<K: Copy + Default + PartialEq> FixedKeyTable<K> {
    /// How many keys are in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The home slot of a key with this hash.
    #[inline]
    pub(super) fn home_slot(&self, hash: u64) -> usize {
        hash as usize & self.slots.len().wrapping_sub(1) // the low bits, on purpose
    }

    /// The id of a key if it is in this slot; else [`FREE`]: it may be in another slot.
    #[inline]
    pub(super) fn at(&self, slot: usize, key: K) -> u32 {
        let Some((other, number)) = self.slots.get(slot) else { return FREE };
        // A branch would have to be guessed before the slot is there.
        select_unpredictable(*other == key, *number, FREE)
    }

    /// The number of a key, which is `fresh` if it is new; whether it is. `rehash` is the function
    /// that `hash` comes from.
    #[inline]
    pub(super) fn number(
        &mut self,
        key: K,
        hash: u64,
        fresh: u32,
        rehash: impl Fn(K) -> u64,
    ) -> (u32, bool) {
        if !self.slots.is_empty() {
            let at = self.find(key, hash);
            let (_, number) = self.slots[at];
            if number != FREE {
                return (number, false);
            }
        }
        if (self.len + 1) * 3 > self.slots.len() * 2 {
            self.grow(rehash);
        }
        let at = self.find(key, hash);
        self.slots[at] = (key, fresh);
        self.len += 1;
        (fresh, true)
    }

    /// All keys with their numbers, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, u32)> + '_ {
        self.slots.iter().filter(|(_, number)| *number != FREE).copied()
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        self.slots.capacity() * size_of::<(K, u32)>()
    }

    /// The slot of a key, or the free one where it belongs.
    #[inline]
    fn find(&self, key: K, hash: u64) -> usize {
        let mut at = self.home_slot(hash);
        loop {
            let (other, number) = self.slots[at];
            if number == FREE || other == key {
                return at;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    #[cold]
    fn grow(&mut self, rehash: impl Fn(K) -> u64) {
        let slots = (self.slots.len() * 2).max(MIN_SLOTS);
        let old = std::mem::replace(&mut self.slots, vec![(K::default(), FREE); slots]);
        for (key, number) in old.into_iter().filter(|(_, number)| *number != FREE) {
            let at = self.find(key, rehash(key));
            self.slots[at] = (key, number);
        }
    }
}

impl<K> fmt::Debug for FixedKeyTable<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedKeyTable").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::{FREE, FixedKeyTable};

    proptest! {
        /// Whatever the hash: also where all keys want the same slot.
        #[test]
        fn the_table_behaves_as_a_hash_map(
            keys in proptest::collection::vec(prop_oneof![-20..20i64, any::<i64>()], 0..500),
            mask in prop_oneof![proptest::prelude::Just(0u64), 0..8u64, any::<u64>()],
        ) {
            let hash = |key: i64| crate::users::hash_int(key) & mask;
            let (mut table, mut map) = (FixedKeyTable::default(), HashMap::new());
            for key in &keys {
                let fresh = map.len() as u32;
                let expected = *map.entry(*key).or_insert(fresh);
                let before = table.at(table.home_slot(hash(*key)), *key);
                prop_assert!(before == FREE || before == expected);
                let (number, is_new) = table.number(*key, hash(*key), fresh, hash);
                prop_assert_eq!((number, is_new), (expected, map.len() as u32 > fresh));
            }
            prop_assert_eq!(table.len(), map.len());
            prop_assert_eq!(table.iter().collect::<HashMap<i64, u32>>(), map);
        }
    }
}
