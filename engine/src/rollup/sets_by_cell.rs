//! Stored sets grouped by cell, and split into pages of 65,536 ids.

use crate::Result;
use crate::store::{Container, Containers, SHARD_BITS};

/// Pages in a shard.
const PAGES: u16 = 1 << (SHARD_BITS - 16);

/// Sets by cell: as they are stored, or parts of them.
#[derive(Debug)]
pub(super) struct SetsByCell<T> {
    /// For each cell up to the last one that has a set, where its sets start.
    starts: Vec<u32>,
    sets: Vec<T>,
}

impl<T> Default for SetsByCell<T> {
    fn default() -> Self {
        Self { starts: Vec::new(), sets: Vec::new() }
    }
}

impl<T> SetsByCell<T> {
    /// Adds a set to a cell, which is the last one that has any.
    pub(super) fn push(&mut self, cell: u32, set: T) {
        if self.starts.len() <= cell as usize {
            self.starts.resize(cell as usize + 1, self.sets.len() as u32);
        }
        self.sets.push(set);
    }

    /// Takes all sets out.
    pub(super) fn clear(&mut self) {
        self.starts.clear();
        self.sets.clear();
    }

    /// Whether no cell has a set.
    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The sets of a cell.
    #[inline]
    pub(super) fn of(&self, cell: u32) -> &[T] {
        let start = |cell: usize| self.starts.get(cell).map_or(self.sets.len(), |at| *at as usize);
        &self.sets[start(cell as usize)..start(cell as usize + 1)]
    }
}

/// Calls `each` with the parts of a shard's sets in every page that holds anybody. Sets come as
/// portable bitmaps with their cells, in the order of these.
///
/// # Errors
/// When a set is broken.
pub(super) fn each_page<'a, B: AsRef<[u8]>>(
    shard: &'a [(u32, B)],
    mut each: impl FnMut(&SetsByCell<Container<'a>>),
) -> Result<()> {
    let remaining = shard.iter().map(|(cell, set)| Ok((*cell, Containers::of(set.as_ref())?)));
    let mut remaining: Vec<(u32, Containers<'_>)> = remaining.collect::<Result<_>>()?;
    let mut sets = SetsByCell::default();
    for page in 0..PAGES {
        sets.clear();
        for (cell, containers) in &mut remaining {
            if containers.high().is_some_and(|high| high % PAGES == page)
                && let Some(container) = containers.next()
            {
                sets.push(*cell, container?.1);
            }
        }
        if !sets.is_empty() {
            each(&sets);
        }
    }
    remaining.iter().try_for_each(|(_, containers)| containers.end())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{prop_assert_eq, proptest};

    use super::each_page;
    use crate::store::encode;

    /// Numbers of shard 3.
    const SHARD: u32 = 3 << 20;

    proptest! {
        #[test]
        fn pages_hold_every_number_of_every_cell_once(
            cells in proptest::collection::vec(
                (0u32..9, proptest::collection::btree_set(0u32..1 << 20, 1..60)), 0..9),
        ) {
            let mut cells: Vec<_> = cells
                .into_iter()
                .map(|(cell, set)| (cell, set.into_iter().map(|n| SHARD | n).collect::<Vec<_>>()))
                .collect();
            cells.sort();
            let sets: Vec<_> =
                cells.iter().map(|(cell, set)| (*cell, encode(set).unwrap())).collect();
            let shard: Vec<_> = sets.iter().map(|(cell, set)| (*cell, set.as_slice())).collect();
            let mut expected: BTreeMap<(u32, u16), u32> = BTreeMap::new();
            for (cell, set) in &cells {
                set.iter().for_each(|n| *expected.entry((*cell, *n as u16)).or_default() += 1);
            }
            let mut found = BTreeMap::new();
            each_page(&shard, |sets| {
                for cell in 0..9 {
                    let mut note = |low| *found.entry((cell, low)).or_default() += 1;
                    sets.of(cell).iter().for_each(|container| container.each(&mut note));
                }
            })
            .unwrap();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn pages_out_of_order_are_refused() {
        let mut set = encode(&[SHARD | 1, SHARD | 1 << 16]).unwrap();
        each_page(&[(0, &set)], |_| {}).unwrap();
        // The first page's number, behind cookie and count, becomes that of a later one.
        assert_eq!(set[8..10], 48u16.to_le_bytes());
        set[8..10].copy_from_slice(&50u16.to_le_bytes());
        assert!(each_page(&[(0, &set)], |_| {}).is_err());
    }
}
