//! Numbers for the values of a column, shared by all threads of a query.
//!
//! A set of numbers is fast where the numbers are dense. So an integer from 0 up to [`OWN`] is
//! its own number, without a look at anything, and every other value gets the next free number
//! when it is first seen. Each value is thus numbered once for the whole query, not once for each
//! group and thread; and because whole keys are compared, nothing is ever hashed into an answer.
//!
//! Both kinds share the 32 bits by turns of a page (65,536 numbers): even pages are integers that
//! stand for themselves, odd pages are values that were given a number.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;

use crate::counting_sort::counting_sort;
use crate::events::Users;
use crate::operators::column::any_keys;
use crate::users::{Key, Numbering, hash_bytes, hash_int, hash_wide};
use crate::{Error, Result};

/// Integers below this are their own numbers. Wherever in this range the ids lie, a set takes at
/// most [some tens of bytes](crate::users::SetBuilder) for each of its users.
const OWN: u64 = 1 << 28;
/// Keys are spread over this many tables, so that threads seldom wait for each other.
const SHARDS: usize = 64;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();

/// The numbers of all values of one column.
#[derive(Debug)]
pub(super) struct Numbers {
    shards: Vec<Mutex<Numbering>>,
    size: AtomicUsize,
}

impl Default for Numbers {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, size: AtomicUsize::new(0) }
    }
}

impl Numbers {
    /// Writes the number of each row's value to `numbers`. Those of other rows than `rows` mean
    /// nothing.
    ///
    /// # Errors
    /// When there are more different values than numbers, about two billion.
    pub(super) fn find(
        &self,
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        numbers: &mut Vec<u32>,
    ) -> Result<()> {
        numbers.clear();
        let users = any_keys(values)?;
        if let (Users::Ints(ints), None) = (&users, rows) {
            // Negative integers are huge here.
            if ints.iter().fold(0, |all, int| all | *int as u64) < OWN {
                numbers.extend(ints.iter().map(|int| own(*int as u64)));
                return Ok(());
            }
        }
        numbers.resize(values.len(), 0);
        let wanted = |row| rows.is_none_or(|rows| rows.is_valid(row));
        let (mut ints, mut wides) = (Strangers::default(), Strangers::default());
        let mut texts: Strangers<&[u8]> = Strangers::default();
        users.for_each(wanted, |row, key| {
            match key {
                Key::Int(int) if (int as u64) < OWN => numbers[row] = own(int as u64),
                Key::Int(int) => ints.push(int, row),
                Key::Wide(wide) => wides.push(wide, row),
                Key::Text(bytes) => texts.push(bytes, row),
            }
            Ok(())
        })?;
        self.visit(&ints.by_shard(hash_int), numbers, Numbering::ints)?;
        self.visit(&wides.by_shard(hash_wide), numbers, Numbering::wides)?;
        self.visit(&texts.by_shard(hash_bytes), numbers, Numbering::texts)
    }

    /// Visits every shard once, with all that is its own.
    fn visit<K>(
        &self,
        strangers: &ByShard<K>,
        numbers: &mut [u32],
        number: impl Fn(&mut Numbering, &[K], &mut Vec<u32>) -> Result<()>,
    ) -> Result<()> {
        let mut locals = Vec::new();
        for shard in 0..SHARDS {
            let these = strangers.starts[shard]..strangers.starts[shard + 1];
            if these.is_empty() {
                continue;
            }
            {
                let shard = self.shards[shard].lock();
                let mut numbering = shard.unwrap_or_else(PoisonError::into_inner);
                let size = numbering.size();
                number(&mut numbering, &strangers.keys[these.clone()], &mut locals)?;
                // A table may make room before it finds that the key is known.
                self.size.fetch_add(numbering.size() - size, Ordering::Relaxed);
            }
            for (row, local) in strangers.rows[these].iter().zip(&locals) {
                numbers[*row as usize] = given(*local, shard)?;
            }
        }
        Ok(())
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed) + SHARDS * size_of::<Mutex<Numbering>>()
    }
}

/// Values of one kind that are no numbers of their own, with their rows.
struct Strangers<K> {
    keys: Vec<K>,
    rows: Vec<u32>,
}

impl<K> Default for Strangers<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), rows: Vec::new() }
    }
}

impl<K: Copy + Default> Strangers<K> {
    #[inline]
    fn push(&mut self, key: K, row: usize) {
        self.keys.push(key);
        self.rows.push(row as u32); // a batch has far fewer rows than 2^32
    }

    /// The same, those of each shard together.
    fn by_shard(&self, hash: impl Fn(K) -> u64) -> ByShard<K> {
        let shards: Vec<u8> = self.keys.iter().map(|key| shard(hash(*key)) as u8).collect();
        let shards = shards.iter().map(|shard| usize::from(*shard));
        let (keys, _) = counting_sort(shards.clone().zip(self.keys.iter().copied()), SHARDS);
        let (rows, starts) = counting_sort(shards.zip(self.rows.iter().copied()), SHARDS);
        ByShard { keys, rows, starts }
    }
}

/// Values and their rows, in the order of shards.
struct ByShard<K> {
    keys: Vec<K>,
    rows: Vec<u32>,
    /// Where each shard starts; one place more for the end.
    starts: Vec<usize>,
}

#[inline]
fn shard(hash: u64) -> usize {
    (hash >> (u64::BITS - SHARD_BITS)) as usize
}

/// The number of an integer below [`OWN`].
#[inline]
fn own(int: u64) -> u32 {
    ((int >> 16) << 17 | (int & 0xffff)) as u32
}

/// The number of the value that a shard has numbered.
#[inline]
fn given(local: u32, shard: usize) -> Result<u32> {
    let number = u64::from(local) << SHARD_BITS | shard as u64;
    if number >= (1 << 31) - (1 << 16) {
        return Err(Error::limit(
            "more than 2 billion different values that are not small integers",
        )
        .with("help", "count them in parts that have no value in common, and add"));
    }
    Ok(((number >> 16) << 17 | 1 << 16 | (number & 0xffff)) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::buffer::NullBuffer;
    use proptest::prelude::{any, prop_assert_eq, prop_oneof, proptest};

    use super::{Numbers, OWN};

    /// Equal values have equal numbers, and no others have.
    fn check<K: Clone + Eq + std::hash::Hash>(numbers: &[u32], keys: &[Option<K>]) {
        let (mut by_key, mut by_number) = (HashMap::new(), HashMap::new());
        for (number, key) in numbers.iter().zip(keys) {
            if let Some(key) = key {
                assert_eq!(by_key.entry(key.clone()).or_insert(*number), number);
                assert!(by_number.entry(*number).or_insert_with(|| key.clone()) == key);
            }
        }
    }

    proptest! {
        #[test]
        fn equal_values_and_only_they_share_a_number(
            batches in proptest::collection::vec(proptest::collection::vec(proptest::option::of(
                prop_oneof![0..300i64, -5..5i64, OWN as i64 - 3..OWN as i64 + 3, any::<i64>()]
            ), 0..200), 0..5),
        ) {
            let (ints, texts) = (Numbers::default(), Numbers::default());
            let (mut of_ints, mut of_texts, mut part) = (vec![], vec![], vec![]);
            for batch in &batches {
                let array: ArrayRef = Arc::new(Int64Array::from(batch.clone()));
                ints.find(&array, array.nulls(), &mut part).unwrap();
                of_ints.extend(&part);
                let words = batch.iter().map(|int| int.map(|int| format!("u{int}")));
                let array: ArrayRef = Arc::new(words.collect::<StringArray>());
                texts.find(&array, array.nulls(), &mut part).unwrap();
                of_texts.extend(&part);
            }
            let keys: Vec<Option<i64>> = batches.into_iter().flatten().collect();
            check(&of_ints, &keys);
            check(&of_texts, &keys);
            let counted: usize =
                texts.shards.iter().map(|shard| shard.lock().unwrap().size()).sum();
            prop_assert_eq!(texts.size() - Numbers::default().size(), counted);
        }
    }

    #[test]
    fn rows_that_nobody_wants_get_no_number() {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![1, -1, 2, -2]));
        let (numbers, mut found) = (Numbers::default(), Vec::new());
        let rows = NullBuffer::from(vec![true, false, false, true]);
        numbers.find(&array, Some(&rows), &mut found).unwrap();
        assert_eq!(found.len(), 4);
        assert!(found[0] != found[3]);
        let given: u32 = numbers.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert_eq!(given, 1);
    }
}
