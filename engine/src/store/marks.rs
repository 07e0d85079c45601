//! Sets of users as one bit for each number: what stored sets are united in.

use super::{Container, SHARD_BITS, containers};
use crate::Result;

/// 64-bit words of 65,536 numbers.
const WORDS: usize = 1_024;
/// Pages of 65,536 numbers in a shard.
const PAGES: usize = 1 << (SHARD_BITS - 16);

/// A set of users of 65,536 numbers.
#[derive(Clone, Debug)]
struct Page(Box<[u64; WORDS]>);

impl Default for Page {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
    }
}

impl Page {
    /// How many users.
    fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether nobody is in it.
    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Takes everybody out.
    fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Adds a container of these numbers.
    #[inline]
    fn add(&mut self, container: Container<'_>) {
        match container {
            Container::Array(array) => {
                for low in array {
                    let low = u16::from_le_bytes(*low);
                    self.0[usize::from(low >> 6)] |= 1 << (low & 63);
                }
            }
            Container::Bits(bits) => {
                for (word, more) in self.0.iter_mut().zip(bits.as_chunks().0) {
                    *word |= u64::from_le_bytes(*more);
                }
            }
            Container::Runs(runs) => {
                for [a, b, c, d] in runs {
                    let first = u32::from(u16::from_le_bytes([*a, *b]));
                    let more = u32::from(u16::from_le_bytes([*c, *d]));
                    for low in first..=(first + more).min(u32::from(u16::MAX)) {
                        self.0[(low >> 6) as usize] |= 1 << (low & 63);
                    }
                }
            }
        }
    }

    /// Adds everybody of another set.
    fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(ours, theirs)| *ours |= theirs);
    }

    /// Keeps only those who are in another set too.
    fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(ours, theirs)| *ours &= theirs);
    }
}

/// A set of users of a shard. The upper bits of numbers are the shard's own and do not matter.
#[derive(Clone, Debug)]
pub struct Marks(Vec<Page>);

impl Default for Marks {
    fn default() -> Self {
        Self(vec![Page::default(); PAGES])
    }
}

impl Marks {
    /// How many users.
    pub fn len(&self) -> u64 {
        self.0.iter().map(Page::len).sum()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Page::is_empty)
    }

    /// Adds a stored set.
    ///
    /// # Errors
    /// When its bytes are broken.
    pub fn add(&mut self, set: &[u8]) -> Result<()> {
        containers(set, |high, container| self.0[usize::from(high) % PAGES].add(container))
    }

    /// Takes everybody out.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(Page::clear);
    }

    /// Adds everybody of another set.
    pub fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(ours, theirs)| ours.unite(theirs));
    }

    /// Keeps only those who are in another set too.
    pub fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(ours, theirs)| ours.keep(theirs));
    }

    /// Everybody's number, ascending, with `base` for the bits that are the shard's own.
    pub fn numbers(&self, base: u32) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
        for (at, word) in self.0.iter().flat_map(|page| page.0.iter()).enumerate() {
            let mut word = *word;
            while word != 0 {
                numbers.push(base | (at as u32) << 6 | word.trailing_zeros());
                word &= word - 1;
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::Marks;
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

    fn marks(set: &BTreeSet<u32>) -> Marks {
        let mut marks = Marks::default();
        marks.add(&encode(&set.iter().copied().collect::<Vec<_>>()).unwrap()).unwrap();
        marks
    }

    proptest! {
        #[test]
        fn marks_are_sets(a in set(), b in set(), c in set()) {
            let mut left = marks(&a);
            prop_assert_eq!(left.len(), a.len() as u64);
            left.add(&encode(&b.iter().copied().collect::<Vec<_>>()).unwrap()).unwrap();
            let union: BTreeSet<u32> = a.union(&b).copied().collect();
            prop_assert!(left.numbers(3 << 20).into_iter().eq(union.iter().copied()));
            left.keep(&marks(&c));
            prop_assert_eq!(left.len(), union.intersection(&c).count() as u64);
            left.unite(&marks(&a));
            let kept = union.intersection(&c).copied().chain(a).collect::<BTreeSet<u32>>();
            prop_assert_eq!(left.len(), kept.len() as u64);
            left.clear();
            prop_assert!(left.is_empty());
        }
    }
}
