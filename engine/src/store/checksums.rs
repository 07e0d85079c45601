//! Checksums of the parts of a data file, so that a part can be checked without reading the rest.
//!
//! The footer of a data file has a checksum for each column of each row group, in the order of the
//! file, as key/value metadata that other Parquet readers ignore. The name of the file has the
//! checksum of the footer, and the log of the table `activity` has one over the names of all files
//! of the store (see [`Store`](super::Store)). Files written before there were checksums have
//! neither, and are read unchecked.
//!
//! The page checksums of Parquet itself do not cover page headers and footers.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};

use crate::storage::Digest;
use crate::users::hash_bytes;

/// Ending of data files.
const ENDING: &str = ".parquet";
/// Key of the checksums of columns, in the footer.
const KEY: &str = "headcount.xxh3";
/// Hexadecimal digits of a checksum.
const CHECKSUM_DIGITS: usize = 16;
/// Bytes behind the footer's content: its length, and four letters.
const FOOTER_TAIL: usize = 8;

/// The parts of a data file that have checksums: columns of row groups, and the footer.
#[derive(Debug, PartialEq, Eq)]
pub struct Checksums {
    /// Without overlaps, ascending.
    parts: Vec<(Range<u64>, u64)>,
}

impl Checksums {
    /// The checksum that the name of a data file has for its footer; `None` for a file that has no
    /// checksums.
    pub fn of_footer(name: &str) -> Option<u64> {
        let checksum = split_name(name)?.0?;
        u64::from_str_radix(checksum, 16).ok()
    }

    /// Those of the columns, as a footer has them that was checked.
    pub(super) fn of(metadata: &ParquetMetaData) -> Result<Self, ParquetError> {
        let broken =
            || ParquetError::General("the checksums of its columns are invalid".to_owned());
        let mut entries = metadata.file_metadata().key_value_metadata().into_iter().flatten();
        let text = entries.find(|entry| entry.key == KEY).and_then(|entry| entry.value.as_deref());
        let digits = text.ok_or_else(broken)?.as_bytes().chunks(CHECKSUM_DIGITS);
        let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
        if columns.clone().count() != digits.len() {
            return Err(broken());
        }
        let mut parts = Vec::with_capacity(digits.len());
        for (column, digits) in columns.zip(digits) {
            let (start, length) = column.byte_range();
            let checksum = std::str::from_utf8(digits).ok();
            let checksum = checksum.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            parts.push((start..start + length, checksum.ok_or_else(broken)?));
        }
        parts.sort_by_key(|(range, _)| range.start);
        Ok(Self { parts })
    }

    /// All checksums of a file of `size` bytes that ends with this footer, which is the one that the
    /// file's name has the checksum of.
    ///
    /// # Errors
    /// When it is another footer, or has no checksums.
    pub fn read(name: &str, size: u64, footer: &Bytes) -> Result<Self, ParquetError> {
        let checksum = check_footer(name, footer)?;
        let content = footer.slice(..footer.len().saturating_sub(FOOTER_TAIL));
        let mut checksums = Self::of(&ParquetMetaDataReader::decode_metadata(&content)?)?;
        if let Some(checksum) = checksum {
            checksums.parts.push((size.saturating_sub(footer.len() as u64)..size, checksum));
        }
        Ok(checksums)
    }

    /// Where the parts lie that a range reaches into: from the start of the first one to the end of
    /// the last one, and the range itself.
    pub fn around(&self, range: &Range<u64>) -> Range<u64> {
        let mut around = range.clone();
        for (part, _) in self.parts.iter().filter(|(part, _)| overlap(part, range)) {
            around = around.start.min(part.start)..around.end.max(part.end);
        }
        around
    }

    /// Checks the bytes of a file from `start` on: every part that they reach into, which must be
    /// there as a whole.
    ///
    /// # Errors
    /// When a part has changed since it was written, or is cut off.
    pub fn check(&self, start: u64, bytes: &[u8]) -> Result<(), ParquetError> {
        let read_range = start..start + bytes.len() as u64;
        for (part, checksum) in self.parts.iter().filter(|(part, _)| overlap(part, &read_range)) {
            let offset = |at: u64| usize::try_from(at.checked_sub(start)?).ok();
            let bounds = offset(part.start).zip(offset(part.end));
            let found = bounds.and_then(|(from, to)| bytes.get(from..to)).map(hash_bytes);
            if found != Some(*checksum) {
                return Err(changed(&format!("bytes {} to {}", part.start, part.end)));
            }
        }
        Ok(())
    }
}

/// Ends a data file: its footer gets the checksums of everything before it.
pub(super) fn finish(mut writer: ArrowWriter<Vec<u8>>) -> Result<Vec<u8>, ParquetError> {
    writer.flush()?;
    writer.sync()?;
    let mut text = String::new();
    for column in writer.flushed_row_groups().iter().flat_map(|group| group.columns()) {
        let (start, length) = column.byte_range();
        let offset =
            |at: u64| usize::try_from(at).map_err(|cause| ParquetError::External(cause.into()));
        let bytes = writer.inner().get(offset(start)?..offset(start + length)?);
        let bytes =
            bytes.ok_or_else(|| ParquetError::General("a column is truncated".to_owned()))?;
        text.push_str(&to_hex(hash_bytes(bytes)));
    }
    writer.append_key_value_metadata(KeyValue::new(KEY.to_owned(), text));
    writer.into_inner()
}

/// The name of a data file with this content: `number`, which puts the files of a table in an order,
/// the checksum of the footer, and the digest. `None` if it does not end with a footer.
pub(super) fn file_name(number: impl fmt::Display, file: &[u8]) -> Option<String> {
    let footer = to_hex(hash_bytes(footer_in(file)?));
    Some(format!("{number}-{footer}-{}{ENDING}", Digest::of_bytes(file)))
}

/// The checksum of the footer, if there is one, and the digest in the name of a data file.
pub(super) fn split_name(name: &str) -> Option<(Option<&str>, &str)> {
    let (rest, digest) = name.strip_suffix(ENDING)?.rsplit_once('-')?;
    // The numbers before it are shorter.
    let checksum = rest.rsplit_once('-').filter(|(_, text)| text.len() == 16);
    Some((checksum.map(|(_, text)| text), digest))
}

/// The footer, if these bytes, which a file ends with, have all of it.
pub fn footer_in(end: &[u8]) -> Option<&[u8]> {
    let length = footer_length(end)?;
    end.get(end.len().checked_sub(length)?..)
}

/// How many bytes a footer has, by the last bytes of its file.
pub fn footer_length(end: &[u8]) -> Option<usize> {
    let length = end.get(end.len().checked_sub(FOOTER_TAIL)?..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*length)).ok()?.checked_add(FOOTER_TAIL)
}

/// Checks a footer, and returns the checksum that the name of its file has for it, if it has one.
///
/// # Errors
/// When the footer has changed since it was written.
pub(super) fn check_footer(name: &str, footer: &[u8]) -> Result<Option<u64>, ParquetError> {
    let expected = Checksums::of_footer(name);
    match expected.is_none_or(|expected| hash_bytes(footer) == expected) {
        true => Ok(expected),
        false => Err(changed("the bytes of its footer")),
    }
}

fn changed(what: &str) -> ParquetError {
    ParquetError::General(format!("{what} have changed since they were written"))
}

fn to_hex(checksum: u64) -> String {
    format!("{checksum:0width$x}", width = CHECKSUM_DIGITS)
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}
