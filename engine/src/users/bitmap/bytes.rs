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

use roaring::RoaringTreemap;

use super::keys::Keys;
use super::{Bitmap, FIRST_STORE_ID, Members, Space};
use crate::users::{Key, portable};
use crate::{Error, Result};

const INT_MAGIC: &[u8; 3] = b"HCB";
const KEY_MAGIC: &[u8; 3] = b"HCK";
const VERSION: u8 = 1;

impl Bitmap {
    /// Appends the stored form.
    ///
    /// # Errors
    /// None that can happen: memory takes everything.
    pub fn write(&self, bytes: &mut Vec<u8>) -> Result<()> {
        match &self.0 {
            Members::Numbers(Some(Space(name)), numbers) => {
                bytes.extend(INT_MAGIC);
                bytes.push(VERSION);
                bytes.extend(name);
                write_wide(numbers, bytes)
            }
            Members::Numbers(None, numbers)
                if numbers.max().is_none_or(|max| max < FIRST_STORE_ID) =>
            {
                let small = numbers.bitmaps().next().map(|(_, bitmap)| bitmap.clone());
                portable::write(small.unwrap_or_default(), bytes)
            }
            Members::Numbers(None, numbers) => write_wide(numbers, bytes),
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
        let narrow = portable::decode(bytes).ok().map(Self::from);
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

fn write_wide(numbers: &RoaringTreemap, bytes: &mut Vec<u8>) -> Result<()> {
    let parts = || numbers.bitmaps().filter(|(_, bitmap)| !bitmap.is_empty());
    bytes.extend((parts().count() as u64).to_le_bytes());
    for (high, bitmap) in parts() {
        bytes.extend(high.to_le_bytes());
        portable::write(bitmap.clone(), bytes)?;
    }
    Ok(())
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
        let (bitmap, behind) = portable::read(behind)?;
        parts.push((high, bitmap));
        (last, rest, left) = (Some(high), behind, left - 1);
    }
    rest.is_empty().then(|| RoaringTreemap::from_bitmaps(parts))
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
