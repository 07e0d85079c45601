//! Groups: combinations of the codes of the group columns.
//!
//! Columns are combined one after another: a group of the first k columns and a code of the next
//! one make a group of k + 1 columns. Each pair is looked up in a table by its two numbers while
//! the table is dense enough, and by hash from then on.

use arrow::array::UInt32Array;
use hashbrown::HashTable;

use super::codes::Codes;
use crate::users::hash_int;
use crate::{Error, Result};

/// No group yet.
const NONE: u32 = u32::MAX;
/// Tables may have this many slots in any case ...
const MIN_TABLE_SLOTS: usize = 1 << 16;
/// ... and this many for each pair there is.
const MAX_SLOTS_PER_PAIR: usize = 8;

/// The groups met so far.
#[derive(Debug)]
pub(super) struct Groups {
    /// One for each column.
    levels: Vec<Pairs>,
}

/// Pairs of a group of the columns before and a code of this column.
#[derive(Debug, Default)]
struct Pairs {
    pairs: Vec<(u32, u32)>,
    /// By group, then by code.
    table: Vec<Vec<u32>>,
    slots: usize,
    hashed: HashTable<u32>,
}

impl Groups {
    /// No groups yet, of this many columns. Without columns there is one group, the whole.
    pub(super) fn new(columns: usize) -> Self {
        Self { levels: (0..columns).map(|_| Pairs::default()).collect() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.levels.last().map_or(1, |level| level.pairs.len())
    }

    /// The group of every one of `rows` rows, from the codes of all columns.
    ///
    /// # Errors
    /// When there are 2^32 - 1 groups.
    pub(super) fn find(&mut self, columns: &[&Codes<u32>], rows: usize) -> Result<Codes<u32>> {
        let mut groups = Codes::All(0);
        if rows == 0 {
            return Ok(groups);
        }
        for (level, codes) in self.levels.iter_mut().zip(columns) {
            groups = match (groups, codes) {
                (Codes::All(group), Codes::All(code)) => Codes::All(level.find(group, *code)?),
                (Codes::All(group), Codes::Rows(codes)) => {
                    let found: Result<Vec<u32>> =
                        codes.iter().map(|code| level.find(group, *code)).collect();
                    Codes::Rows(found?)
                }
                (Codes::Rows(mut groups), codes) => {
                    for (row, group) in groups.iter_mut().enumerate() {
                        *group = level.find(*group, codes.get(row))?;
                    }
                    Codes::Rows(groups)
                }
            };
        }
        Ok(groups)
    }

    /// The codes of a column in every group, in the order of the groups.
    pub(super) fn codes(&self, column: usize) -> UInt32Array {
        let mut groups: Vec<u32> = (0..self.len() as u32).collect();
        for level in self.levels[column + 1..].iter().rev() {
            for group in &mut groups {
                *group = level.pairs[*group as usize].0;
            }
        }
        groups.iter().map(|group| self.levels[column].pairs[*group as usize].1).collect()
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        self.levels.iter().map(Pairs::size).sum()
    }
}

impl Pairs {
    #[inline]
    fn find(&mut self, group: u32, code: u32) -> Result<u32> {
        match self.table.get(group as usize).and_then(|row| row.get(code as usize)) {
            Some(found) if *found != NONE => Ok(*found),
            _ => self.find_hashed(group, code),
        }
    }

    fn find_hashed(&mut self, group: u32, code: u32) -> Result<u32> {
        let Self { pairs, hashed, .. } = self;
        let hash = |(group, code): (u32, u32)| hash_int(i64::from(group) << 32 | i64::from(code));
        let known = hashed.find(hash((group, code)), |at| pairs[*at as usize] == (group, code));
        if let Some(known) = known {
            return Ok(*known);
        }
        let found = pairs.len() as u32;
        if found == NONE {
            return Err(Error::limit("more than 4,294,967,294 groups"));
        }
        pairs.push((group, code));
        if !self.insert_in_table(group as usize, code as usize, found) {
            let Self { pairs, hashed, .. } = self;
            hashed.insert_unique(hash((group, code)), found, |at| hash(pairs[*at as usize]));
        }
        Ok(found)
    }

    /// Inserts a pair into the table, unless the table would be too sparse.
    fn insert_in_table(&mut self, group: usize, code: usize, found: u32) -> bool {
        let length = self.table.get(group).map_or(0, Vec::len);
        let rows = (group + 1).saturating_sub(self.table.len());
        let wanted = if code < length { 0 } else { (code + 1).next_power_of_two() - length };
        let grown = self.slots + rows * (size_of::<Vec<u32>>() / size_of::<u32>()) + wanted;
        if grown > MIN_TABLE_SLOTS.max(self.pairs.len() * MAX_SLOTS_PER_PAIR) {
            return false;
        }
        self.slots = grown;
        if rows > 0 {
            self.table.resize_with(group + 1, Vec::new);
        }
        if wanted > 0 {
            self.table[group].reserve_exact(wanted);
            self.table[group].resize(length + wanted, NONE);
        }
        self.table[group][code] = found;
        true
    }

    fn size(&self) -> usize {
        self.pairs.capacity() * size_of::<(u32, u32)>()
            + self.slots * size_of::<u32>()
            + self.hashed.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::{prop_assert_eq, prop_oneof, proptest};

    use super::{Codes, Groups};

    proptest! {
        #[test]
        fn rows_of_equal_codes_and_only_they_share_a_group(
            rows in proptest::collection::vec(
                (0u32..4, prop_oneof![0u32..50, 0u32..3_000_000], 0u32..3), 1..400),
            constant in 0u32..9,
        ) {
            let mut groups = Groups::new(4);
            let mut known = HashMap::new();
            for part in rows.chunks(37) {
                let columns = [
                    Codes::Rows(part.iter().map(|row| row.0).collect()),
                    Codes::Rows(part.iter().map(|row| row.1).collect()),
                    Codes::All(constant),
                    Codes::Rows(part.iter().map(|row| row.2).collect()),
                ];
                let columns: Vec<_> = columns.iter().collect();
                let found = groups.find(&columns, part.len()).unwrap();
                for (at, row) in part.iter().enumerate() {
                    let next = known.len() as u32;
                    prop_assert_eq!(found.get(at), *known.entry(*row).or_insert(next));
                }
            }
            prop_assert_eq!(groups.len(), known.len());
            let columns: Vec<_> = (0..4).map(|column| groups.codes(column)).collect();
            for ((a, b, c), group) in known {
                let codes: Vec<u32> = columns.iter().map(|codes| codes.value(group as usize)).collect();
                prop_assert_eq!(codes, vec![a, b, constant, c]);
            }
        }
    }

    #[test]
    fn without_columns_there_is_one_group() {
        let mut groups = Groups::new(0);
        assert!(matches!(groups.find(&[], 3).unwrap(), Codes::All(0)));
        assert_eq!(groups.len(), 1);
    }
}
