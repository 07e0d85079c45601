//! Reads, writes and lists the files of a storage.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{GetResultPayload, ObjectMeta, ObjectStoreExt, PutMode, PutPayload};

use super::block_on::block_on;
use super::chunks::Chunks;
use super::digest::{CHUNK, Digest};
use super::local::{self, StagedFile};
use super::location::Storage;
use super::object_reader;
use crate::{Error, Result};

/// Objects that are read at the same time.
const MAX_PARALLEL_FETCHES: usize = 32;

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
    /// Creates the folder, if it is one and does not exist.
    pub(crate) fn create_folder(&self) -> Result<()> {
        self.local_folder().map_or(Ok(()), local::create_folder)
    }

    /// Returns an error if an object store cannot be reached.
    pub(crate) fn check(&self) -> Result<()> {
        if self.local_folder().is_some() { Ok(()) } else { self.list().map(drop) }
    }

    /// Whether a file of this name exists.
    pub(crate) fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.may_exist() && self.head(name)?.is_some())
    }

    /// When a file was written: milliseconds since 1970.
    pub(crate) fn modified(&self, name: &str) -> Result<i64> {
        let found = self.head(name)?.ok_or_else(|| self.not_found(name))?;
        Ok(found.last_modified.timestamp_millis())
    }

    /// All bytes of a small file.
    pub(crate) fn read(&self, name: &str) -> Result<Bytes> {
        let response = self.get(name)?.ok_or_else(|| self.not_found(name))?;
        block_on(response.bytes())?.map_err(|cause| self.failed(name, cause))
    }

    /// These bytes of a data file of `size` bytes.
    pub(crate) fn fetch(&self, name: &str, size: u64, ranges: &[Range<u64>]) -> Result<Chunks> {
        let bytes = match self.local_folder() {
            Some(folder) => local::read_ranges(&folder.join(name), ranges)?,
            None => {
                let (client, path) = self.request(name)?;
                let bytes = block_on(client.get_ranges(&path, ranges))?;
                bytes.map_err(|cause| self.failed(name, cause))?
            }
        };
        let starts = ranges.iter().map(|range| range.start);
        Ok(Chunks::Fetched(size, starts.zip(bytes).collect()))
    }

    /// Data files of which these bytes will be read, fetched at the same time.
    pub(crate) fn fetch_many(&self, wanted: &[(&str, u64, &[Range<u64>])]) -> Result<Vec<Chunks>> {
        let request = |(at, (name, size, ranges)): (usize, &(&str, u64, &[Range<u64>]))| {
            let ((client, path), size, ranges) = (self.request(name)?, *size, ranges.to_vec());
            let client = Arc::clone(client);
            Ok(async move {
                let bytes = client.get_ranges(&path, &ranges).await.map_err(|cause| (at, cause))?;
                let starts = ranges.iter().map(|range| range.start);
                Ok(Chunks::Fetched(size, starts.zip(bytes).collect()))
            })
        };
        let requests = wanted.iter().enumerate().map(request).collect::<Result<Vec<_>>>()?;
        let all = stream::iter(requests).buffered(MAX_PARALLEL_FETCHES).try_collect();
        block_on(all)?.map_err(|(at, cause): (usize, _)| self.failed(wanted[at].0, cause))
    }

    /// A data file of which everything will be read, with its digest and size; `None` if there is
    /// none.
    pub(crate) fn fetch_all(&self, name: &str) -> Result<Option<(Chunks, Digest, u64)>> {
        let Some(response) = self.get(name)? else { return Ok(None) };
        if let GetResultPayload::File(file, _) = response.payload {
            let digest = Digest::of_reader(&file).map_err(|cause| self.interrupted(name, cause));
            return digest.map(|(digest, size)| Some((Chunks::File(file), digest, size)));
        }
        let bytes = block_on(response.bytes())?.map_err(|cause| self.failed(name, cause))?;
        let (digest, size) = (Digest::of_bytes(&bytes), bytes.len() as u64);
        Ok(Some((Chunks::Fetched(size, vec![(0, bytes)]), digest, size)))
    }

    /// Digest and size of a file; `None` if it does not exist.
    pub(crate) fn digest(&self, name: &str) -> Result<Option<(Digest, u64)>> {
        let Some(response) = self.get(name)? else { return Ok(None) };
        let digest = Digest::of_reader(object_reader::read(response));
        digest.map(Some).map_err(|cause| self.interrupted(name, cause))
    }

    /// Writes a file atomically and durably.
    pub(crate) fn write(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        match self.local_folder() {
            Some(folder) => local::write(&folder.join(name), &bytes),
            None => self.write_unsynced(name, bytes),
        }
    }

    /// Prepares to write a file atomically and durably: [`Staged::commit`] makes it visible.
    pub(crate) fn stage(&self, name: &str, bytes: Vec<u8>) -> Result<Staged> {
        Ok(match self.local_folder() {
            Some(folder) => Staged::File(StagedFile::write(&folder.join(name), &bytes)?),
            None => Staged::Object { storage: self.clone(), name: name.to_owned(), bytes },
        })
    }

    /// Writes a file atomically. In a folder it may be lost if the machine stops.
    pub(crate) fn write_unsynced(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let (client, path) = self.request(name)?;
        let written = block_on(client.put(&path, PutPayload::from(bytes)))?;
        written.map(drop).map_err(|cause| self.failed(name, cause))
    }

    /// Syncs a file or folder that was written by other code.
    pub(crate) fn sync(&self, name: &str) -> Result<()> {
        self.local_folder().map_or(Ok(()), |folder| local::sync(&folder.join(name)))
    }

    /// Tests that the object store supports conditional writes.
    pub(crate) fn try_to_overwrite(&self, name: &str) -> Result<()> {
        let (client, path) = self.request(name)?;
        // The first one may succeed, but not the second.
        for _ in 0..2 {
            let text = PutPayload::from_static(
                b"Written to test that objects here are not overwritten.\n",
            );
            match block_on(client.put_opts(&path, text, PutMode::Create.into()))? {
                Ok(_) => {}
                Err(object_store::Error::AlreadyExists { .. }) => return Ok(()),
                Err(cause) => return Err(self.failed(name, cause)),
            }
        }
        Err(Error::input("the object store overwrote an object in spite of `If-None-Match`")
            .with("file", self.address(name))
            .with(
                "help",
                "two concurrent writers could lose events; use an object store that supports \
                 conditional writes",
            ))
    }

    /// The files directly in it, by name.
    pub(crate) fn list(&self) -> Result<Vec<Item>> {
        let (client, path) = self.request("")?;
        let listed = block_on(client.list_with_delimiter(Some(&path)))?;
        let item = |found: ObjectMeta| Item {
            name: found.location.filename().unwrap_or_default().to_owned(),
            size: found.size,
            modified: found.last_modified.timestamp_millis(),
        };
        let listed = listed.map_err(|cause| self.failed("", cause))?;
        let mut items: Vec<Item> = listed.objects.into_iter().map(item).collect();
        items.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(items)
    }

    /// The names of everything directly in it, also of folders and hidden files.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let Some(folder) = self.local_folder() else {
            let (client, path) = self.request("")?;
            let listed = block_on(client.list_with_delimiter(Some(&path)))?;
            let listed = listed.map_err(|cause| self.failed("", cause))?;
            let files = listed.objects.into_iter().map(|found| found.location);
            let names = files.chain(listed.common_prefixes);
            return Ok(names.filter_map(|path| Some(path.filename()?.to_owned())).collect());
        };
        let failed = |cause| Error::io(folder, cause);
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned())
        };
        std::fs::read_dir(folder).map_err(failed)?.map(name).collect()
    }

    pub(crate) fn delete(&self, name: &str) -> Result<()> {
        let (client, path) = self.request(name)?;
        block_on(client.delete(&path))?.map_err(|cause| self.failed(name, cause))
    }

    /// Copies a file to a local path; returns its size in bytes.
    pub(crate) fn copy_out(&self, name: &str, to: &Path) -> Result<u64> {
        let failed = |cause| Error::io(to, cause);
        let response = self.get(name)?.ok_or_else(|| self.not_found(name))?;
        let mut reader = object_reader::read(response);
        let mut file = File::create(to).map_err(failed)?;
        let (mut chunk, mut size) = (vec![0; CHUNK], 0);
        loop {
            match reader.read(&mut chunk).map_err(|cause| self.interrupted(name, cause))? {
                0 => return Ok(size),
                read => {
                    file.write_all(&chunk[..read]).map_err(failed)?;
                    size += read as u64;
                }
            }
        }
    }
}

/// A file that is not visible yet, and never is if this is dropped. Files of folders are on the disk
/// already, so that only a rename is left to do.
#[derive(Debug)]
pub(crate) enum Staged {
    File(StagedFile),
    Object { storage: Storage, name: String, bytes: Vec<u8> },
}

impl Staged {
    /// Makes the file visible in place of an earlier one.
    pub(crate) fn commit(self) -> Result<()> {
        match self {
            Self::File(file) => file.commit(),
            Self::Object { storage, name, bytes } => storage.write_unsynced(&name, bytes),
        }
    }
}
