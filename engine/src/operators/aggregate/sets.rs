//! The sets of all groups, of one exact count and one thread.

use rayon::iter::{
    IndexedParallelIterator, IntoParallelIterator, IntoParallelRefMutIterator, ParallelIterator,
};

use super::numbers::NOBODY;
use crate::events::Codes;
use crate::users::SetBuilder;

/// The sets of all groups.
#[derive(Debug, Default)]
pub(super) struct Sets {
    sets: Vec<SetBuilder>,
    /// Heap bytes of all sets.
    size: usize,
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
            Codes::Rows(groups) => {
                for (number, group) in numbers.iter().zip(groups) {
                    self.push(*number, *group);
                }
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

    /// Adds the sets of another thread; `groups` says which group each of its groups is here.
    /// There is room for all of them.
    pub(super) fn merge(&mut self, other: Self, groups: &[usize]) {
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
    pub(super) fn finish(self) -> Vec<i64> {
        self.sets.into_par_iter().map(|set| set.finish().len() as i64).collect()
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        self.size + self.sets.capacity() * size_of::<SetBuilder>()
    }
}
