//! Files in local folders and in object stores. A store is written to a [`Storage`]; event files in
//! object stores are read as [objects](Object).
//!
//! Both kinds of storage are used through `object_store`. Its requests are complete or have not
//! happened, and a commit fails if its version exists already (`If-None-Match`). Folders differ in
//! what is in `local.rs`: files are synced when they are written, and ranges are read directly.

mod block_on;
mod chunks;
mod client;
mod digest;
mod local;
mod object;
mod object_reader;
mod requests;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::prefix::PrefixStore;
use object_store::{
    GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
};

use crate::{Error, Result};
use digest::CHUNK;
use local::StagedFile;

pub(crate) use block_on::block_on;
pub(crate) use chunks::{Chunks, column_ranges, footer};
pub use client::{is_address, use_variables};
pub use digest::Digest;
pub use object::Object;

/// Objects that are read at the same time.
const MAX_PARALLEL_FETCHES: usize = 32;

/// A local folder, or a prefix in an object store: the storage of a store or of one of its tables,
/// or a bucket of event files.
#[derive(Clone)]
pub struct Storage {
    location: Location,
    /// Made when it is first needed, and common to all parts of a store.
    client: Arc<OnceLock<Arc<dyn ObjectStore>>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Location {
    Folder(PathBuf),
    /// Without a slash at its end.
    Address(String),
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
    pub fn parse(root: &LocalPath, text: &str) -> Result<Self> {
        match is_address(text) {
            true => Self::of_address(text),
            false => Ok(Self::folder(root.join(text))),
        }
    }

    /// A folder of this machine.
    pub fn folder(folder: PathBuf) -> Self {
        Self { location: Location::Folder(folder), client: Arc::default() }
    }

    fn of_address(text: &str) -> Result<Self> {
        client::check_address(text)?;
        let address = text.trim_end_matches('/').to_owned();
        Ok(Self { location: Location::Address(address), client: Arc::default() })
    }

    /// A folder or prefix in it.
    pub(crate) fn child(&self, name: &str) -> Self {
        let location = match &self.location {
            Location::Folder(folder) => Location::Folder(folder.join(name)),
            Location::Address(address) => Location::Address(format!("{address}/{name}")),
        };
        Self { location, client: Arc::clone(&self.client) }
    }

    /// The folder; `None` for an object store.
    pub(crate) fn local_folder(&self) -> Option<&LocalPath> {
        match &self.location {
            Location::Folder(folder) => Some(folder),
            Location::Address(_) => None,
        }
    }

    /// Path or address of a file in it, for messages.
    pub(crate) fn address(&self, name: &str) -> String {
        self.child(name).to_string()
    }

    /// What to do when an object store cannot be used.
    pub(crate) fn help(&self) -> Option<String> {
        match &self.location {
            Location::Folder(_) => None,
            Location::Address(address) => Some(client::help(address)),
        }
    }

    /// Whether it may exist: for folders, whether they do. No request is sent to object stores.
    pub fn may_exist(&self) -> bool {
        self.local_folder().is_none_or(LocalPath::is_dir)
    }

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
    pub(crate) fn copy_out(&self, name: &str, to: &LocalPath) -> Result<u64> {
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

    /// The client, and the address of what it is a client of.
    pub(crate) fn bucket(&self) -> Result<(String, Arc<dyn ObjectStore>)> {
        let url = self.url()?;
        let bucket = format!("{}://{}", url.scheme(), url.authority());
        Ok((bucket, Arc::clone(self.client()?)))
    }

    /// The log of the table at this location.
    pub(crate) fn log(&self) -> Result<LogStoreRef> {
        let (client, prefix) = self.request("")?;
        let table = Arc::new(PrefixStore::new(Arc::clone(client), prefix));
        Ok(default_logstore(table, Arc::clone(client), &self.url()?, &StorageConfig::default()))
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

/// Two are the same if they have the same path or address.
impl PartialEq for Storage {
    fn eq(&self, other: &Self) -> bool {
        self.location == other.location
    }
}

impl Eq for Storage {}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Folder(folder) => folder.display().fmt(f),
            Location::Address(address) => f.write_str(address),
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Storage").field(&self.to_string()).finish()
    }
}
