//! Permanent ids of user keys.
//!
//! A key that is an integer from 0 to 2^32 - 1 and belongs to no scope is its own id. Every other
//! key gets the next free id when it is first seen; the table `users` stores these, and an id is
//! never reused. The two kinds of ids are never in one set: shards below
//! [`FIRST_ASSIGNED_SHARD`](crate::users::FIRST_ASSIGNED_SHARD) hold the former, the others the latter.
//!
//! The shards of the dictionary take turns with blocks of 4,096 ids, so that ids stay dense whatever
//! shard a key is in.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Schema};

use super::columns::Columns;
use crate::scan::{UserKeys, scope_values, split_scopes};
use crate::users::{ID_SHARDS, Key, KeyBatch, ShardedIds};
use crate::{Error, Result};

const SHARD_BITS: u32 = ID_SHARDS.trailing_zeros();
/// Numbers of a block, as a power of two.
const BLOCK_BITS: u32 = 12;
const INTEGER: &str = "integer";
const UUID: &str = "uuid";
const BYTES: &str = "bytes";

/// The id of a user, and whether it was assigned or is the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserId {
    /// The id.
    pub number: u32,
    /// Whether the store assigned it.
    pub assigned: bool,
}

impl UserId {
    /// The id of a key that is its own id.
    #[inline]
    pub fn of_key(scope: u32, key: Key<'_>) -> Option<Self> {
        let Key::Int(int) = key else { return None };
        let number = u32::try_from(int).ok().filter(|_| scope == 0)?;
        Some(Self { number, assigned: false })
    }
}

/// Keys and their ids.
#[derive(Debug)]
pub struct StoredIds {
    keys: ShardedIds,
    /// Ids of each shard that the store has already.
    stored: Vec<u32>,
}

impl Default for StoredIds {
    fn default() -> Self {
        Self { keys: ShardedIds::default(), stored: vec![0; ID_SHARDS] }
    }
}

impl StoredIds {
    /// The keys, to assign ids to more of them; [`id`](Self::id) makes ids of the store of their
    /// shards and indexes.
    pub fn keys(&self) -> &ShardedIds {
        &self.keys
    }

    /// Writes the id of each row's key; those of other rows than `rows` mean nothing. Keys may come
    /// with their scopes.
    ///
    /// # Errors
    /// When 2^32 ids do not suffice.
    pub fn find(
        &self,
        users: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<UserId>,
    ) -> Result<()> {
        let (scopes, users) = split_scopes(users);
        let scopes = scopes.map(|scopes| scope_values(scopes, 0, |scope| self.keys.scope(scope)));
        let keys = UserKeys::of(users)?;
        let mut others = KeyBatch::default();
        found.clear();
        found.resize(users.len(), UserId::default());
        keys.for_each(
            |row| rows.is_none_or(|rows| rows.is_valid(row)),
            |row, key| {
                let scope = scopes.as_ref().map_or(0, |scopes| scopes[row]);
                match UserId::of_key(scope, key) {
                    Some(id) => found[row] = id,
                    None => others.push(row, scope, key),
                }
                Ok(())
            },
        )?;
        self.keys.assign(&others, |row, shard, index| {
            found[row] = UserId { number: Self::id(shard, index)?, assigned: true };
            Ok(())
        })
    }

    /// The id of the `index`-th key of a shard.
    ///
    /// # Errors
    /// When 2^32 ids do not suffice.
    #[inline]
    pub fn id(shard: usize, index: u32) -> Result<u32> {
        let block = u64::from(index >> BLOCK_BITS) << SHARD_BITS | shard as u64;
        let number = block << BLOCK_BITS | u64::from(index & ((1 << BLOCK_BITS) - 1));
        u32::try_from(number)
            .map_err(|_| Error::limit("more than 4,294,967,295 users that need an id"))
    }

    /// The shard of an id, and its index there.
    pub fn locate(number: u32) -> (usize, u32) {
        let block = number >> BLOCK_BITS;
        let index = (block >> SHARD_BITS) << BLOCK_BITS | (number & ((1 << BLOCK_BITS) - 1));
        (block as usize % ID_SHARDS, index)
    }

    /// Number of assigned ids.
    pub fn len(&self) -> u64 {
        self.keys.len()
    }

    /// Whether no id is assigned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        (0..ID_SHARDS).map(|shard| self.keys.shard(shard).size()).sum()
    }

    /// Adds a batch of the table. Batches must come in the order in which they were written.
    ///
    /// # Errors
    /// When the batch cannot be one of this table, or an id is not the next one of its shard.
    pub(super) fn read(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = Columns::new(batch, "the table `users`");
        let broken = || columns.broken();
        let scopes = columns.get::<StringArray>("scope")?;
        let kinds = columns.get::<StringArray>("kind")?;
        let keys = columns.get::<BinaryArray>("key")?;
        let numbers = columns.get::<Int64Array>("number")?;
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
            let (shard, index) = Self::locate(number);
            let scope = match scopes.value(row) {
                "" => 0,
                scope => self.keys.scope(scope),
            };
            let hash = key.hash();
            let assigned = self.keys.shard(shard).id(scope, key, hash)?;
            let is_next = assigned == index && self.stored[shard] == index;
            if !is_next || ShardedIds::shard_of(hash) != shard {
                return Err(broken());
            }
            self.stored[shard] += 1;
        }
        Ok(())
    }

    /// Ids that are not in the store yet, as batches of the table.
    ///
    /// # Errors
    /// When an id is out of bounds.
    pub(super) fn unsaved(&self) -> Result<Vec<RecordBatch>> {
        let names = self.keys.scopes();
        let mut batches = Vec::new();
        for shard in 0..ID_SHARDS {
            let dictionary = self.keys.shard(shard);
            let (from, to) = (self.stored[shard], dictionary.len());
            if from == to {
                continue;
            }
            let known = dictionary.keys();
            let (mut scopes, mut kinds) = (Vec::new(), Vec::new());
            let (mut keys, mut numbers) = (Vec::<Vec<u8>>::new(), Vec::new());
            for index in from..to {
                let (scope, key) = known.get(index).ok_or_else(no_key)?;
                let name = names.get(scope as usize).and_then(Option::as_deref);
                scopes.push(match scope {
                    0 => None,
                    _ => Some(name.ok_or_else(no_scope)?),
                });
                let (kind, bytes) = match key {
                    Key::Int(int) => (INTEGER, int.to_string().into_bytes()),
                    Key::Wide(wide) => (UUID, wide.to_be_bytes().to_vec()),
                    Key::Text(bytes) => (BYTES, bytes.to_vec()),
                };
                kinds.push(kind);
                keys.push(bytes);
                numbers.push(i64::from(Self::id(shard, index)?));
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
        for (shard, stored) in self.stored.iter_mut().enumerate() {
            *stored = self.keys.shard(shard).len();
        }
    }
}

fn no_key() -> Error {
    Error::internal("an id without a key")
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

    use super::StoredIds;
    use crate::users::{ID_SHARDS, Key, ShardedIds};

    proptest! {
        #[test]
        fn shard_and_index_make_an_id_and_back(number in any::<u32>()) {
            let (shard, index) = StoredIds::locate(number);
            prop_assert_eq!(StoredIds::id(shard, index).unwrap(), number);
        }
    }

    #[test]
    fn a_key_in_an_unknown_scope_has_no_hash() {
        let ids = StoredIds::default();
        let key = Key::Int(-1);
        let shard = ShardedIds::shard_of(key.hash());
        ids.keys.shard(shard).id(7, key, key.hash()).unwrap();
        assert!(ids.keys.hashes(shard).is_err());
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
                let scope =
                    if i % 4 == 3 { ids.keys.scope(&format!("scope {}", i % 3)) } else { 0 };
                let shard = ShardedIds::shard_of(key.hash());
                let index = ids.keys.shard(shard).id(scope, key, key.hash()).unwrap();
                StoredIds::id(shard, index).unwrap()
            };
            (from..to).map(one).collect()
        };
        let mut first = StoredIds::default();
        let numbers = give(&first, 0, 20_000);
        let mut distinct = numbers.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), numbers.len());
        // Dense: blocks of 64 shards, each with a few more or less than the mean.
        assert!(*distinct.last().unwrap() < 2 * 4_096 * ID_SHARDS as u32);
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
        for shard in 0..ID_SHARDS {
            assert_eq!(first.keys.hashes(shard).unwrap(), second.keys.hashes(shard).unwrap());
        }
        let mut holes = StoredIds::default();
        assert!(late.iter().any(|batch| holes.read(batch).is_err()));
    }
}
