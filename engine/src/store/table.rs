//! What is needed to read the table `activity` directly: its storage, its columns, and the id space
//! of its sets.

use std::sync::Arc;

use arrow::datatypes::Schema;
use object_store::ObjectStore;

use super::activity;
use super::delta::Table;
use super::layout::{ACTIVITY, USERS};
use super::snapshot::Store;
use crate::storage::Storage;
use crate::users::{Key, Space};
use crate::{Error, Result};

impl Store {
    /// Whether there is a store, or storage that cannot be reached: opening it reports why.
    pub fn exists(storage: &Storage) -> bool {
        Table::exists(&storage.child(ACTIVITY)).unwrap_or(true)
    }

    /// Paths or addresses of the data files of `activity`.
    pub fn activity_files(&self) -> Vec<String> {
        let storage = self.storage.child(ACTIVITY);
        self.activity.keys().map(|name| storage.address(name)).collect()
    }

    /// The client and address of its object store, if it is in one.
    ///
    /// # Errors
    /// When there can be no client for it.
    pub fn object_store(&self) -> Result<Option<(String, Arc<dyn ObjectStore>)>> {
        match self.storage.local_folder() {
            Some(_) => Ok(None),
            None => self.storage.bucket().map(Some),
        }
    }

    /// The columns of `activity`.
    pub fn activity_schema(&self) -> Schema {
        activity::schema(self.dimensions())
    }

    /// The id space: the id of the table `users`, which never changes.
    ///
    /// # Errors
    /// When the table has no such id.
    pub fn space(&self) -> Result<Space> {
        let id = &self.space;
        match Key::of_text(&id.to_ascii_lowercase()) {
            Key::Wide(id) => Ok(Space(id.to_be_bytes())),
            _ => Err(Error::input(format!("the id of this table is `{id}`, which is not a UUID"))
                .with("file", self.storage.child(USERS))),
        }
    }
}
