//! Where files are: a folder, or a prefix in an object store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use object_store::ObjectStore;

use super::client::{self, is_address};
use crate::Result;

/// A local folder, or a prefix in an object store: the storage of a store or of one of its tables,
/// or a bucket of event files.
#[derive(Clone)]
pub struct Storage {
    pub(super) location: Location,
    /// Made when it is first needed, and common to all parts of a store.
    pub(super) client: Arc<OnceLock<Arc<dyn ObjectStore>>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Location {
    Folder(PathBuf),
    /// Without a slash at its end.
    Address(String),
}

impl Storage {
    /// The storage that `store:` names: an address, or a folder that starts at `root` unless it is
    /// absolute.
    ///
    /// # Errors
    /// When the address is not supported.
    pub fn parse(root: &Path, text: &str) -> Result<Self> {
        match is_address(text) {
            true => Self::of_address(text),
            false => Ok(Self::folder(root.join(text))),
        }
    }

    /// A folder of this machine.
    pub fn folder(folder: PathBuf) -> Self {
        Self { location: Location::Folder(folder), client: Arc::default() }
    }

    /// The whole bucket of an address, and what the address says behind it.
    ///
    /// # Errors
    /// When it is none, or of a kind that is not known.
    pub(crate) fn bucket_of(text: &str) -> Result<(Self, &str)> {
        let start = text.find("://").map_or(0, |at| at + "://".len());
        let end = text[start..].find('/').map_or(text.len(), |at| start + at);
        Ok((Self::of_address(&text[..end])?, text[end..].trim_start_matches('/')))
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
    pub(crate) fn local_folder(&self) -> Option<&Path> {
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
        self.local_folder().is_none_or(Path::is_dir)
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
