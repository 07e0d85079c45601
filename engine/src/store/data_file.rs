//! A data file of a table: its name, its bytes, and what the log says of them.
//!
//! The name ends with the digest of the bytes: a flipped byte is found, and files left by a killed
//! process are never mistaken for others. Before the digest comes the checksum of the footer, which
//! has [those of the other parts](super::checksums).

use std::collections::BTreeMap;
use std::fmt;

use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::checksums::{file_name, split_name};
use crate::storage::{Chunks, Digest, Storage};
use crate::{Error, Result};

/// A data file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Its name in the table's folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Delta's statistics, as JSON: at least the number of rows.
    pub stats: String,
}

impl DataFile {
    /// What is wrong with its bytes in this storage; `None` if nothing is.
    pub(super) fn fault(&self, storage: &Storage) -> Result<Option<String>> {
        Ok(match storage.digest(&self.name)? {
            None => Some("the file is missing".to_owned()),
            Some(found) => self.mismatch(found),
        })
    }

    /// Its bytes, which are what they were when it was written.
    pub(super) fn verified_bytes(&self, storage: &Storage) -> Result<Chunks> {
        let (what, chunks) = match storage.fetch_all(&self.name)? {
            None => (Some("the file is missing".to_owned()), None),
            Some((chunks, digest, size)) => (self.mismatch((digest, size)), Some(chunks)),
        };
        match (what, chunks) {
            (None, Some(chunks)) => Ok(chunks),
            (what, _) => {
                Err(Error::input(format!("corrupt data file: {}", what.unwrap_or_default()))
                    .with("file", storage.address(&self.name)))
            }
        }
    }

    fn mismatch(&self, (digest, size): (Digest, u64)) -> Option<String> {
        if size != self.size {
            return Some(format!("it has {size} bytes, but {} in the log", self.size));
        }
        let same = Some(digest) == self.digest();
        (!same).then(|| "its content has changed since it was written".to_owned())
    }

    /// The digest that the file's name says.
    pub fn digest(&self) -> Option<Digest> {
        Digest::parse(split_name(&self.name)?.1)
    }
}

/// Data files of a table, by name.
pub(super) type Files = BTreeMap<String, DataFile>;

/// The files by their names.
pub(super) fn by_name(files: Vec<DataFile>) -> Files {
    files.into_iter().map(|file| (file.name.clone(), file)).collect()
}

/// Writes a data file so that it stays. Its name has `number`, which puts the files of a table in
/// an order, the checksum of its footer, and the digest of its content.
///
/// # Errors
/// When the disk or the object store refuses; nothing is left behind then.
pub(super) fn write(
    storage: &Storage,
    bytes: Vec<u8>,
    stats: String,
    number: impl fmt::Display,
) -> Result<DataFile> {
    let unsound = |what| Error::internal(format!("a data file without {what}"));
    let rows = rows(&stats).ok_or_else(|| unsound("a number of rows"))?;
    let name = file_name(number, &bytes).ok_or_else(|| unsound("a footer"))?;
    let size = bytes.len() as u64;
    storage.write(&name, bytes)?;
    Ok(DataFile { name, size, rows, stats })
}

/// Reads a small data file, after looking whether its bytes are what they were.
pub(super) fn each_batch(
    storage: &Storage,
    file: &DataFile,
    mut each: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let address = storage.address(&file.name);
    let broken = |cause: &dyn fmt::Display| {
        Error::input(format!("corrupt data file: {cause}")).with("file", &address)
    };
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(
        file.verified_bytes(storage)?,
        options,
    )
    .and_then(|builder| builder.with_batch_size(1 << 16).build())
    .map_err(|cause| broken(&cause))?;
    for batch in reader {
        each(&batch.map_err(|cause| broken(&cause))?)
            .map_err(|error| error.with("file", &address))?;
    }
    Ok(())
}

/// The number of rows in Delta's statistics.
pub(super) fn rows(stats: &str) -> Option<u64> {
    let (_, number) = stats.split_once("\"numRecords\":")?;
    number[..number.find([',', '}'])?].trim().parse().ok()
}
