//! Shards: parts of the users of a store, by id. Shards hold disjoint users, so their counts add,
//! and the users of a shard fit into a bitset that stays in the cache.

use std::ops::RangeInclusive;

use super::portable::{Container, Containers, containers, ones};
use crate::Result;

/// A shard holds this many consecutive ids, as a power of two.
const SHARD_BITS: u32 = 20;
/// The first shard of users with ids that a store has assigned; the shards below are of users whose
/// keys are their ids.
pub const FIRST_ASSIGNED_SHARD: u32 = 1 << (u32::BITS - SHARD_BITS);
/// Pages of 65,536 ids in a shard, and 64-bit words in a page.
const PAGES: usize = 1 << (SHARD_BITS - 16);
const PAGE_WORDS: usize = 1 << 10;

/// The shard of an id; `assigned` if a store has assigned it.
pub fn shard_of(id: u32, assigned: bool) -> u32 {
    (id >> SHARD_BITS) | if assigned { FIRST_ASSIGNED_SHARD } else { 0 }
}

/// The ids that belong to a shard.
pub fn shard_ids(shard: u32) -> RangeInclusive<u32> {
    let first = (shard & (FIRST_ASSIGNED_SHARD - 1)) << SHARD_BITS;
    first..=first | ((1 << SHARD_BITS) - 1)
}

/// Calls `each` with the parts of a shard's sets in every page of 65,536 ids that holds anybody.
/// Sets come as portable bitmaps, each with a label; their parts come in the same order.
///
/// # Errors
/// When a set is corrupt.
pub fn each_page<'a, B: AsRef<[u8]>>(
    shard: &'a [(u32, B)],
    mut each: impl FnMut(&[(u32, Container<'a>)]),
) -> Result<()> {
    let remaining = shard.iter().map(|(label, set)| Ok((*label, Containers::of(set.as_ref())?)));
    let mut remaining: Vec<(u32, Containers<'_>)> = remaining.collect::<Result<_>>()?;
    let mut parts = Vec::new();
    for page in 0..PAGES {
        parts.clear();
        for (label, containers) in &mut remaining {
            if containers.high().is_some_and(|high| usize::from(high) % PAGES == page)
                && let Some(container) = containers.next()
            {
                parts.push((*label, container?.1));
            }
        }
        if !parts.is_empty() {
            each(&parts);
        }
    }
    remaining.iter().try_for_each(|(_, containers)| containers.end())
}

/// A set of users of one shard as a bitset, to combine stored sets. The upper bits of ids are the
/// shard's own and do not matter.
#[derive(Clone, Debug)]
pub struct ShardBitset(Box<[u64; PAGES * PAGE_WORDS]>);

impl Default for ShardBitset {
    fn default() -> Self {
        Self(Box::new([0; PAGES * PAGE_WORDS]))
    }
}

impl ShardBitset {
    /// How many users.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Adds a set in the portable format.
    ///
    /// # Errors
    /// When its bytes are corrupt.
    pub fn add(&mut self, set: &[u8]) -> Result<()> {
        let (pages, _) = self.0.as_chunks_mut();
        containers(set, |high, container| add(&mut pages[usize::from(high) % PAGES], container))
    }

    /// Removes all users.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Adds all users of another set.
    pub fn union_with(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(ours, theirs)| *ours |= theirs);
    }

    /// Keeps only the users of another set.
    pub fn intersect_with(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(ours, theirs)| *ours &= theirs);
    }

    /// The ids, ascending, given their shard.
    pub fn ids(&self, shard: u32) -> Vec<u32> {
        let first = *shard_ids(shard).start();
        let mut ids = Vec::new();
        for (at, word) in self.0.iter().enumerate() {
            ids.extend(ones(*word).map(|bit| first | (at as u32) << 6 | bit));
        }
        ids
    }
}

/// Sets the bits of a container.
#[inline]
fn add(page: &mut [u64; PAGE_WORDS], container: Container<'_>) {
    match container {
        Container::Array(array) => {
            for low in array {
                let low = u16::from_le_bytes(*low);
                page[usize::from(low >> 6)] |= 1 << (low & 63);
            }
        }
        Container::Bits(bits) => {
            for (word, more) in page.iter_mut().zip(bits.as_chunks().0) {
                *word |= u64::from_le_bytes(*more);
            }
        }
        runs => runs.each(&mut |low| page[usize::from(low >> 6)] |= 1 << (low & 63)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::{ShardBitset, each_page, shard_ids, shard_of};
    use crate::users::portable::encode;

    const SHARD: u32 = 3;
    const FIRST: u32 = SHARD << 20;

    /// Ids of one shard: thin, dense, in runs.
    fn set() -> impl Strategy<Value = BTreeSet<u32>> {
        let thin = proptest::collection::btree_set(0..1u32 << 20, 0..100);
        let steps = (0..15u32, 1..8u32).prop_map(|(page, step)| {
            (0..65_536).step_by(step as usize).map(|low| page << 16 | low).collect()
        });
        let in_shard = |set: BTreeSet<u32>| set.into_iter().map(|id| id | FIRST).collect();
        prop_oneof![thin, steps].prop_map(in_shard)
    }

    fn bytes(set: &BTreeSet<u32>) -> Vec<u8> {
        encode(&set.iter().copied().collect::<Vec<_>>()).unwrap()
    }

    fn bitset_of(set: &BTreeSet<u32>) -> ShardBitset {
        let mut bitset = ShardBitset::default();
        bitset.add(&bytes(set)).unwrap();
        bitset
    }

    proptest! {
        #[test]
        fn the_bitset_is_a_set(a in set(), b in set(), c in set()) {
            let mut bitset = bitset_of(&a);
            prop_assert_eq!(bitset.len(), a.len() as u64);
            bitset.add(&bytes(&b)).unwrap();
            let union: BTreeSet<u32> = a.union(&b).copied().collect();
            prop_assert!(bitset.ids(SHARD).into_iter().eq(union.iter().copied()));
            bitset.intersect_with(&bitset_of(&c));
            prop_assert_eq!(bitset.len(), union.intersection(&c).count() as u64);
            bitset.union_with(&bitset_of(&a));
            let kept = union.intersection(&c).copied().chain(a).collect::<BTreeSet<u32>>();
            prop_assert_eq!(bitset.len(), kept.len() as u64);
            bitset.clear();
            prop_assert!(bitset.is_empty());
        }

        #[test]
        fn pages_hold_every_id_of_every_set_once(
            sets in proptest::collection::vec((0u32..9, set()), 0..9),
        ) {
            let shard: Vec<_> = sets.iter().map(|(label, set)| (*label, bytes(set))).collect();
            let mut expected: BTreeMap<(u32, u16), u32> = BTreeMap::new();
            for (label, set) in &sets {
                set.iter().for_each(|id| *expected.entry((*label, *id as u16)).or_default() += 1);
            }
            let mut found = BTreeMap::new();
            each_page(&shard, |parts| {
                for (label, container) in parts {
                    container.each(&mut |low| *found.entry((*label, low)).or_default() += 1);
                }
            })
            .unwrap();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn the_shard_of_an_id_has_it(id: u32, assigned: bool) {
            prop_assert!(shard_ids(shard_of(id, assigned)).contains(&id));
        }
    }

    #[test]
    fn pages_out_of_order_are_refused() {
        let mut set = encode(&[FIRST | 1, FIRST | 1 << 16]).unwrap();
        each_page(&[(0, &set)], |_| {}).unwrap();
        // The first page's number, behind cookie and count, becomes that of a later one.
        assert_eq!(set[8..10], 48u16.to_le_bytes());
        set[8..10].copy_from_slice(&50u16.to_le_bytes());
        assert!(each_page(&[(0, &set)], |_| {}).is_err());
    }
}
