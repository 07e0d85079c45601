//! Sets packed closer than Roaring can: a container keeps two bytes for each user, however few
//! there are; here a user costs about what it takes to tell which of a million numbers it is.
//!
//! A set lies within one shard, 2^20 consecutive numbers, and is kept as the gaps between its
//! numbers, each in the same few bits `w`, from 1 to 20. All bits are counted from the lowest:
//!
//! | bits | what |
//! |---|---|
//! | 4 | 1 |
//! | 12 | the upper bits of all numbers |
//! | 8 | `w` |
//! | 24 | how many users |
//! | `w` each | digits |
//! | up to 7 | ones, to the end of the byte |
//!
//! A digit below 2^w - 1 is a user, and how many numbers lie between the user before (or the start
//! of the shard) and this one; the digit 2^w - 1 passes by as many numbers and is nobody. So the
//! numbers ascend whatever the digits are. Gaps of people who come and go by themselves are
//! distributed geometrically, for which this takes a bit more than the least possible
//! (S. W. Golomb, *Run-length encodings*, IEEE Transactions on Information Theory 12, 1966, pages
//! 399-401, has the best code; its digits have two lengths, and are read one after the other).
//!
//! A portable Roaring bitmap starts with other bits than 1 in the first four, so either can be
//! told from the other, and a set that Roaring makes smaller (long runs) stays as it is.

use std::borrow::Cow;

use super::activity::{SHARD_BITS, SHARD_MASK};
use super::bitmap::{MOST_IN_ARRAY, WITHOUT_RUNS, broken, encode, numbers};
use crate::{Error, Result};

/// The lowest bits of a packed set.
const PACKED: u16 = 1;
/// How many these are.
const TAG_BITS: u32 = 4;
/// Bytes before the digits.
const HEADER: usize = 6;
/// Pages of 65,536 numbers in a shard.
const PAGES: usize = 1 << (SHARD_BITS - 16);
/// Bytes that eight digits lie in, and those of one can be read from together.
const BLOCK: usize = 24;

/// How sets of users lie in the table `activity`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetFormat {
    /// Portable Roaring bitmaps, for everything that reads these.
    #[default]
    Roaring,
    /// Packed, where that is smaller.
    Packed,
}

impl SetFormat {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Roaring, Self::Packed];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roaring => "roaring",
            Self::Packed => "packed",
        }
    }

    /// The version of a store's layout that has such sets, as stores note it.
    pub(super) fn number(self) -> &'static str {
        match self {
            Self::Roaring => "1",
            Self::Packed => "2",
        }
    }
}

/// Whether a stored set is packed.
#[inline]
pub(super) fn is_packed(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| u16::from(*byte) & ((1 << TAG_BITS) - 1) == PACKED)
}

/// A portable set of one shard in fewer bytes; as it is if that is not possible.
///
/// # Errors
/// When the bytes are not such a set.
pub fn pack(portable: &[u8]) -> Result<Cow<'_, [u8]>> {
    // How many numbers lie between one user and the next.
    let mut gaps = Vec::with_capacity(portable.len() / 2);
    let (mut base, mut next) = (None, 0);
    numbers(portable, |number| {
        let base = *base.get_or_insert(number >> SHARD_BITS << SHARD_BITS);
        let number = number.wrapping_sub(base);
        gaps.push(number.wrapping_sub(next));
        next = number.wrapping_add(1);
    })?;
    let Some(base) = base else { return Ok(Cow::Borrowed(portable)) };
    if next > 1 << SHARD_BITS {
        return Err(Error::internal("a set of several shards"));
    }
    let width = best_width(&gaps);
    let nobody = (1 << width) - 1;
    let mut bytes = Vec::with_capacity(portable.len());
    bytes.extend(((base >> SHARD_BITS << TAG_BITS) as u16 | PACKED).to_le_bytes());
    bytes.push(width as u8);
    bytes.extend(&(gaps.len() as u32).to_le_bytes()[..3]);
    let (mut bits, mut count) = (0u64, 0);
    let mut push = |digit: u32, bytes: &mut Vec<u8>| {
        bits |= u64::from(digit) << count;
        count += width;
        while count >= u8::BITS {
            bytes.push(bits as u8);
            bits >>= u8::BITS;
            count -= u8::BITS;
        }
    };
    for gap in gaps {
        let mut left = gap;
        while left >= nobody {
            push(nobody, &mut bytes);
            left -= nobody;
        }
        push(left, &mut bytes);
    }
    if count > 0 {
        bytes.push(bits as u8 | u8::MAX << count);
    }
    Ok(if bytes.len() < portable.len() { Cow::Owned(bytes) } else { Cow::Borrowed(portable) })
}

/// The number of bits for each digit that makes a set smallest, as far as the neighbours of a good
/// guess tell.
fn best_width(gaps: &[u32]) -> u32 {
    let size = |width: u32| {
        let nobody = (1 << width) - 1;
        let passes = gaps.iter().filter(|gap| **gap >= nobody).map(|gap| (gap / nobody) as usize);
        (gaps.len() + passes.sum::<usize>()) * width as usize
    };
    let all: u64 = gaps.iter().map(|gap| u64::from(*gap) + 1).sum();
    let guess = (all / gaps.len() as u64).ilog2() + 2;
    let mut best = (size(guess.min(SHARD_BITS)), guess.min(SHARD_BITS));
    for step in [1, u32::MAX] {
        loop {
            let width = best.1.wrapping_add(step);
            if !(1..=SHARD_BITS).contains(&width) || size(width) >= best.0 {
                break;
            }
            best = (size(width), width);
        }
    }
    best.1
}

/// Calls `each` with every digit of `W` bits.
#[inline]
fn digits<const W: usize>(mut bytes: &[u8], mut each: impl FnMut(u32)) {
    let mask = u32::MAX >> (32 - W);
    let digit = |bytes: &[u8], at: usize| {
        let word = bytes[at * W / 8..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
        word >> (at * W % 8) & mask
    };
    while let Some(block) = bytes.first_chunk::<BLOCK>() {
        for at in 0..8 {
            each(digit(block, at));
        }
        bytes = &bytes[W..];
    }
    let mut rest = [0; BLOCK + size_of::<u32>()];
    rest[..bytes.len()].copy_from_slice(bytes);
    for at in 0..bytes.len() * 8 / W {
        each(digit(&rest, at));
    }
}

/// A packed set, its header read.
struct Packed<'a> {
    /// The upper bits of all numbers.
    base: u32,
    width: u8,
    users: u32,
    digits: &'a [u8],
}

impl<'a> Packed<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self> {
        let (header, digits) = bytes.split_first_chunk::<HEADER>().ok_or_else(broken)?;
        let [low, high, width, users @ ..] = *header;
        let base = u32::from(u16::from_le_bytes([low, high]) >> TAG_BITS) << SHARD_BITS;
        let [low, middle, high] = users;
        let users = u32::from_le_bytes([low, middle, high, 0]);
        let is_sound = is_packed(bytes) && (1..=1 << SHARD_BITS).contains(&users);
        if is_sound { Ok(Self { base, width, users, digits }) } else { Err(broken()) }
    }

    /// Calls `each` with every number, in ascending order.
    #[inline]
    fn each(&self, mut each: impl FnMut(u32)) -> Result<()> {
        let nobody = (1u64 << self.width.min(32)) - 1;
        let (mut next, mut end, mut users) = (0, 0, 0);
        let digit = |digit: u32| {
            let digit = u64::from(digit);
            next += digit;
            if digit != nobody {
                each(self.base | next as u32 & SHARD_MASK);
                next += 1;
                end = next;
                users += 1;
            }
        };
        // With a known width, shifts and masks are known, too.
        macro_rules! of_width {
            ($($width:literal)*) => {
                match self.width {
                    $($width => digits::<$width>(self.digits, digit),)*
                    _ => return Err(broken()),
                }
            };
        }
        of_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20);
        if users == self.users && end <= 1 << SHARD_BITS { Ok(()) } else { Err(broken()) }
    }
}

/// Calls `each` with every number of a packed set, in ascending order.
///
/// # Errors
/// When the bytes are no such set; `each` may have seen some numbers then.
#[inline]
pub(super) fn each(bytes: &[u8], each: impl FnMut(u32)) -> Result<()> {
    Packed::of(bytes)?.each(each)
}

/// The numbers of a packed set.
///
/// # Errors
/// When the bytes are no such set.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u32>> {
    let set = Packed::of(bytes)?;
    let mut numbers = Vec::with_capacity(set.users as usize);
    set.each(|number| numbers.push(number))?;
    Ok(numbers)
}

/// A stored set as a portable Roaring bitmap; what is not packed stays as it is.
///
/// # Errors
/// When the bytes are packed and broken.
pub fn portable(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    if !is_packed(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    let set = Packed::of(bytes)?;
    if set.users as usize > MOST_IN_ARRAY {
        return encode(&unpack(bytes)?).map(Cow::Owned);
    }
    // Arrays only, one behind the other: the lower halves of all numbers.
    let mut arrays = vec![[0; 2]; set.users as usize];
    // For each page the upper half of its numbers, and where it starts.
    let mut pages: Vec<(u16, usize)> = Vec::with_capacity(PAGES + 1);
    let (mut at, mut page) = (0, None);
    set.each(|number| {
        let high = (number >> 16) as u16;
        if page != Some(high) {
            page = Some(high);
            pages.push((high, at));
        }
        if let Some(low) = arrays.get_mut(at) {
            *low = (number as u16).to_le_bytes();
        }
        at += 1;
    })?;
    let (count, headers) = (pages.len(), 8 + 8 * pages.len());
    pages.push((0, at));
    let mut bytes = Vec::with_capacity(headers + 2 * at);
    bytes.extend(WITHOUT_RUNS.to_le_bytes());
    bytes.extend((count as u32).to_le_bytes());
    for [(high, start), (_, end)] in pages.array_windows() {
        bytes.extend(high.to_le_bytes());
        bytes.extend(((end - start - 1) as u16).to_le_bytes());
    }
    for (_, start) in &pages[..count] {
        bytes.extend(((headers + 2 * start) as u32).to_le_bytes());
    }
    bytes.extend(arrays.as_flattened());
    Ok(Cow::Owned(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use roaring::RoaringBitmap;

    use super::{is_packed, pack, portable};
    use crate::store::{Marks, encode, numbers};

    /// Users of one shard: a few, many, all of every so many, in runs.
    fn sets() -> impl Strategy<Value = Vec<u32>> {
        let thin = proptest::collection::btree_set(0..1u32 << 20, 1..60)
            .prop_map(|set| set.into_iter().collect());
        let many = (0..1u32 << 20, 1..9_000usize, 1..200u32).prop_map(|(first, count, step)| {
            let bend = |at: u32| at * step + at * at % step;
            (0..count as u32).map(|at| first + bend(at)).filter(|n| *n < 1 << 20).collect()
        });
        let most = (0..1u32 << 19, 1..4usize)
            .prop_map(|(first, step)| (first..1 << 20).step_by(step).collect::<Vec<u32>>());
        let set = prop_oneof![3 => thin, 3 => many, 1 => most];
        (set, 0..4_096u32).prop_map(|(mut set, shard): (Vec<u32>, u32)| {
            set.sort_unstable();
            set.dedup();
            set.into_iter().map(|number| shard << 20 | number).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read(set in sets()) {
            let roaring = encode(&set).unwrap();
            let packed = pack(&roaring).unwrap();
            prop_assert!(packed.len() <= roaring.len());
            let mut read = Vec::new();
            numbers(&packed, |number| read.push(number)).unwrap();
            prop_assert_eq!(&read, &set);
            let other = RoaringBitmap::deserialize_from(&*portable(&packed).unwrap()).unwrap();
            prop_assert!(other.iter().eq(set.iter().copied()));
            let mut marks = Marks::default();
            marks.add(&packed).unwrap();
            prop_assert_eq!(marks.numbers(set[0] >> 20 << 20), set);
        }

        #[test]
        fn broken_bytes_are_an_error_or_another_set(
            set in sets(), cut in any::<usize>(), flip in any::<usize>(),
        ) {
            let whole = pack(&encode(&set).unwrap()).unwrap().into_owned();
            let mut bytes = whole.clone();
            let at = flip % bytes.len();
            bytes[at] ^= 1 << (flip >> 32 & 7);
            let mut read = Vec::new();
            if numbers(&bytes, |number| read.push(number)).is_ok() {
                prop_assert!(read.is_sorted_by(|a, b| a < b) || !is_packed(&bytes));
            }
            let _ = portable(&bytes);
            let _ = Marks::default().add(&bytes);
            let bytes = &whole[..cut % whole.len()];
            prop_assert!(numbers(bytes, |_| ()).is_err());
            prop_assert!(portable(bytes).is_err() || !is_packed(bytes));
        }
    }

    /// The bytes of sets by hand: they are read for ever.
    #[test]
    fn the_format_is_what_it_was() {
        let packed = |set: &[u32]| pack(&encode(set).unwrap()).unwrap().into_owned();
        // Gaps of 7, 2 and 0 in four bits each, and four ones.
        let set = packed(&[5 << 20 | 7, 5 << 20 | 10, 5 << 20 | 11]);
        assert_eq!(set, [0x51, 0, 4, 3, 0, 0, 0x27, 0xf0]);
        // Gaps of 6 three times, and one of 9, which is to pass by 7, and 2; one one.
        let set = packed(&[6, 13, 20, 30].map(|number| 0xabc << 20 | number));
        assert_eq!(set, [0xc1, 0xab, 3, 4, 0, 0, 0xb6, 0xaf]);
    }

    #[test]
    fn what_roaring_makes_smaller_stays() {
        let run = encode(&(0..100_000).collect::<Vec<u32>>()).unwrap();
        assert_eq!(pack(&run).unwrap(), run.as_slice());
        assert_eq!(pack(&encode(&[]).unwrap()).unwrap(), encode(&[]).unwrap());
        assert!(pack(&encode(&[1, 1 << 20]).unwrap()).is_err());
        assert!(pack(&encode(&[7 << 20, u32::MAX]).unwrap()).is_err());
    }

    /// Digits that go beyond the shard, widths that there are not, nobody.
    #[test]
    fn what_no_set_has_is_refused() {
        let one = |width: u8, digits: &[u8]| [&[0x01, 0, width, 1, 0, 0], digits].concat();
        assert!(numbers(&one(20, &[0xfe, 0xff, 0xff]), |_| ()).is_ok());
        let beyond = one(20, &[0xff, 0xff, 0x1f, 0, 0]);
        let [nobody, two] = [one(8, &[0xff]), one(8, &[1, 1])];
        let [none, wide] = [one(0, &[1]), one(21, &[1, 1, 1])];
        for bytes in [&[0x01, 0, 8][..], &beyond, &nobody, &two, &none, &wide] {
            assert!(numbers(bytes, |_| ()).is_err(), "{bytes:?}");
            assert!(portable(bytes).is_err() && Marks::default().add(bytes).is_err());
        }
    }
}
