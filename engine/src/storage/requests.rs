//! What the requests for files go to, and their errors.

use std::fmt;
use std::sync::Arc;

use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStoreScheme};
use url::Url;

use super::block_on::block_on;
use super::location::{Location, Storage};
use super::{client, local};
use crate::{Error, Result};

impl Storage {
    /// Its URL, with a slash at its end.
    pub(super) fn url(&self) -> Result<Url> {
        match &self.location {
            Location::Folder(folder) => {
                let full = folder.canonicalize().map_err(|cause| Error::io(folder, cause))?;
                Url::from_directory_path(&full)
                    .map_err(|()| Error::internal(format!("{} is not absolute", full.display())))
            }
            Location::Address(address) => Url::parse(&format!("{address}/"))
                .map_err(|cause| Error::internal(format!("{address} is not a URL: {cause}"))),
        }
    }

    pub(super) fn client(&self) -> Result<&Arc<dyn ObjectStore>> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = client::client(&self.url()?).map_err(|cause| self.failed("", cause))?;
        Ok(self.client.get_or_init(|| client))
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

    /// What a request for a file, or for everything in the storage, goes to. Names are taken as
    /// they are.
    pub(super) fn request(&self, name: &str) -> Result<(&Arc<dyn ObjectStore>, Path)> {
        let invalid = |cause: &dyn fmt::Display| {
            Error::input(format!("invalid name: {cause}")).with("file", self.address(name))
        };
        let (_, prefix) =
            ObjectStoreScheme::parse(&self.url()?).map_err(|cause| invalid(&cause))?;
        let path = format!("{prefix}/{name}");
        Ok((self.client()?, Path::parse(path).map_err(|cause| invalid(&cause))?))
    }

    pub(super) fn head(&self, name: &str) -> Result<Option<ObjectMeta>> {
        let (client, path) = self.request(name)?;
        self.found(name, block_on(client.head(&path))?)
    }

    /// All of a file; `None` if there is none.
    pub(super) fn get(&self, name: &str) -> Result<Option<GetResult>> {
        let (client, path) = self.request(name)?;
        self.found(name, block_on(client.get(&path))?)
    }

    fn found<T>(&self, name: &str, response: object_store::Result<T>) -> Result<Option<T>> {
        match response {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(self.failed(name, cause)),
        }
    }

    /// The error for a missing file.
    pub(super) fn not_found(&self, name: &str) -> Error {
        let what = if self.local_folder().is_some() { "no such file" } else { "no such object" };
        Error::input(what).with("file", self.address(name))
    }

    /// The error for a failed request; `name` is empty if it was for the whole storage.
    pub(super) fn failed(&self, name: &str, cause: object_store::Error) -> Error {
        let named = if name.is_empty() { self.clone() } else { self.child(name) };
        match &named.location {
            Location::Folder(path) => local::failed(path, cause),
            Location::Address(address) => client::failed(address, cause),
        }
    }

    /// The error for a file that was not read to its end.
    pub(super) fn interrupted(&self, name: &str, cause: std::io::Error) -> Error {
        let cause = cause.downcast().unwrap_or_else(|cause| object_store::Error::Generic {
            store: "stream",
            source: Box::new(cause),
        });
        self.failed(name, cause)
    }
}
