//! The sets of all groups, of one exact count and one thread.

use rayon::iter::{
    IndexedParallelIterator, IntoParallelIterator, IntoParallelRefMutIterator, ParallelIterator,
};

use super::numbers::NOBODY;
use crate::counting_sort::counting_sort;
use crate::events::Codes;
use crate::users::SetBuilder;

/// From this many groups on, their sets do not fit into the caches together.
const MANY: usize = 1 << 12;
/// Numbers that wait for a visit to the sets of many groups ...
const WAITING: usize = 1 << 20;
/// ... and the stretches of groups that they are sorted by.
const STRETCHES: usize = 1 << 10;

/// The sets of all groups.
///
/// Many small sets lie all over the memory, so whoever puts rows into them in the order in which
/// they come waits for memory at each. There, rows wait until there are enough for each stretch of
/// groups to be worth a visit.
#[derive(Debug, Default)]
pub(super) struct Sets {
    sets: Vec<SetBuilder>,
    /// Heap bytes of all sets.
    size: usize,
    /// Numbers that are in no set yet, with their groups.
    waiting: Vec<(u32, u32)>,
}

impl Sets {
    /// Makes room for groups `0..groups`.
    pub(super) fn grow(&mut self, groups: usize) {
        if self.sets.len() < groups {
            self.sets.resize_with(groups, SetBuilder::default);
        }
    }

    /// Adds the number of each row, if there is one, to its group.
    pub(super) fn take(&mut self, numbers: &[u32], groups: &Codes<u32>) {
        match groups {
            Codes::All(group) => {
                let set = &mut self.sets[*group as usize];
                for number in numbers.iter().filter(|number| **number != NOBODY) {
                    set.push(*number, &mut self.size);
                }
            }
            Codes::Rows(groups) if self.sets.len() < MANY => {
                for (number, group) in numbers.iter().zip(groups) {
                    self.push(*number, *group);
                }
            }
            Codes::Rows(groups) => {
                if self.waiting.len() + groups.len() > WAITING {
                    self.put_away();
                }
                let rows = groups.iter().zip(numbers).filter(|(_, number)| **number != NOBODY);
                self.waiting.extend(rows.map(|(group, number)| (*group, *number)));
            }
        }
    }

    /// Adds a number, if it is one, to a group.
    #[inline]
    pub(super) fn push(&mut self, number: u32, group: u32) {
        if number != NOBODY {
            self.sets[group as usize].push(number, &mut self.size);
        }
    }

    /// Puts the numbers that wait into their sets, stretch after stretch.
    fn put_away(&mut self) {
        let length = self.sets.len().div_ceil(STRETCHES).next_power_of_two();
        let waiting = self.waiting.drain(..);
        let waiting = waiting.as_slice().iter().map(|row| (row.0 as usize / length, *row));
        for (group, number) in counting_sort(waiting, STRETCHES).0 {
            self.sets[group as usize].push(number, &mut self.size);
        }
    }

    /// Adds the sets of another thread; `groups` says which group each of its groups is here.
    /// There is room for all of them.
    pub(super) fn merge(&mut self, mut other: Self, groups: &[usize]) {
        self.put_away();
        other.put_away();
        self.size += other.size;
        let mut arriving: Vec<Option<SetBuilder>> = Vec::new();
        arriving.resize_with(self.sets.len(), || None);
        for (group, set) in groups.iter().zip(other.sets) {
            arriving[*group] = Some(set);
        }
        self.sets.par_iter_mut().zip(arriving).for_each(|(set, arriving)| {
            if let Some(arriving) = arriving {
                set.absorb(arriving);
            }
        });
    }

    /// How many are in each group's set.
    pub(super) fn finish(mut self) -> Vec<i64> {
        self.put_away();
        self.sets.into_par_iter().map(|set| set.finish().len() as i64).collect()
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        self.size
            + self.sets.capacity() * size_of::<SetBuilder>()
            + self.waiting.capacity() * size_of::<(u32, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::{MANY, NOBODY, Sets, WAITING};
    use crate::events::Codes;

    /// Spreads numbers over 32 bits.
    fn scatter(number: usize) -> u32 {
        (number as u32).wrapping_mul(2_654_435_761)
    }

    /// Counts rows batch by batch in the threads of a query, beside a hash map.
    fn check(groups: usize, rows: usize, threads: usize) {
        let mut expected: HashMap<u32, BTreeSet<u32>> = HashMap::new();
        let mut whole = Sets::default();
        for thread in 0..threads {
            let mut sets = Sets::default();
            for batch in (0..rows).collect::<Vec<_>>().chunks(8_000) {
                let group = |row: &usize| scatter(row * 3 + thread) % groups as u32;
                let number = |row: &usize| match scatter(row / 2) % 1_000 {
                    0 => NOBODY,
                    number => number,
                };
                let (batch_groups, numbers): (Vec<_>, Vec<_>) =
                    batch.iter().map(|row| (group(row), number(row))).unzip();
                for (group, number) in batch_groups.iter().zip(&numbers) {
                    if *number != NOBODY {
                        expected.entry(*group).or_default().insert(*number);
                    }
                }
                sets.grow(groups);
                sets.take(&numbers, &Codes::Rows(batch_groups));
                let room: usize = sets.sets.iter().map(crate::users::SetBuilder::size).sum();
                assert_eq!(sets.size, room);
            }
            sets.take(&[thread as u32, NOBODY], &Codes::All(1));
            expected.entry(1).or_default().insert(thread as u32);
            whole.grow(groups);
            whole.merge(sets, &(0..groups).collect::<Vec<_>>());
        }
        let counts = whole.finish();
        assert_eq!(counts.len(), groups);
        for (group, count) in counts.iter().enumerate() {
            let expected = expected.get(&(group as u32)).map_or(0, BTreeSet::len);
            assert_eq!(*count, expected as i64, "group {group}");
        }
    }

    #[test]
    fn every_row_comes_into_its_set() {
        check(7, 20_000, 2);
        // Rows wait, to the end and not so long.
        check(MANY, 20_000, 2);
        check(MANY + 1_000, WAITING + 50_000, 2);
    }
}
