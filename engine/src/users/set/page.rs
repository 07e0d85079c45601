//! A page of a set: the users with 65,536 consecutive ids.

use std::hint::black_box;

/// A page with up to this many users is a sorted list; a longer list is slower to fill.
const MAX_LIST: usize = 256;
/// 64-bit words of a bitset page.
pub(super) const WORDS: usize = 1024;
/// Cache lines of a bitset page, of 64 bytes each.
const LINES: usize = WORDS / 8;
/// The list of a builder's page ends here, where it takes half as much as a bitset.
const MAX_BUILDER_LIST: usize = 2048;
/// A list up to this long is sorted by comparing, a longer one by way of a bitset.
const MAX_COMPARISON_SORT: usize = 96;

/// A page of a set.
#[derive(Clone, Debug, Default)]
pub(super) enum Page {
    #[default]
    Empty,
    List(Vec<u16>),
    Bits(Box<[u64; WORDS]>),
}

/// The index of the page of a user.
#[inline]
pub(super) fn high(number: u32) -> usize {
    (number >> 16) as usize
}

/// The place of a user in its page.
#[inline]
pub(super) fn low(number: u32) -> u16 {
    number as u16 // the low half, on purpose
}

/// The page of an index, created if there is none yet; `heap` grows by what the list of pages grows.
#[inline]
pub(super) fn page_mut<'a>(pages: &'a mut Vec<Page>, at: usize, heap: &mut usize) -> &'a mut Page {
    if at >= pages.len() {
        let before = pages.capacity();
        pages.resize_with(at + 1, Page::default);
        *heap += (pages.capacity() - before) * size_of::<Page>();
    }
    &mut pages[at]
}

impl Page {
    #[inline]
    pub(super) fn insert(&mut self, low: u16, heap: &mut usize) -> bool {
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
                Err(at) if list.len() < MAX_LIST => {
                    let before = list.capacity();
                    list.insert(at, low);
                    *heap += (list.capacity() - before) * size_of::<u16>();
                    true
                }
                Err(_) => {
                    self.bits_counting(heap)[usize::from(low >> 6)] |= 1 << (low & 63);
                    true
                }
            },
            Self::Empty => {
                *self = Self::List(vec![low]);
                *heap += self.size();
                true
            }
        }
    }

    /// Adds a user, who may be there already: the list of a page is then no longer sorted, until
    /// [`normalize`](Self::normalize). A list that is full gets rid of its doubles before it grows.
    #[inline]
    pub(super) fn push(&mut self, low: u16, heap: &mut usize) {
        match self {
            Self::Bits(bits) => bits[usize::from(low >> 6)] |= 1 << (low & 63),
            Self::List(list) if list.len() < list.capacity() => list.push(low),
            Self::Empty | Self::List(_) => self.push_growing(low, heap),
        }
    }

    /// [Pushes](Self::push) many users.
    pub(super) fn push_all(&mut self, lows: &[u16]) {
        let mut lows = lows.iter();
        loop {
            if let Self::Bits(bits) = self {
                if lows.len() >= LINES / 2 {
                    // Sequential reads are prefetched by the processor.
                    black_box(bits.iter().step_by(WORDS / LINES).fold(0, |all, word| all | word));
                }
                return lows.for_each(|low| bits[usize::from(low >> 6)] |= 1 << (low & 63));
            }
            let Some(low) = lows.next() else { return };
            self.push(*low, &mut 0);
        }
    }

    #[cold]
    fn push_growing(&mut self, low: u16, heap: &mut usize) {
        let before = self.size();
        self.normalize();
        match self {
            Self::Empty => *self = Self::List(Vec::with_capacity(16)),
            Self::List(list) if list.len() * 2 > list.capacity() => {
                if list.capacity() < MAX_BUILDER_LIST {
                    list.reserve_exact(list.capacity() * 2 - list.len());
                } else {
                    self.bits_mut();
                }
            }
            Self::List(_) | Self::Bits(_) => {}
        }
        *heap = *heap + self.size() - before;
        self.push(low, heap);
    }

    /// Adds all users of another page; neither has to be normalized.
    pub(super) fn absorb(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Self::Empty) => {}
            (Self::Empty, theirs) => *self = theirs,
            (_, Self::List(list)) => list.into_iter().for_each(|low| self.push(low, &mut 0)),
            (Self::List(_), theirs @ Self::Bits(_)) => {
                let ours = std::mem::replace(self, theirs);
                self.absorb(ours);
            }
            (Self::Bits(ours), Self::Bits(theirs)) => {
                for (ours, theirs) in ours.iter_mut().zip(theirs.iter()) {
                    *ours |= theirs;
                }
            }
        }
    }

    /// Sorts a list that was [pushed](Self::push) to and leaves out its doubles.
    pub(super) fn normalize(&mut self) {
        let Self::List(list) = self else { return };
        if list.len() <= MAX_COMPARISON_SORT {
            list.sort_unstable();
            list.dedup();
            return;
        }
        let mut bits = [0u64; WORDS];
        for low in &*list {
            bits[usize::from(low >> 6)] |= 1 << (low & 63);
        }
        list.clear();
        for (at, word) in bits.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                list.push((at * 64) as u16 + rest.trailing_zeros() as u16);
                rest &= rest - 1;
            }
        }
    }

    pub(super) fn contains(&self, low: u16) -> bool {
        match self {
            Self::Empty => false,
            Self::List(list) => list.binary_search(&low).is_ok(),
            Self::Bits(bits) => bits[usize::from(low >> 6)] & (1 << (low & 63)) != 0,
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::List(list) => list.len() as u64,
            Self::Bits(bits) => bits.iter().map(|word| u64::from(word.count_ones())).sum(),
        }
    }

    pub(super) fn union_with(&mut self, other: &Self) {
        match other {
            Self::Empty => {}
            Self::List(list) => {
                for low in list {
                    self.insert(*low, &mut 0);
                }
            }
            Self::Bits(theirs) => {
                for (ours, theirs) in self.bits_mut().iter_mut().zip(theirs.iter()) {
                    *ours |= theirs;
                }
            }
        }
    }

    /// Calls `each` with every user, in ascending order.
    #[inline]
    pub(super) fn each(&self, each: &mut impl FnMut(u16)) {
        match self {
            Self::Empty => {}
            Self::List(list) => list.iter().for_each(|low| each(*low)),
            Self::Bits(bits) => {
                for (at, word) in bits.iter().enumerate() {
                    let mut rest = *word;
                    while rest != 0 {
                        each((at * 64) as u16 + rest.trailing_zeros() as u16);
                        rest &= rest - 1;
                    }
                }
            }
        }
    }

    /// Sets the bits of all users.
    pub(super) fn add_to(&self, bits: &mut [u64; WORDS]) {
        match self {
            Self::Empty => {}
            Self::List(list) => {
                list.iter().for_each(|low| bits[usize::from(low >> 6)] |= 1 << (low & 63));
            }
            Self::Bits(ours) => {
                bits.iter_mut().zip(ours.iter()).for_each(|(all, bits)| *all |= bits)
            }
        }
    }

    /// Adds the users of a bitset in its written form.
    pub(super) fn union_with_words(&mut self, words: &[u8], heap: &mut usize) {
        let (words, _) = words.as_chunks();
        for (ours, theirs) in self.bits_counting(heap).iter_mut().zip(words) {
            *ours |= u64::from_le_bytes(*theirs);
        }
    }

    pub(super) fn intersect_with(&mut self, other: &Self) {
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

    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = u16> + '_> {
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

    pub(super) fn size(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::List(list) => list.capacity() * size_of::<u16>(),
            Self::Bits(_) => WORDS * size_of::<u64>(),
        }
    }

    pub(super) fn bits_mut(&mut self) -> &mut [u64; WORDS] {
        self.bits_counting(&mut 0)
    }

    fn bits_counting(&mut self, heap: &mut usize) -> &mut [u64; WORDS] {
        if !matches!(self, Self::Bits(_)) {
            // A list never takes more than the bitset that it becomes.
            *heap += WORDS * size_of::<u64>() - self.size();
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
