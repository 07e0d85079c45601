//! Keys that get their ids in batches: the dictionary is larger than the CPU caches, so many keys
//! are looked up together.

use crate::Result;
use crate::users::{IdDictionary, Key};

/// A queue is full when it holds this many keys of a kind ...
const MAX_KEYS: usize = 4 * 1024;
/// ... or texts of this many bytes.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Keys of some cells that have no id yet.
#[derive(Debug, Default)]
pub(super) struct KeyQueue {
    ints: CellKeys<i64>,
    wides: CellKeys<u128>,
    /// (cell, scope, key): integers and wide keys that have a scope.
    scoped: Vec<(u32, u32, Key<'static>)>,
    /// (cell, scope, end in `bytes`)
    texts: Vec<(u32, u32, usize)>,
    bytes: Vec<u8>,
    /// Scratch: numbers just found.
    found: Vec<u32>,
}

/// Keys and their cells.
#[derive(Debug, Default)]
struct CellKeys<K> {
    cells: Vec<u32>,
    keys: Vec<K>,
}

impl<K> CellKeys<K> {
    #[inline]
    fn push(&mut self, cell: u32, key: K) {
        self.cells.push(cell);
        self.keys.push(key);
    }

    /// Calls `each` with every cell and the id of its key; empties the queue.
    fn drain(
        &mut self,
        numbers: &[u32],
        each: &mut impl FnMut(u32, u32) -> Result<()>,
    ) -> Result<()> {
        self.keys.clear();
        self.cells.drain(..).zip(numbers).try_for_each(|(cell, number)| each(cell, *number))
    }
}

impl KeyQueue {
    /// Adds a key of a cell. Scope 0 is no scope.
    #[inline]
    pub(super) fn push(&mut self, cell: u32, scope: u32, key: Key<'_>) {
        match key {
            Key::Int(int) if scope == 0 => self.ints.push(cell, int),
            Key::Wide(wide) if scope == 0 => self.wides.push(cell, wide),
            Key::Int(int) => self.scoped.push((cell, scope, Key::Int(int))),
            Key::Wide(wide) => self.scoped.push((cell, scope, Key::Wide(wide))),
            Key::Text(bytes) => {
                self.bytes.extend_from_slice(bytes);
                self.texts.push((cell, scope, self.bytes.len()));
            }
        }
    }

    /// Whether it is time to [number](Self::assign_ids) what is here.
    pub(super) fn is_full(&self) -> bool {
        self.ints.keys.len().max(self.wides.keys.len()).max(self.scoped.len()) >= MAX_KEYS
            || self.texts.len() >= MAX_KEYS
            || self.bytes.len() >= MAX_TEXT_BYTES
    }

    /// Whether nothing is here.
    pub(super) fn is_empty(&self) -> bool {
        self.ints.keys.is_empty()
            && self.wides.keys.is_empty()
            && self.scoped.is_empty()
            && self.texts.is_empty()
    }

    /// Calls `each` with the cell and the number of every key. The queue is empty then.
    ///
    /// # Errors
    /// When the dictionary is full, and those of `each`.
    pub(super) fn assign_ids(
        &mut self,
        dictionary: &mut IdDictionary,
        mut each: impl FnMut(u32, u32) -> Result<()>,
    ) -> Result<()> {
        let Self { ints, wides, scoped, texts, bytes, found } = self;
        dictionary.int_ids(&ints.keys, found)?;
        ints.drain(found, &mut each)?;
        dictionary.wide_ids(&wides.keys, found)?;
        wides.drain(found, &mut each)?;
        for (cell, scope, key) in scoped.drain(..) {
            each(cell, dictionary.id(scope, key, key.hash())?)?;
        }
        let mut from = 0;
        for (cell, scope, end) in texts.drain(..) {
            let key = Key::Text(&bytes[from..end]);
            each(cell, dictionary.id(scope, key, key.hash())?)?;
            from = end;
        }
        bytes.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::KeyQueue;
    use crate::users::{IdDictionary, Key};

    /// (cell, scope, kind, key)
    fn keys() -> impl Strategy<Value = Vec<(u32, u32, u8, i64)>> {
        let key = prop_oneof![-3..3i64, any::<i64>()];
        proptest::collection::vec((0..5u32, 0..2u32, 0..3u8, key), 0..200)
    }

    proptest! {
        #[test]
        fn every_cell_gets_the_number_of_its_key(all in keys()) {
            let (mut queue, mut dictionary) = (KeyQueue::default(), IdDictionary::default());
            let texts: Vec<String> = all.iter().map(|(_, _, _, key)| key.to_string()).collect();
            let keys = all.iter().zip(&texts).map(|((cell, scope, kind, key), text)| {
                let key = match kind {
                    0 => Key::Int(*key),
                    1 => Key::Wide(*key as u128),
                    _ => Key::Text(text.as_bytes()),
                };
                (*cell, *scope, key)
            });
            let keys: Vec<_> = keys.collect();
            for part in keys.chunks(70) {
                part.iter().for_each(|(cell, scope, key)| queue.push(*cell, *scope, *key));
                let mut given = Vec::new();
                queue.assign_ids(&mut dictionary, |cell, number| {
                    given.push((cell, number));
                    Ok(())
                }).unwrap();
                prop_assert!(queue.is_empty());
                // Who has a number keeps it, so the second time it is the expected one.
                let number = |(cell, scope, key): &(u32, u32, Key<'_>)| {
                    (*cell, dictionary.id(*scope, *key, key.hash()).unwrap())
                };
                let mut expected: Vec<(u32, u32)> = part.iter().map(number).collect();
                given.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(given, expected);
            }
        }
    }
}
