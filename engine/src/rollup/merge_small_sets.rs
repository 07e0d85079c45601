//! Merges small sets of rows that a query groups together: where dimensions have many values, a row
//! of the roll-up has hardly more users than an event.

use arrow::array::{BinaryViewArray, BinaryViewBuilder, UInt32Array};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::Result;
use crate::users::{hash_int, portable};

/// Sets with more bytes than this are not merged: merging would cost more than reading them.
const MAX_MERGED_BYTES: usize = 256;

/// Merges small sets where all keys are equal: for each remaining row one of its original rows, and
/// its set.
///
/// # Errors
/// When a set is broken.
pub(super) fn merge_small_sets(
    rows: &[u32],
    keys: &[Vec<i32>],
    users: &BinaryViewArray,
) -> Result<(UInt32Array, BinaryViewArray)> {
    let (mut positions, mut sets) = (Vec::new(), BinaryViewBuilder::new());
    let mut small = Vec::with_capacity(rows.len());
    for row in rows {
        let set = users.value(*row as usize);
        if set.len() > MAX_MERGED_BYTES {
            positions.push(*row);
            sets.try_append_value(set)?;
        } else {
            small.push(*row);
        }
    }
    let (classes, firsts) = classes(&small, keys);
    let mut members: Vec<Vec<&[u8]>> = vec![Vec::new(); firsts.len()];
    for (row, class) in small.iter().zip(classes) {
        members[class as usize].push(users.value(*row as usize));
    }
    for (row, members) in firsts.into_iter().zip(members) {
        positions.push(row);
        sets.try_append_value(portable::encode(&portable::union(members)?)?)?;
    }
    Ok((UInt32Array::from(positions), sets.finish()))
}

/// Numbers the combinations of keys: that of each row, and the first row of each.
fn classes(rows: &[u32], keys: &[Vec<i32>]) -> (Vec<u32>, Vec<u32>) {
    let mut classes = vec![0; rows.len()];
    let mut firsts: Vec<u32> = rows.first().copied().into_iter().collect();
    // Column by column: what was the same so far and has the same key is the same.
    for keys in keys {
        let mut known: HashTable<(u64, u32)> = HashTable::new();
        firsts.clear();
        let mut before = None;
        for (class, row) in classes.iter_mut().zip(rows) {
            let both = u64::from(*class) << 32 | u64::from(keys[*row as usize] as u32);
            *class = match before {
                Some((same, class)) if same == both => class,
                _ => {
                    let hash = |both: u64| hash_int(both as i64);
                    match known.entry(hash(both), |e| e.0 == both, |e| hash(e.0)) {
                        Entry::Occupied(entry) => entry.get().1,
                        Entry::Vacant(entry) => {
                            let next = firsts.len() as u32;
                            entry.insert((both, next));
                            firsts.push(*row);
                            next
                        }
                    }
                }
            };
            before = Some((both, *class));
        }
    }
    (classes, firsts)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use arrow::array::{Array, BinaryViewArray};
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

    use super::merge_small_sets;
    use crate::users::portable::{encode, numbers};

    /// Whether a row is wanted, its two keys, its users.
    fn rows() -> impl Strategy<Value = Vec<(bool, i32, i32, BTreeSet<u32>)>> {
        let set = proptest::prop_oneof![
            4 => btree_set(0..500_000u32, 1..9),
            1 => btree_set(0..500_000u32, 200..300),
        ];
        vec((any::<bool>(), -1..3i32, 0..4i32, set), 0..50)
    }

    proptest! {
        #[test]
        fn every_user_stays_in_its_group(rows in rows()) {
            let sets = rows.iter().map(|row| encode(&Vec::from_iter(row.3.iter().copied())).unwrap());
            let users = BinaryViewArray::from_iter_values(sets);
            let keys = [rows.iter().map(|r| r.1).collect(), rows.iter().map(|r| r.2).collect()];
            let wanted: Vec<u32> = (0..rows.len() as u32).filter(|at| rows[*at as usize].0).collect();
            let mut expected: BTreeMap<(i32, i32), BTreeSet<u32>> = BTreeMap::new();
            for (_, a, b, set) in rows.iter().filter(|row| row.0) {
                expected.entry((*a, *b)).or_default().extend(set);
            }
            let (positions, sets) = merge_small_sets(&wanted, &keys, &users).unwrap();
            let mut found: BTreeMap<(i32, i32), BTreeSet<u32>> = BTreeMap::new();
            let mut small = 0;
            for (at, row) in positions.values().iter().enumerate() {
                let (_, a, b, _) = &rows[*row as usize];
                let set = found.entry((*a, *b)).or_default();
                numbers(sets.value(at), |number| { set.insert(number); }).unwrap();
                small += usize::from(users.value(*row as usize).len() <= super::MAX_MERGED_BYTES);
            }
            prop_assert_eq!(small <= found.len(), true);
            prop_assert_eq!(found, expected);
            prop_assert_eq!(positions.len(), sets.len());
        }
    }
}
