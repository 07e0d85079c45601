//! The containers of a portable bitmap, read from its bytes.
//!
//! A query reads each stored set once, so deserializing it first would cost more than counting.
//! [`Containers`] iterate over the bytes; they check the lengths, but not the order of the ids
//! within a container.

use crate::{Error, Result};

/// First half-word of a bitmap that has runs.
const RUN_COOKIE: u16 = 12_347;
/// First word of a bitmap without.
const NO_RUN_COOKIE: u32 = 12_346;
/// A bitmap with runs has no offsets if it has fewer containers than this.
const MIN_CONTAINERS_WITH_OFFSETS: usize = 4;
/// A container with more users than this is a bitset.
const MAX_ARRAY_LEN: usize = 4_096;
/// Bytes of a bitset.
const BITSET_BYTES: usize = 8_192;

/// The users of 65,536 consecutive numbers, as they are in the file. All numbers are
/// little-endian.
#[derive(Clone, Copy, Debug)]
pub enum Container<'a> {
    /// Low halves of the numbers, ascending.
    Array(&'a [[u8; 2]]),
    /// One bit for each number.
    Bits(&'a [u8; BITSET_BYTES]),
    /// Low half of the first number of each run, and how many follow it.
    Runs(&'a [[u8; 4]]),
}

/// The containers of a stored set, each with the high half of its numbers, in ascending order.
#[derive(Clone, Debug)]
pub struct Containers<'a> {
    /// High half of the numbers, and how many users less one.
    headers: &'a [[u8; 4]],
    /// One bit for each container: whether it has runs.
    flags: Option<&'a [u8]>,
    at: usize,
    rest: &'a [u8],
}

impl<'a> Containers<'a> {
    /// Those of a portable bitmap.
    ///
    /// # Errors
    /// When the bytes are not a bitmap; each container is checked when its turn comes.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Result<Self> {
        let (cookie, rest) = bytes.split_first_chunk::<4>().ok_or_else(corrupt)?;
        let word = u32::from_le_bytes(*cookie);
        let (count, flags, rest) = if word == NO_RUN_COOKIE {
            let (count, rest) = rest.split_first_chunk::<4>().ok_or_else(corrupt)?;
            (u32::from_le_bytes(*count) as usize, None, rest)
        } else if word as u16 == RUN_COOKIE {
            let count = (word >> 16) as usize + 1;
            let (flags, rest) = rest.split_at_checked(count.div_ceil(8)).ok_or_else(corrupt)?;
            (count, Some(flags), rest)
        } else {
            return Err(corrupt());
        };
        if count > 1 << 16 {
            return Err(corrupt());
        }
        let (headers, mut rest) = rest.split_at_checked(count * 4).ok_or_else(corrupt)?;
        if flags.is_none() || count >= MIN_CONTAINERS_WITH_OFFSETS {
            // Containers follow one another, so their offsets say nothing new.
            rest = rest.split_at_checked(count * 4).ok_or_else(corrupt)?.1;
        }
        Ok(Self { headers: headers.as_chunks().0, flags, at: 0, rest })
    }

    /// The high half of the numbers that come next.
    #[inline]
    pub fn high(&self) -> Option<u16> {
        self.headers.get(self.at).map(|[a, b, _, _]| u16::from_le_bytes([*a, *b]))
    }

    /// Says whether this is the end of the set.
    ///
    /// # Errors
    /// When something is left: numbers out of order, or bytes that belong to no container.
    #[inline]
    pub fn end(&self) -> Result<()> {
        if self.high().is_none() && self.rest.is_empty() { Ok(()) } else { Err(corrupt()) }
    }

    #[inline]
    fn container(&mut self, users: usize) -> Option<Container<'a>> {
        let has_runs = self.flags.is_some_and(|flags| flags[self.at / 8] >> (self.at % 8) & 1 == 1);
        let (container, after) = if has_runs {
            let (runs, after) = self.rest.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_le_bytes(*runs)) * 4;
            let (runs, after) = after.split_at_checked(length)?;
            let runs = runs.as_chunks().0;
            if !runs.iter().all(is_run) {
                return None;
            }
            (Container::Runs(runs), after)
        } else if users <= MAX_ARRAY_LEN {
            let (array, after) = self.rest.split_at_checked(users * 2)?;
            (Container::Array(array.as_chunks().0), after)
        } else {
            let (bits, after) = self.rest.split_first_chunk::<BITSET_BYTES>()?;
            (Container::Bits(bits), after)
        };
        self.rest = after;
        Some(container)
    }
}

impl<'a> Iterator for Containers<'a> {
    type Item = Result<(u16, Container<'a>)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let [a, b, c, d] = self.headers.get(self.at)?;
        let high = u16::from_le_bytes([*a, *b]);
        let container = self.container(usize::from(u16::from_le_bytes([*c, *d])) + 1);
        self.at += 1;
        Some(container.map(|container| (high, container)).ok_or_else(corrupt))
    }
}

/// Calls `each` with the high half and the container of every 65,536 ids that hold a user of a set.
///
/// # Errors
/// When the bytes are cut off or not a set; `each` may have seen some containers then.
#[inline]
pub fn containers(bytes: &[u8], mut each: impl FnMut(u16, Container<'_>)) -> Result<()> {
    let mut containers = Containers::of(bytes)?;
    for container in &mut containers {
        let (high, container) = container?;
        each(high, container);
    }
    containers.end()
}

impl Container<'_> {
    /// A byte of it, if it has any: who reads those of many containers, one after the other, has
    /// the processor fetch all of these at a time.
    #[inline]
    pub fn prefetch(&self) -> u8 {
        match self {
            Self::Array(array) => {
                let ends = [array.first(), array.last()];
                ends.into_iter().flatten().fold(0, |all, [low, _]| all | low)
            }
            Self::Bits(bits) => bits[0],
            Self::Runs(runs) => runs.first().map_or(0, |[low, ..]| *low),
        }
    }

    /// Calls `each` with the low half of every number, in ascending order.
    #[inline]
    pub fn each(&self, each: &mut impl FnMut(u16)) {
        match self {
            Container::Array(array) => {
                for low in *array {
                    each(u16::from_le_bytes(*low));
                }
            }
            Container::Bits(bits) => {
                for (at, word) in bits.as_chunks().0.iter().enumerate() {
                    for bit in ones(u64::from_le_bytes(*word)) {
                        each((at as u16) << 6 | bit as u16);
                    }
                }
            }
            Container::Runs(runs) => {
                for [a, b, c, d] in *runs {
                    let first = u16::from_le_bytes([*a, *b]);
                    let more = u16::from_le_bytes([*c, *d]);
                    (first..=first + more).for_each(&mut *each);
                }
            }
        }
    }
}

/// Whether a run ends within its 65,536 ids.
fn is_run([a, b, c, d]: &[u8; 4]) -> bool {
    u16::from_le_bytes([*a, *b]).checked_add(u16::from_le_bytes([*c, *d])).is_some()
}

/// The positions of the bits of a word that are set, ascending.
#[inline]
pub(in crate::users) fn ones(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let at = (word != 0).then(|| word.trailing_zeros());
        word &= word.wrapping_sub(1);
        at
    })
}

pub(super) fn corrupt() -> Error {
    Error::input("a set of users is truncated or corrupt")
        .with("help", "if it is in a store, run `headcount store verify` to find the file")
}
