//! The bytes of a data file as the Parquet reader wants them: a file of this machine, or what was
//! fetched of an object.

use std::fs::File;
use std::io::{BufReader, Read};

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Bytes of a data file.
#[derive(Debug)]
pub(super) enum Chunks {
    File(File),
    /// How long the whole is, and the parts that are here, each with its place.
    Fetched(u64, Vec<(u64, Bytes)>),
}

impl Chunks {
    /// What is here from a place on.
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
    type T = Reading;

    fn get_read(&self, start: u64) -> Result<Reading> {
        match self {
            Self::File(file) => Ok(Reading::File(file.get_read(start)?)),
            Self::Fetched(size, parts) => {
                Ok(Reading::Fetched(Self::from(*size, parts, start)?.reader()))
            }
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Fetched(size, parts) => {
                let bytes = Self::from(*size, parts, start)?;
                if bytes.len() < length {
                    return Err(ParquetError::EOF(format!("{length} bytes from {start} on")));
                }
                Ok(bytes.slice(..length))
            }
        }
    }
}

/// Reads on from a place.
#[derive(Debug)]
pub(super) enum Reading {
    File(BufReader<File>),
    Fetched(Reader<Bytes>),
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Fetched(bytes) => bytes.read(buffer),
        }
    }
}
