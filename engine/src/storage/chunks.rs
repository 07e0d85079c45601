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
            Err(ParquetError::NeedMoreDataRange(range)) if range.start < size - length => {
                length = size - range.start;
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
        // Not `NeedMoreData`: to the Parquet reader, which knows the size of the file only, that
        // means that the file is too short.
        part.ok_or(ParquetError::NeedMoreDataRange(start..size))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;

    use super::{Chunks, FOOTER_BYTES, footer};

    #[test]
    fn footers_of_any_length_are_read() {
        for columns in [1, 2000] {
            let column = |at| (format!("c{at}"), Arc::new(Int64Array::from(vec![at])) as ArrayRef);
            let batch = RecordBatch::try_from_iter((0..columns).map(column)).unwrap();
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let (size, bytes) = (bytes.len() as u64, Bytes::from(bytes));
            let longest = std::cell::Cell::new(0);
            let metadata = footer(size, &Default::default(), |ranges| {
                let part = |range: &std::ops::Range<u64>| {
                    longest.set(range.end - range.start);
                    (range.start, bytes.slice(range.start as usize..range.end as usize))
                };
                Ok(Chunks::Fetched(size, ranges.iter().map(part).collect()))
            });
            assert_eq!(metadata.unwrap().unwrap().schema(), &batch.schema());
            assert_eq!(longest.get() > FOOTER_BYTES, columns > 1);
        }
    }
}
