//! The bytes of a Parquet file for the Parquet reader: a local file, or the fetched ranges of an
//! object.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};

/// Bytes at the end of a file that are fetched at first: most footers are shorter.
const FOOTER_BYTES: u64 = 64 << 10;
/// Every Parquet file is longer than this.
const MIN_FILE_BYTES: u64 = 12;

/// Reads the footer of a file of this size. `fetch` reads byte ranges of it.
///
/// # Errors
/// Those of `fetch`; within, that the file is broken.
pub(crate) fn footer(
    size: u64,
    options: &ArrowReaderOptions,
    fetch: impl Fn(&[Range<u64>]) -> crate::Result<Chunks>,
) -> crate::Result<Result<ArrowReaderMetadata>> {
    if size < MIN_FILE_BYTES {
        return Ok(Err(ParquetError::EOF(format!("{size} bytes are too few for a Parquet file"))));
    }
    let mut length = FOOTER_BYTES.min(size);
    loop {
        let end: Range<u64> = size - length..size;
        match ArrowReaderMetadata::load(&fetch(&[end])?, options.clone()) {
            Err(ParquetError::NeedMoreData(more))
                if more as u64 > length && more as u64 <= size =>
            {
                length = more as u64;
            }
            done => return Ok(done),
        }
    }
}

/// The byte ranges of the columns of a mask in a row group.
pub(crate) fn column_ranges(group: &RowGroupMetaData, mask: &ProjectionMask) -> Vec<Range<u64>> {
    let columns = group.columns().iter().enumerate();
    let wanted = columns.filter(|(at, _)| mask.leaf_included(*at));
    let range = |(start, length): (u64, u64)| start..start + length;
    wanted.map(|(_, column)| range(column.byte_range())).collect()
}

/// Bytes of a Parquet file.
#[derive(Debug)]
pub(crate) enum Chunks {
    File(File),
    /// The size of the file, and the fetched parts, each with its offset.
    Fetched(u64, Vec<(u64, Bytes)>),
}

impl Chunks {
    /// The fetched parts, each with its offset.
    pub(crate) fn fetched(&self) -> &[(u64, Bytes)] {
        match self {
            Self::File(_) => &[],
            Self::Fetched(_, parts) => parts,
        }
    }

    /// The fetched bytes from an offset on.
    fn from(size: u64, parts: &[(u64, Bytes)], start: u64) -> Result<Bytes> {
        let part = parts.iter().find_map(|(at, bytes)| {
            let skip = usize::try_from(start.checked_sub(*at)?).ok()?;
            (skip < bytes.len()).then(|| bytes.slice(skip..))
        });
        // The reader of footers asks again with so many bytes from the end.
        part.ok_or_else(|| {
            ParquetError::NeedMoreData(usize::try_from(size.saturating_sub(start)).unwrap_or(0))
        })
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.len(),
            Self::Fetched(size, _) => *size,
        }
    }
}

impl ChunkReader for Chunks {
    type T = ChunksReader;

    fn get_read(&self, start: u64) -> Result<ChunksReader> {
        match self {
            Self::File(file) => Ok(ChunksReader::File(file.get_read(start)?)),
            Self::Fetched(size, parts) => {
                Ok(ChunksReader::Fetched(Self::from(*size, parts, start)?.reader()))
            }
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Fetched(size, parts) => {
                let bytes = Self::from(*size, parts, start)?;
                if bytes.len() < length {
                    return Err(ParquetError::EOF(format!(
                        "{length} bytes from offset {start} are missing"
                    )));
                }
                Ok(bytes.slice(..length))
            }
        }
    }
}

/// Reads from an offset on.
#[derive(Debug)]
pub(crate) enum ChunksReader {
    File(BufReader<File>),
    Fetched(Reader<Bytes>),
}

impl Read for ChunksReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Fetched(bytes) => bytes.read(buffer),
        }
    }
}
