//! Ids for the values of a column, shared by all threads of a query.
//!
//! Sets of ids are fast if the ids are dense. An integer from 0 up to [`MAX_DIRECT`] is used as its
//! own id without a lookup; every other value gets the next free id when it is first needed. A
//! value thus gets one id per query, not one per group and thread. Whole keys are compared, so hash
//! collisions cannot change a count.
//!
//! There are two steps. [`find`](SharedIdDictionary::find) converts a column to integers, most of
//! which are [ids already](SharedIdDictionary::direct). The others, large and negative integers,
//! [get ids](SharedIdDictionary::assign) only if a set has many of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use crate::counting_sort::counting_sort;
use crate::events::UserKeys;
use crate::operators::column::{any_keys, is_int};
use crate::users::{IdDictionary, Key, hash_bytes, hash_int, hash_wide};
use crate::{Error, Result};

/// Integers below this are their own numbers. Wherever in this range the ids lie, a set takes at
/// most [some tens of bytes](crate::users::SetBuilder) for each of its users.
const MAX_DIRECT: u64 = 1 << 28;
/// Numbers that are given start here, before their pages are [interleaved].
const FIRST_ASSIGNED: u64 = 1 << 31;
/// Numbers end here.
const END_OF_IDS: u64 = 1 << 32;
/// Keys are spread over this many tables, so that threads seldom wait for each other.
const SHARDS: usize = 64;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();

/// The numbers of all values of one column.
#[derive(Debug)]
pub(super) struct SharedIdDictionary {
    /// Integers below this are numbers.
    direct_end: u64,
    shards: Vec<Mutex<IdDictionary>>,
    size: AtomicUsize,
}

impl SharedIdDictionary {
    /// Numbers for a column of this type.
    pub(super) fn new(data_type: &DataType) -> Self {
        let direct_end = if is_int(data_type) { MAX_DIRECT } else { END_OF_IDS };
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { direct_end, shards, size: AtomicUsize::new(0) }
    }

    /// Writes an integer for each row's value, equal where values are equal. What those of other
    /// rows than `rows` are does not matter.
    ///
    /// # Errors
    /// When there are more different values than numbers, about two billion.
    pub(super) fn find(
        &self,
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<i64>,
    ) -> Result<()> {
        found.clear();
        let users = any_keys(values)?;
        if let UserKeys::Ints(ints) = &users {
            found.extend_from_slice(ints);
            return Ok(());
        }
        found.resize(values.len(), 0);
        let wanted = |row| rows.is_none_or(|rows| rows.is_valid(row));
        let (mut ints, mut wides) = (UnassignedKeys::default(), UnassignedKeys::default());
        let mut texts: UnassignedKeys<&[u8]> = UnassignedKeys::default();
        users.for_each(wanted, |row, key| {
            match key {
                Key::Int(int) if (int as u64) < MAX_DIRECT => found[row] = int,
                Key::Int(int) => ints.push(int, row),
                Key::Wide(wide) => wides.push(wide, row),
                Key::Text(bytes) => texts.push(bytes, row),
            }
            Ok(())
        })?;
        ints.find(self, hash_int, IdDictionary::int_ids, found)?;
        wides.find(self, hash_wide, IdDictionary::wide_ids, found)?;
        texts.find(self, hash_bytes, IdDictionary::text_ids, found)
    }

    /// The number that an integer of this column is, if it needs none.
    #[inline]
    pub(super) fn direct(&self, int: i64) -> Option<u32> {
        let int = int as u64; // negative integers are huge here
        (int < self.direct_end).then(|| interleaved(int as u32))
    }

    /// Calls `each` with the number of every one of these integers, in another order.
    ///
    /// # Errors
    /// When there are more different values than numbers, about two billion.
    pub(super) fn assign(&self, ints: &[i64], mut each: impl FnMut(u32)) -> Result<()> {
        let (ints, starts) = by_shard(ints, &shards(ints, hash_int));
        self.visit(&ints, &starts, IdDictionary::int_ids, |_, assigned| {
            each(interleaved(assigned as u32))
        })
    }

    /// Visits every shard once, with all keys that are its own; `each` gets the indexes and ids
    /// of the keys, before pages are turned.
    fn visit<K>(
        &self,
        keys: &[K],
        starts: &[usize],
        number: impl Fn(&mut IdDictionary, &[K], &mut Vec<u32>) -> Result<()>,
        mut each: impl FnMut(usize, u64),
    ) -> Result<()> {
        let mut locals = Vec::new();
        for (shard, (table, range)) in self.shards.iter().zip(starts.windows(2)).enumerate() {
            let keys = &keys[range[0]..range[1]];
            if keys.is_empty() {
                continue;
            }
            {
                let mut dictionary = table.lock().unwrap_or_else(PoisonError::into_inner);
                let size = dictionary.size();
                number(&mut dictionary, keys, &mut locals)?;
                // A table may make room before it finds that the key is known.
                self.size.fetch_add(dictionary.size() - size, Ordering::Relaxed);
            }
            for (index, local) in (range[0]..).zip(&locals) {
                each(index, assigned_id(*local, shard)?);
            }
        }
        Ok(())
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed) + SHARDS * size_of::<Mutex<IdDictionary>>()
    }
}

/// Values of one kind that are no numbers of their own, with their rows.
struct UnassignedKeys<K> {
    keys: Vec<K>,
    rows: Vec<u32>,
}

impl<K> Default for UnassignedKeys<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), rows: Vec::new() }
    }
}

impl<K: Copy + Default> UnassignedKeys<K> {
    #[inline]
    fn push(&mut self, key: K, row: usize) {
        self.keys.push(key);
        self.rows.push(row as u32); // a batch has far fewer rows than 2^32
    }

    /// Writes the integer of each value into its row.
    fn find(
        &self,
        dictionary: &SharedIdDictionary,
        hash: impl Fn(K) -> u64,
        number: impl Fn(&mut IdDictionary, &[K], &mut Vec<u32>) -> Result<()>,
        found: &mut [i64],
    ) -> Result<()> {
        let shards = shards(&self.keys, hash);
        let (rows, _) = by_shard(&self.rows, &shards);
        let (keys, starts) = by_shard(&self.keys, &shards);
        dictionary.visit(&keys, &starts, number, |at, assigned| {
            found[rows[at] as usize] = assigned as i64
        })
    }
}

/// The shard of each key.
fn shards<K: Copy>(keys: &[K], hash: impl Fn(K) -> u64) -> Vec<u8> {
    keys.iter().map(|key| (hash(*key) >> (u64::BITS - SHARD_BITS)) as u8).collect()
}

/// The items in the order of their shards, and where each shard starts, plus the end.
fn by_shard<T: Copy + Default>(items: &[T], shards: &[u8]) -> (Vec<T>, Vec<usize>) {
    let shards = shards.iter().map(|shard| usize::from(*shard));
    counting_sort(shards.zip(items.iter().copied()), SHARDS)
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

/// Turns pages (of 65,536 numbers) so that small and given integers take turns: those of the lower
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

    use super::{END_OF_IDS, FIRST_ASSIGNED, MAX_DIRECT, SharedIdDictionary};

    /// Equal values have equal numbers, and no others have.
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
    fn numbered(dictionary: &SharedIdDictionary, array: &ArrayRef) -> Vec<u32> {
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
            let [ints, digits, words] = kinds.map(|kind| SharedIdDictionary::new(&kind));
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
            for dictionary in [ints, digits, words] {
                let counted: usize =
                    dictionary.shards.iter().map(|shard| shard.lock().unwrap().size()).sum();
                prop_assert_eq!(dictionary.size() - SharedIdDictionary::new(&DataType::Int64).size(), counted);
            }
        }
    }

    #[test]
    fn unrequested_rows_get_no_id() {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
        let (dictionary, mut found) = (SharedIdDictionary::new(array.data_type()), Vec::new());
        let rows = NullBuffer::from(vec![true, false, false, true]);
        dictionary.find(&array, Some(&rows), &mut found).unwrap();
        assert_eq!(found.len(), 4);
        assert!(found[0] != found[3]);
        let assigned: u32 = dictionary.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert_eq!(assigned, 2);
    }
}
