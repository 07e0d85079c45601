//! The set, and its operations.

use roaring::RoaringBitmap;

use super::page::{Page, WORDS, high, low, page_mut};
use crate::Result;
use crate::users::portable::{self, Container};

/// A set with up to this many users is one sorted list.
const MAX_FEW: usize = 16;

/// An exact set of user numbers.
#[derive(Clone, Debug, Default)]
pub struct UserSet(pub(super) Repr);

#[derive(Clone, Debug)]
pub(super) enum Repr {
    Few(Vec<u32>),
    Pages(Vec<Page>),
}

impl Default for Repr {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Repr {
    fn size(&self) -> usize {
        match self {
            Self::Few(few) => few.capacity() * size_of::<u32>(),
            Self::Pages(pages) => {
                pages.capacity() * size_of::<Page>() + pages.iter().map(Page::size).sum::<usize>()
            }
        }
    }
}

impl UserSet {
    /// Adds a user; true if it was not in the set.
    #[inline]
    pub fn insert(&mut self, number: u32) -> bool {
        self.insert_counting(number, &mut 0)
    }

    /// Adds a user; true if it was not in the set. `heap` grows by what [`size`](Self::size) grows.
    #[inline]
    pub fn insert_counting(&mut self, number: u32, heap: &mut usize) -> bool {
        match &mut self.0 {
            Repr::Pages(pages) => page_mut(pages, high(number), heap).insert(low(number), heap),
            Repr::Few(few) => match few.binary_search(&number) {
                Ok(_) => false,
                Err(at) if few.len() < MAX_FEW => {
                    if few.len() == few.capacity() {
                        let before = few.capacity();
                        few.reserve_exact(before.clamp(2, MAX_FEW / 2).min(MAX_FEW - before));
                        *heap += (few.capacity() - before) * size_of::<u32>();
                    }
                    few.insert(at, number);
                    true
                }
                Err(_) => {
                    let pages = self.pages_counting(heap);
                    page_mut(pages, high(number), heap).insert(low(number), heap)
                }
            },
        }
    }

    /// Whether the user is in the set.
    pub fn contains(&self, number: u32) -> bool {
        match &self.0 {
            Repr::Few(few) => few.binary_search(&number).is_ok(),
            Repr::Pages(pages) => {
                pages.get(high(number)).is_some_and(|page| page.contains(low(number)))
            }
        }
    }

    /// How many users are in the set.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Repr::Few(few) => few.len() as u64,
            Repr::Pages(pages) => pages.iter().map(Page::len).sum(),
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Repr::Few(few) => few.is_empty(),
            Repr::Pages(pages) => pages.iter().all(|page| page.len() == 0),
        }
    }

    /// Adds every user of `other`.
    pub fn union_with(&mut self, other: &Self) {
        match &other.0 {
            Repr::Few(few) => {
                for number in few {
                    self.insert(*number);
                }
            }
            Repr::Pages(theirs) => {
                let ours = self.pages_mut();
                if ours.len() < theirs.len() {
                    ours.resize_with(theirs.len(), Page::default);
                }
                for (ours, theirs) in ours.iter_mut().zip(theirs) {
                    ours.union_with(theirs);
                }
            }
        }
    }

    /// Appends the set in the [portable format](portable).
    ///
    /// # Errors
    /// None that can happen: memory takes everything.
    pub fn write(&self, bytes: &mut Vec<u8>) -> Result<()> {
        portable::write(self.to_roaring(), bytes)
    }

    /// Adds every user of a set in the [portable format](portable). `heap` grows by what
    /// [`size`](Self::size) grows.
    ///
    /// # Errors
    /// When the bytes are corrupt; the set then holds some of the users.
    pub fn union_with_written(&mut self, bytes: &[u8], heap: &mut usize) -> Result<()> {
        portable::containers(bytes, |high, container| match container {
            Container::Bits(bits) => {
                page_mut(self.pages_counting(heap), usize::from(high), heap)
                    .union_with_words(bits, heap);
            }
            few => few.each(&mut |low| {
                self.insert_counting(u32::from(high) << 16 | u32::from(low), heap);
            }),
        })
    }

    /// Keeps only the users that are in `other` too.
    pub fn intersect_with(&mut self, other: &Self) {
        match &mut self.0 {
            Repr::Few(few) => few.retain(|number| other.contains(*number)),
            Repr::Pages(ours) => match &other.0 {
                Repr::Few(few) => {
                    let kept = few.iter().filter(|n| {
                        ours.get(high(**n)).is_some_and(|page| page.contains(low(**n)))
                    });
                    self.0 = Repr::Few(kept.copied().collect());
                }
                Repr::Pages(theirs) => {
                    ours.truncate(theirs.len());
                    for (ours, theirs) in ours.iter_mut().zip(theirs) {
                        ours.intersect_with(theirs);
                    }
                }
            },
        }
    }

    /// Number of pages of 65,536 ids up to that of the largest id.
    pub fn page_count(&self) -> usize {
        match &self.0 {
            Repr::Few(few) => few.last().map_or(0, |last| high(*last) + 1),
            Repr::Pages(pages) => pages.len(),
        }
    }

    /// Whether any user is in a page.
    pub fn has_page(&self, page: usize) -> bool {
        match &self.0 {
            Repr::Few(few) => !of_page(few, page).is_empty(),
            Repr::Pages(pages) => pages.get(page).is_some_and(|page| !matches!(page, Page::Empty)),
        }
    }

    /// Calls `each` with the low half of every id in a page, in ascending order.
    #[inline]
    pub fn each_in_page(&self, page: usize, each: &mut impl FnMut(u16)) {
        match &self.0 {
            Repr::Few(few) => of_page(few, page).iter().for_each(|number| each(low(*number))),
            Repr::Pages(pages) => {
                if let Some(page) = pages.get(page) {
                    page.each(each);
                }
            }
        }
    }

    /// How many users are in at least one of some sets.
    pub fn union_len(sets: &[&Self]) -> u64 {
        if let [set] = sets {
            return set.len();
        }
        let (mut lists, mut paged): (Vec<&[u32]>, Vec<&[Page]>) = (Vec::new(), Vec::new());
        for set in sets {
            match &set.0 {
                Repr::Few(few) => lists.push(few),
                Repr::Pages(pages) => paged.push(pages),
            }
        }
        if paged.is_empty() {
            let mut all = lists.concat();
            all.sort_unstable();
            all.dedup();
            return all.len() as u64;
        }
        let pages = paged.iter().map(|pages| pages.len());
        let of_lists = lists.iter().filter_map(|list| list.last().map(|last| high(*last) + 1));
        let (mut count, mut bits) = (0, Box::new([0u64; WORDS]));
        for at in 0..pages.chain(of_lists).max().unwrap_or(0) {
            let mut here = paged
                .iter()
                .filter_map(|pages| pages.get(at))
                .filter(|page| !matches!(page, Page::Empty));
            let mut has_more = false;
            for list in &mut lists {
                let users = list.iter().take_while(|number| high(**number) == at).count();
                for number in &list[..users] {
                    bits[usize::from(low(*number) >> 6)] |= 1 << (low(*number) & 63);
                }
                has_more |= users > 0;
                *list = &list[users..];
            }
            let Some(first) = here.next() else {
                count += if has_more { take_count(&mut bits) } else { 0 };
                continue;
            };
            let mut here = here.peekable();
            if !has_more && here.peek().is_none() {
                count += first.len();
                continue;
            }
            std::iter::once(first).chain(here).for_each(|page| page.add_to(&mut bits));
            count += take_count(&mut bits);
        }
        count
    }

    /// The users in ascending order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match &self.0 {
            Repr::Few(few) => Box::new(few.iter().copied()),
            Repr::Pages(pages) => Box::new(pages.iter().enumerate().flat_map(|(high, page)| {
                page.iter().map(move |low| (high as u32) << 16 | u32::from(low))
            })),
        }
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// The same set as a Roaring bitmap.
    pub fn to_roaring(&self) -> RoaringBitmap {
        let mut bitmap = RoaringBitmap::new();
        match &self.0 {
            Repr::Few(few) => bitmap.extend(few.iter().copied()),
            Repr::Pages(pages) => {
                for (high, page) in pages.iter().enumerate() {
                    let base = (high as u32) << 16;
                    match page {
                        Page::Empty => {}
                        Page::List(list) => {
                            bitmap.extend(list.iter().map(|low| base | u32::from(*low)));
                        }
                        Page::Bits(bits) => {
                            let bytes: Vec<u8> =
                                bits.iter().flat_map(|word| word.to_le_bytes()).collect();
                            bitmap |= RoaringBitmap::from_lsb0_bytes(base, &bytes);
                        }
                    }
                }
            }
        }
        bitmap
    }

    fn pages_mut(&mut self) -> &mut Vec<Page> {
        self.pages_counting(&mut 0)
    }

    fn pages_counting(&mut self, heap: &mut usize) -> &mut Vec<Page> {
        if let Repr::Few(few) = &self.0 {
            let mut grown = 0;
            let mut pages = Vec::new();
            for number in few {
                page_mut(&mut pages, high(*number), &mut grown).insert(low(*number), &mut grown);
            }
            // The list of an emptied set may have taken more than the pages do.
            let shrunk = few.capacity() * size_of::<u32>();
            *heap = heap.wrapping_add(grown).wrapping_sub(shrunk);
            self.0 = Repr::Pages(pages);
        }
        match &mut self.0 {
            Repr::Pages(pages) => pages,
            Repr::Few(_) => unreachable!("a list was turned into pages above"),
        }
    }
}

impl FromIterator<u32> for UserSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut set = Self::default();
        for number in numbers {
            set.insert(number);
        }
        set
    }
}

impl PartialEq for UserSet {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

/// The numbers of a page.
fn of_page(numbers: &[u32], page: usize) -> &[u32] {
    let start = numbers.partition_point(|number| high(*number) < page);
    let rest = &numbers[start..];
    &rest[..rest.partition_point(|number| high(*number) == page)]
}

/// The number of bits that are set, which are cleared.
fn take_count(bits: &mut [u64; WORDS]) -> u64 {
    let count = bits.iter().map(|word| u64::from(word.count_ones())).sum();
    bits.fill(0);
    count
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::UserSet;

    /// Handfuls, thin pages and full pages, near the page borders too.
    fn numbers() -> impl Strategy<Value = Vec<u32>> {
        prop_oneof![
            proptest::collection::vec(0u32..200_000, 0..40),
            proptest::collection::vec(65_000u32..66_000, 0..2_000),
            proptest::collection::vec(0u32..1_500, 0..3_000),
        ]
    }

    proptest! {
        #[test]
        fn a_set_behaves_as_a_btree_set(a in numbers(), b in numbers()) {
            let (x, y): (UserSet, UserSet) = (a.iter().copied().collect(), b.iter().copied().collect());
            let (p, q): (BTreeSet<u32>, BTreeSet<u32>) = (a.into_iter().collect(), b.into_iter().collect());
            prop_assert_eq!(x.len() as usize, p.len());
            prop_assert!(x.iter().eq(p.iter().copied()));
            prop_assert!(q.iter().all(|n| y.contains(*n) && x.contains(*n) == p.contains(n)));
            let mut union = x.clone();
            union.union_with(&y);
            prop_assert!(union.iter().eq(p.union(&q).copied()));
            let mut both = x.clone();
            both.intersect_with(&y);
            prop_assert!(both.iter().eq(p.intersection(&q).copied()));
            prop_assert_eq!(both.is_empty(), p.is_disjoint(&q));
            prop_assert_eq!(union.len() + both.len(), x.len() + y.len());
            prop_assert_eq!(UserSet::union_len(&[&x, &y]), union.len());
            let mut by_page = Vec::new();
            for page in 0..x.page_count() {
                let before = by_page.len();
                x.each_in_page(page, &mut |low| by_page.push((page as u32) << 16 | u32::from(low)));
                prop_assert_eq!(x.has_page(page), by_page.len() > before);
            }
            prop_assert!(x.iter().eq(by_page));
            prop_assert_eq!(UserSet::union_len(&[&y, &union, &both]), union.len());
            prop_assert_eq!(UserSet::union_len(&[&x]) + UserSet::union_len(&[]), x.len());
            let roaring = x.to_roaring();
            prop_assert!(roaring.iter().eq(p.iter().copied()));
        }

        #[test]
        fn a_written_set_reads_back_and_its_size_is_known_all_along(a in numbers(), b in numbers()) {
            let mut heap = 0;
            let mut set = UserSet::default();
            for number in &a {
                set.insert_counting(*number, &mut heap);
            }
            prop_assert_eq!(heap, set.size());
            let (mut bytes, other) = (Vec::new(), b.iter().copied().collect::<UserSet>());
            other.write(&mut bytes).unwrap();
            set.union_with_written(&bytes, &mut heap).unwrap();
            prop_assert_eq!(heap, set.size());
            prop_assert!(set == a.iter().chain(&b).copied().collect());
            prop_assert!(set.union_with_written(&bytes[..bytes.len() - 1], &mut heap).is_err());
        }
    }

    #[test]
    fn a_handful_of_users_costs_tens_of_bytes() {
        let set: UserSet = [7, 1_000_000, 3].into_iter().collect();
        assert!(size_of::<UserSet>() + set.size() <= 48, "{}", set.size());
    }
}
