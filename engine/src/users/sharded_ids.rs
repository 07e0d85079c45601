//! An id dictionary for many threads: keys are spread over shards by their hash, each with a lock
//! of its own.
//!
//! Many keys are looked up together, shard by shard, so that a shard is locked once for all of them
//! and its table stays in the cache meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::key::{hash_bytes, hash_int, hash_scope, hash_wide};
use super::scope_interner::ScopeInterner;
use super::{IdDictionary, Key};
use crate::counting_sort::counting_sort;
use crate::{Error, Result};

/// Number of shards.
pub const ID_SHARDS: usize = 64;
const SHARD_BITS: u32 = ID_SHARDS.trailing_zeros();

/// Keys with their ids. An id is the number of a shard and an index in it: 0, 1, 2 ... in the order
/// of first sight.
#[derive(Debug)]
pub struct ShardedIds {
    shards: Vec<Mutex<IdDictionary>>,
    scopes: ScopeInterner,
    /// Heap bytes of all shards.
    size: AtomicUsize,
}

impl Default for ShardedIds {
    fn default() -> Self {
        Self {
            shards: (0..ID_SHARDS).map(|_| Mutex::default()).collect(),
            scopes: ScopeInterner::default(),
            size: AtomicUsize::new(0),
        }
    }
}

/// Keys of rows that wait to be looked up together.
#[derive(Debug, Default)]
pub struct KeyBatch<'a> {
    ints: Keyed<i64>,
    wides: Keyed<u128>,
    texts: Keyed<&'a [u8]>,
    /// With their scopes.
    scoped: Keyed<(u32, Key<'a>)>,
}

/// Keys of one kind, with their rows.
#[derive(Debug)]
struct Keyed<K> {
    keys: Vec<K>,
    rows: Vec<u32>,
}

impl<K> Default for Keyed<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), rows: Vec::new() }
    }
}

impl<K> Keyed<K> {
    #[inline]
    fn push(&mut self, key: K, row: usize) {
        self.keys.push(key);
        self.rows.push(row as u32); // a batch has far fewer rows than 2^32
    }
}

impl<'a> KeyBatch<'a> {
    /// Adds the key of a row. Scope 0 is no scope.
    #[inline]
    pub fn push(&mut self, row: usize, scope: u32, key: Key<'a>) {
        match (scope, key) {
            (0, Key::Int(int)) => self.ints.push(int, row),
            (0, Key::Wide(wide)) => self.wides.push(wide, row),
            (0, Key::Text(bytes)) => self.texts.push(bytes, row),
            (scope, key) => self.scoped.push((scope, key), row),
        }
    }
}

impl ShardedIds {
    /// Code of a scope, for [`KeyBatch::push`].
    pub fn scope(&self, name: &str) -> u32 {
        self.scopes.code(name)
    }

    /// The scopes by code; the first is "no scope".
    pub fn scopes(&self) -> Vec<Option<String>> {
        self.scopes.names()
    }

    /// The shard of a key, by its hash.
    #[inline]
    pub fn shard_of(hash: u64) -> usize {
        (hash >> (u64::BITS - SHARD_BITS)) as usize
    }

    /// One shard.
    pub fn shard(&self, shard: usize) -> MutexGuard<'_, IdDictionary> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `each` with the row, the shard and the index of every key, in any order; new keys get
    /// the next index of their shard.
    ///
    /// # Errors
    /// When a shard is full, and the first error of `each`.
    pub fn assign(
        &self,
        batch: &KeyBatch<'_>,
        mut each: impl FnMut(usize, usize, u32) -> Result<()>,
    ) -> Result<()> {
        let KeyBatch { ints, wides, texts, scoped } = batch;
        self.assign_keyed(ints, |int| hash_int(*int), IdDictionary::int_ids, &mut each)?;
        self.assign_keyed(wides, |wide| hash_wide(*wide), IdDictionary::wide_ids, &mut each)?;
        self.assign_keyed(texts, |text| hash_bytes(text), IdDictionary::text_ids, &mut each)?;
        let hash = |(_, key): &(u32, Key<'_>)| key.hash();
        let assign =
            |dictionary: &mut IdDictionary, keys: &[(u32, Key<'_>)], ids: &mut Vec<u32>| {
                ids.clear();
                keys.iter().try_for_each(|(scope, key)| {
                    ids.push(dictionary.id(*scope, *key, key.hash())?);
                    Ok(())
                })
            };
        self.assign_keyed(scoped, hash, assign, &mut each)
    }

    /// As [`assign`](Self::assign) for integers without a scope; their rows are their indexes in
    /// the list.
    ///
    /// # Errors
    /// As [`assign`](Self::assign).
    pub fn assign_ints(
        &self,
        ints: &[i64],
        mut each: impl FnMut(usize, u32) -> Result<()>,
    ) -> Result<()> {
        let shards = ints.iter().map(|int| Self::shard_of(hash_int(*int)));
        let (sorted, starts) = counting_sort(shards.zip(ints.iter().copied()), ID_SHARDS);
        self.visit(&sorted, &starts, IdDictionary::int_ids, |_, shard, index| each(shard, index))
    }

    fn assign_keyed<K: Copy>(
        &self,
        keyed: &Keyed<K>,
        hash: impl Fn(&K) -> u64,
        assign: impl Fn(&mut IdDictionary, &[K], &mut Vec<u32>) -> Result<()>,
        each: &mut impl FnMut(usize, usize, u32) -> Result<()>,
    ) -> Result<()> {
        if keyed.keys.is_empty() {
            return Ok(());
        }
        let shards: Vec<u8> =
            keyed.keys.iter().map(|key| Self::shard_of(hash(key)) as u8).collect();
        let shards = || shards.iter().map(|shard| usize::from(*shard));
        let (order, starts) = counting_sort(shards().zip(0..keyed.keys.len() as u32), ID_SHARDS);
        let keys: Vec<K> = order.iter().map(|at| keyed.keys[*at as usize]).collect();
        self.visit(&keys, &starts, assign, |at, shard, index| {
            each(keyed.rows[order[at] as usize] as usize, shard, index)
        })
    }

    /// Visits every shard once, with all keys that are its own.
    fn visit<K>(
        &self,
        keys: &[K],
        starts: &[usize],
        assign: impl Fn(&mut IdDictionary, &[K], &mut Vec<u32>) -> Result<()>,
        mut each: impl FnMut(usize, usize, u32) -> Result<()>,
    ) -> Result<()> {
        let mut indexes = Vec::new();
        for (shard, range) in starts.windows(2).enumerate() {
            let keys = &keys[range[0]..range[1]];
            if keys.is_empty() {
                continue;
            }
            {
                let mut dictionary = self.shard(shard);
                let size = dictionary.size();
                assign(&mut dictionary, keys, &mut indexes)?;
                // A table may make room before it finds that the key is known.
                self.size.fetch_add(dictionary.size() - size, Ordering::Relaxed);
            }
            for (at, index) in (range[0]..).zip(&indexes) {
                each(at, shard, *index)?;
            }
        }
        Ok(())
    }

    /// The hash that sketches use, of every key of a shard, by index.
    ///
    /// # Errors
    /// When an index has no key, or a key belongs to a scope without a name.
    pub fn hashes(&self, shard: usize) -> Result<Vec<u64>> {
        self.hashes_by(shard, |scope, key| match scope {
            None => key.hash(),
            Some(scope) => key.hash_in(scope),
        })
    }

    /// As [`hashes`](Self::hashes), by another hash of the scope's own hash and the key.
    ///
    /// # Errors
    /// As [`hashes`](Self::hashes).
    pub fn hashes_by(
        &self,
        shard: usize,
        hash: impl Fn(Option<u64>, Key<'_>) -> u64,
    ) -> Result<Vec<u64>> {
        let names = self.scopes();
        let scopes: Vec<Option<u64>> =
            names.iter().map(|name| name.as_deref().map(hash_scope)).collect();
        let shard = self.shard(shard);
        let keys = shard.keys();
        let hash = |index: u32| match keys.get(index) {
            None => Err(Error::internal("an id without a key")),
            Some((0, key)) => Ok(hash(None, key)),
            Some((scope, key)) => match scopes.get(scope as usize) {
                Some(Some(scope)) => Ok(hash(Some(*scope), key)),
                _ => Err(Error::internal("a key in a scope without a name")),
            },
        };
        (0..shard.len()).map(hash).collect()
    }

    /// Number of keys.
    pub fn len(&self) -> u64 {
        (0..ID_SHARDS).map(|shard| u64::from(self.shard(shard).len())).sum()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes in use, of keys that were [assigned](Self::assign) here.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed) + ID_SHARDS * size_of::<Mutex<IdDictionary>>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::{KeyBatch, ShardedIds};
    use crate::users::Key;

    proptest! {
        #[test]
        fn equal_keys_and_only_they_share_an_id(
            all in proptest::collection::vec(
                (0..2u32, 0..3u8, prop_oneof![-3..3i64, any::<i64>()]), 0..300),
        ) {
            let texts: Vec<String> = all.iter().map(|(_, _, key)| format!("u{key}")).collect();
            let keys: Vec<(u32, Key<'_>)> = all.iter().zip(&texts).map(|((scope, kind, key), text)| {
                (*scope, match kind {
                    0 => Key::Int(*key),
                    1 => Key::Wide(*key as u128),
                    _ => Key::Text(text.as_bytes()),
                })
            }).collect();
            let ids = ShardedIds::default();
            let (mut by_key, mut by_id) = (HashMap::new(), HashMap::new());
            for part in keys.chunks(70) {
                let mut batch = KeyBatch::default();
                part.iter().enumerate().for_each(|(row, (scope, key))| batch.push(row, *scope, *key));
                let mut found = vec![None; part.len()];
                ids.assign(&batch, |row, shard, index| {
                    assert!(found[row].replace((shard, index)).is_none());
                    Ok(())
                }).unwrap();
                for (key, id) in part.iter().zip(found) {
                    let id = id.unwrap();
                    prop_assert_eq!(*by_key.entry(*key).or_insert(id), id);
                    prop_assert_eq!(*by_id.entry(id).or_insert(*key), *key);
                    prop_assert_eq!(id.0, ShardedIds::shard_of(key.1.hash()));
                    let shard = ids.shard(id.0);
                    let (scope, back) = shard.keys().get(id.1).map(|(s, k)| (s, format!("{k:?}"))).unwrap();
                    prop_assert_eq!((scope, back), (key.0, format!("{:?}", key.1)));
                }
            }
            prop_assert_eq!(ids.len() as usize, by_id.len());
            let sizes: usize = (0..super::ID_SHARDS).map(|shard| ids.shard(shard).size()).sum();
            prop_assert_eq!(ids.size() - ShardedIds::default().size(), sizes);
            let ints: Vec<i64> = keys.iter().filter_map(|(scope, key)| match key {
                Key::Int(int) if *scope == 0 => Some(*int),
                _ => None,
            }).collect();
            let mut found: Vec<(usize, u32)> = Vec::new();
            ids.assign_ints(&ints, |shard, index| { found.push((shard, index)); Ok(()) }).unwrap();
            let mut expected: Vec<_> = ints.iter().map(|int| by_key[&(0, Key::Int(*int))]).collect();
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
            prop_assert!(ids.len() as usize == by_id.len());
        }
    }
}
