//! HyperLogLog++ registers that are fast to update.
//!
//! The layout of the registers and the update rule are those of the crate `hyperloglogplus`, which
//! computes the estimate. These registers also keep the smallest register value, so most hashes are
//! known to change nothing before a register is read: with 60 users per register, seven of eight.
//!
//! *Why not the crate's own methods?* `insert`, `merge` and `count` are all that it has: registers
//! can neither be read, which the stored form needs, nor given, and a sketch leaves the crate's
//! sparse form only when it has seen enough hashes. So registers reach `count` through the serde
//! form of the crate, which a test compares with what `insert` makes. Measured at precision 14:
//! filling these registers with 100,000 hashes takes 0.46 ms, the crate 2.0 ms (1,500: 0.01 and
//! 0.13 ms; a million: 3.4 and 4.0 ms); an estimate takes 0.05 ms. With `insert` alone, one hash
//! made for each register, it takes 1.1 ms and is wrong while the crate stays sparse: 1,434 instead
//! of 1,501 for 1,500 hashes, at precision 18 83,405 instead of 100,089 for 100,000.

use std::hash::{BuildHasher, Hasher};

use hyperloglogplus::{HyperLogLog, HyperLogLogPlus};
use serde::{Deserialize, Serialize};

use crate::users::hash_bytes;
use crate::{Error, Result};

const REGISTERS_PER_WORD: usize = 5;
const REGISTER_BITS: u32 = 6;
const MASK: u32 = (1 << REGISTER_BITS) - 1;

/// 2^precision registers of 6 bits, five to a word, the first in the lowest bits.
#[derive(Clone, Debug)]
pub(super) struct Registers {
    words: Box<[u32]>,
    precision: u8,
    /// The smallest register ...
    floor: u8,
    /// ... and how many are as small.
    at_floor: u32,
}

impl Registers {
    /// Empty registers.
    pub(super) fn new(precision: u8) -> Self {
        let words = vec![0; word_count(precision)].into();
        Self { words, precision, floor: 0, at_floor: 1 << precision }
    }

    /// The registers of these words.
    ///
    /// # Errors
    /// When their number is wrong, a register is higher than any hash can raise it, or something
    /// stands behind the last one.
    pub(super) fn of_words(precision: u8, words: Box<[u32]>) -> Result<Self> {
        let bad = |what: &str| Err(Error::input(format!("invalid user sketch: {what}")));
        if words.len() != word_count(precision) {
            return bad("wrong length");
        }
        let highest = u32::from(u64::BITS as u8 - precision + 1);
        for (at, word) in words.iter().enumerate() {
            let used = REGISTERS_PER_WORD.min((1 << precision) - at * REGISTERS_PER_WORD);
            if lanes(*word).take(used).any(|register| register > highest) {
                return bad("a register is out of range");
            }
            if u64::from(*word) >> (REGISTER_BITS as usize * used) != 0 {
                return bad("nonzero bits after the last register");
            }
        }
        let mut registers = Self { words, precision, floor: 0, at_floor: 0 };
        registers.find_floor();
        Ok(registers)
    }

    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }

    /// Raises the register of a hash, if it is lower than that.
    #[inline]
    pub(super) fn insert_hash(&mut self, hash: u64) {
        let rest = (hash << self.precision) | 1 << (self.precision - 1);
        let rank = 1 + rest.leading_zeros();
        if rank > u32::from(self.floor) {
            self.raise_to((hash >> (u64::BITS - u32::from(self.precision))) as usize, rank);
        }
    }

    #[inline]
    fn raise_to(&mut self, register: usize, rank: u32) {
        let (word, shift) = (
            &mut self.words[register / REGISTERS_PER_WORD],
            REGISTER_BITS * (register % REGISTERS_PER_WORD) as u32,
        );
        let before = (*word >> shift) & MASK;
        if rank <= before {
            return;
        }
        *word += (rank - before) << shift;
        if before == u32::from(self.floor) {
            self.at_floor -= 1;
            if self.at_floor == 0 {
                self.find_floor();
            }
        }
    }

    /// Raises every register to that of `other`, which has as many.
    pub(super) fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.words.iter_mut().zip(&other.words) {
            let higher = lanes(*ours).zip(lanes(*theirs)).map(|(a, b)| a.max(b));
            *ours = higher.rev().fold(0, |word, register| word << REGISTER_BITS | register);
        }
        self.find_floor();
    }

    #[cold]
    fn find_floor(&mut self) {
        let (mut floor, mut at_floor) = (MASK, 0);
        for register in self.words.iter().flat_map(|word| lanes(*word)).take(1 << self.precision) {
            if register < floor {
                (floor, at_floor) = (register, 0);
            }
            at_floor += u32::from(register == floor);
        }
        (self.floor, self.at_floor) = (floor as u8, at_floor);
    }

    /// The HyperLogLog++ estimate of how many different hashes were seen.
    ///
    /// # Errors
    /// When the crate keeps its registers in another way than it used to.
    pub(super) fn estimate(&self) -> Result<f64> {
        Ok(self.to_hyperloglog()?.count().max(0.0))
    }

    /// The same registers in the crate.
    fn to_hyperloglog(&self) -> Result<HyperLogLogPlus<u64, PassThrough>> {
        let count = 1 << self.precision;
        let zeros = if self.floor == 0 { self.at_floor as usize } else { 0 };
        let mirror = SerializedSketch {
            builder: PassThrough,
            precision: self.precision,
            counts: (count, 1 << 24, 4 * count / REGISTERS_PER_WORD),
            tmpset: &[],
            sparse: (0, 0, &[]),
            registers: Some((&self.words, count, zeros)),
            phantom: (),
        };
        let other = |cause: postcard::Error| {
            Error::internal("unexpected register layout of hyperloglogplus").caused_by(cause)
        };
        let bytes = postcard::to_allocvec(&mirror).map_err(other)?;
        postcard::from_bytes(&bytes).map_err(other)
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.words)
    }
}

/// Words that hold the registers of a precision.
pub(super) fn word_count(precision: u8) -> usize {
    (1_usize << precision).div_ceil(REGISTERS_PER_WORD)
}

/// The registers of a word.
fn lanes(word: u32) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator {
    (0..REGISTERS_PER_WORD as u32).map(move |lane| (word >> (lane * REGISTER_BITS)) & MASK)
}

/// The fields of [`HyperLogLogPlus`] in its serde form.
#[derive(Serialize)]
struct SerializedSketch<'a> {
    builder: PassThrough,
    precision: u8,
    counts: (usize, usize, usize),
    tmpset: &'a [u32],
    sparse: (usize, u32, &'a [u8]),
    registers: Option<(&'a [u32], usize, usize)>,
    phantom: (),
}

/// A hash is its own hash: the crate hashes what it is given, ours are hashed already.
#[derive(Debug, Serialize, Deserialize)]
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
        self.0 = hash_bytes(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use hyperloglogplus::HyperLogLog;
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

    use super::Registers;

    /// Hashes of all ranks: many have zeros behind the bits that choose the register.
    fn hashes() -> impl Strategy<Value = Vec<u64>> {
        let hash = (any::<u64>(), 0_u32..50).prop_map(|(hash, zeros)| {
            let (register, rest) = (hash & !(u64::MAX >> 18), hash & (u64::MAX >> 18));
            register | rest >> zeros
        });
        proptest::collection::vec(hash, 0..3_000)
    }

    fn of(precision: u8, hashes: &[u64]) -> Registers {
        let mut registers = Registers::new(precision);
        hashes.iter().for_each(|hash| registers.insert_hash(*hash));
        registers
    }

    fn parts(registers: &Registers) -> (&[u32], u8, u32) {
        (&registers.words, registers.floor, registers.at_floor)
    }

    proptest! {
        #[test]
        fn hashes_raise_what_they_raise_in_the_crate(hashes in hashes(), precision in 4_u8..=18) {
            let ours = of(precision, &hashes);
            let mut theirs = Registers::new(precision).to_hyperloglog().unwrap();
            hashes.iter().for_each(|hash| theirs.insert(hash));
            let same = ours.to_hyperloglog().unwrap();
            let bytes = |theirs| postcard::to_allocvec(theirs).unwrap();
            prop_assert_eq!(bytes(&same), bytes(&theirs));
            prop_assert_eq!(ours.estimate().unwrap(), theirs.count());
        }

        #[test]
        fn merged_and_read_registers_have_their_minimum(
            a in hashes(),
            b in hashes(),
            precision in 4_u8..=10,
        ) {
            let mut merged = of(precision, &a);
            merged.merge(&of(precision, &b));
            let combined = of(precision, &[a, b].concat());
            prop_assert_eq!(parts(&merged), parts(&combined));
            let read = Registers::of_words(precision, combined.words.clone()).unwrap();
            prop_assert_eq!(parts(&read), parts(&combined));
        }
    }
}
