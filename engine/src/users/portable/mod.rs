//! Sets of 32-bit ids as Roaring bitmaps in the portable format: the bytes that a store keeps, that
//! the parts of a query exchange, and that other programs read.
//!
//! Writing uses runs exactly where they are smaller, so equal sets have equal bytes. There are two
//! ways to read: [`decode`] checks every byte; [`containers`] and [`numbers`] visit the ids without
//! deserializing, which is what a query over many stored sets needs.
//!
//! Format: <https://github.com/RoaringBitmap/RoaringFormatSpec>

mod containers;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use roaring::RoaringBitmap;

use crate::{Error, Result};

pub(super) use containers::ones;
pub use containers::{Container, Containers, containers};

use containers::corrupt;

/// The set of ascending, different ids.
///
/// # Errors
/// When the ids are not ascending.
pub fn encode(ids: &[u32]) -> Result<Vec<u8>> {
    let sorted = RoaringBitmap::from_sorted_iter(ids.iter().copied());
    let bitmap = sorted.map_err(|cause| Error::internal(format!("unsorted set: {cause}")))?;
    let mut bytes = Vec::new();
    write(bitmap, &mut bytes)?;
    Ok(bytes)
}

/// Reads a set and checks every byte.
///
/// # Errors
/// When the bytes are anything else than one set.
pub fn decode(bytes: &[u8]) -> Result<RoaringBitmap> {
    match read(bytes) {
        Some((bitmap, [])) => Ok(bitmap),
        _ => Err(corrupt()),
    }
}

/// The ids that are in any of these sets, ascending. Made for small sets: all ids are sorted.
///
/// # Errors
/// When a set is corrupt.
pub fn union<'a>(sets: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for set in sets {
        numbers(set, |id| ids.push(id))?;
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Calls `each` with every id of a set, in ascending order.
///
/// # Errors
/// As [`containers`].
#[inline]
pub fn numbers(bytes: &[u8], mut each: impl FnMut(u32)) -> Result<()> {
    containers(bytes, |high, container| {
        let base = u32::from(high) << 16;
        container.each(&mut |low| each(base | u32::from(low)));
    })
}

/// Appends a bitmap, with runs exactly where these are smaller.
pub(super) fn write(mut bitmap: RoaringBitmap, bytes: &mut Vec<u8>) -> Result<()> {
    bitmap.remove_run_compression();
    bitmap.optimize();
    bytes.reserve(bitmap.serialized_size());
    bitmap
        .serialize_into(bytes)
        .map_err(|cause| Error::internal("cannot write a set").caused_by(cause))
}

/// The bitmap that the bytes begin with, and what is behind it.
pub(super) fn read(bytes: &[u8]) -> Option<(RoaringBitmap, &[u8])> {
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
