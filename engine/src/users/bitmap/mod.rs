//! A set of users as a value. Its bytes say which kind of keys or ids it holds.
//!
//! | form | holds | bytes |
//! |---|---|---|
//! | integers | keys that are integers, by their 64 bits | Roaring portable, of 32 bits if that is enough |
//! | numbered | integers below 2^32, and ids assigned by one store | `HCB`, version, [`Space`], Roaring |
//! | keys | keys of any kind, themselves | `HCK`, version, the keys in order |
//!
//! An integer below 2^32 is stored as it is in every store, so sets of the first two forms can be
//! combined unless they hold a larger integer. Other sets cannot: combining ids of two stores, or
//! ids and keys, is an error. The empty set belongs to all forms.
//!
//! Equal sets have equal bytes, and reading checks every byte ([`bytes`]). The portable format is
//! <https://github.com/RoaringBitmap/RoaringFormatSpec>.

mod bytes;
mod ids;
mod keys;
mod operation;

#[cfg(test)]
mod tests;

use std::fmt;

use roaring::{RoaringBitmap, RoaringTreemap};

use super::Key;
use crate::{Error, Result};
use keys::Keys;

pub use operation::Operation;

/// Numbers from here on are no numbers in the sense of a store.
const FIRST_STORE_ID: u64 = 1 << 32;

/// Identifies the id space of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Space(pub [u8; 16]);

impl TryFrom<&[u8]> for Space {
    type Error = Error;

    fn try_from(bytes: &[u8]) -> Result<Self> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| Error::input(format!("a store id has 16 bytes, not {}", bytes.len())))
    }
}

/// As hexadecimal digits.
impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A set of users with its identity space.
#[derive(Clone, Debug, PartialEq)]
pub struct Bitmap(Members);

#[derive(Clone, Debug, PartialEq)]
enum Members {
    /// Integers; with a space, those from [`FIRST_STORE_ID`] on are numbers of that store.
    Numbers(Option<Space>, RoaringTreemap),
    Keys(Keys),
}

impl Default for Bitmap {
    fn default() -> Self {
        Self(Members::Numbers(None, RoaringTreemap::new()))
    }
}

/// Integers by their bits, in any order.
impl FromIterator<u64> for Bitmap {
    fn from_iter<I: IntoIterator<Item = u64>>(integers: I) -> Self {
        Self(Members::Numbers(None, integers.into_iter().collect()))
    }
}

impl From<RoaringBitmap> for Bitmap {
    fn from(integers: RoaringBitmap) -> Self {
        Self::of_numbers(None, RoaringTreemap::from_bitmaps([(0, integers)]))
    }
}

impl Bitmap {
    /// A set of keys, in any order.
    pub fn of_keys<'a>(keys: impl IntoIterator<Item = Key<'a>>) -> Self {
        Self(Members::Keys(keys.into_iter().collect()))
    }

    /// Adds a key to a set of keys.
    ///
    /// # Errors
    /// When it is a set of numbers.
    pub fn insert(&mut self, key: Key<'_>) -> Result<()> {
        match &mut self.0 {
            Members::Keys(keys) => {
                keys.insert(key);
                Ok(())
            }
            Members::Numbers(..) => Err(Error::internal("a key for a set of numbers")),
        }
    }

    /// A set without given numbers belongs to no space.
    fn of_numbers(space: Option<Space>, numbers: RoaringTreemap) -> Self {
        if numbers.is_empty() {
            return Self::default();
        }
        let space = space.filter(|_| numbers.max().is_some_and(|max| max >= FIRST_STORE_ID));
        Self(Members::Numbers(space, numbers))
    }

    /// How many users are in it.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Members::Numbers(_, numbers) => numbers.len(),
            Members::Keys(keys) => keys.len(),
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Members::Numbers(_, numbers) => numbers.is_empty(),
            Members::Keys(keys) => keys.len() == 0,
        }
    }

    /// Whether a user is in it.
    ///
    /// # Errors
    /// When the id of this key is only in the store.
    pub fn contains(&self, key: Key<'_>) -> Result<bool> {
        match (&self.0, key) {
            (Members::Keys(keys), key) => Ok(keys.contains(key)),
            (Members::Numbers(None, numbers), Key::Int(int)) => Ok(numbers.contains(int as u64)),
            (Members::Numbers(None, _), _) => Ok(false),
            (Members::Numbers(Some(_), numbers), Key::Int(int))
                if (int as u64) < FIRST_STORE_ID =>
            {
                Ok(numbers.contains(int as u64))
            }
            (Members::Numbers(Some(space), _), _) => Err(Error::input(
                "this set contains ids assigned by a store, so only integers from 0 to 4294967295 \
                 can be looked up in it",
            )
            .with("store", space)
            .with("help", "for other keys, look up the id in the table `users` of the store")),
        }
    }

    /// The set made of two.
    ///
    /// # Errors
    /// When the sets belong to different identity spaces.
    pub fn apply(self, operation: Operation, other: Self) -> Result<Self> {
        use Operation::{And, AndNot, Or, Xor};
        let space = self.common(&other)?;
        Ok(match (self.0, other.0) {
            (Members::Numbers(_, ours), Members::Numbers(_, theirs)) => Self::of_numbers(
                space,
                match operation {
                    And => ours & theirs,
                    Or => ours | theirs,
                    Xor => ours ^ theirs,
                    AndNot => ours - theirs,
                },
            ),
            (Members::Keys(ours), Members::Keys(theirs)) => {
                Self(Members::Keys(ours.apply(operation, theirs)))
            }
            // One of them is empty.
            (ours, theirs) => {
                let (ours, theirs) = (Self(ours), Self(theirs));
                match operation {
                    And => Self::default(),
                    Or | Xor if ours.is_empty() => theirs,
                    Or | Xor | AndNot => ours,
                }
            }
        })
    }

    /// How many users are in the set made of two, without making it.
    ///
    /// # Errors
    /// When the sets belong to different identity spaces.
    pub fn count(&self, operation: Operation, other: &Self) -> Result<u64> {
        self.common(other)?;
        let both = match (&self.0, &other.0) {
            (Members::Numbers(_, ours), Members::Numbers(_, theirs)) => {
                ours.intersection_len(theirs)
            }
            (Members::Keys(ours), Members::Keys(theirs)) => ours.common_with(theirs),
            _ => 0,
        };
        Ok(match operation {
            Operation::And => both,
            Operation::Or => self.len() + other.len() - both,
            Operation::Xor => self.len() + other.len() - 2 * both,
            Operation::AndNot => self.len() - both,
        })
    }

    /// Every user as an integer, by its 64 bits, in the order of the bits.
    ///
    /// # Errors
    /// When a user is no integer.
    pub fn integers(&self) -> Result<Vec<i64>> {
        match &self.0 {
            Members::Numbers(None, numbers) => Ok(numbers.iter().map(|bits| bits as i64).collect()),
            Members::Numbers(Some(space), _) => Err(no_keys_error(space)),
            Members::Keys(keys) => keys
                .iter()
                .map(|key| match key {
                    Key::Int(int) => Ok(int),
                    _ => Err(Error::input("this set contains keys that are not integers")
                        .with("help", "return text instead: bitmap_to_array(b, 'text')")),
                })
                .collect(),
        }
    }

    /// Every user as a text: integers in digits, UUIDs in lower case.
    ///
    /// # Errors
    /// When a key is binary and no text, or a number that a store has given.
    pub fn texts(&self) -> Result<Vec<String>> {
        match &self.0 {
            Members::Numbers(None, _) => {
                Ok(self.integers()?.iter().map(ToString::to_string).collect())
            }
            Members::Numbers(Some(space), _) => Err(no_keys_error(space)),
            Members::Keys(keys) => keys.iter().map(text).collect(),
        }
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        match &self.0 {
            Members::Keys(keys) => keys.size(),
            Members::Numbers(_, numbers) => {
                let size = |(_, bitmap): (u32, &RoaringBitmap)| {
                    let held = bitmap.statistics();
                    // The crate counts array entries as 4 bytes instead of 2, and bitsets in bits.
                    NODE + held.n_containers as usize * CONTAINER
                        + held.n_bytes_array_containers as usize / 2
                        + held.n_bytes_run_containers as usize
                        + held.n_bitset_containers as usize * BITSET
                };
                numbers.bitmaps().map(size).sum()
            }
        }
    }

    /// The space that both belong to, if any.
    fn common(&self, other: &Self) -> Result<Option<Space>> {
        let small = |numbers: &RoaringTreemap| numbers.max().is_none_or(|max| max < FIRST_STORE_ID);
        match (&self.0, &other.0) {
            (Members::Numbers(None, _), Members::Numbers(None, _)) => Ok(None),
            (Members::Numbers(Some(ours), _), Members::Numbers(Some(theirs), _)) => {
                if ours == theirs {
                    return Ok(Some(*ours));
                }
                Err(Error::input(
                    "these sets contain ids of two different stores, which cannot be combined",
                )
                .with("store", format!("{ours} and {theirs}"))
                .with("help", "ingest the events of both into one store"))
            }
            (Members::Numbers(Some(space), _), Members::Numbers(None, integers))
            | (Members::Numbers(None, integers), Members::Numbers(Some(space), _)) => {
                if small(integers) {
                    return Ok(Some(*space));
                }
                Err(Error::input(
                    "a set with ids of a store cannot be combined with integers above 4294967295: \
                     the store assigned other ids to these users",
                )
                .with("store", space))
            }
            (Members::Keys(_), Members::Keys(_)) => Ok(None),
            _ if self.is_empty() || other.is_empty() => Ok(None),
            _ => Err(Error::input(
                "a set of integers and a set of keys (text, UUIDs, binary) cannot be combined",
            )
            .with("help", "build both from columns of the same type")),
        }
    }
}

/// What a partition of a map, a container and a bitset take.
const NODE: usize = 48;
const CONTAINER: usize = 40;
const BITSET: usize = 8_192;

fn no_keys_error(space: &Space) -> Error {
    Error::input("this set contains ids assigned by a store, not user keys")
        .with("store", space)
        .with("help", "the table `users` of the store has the key of every id")
}

/// How a key prints.
fn text(key: Key<'_>) -> Result<String> {
    match key {
        Key::Int(int) => Ok(int.to_string()),
        Key::Wide(wide) => {
            let hex = format!("{wide:032x}");
            let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
            Ok(format!("{a}-{b}-{c}-{d}-{e}"))
        }
        Key::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Error::input("a key in this set is not valid UTF-8")),
        },
    }
}
