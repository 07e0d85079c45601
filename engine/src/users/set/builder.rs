//! Fills a set fast: inserts are buffered in a tail and moved to the pages in batches.
//!
//! A set is often larger than a cache, and many are filled at once. Inserting one by one would cost
//! a cache miss for nearly every user. The tail is written sequentially; when it is full, all of it
//! is moved to the pages of one set, most of which get several users at a time.

use super::page::{Page, high, low, page_mut};
use super::user_set::{Repr, UserSet};
use crate::counting_sort::counting_sort;

/// A list at most this long stays a list ...
const MAX_LIST: usize = 1024;
/// ... and a longer one too, while it has fewer users than this for each page up to its last.
const MIN_USERS_PER_PAGE: usize = 4;
/// Room in a list that gets its first user.
const INITIAL_CAPACITY: usize = 4;
/// A tail behind pages takes at most this part of what they take: a visit then meets each of their
/// cache lines about as often, however large the set is.
const TAIL_SHARE: usize = 8;

/// Builds a [`UserSet`]. It cannot be queried until it is
/// [finished](Self::finish), and takes several times less time to fill for that.
#[derive(Clone, Debug, Default)]
pub struct SetBuilder {
    /// Users who are in no page yet; without pages, all of them.
    tail: Vec<u32>,
    pages: Vec<Page>,
}

impl SetBuilder {
    /// Adds a user, who may be there already. `heap` grows by what [`size`](Self::size) grows.
    #[inline]
    pub fn push(&mut self, number: u32, heap: &mut usize) {
        if self.tail.len() == self.tail.capacity() {
            self.grow_or_flush(heap);
        }
        self.tail.push(number);
    }

    #[cold]
    fn grow_or_flush(&mut self, heap: &mut usize) {
        let before = self.size();
        if self.pages.is_empty() {
            self.tail.sort_unstable();
            self.tail.dedup();
            if self.tail.len() * 2 >= self.tail.capacity() {
                let pages = self.tail.last().map_or(0, |last| high(*last));
                if self.tail.len() <= MAX_LIST.max(pages * MIN_USERS_PER_PAGE) {
                    let room = (self.tail.capacity() * 2).max(INITIAL_CAPACITY);
                    self.tail.reserve_exact(room - self.tail.len());
                } else {
                    self.pages.reserve_exact(pages + 1);
                    self.flush_tail();
                }
            }
        } else {
            self.flush_tail();
            let pages: usize = self.pages.iter().map(Page::size).sum();
            let room = self.tail.capacity() * 2;
            if room * size_of::<u32>() <= pages / TAIL_SHARE {
                self.tail.reserve_exact(room);
            }
        }
        *heap = (*heap + self.size()).wrapping_sub(before);
    }

    /// Empties the tail into the pages: sorted by page first, so that each page is met once and
    /// stays in the nearest cache meanwhile, unless there are more pages than users.
    fn flush_tail(&mut self) {
        let last = self.tail.iter().max().map_or(0, |number| high(*number));
        page_mut(&mut self.pages, last, &mut 0);
        if self.tail.len() < self.pages.len() {
            for number in self.tail.drain(..) {
                self.pages[high(number)].push(low(number), &mut 0);
            }
            return;
        }
        let users = self.tail.iter().map(|number| (high(*number), low(*number)));
        let (lows, starts) = counting_sort(users, self.pages.len());
        self.tail.clear();
        for (page, here) in self.pages.iter_mut().zip(starts.windows(2)) {
            page.push_all(&lows[here[0]..here[1]]);
        }
    }

    /// Adds all users of another builder.
    pub fn absorb(&mut self, mut other: Self) {
        if self.pages.is_empty() {
            std::mem::swap(self, &mut other);
        }
        if self.pages.len() < other.pages.len() {
            self.pages.resize_with(other.pages.len(), Page::default);
        }
        for (ours, theirs) in self.pages.iter_mut().zip(other.pages) {
            ours.absorb(theirs);
        }
        for number in other.tail {
            self.push(number, &mut 0);
        }
    }

    /// The finished set.
    pub fn finish(mut self) -> UserSet {
        if self.pages.is_empty() {
            self.tail.sort_unstable();
            self.tail.dedup();
            return UserSet(Repr::Few(self.tail));
        }
        self.flush_tail();
        self.pages.iter_mut().for_each(Page::normalize);
        UserSet(Repr::Pages(self.pages))
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        self.tail.capacity() * size_of::<u32>()
            + self.pages.capacity() * size_of::<Page>()
            + self.pages.iter().map(Page::size).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::SetBuilder;

    /// Lists, thin pages and full ones, few and many doubles, near and far.
    fn numbers() -> impl Strategy<Value = Vec<u32>> {
        prop_oneof![
            proptest::collection::vec(0u32..20, 0..200),
            proptest::collection::vec(0u32..200_000, 0..5_000),
            proptest::collection::vec(65_000u32..70_000, 0..20_000),
            proptest::collection::vec(0u32..1 << 31, 0..3_000),
        ]
    }

    fn filled(numbers: &[u32]) -> SetBuilder {
        let (mut builder, mut heap) = (SetBuilder::default(), 0);
        numbers.iter().for_each(|number| builder.push(*number, &mut heap));
        assert_eq!(heap, builder.size());
        builder
    }

    proptest! {
        #[test]
        fn each_pushed_user_is_in_the_set_once(a in numbers(), b in numbers()) {
            let set = filled(&a).finish();
            let expected: BTreeSet<u32> = a.iter().copied().collect();
            prop_assert_eq!(set.len() as usize, expected.len());
            prop_assert!(set.iter().eq(expected.iter().copied()));
            let mut both = filled(&a);
            both.absorb(filled(&b));
            let mut other = filled(&b);
            other.absorb(filled(&a));
            prop_assert!(other.finish().iter().eq(a.iter().chain(&b).copied().collect::<BTreeSet<_>>()));
            let expected: BTreeSet<u32> = a.iter().chain(&b).copied().collect();
            prop_assert!(both.finish().iter().eq(expected));
        }
    }

    #[test]
    fn a_handful_of_users_costs_tens_of_bytes() {
        let set = filled(&[7, 1_000_000, 3]);
        assert!(size_of::<SetBuilder>() + set.size() <= 64, "{}", set.size());
    }

    #[test]
    fn duplicates_take_no_memory() {
        let numbers: Vec<u32> = (0..100_000).map(|at| at % 10 * 7).collect();
        assert!(filled(&numbers).size() <= 128);
    }
}
