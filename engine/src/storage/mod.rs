//! Files in local folders and in object stores. A store is written to a [`Storage`]; event files in
//! object stores are read as [objects](Object).
//!
//! In a folder, a file is written under a temporary name, synced and renamed; an object store needs
//! none of that.

mod block_on;
mod chunks;
mod digest;
mod object;
mod object_prefix;
mod object_reader;

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use crate::{Error, Result};

pub(crate) use block_on::block_on;
pub(crate) use chunks::{Chunks, column_ranges, footer};
pub use digest::Digest;
pub use object::Object;
pub use object_prefix::{ObjectPrefix, use_variables};

/// Whether a text is an address in an object store, not a path.
pub fn is_address(text: &str) -> bool {
    text.contains("://")
}

/// The storage of a store, or of one of its tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A prefix in an object store.
    Remote(ObjectPrefix),
}

/// A file or object, as a list of them has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name in the listed storage.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was written: milliseconds since 1970.
    pub modified: i64,
}

impl Storage {
    /// The storage that `store:` names: an address, or a folder that starts at `root` unless it is
    /// absolute.
    ///
    /// # Errors
    /// When the address is not supported.
    pub fn parse(root: &Path, text: &str) -> Result<Self> {
        match is_address(text) {
            true => Ok(Self::Remote(ObjectPrefix::parse(text)?)),
            false => Ok(Self::Folder(root.join(text))),
        }
    }

    /// Whether it may exist: for folders, whether they do. No request is sent to object stores.
    pub fn may_exist(&self) -> bool {
        match self {
            Self::Folder(folder) => folder.is_dir(),
            Self::Remote(_) => true,
        }
    }

    /// Creates the folder, if it is one and does not exist.
    pub(crate) fn create_folder(&self) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder).map_err(|cause| Error::io(folder, cause))
            }
            Self::Remote(_) => Ok(()),
        }
    }

    /// A folder or prefix in it.
    pub(crate) fn child(&self, name: &str) -> Self {
        match self {
            Self::Folder(folder) => Self::Folder(folder.join(name)),
            Self::Remote(remote) => Self::Remote(remote.child(name)),
        }
    }

    /// Path or address of a file in it, for messages.
    pub(crate) fn address(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::Remote(remote) => remote.address(name),
        }
    }

    /// Returns an error if the storage cannot be reached.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::Remote(remote) => remote.check(),
        }
    }

    /// Whether a file of this name exists.
    pub(crate) fn exists(&self, name: &str) -> Result<bool> {
        match self {
            Self::Folder(folder) => Ok(folder.join(name).is_file()),
            Self::Remote(remote) => Ok(remote.head(name)?.is_some()),
        }
    }

    /// When a file was written: milliseconds since 1970.
    pub(crate) fn modified(&self, name: &str) -> Result<i64> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let metadata = path.metadata().map_err(|cause| Error::io(&path, cause))?;
                Ok(millis(&metadata))
            }
            Self::Remote(remote) => match remote.head(name)? {
                Some(item) => Ok(item.modified),
                None => Err(remote.not_found(name)),
            },
        }
    }

    /// All bytes of a small file.
    pub(crate) fn read(&self, name: &str) -> Result<Bytes> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let read = std::fs::read(&path).map_err(|cause| Error::io(&path, cause))?;
                Ok(Bytes::from(read))
            }
            Self::Remote(remote) => remote.read(name)?.ok_or_else(|| remote.not_found(name)),
        }
    }

    /// These bytes of a data file of `size` bytes.
    pub(crate) fn fetch(&self, name: &str, size: u64, ranges: &[Range<u64>]) -> Result<Chunks> {
        let bytes = match self {
            Self::Folder(folder) => read_ranges(&folder.join(name), ranges)?,
            Self::Remote(remote) => remote.read_ranges(name, ranges)?,
        };
        let starts = ranges.iter().map(|range| range.start);
        Ok(Chunks::Fetched(size, starts.zip(bytes).collect()))
    }

    /// Data files of which these bytes will be read, fetched at the same time. On this machine there
    /// is nothing to be fetched.
    pub(crate) fn fetch_many(
        &self,
        wanted: &[(&str, u64, &[Range<u64>])],
    ) -> Result<Option<Vec<Chunks>>> {
        let Self::Remote(remote) = self else { return Ok(None) };
        let parts: Vec<_> = wanted.iter().map(|(name, _, ranges)| (*name, *ranges)).collect();
        let chunks =
            wanted.iter().zip(remote.read_many(&parts)?).map(|((_, size, ranges), parts)| {
                Chunks::Fetched(*size, ranges.iter().map(|range| range.start).zip(parts).collect())
            });
        Ok(Some(chunks.collect()))
    }

    /// A data file of which everything will be read, with its digest; `None` if there is none.
    pub(crate) fn fetch_all(&self, name: &str) -> Result<Option<(Chunks, Digest, u64)>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                match self.digest(name)? {
                    None => Ok(None),
                    Some((digest, size)) => Ok(Some((Chunks::File(open(&path)?), digest, size))),
                }
            }
            Self::Remote(remote) => {
                let Some(bytes) = remote.read(name)? else { return Ok(None) };
                let (digest, size) = (Digest::of_bytes(&bytes), bytes.len() as u64);
                Ok(Some((Chunks::Fetched(size, vec![(0, bytes)]), digest, size)))
            }
        }
    }

    /// Digest and size of a file; `None` if it does not exist.
    pub(crate) fn digest(&self, name: &str) -> Result<Option<(Digest, u64)>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                match path.metadata() {
                    Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
                    _ => Digest::of_file(&path).map(Some),
                }
            }
            Self::Remote(remote) => remote.digest(name),
        }
    }

    /// Writes a file atomically and durably.
    pub(crate) fn write(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::Remote(remote) => return remote.write(name, bytes),
        };
        let (path, part) = (folder.join(name), folder.join(format!(".{name}.part")));
        let written = File::create(&part)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&part, &path));
        written.map_err(|cause| {
            // The first error is reported; only a temporary file may be left.
            let _ = std::fs::remove_file(&part);
            Error::io(&path, cause)
        })
    }

    /// Writes a file atomically, without syncing it.
    pub(crate) fn write_unsynced(&self, name: &str, text: String) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                let (path, part) = (folder.join(name), folder.join(format!(".{name}.part")));
                std::fs::write(&part, text)
                    .and_then(|()| std::fs::rename(&part, &path))
                    .map_err(|cause| Error::io(&path, cause))
            }
            Self::Remote(remote) => remote.write(name, text.into_bytes()),
        }
    }

    /// Syncs a file that was written by other code.
    pub(crate) fn sync(&self, name: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                open(&path)?.sync_all().map_err(|cause| Error::io(&path, cause))
            }
            Self::Remote(_) => Ok(()),
        }
    }

    /// The files directly in it, by name.
    pub(crate) fn list(&self) -> Result<Vec<Item>> {
        let mut items = match self {
            Self::Folder(folder) => list(folder).map_err(|cause| Error::io(folder, cause))?,
            Self::Remote(remote) => remote.list()?,
        };
        items.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(items)
    }

    pub(crate) fn delete(&self, name: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                std::fs::remove_file(&path).map_err(|cause| Error::io(&path, cause))
            }
            Self::Remote(remote) => remote.delete(name),
        }
    }

    /// Copies a file to a local path; returns its size in bytes.
    pub(crate) fn copy_out(&self, name: &str, to: &Path) -> Result<u64> {
        match self {
            Self::Folder(folder) => {
                let from = folder.join(name);
                std::fs::copy(&from, to).map_err(|cause| Error::io(&from, cause))
            }
            Self::Remote(remote) => remote.copy_out(name, to),
        }
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|cause| Error::io(path, cause))
}

/// Opened anew each time: threads that share a file would share its position.
fn read_ranges(path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
    let failed = |cause| Error::io(path, cause);
    let mut file = open(path)?;
    let mut read = |range: &Range<u64>| {
        let length = range.end.saturating_sub(range.start);
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        (&file).take(length).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 != length {
            return Err(Error::input("corrupt data file: it is truncated")
                .with("file", path.display())
                .with("help", "run `headcount store verify` to list everything that is corrupt"));
        }
        Ok(Bytes::from(bytes))
    };
    ranges.iter().map(&mut read).collect()
}

fn list(folder: &Path) -> std::io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            items.push(Item { name, size: metadata.len(), modified: millis(&metadata) });
        }
    }
    Ok(items)
}

fn millis(metadata: &Metadata) -> i64 {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    modified.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::Storage;

    #[test]
    fn a_store_is_in_a_folder_or_at_an_address() {
        let at = |text: &str| Storage::parse(Path::new("/project"), text);
        assert_eq!(at("store").unwrap(), Storage::Folder(PathBuf::from("/project/store")));
        assert_eq!(at("/other").unwrap(), Storage::Folder(PathBuf::from("/other")));
        for address in ["s3://bucket/a/b", "gs://bucket/a", "az://container/a", "s3://bucket"] {
            let place = at(&format!("{address}/")).unwrap();
            assert_eq!(place.to_string(), address);
            assert_eq!(place.child("users").address("x"), format!("{address}/users/x"));
        }
        for (address, what) in [
            ("ftp://host/a", "`ftp` URLs are not supported"),
            ("http://host/a", "`http` URLs are not supported"),
            ("s3:///a", "not a URL of an object store"),
        ] {
            let error = at(address).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("s3://bucket/path"), "{error}");
        }
    }
}
