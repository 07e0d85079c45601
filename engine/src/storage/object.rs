//! An object of an object store. Reads are conditional: if the object was replaced since it was
//! found, they fail.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use futures::{TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    GetOptions, GetResult, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, coalesce_ranges,
};

use super::block_on::block_on;
use super::chunks::Chunks;
use super::digest::Digest;
use super::location::Storage;
use super::object_reader;
use crate::users::hash_bytes;
use crate::{Error, Result};

const NANOS: i64 = 1_000_000_000;

impl Storage {
    /// The object of this name, as it is now.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Object>> {
        Ok(self.head(name)?.map(|found| Object::new(self, found)))
    }

    /// All objects below a folder, at any depth.
    pub(crate) fn objects(&self, folder: &str) -> Result<Vec<Object>> {
        let (client, path) = self.request(folder)?;
        let objects = client.list(Some(&path)).map_ok(|found| Object::new(self, found));
        block_on(objects.try_collect())?.map_err(|cause| self.failed(folder, cause))
    }
}

/// An object as it was when it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    bucket: Storage,
    path: Path,
    size: u64,
    modified: i64,
    /// What the object store calls this content.
    tag: Option<String>,
}

impl Object {
    pub(super) fn new(bucket: &Storage, response: ObjectMeta) -> Self {
        let (path, size, tag) = (response.location, response.size, response.e_tag);
        // Lists have milliseconds, responses about one object only seconds; some lists have no quotes
        // around the tag.
        let second = response.last_modified.timestamp().saturating_mul(NANOS);
        let content = tag.as_ref().map_or(0, |tag| hash_bytes(tag.trim_matches('"').as_bytes()));
        let modified = second.saturating_add((content % NANOS as u64) as i64);
        Self { bucket: bucket.clone(), path, size, modified, tag }
    }

    /// Its name in the bucket.
    pub fn name(&self) -> &str {
        self.path.as_ref()
    }

    /// Its address, for messages.
    pub fn address(&self) -> String {
        self.bucket.address(self.name())
    }

    /// Its URL, with special characters encoded.
    ///
    /// # Errors
    /// When it has none.
    pub fn url(&self) -> Result<String> {
        let mut url = self.bucket.url()?;
        let no_path = |()| Error::internal(format!("the object {} has no path", self.address()));
        let parts = self.name().split('/');
        url.path_segments_mut().map_err(no_path)?.clear().extend(parts);
        Ok(url.into())
    }

    /// The client of its bucket, and the bucket's address.
    ///
    /// # Errors
    /// When there can be no client.
    pub fn client(&self) -> Result<(String, Arc<dyn ObjectStore>)> {
        self.bucket.bucket()
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When it was written, in nanoseconds since 1970, to the second: what is below tells contents
    /// apart that were written in the same one.
    pub fn modified(&self) -> i64 {
        self.modified
    }

    /// The object that has its name now, if there is one; where reading asks for this very object,
    /// it is this one.
    ///
    /// # Errors
    /// When the request fails.
    pub(crate) fn current(&self) -> Result<Option<Self>> {
        match &self.tag {
            Some(_) => Ok(Some(self.clone())),
            None => self.bucket.object(self.name()),
        }
    }

    /// Byte ranges of it, for the Parquet reader.
    ///
    /// # Errors
    /// When they cannot be read, or the object was replaced.
    pub(crate) fn fetch(&self, ranges: &[Range<u64>]) -> Result<Chunks> {
        let client = self.bucket.client()?;
        let fetched = |range: Range<u64>| {
            let options = GetOptions { range: Some(range.into()), ..self.if_unchanged() };
            client.get_opts(&self.path, options).and_then(GetResult::bytes)
        };
        let parts = block_on(coalesce_ranges(ranges, fetched, OBJECT_STORE_COALESCE_DEFAULT))?;
        let parts = parts.map_err(|cause| self.bucket.failed(self.name(), cause))?;
        let starts = ranges.iter().map(|range| range.start);
        Ok(Chunks::Fetched(self.size, starts.zip(parts).collect()))
    }

    /// All of it, from its beginning to its end.
    ///
    /// # Errors
    /// When it cannot be read, or was replaced.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>> {
        let client = self.bucket.client()?;
        let response = block_on(client.get_opts(&self.path, self.if_unchanged()))?;
        response.map(object_reader::read).map_err(|cause| self.bucket.failed(self.name(), cause))
    }

    /// The digest of its content.
    ///
    /// # Errors
    /// When it cannot be read, or was replaced.
    pub(crate) fn digest(&self) -> Result<Digest> {
        let digest = Digest::of_reader(self.open()?);
        let digest = digest.map_err(|cause| self.bucket.interrupted(self.name(), cause))?;
        Ok(digest.0)
    }

    /// Makes a request fail if the object was replaced.
    fn if_unchanged(&self) -> GetOptions {
        GetOptions { if_match: self.tag.clone(), ..GetOptions::default() }
    }
}
