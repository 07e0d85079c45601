//! Permanent ids of user keys.
//!
//! A key that is an integer from 0 to 2^32 - 1 and belongs to no scope is its own id. Every other
//! key gets the next free id when it is first seen; the table `users` stores these, and an id is
//! never reused. The two kinds of ids are never in one set: shards below
//! [`FIRST_ASSIGNED_SHARD`](crate::users::FIRST_ASSIGNED_SHARD) hold the former, the others the latter.
//!
//! Keys are distributed over 64 parts by their hash, each with a lock of its own. The parts take
//! turns with blocks of 4,096 ids, so that ids stay dense whatever part a key is in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};

use crate::events::StringInterner;
use crate::users::{IdDictionary, Key, hash_scope};
use crate::{Error, Result};

/// Number of parts.
pub const PARTS: usize = 64;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// Numbers of a block, as a power of two.
const BLOCK_BITS: u32 = 12;
const INTEGER: &str = "integer";
const UUID: &str = "uuid";
const BYTES: &str = "bytes";

/// Keys and their numbers.
#[derive(Debug)]
pub struct StoredIds {
    parts: Vec<Mutex<IdDictionary>>,
    /// Numbers of each part that the store has already.
    stored: Vec<u32>,
    /// Scopes that keys belong to; code 0 is no scope.
    scopes: StringInterner,
}

impl Default for StoredIds {
    fn default() -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self { parts, stored: vec![0; PARTS], scopes: StringInterner::default() }
    }
}

impl StoredIds {
    /// Code of a scope.
    pub fn scope(&self, label: &str) -> u32 {
        self.scopes.code(Some(label))
    }

    /// The part that a key is in, by its hash.
    #[inline]
    pub fn part_of(hash: u64) -> usize {
        (hash >> (u64::BITS - PART_BITS)) as usize
    }

    /// One part, to assign ids in; [`id`](Self::id) makes ids of the store from its ids.
    pub fn part(&self, part: usize) -> MutexGuard<'_, IdDictionary> {
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the `index`-th key of a part.
    ///
    /// # Errors
    /// When 2^32 numbers do not suffice.
    #[inline]
    pub fn id(part: usize, index: u32) -> Result<u32> {
        let block = u64::from(index >> BLOCK_BITS) << PART_BITS | part as u64;
        let number = block << BLOCK_BITS | u64::from(index & ((1 << BLOCK_BITS) - 1));
        u32::try_from(number)
            .map_err(|_| Error::limit("more than 4,294,967,295 users that need an id"))
    }

    /// The part of an id, and its index there.
    pub fn locate(number: u32) -> (usize, u32) {
        let block = number >> BLOCK_BITS;
        let index = (block >> PART_BITS) << BLOCK_BITS | (number & ((1 << BLOCK_BITS) - 1));
        (block as usize % PARTS, index)
    }

    /// Number of assigned ids.
    pub fn len(&self) -> u64 {
        (0..PARTS).map(|part| u64::from(self.part(part).len())).sum()
    }

    /// Whether no id is assigned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        (0..PARTS).map(|part| self.part(part).size()).sum()
    }

    /// Adds a batch of the table. Batches must come in the order in which they were written.
    ///
    /// # Errors
    /// When the batch cannot be one of this table, or a number is not the next one of its part.
    pub(super) fn read(&mut self, batch: &RecordBatch) -> Result<()> {
        let broken = || Error::input("the table `users` of the store is corrupt");
        let column = |name: &str| batch.column_by_name(name).ok_or_else(broken);
        let scopes = column("scope")?.as_string_opt::<i32>().ok_or_else(broken)?;
        let kinds = column("kind")?.as_string_opt::<i32>().ok_or_else(broken)?;
        let keys = column("key")?.as_binary_opt::<i32>().ok_or_else(broken)?;
        let numbers = column("number")?.as_primitive_opt::<Int64Type>().ok_or_else(broken)?;
        if kinds.null_count() + keys.null_count() + numbers.null_count() > 0 {
            return Err(broken());
        }
        for row in 0..batch.num_rows() {
            let bytes = keys.value(row);
            let key = match kinds.value(row) {
                INTEGER => {
                    let text = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
                    Key::Int(text.ok_or_else(broken)?)
                }
                UUID => Key::Wide(u128::from_be_bytes(bytes.try_into().map_err(|_| broken())?)),
                BYTES => Key::Text(bytes),
                _ => return Err(broken()),
            };
            let number = u32::try_from(numbers.value(row)).map_err(|_| broken())?;
            let (part, index) = Self::locate(number);
            let scope = self.scopes.code(Some(scopes.value(row)));
            let hash = key.hash();
            let assigned = self.part(part).id(scope, key, hash)?;
            if assigned != index || Self::part_of(hash) != part || self.stored[part] != index {
                return Err(broken());
            }
            self.stored[part] += 1;
        }
        Ok(())
    }

    /// Ids that are not in the store yet, as batches of the table.
    ///
    /// # Errors
    /// When a number is out of bounds.
    pub(super) fn unsaved(&self) -> Result<Vec<RecordBatch>> {
        let labels = self.scopes.labels();
        let mut batches = Vec::new();
        for part in 0..PARTS {
            let dictionary = self.part(part);
            let (from, to) = (self.stored[part], dictionary.len());
            if from == to {
                continue;
            }
            let known = dictionary.keys();
            let (mut scopes, mut kinds) = (Vec::new(), Vec::new());
            let (mut keys, mut numbers) = (Vec::<Vec<u8>>::new(), Vec::new());
            for index in from..to {
                let (scope, key) = known.get(index).ok_or_else(no_key)?;
                let label = labels.get(scope as usize).and_then(Option::as_deref);
                scopes.push(match scope {
                    0 => None,
                    _ => Some(label.ok_or_else(no_scope)?),
                });
                let (kind, bytes) = match key {
                    Key::Int(int) => (INTEGER, int.to_string().into_bytes()),
                    Key::Wide(wide) => (UUID, wide.to_be_bytes().to_vec()),
                    Key::Text(bytes) => (BYTES, bytes.to_vec()),
                };
                kinds.push(kind);
                keys.push(bytes);
                numbers.push(i64::from(Self::id(part, index)?));
            }
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from(scopes)),
                Arc::new(StringArray::from(kinds)),
                Arc::new(BinaryArray::from_iter_values(keys)),
                Arc::new(Int64Array::from(numbers)),
            ];
            batches.push(RecordBatch::try_new(Arc::new(schema()), columns)?);
        }
        Ok(batches)
    }

    /// Marks all ids as stored.
    pub(super) fn mark_saved(&mut self) {
        for part in 0..PARTS {
            let assigned = self.part(part).len();
            self.stored[part] = assigned;
        }
    }

    /// The hash that sketches use, of every id of a part, by index.
    ///
    /// # Errors
    /// When a number has no key, or a key belongs to a scope without a name.
    pub fn hashes(&self, part: usize) -> Result<Vec<u64>> {
        let labels = self.scopes.labels();
        let scopes: Vec<Option<u64>> =
            labels.iter().map(|label| label.as_deref().map(hash_scope)).collect();
        let dictionary = self.part(part);
        let keys = dictionary.keys();
        let hash = |index: u32| {
            let (scope, key) = keys.get(index).ok_or_else(no_key)?;
            if scope == 0 {
                return Ok(key.hash());
            }
            let scope = scopes.get(scope as usize).copied().flatten().ok_or_else(no_scope)?;
            Ok(key.hash_in(scope))
        };
        (0..dictionary.len()).map(hash).collect()
    }
}

fn no_key() -> Error {
    Error::internal("a number without a key")
}

fn no_scope() -> Error {
    Error::internal("a key in a scope without a name")
}

/// Columns of the table.
pub(super) fn schema() -> Schema {
    Schema::new(vec![
        Field::new("scope", DataType::Utf8, true),
        Field::new("kind", DataType::Utf8, true),
        Field::new("key", DataType::Binary, true),
        Field::new("number", DataType::Int64, true),
    ])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{PARTS, StoredIds};
    use crate::users::Key;

    proptest! {
        #[test]
        fn part_and_index_make_an_id_and_back(number in any::<u32>()) {
            let (part, index) = StoredIds::locate(number);
            prop_assert_eq!(StoredIds::id(part, index).unwrap(), number);
        }
    }

    #[test]
    fn a_key_in_an_unknown_scope_has_no_hash() {
        let ids = StoredIds::default();
        let key = Key::Int(-1);
        let part = StoredIds::part_of(key.hash());
        ids.part(part).id(7, key, key.hash()).unwrap();
        assert!(ids.hashes(part).is_err());
        assert!(ids.unsaved().is_err());
    }

    #[test]
    fn ids_survive_a_round_trip_through_batches() {
        let give = |ids: &StoredIds, from: u64, to: u64| -> Vec<u32> {
            let one = |i: u64| {
                let text = format!("user {i}");
                let key = match i % 4 {
                    0 => Key::Text(text.as_bytes()),
                    1 => Key::Wide(u128::from(i) << 60),
                    2 => Key::Int(-(i as i64)),
                    _ => Key::Int(i as i64),
                };
                let scope = if i % 4 == 3 { ids.scope(&format!("scope {}", i % 3)) } else { 0 };
                let part = StoredIds::part_of(key.hash());
                let index = ids.part(part).id(scope, key, key.hash()).unwrap();
                StoredIds::id(part, index).unwrap()
            };
            (from..to).map(one).collect()
        };
        let mut first = StoredIds::default();
        let numbers = give(&first, 0, 20_000);
        let mut distinct = numbers.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), numbers.len());
        // Dense: blocks of 64 parts, each with a few more or less than the mean.
        assert!(*distinct.last().unwrap() < 2 * 4_096 * PARTS as u32);
        let early = first.unsaved().unwrap();
        first.mark_saved();
        let more = give(&first, 20_000, 30_000);
        let late = first.unsaved().unwrap();
        let mut second = StoredIds::default();
        for batch in early.iter().chain(&late) {
            second.read(batch).unwrap();
        }
        assert_eq!(second.len(), 30_000);
        assert_eq!(give(&second, 0, 20_000), numbers);
        assert_eq!(give(&second, 20_000, 30_000), more);
        assert!(second.unsaved().unwrap().is_empty());
        for part in 0..PARTS {
            assert_eq!(first.hashes(part).unwrap(), second.hashes(part).unwrap());
        }
        let mut holes = StoredIds::default();
        assert!(late.iter().any(|batch| holes.read(batch).is_err()));
    }
}
