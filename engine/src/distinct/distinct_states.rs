//! The sets of all groups, of one count in one thread.

use arrow::buffer::NullBuffer;
use rayon::iter::{
    IndexedParallelIterator, IntoParallelIterator, IntoParallelRefMutIterator, ParallelIterator,
};

use super::codes::Codes;
use super::distinct_state::DistinctState;
use crate::Result;
use crate::counting_sort::counting_sort;

/// From this many groups on, their sets do not fit into the caches together.
const BUFFERED_GROUPS: usize = 1 << 12;
/// Ids that are buffered before they are added to the sets of many groups ...
const MAX_PENDING: usize = 1 << 20;
/// ... and the number of ranges of groups that they are sorted by.
const GROUP_RANGES: usize = 1 << 10;

/// The sets of all groups.
///
/// Many small sets are scattered in memory, so inserting rows in their order would cost a cache miss
/// each. With many groups, ids are therefore buffered, and inserted range of groups by range of
/// groups.
#[derive(Debug)]
pub(super) struct DistinctStates<S: DistinctState> {
    /// What a group's set is before its first row.
    empty: S,
    sets: Vec<S>,
    /// Heap bytes of all sets.
    size: usize,
    /// Ids that are in no set yet, with their groups.
    pending: Vec<PendingId<S::Id>>,
}

/// An id of a group, without bytes between the two.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, packed(4))]
struct PendingId<I: Copy> {
    group: u32,
    id: I,
}

impl<S: DistinctState> DistinctStates<S> {
    /// Sets of no group yet.
    pub(super) fn new(empty: S) -> Self {
        Self { empty, sets: Vec::new(), size: 0, pending: Vec::new() }
    }

    /// Makes room for groups `0..groups`.
    pub(super) fn grow(&mut self, groups: usize) {
        if self.sets.len() < groups {
            self.sets.resize(groups, self.empty.clone());
        }
    }

    /// Adds the id of each row, or of these rows, to its group.
    ///
    /// # Errors
    /// When there are too many values.
    pub(super) fn take(
        &mut self,
        ids: &[S::Id],
        rows: Option<&NullBuffer>,
        groups: &Codes<u32>,
        context: &S::Context,
    ) -> Result<()> {
        match (groups, rows) {
            (_, Some(rows)) => rows
                .valid_indices()
                .try_for_each(|row| self.push(ids[row], groups.get(row), context)),
            (Codes::All(group), None) => {
                let set = &mut self.sets[*group as usize];
                ids.iter().try_for_each(|id| set.push(*id, context, &mut self.size))
            }
            (Codes::Rows(groups), None) => {
                ids.iter().zip(groups).try_for_each(|(id, group)| self.push(*id, *group, context))
            }
        }
    }

    /// Adds an id to a group.
    ///
    /// # Errors
    /// When there are too many values.
    #[inline]
    pub(super) fn push(&mut self, id: S::Id, group: u32, context: &S::Context) -> Result<()> {
        if self.sets.len() < BUFFERED_GROUPS {
            return self.sets[group as usize].push(id, context, &mut self.size);
        }
        if self.pending.len() == MAX_PENDING {
            self.flush(context)?;
        }
        self.pending.push(PendingId { group, id });
        Ok(())
    }

    /// Puts the ids that wait into their sets, stretch after stretch.
    fn flush(&mut self, context: &S::Context) -> Result<()> {
        let length = self.sets.len().div_ceil(GROUP_RANGES).next_power_of_two();
        let pending = self.pending.drain(..);
        let pending = pending.as_slice().iter().map(|row| (row.group as usize / length, *row));
        let sorted = counting_sort(pending, GROUP_RANGES).0;
        let mut sorted = sorted.into_iter();
        sorted.try_for_each(|PendingId { group, id }| {
            self.sets[group as usize].push(id, context, &mut self.size)
        })
    }

    /// Adds the sets of another thread; `groups` says which group each of its groups is here.
    /// There is room for all of them.
    ///
    /// # Errors
    /// When sets cannot be united.
    pub(super) fn merge(
        &mut self,
        mut other: Self,
        groups: &[usize],
        context: &S::Context,
    ) -> Result<()> {
        self.flush(context)?;
        other.flush(context)?;
        self.size += other.size;
        let mut incoming: Vec<Option<S>> = Vec::new();
        incoming.resize_with(self.sets.len(), || None);
        for (group, set) in groups.iter().zip(other.sets) {
            incoming[*group] = Some(set);
        }
        self.sets.par_iter_mut().zip(incoming).try_for_each(|(set, incoming)| match incoming {
            Some(incoming) => set.absorb(incoming, context),
            None => Ok(()),
        })
    }

    /// Adds the sets of the first groups to those of coarser groups, which come after all finer ones;
    /// `groups` says for each of them which one.
    ///
    /// # Errors
    /// When sets cannot be united.
    pub(super) fn roll_up(&mut self, groups: &[usize], context: &S::Context) -> Result<()> {
        self.flush(context)?;
        let Some(first) = groups.iter().copied().min() else { return Ok(()) };
        let (fine, coarse) = self.sets.split_at_mut(first);
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); coarse.len()];
        for (member, group) in groups.iter().enumerate() {
            members[group - first].push(member as u32); // there are fewer groups than 2^32
        }
        let sizes = coarse.par_iter_mut().zip(members).map(|(set, members)| {
            for member in members {
                set.absorb(fine[member as usize].clone(), context)?;
            }
            Ok(set.size())
        });
        self.size += sizes.collect::<Result<Vec<usize>>>()?.into_iter().sum::<usize>();
        Ok(())
    }

    /// The set of each group.
    ///
    /// # Errors
    /// When there are too many values.
    pub(super) fn into_sets(mut self, context: &S::Context) -> Result<Vec<S>> {
        self.flush(context)?;
        Ok(self.sets)
    }

    /// How many are in each group's set.
    ///
    /// # Errors
    /// When a set cannot be counted.
    pub(super) fn finish(mut self, context: &S::Context) -> Result<Vec<i64>> {
        self.flush(context)?;
        self.sets.into_par_iter().map(|set| Ok(set.count(context)? as i64)).collect()
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        self.size
            + self.sets.capacity() * size_of::<S>()
            + self.pending.capacity() * size_of::<PendingId<S::Id>>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use arrow::buffer::NullBuffer;

    use super::{BUFFERED_GROUPS, DistinctStates, MAX_PENDING, PendingId};
    use crate::distinct::codes::Codes;
    use crate::distinct::distinct_state::DistinctState;
    use crate::distinct::exact_set::ExactSet;
    use crate::distinct::query_ids::QueryIds;
    use crate::users::{Sketch, hash_int};

    /// Spreads numbers over 32 bits.
    fn scatter(number: usize) -> u32 {
        (number as u32).wrapping_mul(2_654_435_761)
    }

    /// Counts rows batch by batch in the threads of a query, beside sets of numbers that `count`
    /// counts; `id` is what stands for a number.
    fn check<S: DistinctState>(
        empty: &S,
        context: &S::Context,
        id: fn(u32) -> S::Id,
        count: impl Fn(&BTreeSet<u32>) -> u64,
        [groups, rows, threads]: [usize; 3],
    ) {
        let mut expected: HashMap<u32, BTreeSet<u32>> = HashMap::new();
        let mut combined = DistinctStates::new(empty.clone());
        for thread in 0..threads {
            let mut sets = DistinctStates::new(empty.clone());
            for batch in (0..rows).collect::<Vec<_>>().chunks(8_000) {
                let group = |row: &usize| scatter(row * 3 + thread) % groups as u32;
                let number = |row: &usize| scatter(row / 2) % 1_000;
                let (batch_groups, numbers): (Vec<_>, Vec<_>) =
                    batch.iter().map(|row| (group(row), number(row))).unzip();
                // In every second batch, a number in a thousand is NULL.
                let present = numbers.iter().map(|number| *number != 0);
                let present = (batch[0] % 16_000 == 0).then(|| NullBuffer::from_iter(present));
                for (row, (group, number)) in batch_groups.iter().zip(&numbers).enumerate() {
                    if present.as_ref().is_none_or(|present| present.is_valid(row)) {
                        expected.entry(*group).or_default().insert(*number);
                    }
                }
                sets.grow(groups);
                let ids: Vec<S::Id> = numbers.into_iter().map(id).collect();
                sets.take(&ids, present.as_ref(), &Codes::Rows(batch_groups), context).unwrap();
                let heap: usize = sets.sets.iter().map(S::size).sum();
                assert_eq!(sets.size, heap);
                assert!(sets.size() >= heap + sets.pending.len() * size_of::<PendingId<S::Id>>());
            }
            sets.take(&[id(thread as u32)], None, &Codes::All(1), context).unwrap();
            let one_is_there = NullBuffer::from(vec![true, false]);
            sets.take(&[id(70_000), id(80_000)], Some(&one_is_there), &Codes::All(1), context)
                .unwrap();
            expected.entry(1).or_default().extend([thread as u32, 70_000]);
            combined.grow(groups);
            combined.merge(sets, &(0..groups).collect::<Vec<_>>(), context).unwrap();
        }
        let counts = combined.finish(context).unwrap();
        assert_eq!(counts.len(), groups);
        for (group, counted) in counts.iter().enumerate() {
            let expected = expected.get(&(group as u32)).map_or(0, &count);
            assert_eq!(*counted, expected as i64, "group {group}");
        }
    }

    #[test]
    fn every_row_is_added_to_its_set() {
        // From BUFFERED_GROUPS groups on, rows wait, to the end and not so long.
        for sizes in [
            [7, 20_000, 2],
            [BUFFERED_GROUPS, 20_000, 2],
            [BUFFERED_GROUPS + 1_000, MAX_PENDING + 50_000, 2],
        ] {
            let exact = |id| {
                let (empty, context) = (ExactSet::default(), QueryIds::new(true));
                check(&empty, &context, id, |set| set.len() as u64, sizes);
            };
            exact(i64::from);
            exact(|number| -1 - i64::from(number));
            exact(|number| i64::from(number) << (number % 2 * 32));
            let empty = Sketch::new(10).unwrap();
            let hash = |number: u32| hash_int(number.into());
            let of_all = |set: &BTreeSet<u32>| {
                let mut sketch = empty.clone();
                set.iter().for_each(|number| sketch.insert(hash(*number)));
                sketch.estimate().unwrap().users
            };
            check(&empty, &(), |number| hash_int(number.into()), of_all, sizes);
        }
    }
}
