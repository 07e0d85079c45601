//! Assigns every key an id: 0, 1, 2 ... in the order of first insertion.
//!
//! Sets of dense ids are smaller and faster than sets of keys, so keys that are not dense integers
//! get ids before they are counted. Whole keys are compared; the hash only selects the slot.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::Key;
use super::fixed_key_table::{FREE, FixedKeyTable};
use super::key::{hash_bytes, hash_int, hash_wide};
use crate::{Error, Result};

/// What the bytes in the arena were: a text, or a scoped UUID.
const TEXT: u8 = 0;
const WIDE: u8 = 1;

/// Keys that are looked up together: some more than a processor can wait for at a time.
const LOOKUP_BATCH: usize = 64;

/// Numbers for keys. Kinds of keys have tables of their own, so that integers cost 16 bytes of
/// table and UUIDs 32, and share one sequence of numbers.
///
/// A key may be scoped: user 42 of two installations are two users. Scope 0 is "no scope".
#[derive(Debug, Default)]
pub struct IdDictionary {
    ints: FixedKeyTable<i64>,
    wides: FixedKeyTable<u128>,
    scoped: HashTable<(u32, i64, u32)>,
    texts: HashTable<(u64, u32, u32)>,
    arena: Vec<u8>,
    ends: Vec<u64>,
    next: u32,
}

impl IdDictionary {
    /// How many keys have numbers; the numbers are `0..len`.
    pub fn len(&self) -> u32 {
        self.next
    }

    /// Whether no key has been seen.
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// The number of a key, given now if it is new. `hash` must be [`Key::hash`] of `key`.
    ///
    /// # Errors
    /// When 2^32 - 1 keys are numbered; the answer would be wrong from then on.
    #[inline]
    pub fn id(&mut self, scope: u32, key: Key<'_>, hash: u64) -> Result<u32> {
        match (scope, key) {
            (0, Key::Int(int)) => {
                find_or_insert(&mut self.ints, &mut self.next, int, hash, hash_int)
            }
            (0, Key::Wide(wide)) => {
                find_or_insert(&mut self.wides, &mut self.next, wide, hash, hash_wide)
            }
            (_, Key::Int(int)) => {
                let rehash = |e: &(u32, i64, u32)| scoped_hash(e.0, hash_int(e.1));
                let same = |e: &(u32, i64, u32)| e.0 == scope && e.1 == int;
                match self.scoped.entry(scoped_hash(scope, hash), same, rehash) {
                    Entry::Occupied(entry) => Ok(entry.get().2),
                    Entry::Vacant(entry) => {
                        let number = next_id(&mut self.next)?;
                        entry.insert((scope, int, number));
                        Ok(number)
                    }
                }
            }
            (_, Key::Wide(wide)) => self.text(scope, WIDE, &wide.to_be_bytes(), hash),
            (_, Key::Text(bytes)) => self.text(scope, TEXT, bytes, hash),
        }
    }

    /// As [`id`](Self::id) for many integers without a scope: several times as fast where
    /// the table is larger than the caches. `numbers` becomes theirs, in the same order.
    ///
    /// # Errors
    /// As [`id`](Self::id).
    pub fn int_ids(&mut self, keys: &[i64], numbers: &mut Vec<u32>) -> Result<()> {
        find_or_insert_many(&mut self.ints, &mut self.next, keys, hash_int, numbers)
    }

    /// As [`int_ids`](Self::int_ids), for keys of 16 bytes.
    ///
    /// # Errors
    /// As [`id`](Self::id).
    pub fn wide_ids(&mut self, keys: &[u128], numbers: &mut Vec<u32>) -> Result<()> {
        find_or_insert_many(&mut self.wides, &mut self.next, keys, hash_wide, numbers)
    }

    /// As [`int_ids`](Self::int_ids), for any other keys, one by one.
    ///
    /// # Errors
    /// As [`id`](Self::id).
    pub fn text_ids(&mut self, keys: &[&[u8]], numbers: &mut Vec<u32>) -> Result<()> {
        numbers.clear();
        for key in keys {
            numbers.push(self.text(0, TEXT, key, hash_bytes(key))?);
        }
        Ok(())
    }

    /// Every key by its number. This takes a pass over all keys and 16 bytes for each.
    pub fn keys(&self) -> Keys<'_> {
        let mut keys = Keys {
            dictionary: self,
            locations: vec![KeyLocation::Text(0); self.next as usize],
            wides: Vec::with_capacity(self.wides.len()),
            scoped: Vec::with_capacity(self.scoped.len()),
        };
        for (int, number) in self.ints.iter() {
            keys.locations[number as usize] = KeyLocation::Int(int);
        }
        for (wide, number) in self.wides.iter() {
            keys.locations[number as usize] = KeyLocation::Wide(keys.wides.len() as u32);
            keys.wides.push(wide);
        }
        for (scope, int, number) in &self.scoped {
            keys.locations[*number as usize] = KeyLocation::Scoped(keys.scoped.len() as u32);
            keys.scoped.push((*scope, *int));
        }
        for (_, place, number) in &self.texts {
            keys.locations[*number as usize] = KeyLocation::Text(*place);
        }
        keys
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        self.ints.size()
            + self.wides.size()
            + self.scoped.allocation_size()
            + self.texts.allocation_size()
            + self.arena.capacity()
            + self.ends.capacity() * size_of::<u64>()
    }

    /// Texts are stored one after another in an arena, each after its scope and a kind byte, so that a
    /// UUID and a text of the same 16 bytes differ.
    fn text(&mut self, scope: u32, kind: u8, bytes: &[u8], hash: u64) -> Result<u32> {
        let hash = scoped_hash(scope, hash);
        let (arena, ends) = (&self.arena, &self.ends);
        let same = |e: &(u64, u32, u32)| {
            let stored = stored(arena, ends, e.1);
            e.0 == hash
                && stored[..4] == scope.to_le_bytes()
                && stored[4] == kind
                && stored[5..] == *bytes
        };
        match self.texts.entry(hash, same, |e| e.0) {
            Entry::Occupied(entry) => Ok(entry.get().2),
            Entry::Vacant(entry) => {
                let number = next_id(&mut self.next)?;
                let place = self.ends.len() as u32; // at most `next`, which is checked above
                entry.insert((hash, place, number));
                self.arena.extend_from_slice(&scope.to_le_bytes());
                self.arena.push(kind);
                self.arena.extend_from_slice(bytes);
                self.ends.push(self.arena.len() as u64);
                Ok(number)
            }
        }
    }
}

/// The number of a key in its table, the next one if it is new.
#[inline]
fn find_or_insert<K: Copy + Default + PartialEq>(
    table: &mut FixedKeyTable<K>,
    next: &mut u32,
    key: K,
    hash: u64,
    rehash: impl Fn(K) -> u64,
) -> Result<u32> {
    let (number, is_new) = table.number(key, hash, *next, rehash);
    if is_new {
        next_id(next)?;
    }
    Ok(number)
}

/// The numbers of many keys: their first slots are fetched together.
fn find_or_insert_many<K: Copy + Default + PartialEq>(
    table: &mut FixedKeyTable<K>,
    next: &mut u32,
    keys: &[K],
    hash: impl Fn(K) -> u64 + Copy,
    numbers: &mut Vec<u32>,
) -> Result<()> {
    numbers.clear();
    let mut locations = [0; LOOKUP_BATCH];
    for keys in keys.chunks(LOOKUP_BATCH) {
        for (place, key) in locations.iter_mut().zip(keys) {
            *place = table.home_slot(hash(*key));
        }
        let from = numbers.len();
        numbers.extend(keys.iter().zip(&locations).map(|(key, place)| table.at(*place, *key)));
        for (number, key) in numbers[from..].iter_mut().zip(keys) {
            if *number == FREE {
                *number = find_or_insert(table, next, *key, hash(*key), hash)?;
            }
        }
    }
    Ok(())
}

/// The keys of a dictionary by their ids.
#[derive(Debug)]
pub struct Keys<'a> {
    dictionary: &'a IdDictionary,
    locations: Vec<KeyLocation>,
    wides: Vec<u128>,
    scoped: Vec<(u32, i64)>,
}

/// A key, or its index in the list of its kind.
#[derive(Clone, Copy, Debug)]
enum KeyLocation {
    Int(i64),
    Wide(u32),
    Scoped(u32),
    Text(u32),
}

impl Keys<'_> {
    /// The scope (0: none) and the key of a number; `None` for a number that was never given.
    #[inline]
    pub fn get(&self, number: u32) -> Option<(u32, Key<'_>)> {
        Some(match *self.locations.get(number as usize)? {
            KeyLocation::Int(int) => (0, Key::Int(int)),
            KeyLocation::Wide(at) => (0, Key::Wide(self.wides[at as usize])),
            KeyLocation::Scoped(at) => {
                let (scope, int) = self.scoped[at as usize];
                (scope, Key::Int(int))
            }
            KeyLocation::Text(at) => {
                let stored = stored(&self.dictionary.arena, &self.dictionary.ends, at);
                let (scope, rest) = stored.split_first_chunk()?;
                let (kind, bytes) = rest.split_first()?;
                let key = if *kind == WIDE { Key::of_binary(bytes) } else { Key::Text(bytes) };
                (u32::from_le_bytes(*scope), key)
            }
        })
    }
}

fn stored<'a>(arena: &'a [u8], ends: &[u64], place: u32) -> &'a [u8] {
    let place = place as usize;
    let from = if place == 0 { 0 } else { ends[place - 1] as usize };
    &arena[from..ends[place] as usize]
}

#[inline]
fn scoped_hash(scope: u32, hash: u64) -> u64 {
    hash_int((hash ^ (u64::from(scope) << 17)) as i64)
}

#[inline]
fn next_id(next: &mut u32) -> Result<u32> {
    let number = *next;
    *next = number
        .checked_add(1)
        .ok_or_else(|| Error::limit("more than 4,294,967,295 distinct users in one shard"))?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::{IdDictionary, Key};

    /// A key that owns its bytes, and its scope: the reference is a `HashMap` over these.
    fn keys() -> impl Strategy<Value = (u32, Vec<u8>, u8)> {
        (
            0u32..3,
            prop_oneof![
                any::<u8>().prop_map(|b| vec![b % 8; 16]),
                proptest::collection::vec(0u8..4, 0..3)
            ],
            0u8..3,
        )
    }

    fn key(bytes: &[u8], kind: u8) -> Key<'_> {
        match kind {
            0 => Key::Int(i64::from(bytes.first().copied().unwrap_or(0)) - 2),
            1 if bytes.len() == 16 => Key::of_binary(bytes),
            _ => Key::Text(bytes),
        }
    }

    proptest! {
        #[test]
        fn equal_keys_and_only_they_share_a_number(input in proptest::collection::vec(keys(), 0..300)) {
            let mut dictionary = IdDictionary::default();
            let mut expected = HashMap::new();
            for (scope, bytes, kind) in &input {
                let key = key(bytes, *kind);
                let number = dictionary.id(*scope, key, key.hash()).unwrap();
                let next = expected.len() as u32;
                prop_assert_eq!(number, *expected.entry((*scope, format!("{key:?}"))).or_insert(next));
            }
            let (mut together, mut alone) = (IdDictionary::default(), IdDictionary::default());
            let ints: Vec<i64> = input.iter().map(|(_, bytes, _)| bytes.len() as i64 % 7).collect();
            let wides: Vec<u128> = ints.iter().map(|int| *int as u128).collect();
            let texts: Vec<&[u8]> = input.iter().map(|(_, bytes, _)| bytes.as_slice()).collect();
            let mut number = |key: Key<'_>| alone.id(0, key, key.hash()).unwrap();
            let mut numbers = Vec::new();
            together.int_ids(&ints, &mut numbers).unwrap();
            prop_assert!(numbers.iter().copied().eq(ints.iter().map(|int| number(Key::Int(*int)))));
            together.wide_ids(&wides, &mut numbers).unwrap();
            prop_assert!(numbers.iter().copied().eq(wides.iter().map(|w| number(Key::Wide(*w)))));
            together.text_ids(&texts, &mut numbers).unwrap();
            prop_assert!(numbers.iter().copied().eq(texts.iter().map(|t| number(Key::Text(t)))));
            prop_assert_eq!(together.len(), alone.len());
            prop_assert_eq!(dictionary.len() as usize, expected.len());
            let keys = dictionary.keys();
            for ((scope, key), number) in &expected {
                let back = keys.get(*number).map(|(scope, key)| (scope, format!("{key:?}")));
                prop_assert_eq!(back, Some((*scope, key.clone())));
            }
            prop_assert!(keys.get(dictionary.len()).is_none());
        }
    }
}
