//! An exact set of user numbers, made to be filled fast.
//!
//! A handful of users is a short sorted list. Beyond that the set is a list of pages, one for
//! every 65,536 numbers: a page is a sorted list while it is thin and an 8 KiB bitset from then
//! on. Filling a Roaring bitmap value by value costs several times as much, because it searches
//! its containers for every value; the pages are found by index. That is why numbers should be
//! dense (see [`Numbering`](super::Numbering)): a set takes up to 24 bytes for every page below
//! its largest number, touched or not.

use roaring::RoaringBitmap;

/// A set with up to this many users is one sorted list.
const FEW: usize = 16;
/// A page with up to this many users is a sorted list; a longer list is slower to fill.
const LIST: usize = 512;
/// 64-bit words of a bitset page.
const WORDS: usize = 1024;

/// An exact set of user numbers.
#[derive(Clone, Debug)]
pub struct UserSet(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Few(Vec<u32>),
    Pages(Vec<Page>),
}

#[derive(Clone, Debug, Default)]
enum Page {
    #[default]
    Empty,
    List(Vec<u16>),
    Bits(Box<[u64; WORDS]>),
}

impl Default for UserSet {
    fn default() -> Self {
        Self(Repr::Few(Vec::new()))
    }
}

impl UserSet {
    /// Adds a user; true if it was not in the set.
    #[inline]
    pub fn insert(&mut self, number: u32) -> bool {
        match &mut self.0 {
            Repr::Pages(pages) => insert_into(pages, number),
            Repr::Few(few) => match few.binary_search(&number) {
                Ok(_) => false,
                Err(at) if few.len() < FEW => {
                    if few.len() == few.capacity() {
                        few.reserve_exact(few.len().clamp(2, FEW / 2).min(FEW - few.len()));
                    }
                    few.insert(at, number);
                    true
                }
                Err(_) => insert_into(self.pages_mut(), number),
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

    /// Whether nobody is in the set.
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
        match &self.0 {
            Repr::Few(few) => few.capacity() * size_of::<u32>(),
            Repr::Pages(pages) => {
                pages.capacity() * size_of::<Page>() + pages.iter().map(Page::size).sum::<usize>()
            }
        }
    }

    /// The same set as a Roaring bitmap, for the world outside.
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
        if let Repr::Few(few) = &self.0 {
            let mut pages = Vec::new();
            for number in few {
                insert_into(&mut pages, *number);
            }
            self.0 = Repr::Pages(pages);
        }
        match &mut self.0 {
            Repr::Pages(pages) => pages,
            Repr::Few(_) => unreachable!("a list was turned into pages above"),
        }
    }
}

impl From<&RoaringBitmap> for UserSet {
    fn from(bitmap: &RoaringBitmap) -> Self {
        let mut set = Self::default();
        for number in bitmap {
            set.insert(number);
        }
        set
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

#[inline]
fn high(number: u32) -> usize {
    (number >> 16) as usize
}

#[inline]
fn low(number: u32) -> u16 {
    number as u16 // the low half, on purpose
}

#[inline]
fn insert_into(pages: &mut Vec<Page>, number: u32) -> bool {
    let at = high(number);
    if at >= pages.len() {
        pages.resize_with(at + 1, Page::default);
    }
    pages[at].insert(low(number))
}

impl Page {
    #[inline]
    fn insert(&mut self, low: u16) -> bool {
        match self {
            Self::Bits(bits) => {
                let word = &mut bits[usize::from(low >> 6)];
                let bit = 1u64 << (low & 63);
                let new = *word & bit == 0;
                *word |= bit;
                new
            }
            Self::List(list) => match list.binary_search(&low) {
                Ok(_) => false,
                Err(at) if list.len() < LIST => {
                    list.insert(at, low);
                    true
                }
                Err(_) => {
                    self.to_bits()[usize::from(low >> 6)] |= 1 << (low & 63);
                    true
                }
            },
            Self::Empty => {
                *self = Self::List(vec![low]);
                true
            }
        }
    }

    fn contains(&self, low: u16) -> bool {
        match self {
            Self::Empty => false,
            Self::List(list) => list.binary_search(&low).is_ok(),
            Self::Bits(bits) => bits[usize::from(low >> 6)] & (1 << (low & 63)) != 0,
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::List(list) => list.len() as u64,
            Self::Bits(bits) => bits.iter().map(|word| u64::from(word.count_ones())).sum(),
        }
    }

    fn union_with(&mut self, other: &Self) {
        match other {
            Self::Empty => {}
            Self::List(list) => {
                for low in list {
                    self.insert(*low);
                }
            }
            Self::Bits(theirs) => {
                for (ours, theirs) in self.to_bits().iter_mut().zip(theirs.iter()) {
                    *ours |= theirs;
                }
            }
        }
    }

    fn intersect_with(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Bits(ours), Self::Bits(theirs)) => {
                for (ours, theirs) in ours.iter_mut().zip(theirs.iter()) {
                    *ours &= theirs;
                }
            }
            (Self::List(list), other) => list.retain(|low| other.contains(*low)),
            (ours, Self::List(list)) => {
                let kept = list.iter().filter(|low| ours.contains(**low)).copied().collect();
                *self = Self::List(kept);
            }
            (Self::Empty, _) | (_, Self::Empty) => *self = Self::Empty,
        }
    }

    fn iter(&self) -> Box<dyn Iterator<Item = u16> + '_> {
        match self {
            Self::Empty => Box::new(std::iter::empty()),
            Self::List(list) => Box::new(list.iter().copied()),
            Self::Bits(bits) => Box::new(bits.iter().enumerate().flat_map(|(at, word)| {
                let mut rest = *word;
                std::iter::from_fn(move || {
                    (rest != 0).then(|| {
                        let low = (at * 64) as u16 + rest.trailing_zeros() as u16;
                        rest &= rest - 1;
                        low
                    })
                })
            })),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::List(list) => list.capacity() * size_of::<u16>(),
            Self::Bits(_) => WORDS * size_of::<u64>(),
        }
    }

    fn to_bits(&mut self) -> &mut [u64; WORDS] {
        if !matches!(self, Self::Bits(_)) {
            let mut bits = Box::new([0; WORDS]);
            for low in self.iter() {
                bits[usize::from(low >> 6)] |= 1 << (low & 63);
            }
            *self = Self::Bits(bits);
        }
        match self {
            Self::Bits(bits) => bits,
            _ => unreachable!("the page was turned into a bitset above"),
        }
    }
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
            let roaring = x.to_roaring();
            prop_assert!(roaring.iter().eq(p.iter().copied()));
            prop_assert!(UserSet::from(&roaring) == x);
        }
    }

    #[test]
    fn a_handful_of_users_costs_tens_of_bytes() {
        let set: UserSet = [7, 1_000_000, 3].into_iter().collect();
        assert!(size_of::<UserSet>() + set.size() <= 48, "{}", set.size());
    }
}
