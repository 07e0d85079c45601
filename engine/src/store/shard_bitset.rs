//! A set of users of one shard as a bitset, used to combine stored sets.

use super::activity::SHARD_BITS;
use super::{Container, containers};
use crate::Result;

/// 64-bit words of a shard, and of a page of 65,536 numbers in it.
const WORDS: usize = 1 << (SHARD_BITS - 6);
const PAGE: usize = 1 << 10;

/// A set of users of a shard. The upper bits of numbers are the shard's own and do not matter.
#[derive(Clone, Debug)]
pub struct ShardBitset(Box<[u64; WORDS]>);

impl Default for ShardBitset {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
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

    /// Adds a stored set.
    ///
    /// # Errors
    /// When its bytes are broken.
    pub fn add(&mut self, set: &[u8]) -> Result<()> {
        let (pages, _) = self.0.as_chunks_mut();
        containers(set, |high, container| {
            add(&mut pages[usize::from(high) % (WORDS / PAGE)], container);
        })
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

    /// The ids, ascending, with `base` for the bits of the shard.
    pub fn numbers(&self, base: u32) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
        for (at, word) in self.0.iter().enumerate() {
            let mut word = *word;
            while word != 0 {
                numbers.push(base | (at as u32) << 6 | word.trailing_zeros());
                word &= word - 1;
            }
        }
        numbers
    }
}

/// Sets the bits of a container.
#[inline]
fn add(page: &mut [u64; PAGE], container: Container<'_>) {
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
    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::ShardBitset;
    use crate::store::encode;

    /// Numbers of one shard: thin, dense, in runs.
    fn set() -> impl Strategy<Value = BTreeSet<u32>> {
        let shard = 3 << 20;
        let thin = proptest::collection::btree_set(0..1u32 << 20, 0..100);
        let steps = (0..15u32, 1..8u32).prop_map(|(page, step)| {
            (0..65_536).step_by(step as usize).map(|l| page << 16 | l).collect()
        });
        prop_oneof![thin, steps]
            .prop_map(move |set: BTreeSet<u32>| set.into_iter().map(|n| n | shard).collect())
    }

    fn bitset_of(set: &BTreeSet<u32>) -> ShardBitset {
        let mut bitset = ShardBitset::default();
        bitset.add(&encode(&set.iter().copied().collect::<Vec<_>>()).unwrap()).unwrap();
        bitset
    }

    proptest! {
        #[test]
        fn the_bitset_is_a_set(a in set(), b in set(), c in set()) {
            let mut bitset = bitset_of(&a);
            prop_assert_eq!(bitset.len(), a.len() as u64);
            bitset.add(&encode(&b.iter().copied().collect::<Vec<_>>()).unwrap()).unwrap();
            let union: BTreeSet<u32> = a.union(&b).copied().collect();
            prop_assert!(bitset.numbers(3 << 20).into_iter().eq(union.iter().copied()));
            bitset.intersect_with(&bitset_of(&c));
            prop_assert_eq!(bitset.len(), union.intersection(&c).count() as u64);
            bitset.union_with(&bitset_of(&a));
            let kept = union.intersection(&c).copied().chain(a).collect::<BTreeSet<u32>>();
            prop_assert_eq!(bitset.len(), kept.len() as u64);
            bitset.clear();
            prop_assert!(bitset.is_empty());
        }
    }
}
