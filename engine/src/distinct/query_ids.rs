//! Ids for the values of a column, shared by all threads of a query.
//!
//! Sets of ids are fast if the ids are dense. An integer from 0 up to [`MAX_DIRECT`] is used as its
//! own id without a lookup; every other value gets the next free id when it is first needed. A
//! value thus gets one id per query, not one per group and thread. Whole keys are compared, so hash
//! collisions cannot change a count.
//!
//! There are two steps. [`find`](QueryIds::find) converts a column to integers, most of which are
//! [ids already](QueryIds::direct). The others, large and negative integers,
//! [get ids](QueryIds::assign) only if a set has many of them.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;

use crate::scan::{UserKeys, any_keys, scope_values, split_scopes};
use crate::users::{ID_SHARDS, Key, KeyBatch, ShardedIds};
use crate::{Error, Result};

/// Integers below this are their own ids. Wherever in this range the ids lie, a set takes at
/// most [some tens of bytes](crate::users::SetBuilder) for each of its users.
const MAX_DIRECT: u64 = 1 << 28;
/// Assigned ids start here, before their pages are [interleaved].
const FIRST_ASSIGNED: u64 = 1 << 31;
/// Ids end here.
const END_OF_IDS: u64 = 1 << 32;
const SHARD_BITS: u32 = ID_SHARDS.trailing_zeros();

/// The ids of all values of one column.
#[derive(Debug)]
pub(crate) struct QueryIds {
    /// Integers below this are ids.
    direct_end: u64,
    ids: ShardedIds,
}

/// The value of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdValue {
    /// The id is this integer.
    Direct(u32),
    /// A shard of the [keys](QueryIds::keys), and the index in it.
    Assigned(usize, u32),
}

impl QueryIds {
    /// Ids for a column. If it `is_int`, it always comes as integers, without scopes.
    pub(crate) fn new(is_int: bool) -> Self {
        let direct_end = if is_int { MAX_DIRECT } else { END_OF_IDS };
        Self { direct_end, ids: ShardedIds::default() }
    }

    /// Writes an integer for each row's value, equal where values are equal. What those of other
    /// rows than `rows` are does not matter. A user key may come in a struct with its scope.
    ///
    /// # Errors
    /// When there are more different values than ids, about two billion.
    pub(super) fn find(
        &self,
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<i64>,
    ) -> Result<()> {
        found.clear();
        let (scopes, values) = split_scopes(values);
        let scopes = scopes.map(|scopes| scope_values(scopes, 0, |scope| self.ids.scope(scope)));
        let users = any_keys(values)?;
        if let UserKeys::Ints(ints) = &users
            && self.direct_end == MAX_DIRECT
        {
            found.extend_from_slice(ints);
            return Ok(());
        }
        found.resize(values.len(), 0);
        let mut others = KeyBatch::default();
        users.for_each(
            |row| rows.is_none_or(|rows| rows.is_valid(row)),
            |row, key| {
                match (scopes.as_ref().map_or(0, |scopes| scopes[row]), key) {
                    (0, Key::Int(int)) if (int as u64) < MAX_DIRECT => found[row] = int,
                    (scope, key) => others.push(row, scope, key),
                }
                Ok(())
            },
        )?;
        self.ids.assign(&others, |row, shard, index| {
            found[row] = assigned_id(index, shard)? as i64;
            Ok(())
        })
    }

    /// The id that an integer of this column is, if it needs none.
    #[inline]
    pub(super) fn direct(&self, int: i64) -> Option<u32> {
        let int = int as u64; // negative integers are huge here
        (int < self.direct_end).then(|| interleaved(int as u32))
    }

    /// Calls `each` with the id of every one of these integers, in another order.
    ///
    /// # Errors
    /// When there are more different values than ids, about two billion.
    pub(super) fn assign(&self, ints: &[i64], mut each: impl FnMut(u32)) -> Result<()> {
        self.ids.assign_ints(ints, |shard, index| {
            each(interleaved(assigned_id(index, shard)? as u32));
            Ok(())
        })
    }

    /// The keys that have assigned ids.
    pub(crate) fn keys(&self) -> &ShardedIds {
        &self.ids
    }

    /// What an id in a set stands for.
    pub(crate) fn value(id: u32) -> IdValue {
        let int = u32::from(((id >> 16) as u16).rotate_right(1)) << 16 | (id & 0xffff);
        match u64::from(int).checked_sub(FIRST_ASSIGNED) {
            None => IdValue::Direct(int),
            Some(assigned) => {
                IdValue::Assigned(assigned as usize % ID_SHARDS, (assigned >> SHARD_BITS) as u32)
            }
        }
    }

    /// Heap bytes in use.
    pub(crate) fn size(&self) -> usize {
        self.ids.size()
    }
}

/// A value that a shard has numbered, among those of all shards.
#[inline]
fn assigned_id(local: u32, shard: usize) -> Result<u64> {
    let assigned = FIRST_ASSIGNED + (u64::from(local) << SHARD_BITS | shard as u64);
    if assigned >= END_OF_IDS - (1 << 16) {
        return Err(Error::limit(
            "more than 2 billion distinct values that are not small integers",
        )
        .with("help", "split the values into disjoint parts, count each, and add the counts"));
    }
    Ok(assigned)
}

/// Turns pages (of 65,536 ids) so that direct and assigned ids take turns: those of the lower
/// half become the even ones. A set has an entry for each page below its last.
#[inline]
fn interleaved(int: u32) -> u32 {
    u32::from(((int >> 16) as u16).rotate_left(1)) << 16 | (int & 0xffff)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, Int64Array, StringArray};
    use arrow::buffer::NullBuffer;
    use arrow::datatypes::DataType;
    use proptest::prelude::{any, prop_assert_eq, prop_oneof, proptest};

    use super::{END_OF_IDS, FIRST_ASSIGNED, IdValue, MAX_DIRECT, QueryIds};
    use crate::scan::is_int;
    use crate::users::Key;

    /// Equal values have equal ids, and no others have.
    fn check<K: Clone + Eq + std::hash::Hash>(dictionary: &[u32], keys: &[Option<K>]) {
        let (mut by_key, mut by_number) = (HashMap::new(), HashMap::new());
        for (number, key) in dictionary.iter().zip(keys) {
            if let Some(key) = key {
                assert_eq!(by_key.entry(key.clone()).or_insert(*number), number);
                assert!(by_number.entry(*number).or_insert_with(|| key.clone()) == key);
            }
        }
    }

    /// The number of each row.
    fn numbered(dictionary: &QueryIds, array: &ArrayRef) -> Vec<u32> {
        let mut found = Vec::new();
        dictionary.find(array, array.nulls(), &mut found).unwrap();
        let number = |int: i64| {
            dictionary.direct(int).unwrap_or_else(|| {
                let mut assigned = None;
                dictionary.assign(&[int], |number| assigned = Some(number)).unwrap();
                assigned.unwrap()
            })
        };
        found.into_iter().map(number).collect()
    }

    proptest! {
        #[test]
        fn equal_values_and_only_they_share_a_number(
            batches in proptest::collection::vec(proptest::collection::vec(proptest::option::of(
                prop_oneof![
                    0..300i64, -5..5i64, MAX_DIRECT as i64 - 3..MAX_DIRECT as i64 + 3,
                    FIRST_ASSIGNED as i64 - 3..FIRST_ASSIGNED as i64 + 3, END_OF_IDS as i64 - 3..END_OF_IDS as i64 + 3, any::<i64>()
                ]
            ), 0..200), 0..5),
        ) {
            let kinds = [DataType::Int64, DataType::Utf8, DataType::Utf8];
            let [ints, digits, words] = kinds.map(|kind| QueryIds::new(is_int(&kind)));
            let (mut of_ints, mut of_digits, mut of_words) = (vec![], vec![], vec![]);
            for batch in &batches {
                let array: ArrayRef = Arc::new(Int64Array::from(batch.clone()));
                of_ints.extend(numbered(&ints, &array));
                let texts = |text: fn(i64) -> String| -> ArrayRef {
                    Arc::new(batch.iter().map(|int| int.map(text)).collect::<StringArray>())
                };
                of_digits.extend(numbered(&digits, &texts(|int| int.to_string())));
                // Every third is an integer, a UUID, or neither.
                of_words.extend(numbered(&words, &texts(|int| match int.rem_euclid(3) {
                    0 => int.to_string(),
                    1 => format!("00000000-0000-4000-{:04x}-{:012x}", int as u64 >> 48, int << 16 >> 16 & 0xffff_ffff_ffff),
                    _ => format!("u{int}"),
                })));
            }
            let keys: Vec<Option<i64>> = batches.into_iter().flatten().collect();
            check(&of_ints, &keys);
            check(&of_digits, &keys);
            check(&of_words, &keys);
            for (id, key) in of_ints.iter().zip(&keys) {
                let Some(key) = key else { continue };
                match QueryIds::value(*id) {
                    IdValue::Direct(int) => prop_assert_eq!(i64::from(int), *key),
                    IdValue::Assigned(shard, index) => {
                        let shard = ints.keys().shard(shard);
                        let keys = shard.keys();
                        prop_assert_eq!(keys.get(index), Some((0, Key::Int(*key))));
                    }
                }
            }
        }
    }

    #[test]
    fn unrequested_rows_get_no_id() {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
        let (dictionary, mut found) = (QueryIds::new(false), Vec::new());
        let rows = NullBuffer::from(vec![true, false, false, true]);
        dictionary.find(&array, Some(&rows), &mut found).unwrap();
        assert_eq!(found.len(), 4);
        assert!(found[0] != found[3]);
        assert_eq!(dictionary.keys().len(), 2);
    }
}
