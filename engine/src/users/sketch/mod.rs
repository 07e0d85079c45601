//! An approximate set: it estimates how many different keys it has seen, in bounded memory.
//!
//! A sketch starts as a short list of hashes, which is exact but for collisions of 64-bit hashes,
//! and becomes HyperLogLog++ registers (crate `hyperloglogplus`) as soon as these are smaller.
//! The hash is fixed ([`Key::hash`](super::Key::hash)), so sketches of different machines and
//! days merge, and equal input gives equal bytes.
//!
//! Standard error of the registers is 1.04 / sqrt(2^precision): 0.81 % at precision 14
//! (Heule, Nunkesser, Hall 2013, doi 10.1145/2452376.2452456). The stated interval is +-1.96
//! standard errors, 95 %.
//!
//! # Stored bytes, version 1
//!
//! `"HCS" version=1 hash=1 precision kind`, then for kind 0 the hashes, ascending, 8 bytes each,
//! little-endian; for kind 1 the registers, five of 6 bits to a little-endian 32-bit word, the
//! first in the lowest bits. Reading validates everything; anything else is an error.

mod registers;

use std::borrow::Cow;
use std::ops::RangeInclusive;

use self::registers::{Registers, word_count};
use crate::{Error, Result};

/// Default precision: 16,384 registers in 13 KiB, 0.81 % standard error.
pub const DEFAULT_PRECISION: u8 = 14;
/// Supported precisions.
pub const PRECISIONS: RangeInclusive<u8> = 4..=18;

const MAGIC: [u8; 5] = [b'H', b'C', b'S', 1, 1];
const HEADER: usize = MAGIC.len() + 2;
/// Places in a list that gets its first hash.
const INITIAL_CAPACITY: usize = 4;
/// What a hash in the list takes on average: half of the places of a long list are for hashes
/// that are in it already.
const BYTES_PER_HASH: usize = 16;

/// An estimate with its 95 % interval; all three are equal while the sketch is still a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The most likely number of users.
    pub users: u64,
    /// Lower end of the 95 % interval.
    pub low: u64,
    /// Upper end of the 95 % interval.
    pub high: u64,
}

impl Estimate {
    /// A count that is exact.
    pub fn exact(users: u64) -> Self {
        Self { users, low: users, high: users }
    }
}

/// A sketch of the keys it has seen.
#[derive(Clone, Debug)]
pub struct Sketch {
    precision: u8,
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    /// Hashes in any order, some of them more than once; never more than have room.
    List(Vec<u64>),
    Registers(Registers),
}

impl Sketch {
    /// An empty sketch.
    ///
    /// # Errors
    /// When the precision is outside 4..=18.
    pub fn new(precision: u8) -> Result<Self> {
        if !PRECISIONS.contains(&precision) {
            return Err(Error::input(format!(
                "the precision must be from 4 to 18, not {precision}"
            ))
            .with("help", "the default, 14, has a standard error of 0.81 %"));
        }
        Ok(Self { precision, repr: Repr::List(Vec::new()) })
    }

    /// The number of registers is 2^precision.
    pub fn precision(&self) -> u8 {
        self.precision
    }

    /// Adds a key by its [`Key::hash`](super::Key::hash).
    #[inline]
    pub fn insert(&mut self, hash: u64) {
        self.insert_counting(hash, &mut 0);
    }

    /// [`insert`](Self::insert); `heap` changes by what [`size`](Self::size) changes.
    #[inline]
    pub fn insert_counting(&mut self, hash: u64, heap: &mut usize) {
        match &mut self.repr {
            Repr::Registers(registers) => registers.insert_hash(hash),
            Repr::List(list) if list.len() < list.capacity() => list.push(hash),
            Repr::List(_) => {
                self.grow(heap);
                self.insert(hash);
            }
        }
    }

    /// Adds everything that `other` has seen.
    ///
    /// # Errors
    /// When the precisions differ: the result would be neither.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.precision != other.precision {
            let (ours, theirs) = (self.precision, other.precision);
            return Err(Error::input(format!(
                "cannot merge sketches of precision {ours} and {theirs}"
            )));
        }
        match (&mut self.repr, &other.repr) {
            (Repr::Registers(ours), Repr::Registers(theirs)) => ours.merge(theirs),
            (Repr::List(ours), Repr::Registers(theirs)) => {
                let mut registers = theirs.clone();
                ours.iter().for_each(|hash| registers.insert_hash(*hash));
                self.repr = Repr::Registers(registers);
            }
            (_, Repr::List(theirs)) => theirs.iter().for_each(|hash| self.insert(*hash)),
        }
        Ok(())
    }

    /// How many different keys were seen.
    ///
    /// # Errors
    /// Only if the crate behind the registers is not the one that this was built for.
    pub fn estimate(&self) -> Result<Estimate> {
        self.within(1.96)
    }

    /// As [`estimate`](Self::estimate), with an interval of that many standard errors on both
    /// sides instead of 1.96. Of the normal distribution 1, 2 and 3 hold 68.3, 95.4 and 99.7 %.
    ///
    /// # Errors
    /// As `estimate`.
    pub fn within(&self, sigmas: f64) -> Result<Estimate> {
        Ok(match &self.normalized().repr {
            Repr::List(list) => Estimate::exact(list.len() as u64),
            Repr::Registers(registers) => {
                let users = registers.estimate()?;
                let error = sigmas * 1.04 / f64::from(1u32 << self.precision).sqrt();
                Estimate {
                    users: users.round() as u64,
                    low: (users / (1.0 + error)).floor() as u64,
                    high: (users / (1.0 - error).max(0.01)).ceil() as u64,
                }
            }
        })
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        match &self.repr {
            Repr::List(list) => list.capacity() * size_of::<u64>(),
            Repr::Registers(registers) => registers.size(),
        }
    }

    /// The stored form; equal sketches have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(self.precision);
        match &self.normalized().repr {
            Repr::List(hashes) => {
                bytes.push(0);
                bytes.extend(hashes.iter().flat_map(|hash| hash.to_le_bytes()));
            }
            Repr::Registers(registers) => {
                bytes.push(1);
                bytes.extend(registers.words().iter().flat_map(|word| word.to_le_bytes()));
            }
        }
        bytes
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When the bytes are not a complete sketch of a supported version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bad = |what: &str| Error::input(format!("invalid user sketch: {what}"));
        let header = bytes.get(..HEADER).ok_or_else(|| bad("too short"))?;
        if header[..3] != MAGIC[..3] {
            return Err(bad("it does not start with HCS"));
        }
        if header[3..5] != MAGIC[3..] {
            return Err(bad("unknown version")
                .with("help", "it may have been written by a newer version of headcount"));
        }
        let mut sketch = Self::new(header[5])?;
        let body = &bytes[HEADER..];
        sketch.repr = match header[6] {
            0 => {
                let (hashes, []) = body.as_chunks() else { return Err(bad("wrong length")) };
                let list: Vec<u64> = hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect();
                if !list.is_sorted_by(|a, b| a < b) {
                    return Err(bad("the hashes are not in ascending order"));
                }
                if list.len() > sketch.longest_list() {
                    return Err(bad("the list is longer than the registers"));
                }
                Repr::List(list)
            }
            1 => {
                let (words, []) = body.as_chunks() else { return Err(bad("wrong length")) };
                let words = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
                Repr::Registers(Registers::of_words(sketch.precision, words)?)
            }
            _ => return Err(bad("unknown kind")),
        };
        Ok(sketch)
    }

    /// So many different hashes take no more memory than the registers.
    fn longest_list(&self) -> usize {
        word_count(self.precision) * size_of::<u32>() / BYTES_PER_HASH
    }

    /// Makes room for another hash in a full list, which may become registers for that.
    #[cold]
    fn grow(&mut self, heap: &mut usize) {
        let before = self.size();
        self.normalize();
        let longest = 2 * self.longest_list();
        if let Repr::List(list) = &mut self.repr
            && list.len() * 2 >= list.capacity()
        {
            let room = (list.capacity() * 2).max(INITIAL_CAPACITY).min(longest);
            list.reserve_exact(room - list.len());
        }
        *heap = (*heap + self.size()).wrapping_sub(before);
    }

    /// Brings a list into order, every hash once, and turns it into registers if it is longer
    /// than these. By the number of its hashes alone: equal sketches must have equal bytes,
    /// whatever they were made of.
    fn normalize(&mut self) {
        let longest = self.longest_list();
        let Repr::List(list) = &mut self.repr else { return };
        list.sort_unstable();
        list.dedup();
        if list.len() > longest {
            let mut registers = Registers::new(self.precision);
            list.iter().for_each(|hash| registers.insert_hash(*hash));
            self.repr = Repr::Registers(registers);
        }
    }

    /// The same sketch, settled.
    fn normalized(&self) -> Cow<'_, Self> {
        match &self.repr {
            Repr::Registers(_) => Cow::Borrowed(self),
            Repr::List(_) => {
                let mut normalized = self.clone();
                normalized.normalize();
                Cow::Owned(normalized)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{PRECISIONS, Sketch};
    use crate::users::hash_int;

    fn sketch(precision: u8, keys: impl IntoIterator<Item = i64>) -> Sketch {
        let mut sketch = Sketch::new(precision).unwrap();
        for key in keys {
            sketch.insert(hash_int(key));
        }
        sketch
    }

    #[test]
    fn few_users_are_exact_and_many_are_within_three_standard_errors() {
        for precision in PRECISIONS {
            for users in [0, 1, 5, 1_000, 60_000, 400_000] {
                let sketch = sketch(precision, (0..users).chain(0..users / 2));
                let estimate = sketch.estimate().unwrap();
                let error = 3.0 * 1.04 / f64::from(1u32 << precision).sqrt();
                let off = (estimate.users as f64 - users as f64).abs();
                assert!(off <= error * users as f64 + 0.5, "p {precision}, {users}: {estimate:?}");
                assert!(estimate.low <= estimate.users && estimate.users <= estimate.high);
                assert!(sketch.size() <= (1usize << precision) + 512, "{}", sketch.size());
            }
        }
    }

    #[test]
    fn bytes_that_are_not_a_sketch_are_errors() {
        let good = sketch(6, 0..500).to_bytes();
        let list = sketch(14, 0..3).to_bytes();
        assert!(Sketch::from_bytes(&good).is_ok() && Sketch::from_bytes(&list).is_ok());
        let mut cases: Vec<(Vec<u8>, &str)> = vec![
            (Vec::new(), "too short"),
            (b"hello, world".to_vec(), "HCS"),
            (good[..good.len() - 1].to_vec(), "length"),
            (list[..list.len() - 1].to_vec(), "length"),
        ];
        for (at, value, expected) in
            [(3, 9, "version"), (5, 3, "precision"), (6, 7, "kind"), (10, 0xff, "behind|range")]
        {
            let mut broken = good.clone();
            broken[at] = value;
            cases.push((broken, expected));
        }
        let mut unsorted = list.clone();
        unsorted[7..].rotate_left(8);
        cases.push((unsorted, "ascending"));
        for (bytes, expected) in cases {
            let error = Sketch::from_bytes(&bytes).unwrap_err().to_string();
            assert!(expected.split('|').any(|word| error.contains(word)), "{error}: {expected}");
        }
        assert!(sketch(6, 0..3).merge(&sketch(7, 0..3)).is_err());
    }

    proptest! {
        #[test]
        fn order_and_merging_do_not_change_the_bytes(
            a in proptest::collection::vec(any::<i64>(), 0..400),
            b in proptest::collection::vec(any::<i64>(), 0..400),
            precision in 4u8..=10,
        ) {
            let mut merged = sketch(precision, a.iter().copied());
            merged.merge(&sketch(precision, b.iter().copied())).unwrap();
            let combined = sketch(precision, b.iter().chain(&a).copied());
            let distinct: HashSet<i64> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(combined.estimate().unwrap(), merged.estimate().unwrap());
            let bytes = combined.to_bytes();
            prop_assert_eq!(&bytes, &merged.to_bytes());
            let back = Sketch::from_bytes(&bytes).unwrap();
            prop_assert_eq!(back.estimate().unwrap(), combined.estimate().unwrap());
            // As long as the list is smaller than the registers it counts exactly.
            let few = distinct.len() <= (1 << precision) / 20;
            prop_assert!(!few || combined.estimate().unwrap().users == distinct.len() as u64);
        }
    }
}
