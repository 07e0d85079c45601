//! The stored form of a set. Equal sets have equal bytes, and reading checks every byte.
//!
//! * Integers: Roaring's portable form, of 32 bits if all are below 2^32, else of 64: the number of
//!   bitmaps, then the high half and the bitmap of each. Run containers are used wherever they are
//!   smaller. The empty set is the empty bitmap of 32 bits.
//! * Ids of a store: `HCB`, version 1, 16 bytes that identify the id space, then the form of 64
//!   bits: high half 0 are integers, 1 the ids assigned by the store.
//! * Keys: `HCK`, version 1, then every key as [`Key::write`] has it, in order.
//!
//! The two portable forms have no tag. Both are tried; each must use every byte, so at most one
//! fits.

use std::io::{self, Write};

use roaring::{RoaringBitmap, RoaringTreemap};

use super::keys::Keys;
use super::{Bitmap, FIRST_STORE_ID, Members, Space};
use crate::users::Key;
use crate::{Error, Result};

const INT_MAGIC: &[u8; 3] = b"HCB";
const KEY_MAGIC: &[u8; 3] = b"HCK";
const VERSION: u8 = 1;
/// What a 32-bit bitmap begins with: all of it, or its low half where runs follow.
const COOKIE: u32 = 12_346;
const RUN_COOKIE: u16 = 12_347;

impl Bitmap {
    /// Appends the stored form.
    ///
    /// # Errors
    /// None that can happen: memory takes everything.
    pub fn write(&self, bytes: &mut Vec<u8>) -> Result<()> {
        let failed = |cause: io::Error| Error::internal("cannot write a set").caused_by(cause);
        match &self.0 {
            Members::Numbers(Some(Space(name)), numbers) => {
                bytes.extend(INT_MAGIC);
                bytes.push(VERSION);
                bytes.extend(name);
                write_wide(numbers, bytes).map_err(failed)
            }
            Members::Numbers(None, numbers)
                if numbers.max().is_none_or(|max| max < FIRST_STORE_ID) =>
            {
                let small = numbers.bitmaps().map(|(_, bitmap)| bitmap).next();
                write_one(small.unwrap_or(&RoaringBitmap::new()), bytes).map_err(failed)
            }
            Members::Numbers(None, numbers) => write_wide(numbers, bytes).map_err(failed),
            Members::Keys(keys) if keys.len() == 0 => Self::default().write(bytes),
            Members::Keys(keys) => {
                bytes.extend(KEY_MAGIC);
                bytes.push(VERSION);
                keys.iter().for_each(|key| key.write(bytes));
                Ok(())
            }
        }
    }

    /// The stored form.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads the stored form, or a portable bitmap of another program.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if let Some(rest) = bytes.strip_prefix(INT_MAGIC) {
            let (name, rest) = versioned(rest)?
                .split_first_chunk::<16>()
                .ok_or_else(|| broken("the store id is truncated"))?;
            let numbers = read_wide(rest)
                .filter(|numbers| numbers.max().is_none_or(|max| max < 2 * FIRST_STORE_ID))
                .ok_or_else(|| broken("the ids are truncated or corrupt"))?;
            return Ok(Self::of_numbers(Some(Space(*name)), numbers));
        }
        if let Some(rest) = bytes.strip_prefix(KEY_MAGIC) {
            return Ok(Self(Members::Keys(read_keys(versioned(rest)?)?)));
        }
        let narrow = read_narrow(bytes).map(Self::from);
        let wide = read_wide(bytes).map(|numbers| Self::of_numbers(None, numbers));
        match (narrow, wide) {
            (Some(set), None) | (None, Some(set)) => Ok(set),
            (None, None) => Err(broken("not a Roaring bitmap in the portable format")),
            (Some(_), Some(_)) => Err(broken("ambiguous format")),
        }
    }
}

fn broken(why: &str) -> Error {
    Error::input(format!("invalid set of users: {why}"))
}

fn versioned(bytes: &[u8]) -> Result<&[u8]> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((version, _)) => Err(broken(&format!("unknown version {version}"))
            .with("help", "it may have been written by a newer version of headcount")),
        None => Err(broken("truncated")),
    }
}

/// One bitmap, with runs exactly where these are smaller, whatever its containers were before.
fn write_one(bitmap: &RoaringBitmap, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut bitmap = bitmap.clone();
    bitmap.remove_run_compression();
    bitmap.optimize();
    bytes.reserve(bitmap.serialized_size());
    bitmap.serialize_into(bytes)
}

fn write_wide(numbers: &RoaringTreemap, bytes: &mut Vec<u8>) -> io::Result<()> {
    let parts = || numbers.bitmaps().filter(|(_, bitmap)| !bitmap.is_empty());
    bytes.extend((parts().count() as u64).to_le_bytes());
    for (high, bitmap) in parts() {
        bytes.extend(high.to_le_bytes());
        write_one(bitmap, bytes)?;
    }
    Ok(())
}

fn read_narrow(bytes: &[u8]) -> Option<RoaringBitmap> {
    let (bitmap, rest) = read_one(bytes)?;
    rest.is_empty().then_some(bitmap)
}

fn read_wide(bytes: &[u8]) -> Option<RoaringTreemap> {
    let (count, mut rest) = bytes.split_first_chunk::<8>()?;
    let mut left = u64::from_le_bytes(*count);
    let mut parts = Vec::new();
    let mut last = None;
    while left > 0 {
        let (high, behind) = rest.split_first_chunk::<4>()?;
        let high = u32::from_le_bytes(*high);
        if last.is_some_and(|last| last >= high) {
            return None;
        }
        let (bitmap, behind) = read_one(behind)?;
        parts.push((high, bitmap));
        (last, rest, left) = (Some(high), behind, left - 1);
    }
    rest.is_empty().then(|| RoaringTreemap::from_bitmaps(parts))
}

/// The bitmap that the bytes begin with, and what is behind it.
fn read_one(bytes: &[u8]) -> Option<(RoaringBitmap, &[u8])> {
    let cookie = u32::from_le_bytes(*bytes.first_chunk()?);
    if cookie != COOKIE && cookie as u16 != RUN_COOKIE {
        return None;
    }
    let mut rest = bytes;
    let bitmap = RoaringBitmap::deserialize_from(&mut rest).ok()?;
    // The crate reads past lengths and offsets that are wrong; they would not be written so.
    let mut same = CompareWriter(bytes);
    bitmap.serialize_into(&mut same).ok()?;
    (same.0.len() == rest.len()).then_some((bitmap, rest))
}

/// Takes what is written, as long as it is what is expected.
struct CompareWriter<'a>(&'a [u8]);

impl Write for CompareWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read_keys(mut bytes: &[u8]) -> Result<Keys> {
    let mut keys = Keys::default();
    while !bytes.is_empty() {
        let (key, rest) =
            Key::read(bytes).ok_or_else(|| broken("a key is truncated or corrupt"))?;
        if !keys.push(key) {
            return Err(broken("the keys are not in ascending order"));
        }
        bytes = rest;
    }
    Ok(keys)
}
