//! A set of keys themselves, in one order: integers, then UUIDs, then bytes.

use std::collections::BTreeSet;

use super::operation::Operation;
use crate::users::Key;

/// A key that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum OwnedKey {
    Int(i64),
    Wide(u128),
    Text(Box<[u8]>),
}

impl OwnedKey {
    fn of(key: Key<'_>) -> Self {
        match key {
            Key::Int(int) => Self::Int(int),
            Key::Wide(wide) => Self::Wide(wide),
            Key::Text(text) => Self::Text(text.into()),
        }
    }

    fn key(&self) -> Key<'_> {
        match self {
            Self::Int(int) => Key::Int(*int),
            Self::Wide(wide) => Key::Wide(*wide),
            Self::Text(text) => Key::Text(text),
        }
    }

    /// Bytes that the key takes in a set: nodes of the tree are about two thirds full.
    fn size(&self) -> usize {
        let here = size_of::<Self>() * 3 / 2;
        match self {
            Self::Text(text) => here + text.len(),
            _ => here,
        }
    }
}

/// A set of keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    set: BTreeSet<OwnedKey>,
    size: usize,
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.set == other.set
    }
}

impl<'a> FromIterator<Key<'a>> for Keys {
    fn from_iter<I: IntoIterator<Item = Key<'a>>>(keys: I) -> Self {
        Self::of(keys.into_iter().map(OwnedKey::of).collect())
    }
}

impl Keys {
    fn of(set: BTreeSet<OwnedKey>) -> Self {
        let size = set.iter().map(OwnedKey::size).sum();
        Self { set, size }
    }

    pub(super) fn len(&self) -> u64 {
        self.set.len() as u64
    }

    pub(super) fn contains(&self, key: Key<'_>) -> bool {
        self.set.contains(&OwnedKey::of(key))
    }

    /// The keys in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Key<'_>> {
        self.set.iter().map(OwnedKey::key)
    }

    pub(super) fn apply(self, operation: Operation, other: Self) -> Self {
        match operation {
            Operation::Or => {
                let (mut large, small) =
                    if self.set.len() < other.set.len() { (other, self) } else { (self, other) };
                for key in small.set {
                    let size = key.size();
                    if large.set.insert(key) {
                        large.size += size;
                    }
                }
                large
            }
            Operation::And => self.retain_keys(|key| other.set.contains(key)),
            Operation::AndNot => self.retain_keys(|key| !other.set.contains(key)),
            Operation::Xor => {
                Self::of(self.set.symmetric_difference(&other.set).cloned().collect())
            }
        }
    }

    fn retain_keys(mut self, wanted: impl Fn(&OwnedKey) -> bool) -> Self {
        self.set.retain(wanted);
        Self::of(self.set)
    }

    /// How many keys both have.
    pub(super) fn common_with(&self, other: &Self) -> u64 {
        let (large, small) =
            if self.set.len() < other.set.len() { (other, self) } else { (self, other) };
        small.set.iter().filter(|key| large.set.contains(key)).count() as u64
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn insert(&mut self, key: Key<'_>) {
        let key = OwnedKey::of(key);
        let size = key.size();
        if self.set.insert(key) {
            self.size += size;
        }
    }

    /// Adds a key behind all others; false if it belongs elsewhere.
    pub(super) fn push(&mut self, key: Key<'_>) -> bool {
        let key = OwnedKey::of(key);
        if self.set.last().is_some_and(|last| *last >= key) {
            return false;
        }
        self.size += key.size();
        self.set.insert(key)
    }
}
