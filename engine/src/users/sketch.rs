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

use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::RangeInclusive;

use hashbrown::HashTable;
use hyperloglogplus::{HyperLogLog, HyperLogLogPlus};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Precision when none is asked for: 16,384 registers in 13 KiB, 0.81 % standard error.
pub const DEFAULT_PRECISION: u8 = 14;
/// Supported precisions.
pub const PRECISIONS: RangeInclusive<u8> = 4..=18;

const MAGIC: [u8; 5] = [b'H', b'C', b'S', 1, 1];
const HEADER: usize = MAGIC.len() + 2;
const REGISTERS_PER_WORD: usize = 5;
/// What a hash in the list takes on average, the empty places of its table included.
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

/// A sketch of the keys it has seen.
#[derive(Clone, Debug)]
pub struct Sketch {
    precision: u8,
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    List(HashTable<u64>),
    Registers(Box<Registers>),
}

type Registers = HyperLogLogPlus<Hashed, PassThrough>;

impl Sketch {
    /// An empty sketch.
    ///
    /// # Errors
    /// When the precision is outside 4..=18.
    pub fn new(precision: u8) -> Result<Self> {
        if !PRECISIONS.contains(&precision) {
            return Err(Error::input(format!("precision {precision} is outside 4..=18"))
                .with("help", "14 (the default) has a standard error of 0.81 %"));
        }
        Ok(Self { precision, repr: Repr::List(HashTable::new()) })
    }

    /// The number of registers is 2^precision.
    pub fn precision(&self) -> u8 {
        self.precision
    }

    /// Adds a key by its [`Key::hash`](super::Key::hash).
    #[inline]
    pub fn insert(&mut self, hash: u64) -> Result<()> {
        match &mut self.repr {
            Repr::Registers(registers) => {
                registers.insert(&Hashed(hash));
                Ok(())
            }
            Repr::List(list) => {
                list.entry(hash, |h| *h == hash, |h| *h).or_insert(hash);
                self.shrink()
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
        match &other.repr {
            Repr::List(list) => list.iter().try_for_each(|hash| self.insert(*hash)),
            Repr::Registers(theirs) => {
                let list = match &mut self.repr {
                    Repr::Registers(ours) => return merge_registers(ours, theirs),
                    Repr::List(list) => std::mem::take(list),
                };
                self.repr = Repr::Registers(theirs.clone());
                list.iter().try_for_each(|hash| self.insert(*hash))
            }
        }
    }

    /// How many different keys were seen.
    pub fn estimate(&self) -> Estimate {
        self.within(1.96)
    }

    /// As [`estimate`](Self::estimate), with an interval of that many standard errors on both
    /// sides instead of 1.96. Of the normal distribution 1, 2 and 3 hold 68.3, 95.4 and 99.7 %.
    pub fn within(&self, sigmas: f64) -> Estimate {
        match &self.repr {
            Repr::List(list) => {
                let users = list.len() as u64;
                Estimate { users, low: users, high: users }
            }
            Repr::Registers(registers) => {
                // The crate counts behind `&mut`, because of its own list form.
                let users = registers.clone().count().max(0.0);
                let error = sigmas * 1.04 / f64::from(1u32 << self.precision).sqrt();
                Estimate {
                    users: users.round() as u64,
                    low: (users / (1.0 + error)).floor() as u64,
                    high: (users / (1.0 - error).max(0.01)).ceil() as u64,
                }
            }
        }
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        match &self.repr {
            Repr::List(list) => list.allocation_size(),
            Repr::Registers(_) => size_of::<Registers>() + register_bytes(self.precision),
        }
    }

    /// The stored form; equal sketches have equal bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(self.precision);
        match &self.repr {
            Repr::List(list) => {
                bytes.push(0);
                let mut hashes: Vec<u64> = list.iter().copied().collect();
                hashes.sort_unstable();
                bytes.extend(hashes.iter().flat_map(|hash| hash.to_le_bytes()));
            }
            Repr::Registers(registers) => {
                bytes.push(1);
                let words = Mirror::of(registers)?.words()?;
                bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            }
        }
        Ok(bytes)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When the bytes are not a whole sketch of a version that this program knows.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bad = |what: &str| Error::input(format!("not a user sketch: {what}"));
        let header = bytes.get(..HEADER).ok_or_else(|| bad("too short"))?;
        if header[..3] != MAGIC[..3] {
            return Err(bad("it does not start with HCS"));
        }
        if header[3..5] != MAGIC[3..] {
            return Err(bad("unknown version").with("help", "was it written by a newer program?"));
        }
        let mut sketch = Self::new(header[5])?;
        let body = &bytes[HEADER..];
        match header[6] {
            0 if body.len().is_multiple_of(8) => {
                let mut last = None;
                for chunk in body.chunks_exact(8) {
                    let hash = u64::from_le_bytes(array(chunk)?);
                    if last.is_some_and(|last| last >= hash) {
                        return Err(bad("its hashes are not in ascending order"));
                    }
                    last = Some(hash);
                    sketch.insert(hash)?;
                }
                match sketch.repr {
                    Repr::List(_) => Ok(sketch),
                    Repr::Registers(_) => Err(bad("its list is longer than the registers")),
                }
            }
            1 if body.len() == word_count(sketch.precision) * 4 => {
                let words = body
                    .chunks_exact(4)
                    .map(|chunk| Ok(u32::from_le_bytes(array(chunk)?)))
                    .collect::<Result<Vec<u32>>>()?;
                let registers = Mirror::with_words(sketch.precision, words)?.into_registers()?;
                sketch.repr = Repr::Registers(Box::new(registers));
                Ok(sketch)
            }
            0 | 1 => Err(bad("its length is wrong")),
            _ => Err(bad("unknown kind")),
        }
    }

    /// Turns the list into registers once these take no more memory.
    #[inline]
    fn shrink(&mut self) -> Result<()> {
        let Repr::List(list) = &self.repr else { return Ok(()) };
        // By the number of hashes alone: what a table allocates depends on how it was filled, and
        // equal sketches must have equal bytes.
        if list.len() * BYTES_PER_HASH <= register_bytes(self.precision) {
            return Ok(());
        }
        let words = vec![0; word_count(self.precision)];
        let mut registers = Mirror::with_words(self.precision, words)?.into_registers()?;
        for hash in list {
            registers.insert(&Hashed(*hash));
        }
        self.repr = Repr::Registers(Box::new(registers));
        Ok(())
    }
}

fn merge_registers(ours: &mut Registers, theirs: &Registers) -> Result<()> {
    ours.merge(theirs).map_err(|error| Error::internal(error.to_string()))
}

fn array<const N: usize>(chunk: &[u8]) -> Result<[u8; N]> {
    chunk.try_into().map_err(|_| Error::internal("a chunk of the wrong length"))
}

fn word_count(precision: u8) -> usize {
    (1usize << precision).div_ceil(REGISTERS_PER_WORD)
}

fn register_bytes(precision: u8) -> usize {
    word_count(precision) * size_of::<u32>()
}

/// A hash that is its own hash: the crate hashes what it is given, ours is hashed already.
#[derive(Clone, Debug)]
struct Hashed(u64);

impl Hash for Hashed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct PassThrough;

impl BuildHasher for PassThrough {
    type Hasher = PassThroughHasher;

    fn build_hasher(&self) -> Self::Hasher {
        PassThroughHasher(0)
    }
}

struct PassThroughHasher(u64);

impl Hasher for PassThroughHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `write_u64` is ever called; anything else still has to be a function of the input.
        self.0 = super::hash_bytes(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The fields of [`HyperLogLogPlus`] in its serde form: the crate gives no other way to its
/// registers, nor to a sketch that starts with registers instead of its own (slow) list form.
#[derive(Debug, Serialize, Deserialize)]
struct Mirror {
    builder: PassThrough,
    precision: u8,
    counts: (usize, usize, usize),
    tmpset: Vec<u32>,
    sparse: (usize, u32, Vec<u8>),
    registers: Option<(Vec<u32>, usize, usize)>,
    phantom: (),
}

impl Mirror {
    fn of(registers: &Registers) -> Result<Self> {
        let bytes = postcard::to_allocvec(registers).map_err(mirror_error)?;
        postcard::from_bytes(&bytes).map_err(mirror_error)
    }

    /// Checks every register: at most 64 - precision + 1, and nothing behind the last one.
    fn with_words(precision: u8, words: Vec<u32>) -> Result<Self> {
        let count = 1usize << precision;
        let highest = u32::from(64 - precision + 1);
        let mut zeros = 0;
        for (at, word) in words.iter().enumerate() {
            let used = REGISTERS_PER_WORD.min(count - at * REGISTERS_PER_WORD);
            for register in (0..used).map(|place| (word >> (6 * place)) & 63) {
                if register > highest {
                    return Err(Error::input("not a user sketch: a register is out of range"));
                }
                zeros += usize::from(register == 0);
            }
            if u64::from(*word) >> (6 * used) != 0 {
                return Err(Error::input("not a user sketch: bits behind the last register"));
            }
        }
        Ok(Self {
            builder: PassThrough,
            precision,
            counts: (count, 1 << 24, 4 * count / REGISTERS_PER_WORD),
            tmpset: Vec::new(),
            sparse: (0, 0, Vec::new()),
            registers: Some((words, count, zeros)),
            phantom: (),
        })
    }

    fn words(self) -> Result<Vec<u32>> {
        self.registers
            .map(|(words, _, _)| words)
            .ok_or_else(|| Error::internal("a dense sketch without registers"))
    }

    fn into_registers(self) -> Result<Registers> {
        let bytes = postcard::to_allocvec(&self).map_err(mirror_error)?;
        postcard::from_bytes(&bytes).map_err(mirror_error)
    }
}

fn mirror_error(error: postcard::Error) -> Error {
    Error::internal("the register layout of hyperloglogplus is not the expected one")
        .caused_by(error)
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
            sketch.insert(hash_int(key)).unwrap();
        }
        sketch
    }

    #[test]
    fn few_users_are_exact_and_many_are_within_three_standard_errors() {
        for precision in PRECISIONS {
            for users in [0, 1, 5, 1_000, 60_000, 400_000] {
                let sketch = sketch(precision, (0..users).chain(0..users / 2));
                let estimate = sketch.estimate();
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
        let good = sketch(6, 0..500).to_bytes().unwrap();
        let list = sketch(14, 0..3).to_bytes().unwrap();
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
            let whole = sketch(precision, b.iter().chain(&a).copied());
            let distinct: HashSet<i64> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(whole.estimate(), merged.estimate());
            let bytes = whole.to_bytes().unwrap();
            prop_assert_eq!(&bytes, &merged.to_bytes().unwrap());
            let back = Sketch::from_bytes(&bytes).unwrap();
            prop_assert_eq!(back.estimate(), whole.estimate());
            // As long as the list is smaller than the registers it counts exactly.
            let few = distinct.len() <= (1 << precision) / 20;
            prop_assert!(!few || whole.estimate().users == distinct.len() as u64);
        }
    }
}
